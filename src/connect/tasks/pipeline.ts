/** Between bytes and records: converters, transforms and what becomes of their errors, as a connector is configured. */
import type { MaybePromise } from '../../base.ts'
import type { ReceivedRecord, RecordHeader, RecordToSend } from '../../client.ts'
import type { Header, SinkRecord, SourceRecord } from '../../connector.ts'
import type { SinkValues, SourceValues } from '../connector-keys.ts'
import { type Converter, converterClassName, type HeaderConverter, openConverter, openHeaderConverter } from '../converters.ts'
import { openTransforms, type Transforms } from '../transforms.ts'
import { DeadLetters } from './dead-letters.ts'
import { Errors, type Step, skipped } from './errors.ts'
import type { TaskRun } from './run.ts'

type Sides = 'key.converter' | 'value.converter' | 'header.converter'

export interface Pipeline {
  readonly errors: Errors
  /** null: dropped, or left out because of an error that is tolerated. */
  read(raw: ReceivedRecord): MaybePromise<SinkRecord | null>
  write(record: SourceRecord): MaybePromise<OutRecord | null>
  close(): void
}

/** For Kafka. */
export interface OutRecord extends RecordToSend {
  readonly topic: string
}

/** `converter`: of the connector, where its configuration names none; null: the worker's. */
export async function openPipeline(run: TaskRun, values: SinkValues | SourceValues, converter: string | null = null): Promise<Pipeline> {
  const { config, order, system, log, control, metrics } = run
  const merged = new Map([...converterConfig(config, order.worker.properties, values, converter), ...Object.entries(config)])
  const resources = { system, registry: order.registry }
  const [key, value, header] = [
    openConverter(merged, true, resources),
    openConverter(merged, false, resources),
    openHeaderConverter(merged, resources),
  ]
  const transforms = await openTransforms(merged, resources)
  const errors = new Errors({
    settings: {
      retryTimeoutMs: values['errors.retry.timeout'],
      longestRetryMs: values['errors.retry.delay.max.ms'],
      tolerated: values['errors.tolerance'].toLowerCase() === 'all',
      logged: values['errors.log.enable'],
      logsRecords: values['errors.log.include.messages'],
    },
    deadLetters: 'topics' in values ? await deadLetters(run, values) : null,
    system,
    log,
    signal: control.stopSignal,
    count: metrics.count,
  })
  const classNames = {
    'key.converter': converterClassName('key.converter', merged),
    'value.converter': converterClassName('value.converter', merged),
    'header.converter': converterClassName('header.converter', merged),
  }
  return new Converting({ key, value, header }, transforms, errors, classNames)
}

async function deadLetters({ client, log, order: { connector, task } }: TaskRun, values: SinkValues): Promise<DeadLetters | null> {
  const topic = values['errors.deadletterqueue.topic.name']
  if (topic === '') return null
  return DeadLetters.open({
    ...{ client, topic, connector, task },
    replicas: values['errors.deadletterqueue.topic.replication.factor'],
    saysWhy: values['errors.deadletterqueue.context.headers.enable'],
    hiding: log.hiding,
  })
}

const sides: readonly Sides[] = ['key.converter', 'value.converter', 'header.converter']

/** A connector with a converter of its own has all keys of it; without, the worker's count. */
function* converterConfig(
  config: Readonly<Record<string, string>>,
  worker: Readonly<Record<string, string>>,
  values: SinkValues | SourceValues,
  converter: string | null,
): Generator<[string, string]> {
  for (const side of sides) {
    if (values[side] !== null) continue
    if (converter !== null) {
      yield [side, converter]
      continue
    }
    yield [side, worker[side] ?? defaults[side]]
    for (const [key, value] of Object.entries(worker)) if (key.startsWith(`${side}.`) && config[key] === undefined) yield [key, value]
  }
}

const defaults: Readonly<Record<Sides, string>> = {
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'header.converter': 'org.apache.kafka.connect.storage.SimpleHeaderConverter',
}

interface Converters {
  readonly key: Converter
  readonly value: Converter
  readonly header: HeaderConverter
}

/** Of records without any. */
const noHeaders: readonly never[] = Object.freeze([])

/** Records of most converters are made at once: promises, and functions of their own, only where one is given. */
class Converting implements Pipeline {
  readonly errors: Errors
  readonly #converters: Converters
  readonly #transforms: Transforms
  readonly #steps: Readonly<Record<Sides, Step>>
  /** What the converters do, each made once, and not for each record. */
  readonly #work: Work

  constructor(converters: Converters, transforms: Transforms, errors: Errors, classNames: Readonly<Record<Sides, string>>) {
    this.#converters = converters
    this.#transforms = transforms
    this.errors = errors
    this.#steps = {
      'key.converter': { stage: 'KEY_CONVERTER', className: classNames['key.converter'] },
      'value.converter': { stage: 'VALUE_CONVERTER', className: classNames['value.converter'] },
      'header.converter': { stage: 'HEADER_CONVERTER', className: classNames['header.converter'] },
    }
    const { key, value } = converters
    this.#work = {
      readKey: raw => key.toConnect(raw.topic, raw.key, raw.headers),
      readValue: raw => value.toConnect(raw.topic, raw.value, raw.headers),
      writeKey: record => key.fromConnect(record.topic, record.keySchema, record.key),
      writeValue: record => value.fromConnect(record.topic, record.valueSchema, record.value),
    }
  }

  read(raw: ReceivedRecord): MaybePromise<SinkRecord | null> {
    const key = this.errors.run(this.#steps['key.converter'], raw, raw, this.#work.readKey)
    if (key instanceof Promise || raw.headers.length > 0) return this.#readRest(raw, key, null)
    if (key === skipped) return null
    const value = this.#readValue(raw)
    if (value instanceof Promise) return this.#readRest(raw, key, value)
    return value === skipped ? null : this.#transformed(sinkRecord(raw, key, value, noHeaders), raw)
  }

  /** `begun`: the value, if it is being read already. */
  async #readRest(raw: ReceivedRecord, begunKey: Begun, begun: Begun | null): Promise<SinkRecord | null> {
    const key = await begunKey
    if (key === skipped) return null
    const value = await (begun ?? this.#readValue(raw))
    if (value === skipped) return null
    const headers: Header[] = []
    for (const each of raw.headers) {
      const name = each.key.toString('utf8')
      const read = (header: RecordHeader) => this.#converters.header.toConnect(raw.topic, name, header.value)
      const done = await this.errors.run(this.#steps['header.converter'], raw, each, read)
      if (done === skipped) return null
      headers.push({ name, ...done })
    }
    return this.#transformed(sinkRecord(raw, key, value, headers), raw)
  }

  #readValue(raw: ReceivedRecord): Begun {
    return this.errors.run(this.#steps['value.converter'], raw, raw, this.#work.readValue)
  }

  #transformed<R extends SinkRecord | SourceRecord>(record: R, raw: ReceivedRecord | null): MaybePromise<R | null> {
    if (this.#transforms.isEmpty) return record
    const done = this.errors.run(transforming, raw, record, each => this.#transforms.apply(each))
    if (done instanceof Promise) return done.then(each => (each === skipped ? null : each))
    return done === skipped ? null : done
  }

  write(record: SourceRecord): MaybePromise<OutRecord | null> {
    const changed = this.#transformed(record, null)
    if (changed instanceof Promise) return changed.then(each => (each === null ? null : this.#converted(each)))
    return changed === null ? null : this.#converted(changed)
  }

  #converted(record: SourceRecord): MaybePromise<OutRecord | null> {
    const headers = record.headers.length === 0 ? noHeaders : this.#headersFrom(record.topic, record.headers, [])
    if (headers instanceof Promise) return this.#convertRest(record, headers, null)
    if (headers === skipped) return null
    const key = this.#keyFrom(record)
    if (key instanceof Promise) return this.#convertRest(record, headers, { key })
    if (key === skipped) return null
    const value = this.#valueFrom(record)
    if (value instanceof Promise) return value.then(made => (made === skipped ? null : outRecord(record, headers, key, made)))
    return value === skipped ? null : outRecord(record, headers, key, value)
  }

  /** `begun`: the key, if it is being made already. */
  async #convertRest(
    record: SourceRecord,
    coming: MaybePromise<readonly RecordHeader[] | typeof skipped>,
    begun: { readonly key: Made } | null,
  ): Promise<OutRecord | null> {
    const headers = await coming
    if (headers === skipped) return null
    const key = await (begun === null ? this.#keyFrom(record) : begun.key)
    if (key === skipped) return null
    const value = await this.#valueFrom(record)
    return value === skipped ? null : outRecord(record, headers, key, value)
  }

  #keyFrom(record: SourceRecord): Made {
    return this.errors.run(this.#steps['key.converter'], null, record, this.#work.writeKey)
  }

  #valueFrom(record: SourceRecord): Made {
    return this.errors.run(this.#steps['value.converter'], null, record, this.#work.writeValue)
  }

  /** Puts them into `made`, behind those that are there. */
  #headersFrom(topic: string, headers: readonly Header[], made: RecordHeader[]): MaybePromise<RecordHeader[] | typeof skipped> {
    while (made.length < headers.length) {
      const header = headers[made.length]!
      const write = ({ name, schema, value }: Header) => this.#converters.header.fromConnect(topic, name, schema, value)
      const done = this.errors.run(this.#steps['header.converter'], null, header, write)
      const put = (bytes: Awaited<typeof done>) => bytes !== skipped && made.push({ key: Buffer.from(header.name), value: bytes })
      if (done instanceof Promise) return done.then(bytes => (put(bytes) === false ? skipped : this.#headersFrom(topic, headers, made)))
      if (put(done) === false) return skipped
    }
    return made
  }

  close(): void {
    this.#transforms.close()
    const { key, value, header } = this.#converters
    for (const each of [key, value, header]) each.close?.()
  }
}

const transforming: Step = { stage: 'TRANSFORMATION', className: 'transforms' }

type Converted = Awaited<ReturnType<Converter['toConnect']>>
type Begun = MaybePromise<Converted | typeof skipped>
/** Of a key or a value, for Kafka. */
type Made = MaybePromise<Buffer | null | typeof skipped>

interface Work {
  readKey(raw: ReceivedRecord): ReturnType<Converter['toConnect']>
  readValue(raw: ReceivedRecord): ReturnType<Converter['toConnect']>
  writeKey(record: SourceRecord): ReturnType<Converter['fromConnect']>
  writeValue(record: SourceRecord): ReturnType<Converter['fromConnect']>
}

function outRecord(
  { topic, partition, timestampMs }: SourceRecord,
  headers: readonly RecordHeader[],
  key: Buffer | null,
  value: Buffer | null,
): OutRecord {
  return { topic, key, value, headers, partition: partition ?? undefined, timestampMs: timestampMs ?? undefined }
}

function sinkRecord(
  { topic, partition, offset, timestampMs }: ReceivedRecord,
  key: Converted,
  value: Converted,
  headers: readonly Header[],
): SinkRecord {
  return {
    topic,
    partition,
    offset,
    original: { topic, partition, offset },
    keySchema: key.schema,
    key: key.value,
    valueSchema: value.schema,
    value: value.value,
    timestampMs: timestampMs < 0n ? null : timestampMs,
    timestampType: timestampMs < 0n ? 'NO_TIMESTAMP_TYPE' : 'CREATE_TIME',
    headers,
  }
}
