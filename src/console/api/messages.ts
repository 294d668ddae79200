/** Records of a topic: a page or a search of them as a stream, the live tail, one of them, and all of them as a file. */
import { type Static, Type } from 'typebox'
import { type Client, ClientError } from '../../client.ts'
import { type SerdeName, serdes } from '../../serde.ts'
import type { Caller } from '../caller.ts'
import type { Job, JobEvent, Range } from '../messages/job.ts'
import { ShownRecord } from '../messages/shape.ts'
import { Digits, MaybeText, OfTopic, route, TopicName } from '../route.ts'

const Text = Type.Optional(Type.String({ minLength: 1, maxLength: 10_000 }))
const Serde = Type.Optional(Type.String({ pattern: `^(auto|${serdes.map(each => each.name).join('|')})$` }))

const chosen = {
  /** `newest`, `oldest`, `offset:42`, `time:1700000000000`, or where a page before ended: `at:0=17,1=4`. */
  from: Type.Optional(Type.String({ pattern: '^(newest|oldest|offset:\\d{1,19}|time:\\d{1,16}|at:[\\d=,]*)$' })),
  newestFirst: Type.Optional(Type.Boolean()),
  /** `0,3`; otherwise all. */
  partitions: Type.Optional(Type.String({ pattern: '^\\d+(,\\d+)*$' })),
  contains: Text,
  header: Text,
  headerHas: Text,
  path: Text,
  pathIs: Text,
  cel: Text,
  /** How keys and values are decoded; default: as they look. */
  key: Serde,
  value: Serde,
}
const Chosen = Type.Object(chosen)
type Chosen = Static<typeof Chosen>

const Event = Type.Union([
  Type.Object({ kind: Type.Literal('records'), records: Type.Array(ShownRecord) }),
  Type.Object({
    kind: Type.Literal('progress'),
    scanned: Type.Integer(),
    bytes: Type.Integer(),
    left: Digits(),
    found: Type.Integer(),
    ms: Type.Integer(),
    /** Records for which a filter had no answer, and why for the first of them. */
    failed: Type.Integer(),
    problem: MaybeText,
  }),
  /** Newer ones were sent instead. */
  Type.Object({ kind: Type.Literal('skipped'), records: Type.Integer() }),
  /** `next`: where to go on, for `from`; null: there are no more. */
  Type.Object({ kind: Type.Literal('end'), next: MaybeText }),
])

const rowBytes = 4_096

const messages = route({
  method: 'GET',
  path: '/topics/:topic/messages',
  params: OfTopic,
  query: Type.Object({
    ...chosen,
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    /** What is produced from now on, instead. */
    live: Type.Optional(Type.Boolean()),
  }),
  response: Event,
  async stream({ params: { topic }, query, ...caller }, send, signal) {
    const { limit = 100, live = false } = query
    const job = await jobOf(caller.client, topic, query, { limit, form: 'rows', mostShown: rowBytes, live })
    await run(job, caller, signal, async event => {
      if (event.kind === 'end') await send({ kind: 'end', next: event.next === null ? null : placesIn(event.next) })
      else if (event.kind !== 'text' && event.kind !== 'bytes') await send(event)
    })
  },
})

function placesIn(positions: ReadonlyMap<number, bigint>): string {
  return `at:${Array.from(positions, ([partition, offset]) => `${partition}=${offset}`).join(',')}`
}

type Rest = Pick<Job, 'limit' | 'form' | 'mostShown'> & { live: boolean }

async function jobOf(client: Client, topic: string, query: Chosen, { live, ...rest }: Rest): Promise<Job> {
  const { from = 'newest', contains, header, headerHas, path, pathIs, cel, key = 'auto', value = 'auto' } = query
  const [info] = await client.topics([topic])
  const partitions = query.partitions?.split(',').map(Number) ?? info!.partitions.map(each => each.partition)
  const newestFirst = query.newestFirst ?? from === 'newest'
  return {
    topic,
    ranges: live ? null : await rangesOf(client, topic, partitions, from, newestFirst),
    from: live ? await client.offsets(topic, partitions, 'latest') : new Map(),
    newestFirst,
    filters: { contains, header, headerHas, path, pathIs, cel },
    // The schema of the query has only these.
    decoding: { key: key as SerdeName, value: value as SerdeName },
    ...rest,
  }
}

function run(
  job: Job,
  { client, registry, shared }: Pick<Caller, 'client' | 'registry' | 'shared'>,
  signal: AbortSignal,
  send: (event: JobEvent) => Promise<void>,
) {
  return shared.threads.run(job, { client, registry, send, signal })
}

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

const mostInFile = 10_000_000
const fileTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' } as const

const save = route({
  method: 'GET',
  path: '/topics/:topic/messages.:form',
  params: Type.Object({ topic: TopicName, form: Type.Union([Type.Literal('ndjson'), Type.Literal('csv')]) }),
  query: Type.Object({ ...chosen, limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostInFile })) }),
  response: Type.Object({}),
  async download({ params: { topic, form }, query, ...caller }, file, signal) {
    const { limit = mostInFile } = query
    const job = await jobOf(caller.client, topic, query, { limit, form, mostShown: 0, live: false })
    let begun = false
    const begin = () => {
      if (!begun) file.begin(`${topic}.${form}`, fileTypes[form])
      begun = true
    }
    await run(job, caller, signal, async event => {
      if (event.kind === 'end') begin()
      if (event.kind !== 'text') return
      begin()
      await file.write(event.text)
    })
  },
})

const OfRecord = Type.Object({ topic: TopicName, partition: Type.Integer({ minimum: 0 }), offset: Digits() })
const mostWholeBytes = 16_777_216

async function recordJob(
  client: Client,
  { topic, partition, offset }: Static<typeof OfRecord>,
  query: Pick<Chosen, 'key' | 'value'>,
  rest: Omit<Rest, 'live' | 'limit'>,
): Promise<Job> {
  const at = BigInt(offset)
  const job = await jobOf(client, topic, { ...query, from: 'oldest', partitions: String(partition) }, { ...rest, limit: 1, live: false })
  const { low, high } = job.ranges!.get(partition)!
  if (at < low || at >= high) throw noRecord(topic, partition, offset)
  return { ...job, ranges: new Map([[partition, { low: at, high: at + 1n }]]) }
}

function noRecord(topic: string, partition: number, offset: string): ClientError {
  return new ClientError(
    'OFFSET_OUT_OF_RANGE',
    `${topic}-${partition} has no record at offset ${offset}: it was deleted, compacted, or never there`,
  )
}

const never = new AbortController().signal

const one = route({
  method: 'GET',
  path: '/topics/:topic/messages/:partition/:offset',
  params: OfRecord,
  /** `most`: of a key, value or header. */
  query: Type.Object({ key: Serde, value: Serde, most: Type.Optional(Type.Integer({ minimum: 1, maximum: mostWholeBytes })) }),
  response: ShownRecord,
  async handle({ params, query, ...caller }) {
    const job = await recordJob(caller.client, params, query, { form: 'rows', mostShown: query.most ?? 65_536 })
    let found: ShownRecord | undefined
    await run(job, caller, never, async event => {
      if (event.kind === 'records') found = event.records[0]
    })
    if (found === undefined) throw noRecord(params.topic, params.partition, params.offset)
    return found
  },
})

const bytes = route({
  method: 'GET',
  path: '/topics/:topic/messages/:partition/:offset/:part',
  params: Type.Object({ ...OfRecord.properties, part: Type.Union([Type.Literal('key'), Type.Literal('value')]) }),
  query: Type.Object({ most: Type.Optional(Type.Integer({ minimum: 1 })) }),
  response: Type.Object({}),
  async download({ params, query, ...caller }, file, signal) {
    const { topic, partition, offset, part } = params
    const job = await recordJob(caller.client, params, {}, { form: part, mostShown: query.most ?? Number.MAX_SAFE_INTEGER })
    let begun = false
    await run(job, caller, signal, async event => {
      if (event.kind !== 'bytes') return
      if (!begun) file.begin(`${topic}-${partition}-${offset}.${part}`, 'application/octet-stream')
      begun = true
      await file.write(event.bytes)
    })
    if (!begun) throw noRecord(topic, partition, offset)
  },
})

export const messageRoutes = [messages, save, one, bytes] as const
