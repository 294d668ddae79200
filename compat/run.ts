/**
 * `npm run compat -- [cluster] [names…] [--bootstrap HOST:PORT | --kafka VERSION] [--add]`: runs third-party clients and tools against
 * Millrace; with `cluster`, against three brokers over a real PostgreSQL and MinIO.
 *
 * Names are folders of compat/ or clients. Each folder's allow.txt lists the cases that must pass, and only grows. A listed case that
 * does not pass fails the run; one that passes but is not listed is reported, and added by `--add`. `--kafka` runs the same against a real
 * Apache Kafka, to verify that the cases are right. A complete run against Millrace writes docs/compat.md.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cdc } from './cdc/suite.ts'
import { cli } from './cli/suite.ts'
import { clusterBehaviour } from './cluster-behaviour/suite.ts'
import { connect } from './connect/suite.ts'
import { connectMirror } from './connect-mirror/suite.ts'
import { connectSinks } from './connect-sinks/suite.ts'
import { connectSources } from './connect-sources/suite.ts'
import { dataHub } from './data-hub/suite.ts'
import { dumpLog } from './dump-log/suite.ts'
import { endurance } from './endurance/suite.ts'
import { filters } from './filters/suite.ts'
import { go } from './go/suite.ts'
import { importing } from './import/suite.ts'
import { java } from './java/suite.ts'
import { kafkajs } from './kafkajs/suite.ts'
import { kcat } from './kcat/suite.ts'
import { platformatic } from './platformatic/suite.ts'
import { python } from './python/suite.ts'
import { registry } from './registry/suite.ts'
import { rest } from './rest/suite.ts'
import { services } from './services/suite.ts'
import { streams } from './streams/suite.ts'
import { type RunningBroker, startKafka, startMillrace } from './support/brokers.ts'
import { Missing, repository } from './support/cache.ts'
import { clusterOf } from './support/cluster.ts'
import { page } from './support/page.ts'
import { must } from './support/run.ts'
import { kafkaOf, type Secured, type StartBrokers, startSecured } from './support/secured.ts'
import type { CaseResult, Suite, Target } from './support/suite.ts'
import { tools } from './tools/suite.ts'
import { triggers } from './triggers/suite.ts'

// dump-log runs after all suites that write; data-hub, import, services, connect-mirror, endurance and cluster-behaviour start their own brokers. All but the last do it on disks: a cluster
// has `npm run endurance -- --cluster`.
const suites: readonly Suite[] = [
  kafkajs,
  platformatic,
  java,
  streams,
  connect,
  connectSinks,
  cdc,
  dataHub,
  connectSources,
  python,
  kcat,
  go,
  registry,
  filters,
  triggers,
  rest,
  tools,
  cli,
  dumpLog,
  importing,
  services,
  connectMirror,
  endurance,
  clusterBehaviour,
]

/** Runs only where there is what it is about. */
const isFor = (suite: Suite) => (suite === endurance ? !inCluster : suite === clusterBehaviour ? inCluster : true)

/** Short intervals, so that nothing waits for minutes; all other keys have their defaults. */
const brokerConfig = {
  'node.id': '0',
  'num.partitions': '4',
  'offsets.topic.num.partitions': '5',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '500',
  'log.cleaner.backoff.ms': '1000',
  'log.retention.check.interval.ms': '5000',
}

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { bootstrap: { type: 'string' }, kafka: { type: 'string' }, add: { type: 'boolean', default: false } },
})

const inCluster = positionals[0] === 'cluster'
const names = inCluster ? positionals.slice(1) : positionals

const allowFile = (suite: Suite) => join(import.meta.dirname, suite.folder, 'allow.txt')

function allowed(suite: Suite): string[] {
  if (!existsSync(allowFile(suite))) return []
  return readFileSync(allowFile(suite), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
}

const id = (result: CaseResult) => `${result.client} ${result.name}`

async function runSuite(suite: Suite, target: Target): Promise<CaseResult[]> {
  console.log(`\n${suite.folder}`)
  const results: CaseResult[] = []
  const report = (result: CaseResult) => {
    results.push(result)
    console.log(`  ${result.outcome.padEnd(4)} ${id(result)}${result.outcome === 'ok' ? ` ${result.detail}` : `: ${result.detail}`}`)
  }
  try {
    await suite.run(target, report)
  } catch (error) {
    const outcome = error instanceof Missing ? 'skip' : 'FAIL'
    for (const client of suite.clients) report({ client, name: 'all', outcome, detail: (error as Error).message })
  }
  return results
}

/** Compares the results with the list; `broken` cases fail the run. */
function compare(suite: Suite, results: readonly CaseResult[]): { broken: string[]; fresh: string[] } {
  const listed = allowed(suite)
  const skippedWhole = new Set(results.filter(each => each.name === 'all' && each.outcome === 'skip').map(each => each.client))
  const by = (outcome: CaseResult['outcome']) => new Set(results.filter(each => each.outcome === outcome).map(id))
  const [passed, skipped] = [by('ok'), by('skip')]
  const broken = listed.filter(name => !passed.has(name) && !skipped.has(name) && !skippedWhole.has(name.split(' ')[0]!))
  return { broken, fresh: [...passed].filter(name => !listed.includes(name)) }
}

interface Started {
  target: Target
  broker: RunningBroker | null
  /** Throws when a broker did not survive. */
  check(): Promise<void>
  remove(): Promise<void>
}

function startsBrokers(): StartBrokers {
  if (inCluster) return clusterOf(3)
  const version = flags.kafka
  return version === undefined ? startMillrace : properties => startKafka({ version, properties })
}

async function startTarget(): Promise<Started> {
  const nothing = async () => {}
  if (flags.bootstrap !== undefined)
    return { target: { bootstrap: flags.bootstrap, secured: async () => null }, broker: null, check: nothing, remove: nothing }
  const start = startsBrokers()
  const broker = await start(brokerConfig, {})
  const startsSecured = flags.kafka === undefined ? start : kafkaOf(flags.kafka)
  let started: Promise<Secured> | null = null
  const secured = () => {
    started ??= startSecured(brokerConfig, startsSecured)
    return started
  }
  const remove = async () => {
    await broker.remove()
    await started?.then(
      each => each.close(),
      () => {}, // the suites that asked for it have reported it
    )
  }
  const check = async () => {
    void broker.pid
    if (started !== null) void (await started).broker.pid
  }
  const data = inCluster ? undefined : broker.data
  return { target: { bootstrap: broker.bootstrap, data, kafkaVersion: flags.kafka, secured }, broker, check, remove }
}

async function main(): Promise<number> {
  const chosen = suites.filter(suite => (names.length === 0 ? isFor(suite) : names.includes(suite.folder)))
  const unknown = names.filter(name => !suites.some(suite => suite.folder === name))
  if (unknown.length > 0)
    throw new Missing(`unknown suite ${unknown.join(', ')}; the suites are ${suites.map(each => each.folder).join(', ')}`)
  const { target, broker, check, remove } = await startTarget()
  const results: CaseResult[] = []
  const broken: string[] = []
  try {
    for (const suite of chosen) {
      const found = await runSuite(suite, target)
      const { broken: lost, fresh } = compare(suite, found)
      results.push(...found)
      broken.push(...lost)
      if (fresh.length > 0 && flags.add) appendFileSync(allowFile(suite), `${fresh.join('\n')}\n`)
      else for (const name of fresh) console.log(`  passes, but is not in ${suite.folder}/allow.txt (--add adds it): ${name}`)
    }
    await check()
  } finally {
    await remove()
  }
  for (const name of broken) console.log(`\nlisted in allow.txt, but does not pass: ${name}`)
  const count = (outcome: CaseResult['outcome']) => results.filter(each => each.outcome === outcome).length
  console.log(`\n${count('ok')} passed, ${count('FAIL')} failed, ${count('skip')} skipped`)
  if (names.length === 0 && !inCluster && broker?.name === 'millrace') await writePage(results)
  return broken.length === 0 && results.length > 0 ? 0 : 1
}

async function writePage(results: readonly CaseResult[]): Promise<void> {
  const commit = (await must('git', ['-C', repository, 'rev-parse', '--short', 'HEAD'])).trim()
  writeFileSync(join(repository, 'docs/compat.md'), page(results, { commit, date: new Date().toISOString().slice(0, 10) }))
}

try {
  process.exit(await main())
} catch (error) {
  if (!(error instanceof Missing)) throw error
  console.error(error.message)
  process.exit(2)
}
