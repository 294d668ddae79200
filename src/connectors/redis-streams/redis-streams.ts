/**
 * Redis streams source: entries of streams, in their order, from where it ended.
 *
 * The id of an entry is its offset, so that with transactions each entry is in the topic once. No consumer group is needed for that; one is kept up to date
 * nevertheless, so that Redis can tell how far the connector is, and is where a connector that has no offsets yet begins.
 */
import {
  defineSource,
  type Schema,
  type SourceContext,
  type SourceOffset,
  type SourceRecord,
  type SourceTask,
  type Struct,
  struct,
} from '../../connector.ts'
import { dealt } from '../dealt.ts'
import { type Client, create, isReply, sortedError } from '../redis/connection.ts'
import { connectionRefuses } from '../redis/refusals.ts'
import { jsonValues, textKeys } from '../values/formats.ts'
import { within } from '../waits.ts'
import { compareIds, entriesOf, type Id, idOf, type Reply } from './entries.ts'
import { type Config, keys } from './keys.ts'

export const redisStreams = defineSource({
  name: 'redis-streams',
  classes: ['com.redis.kafka.connect.RedisStreamSourceConnector'],
  version: '1',
  summary: 'Reads the entries of Redis streams, each once.',
  example: { 'redis.uri': 'redis://127.0.0.1:6379', 'redis.stream.name': 'orders', topic: 'orders' },
  formats: { ...textKeys, ...jsonValues },
  config: keys,
  refuses: connectionRefuses,
  exactlyOnce: () => true,
  async tasks(config, most) {
    return dealt(config['redis.stream.name'], most).map(streams => ({ 'task.streams': streams.join(',') }))
  },
  async open(config, context): Promise<SourceTask> {
    return new StreamsTask(config, context)
  },
})

interface Place {
  readonly stream: string
  readonly partition: Struct
  /** null: nothing is stored, and Redis has not been asked yet. */
  id: Id | null
}

const idleCheckMs = 10_000

class StreamsTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  #client: Client | null = null
  #places: Place[] | null = null
  #checkedMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(config: Config, context: SourceContext) {
    this.#config = config
    this.#context = context
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const places = (this.#places ??= await this.#stored())
    try {
      const client = (this.#client ??= await create(this.#config, this.#context.system))
      return await within(
        this.#context,
        this.#config['redis.timeout'] * 1_000,
        () => this.#disconnect(),
        async () => {
          if (!client.isReady) await this.#begin(client, places)
          const records = await this.#read(client, places)
          if (records.length === 0) await this.#checkIdle(client, places)
          return records
        },
      )
    } catch (error) {
      this.#disconnect()
      if (this.#isClosed) return []
      throw sortedError(error as Error)
    }
  }

  async #stored(): Promise<Place[]> {
    const own = this.#config['task.streams']
    const streams = own.length > 0 ? own : this.#config['redis.stream.name']
    const partitions = streams.map(stream => struct([['stream', stream]]))
    const stored = await this.#context.storedOffsets(partitions)
    return streams.map((stream, index) => ({ stream, partition: partitions[index]!, id: idOf(stored[index]?.['offset']) }))
  }

  async #begin(client: Client, places: readonly Place[]): Promise<void> {
    await client.connect()
    this.#checkedMs = this.#context.system.clock.monotonic()
    const begun: SourceOffset[] = []
    for (const place of places) {
      if (place.id === null) {
        place.id = await this.#beginningOf(client, place.stream)
        begun.push({ sourcePartition: place.partition, sourceOffset: struct([['offset', place.id]]) })
      }
      await this.#checkPlace(client, place)
    }
    // Who ends before the first entry begins there again, and not behind what has come since.
    if (begun.length > 0) await this.#context.storeOffsets(begun)
  }

  /** Behind what the group has acknowledged, else where the configuration says. */
  async #beginningOf(client: Client, stream: string): Promise<Id> {
    const group = this.#config['redis.stream.consumer.group']
    const groups = group === '' ? null : await orMissing(client.sendCommand<Reply>(['XINFO', 'GROUPS', stream]))
    for (const each of Array.isArray(groups) ? groups : []) {
      const about = pairs(each)
      if (String(about.get('name')) !== group) continue
      const delivered = String(about.get('last-delivered-id'))
      const pending = await client.sendCommand<Reply>(['XPENDING', stream, group])
      const first = Array.isArray(pending) && pending[1] !== null ? idOf(String(pending[1])) : null
      // What the group has delivered and not acknowledged is read again.
      return first === null ? (idOf(delivered) ?? '0-0') : before(first)
    }
    if (this.#config['redis.stream.offset'] !== '$') return this.#config['redis.stream.offset']
    return (await lastId(client, stream)) ?? '0-0'
  }

  /** A stream that was deleted and made again has smaller ids: nobody would ever read it. */
  async #checkPlace(client: Client, place: Place): Promise<void> {
    const last = await lastId(client, place.stream)
    if (last === null || place.id === null || compareIds(last, place.id) >= 0) return
    const { stream, id } = place
    this.#context.log.warn({ stream, id, last }, 'the stream was made anew: it is read from its beginning')
    place.id = '0-0'
  }

  async #checkIdle(client: Client, places: readonly Place[]): Promise<void> {
    const now = this.#context.system.clock.monotonic()
    if (now - this.#checkedMs < idleCheckMs) return
    this.#checkedMs = now
    for (const place of places) await this.#checkPlace(client, place)
  }

  async #read(client: Client, places: readonly Place[]): Promise<SourceRecord[]> {
    const { RESP_TYPES } = await import('redis')
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    const most = String(Math.max(1, Math.floor(this.#config['batch.size'] / places.length)))
    const block = String(this.#config['redis.stream.block'])
    const command = ['XREAD', 'COUNT', most, 'BLOCK', block, 'STREAMS', ...places.map(each => each.stream), ...places.map(each => each.id!)]
    const reply = await bytes.sendCommand<Reply>(command)
    const records: SourceRecord[] = []
    for (const { stream, entries } of entriesOf(reply)) {
      const place = places.find(each => each.stream === stream)
      if (place === undefined) continue
      for (const { id, fields } of entries) {
        records.push(this.#record(place, id, fields))
        place.id = id
      }
    }
    return records
  }

  #record({ stream, partition }: Place, id: Id, fields: readonly (readonly [Buffer, Buffer])[]): SourceRecord {
    const isBinary = this.#config['redis.stream.value.format'] === 'bytes'
    const text = (bytes: Buffer) => bytes.toString()
    return {
      topic: this.#config.topic.replaceAll('${stream}', stream),
      partition: null,
      keySchema: textSchema,
      key: id,
      valueSchema: isBinary ? binaryValue : textValue,
      value: struct([
        ['id', id],
        ['stream', stream],
        ['body', new Map(fields.map(([name, value]) => [text(name), isBinary ? value : text(value)] as const))],
      ]),
      timestampMs: timeOf(id),
      headers: [],
      sourcePartition: partition,
      sourceOffset: struct([['offset', id]]),
    }
  }

  /** For whoever looks at the stream; that it fails loses nothing. */
  async committed(records: readonly SourceRecord[]): Promise<void> {
    const group = this.#config['redis.stream.consumer.group']
    if (group === '' || this.#client === null) return
    const last = new Map<string, string>()
    for (const { sourcePartition, sourceOffset } of records) last.set(sourcePartition['stream'] as string, sourceOffset['offset'] as string)
    try {
      for (const [stream, id] of last) await tellGroup(this.#client, stream, group, id)
    } catch (error) {
      this.#context.log.warn({ err: error, group }, 'the consumer group could not be told how far the connector is')
    }
  }

  #disconnect(): void {
    if (this.#client?.isOpen === true) this.#client.destroy()
    this.#client = null
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#disconnect()
  }
}

const textSchema: Schema = { type: 'string' }
const valueWith = (values: Schema): Schema => ({
  type: 'struct',
  name: 'com.redis.kafka.connect.stream.Value',
  fields: [
    { name: 'id', schema: textSchema },
    { name: 'stream', schema: textSchema },
    { name: 'body', schema: { type: 'map', keys: textSchema, values } },
  ],
})
const textValue = valueWith(textSchema)
const binaryValue = valueWith({ type: 'bytes' })

/** Ids that Redis makes begin with the time; those of applications may be anything. */
function timeOf(id: Id): bigint | null {
  const ms = BigInt(id.slice(0, id.indexOf('-')))
  return ms > 1_000_000_000_000n && ms < 100_000_000_000_000n ? ms : null
}

/** The greatest id that is smaller. */
function before(id: Id): Id {
  const [ms, number] = id.split('-').map(BigInt) as [bigint, bigint]
  if (number > 0n) return `${ms}-${number - 1n}`
  return ms === 0n ? '0-0' : `${ms - 1n}-${2n ** 64n - 1n}`
}

async function lastId(client: Client, stream: string): Promise<Id | null> {
  const about = await orMissing(client.sendCommand<Reply>(['XINFO', 'STREAM', stream]))
  return about === null ? null : idOf(String(pairs(about).get('last-generated-id')))
}

async function tellGroup(client: Client, stream: string, group: string, id: Id): Promise<void> {
  try {
    await client.sendCommand(['XGROUP', 'SETID', stream, group, id])
  } catch (error) {
    if (!/^NOGROUP/.test((error as Error).message)) throw error
    await client.sendCommand(['XGROUP', 'CREATE', stream, group, id])
  }
}

/** null: there is no such stream. */
async function orMissing(asking: Promise<Reply>): Promise<Reply> {
  try {
    return await asking
  } catch (error) {
    if (isReply(error as Error) && /no such key/i.test((error as Error).message)) return null
    throw error
  }
}

function pairs(reply: Reply): Map<string, Reply> {
  const found = new Map<string, Reply>()
  if (!Array.isArray(reply)) return found
  for (let at = 0; at + 1 < reply.length; at += 2) found.set(String(reply[at]), reply[at + 1]!)
  return found
}
