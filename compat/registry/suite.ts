/**
 * Clients and serializers of schema registries against ours, which runs as a process of its own over the broker: confluent-kafka (Python),
 * @confluentinc/schemaregistry, franz-go's sr.
 */
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile } from '../support/brokers.ts'
import { cached, fetching, Missing, needs, repository } from '../support/cache.ts'
import { accepts, freePorts, must, start, until } from '../support/run.ts'
import { type Report, runProgram, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
/** By client: the command, once it is there. */
const programs: Record<string, () => Promise<readonly string[]>> = {
  'confluent-kafka-registry': async () => [join(await pythonEnvironment(), 'bin/python'), join(here, 'confluent_cases.py')],
  '@confluentinc/schemaregistry': async () => [process.execPath, join(await nodePackages(), 'cases.mjs')],
  'franz-go-sr': async () => [join(await goProgram(), 'sr')],
}

export const registry: Suite = {
  folder: 'registry',
  clients: Object.keys(programs),
  async run(target, report) {
    await compile()
    const port = await freePorts(1)
    const flags = ['--set', 'services=registry', '--set', `registry.port=${port}`]
    const directory = mkdtempSync(join(tmpdir(), 'millrace-registry-'))
    const command = [join(repository, 'dist/cli.js'), 'services', '--bootstrap', target.bootstrap, ...flags]
    const service = start(process.execPath, command, join(directory, 'log'))
    const ended = once(service, 'exit')
    try {
      await until(() => accepts(port), `the registry on port ${port}: see ${directory}/log`)
      for (const [client, program] of Object.entries(programs))
        await runClient(client, report, program, [target.bootstrap, `http://127.0.0.1:${port}`])
      rmSync(directory, { recursive: true, force: true })
    } finally {
      service.kill('SIGTERM')
      await ended
    }
  },
}

/** One whose packages cannot be had does not keep the others from running. */
async function runClient(
  client: string,
  report: Report,
  program: () => Promise<readonly string[]>,
  args: readonly string[],
): Promise<void> {
  try {
    const [command, ...first] = await program()
    await runProgram(client, report, command!, [...first, ...args])
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    report({ client, name: 'all', outcome: 'skip', detail: error.message })
  }
}

async function pythonEnvironment(): Promise<string> {
  await needs('python3', 'Python 3.10 or newer')
  const requirements = join(here, 'requirements.txt')
  return cached('python-registry', readFileSync(requirements, 'utf8'), async at => {
    await must('python3', ['-m', 'venv', at])
    await fetching('Python packages', must(join(at, 'bin/python'), ['-m', 'pip', 'install', '-q', '-r', requirements]))
  })
}

async function nodePackages(): Promise<string> {
  return cached('node-registry', textOf('node'), async at => {
    copy('node', at)
    await fetching('packages of Node', must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: at }))
  })
}

async function goProgram(): Promise<string> {
  await needs('go', 'Go 1.26 or newer')
  return cached('go-registry', textOf('go'), async at => {
    copy('go', at)
    await fetching('Go modules', must('go', ['mod', 'download'], { cwd: at }))
    await must('go', ['build', '-mod=readonly', '-o', 'sr', '.'], { cwd: at })
  })
}

function textOf(folder: string): string {
  return readdirSync(join(here, folder))
    .map(name => readFileSync(join(here, folder, name), 'utf8'))
    .join('')
}

function copy(folder: string, to: string): void {
  for (const name of readdirSync(join(here, folder))) cpSync(join(here, folder, name), join(to, name))
}
