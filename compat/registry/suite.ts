/**
 * Clients and serializers of schema registries against ours, which runs as a process of its own over the broker: Confluent's in Python, JavaScript, Go and
 * Java, franz-go's `sr`, and Rust's schema_registry_converter.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { built, cached, fetching, goProgram, mavenJars, needs, nodeProgram, pythonPackages } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { usingServices } from '../support/services.ts'
import { type Programs, runPrograms, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
const programs: Programs = {
  'confluent-kafka-registry': async () => [
    join(await pythonPackages('python-registry', join(here, 'requirements.txt')), 'bin/python'),
    join(here, 'confluent_cases.py'),
  ],
  '@confluentinc/schemaregistry': async () => [process.execPath, join(await nodeProgram('node-registry', join(here, 'node')), 'cases.mjs')],
  'franz-go-sr': async () => [await goProgram('go-registry', join(here, 'go'))],
  'confluent-kafka-go-registry': async () => [await goProgram('go-confluent-registry', join(here, 'go-confluent'))],
  'confluent-java-serializers': async () => ['java', ...jvm, '-cp', await javaClassPath(), 'Serdes'],
  schema_registry_converter: async () => [join(await rustProgram(), 'target/release/registry-cases')],
}

const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

export const registry: Suite = {
  folder: 'registry',
  clients: Object.keys(programs),
  async run(target, report) {
    await usingServices(target.bootstrap)(['registry'], ({ urls }) => runPrograms(programs, report, [target.bootstrap, urls.registry]))
  },
}

async function rustProgram(): Promise<string> {
  await needs('cargo', 'Rust 1.85 or newer')
  return built('rust-registry', join(here, 'rust'), async at => {
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
