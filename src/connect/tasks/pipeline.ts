/** Between bytes and records: converters, transforms and what becomes of their errors, as a connector is configured. */
import { later, type MaybePromise } from '../../base.ts'
import type { ReceivedRecord, RecordHeader, RecordToSend } from '../../client.ts'
import type { Header, SinkRecord, SourceRecord } from '../../connector.ts'
import type { SinkValues, SourceValues } from '../connector-keys.ts'
import { type Converter, converterClassName, type HeaderConverter, openConverter, openHeaderConverter } from '../converters.ts'
import { openTransforms, type Transforms } from '../transforms.ts'
import { DeadLetters } from './dead-letters.ts'
import { Errors, skipped, type Where } from './errors.ts'
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
export interface OutRecord {
  readonly topic: string
  readonly record: RecordToSend
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

/** Records of most converters are made at once: promises only where one is given. */
class Converting implements Pipeline {
  readonly errors: Errors
  readonly #converters: Converters
  readonly #transforms: Transforms
  readonly #classNames: Readonly<Record<Sides, string>>

  constructor(converters: Converters, transforms: Transforms, errors: Errors, classNames: Readonly<Record<Sides, string>>) {
    this.#converters = converters
    this.#transforms = transforms
    this.errors = errors
    this.#classNames = classNames
  }

  read(raw: ReceivedRecord): MaybePromise<SinkRecord | null> {
    const key = this.#readKey(raw)
    if (key instanceof Promise || raw.headers.length > 0) return this.#readRest(raw, key, null)
    if (key === skipped) return null
    const value = this.#readValue(raw)
    if (value instanceof Promise) return this.#readRest(raw, key, value)
    return value === skipped ? null : this.#transformed(sinkRecord(raw, key, value, []), raw)
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
      const where = this.#where('HEADER_CONVERTER', 'header.converter', raw)
      const done = await this.errors.run(where, () => this.#converters.header.toConnect(raw.topic, name, each.value))
      if (done === skipped) return null
      headers.push({ name, ...done })
    }
    return this.#transformed(sinkRecord(raw, key, value, headers), raw)
  }

  #readKey(raw: ReceivedRecord): Begun {
    const where = this.#where('KEY_CONVERTER', 'key.converter', raw)
    return this.errors.run<Converted>(where, () => this.#converters.key.toConnect(raw.topic, raw.key, raw.headers))
  }

  #readValue(raw: ReceivedRecord): Begun {
    const where = this.#where('VALUE_CONVERTER', 'value.converter', raw)
    return this.errors.run<Converted>(where, () => this.#converters.value.toConnect(raw.topic, raw.value, raw.headers))
  }

  #transformed<R extends SinkRecord | SourceRecord>(record: R, raw: ReceivedRecord | null): MaybePromise<R | null> {
    const done = this.errors.run({ stage: 'TRANSFORMATION', className: 'transforms', raw }, () => this.#transforms.apply(record))
    if (done instanceof Promise) return done.then(each => (each === skipped ? null : each))
    return done === skipped ? null : done
  }

  write(record: SourceRecord): MaybePromise<OutRecord | null> {
    return later(this.#transformed(record, null), changed => (changed === null ? null : this.#converted(changed)))
  }

  #converted(record: SourceRecord): MaybePromise<OutRecord | null> {
    const { topic, partition, timestampMs } = record
    return later(this.#headersFrom(topic, record.headers, []), headers => {
      if (headers === skipped) return null
      return later(this.#keyFrom(record), key => {
        if (key === skipped) return null
        return later(this.#valueFrom(record), value => {
          if (value === skipped) return null
          return { topic, record: { key, value, headers, partition: partition ?? undefined, timestampMs: timestampMs ?? undefined } }
        })
      })
    })
  }

  #keyFrom({ topic, keySchema, key }: SourceRecord): Made {
    const where = this.#where('KEY_CONVERTER', 'key.converter', null)
    return this.errors.run(where, () => this.#converters.key.fromConnect(topic, keySchema, key))
  }

  #valueFrom({ topic, valueSchema, value }: SourceRecord): Made {
    const where = this.#where('VALUE_CONVERTER', 'value.converter', null)
    return this.errors.run(where, () => this.#converters.value.fromConnect(topic, valueSchema, value))
  }

  /** Puts them into `made`, behind those that are there. */
  #headersFrom(topic: string, headers: readonly Header[], made: RecordHeader[]): MaybePromise<RecordHeader[] | typeof skipped> {
    while (made.length < headers.length) {
      const { name, schema, value } = headers[made.length]!
      const where = this.#where('HEADER_CONVERTER', 'header.converter', null)
      const done = this.errors.run(where, () => this.#converters.header.fromConnect(topic, name, schema, value))
      const put = (bytes: Awaited<typeof done>) => bytes !== skipped && made.push({ key: Buffer.from(name), value: bytes })
      if (done instanceof Promise) return done.then(bytes => (put(bytes) === false ? skipped : this.#headersFrom(topic, headers, made)))
      if (put(done) === false) return skipped
    }
    return made
  }

  #where(stage: Where['stage'], side: Sides, raw: ReceivedRecord | null): Where {
    return { stage, className: this.#classNames[side], raw }
  }

  close(): void {
    this.#transforms.close()
    const { key, value, header } = this.#converters
    for (const each of [key, value, header]) each.close?.()
  }
}

type Converted = Awaited<ReturnType<Converter['toConnect']>>
type Begun = MaybePromise<Converted | typeof skipped>
/** Of a key or a value, for Kafka. */
type Made = MaybePromise<Buffer | null | typeof skipped>

function sinkRecord(
  { topic, partition, offset, timestampMs }: ReceivedRecord,
  key: Converted,
  value: Converted,
  headers: Header[],
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
