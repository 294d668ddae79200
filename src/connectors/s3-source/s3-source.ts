/**
 * S3 source: the records of objects, those of the S3 sink or of anybody, in pages and pieces, so that neither a bucket nor an object need fit into memory.
 *
 * A bucket is listed again and again, in the order of names. The offset says, for each series of objects (see `names.ts`), which object was read last and how many of its
 * records: so with transactions each record is in the topic once.
 */
import { crc32, pause } from '../../base.ts'
import {
  DataError,
  defineSource,
  RetriableError,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  type Struct,
  struct,
} from '../../connector.ts'
import { pagesOf, readerNamed } from '../readers/list.ts'
import type { Pages, ReadSettings, ReadValue } from '../readers/reader.ts'
import { wrappingOf } from '../readers/unwrap.ts'
import { requireNone } from '../required.ts'
import { connectionCheck } from '../s3/check.ts'
import { openS3 } from '../s3/client.ts'
import { unescaped } from '../storage/keys.ts'
import { jsonValues } from '../values/formats.ts'
import { type Config, keys } from './keys.ts'
import { seriesOf, type Target, targetsOf } from './names.ts'
import { Bucket, type Listed } from './objects.ts'
import { Positions } from './positions.ts'

function check(config: Config): Map<string, string> {
  const refused = connectionCheck(config)
  if (config.mode === 'GENERIC' && config['topic.regex.list'].length === 0)
    refused.set('topic.regex.list', 'mode=GENERIC needs it: the topics, and the names of their objects')
  return refused
}

export const s3Source = defineSource({
  name: 's3-source',
  classes: ['io.confluent.connect.s3.source.S3SourceConnector'],
  version: '1',
  summary: 'Reads the records of objects in S3 or a service that speaks like it: JSON, CSV, Avro, Parquet or bytes, each once.',
  example: {
    's3.bucket.name': 'events',
    's3.region': 'us-east-1',
    'store.url': 'http://127.0.0.1:9000',
    mode: 'GENERIC',
    'topics.dir': 'incoming',
    'topic.regex.list': 'orders:.*/orders/.*',
    's3.poll.interval.ms': '10000',
  },
  formats: jsonValues,
  config: keys,
  check,
  exactlyOnce: () => true,
  async tasks(config, most) {
    requireNone(check(config))
    return Array.from({ length: most }, (_, number) => ({ 'task.number': String(number), 'task.count': String(most) }))
  },
  async open(config, context): Promise<SourceTask> {
    requireNone(check(config))
    return new ObjectsTask(config, context, new Bucket(config, openS3(config, context.system), context.signal))
  },
})

/** An object that this task reads, if it was not read already. */
interface Own {
  readonly object: Listed
  readonly series: string
  readonly target: Target
}

/** The one that is being read. */
interface Reading extends Own {
  readonly pages: Pages
  /** Of its records: that were given, that must be left out because they were given before, and that are read and not given. */
  given: number
  toSkip: number
  waiting: ReadValue[]
  isAtEnd: boolean
}

const longestWaitMs = 1_000

class ObjectsTask implements SourceTask {
  readonly #config: Config
  readonly #context: SourceContext
  readonly #bucket: Bucket
  readonly #targetOf: (key: string) => Target | null
  readonly #settings: ReadSettings
  readonly #positions: Positions
  /** Of the page that was listed last: what is not read yet. */
  #objects: Own[] = []
  #token: string | null = null
  #reading: Reading | null = null
  /** When the bucket is listed from its beginning again, on the monotonic clock. */
  #dueMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(config: Config, context: SourceContext, bucket: Bucket) {
    this.#config = config
    this.#context = context
    this.#bucket = bucket
    this.#targetOf = targetsOf(config)
    this.#positions = new Positions(config['s3.bucket.name'], context)
    this.#settings = {
      mostBytes: config['record.max.bytes'],
      csvDelimiter: unescaped(config['csv.delimiter']),
      csvHeader: config['csv.header'],
      separator: unescaped(config['format.bytearray.separator']),
      jsonAsText: config['json.value.format'] === 'string',
    }
  }

  async poll(): Promise<readonly SourceRecord[]> {
    try {
      this.#reading ??= await this.#next()
      if (this.#reading === null) return []
      const records = await this.#read(this.#reading)
      if (this.#reading.isAtEnd && this.#reading.waiting.length === 0) this.#reading = null
      return records
    } catch (error) {
      if (this.#isClosed) return []
      // What was given was given: the object is opened again behind it, and as it is then.
      this.#reading = null
      this.#objects = []
      this.#token = null
      this.#dueMs = Number.NEGATIVE_INFINITY
      throw error
    }
  }

  /** null: there is nothing to read now. */
  async #next(): Promise<Reading | null> {
    const { system, signal } = this.#context
    const { clock } = system
    if (this.#objects.length === 0) {
      if (this.#token === null && clock.monotonic() < this.#dueMs) {
        await pause(system, Math.min(longestWaitMs, this.#dueMs - clock.monotonic()), signal)
        return null
      }
      const { objects, next } = await this.#bucket.list(this.#token)
      this.#token = next
      if (next === null) this.#dueMs = clock.monotonic() + this.#config['s3.poll.interval.ms']
      this.#objects = objects.flatMap(object => this.#own(object)).reverse()
      await this.#positions.know(this.#objects.map(({ series }) => series))
    }
    for (let own = this.#objects.pop(); own !== undefined; own = this.#objects.pop()) {
      const reading = this.#begin(own)
      if (reading !== null) return reading
    }
    return null
  }

  /** None: another task reads it, or nobody. */
  #own(object: Listed): Own[] {
    const { 'task.number': number, 'task.count': count } = this.#config
    const series = seriesOf(object.key)
    const target = (crc32(Buffer.from(series)) >>> 0) % count === number ? this.#targetOf(object.key) : null
    return target === null ? [] : [{ object, series, target }]
  }

  #begin(own: Own): Reading | null {
    const { object, series } = own
    const { key, etag } = object
    const given = this.#positions.givenOf(series, object)
    if (given === null) return null
    const { of: other } = given
    if (other !== null && other !== etag)
      this.#context.log.warn(
        { object: key, records: given.records },
        'an object has changed while it was read: it is read on behind as many records',
      )
    const type = this.#config['s3.compression.type']
    const wrapping = type === 'auto' ? wrappingOf(key) : type
    const pages = pagesOf(readerNamed(this.#config['format.class'])!, this.#bucket.file(object), wrapping, this.#settings)
    return { ...own, pages, given: given.records, toSkip: given.records, waiting: [], isAtEnd: false }
  }

  /** One more record than is given must be known, so that the last one can say that it is. */
  async #read(reading: Reading): Promise<SourceRecord[]> {
    const most = this.#config['record.batch.max.size']
    while (!reading.isAtEnd && reading.waiting.length <= most) await this.#readPage(reading)
    const values = reading.waiting.splice(0, most)
    const isDone = reading.isAtEnd && reading.waiting.length === 0
    const partition = this.#positions.partitionOf(reading.series)
    const records = values.map((value, at) => this.#record(reading, partition, value, isDone && at === values.length - 1))
    if (isDone && records.length === 0) this.#positions.empty(reading.object)
    if (records.length > 0) this.#positions.moved(reading.series, records.at(-1)!.sourceOffset)
    return records
  }

  async #readPage(reading: Reading): Promise<void> {
    const { object, pages } = reading
    try {
      const { value: page, done } = await pages.next()
      if (done === true) reading.isAtEnd = true
      else {
        const skipped = Math.min(reading.toSkip, page.length)
        reading.toSkip -= skipped
        for (let at = skipped; at < page.length; at++) reading.waiting.push(page[at]!)
      }
    } catch (error) {
      if (error instanceof RetriableError || this.#context.signal.aborted) throw error
      if (isOfService(error)) throw error
      const text = `object ${object.key}: ${(error as Error).message}`
      if (this.#config['behavior.on.error'] === 'fail') throw new DataError(text, error)
      this.#context.log.warn({ object: object.key, err: error }, 'the rest of an object cannot be read, and is left out')
      this.#context.count('objects_ignored')
      reading.isAtEnd = true
    }
  }

  #record(reading: Reading, sourcePartition: Struct, { schema, value }: ReadValue, isDone: boolean): SourceRecord {
    const { object, target } = reading
    reading.given++
    return {
      topic: target.topic,
      partition: target.partition,
      keySchema: null,
      key: null,
      valueSchema: schema,
      value,
      timestampMs: null,
      headers: [],
      sourcePartition,
      sourceOffset: struct([
        ['object', object.key],
        ['records', reading.given],
        ['done', isDone],
        ['etag', object.etag],
      ]),
    }
  }

  async committed(): Promise<void> {
    this.#positions.stored()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#bucket.close()
  }
}

/** Of missing rights and the like, which are not about the content of one object. */
function isOfService(error: unknown): boolean {
  return (error as { cause?: { $metadata?: unknown } }).cause?.$metadata !== undefined
}
