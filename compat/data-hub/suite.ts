/**
 * One topic of website events goes at the same time into Elasticsearch, HDFS, HBase, OpenTSDB, MaxCompute (a stub), S3 as Parquet, and through a function
 * in Tencent's form into another topic; and the changes of PostgreSQL tables go into topics. Meanwhile the broker, the workers, the targets and PostgreSQL are
 * killed and paused one after the other. In the end every target has every event of the topic, and the topics have every change, once.
 *
 * `npm run compat -- data-hub`; `HUB_SECONDS=3600` for an hour, `HUB_TARGETS=s3,hdfs` for some targets (`postgresql` is the changes), `HUB_EVENTS` is the number of events per second, `HUB_SEED`
 * chooses what breaks when.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../sim/world/random.ts'
import { type Client, openClient } from '../../src/client.ts'
import { type RunningBroker, startMillrace } from '../support/brokers.ts'
import type { Report, Suite } from '../support/suite.ts'
import { Changes } from './changes.ts'
import { idsOf, partitions, topic, visits, Writer } from './events.ts'
import { Workers } from './hub.ts'
import type { Ids } from './ids.ts'
import { pause, startTargets, type Target } from './targets.ts'

const client = 'data-hub'
const seconds = Number(process.env['HUB_SECONDS'] ?? 180)
const perSecond = Number(process.env['HUB_EVENTS'] ?? 100)
const seed = Number(process.env['HUB_SEED'] ?? Date.now() % 1_000_000)
/** Something breaks so often. */
const betweenSeconds = 15
/** After the last break everything has to arrive within this time. */
const arrivedWithinSeconds = 300

export const dataHub: Suite = {
  folder: 'data-hub',
  clients: [client],
  async run(_, report) {
    const broker = await startMillrace({ 'offsets.topic.num.partitions': '5', 'transaction.state.log.num.partitions': '5' })
    const kafka = openClient({ bootstrap: broker.bootstrap })
    const wanted = process.env['HUB_TARGETS']?.split(',') ?? null
    let targets: Target[] = []
    let changes: Changes | null = null
    let workers: Workers | null = null
    let hasFailed = false
    try {
      for (const name of [topic, visits]) await kafka.createTopic({ name, partitions })
      targets = await startTargets(wanted)
      if (wanted?.includes('postgresql') ?? true) changes = await Changes.start()
      workers = await Workers.start(broker.bootstrap, 2)
      await runHub({ broker, kafka, targets, changes, workers }, result => {
        hasFailed ||= result.outcome === 'FAIL'
        report(result)
      })
      if (hasFailed) console.log(`    the logs of the workers: ${workers.directory}`)
    } finally {
      await workers?.close(hasFailed)
      await kafka.close()
      await changes?.stop()
      for (const target of targets.toReversed()) await target.stop()
      await broker.remove()
    }
  },
}

interface Hub {
  readonly broker: RunningBroker
  readonly kafka: Client
  readonly targets: readonly Target[]
  readonly changes: Changes | null
  readonly workers: Workers
}

async function runHub(hub: Hub, report: Report): Promise<void> {
  const { kafka, targets, changes, workers } = hub
  for (const { name, config } of targets)
    await workers.ask('connect', 'PUT', `/connectors/${name}/config`, { topics: topic, 'tasks.max': '2', ...config })
  if (changes !== null) await workers.ask('connect', 'PUT', '/connectors/postgresql/config', changes.config)
  await workers.ask('triggers', 'POST', '/triggers', { name: 'visits', ...trigger })
  const writer = new Writer(kafka, perSecond)
  changes?.begin()
  const broken = await breakThings(hub)
  await changes?.end()
  const acknowledged = await writer.end()
  const written = await idsOf(kafka, topic)
  const lost = acknowledged.missingIn(written)
  report({
    client,
    name: 'events',
    outcome: lost.length === 0 && acknowledged.count > 0 ? 'ok' : 'FAIL',
    detail:
      `(${acknowledged.count} acknowledged, ${lost.length} of them lost, ${written.count} in the topic, ${writer.failed} requests failed; ` +
      `in ${seconds} s, seed ${seed}: ${broken})`,
  })
  const end = performance.now() + arrivedWithinSeconds * 1_000
  const judgeIds = async (ids: () => Promise<Ids>) => {
    const found = await ids()
    found.requireThoseOf(written)
    return `(${found.count} events, each once)`
  }
  const judges: [string, () => Promise<string>][] = [
    ...targets.map(({ name, ids }): [string, () => Promise<string>] => [name, () => judgeIds(ids)]),
    ['function', () => judgeIds(() => idsOf(kafka, visits))],
    ...(changes === null ? [] : [['postgresql', () => changes.judge(kafka)] as [string, () => Promise<string>]]),
  ]
  for (const [name, judge] of judges) {
    try {
      report({ client, name, outcome: 'ok', detail: await patiently(judge, end) })
    } catch (error) {
      report({ client, name, outcome: 'FAIL', detail: `${(error as Error).message}; ${await stateOf(workers, name)}` })
    }
  }
}

/** A function as Tencent's SCF runs it. With the offsets in the transaction of its output, each event is there once. */
const trigger = {
  topics: [topic],
  envelope: 'scf',
  start: 'oldest',
  function: {
    code: `export async function main_handler(event, context) {
      return event.Records.map(({ Ckafka }) => {
        const { id, user, page } = JSON.parse(Ckafka.msgBody)
        return { key: user, value: JSON.stringify({ id, page: page.split('?')[0] }) }
      })
    }`,
  },
  output: { topic: visits, exactlyOnce: true },
}

/** What is still on its way at first is there before `end`. */
async function patiently(judge: () => Promise<string>, end: number): Promise<string> {
  for (;;) {
    try {
      return await judge()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(5_000)
    }
  }
}

async function stateOf(workers: Workers, name: string): Promise<string> {
  if (name === 'function') return JSON.stringify(await workers.ask('triggers', 'GET', '/triggers/visits')).slice(0, 600)
  return JSON.stringify(await workers.ask('connect', 'GET', `/connectors/${name}/status`)).slice(0, 600)
}

/** One thing after the other, each kind as often. Resolves to what was done. */
async function breakThings({ broker, targets, changes, workers }: Hub): Promise<string> {
  const random = seededRandom(seed)
  const any = () => random.below(workers.count)
  const kinds: [string, () => Promise<void>][] = [
    [
      'kill -9 of a worker',
      async () => {
        const number = any()
        await workers.kill(number)
        await sleep(random.below(8_000))
        await workers.restart(number)
      },
    ],
    ['pause of a worker', () => pause(workers.pid(any()))],
    [
      'kill -9 of the broker',
      async () => {
        await broker.stop('SIGKILL')
        await sleep(random.below(2_000))
        await broker.restart()
      },
    ],
    ...targets.map(({ name, harm, hurt }): [string, () => Promise<void>] => [`${harm} of ${name}`, hurt]),
    ...(changes === null ? [] : [['kill -9 of PostgreSQL', () => changes.hurt()] as [string, () => Promise<void>]]),
  ]
  const times = new Map<string, number>()
  const end = performance.now() + seconds * 1_000
  const left = () => end - performance.now()
  // From a random one on, each in its turn.
  for (let nth = random.below(kinds.length); left() > betweenSeconds * 1_000; nth++) {
    await sleep(betweenSeconds * (500 + random.below(500)))
    const [name, harm] = kinds[nth % kinds.length]!
    const began = performance.now()
    await harm()
    console.log(`    ${name}, ${((performance.now() - began) / 1_000).toFixed(1)} s; ${Math.round(left() / 1_000)} s left`)
    times.set(name, (times.get(name) ?? 0) + 1)
  }
  await sleep(Math.max(0, left()))
  return [...times].map(([name, count]) => `${name} ${count} times`).join(', ')
}
