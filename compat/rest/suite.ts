/**
 * Clients of Confluent's REST proxy against ours: the examples of its documentation, and clients as they are published. The proxy and the registry run as a
 * process of their own over the broker.
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, fetching, Missing, needs } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { startServices } from '../support/services.ts'
import { runProgram, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
/** By client: the command, once it is there. */
const programs: Record<string, () => Promise<readonly string[]>> = {
  'kafka-rest-documentation': async () => [process.execPath, join(here, 'documentation.ts')],
  'rest-streams': async () => [process.execPath, join(here, 'streams.ts')],
  'kafka-rest-sdk-go': async () => [join(await goProgram(), 'rest'), 'v3'],
  'kafka-rest-go': async () => [join(await goProgram(), 'rest'), 'v2'],
  'kafka-rest-node': async () => [process.execPath, join(await nodePackages(), 'cases.mjs')],
}

export const rest: Suite = {
  folder: 'rest',
  clients: Object.keys(programs),
  async run(target, report) {
    const services = await startServices(target.bootstrap, ['registry', 'rest'])
    try {
      for (const [client, program] of Object.entries(programs)) {
        try {
          const [command, ...first] = await program()
          const args = [...first, services.urls.rest, services.urls.registry, String(services.pid)]
          await runProgram(client, report, command!, args, { seconds: 400 })
        } catch (error) {
          if (!(error instanceof Missing)) throw error
          report({ client, name: 'all', outcome: 'skip', detail: error.message })
        }
      }
    } finally {
      await services.close()
    }
  },
}

async function goProgram(): Promise<string> {
  await needs('go', 'Go 1.26 or newer')
  return cached('go-rest', textOf('go'), async at => {
    copy('go', at)
    await fetching('Go modules', must('go', ['mod', 'download'], { cwd: at }))
    await must('go', ['build', '-mod=readonly', '-o', 'rest', '.'], { cwd: at })
  })
}

async function nodePackages(): Promise<string> {
  return cached('node-rest', textOf('node'), async at => {
    copy('node', at)
    await fetching('packages of Node', must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: at }))
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
