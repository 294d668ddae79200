/**
 * Clients and serializers of schema registries against ours, which runs as a process of its own over the broker: Confluent's in Python, JavaScript, Go and
 * Java, franz-go's `sr`, and Rust's schema_registry_converter.
 */
import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { cached, fetching, Missing, mavenJars, needs } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { startServices } from '../support/services.ts'
import { type Report, runProgram, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
/** By client: the command, once it is there. */
const programs: Record<string, () => Promise<readonly string[]>> = {
  'confluent-kafka-registry': async () => [join(await pythonEnvironment(), 'bin/python'), join(here, 'confluent_cases.py')],
  '@confluentinc/schemaregistry': async () => [process.execPath, join(await nodePackages(), 'cases.mjs')],
  'franz-go-sr': async () => [join(await goProgram('go'), 'sr')],
  'confluent-kafka-go-registry': async () => [join(await goProgram('go-confluent'), 'sr')],
  'confluent-java-serializers': async () => ['java', ...jvm, '-cp', await javaClassPath(), 'Serdes'],
  schema_registry_converter: async () => [join(await rustProgram(), 'target/release/registry-cases')],
}

const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

export const registry: Suite = {
  folder: 'registry',
  clients: Object.keys(programs),
  async run(target, report) {
    const services = await startServices(target.bootstrap, ['registry'])
    try {
      for (const [client, program] of Object.entries(programs))
        await runClient(client, report, program, [target.bootstrap, services.urls.registry])
    } finally {
      await services.close()
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

async function goProgram(folder: string): Promise<string> {
  await needs('go', 'Go 1.26 or newer')
  return cached(`${folder}-registry`, textOf(folder), async at => {
    copy(folder, at)
    await fetching('Go modules', must('go', ['mod', 'download'], { cwd: at }))
    await must('go', ['build', '-mod=readonly', '-o', 'sr', '.'], { cwd: at })
  })
}

async function rustProgram(): Promise<string> {
  await needs('cargo', 'Rust 1.85 or newer')
  return cached('rust-registry', textOf('rust'), async at => {
    copy('rust', at)
    await fetching('crates', must('cargo', ['fetch', '--locked', '--quiet'], { cwd: at }))
    await must('cargo', ['build', '--release', '--locked', '--quiet'], { cwd: at })
  })
}

/**
 * Confluent's own serializers are in no Maven registry that can be reached, but Apache Pinot's plugins contain them unchanged, with all that they need.
 */
async function javaClassPath(): Promise<string> {
  const bundled = ['avro', 'json', 'protobuf'].map(format => `org.apache.pinot:pinot-confluent-${format}:${pinotVersion}:shaded`)
  const jars = await mavenJars('confluent-serializers', ['org.apache.kafka:kafka-clients:3.9.1', ...bundled])
  const sources = [join(here, '../java/src/Kit.java'), join(here, 'java/Serdes.java')]
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  const classes = await cached('java-registry', text, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
  })
  return `${classes}:${jars}`
}

const pinotVersion = '1.5.1'

function textOf(folder: string): string {
  return filesIn(folder)
    .map(name => readFileSync(join(here, folder, name), 'utf8'))
    .join('')
}

function copy(folder: string, to: string): void {
  for (const name of filesIn(folder)) cpSync(join(here, folder, name), join(to, name))
}

/** Also in folders of the folder. */
function filesIn(folder: string): string[] {
  return readdirSync(join(here, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => statSync(join(here, folder, name)).isFile())
    .sort()
}
