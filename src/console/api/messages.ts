/** Records of a topic: a page or a search of them as a stream, the live tail, one of them, and to produce one. */
import { type Static, Type } from 'typebox'
import { type Client, ClientError, type ReceivedRecord, type RecordToSend } from '../../client.ts'
import { Merge, type Range } from '../messages/merge.ts'
import { ShownRecord, shownRecord } from '../messages/shown.ts'
import { Digits, route } from '../route.ts'
import type { Send } from '../streams.ts'

const OfTopic = Type.Object({ topic: Type.String({ minLength: 1, maxLength: 249 }) })

const Query = Type.Object({
  /** `newest`, `oldest`, `offset:42`, `time:1700000000000`, or where a page before ended: `at:0=17,1=4`. */
  from: Type.Optional(Type.String({ pattern: '^(newest|oldest|offset:\\d{1,19}|time:\\d{1,16}|at:[\\d=,]*)$' })),
  newestFirst: Type.Optional(Type.Boolean()),
  /** `0,3`; otherwise all. */
  partitions: Type.Optional(Type.String({ pattern: '^\\d+(,\\d+)*$' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  /** Text that the key, the value or a header has. */
  contains: Type.Optional(Type.String({ maxLength: 1_000 })),
  /** Then go on with what is produced from now on. */
  live: Type.Optional(Type.Boolean()),
})

const Event = Type.Union([
  Type.Object({ kind: Type.Literal('records'), records: Type.Array(ShownRecord) }),
  Type.Object({
    kind: Type.Literal('progress'),
    scanned: Type.Integer(),
    bytes: Type.Integer(),
    left: Digits(),
    found: Type.Integer(),
    ms: Type.Integer(),
  }),
  /** Newer ones were sent instead. */
  Type.Object({ kind: Type.Literal('skipped'), records: Type.Integer() }),
  /** `next`: where to go on, for `from`; null: there are no more. */
  Type.Object({ kind: Type.Literal('end'), next: Type.Union([Type.String(), Type.Null()]) }),
])
type Event = Static<typeof Event>

const messages = route({
  method: 'GET',
  path: '/topics/:topic/messages',
  params: OfTopic,
  query: Query,
  response: Event,
  async stream({ params: { topic }, query, client, clock }, send, signal) {
    const [info] = await client.topics([topic])
    const chosen = query.partitions?.split(',').map(Number) ?? info!.partitions.map(each => each.partition)
    const matches = matcher(query.contains ?? '')
    if (query.live === true) return follow(client, topic, chosen, matches, send, signal)
    const newestFirst = query.newestFirst ?? (query.from ?? 'newest') === 'newest'
    const limit = query.limit ?? 100
    const ranges = await rangesOf(client, topic, chosen, query.from ?? 'newest', newestFirst)
    const merge = new Merge({ client, topic, ranges, newestFirst, wanted: limit, matches, signal })
    const began = clock.monotonic()
    let found = 0
    let waiting: ShownRecord[] = []
    const tell = async () => {
      const { scanned, bytes, left } = merge.progress
      if (waiting.length > 0) await send({ kind: 'records', records: waiting })
      waiting = []
      await send({ kind: 'progress', scanned, bytes, left: String(left), found, ms: Math.round(clock.monotonic() - began) })
    }
    for await (const record of merge.run()) {
      if (record === null) {
        await tell()
        continue
      }
      waiting.push(record)
      if (++found === limit) break
    }
    await tell()
    const next = Array.from(merge.positions, ([partition, offset]) => `${partition}=${offset}`).join(',')
    await send({ kind: 'end', next: found === limit ? `at:${next}` : null })
  },
})

async function rangesOf(
  client: Client,
  topic: string,
  partitions: readonly number[],
  from: string,
  newestFirst: boolean,
): Promise<Map<number, Range>> {
  const [starts, ends, bounds] = await Promise.all([
    client.offsets(topic, partitions, 'earliest'),
    client.offsets(topic, partitions, 'latest'),
    boundsOf(client, topic, partitions, from),
  ])
  const range = (partition: number): Range => {
    const [low, high] = [starts.get(partition)!, ends.get(partition)!]
    const bound = bounds?.get(partition)
    if (bound === undefined) return { low, high }
    const within = bound < low ? low : bound > high ? high : bound
    return newestFirst ? { low, high: within } : { low: within, high }
  }
  return new Map(partitions.map(partition => [partition, range(partition)]))
}

/** Where to begin; null: at the first or last record. */
async function boundsOf(client: Client, topic: string, partitions: readonly number[], from: string): Promise<Map<number, bigint> | null> {
  const [kind, value = ''] = from.split(/:(.*)/)
  if (kind === 'offset') return new Map(partitions.map(partition => [partition, BigInt(value)]))
  if (kind === 'time') return client.offsets(topic, partitions, { timestampMs: BigInt(value) })
  if (kind !== 'at') return null
  return new Map(
    value.split(',').map(each => {
      const [partition, offset] = each.split('=')
      return [Number(partition), BigInt(offset ?? 0)]
    }),
  )
}

/** By bytes, which is exact for UTF-8 and needs no text of what does not match. */
function matcher(contains: string): (record: ReceivedRecord) => boolean {
  if (contains === '') return () => true
  const wanted = Buffer.from(contains, 'utf8')
  const has = (bytes: Buffer | null) => bytes?.includes(wanted) === true
  return ({ key, value, headers }) => has(value) || has(key) || headers.some(each => has(each.key) || has(each.value))
}

/** Of one round; what a person can follow by eye is far less. */
const mostAtOnce = 200
const shownBytes = 4_096

/** While the reader takes nothing, nothing is fetched. */
async function follow(
  client: Client,
  topic: string,
  partitions: readonly number[],
  matches: (record: ReceivedRecord) => boolean,
  send: Send<Event>,
  signal: AbortSignal,
): Promise<void> {
  const from = await client.offsets(topic, partitions, 'latest')
  await send({ kind: 'records', records: [] })
  for await (const records of client.read({ topic, from, until: null, signal })) {
    const matching = records.filter(matches).sort((a, b) => Number(a.timestampMs - b.timestampMs))
    const last = matching.slice(-mostAtOnce)
    if (matching.length > last.length) await send({ kind: 'skipped', records: matching.length - last.length })
    if (last.length > 0) await send({ kind: 'records', records: last.map(each => shownRecord(each, shownBytes)) })
  }
}

const mostWholeBytes = 4_194_304

const one = route({
  method: 'GET',
  path: '/topics/:topic/messages/:partition/:offset',
  params: Type.Object({ topic: Type.String({ minLength: 1, maxLength: 249 }), partition: Type.Integer({ minimum: 0 }), offset: Digits() }),
  response: ShownRecord,
  async handle({ params: { topic, partition, offset }, client }) {
    const at = BigInt(offset)
    const ends = await client.offsets(topic, [partition], 'latest')
    const reading = { topic, from: new Map([[partition, at]]), until: new Map([[partition, at + 1n]]) }
    if (at < ends.get(partition)!)
      for await (const records of client.read(reading)) for (const record of records) return shownRecord(record, mostWholeBytes)
    throw new ClientError(
      'OFFSET_OUT_OF_RANGE',
      `${topic}-${partition} has no record at offset ${offset}: it was deleted, compacted, or never there`,
    )
  },
})

const Bytes = Type.Union([
  Type.Object({ text: Type.String() }),
  Type.Object({ base64: Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$' }) }),
  Type.Null(),
])

function bytesOf(given: Static<typeof Bytes>): Buffer | null {
  if (given === null) return null
  return 'text' in given ? Buffer.from(given.text, 'utf8') : Buffer.from(given.base64, 'base64')
}

const produce = route({
  method: 'POST',
  path: '/topics/:topic/messages',
  params: OfTopic,
  body: Type.Object({
    key: Bytes,
    value: Bytes,
    headers: Type.Optional(Type.Array(Type.Object({ key: Type.String(), value: Bytes }), { maxItems: 1_000 })),
    partition: Type.Optional(Type.Integer({ minimum: 0 })),
  }),
  response: Type.Object({ partition: Type.Integer(), offset: Digits() }),
  async handle({ params: { topic }, body, client }) {
    // The library would create a topic that is missing.
    await client.topics([topic])
    const headers = (body.headers ?? []).map(each => ({ key: Buffer.from(each.key, 'utf8'), value: bytesOf(each.value) }))
    const record: RecordToSend = { key: bytesOf(body.key), value: bytesOf(body.value), headers, partition: body.partition }
    const [placed] = await client.send(topic, [record], { acks: 'all' })
    return { partition: placed!.partition, offset: String(placed!.offset) }
  },
})

export const messageRoutes = [messages, one, produce] as const
