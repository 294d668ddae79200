/** What the REST proxy does with records of 1 KiB, whose values are JSON. */
import { type Cost, costOf } from '../measure.ts'
import { type Goal, type Measured, type RowOf, type Stage, shown } from '../row.ts'
import { type Load, load, loadOn, type Request } from './http.ts'
import { Stand } from './stand.ts'

const recordBytes = 1_024
const partitions = 4
const connections = 8
const ms = 4_000
/** Of one request of v2, of a batch of v3, and of a page. */
const together = 500
const inTopic = 100_000

const value = `{"id":1,"text":"${'x'.repeat(recordBytes - '{"id":1,"text":""}'.length)}"}`
const v2Json = 'application/vnd.kafka.json.v2+json'

function goalsOf(kinds: Readonly<Record<string, string>>): Goal[] {
  return Object.entries(kinds).flatMap(([metric, label]) => [
    shown(`${metric}PerCore`, `${label}, per core`, '/s', 'nothing'),
    shown(`${metric}PerSecond`, `${label}, with broker and load on the same cores`, '/s', 'nothing'),
  ])
}

function figures(metric: string, records: number, { seconds, cost }: { seconds: number; cost: Cost }): Measured {
  return { [`${metric}PerCore`]: records / cost.cpuSeconds, [`${metric}PerSecond`]: records / seconds }
}

async function clusterPath(stand: Stand): Promise<string> {
  const answer = await fetch(`${stand.urls.rest}/v3/clusters`)
  const { data } = (await answer.json()) as { data: { cluster_id: string }[] }
  return `/v3/clusters/${data[0]!.cluster_id}`
}

const produceKinds = {
  v2: `v2, requests of ${together} records`,
  v3: `v3, requests of ${together} records`,
  batch: `v3 records:batch of ${together}`,
  one: 'v3, a request for each record',
}

async function produceRequests(
  stand: Stand,
  topic: string,
): Promise<Record<keyof typeof produceKinds, { request: Request; records: number }>> {
  const cluster = `${await clusterPath(stand)}/topics/${topic}`
  const v3Record = `{"value":{"type":"JSON","data":${value}}}`
  const repeated = (text: (at: number) => string, by: string) => Array.from({ length: together }, (_, at) => text(at)).join(by)
  const post = (path: string, body: string, headers = {}) => ({ method: 'POST', path, body, headers })
  const batch = `{"entries":[${repeated(at => `{"id":"${at}","value":{"type":"JSON","data":${value}}}`, ',')}]}`
  return {
    v2: {
      request: post(`/topics/${topic}`, `{"records":[${repeated(() => `{"value":${value}}`, ',')}]}`, { 'content-type': v2Json }),
      records: together,
    },
    v3: {
      request: post(
        `${cluster}/records`,
        repeated(() => v3Record, '\n'),
      ),
      records: together,
    },
    batch: { request: post(`${cluster}/records:batch`, batch), records: together },
    one: { request: post(`${cluster}/records`, v3Record), records: 1 },
  }
}

/** An answer tells of each record, even with status 200. */
function refuseFailures(answer: string): void {
  if (/"error_code":(?!200\b)\d+/.test(answer)) throw new Error(answer.slice(0, 1_000))
}

async function produce(
  { broker, topic, scale }: Stage<Stand>,
  each: (metric: string, records: number, loaded: Load & { cost: Cost }) => void,
) {
  await broker.client.createTopic({ name: topic, partitions })
  for (const [metric, { request, records }] of Object.entries(await produceRequests(broker, topic))) {
    const loading = { port: broker.portOf('rest'), connections, ms: ms * scale, next: () => request, onAnswer: refuseFailures }
    const loaded = await loadOn(broker.pid, loading)
    each(metric, loaded.requests * records, loaded)
  }
  await broker.client.deleteTopics([topic])
}

const produceRow: RowOf<Stand> = {
  name: 'rest-produce',
  settings: `records of 1 KiB, JSON, without keys; ${partitions} partitions, ${connections} connections, fsync before the answer`,
  alone: 'Apache Kafka has no REST proxy',
  goals: goalsOf(produceKinds),
  warmSteps: 2,
  start: wanted => Stand.start(wanted, ['rest']),
  async warm(stage) {
    let requests = 0
    await produce(stage, (_, records) => {
      requests += records
    })
    return requests
  },
  async measure(stage) {
    const all: Measured = {}
    await produce(stage, (metric, records, loaded) => Object.assign(all, figures(metric, records, loaded)))
    return all
  },
}

const consumeKinds = {
  v2: `v2, at most 1 MiB in an answer, ${partitions} instances`,
  pages: `v3, pages of ${together} records, ${partitions} readers`,
  events: 'v3, one stream of events',
}
const topic = 'read'

type Consumer = (stand: Stand, records: number) => Promise<{ records: number; seconds: number }>

const countOf = (answer: string) => answer.split('"offset":').length - 1

/** A connection for each partition, until all together have read so many records, or all there are. `request`: behind those that are read. */
async function readWhole(stand: Stand, wanted: number, request: (partition: number, read: number) => Request) {
  const read = Array.from({ length: partitions }, () => 0)
  const atEnd = new Set<number>()
  let records = 0
  const next = (at: number) => (records >= wanted || atEnd.has(at) ? null : request(at, read[at]!))
  const onAnswer = (answer: string, at: number) => {
    const count = countOf(answer)
    if (count === 0) atEnd.add(at)
    records += count
    read[at]! += count
  }
  const { seconds } = await load({ port: stand.portOf('rest'), connections: partitions, next, onAnswer })
  return { records, seconds }
}

/** Each instance has its partition. */
const readV2: Consumer = async (stand, wanted) => {
  const group = `readers-${crypto.randomUUID()}`
  const instance = (at: number) => `/consumers/${group}/instances/i${at}`
  const tell = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/vnd.kafka.v2+json' }
    const answer = await fetch(`${stand.urls.rest}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  for (let partition = 0; partition < partitions; partition++) {
    await tell(`/consumers/${group}`, { name: `i${partition}`, format: 'json', 'auto.offset.reset': 'earliest' })
    await tell(`${instance(partition)}/assignments`, { partitions: [{ topic, partition }] })
  }
  const headers = { accept: v2Json }
  const read = await readWhole(stand, wanted, at => ({ method: 'GET', path: `${instance(at)}/records?max_bytes=1048576`, headers }))
  for (let at = 0; at < partitions; at++) await fetch(`${stand.urls.rest}${instance(at)}`, { method: 'DELETE' })
  return read
}

const readPages: Consumer = async (stand, wanted) => {
  const path = `${await clusterPath(stand)}/topics/${topic}/records?value_format=JSON&max_records=${together}`
  return readWhole(stand, wanted, (at, read) => ({ method: 'GET', path: `${path}&offsets=${at}:${read}` }))
}

const readEvents: Consumer = async (stand, wanted) => {
  const stop = new AbortController()
  const url = `${stand.urls.rest}${await clusterPath(stand)}/topics/${topic}/records?value_format=JSON`
  const began = performance.now()
  const answer = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: stop.signal })
  let records = 0
  for await (const text of answer.body!.pipeThrough(new TextDecoderStream('latin1'))) {
    records += countOf(text)
    if (records >= wanted) break
  }
  const seconds = (performance.now() - began) / 1_000
  stop.abort()
  return { records, seconds }
}

const consumers: Readonly<Record<keyof typeof consumeKinds, Consumer>> = { v2: readV2, pages: readPages, events: readEvents }

async function fill({ client }: Stand): Promise<void> {
  await client.createTopic({ name: topic, partitions })
  const batch = Array.from({ length: 2_000 }, (_, at) => ({ key: null, partition: at % partitions, value: Buffer.from(value) }))
  for (let sent = 0; sent < inTopic; sent += batch.length) await client.send(topic, batch)
}

/** Less than all, because those who read side by side do not end at the same time. */
const readAtOnce = inTopic / 2

const consumeRow: RowOf<Stand> = {
  name: 'rest-consume',
  settings: `records of 1 KiB, JSON, without keys; ${partitions} partitions`,
  alone: 'Apache Kafka has no REST proxy',
  goals: goalsOf(consumeKinds),
  warmSteps: 2,
  async start(wanted) {
    const stand = await Stand.start(wanted, ['rest'])
    await fill(stand)
    return stand
  },
  async warm({ broker, scale }) {
    let records = 0
    for (const read of Object.values(consumers)) records += (await read(broker, readAtOnce * scale)).records
    return records
  },
  async measure({ broker, scale }) {
    const all: Measured = {}
    for (const [metric, read] of Object.entries(consumers)) {
      const { result, cost } = await costOf(broker.pid, () => read(broker, readAtOnce * scale))
      Object.assign(all, figures(metric, result.records, { seconds: result.seconds, cost }))
    }
    return all
  },
}

export const restRows: readonly RowOf<Stand>[] = [produceRow, consumeRow]
