/**
 * Unmodified clients over SASL_SSL (SCRAM-SHA-512), each with the least permissions that it needs, while the broker is killed with -9
 * and restarted again and again; then everything is counted. The broker is a separate process with its data on disk.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../sim/world/random.ts'
import type { RunningBroker } from '../support/brokers.ts'
import { cached, mavenJars } from '../support/cache.ts'
import { clusterOf, isCluster } from '../support/cluster.ts'
import { javaLogin } from '../support/java-login.ts'
import { must } from '../support/run.ts'
import { kafkaOf, type Secured, type StartBrokers, startSecured } from '../support/secured.ts'
import type { CaseResult } from '../support/suite.ts'
import { Acknowledged } from './acknowledged.ts'
import { breaks } from './breaks.ts'
import { expectThat, Finding, Place, type Running, type Workload } from './workload.ts'

export interface Endurance {
  workloads: readonly Workload[]
  seed: number
  kills: number
  /** From the first record to the end of the input. */
  seconds: number
  /** A real Apache Kafka of this version instead of Millrace. */
  kafka?: string | undefined
  /** Three brokers over a real PostgreSQL and MinIO; each of them and both stores are killed, paused and cut off. */
  cluster?: boolean
  /**
   * Once, what is on disk is put back to what it was at the kill before: acknowledged data is lost, as on a disk that lied. Every verdict
   * but those of the intruder and of Connect has to fail.
   */
  rollback?: boolean
  /** Keep the directory of each workload, for a look at its events. */
  keep?: boolean
  log(line: string): void
}

const brokerConfig = {
  'offsets.topic.num.partitions': '5',
  'transaction.state.log.num.partitions': '5',
  'share.coordinator.state.topic.num.partitions': '5',
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '2000',
  'connection.failed.authentication.delay.ms': '100',
}

/** One result for each workload, and `broker` for how the broker itself took it. */
export async function endure(options: Endurance): Promise<CaseResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-endurance-'))
  const secured = await startSecured(brokerConfig, startsBrokers(options))
  try {
    const places = await prepare(secured, directory, options)
    const running: { workload: Workload; clients: Running }[] = []
    for (const workload of options.workloads) running.push({ workload, clients: await workload.start(places.get(workload)!) })
    const acknowledged = new Acknowledged([...places.values()].map(place => place.file('events')))
    const broker = await result('broker', () =>
      isCluster(secured.broker) ? breaks(secured.broker, acknowledged, options) : kills(secured.broker, options),
    )
    // All at once: what one has left over may hold up another.
    const stopped = await Promise.allSettled(running.map(({ clients }) => clients.stop()))
    const results = [broker]
    for (const [index, { workload, clients }] of running.entries())
      results.push(
        await result(workload.name, async () => {
          const end = stopped[index]!
          if (end.status === 'rejected') throw end.reason
          return clients.judge()
        }),
      )
    return results
  } finally {
    if (options.keep) {
      writeFileSync(join(directory, 'broker.log'), secured.broker.log())
      options.log(`kept: ${directory}`)
    }
    await secured.close()
    if (!options.keep) rmSync(directory, { recursive: true, force: true })
  }
}

function startsBrokers({ kafka, cluster }: Endurance): StartBrokers | undefined {
  if (cluster) return clusterOf(3)
  return kafka === undefined ? undefined : kafkaOf(kafka)
}

async function result(name: string, body: () => Promise<string>): Promise<CaseResult> {
  try {
    return { client: 'endurance', name, outcome: 'ok', detail: await body() }
  } catch (error) {
    if (!(error instanceof Finding)) throw error
    return { client: 'endurance', name, outcome: 'FAIL', detail: error.message.replace(/\s+/g, ' ') }
  }
}

/** Users with passwords of their own, topics, and grants: made by the super user, through Kafka's admin client. */
async function prepare(secured: Secured, directory: string, { workloads, seed }: Endurance): Promise<Map<Workload, Place>> {
  const jars = await mavenJars('clients-4.4.0', ['org.apache.kafka:kafka-clients:4.4.0'])
  const classPath = `${await compile(jars)}:${jars}`
  const secret = randomBytes(16)
  const password = (user: string) => createHmac('sha256', secret).update(user).digest('hex')
  const login = (user: string, other?: string) =>
    user === secured.admin.name
      ? javaLogin(secured, secured.admin)
      : javaLogin(secured, { name: user, password: other ?? password(user) }, 'SCRAM-SHA-512')
  const users = new Set(workloads.flatMap(each => [...(each.users ?? []), ...each.grants.map(([user]) => user)]))
  const configs = (properties: Readonly<Record<string, string>> = {}) => Object.entries(properties).map(([key, value]) => `${key}=${value}`)
  const wanted = [
    ...[...users].map(user => ['user', user, password(user)]),
    ...workloads.flatMap(each => each.topics.map(topic => ['topic', topic.name, topic.partitions, ...configs(topic.configs)])),
    ...workloads.flatMap(each => each.grants.map(grant => ['allow', ...grant])),
    ...workloads.flatMap(each => Object.entries(each.groupConfigs ?? {}).map(([group, some]) => ['group', group, ...configs(some)])),
  ]
  const placeOf = (name: string) => {
    const at = join(directory, name)
    mkdirSync(at)
    return new Place(at, seed, login, classPath)
  }
  const own = placeOf('admin')
  writeFileSync(own.file('wanted'), wanted.map(words => `${words.join('\t')}\n`).join(''))
  await own.javaMust('Prepare', [own.propertiesFile(secured.admin.name), own.file('wanted')], 120)
  return new Map(workloads.map(workload => [workload, placeOf(workload.name)]))
}

function compile(jars: string): Promise<string> {
  const folder = join(import.meta.dirname, 'src')
  const sources = readdirSync(folder).map(name => join(folder, name))
  const text = sources.map(file => readFileSync(file, 'utf8')).join('')
  return cached('java-endurance', text, async at => {
    await must('javac', ['-nowarn', '-Xlint:none', '-d', at, '-cp', jars, ...sources])
  })
}

/** Kills at moments drawn from the seed: mostly under full load, some while clients are still coming back from the one before. */
async function kills(broker: RunningBroker, { kills, seconds, seed, rollback = false, log }: Endurance): Promise<string> {
  const random = seededRandom(seed)
  const before = `${broker.data}.before`
  const planted = Math.ceil(kills / 2)
  const each = (seconds * 1000) / (kills + 1)
  let slowest = 0
  for (let kill = 1; kill <= kills; kill++) {
    const soon = kill % 4 === 0
    await sleep(soon ? 200 + random.below(1000) : each * 0.5 + random.below(Math.round(each)))
    void broker.pid // it must be alive
    await broker.stop('SIGKILL')
    if (rollback && kill === planted) {
      rmSync(broker.data, { recursive: true })
      cpSync(before, broker.data, { recursive: true })
      log(`  after kill ${kill} the data is again what it was after kill ${kill - 1}`)
    } else if (rollback && kill === planted - 1) cpSync(broker.data, before, { recursive: true })
    // Sometimes it stays away for long enough that clients notice.
    await sleep(random.below(kill % 3 === 0 ? 4000 : 300))
    if (kill % 5 === 0) {
      // Again, while it recovers.
      await broker.restart(false)
      await sleep(random.below(300))
      await broker.stop('SIGKILL')
    }
    await broker.restart()
    slowest = Math.max(slowest, broker.startSeconds)
    log(`  kill ${kill} of ${kills}; it was back after ${broker.startSeconds.toFixed(1)} s`)
  }
  await sleep(each)
  void broker.pid
  const errors = broker
    .log()
    .split('\n')
    .filter(line => /"level":"?(error|fatal|50|60)/.test(line))
  expectThat(errors.length === 0, `${errors.length} errors in its log, first: ${errors[0]?.slice(0, 400)}`)
  return `killed ${kills} times, slowest restart ${slowest.toFixed(1)} s`
}
