/**
 * `GET …/records`: reading, which Confluent's v3 lacks. A long-poll answers a page of records and the link to the next; with
 * `Accept: text/event-stream` the same records come as server-sent events, for as long as the reader stays.
 *
 * With a `group`, a page begins where the group has committed, and the offsets that a later request continues from are committed by it: what was not
 * read is given again. A stream of events is a member of the group; see held-commits.ts for what it commits. Who takes nothing is not fetched for.
 */
import { PassThrough } from 'node:stream'
import { type Static, Type } from 'typebox'
import { drained } from '../../base.ts'
import { ClientError, type CommittedOffset, type PartitionOffset } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { HeldCommits } from '../consumer/held-commits.ts'
import { ConsumerInstance, type ReadLimits, type Take } from '../consumer/instance.ts'
import { Positions } from '../consumer/positions.ts'
import { badRequestOf, noPartition, toHttpError } from '../errors.ts'
import { Idle } from '../idle.ts'
import type { Links } from '../links.ts'
import { sendList } from '../records/answer.ts'
import { instantIn } from '../records/instant.ts'
import { dataText, headersText, type Means, type ReadFormat, readFormats, timeText } from '../records/text.ts'
import type { Asking, Rest } from '../rest.ts'
import { errors, InTopic, Int64, idIn, List, Nullable } from './schemas.ts'

const Data = Type.Object({
  type: Type.String({ description: 'BINARY (base64), STRING, JSON, AVRO, JSONSCHEMA or PROTOBUF' }),
  schema_id: Type.Optional(Type.Integer()),
  schema_guid: Type.Optional(Type.String({ description: 'Where the bytes name the schema by this' })),
  data: Type.Unknown(),
  problem: Type.Optional(Type.String({ description: 'Why the bytes are not decoded' })),
})
const ReadRecord = Type.Object({
  partition_id: Type.Integer(),
  offset: Int64,
  timestamp: Nullable(Type.String()),
  headers: Type.Array(Type.Object({ name: Type.String(), value: Nullable(Type.String({ description: 'Base64' })) })),
  key: Nullable(Data),
  value: Nullable(Data),
})
const Query = Type.Object({
  from: Type.Optional(Type.String({ description: 'earliest (default), latest, or a time such as 2021-02-05T19:14:42Z' })),
  offsets: Type.Optional(
    Type.String({ description: 'Where to read: partition:offset, several separated by commas. Other partitions are not read' }),
  ),
  partition: Type.Optional(Type.String({ description: 'Only this partition' })),
  group: Type.Optional(Type.String({ description: 'Begin where this consumer group has committed' })),
  key_format: Type.Optional(
    Type.String({
      description: 'BINARY (default), STRING, JSON, AVRO, JSONSCHEMA, PROTOBUF or AUTO; what is something else comes as BINARY',
    }),
  ),
  value_format: Type.Optional(Type.String({ description: 'As key_format' })),
  timeout_ms: Type.Optional(Type.String({ description: 'How long a page waits for a first record; default 1000, maximum 30000' })),
  max_records: Type.Optional(Type.String({ description: 'Of a page; default 500, maximum 10000' })),
  max_bytes: Type.Optional(Type.String({ description: 'Of keys and values of a page; default 1048576' })),
  isolation: Type.Optional(Type.String({ description: 'read_uncommitted (default) or read_committed' })),
})
type Query = Static<typeof Query>

const mostBytes = 16 * 1024 * 1024
const heartbeatMs = 15_000
const offsetText = /^(\d{1,10}):(\d{1,19})$/

export function consumeRoute(rest: Rest): void {
  rest.app.get(
    '/v3/clusters/:cluster_id/topics/:topic_name/records',
    { exposeHeadRoute: false, schema: { params: InTopic, querystring: Query, response: { 200: List(ReadRecord), ...errors } } },
    async (request, reply) => {
      const { cluster_id, topic_name } = request.params
      const links = await rest.links(request, cluster_id)
      const isStream = (request.headers.accept ?? '').includes('text/event-stream')
      const wish = wishIn(request.query, isStream ? request.headers['last-event-id'] : undefined)
      const leave = rest.readers.enter(rest.identity(request).principal)
      const release = rest.hold(request)
      const reader = open(rest, request, wish)
      const close = () => {
        leave()
        reader
          .close()
          .catch((error: unknown) => rest.logger.debug({ service: 'rest', err: error }, 'a reader could not be closed'))
          .finally(release)
      }
      try {
        if (!isStream) {
          const page = await pageOf(rest, request, reader, topic_name, wish, links)
          close()
          return sendList(rest, request, reply.header('content-type', 'application/json'), page.frame, page.records) as never
        }
        if (isMember(wish)) await join(rest, request, reader, topic_name)
        else await begin(rest, request, reader, topic_name, wish)
      } catch (error) {
        close()
        throw error
      }
      const events = new PassThrough()
      const streaming = { rest, reader, wish, take: textIn(wish, meansOf(rest, request)), events, raw: reply.raw }
      void stream(streaming).finally(close)
      return reply.header('content-type', 'text/event-stream').send(events as never)
    },
  )
}

interface Wish {
  readonly from: 'earliest' | 'latest' | { readonly timestampMs: bigint }
  readonly offsets: readonly (readonly [partition: number, offset: bigint])[] | null
  readonly partition: number | null
  readonly group: string | null
  readonly keyFormat: ReadFormat
  readonly valueFormat: ReadFormat
  readonly limits: ReadLimits
  readonly committedOnly: boolean
}

/** `lastEvent`: of a reader who comes back. A member of a group goes on where the group has committed. */
function wishIn(query: Query, lastEvent: string | string[] | undefined): Wish {
  const { from = 'earliest', partition } = query
  const group = query.group === undefined || query.group === '' ? null : query.group
  const offsets = group === null && typeof lastEvent === 'string' && lastEvent !== '' ? lastEvent : query.offsets
  const time = instantIn(from)
  if (time === null && from !== 'earliest' && from !== 'latest')
    throw badRequestOf(`from=${from} is neither earliest nor latest nor a time such as 2021-02-05T19:14:42Z`)
  if (query.isolation !== undefined && !/^read_(?:un)?committed$/.test(query.isolation))
    throw badRequestOf('isolation must be read_uncommitted or read_committed')
  return {
    from: time === null ? (from as 'earliest' | 'latest') : { timestampMs: BigInt(time) },
    offsets: offsets === undefined ? null : offsets.split(',').map(offsetIn),
    partition: partition === undefined ? null : idIn(partition),
    group,
    keyFormat: formatIn(query.key_format),
    valueFormat: formatIn(query.value_format),
    limits: {
      timeoutMs: numberIn('timeout_ms', query.timeout_ms, 1_000, 30_000),
      maxRecords: numberIn('max_records', query.max_records, 500, 10_000),
      maxBytes: numberIn('max_bytes', query.max_bytes, 1_048_576, mostBytes),
    },
    committedOnly: query.isolation === 'read_committed',
  }
}

function offsetIn(text: string): readonly [number, bigint] {
  const [, partition, offset] = offsetText.exec(text.trim()) ?? []
  if (partition === undefined || BigInt.asIntN(64, BigInt(offset!)) !== BigInt(offset!))
    throw badRequestOf(`offsets: ${text} is not partition:offset`)
  return [idIn(partition), BigInt(offset!)]
}

function formatIn(given = 'BINARY'): ReadFormat {
  const format = given.toUpperCase() as ReadFormat
  if (!readFormats.includes(format)) throw badRequestOf(`${given} is not one of ${readFormats.join(', ')}`)
  return format
}

function numberIn(name: string, given: string | undefined, otherwise: number, most: number): number {
  if (given === undefined) return otherwise
  const number = Number(given)
  if (!Number.isInteger(number) || number < 0) throw badRequestOf(`${name} must be an integer of at least 0`)
  return Math.min(number, most)
}

function open(rest: Rest, request: Asking, { group, from, committedOnly }: Wish): ConsumerInstance {
  const options = { format: '', autoCommit: false, minBytes: 1, requestTimeoutMs: 0, committedOnly }
  const reset = from === 'latest' ? 'latest' : 'earliest'
  return new ConsumerInstance(rest.client(request), rest.system, { group: group ?? '', reset, ...options }, rest.turns)
}

/** Where to begin, in each partition that is read. */
async function begin(rest: Rest, request: Asking, reader: ConsumerInstance, topic: string, wish: Wish): Promise<void> {
  const client = rest.client(request)
  const [info] = await client.topics([topic])
  const all = info!.partitions.map(each => each.partition)
  const wanted = wish.offsets?.map(([partition]) => partition) ?? (wish.partition === null ? all : [wish.partition])
  for (const each of wanted) if (!all.includes(each)) throw noPartition()
  const positions = new Map<number, bigint>(wish.offsets ?? (await client.offsets(topic, wanted, wish.from)))
  if (wish.group !== null && wish.offsets === null)
    for (const each of await client.groupOffsets(wish.group, ''))
      if (each.topic === topic && positions.has(each.partition)) positions.set(each.partition, each.offset)
  const places = Array.from(positions, ([partition, offset]) => ({ topic, partition, offset }))
  await reader.assign(places)
  await reader.seek(places)
}

interface Page {
  /** Before and after the records. */
  readonly frame: readonly [string, string]
  readonly records: readonly string[]
}

async function pageOf(rest: Rest, request: Asking, reader: ConsumerInstance, topic: string, wish: Wish, links: Links): Promise<Page> {
  await begin(rest, request, reader, topic, wish)
  if (wish.group !== null && wish.offsets !== null) {
    const read: CommittedOffset[] = wish.offsets.map(([partition, offset]) => ({ topic, partition, offset }))
    await rest
      .client(request)
      .commit(wish.group, read)
      .catch((error: unknown) => {
        if (!(error instanceof ClientError) || error.code !== 'UNKNOWN_MEMBER_ID') throw error
        throw new HttpError(
          409,
          40_903,
          `Illegal state: The group ${wish.group} has members, so its offsets are not committed from outside`,
        )
      })
  }
  const records = await reader.read(wish.limits, textIn(wish, meansOf(rest, request)))
  const query = new URLSearchParams(request.raw.url!.split('?', 2)[1] ?? '')
  const where = links.url('topics', topic, 'records')
  const self = query.size === 0 ? where : `${where}?${query}`
  query.delete('from')
  query.delete('partition')
  query.set('offsets', positionsText(reader))
  const next = `${where}?${query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',')}`
  return { frame: [`{"kind":"KafkaRecordList","metadata":${JSON.stringify({ self, next })},"data":[`, ']}'], records }
}

function positionsText(reader: ConsumerInstance): string {
  return reader.positions.map(({ partition, offset }) => `${partition}:${offset}`).join(',')
}

function meansOf(rest: Rest, request: Asking): Means {
  return { schemas: rest.schemas(request), turns: rest.turns }
}

function textIn({ keyFormat, valueFormat }: Wish, means: Means): Take<string> {
  return ({ topic, partition, offset, timestampMs, headers, key, value }) => {
    const keyText = dataText(key, keyFormat, { topic, part: 'key', headers }, means)
    const valueText = dataText(value, valueFormat, { topic, part: 'value', key, headers }, means)
    const begin = `{"partition_id":${partition},"offset":${offset},"timestamp":${timeText(timestampMs)},"headers":${headersText(headers)}`
    const whole = (keyPart: string, valuePart: string) => `${begin},"key":${keyPart},"value":${valuePart}}`
    if (typeof keyText === 'string' && typeof valueText === 'string') return whole(keyText, valueText)
    return Promise.all([keyText, valueText]).then(both => whole(...both))
  }
}

/** A stream of events shares the partitions with the other members of the group. */
function isMember({ group, offsets, partition }: Wish): boolean {
  return group !== null && offsets === null && partition === null
}

async function join(rest: Rest, request: Asking, reader: ConsumerInstance, topic: string): Promise<void> {
  // A member would wait for a topic that is not there.
  await rest.client(request).topics([topic])
  await reader.subscribe([topic])
}

interface Streaming {
  readonly rest: Rest
  readonly reader: ConsumerInstance
  readonly wish: Wish
  readonly take: Take<string>
  readonly events: PassThrough
  /** Through which the events leave. */
  readonly raw: { readonly writableLength: number }
}

/** Does not reject. */
async function stream({ rest, reader, wish, take, events, raw }: Streaming): Promise<void> {
  const isOver = () => events.destroyed || rest.stopping.aborted
  const { clock } = rest.system
  const { streamIdleMs, commitAfterMs } = rest.settings
  const commits = isMember(wish) ? new HeldCommits(rest.system, commitAfterMs) : null
  const idle = new Idle(rest.system, streamIdleMs, () => events.destroy())
  const waiting = () => events.writableLength + events.readableLength + raw.writableLength
  const commit = async (positions: readonly PartitionOffset[]) => {
    if (!(await commitOwn(rest, reader, positions))) commits?.again(positions)
  }
  try {
    events.write(begun)
    commits?.written(begun.length, null)
    let writtenMs = clock.monotonic()
    while (!isOver()) {
      idle.touch()
      const records = await reader.read({ ...wish.limits, timeoutMs: 1_000 }, take)
      if (isOver()) break
      if (commits !== null) await commit(commits.due(waiting()))
      if (records.length === 0 && clock.monotonic() - writtenMs < heartbeatMs) continue
      writtenMs = clock.monotonic()
      const text = records.length === 0 ? stillHere : eventsOf(records, reader)
      commits?.written(text.length, records.length === 0 ? null : reader.positions)
      if (!events.write(text)) await drained(events)
    }
    // The process ends, and the reader is there.
    if (commits !== null && !events.destroyed) await commit(commits.atEnd(waiting()))
  } catch (error) {
    const told = toHttpError(error)
    const { code, message } = told instanceof HttpError ? told : new HttpError(500, 500, 'Internal Server Error')
    if (!(told instanceof HttpError)) rest.logger.error({ service: 'rest', err: error }, 'a stream of events has failed')
    events.write(`event: error\ndata: ${JSON.stringify({ error_code: code, message })}\n\n`)
  }
  idle.stop()
  events.end()
}

const begun = Buffer.from(': begun\n\n')
const stillHere = Buffer.from(': still here\n\n')

/** Who comes back with the id goes on behind the records before it. */
function eventsOf(records: readonly string[], reader: ConsumerInstance): Buffer {
  const each = records.map(record => `event: record\ndata: ${record.replaceAll('\n', ' ').replaceAll('\r', ' ')}\n\n`)
  return Buffer.from(`${each.join('')}event: position\nid: ${positionsText(reader)}\ndata: {}\n\n`)
}

/** Of partitions that are still the reader's; others have readers of their own, who commit. False: it is not known yet which these are. */
async function commitOwn(rest: Rest, reader: ConsumerInstance, positions: readonly PartitionOffset[]): Promise<boolean> {
  const own = Positions.of(reader.positions)
  const still = positions.filter(each => own.has(each))
  if (still.length === 0) return true
  try {
    await reader.commitOwn(still)
    return true
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'REBALANCE_IN_PROGRESS') throw error
    rest.logger.debug({ service: 'rest', err: error }, 'offsets of a stream are not committed while its group divides its partitions anew')
    return false
  }
}
