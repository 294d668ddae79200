/** Kafka's own Java client, from ten years ago to today: one program, of which each version compiles the parts that it supports. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, mavenJars } from '../support/cache.ts'
import { writeProperties } from '../support/java-login.ts'
import { must } from '../support/run.ts'
import type { Secured } from '../support/secured.ts'
import { type Report, runProgram, type Suite, type Target } from '../support/suite.ts'

const since28 = ['Times', 'Modern', 'Transactions', 'Wide', 'Policy', 'Secured']

/** Newest first; `zstd` is an era too. */
const versions: readonly { version: string; eras: readonly string[] }[] = [
  { version: '4.4.0', eras: ['zstd', ...since28, 'Heartbeats', 'Queues'] },
  { version: '3.9.1', eras: ['zstd', ...since28, 'Heartbeats'] },
  { version: '2.8.2', eras: ['zstd', ...since28] },
  { version: '1.1.1', eras: ['Times', 'Modern', 'Transactions'] },
  { version: '0.11.0.3', eras: ['Times', 'Modern', 'Transactions'] },
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
  const jars = await classPath(version)
  const sources = ['Kit', 'Main', 'Basic', ...eras.filter(era => era !== 'zstd')].map(name =>
    join(import.meta.dirname, 'src', `${name}.java`),
  )
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  const classes = await cached(`java-${version}`, text, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
  })
  const secured = eras.includes('Secured') ? await target.secured() : null
  const system = secured === null ? [] : securedProperties(secured, version)
  const known = eras.filter(era => era !== 'Secured' || secured !== null)
  const jvm = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...system, '-cp', `${classes}:${jars}`]
  await runProgram(client, report, 'java', [...jvm, 'Main', target.bootstrap, ...known], { seconds: 600 })
}

async function classPath(version: string): Promise<string> {
  const own = await mavenJars(`clients-${version}`, [`org.apache.kafka:kafka-clients:${version}`])
  if (!readsTokens(version)) return own
  // What kafka-clients leaves to the application that wants OAUTHBEARER.
  const tokens = await mavenJars('jose', ['org.bitbucket.b_c:jose4j:0.9.6', 'com.fasterxml.jackson.core:jackson-databind:2.16.2'])
  return `${own}:${tokens}`
}

/** Tokens from files: the clients before 3.1 cannot. */
const readsTokens = (version: string) => /^[34]\./.test(version)

/** What the program needs to know of the secured broker, flat, as Java reads it. */
function securedProperties({ describedIn, bootstraps, files, user, admin }: Secured, version: string): string[] {
  const flat = Object.entries({ bootstraps, files, user, admin }).flatMap(([name, group]) =>
    Object.entries(group).map(([key, value]) => [`${name}.${key}`, value] as const),
  )
  const file = writeProperties(describedIn.replace(/json$/, 'properties'), Object.fromEntries(flat))
  const tokens = `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://${files.token}`
  return [`-Dsecured=${file}`, ...(readsTokens(version) ? [tokens] : [])]
}
