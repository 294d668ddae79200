/** What a configuration makes of single records, without a worker: converters and transforms, but neither a source nor a target. */
import { InvalidConfig, parseLossless, type System } from '../base.ts'
import { type ConnectRecord, type ConnectValue, DataError, type Header, type Schema, type SinkRecord } from '../connector.ts'
import type { DefaultRegistry, RawHeader } from './converters/converter.ts'
import { schemaToJson } from './converters/json-envelope.ts'
import { type JsonRules, readJson, writeJson } from './converters/json-values.ts'
import { type Converter, type HeaderConverter, openConverter, openHeaderConverter } from './converters.ts'
import { openTransforms, TransformError, type Transforms } from './transforms.ts'
import { javaClass } from './values/java.ts'

/** As it lies in Kafka. */
export interface SampleRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RawHeader[]
}

export type Stage = 'KEY_CONVERTER' | 'VALUE_CONVERTER' | 'HEADER_CONVERTER' | 'TRANSFORMATION'

type Outcome =
  | { readonly kind: 'written'; readonly json: string }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'failed'; readonly stage: Stage; readonly message: string }

/** `json` and `before` are for people, on one line. */
export type Previewed = Outcome & {
  /** What the converters have read, before the transforms; null: they could not. */
  readonly before: string | null
}

export interface Preview {
  /** Of a sink: what its target is given. */
  sink(record: SampleRecord): Promise<Previewed>
  /** Of a source: the bytes that are written. Key and value of the record are JSON, as the source might give them. */
  source(record: SampleRecord): Promise<Previewed>
  close(): void
}

export interface PreviewOptions {
  readonly system: System
  /** Whether schemas are shown as well. */
  readonly schemas: boolean
  /** Of converters that name none. */
  readonly registry: DefaultRegistry | null
}

const defaults: Readonly<Record<string, string>> = {
  'key.converter': 'json',
  'key.converter.schemas.enable': 'false',
  'value.converter': 'json',
  'value.converter.schemas.enable': 'false',
}

/** `worker`: the configuration whose converters count where the connector names none. Throws InvalidConfig. */
export async function openPreview(
  config: Readonly<Record<string, string>>,
  worker: Readonly<Record<string, string>>,
  { system, schemas, registry }: PreviewOptions,
): Promise<Preview> {
  const merged = withConverters(config, worker)
  const resources = { system, registry }
  const opened: { close?(): void }[] = []
  const open = <T extends { close?(): void }>(each: T): T => {
    opened.push(each)
    return each
  }
  const close = () => {
    for (const each of opened) each.close?.()
  }
  try {
    const key = open(openConverter(merged, true, resources))
    const value = open(openConverter(merged, false, resources))
    const header = open(openHeaderConverter(merged, resources))
    const transforms = open(await openTransforms(merged, resources))
    const steps = new Steps({ key, value, header, transforms }, schemas)
    return { sink: record => steps.sink(record), source: record => steps.source(record), close }
  } catch (error) {
    close()
    throw error
  }
}

/** A connector with a converter of its own has only the keys that it gives it. */
function withConverters(config: Readonly<Record<string, string>>, worker: Readonly<Record<string, string>>): Map<string, string> {
  const merged = new Map(Object.entries(config))
  for (const which of ['key.converter', 'value.converter', 'header.converter']) {
    if (config[which] !== undefined) continue
    const from = worker[which] === undefined ? defaults : worker
    for (const [key, value] of Object.entries(from)) if (key === which || key.startsWith(`${which}.`)) merged.set(key, value)
  }
  return merged
}

/** Of what is shown. */
const rules: JsonRules = { numericDecimals: true, replaceNull: false }

class Failed extends Error {
  readonly stage: Stage

  constructor(stage: Stage, message: string) {
    super(message)
    this.stage = stage
  }
}

interface Parts {
  readonly key: Converter
  readonly value: Converter
  readonly header: HeaderConverter
  readonly transforms: Transforms
}

class Steps {
  readonly #parts: Parts
  readonly #schemas: boolean

  constructor(parts: Parts, schemas: boolean) {
    this.#parts = parts
    this.#schemas = schemas
  }

  sink(raw: SampleRecord): Promise<Previewed> {
    return told(async read => {
      const { topic, partition, offset, timestampMs } = raw
      const { key, value, header } = this.#parts
      const one = await at('KEY_CONVERTER', () => key.toConnect(topic, raw.key, raw.headers))
      const other = await at('VALUE_CONVERTER', () => value.toConnect(topic, raw.value, raw.headers))
      const headers: Header[] = []
      for (const { key: name, value: bytes } of raw.headers) {
        const text = name.toString('utf8')
        headers.push({ name: text, ...(await at('HEADER_CONVERTER', () => header.toConnect(topic, text, bytes))) })
      }
      const record: SinkRecord = {
        topic,
        partition,
        offset,
        original: { topic, partition, offset },
        keySchema: one.schema,
        key: one.value,
        valueSchema: other.schema,
        value: other.value,
        timestampMs,
        timestampType: 'CREATE_TIME',
        headers,
      }
      read(this.#shown(record))
      const changed = await at('TRANSFORMATION', () => this.#parts.transforms.apply(record))
      return changed === null ? null : this.#shown(changed)
    })
  }

  source(raw: SampleRecord): Promise<Previewed> {
    return told(async read => {
      const { topic, timestampMs } = raw
      const given = (bytes: Buffer | null): ConnectValue =>
        bytes === null ? null : readJson(null, parseLossless(bytes.toString('utf8')), rules)
      const headers = raw.headers.map(({ key, value }) => ({
        name: key.toString('utf8'),
        schema: { type: 'string', optional: true } as Schema,
        value: value?.toString('utf8') ?? null,
      }))
      const record: ConnectRecord = {
        topic,
        partition: null,
        keySchema: null,
        key: await at('KEY_CONVERTER', () => given(raw.key)),
        valueSchema: null,
        value: await at('VALUE_CONVERTER', () => given(raw.value)),
        timestampMs,
        headers,
      }
      read(this.#shown(record))
      const changed = await at('TRANSFORMATION', () => this.#parts.transforms.apply(record))
      return changed === null ? null : this.#written(changed)
    })
  }

  #shown(record: ConnectRecord): string {
    const { topic, partition, timestampMs, headers } = record
    const parts = [
      `"topic":${JSON.stringify(topic)}`,
      `"partition":${partition}`,
      `"timestamp":${timestampMs}`,
      `"key":${display(record.keySchema, record.key)}`,
      `"value":${display(record.valueSchema, record.value)}`,
      `"headers":[${headers.map(({ name, schema, value }) => `{"name":${JSON.stringify(name)},"value":${display(schema, value)}}`).join(',')}]`,
    ]
    if (this.#schemas) parts.push(`"keySchema":${schemaText(record.keySchema)}`, `"valueSchema":${schemaText(record.valueSchema)}`)
    return `{${parts.join(',')}}`
  }

  async #written(record: ConnectRecord): Promise<string> {
    const { topic, partition, timestampMs } = record
    const { key, value, header } = this.#parts
    const one = await at('KEY_CONVERTER', () => key.fromConnect(topic, record.keySchema, record.key))
    const other = await at('VALUE_CONVERTER', () => value.fromConnect(topic, record.valueSchema, record.value))
    const headers: string[] = []
    for (const each of record.headers) {
      const bytes = await at('HEADER_CONVERTER', () => header.fromConnect(topic, each.name, each.schema, each.value))
      headers.push(`{"name":${JSON.stringify(each.name)},"value":${bytesText(bytes)}}`)
    }
    return `{"topic":${JSON.stringify(topic)},"partition":${partition},"timestamp":${timestampMs},"key":${bytesText(one)},"value":${bytesText(other)},"headers":[${headers.join(',')}]}`
  }
}

async function told(work: (read: (before: string) => void) => Promise<string | null>): Promise<Previewed> {
  let before: string | null = null
  try {
    const json = await work(read => {
      before = read
    })
    return json === null ? { kind: 'dropped', before } : { kind: 'written', json, before }
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return { kind: 'failed', stage: error.stage, message: error.message, before }
  }
}

async function at<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof InvalidConfig) throw error
    const message = (error as Error).message
    throw new Failed(stage, error instanceof TransformError ? `${error.alias}: ${message}` : message)
  }
}

/** A value that does not fit its schema is shown all the same. */
function display(schema: Schema | null, value: ConnectValue): string {
  try {
    return writeJson(schema, value, rules)
  } catch (error) {
    if (!(error instanceof DataError)) throw error
    return JSON.stringify(`${javaClass(value, schema)}: ${error.message}`)
  }
}

function schemaText(schema: Schema | null): string {
  return schema === null ? 'null' : schemaToJson(schema, (inner, value) => display(inner, value))
}

/** Text where it is text, base64 otherwise. */
function bytesText(bytes: Buffer | null): string {
  if (bytes === null) return 'null'
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? JSON.stringify(text) : `{"base64":"${bytes.toString('base64')}"}`
}
