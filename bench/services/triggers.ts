/** How fast records go through functions that do nothing, what one call costs, and how soon a function runs that nobody has called yet. */
import { type Cost, costOf, pause, quantile } from '../measure.ts'
import { free, least, type Measured, type RowOf, type Stage, shown } from '../row.ts'
import { Stand } from './stand.ts'

const recordBytes = 200
const partitions = 4
const value = Buffer.from(`{"id":1,"text":"${'x'.repeat(recordBytes - '{"id":1,"text":""}'.length)}"}`)
const nothing = 'export const main_handler = () => {}'
const copies = 'export const main_handler = ({ Records }) => Records.map(({ Ckafka }) => Ckafka.msgBody)'
const lookMs = 20

interface Status {
  readonly records: number
  readonly calls: number
  readonly seconds: number
}

async function ask<T>({ urls }: Stand, method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${urls.triggers}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return (text === '' ? null : JSON.parse(text)) as T
}

async function fill({ client }: Stand, topic: string, records: number, count: number): Promise<void> {
  await client.createTopic({ name: topic, partitions: count })
  const batch = Array.from({ length: Math.min(records, 4_000) }, (_, at) => ({ key: null, partition: at % count, value }))
  for (let sent = 0; sent < records; sent += batch.length) await client.send(topic, batch)
}

interface Through {
  readonly records: number
  readonly calls: number
  readonly seconds: number
  /** In calls, all together. */
  readonly callSeconds: number
  readonly cost: Cost
}

/** A new trigger with all records of a topic: from the first tenth on until all of them are done. */
async function through(stand: Stand, topic: string, records: number, definition: object): Promise<Through> {
  const name = `bench-${crypto.randomUUID()}`
  const status = async () => {
    for (;;) {
      const { status: found } = await ask<{ status: Status }>(stand, 'GET', `/triggers/${name}`)
      if (found.records >= records / 10) return found
      await pause(lookMs)
    }
  }
  const work = async () => {
    await ask(stand, 'POST', '/triggers', { name, topics: [topic], start: 'oldest', maxWaitMs: 0, ...definition })
    const first = await status()
    const beganMs = performance.now()
    let last = first
    while (last.records < records) {
      await pause(lookMs)
      last = await status()
    }
    const seconds = (performance.now() - beganMs) / 1_000
    return {
      records: last.records - first.records,
      calls: last.calls - first.calls,
      callSeconds: last.seconds - first.seconds,
      seconds,
      share: (last.records - first.records) / last.records,
    }
  }
  const { result, cost } = await costOf(stand.pid, work)
  await ask(stand, 'DELETE', `/triggers/${name}`)
  return { ...result, cost: { ...cost, cpuSeconds: cost.cpuSeconds * result.share } }
}

const most = { per: 'partition', most: partitions }
const kinds = {
  batches: { label: 'batches of 100', records: 400_000, definition: { function: { code: nothing }, batchSize: 100, concurrency: most } },
  ones: { label: 'a call for each record', records: 20_000, definition: { function: { code: nothing }, batchSize: 1, concurrency: most } },
  copies: {
    label: 'batches of 100, copied to a topic',
    records: 200_000,
    definition: { function: { code: copies }, batchSize: 100, concurrency: most, output: { topic: 'copies' } },
  },
  exactly: {
    label: 'the same, exactly once',
    records: 40_000,
    definition: { function: { code: copies }, batchSize: 100, concurrency: most, output: { topic: 'copies', exactlyOnce: true } },
  },
}

async function all({ broker: stand, topic, scale }: Stage<Stand>, each: (kind: string, through: Through) => void): Promise<void> {
  await stand.client.createTopic({ name: 'copies', partitions }).catch(error => {
    if (error.code !== 'TOPIC_ALREADY_EXISTS') throw error
  })
  for (const [kind, { records, definition }] of Object.entries(kinds)) {
    const count = records * scale
    await fill(stand, `${topic}-${kind}`, count, partitions)
    each(kind, await through(stand, `${topic}-${kind}`, count, definition))
    await stand.client.deleteTopics([`${topic}-${kind}`])
  }
}

const throughRow: RowOf<Stand> = {
  name: 'triggers-records',
  settings: `records of ${recordBytes} bytes in ${partitions} partitions, functions in JavaScript, envelope scf, as many calls at once; broker, services and functions on the same cores`,
  alone: 'Apache Kafka has no triggers',
  goals: [
    least('batchesRecords', `records, ${kinds.batches.label}`, 20_000, '/s'),
    ...Object.entries(kinds).flatMap(([kind, { label }]) => [
      ...(kind === 'batches' ? [] : [shown(`${kind}Records`, `records, ${label}`, '/s', 'nothing')]),
      shown(`${kind}Calls`, `calls, ${label}`, '/s', 'nothing'),
      shown(`${kind}PerCore`, `records per core of services and functions, ${label}`, '/s', 'nothing'),
    ]),
  ],
  warmSteps: 2,
  start: wanted => Stand.start(wanted, ['triggers']),
  async warm(stage) {
    let calls = 0
    await all({ ...stage, topic: `warm-${crypto.randomUUID()}`, scale: stage.scale / 2 }, (_, { calls: more }) => {
      calls += more
    })
    return calls
  },
  async measure(stage) {
    const figures: Measured = {}
    await all(stage, (kind, { records, calls, seconds, cost }) => {
      figures[`${kind}Records`] = records / seconds
      figures[`${kind}Calls`] = calls / seconds
      figures[`${kind}PerCore`] = records / cost.cpuSeconds
    })
    return figures
  },
}

const coldTries = 5

interface Tested {
  readonly durationMs: number
  readonly isCold: boolean
  readonly error: unknown
}

const callRow: RowOf<Stand> = {
  name: 'triggers-calls',
  settings:
    'a function that does nothing, one call at a time; the first call of a service that was just started, then of functions for which a process is ready; hot: 10,000 calls with one record each',
  alone: 'Apache Kafka has no triggers',
  goals: [
    free('firstMs', 'cold start, the first function of all', 150, 'ms'),
    free('coldMs', 'cold start, another function', 150, 'ms'),
    free('hotMs', 'a hot call, without what the function does', 0.3, 'ms'),
  ],
  warmSteps: 1,
  start: wanted => Stand.start(wanted, ['triggers']),
  async warm(stage) {
    await hot(stage, `warm-${crypto.randomUUID()}`)
    return 1
  },
  async measure(stage) {
    const { broker: stand } = stage
    await stand.restartServices()
    const test = async () => {
      const definition = { topics: ['any'], function: { code: nothing } }
      const tested = await ask<Tested>(stand, 'POST', '/triggers/any/test', { definition })
      if (tested.error !== null || !tested.isCold) throw new Error(JSON.stringify(tested))
      return tested.durationMs
    }
    const firstMs = await test()
    const others: number[] = []
    for (let at = 0; at < coldTries; at++) {
      // The process for the next one starts meanwhile.
      await pause(500)
      others.push(await test())
    }
    others.sort((a, b) => a - b)
    return { firstMs, coldMs: quantile(others, 0.5), hotMs: await hot(stage, stage.topic) }
  },
}

async function hot({ broker: stand, scale }: Stage<Stand>, topic: string): Promise<number> {
  const records = 10_000 * scale
  await fill(stand, topic, records, 1)
  const { callSeconds, calls } = await through(stand, topic, records, { function: { code: nothing }, batchSize: 1 })
  await stand.client.deleteTopics([topic])
  return (callSeconds * 1_000) / calls
}

export const triggerRows: readonly RowOf<Stand>[] = [callRow, throughRow]
