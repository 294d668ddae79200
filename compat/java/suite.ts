/** Kafka's own Java client, from ten years ago to today: one program, of which each version compiles what its era knows. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, mavenJars } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { type Report, runProgram, type Suite, type Target } from '../support/suite.ts'

/** Newest first; `zstd` is an era too. */
const versions: readonly { version: string; eras: readonly string[] }[] = [
  { version: '4.4.0', eras: ['zstd', 'Times', 'Modern', 'Wide'] },
  { version: '3.9.1', eras: ['zstd', 'Times', 'Modern', 'Wide'] },
  { version: '2.8.2', eras: ['zstd', 'Times', 'Modern', 'Wide'] },
  { version: '1.1.1', eras: ['Times', 'Modern'] },
  { version: '0.11.0.3', eras: ['Times', 'Modern'] },
  { version: '0.10.2.2', eras: ['Times'] },
  { version: '0.9.0.1', eras: [] },
]
const clientOf = (version: string) => `java-${version}`

export const java: Suite = {
  folder: 'java',
  clients: versions.map(({ version }) => clientOf(version)),
  async run(target, report) {
    for (const { version, eras } of versions) await runVersion(version, eras, target, report)
  },
}

async function runVersion(version: string, eras: readonly string[], target: Target, report: Report): Promise<void> {
  const client = clientOf(version)
  if (Number(target.kafkaVersion?.split('.')[0]) >= 4 && eras.length < 4) {
    report({ client, name: 'all', outcome: 'skip', detail: 'Apache Kafka 4 does not speak to clients before 2.1' })
    return
  }
  const jars = await mavenJars(`clients-${version}`, [`org.apache.kafka:kafka-clients:${version}`])
  const sources = ['Kit', 'Main', 'Basic', ...eras.filter(era => era !== 'zstd')].map(name =>
    join(import.meta.dirname, 'src', `${name}.java`),
  )
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  const classes = await cached(`java-${version}`, text, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
  })
  const java = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${classes}:${jars}`, 'Main', target.bootstrap, ...eras]
  await runProgram(client, report, 'java', java)
}
