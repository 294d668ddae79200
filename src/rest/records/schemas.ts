/**
 * Which schema a key or value is written with: that of an id, of a version, a text that is registered if it is new, or the latest of its subject. As
 * Confluent's proxy finds it, and with its errors.
 *
 * There is one of these for each principal, because the registry is asked with the principal's own credentials and its answers are remembered.
 */
import { hash } from 'node:crypto'
import type { Clock, MaybePromise } from '../../base.ts'
import { HttpError } from '../../http.ts'
import { openSerdes, type RegistryClient, RegistryRefused, recordNameOf, type SchemaChoice, SerdeError, type Serdes } from '../../serde.ts'
import { badRequestOf, codes, unprocessable, unserializable } from '../errors.ts'

/** Confluent's names of the formats that have a schema. */
export const schemaFormats = ['AVRO', 'JSONSCHEMA', 'PROTOBUF'] as const
export type SchemaFormat = (typeof schemaFormats)[number]
export const strategies = ['TOPIC_NAME', 'RECORD_NAME', 'TOPIC_RECORD_NAME'] as const
export type Strategy = (typeof strategies)[number]

export const serdeOf = { AVRO: 'avro', JSONSCHEMA: 'jsonschema', PROTOBUF: 'protobuf' } as const
const typeOf = { AVRO: 'AVRO', JSONSCHEMA: 'JSON', PROTOBUF: 'PROTOBUF' } as const
const formatOf: Readonly<Record<string, SchemaFormat | undefined>> = { AVRO: 'AVRO', JSON: 'JSONSCHEMA', PROTOBUF: 'PROTOBUF' }

/** At most one of id, version and text; none: the latest version. */
export interface SchemaWish {
  readonly subject?: string | undefined
  readonly strategy?: Strategy | undefined
  readonly id?: number | undefined
  readonly version?: number | undefined
  readonly text?: { readonly format: SchemaFormat; readonly schema: string } | undefined
}

export interface FoundSchema {
  readonly format: SchemaFormat
  readonly subject: string
  readonly id: number
  readonly version: number
  /** How the serde finds it: ids count within a context, so what has a subject is found by that. */
  readonly choice: SchemaChoice
}

type Part = 'key' | 'value'

interface Entry {
  readonly found: Promise<FoundSchema>
  /** Set when it is found, so that records with known schemas wait for nothing. */
  settled: FoundSchema | null
  /** On the monotonic clock. */
  untilMs: number
}

const mostKept = 1_000
const keptMs = 60_000
const latestKeptMs = 10_000

export class Schemas {
  readonly serdes: Serdes
  readonly #registry: RegistryClient
  readonly #clock: Clock
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>()

  constructor(registry: RegistryClient, clock: Clock, mostBytes: number) {
    this.#registry = registry
    this.#clock = clock
    this.serdes = openSerdes({ registry, mostBytes })
  }

  /** Throws HttpError. */
  find(wish: SchemaWish, topic: string, part: Part): MaybePromise<FoundSchema> {
    const { subject, strategy, id, version, text } = wish
    const schema = text === undefined ? null : `${text.format} ${hash('sha256', text.schema, 'base64')}`
    const key = JSON.stringify([topic, part, subject, strategy, id, version, schema])
    const known = this.#entries.get(key)
    if (known !== undefined && known.untilMs > this.#clock.monotonic()) return known.settled ?? known.found
    const entry: Entry = { found: this.#search(wish, topic, part), settled: null, untilMs: Number.POSITIVE_INFINITY }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > mostKept) this.#entries.delete(this.#entries.keys().next().value!)
    const isLatest = id === undefined && version === undefined && text === undefined
    entry.found.then(
      found => {
        entry.settled = found
        entry.untilMs = this.#clock.monotonic() + (isLatest ? latestKeptMs : keptMs)
      },
      // Whoever comes next asks again.
      () => this.#entries.delete(key),
    )
    return entry.found
  }

  /** The bytes of a value that is not null. Throws HttpError. A promise only while the schema is not known yet. */
  encode(value: unknown, { format, id, choice }: FoundSchema, topic: string, part: Part): MaybePromise<Buffer> {
    const refuse = (error: unknown): never => {
      if (error instanceof RegistryRefused) throw refusal(error, `Error when fetching schema by id. schemaId = ${id}`)
      if (error instanceof SerdeError) throw badRequestOf(error.message)
      throw error
    }
    try {
      const encoded = this.serdes.encode(serdeOf[format], value, { topic, part, form: 'confluent' }, choice)
      return encoded instanceof Promise ? encoded.catch(refuse) : encoded
    } catch (error) {
      return refuse(error)
    }
  }

  #search(wish: SchemaWish, topic: string, part: Part): Promise<FoundSchema> {
    if (wish.id !== undefined) return this.#byId(wish.id, wish, topic, part)
    if (wish.text !== undefined) return this.#byText(wish.text, wish, topic, part)
    return this.#bySubject(wish, topic, part)
  }

  async #byId(id: number, wish: SchemaWish, topic: string, part: Part): Promise<FoundSchema> {
    const found = await asked(() => this.#registry.byId(id), `Error when fetching schema by id. schemaId = ${id}`)
    const format = formatIn(found.type)
    const subject = subjectOf(wish, topic, part, () => recordNameOf(found))
    const { schema, references } = found
    const version = await this.#versionIn(subject, { schemaType: found.type, schema, references })
    return { format, subject, id, version, choice: { id } }
  }

  async #bySubject({ subject, strategy = 'TOPIC_NAME', version }: SchemaWish, topic: string, part: Part): Promise<FoundSchema> {
    if (subject === undefined && strategy !== 'TOPIC_NAME')
      throw badRequestOf(`Cannot use schema_subject_strategy=${strategy} without schema_id or schema.`)
    const actual = subject ?? `${topic}-${part}`
    const path = `/subjects/${encodeURIComponent(actual)}/versions/${version ?? 'latest'}`
    const answer = await asked(
      () => this.#registry.request('GET', path),
      version === undefined
        ? `Error when fetching latest schema version. subject = ${actual}`
        : `Schema does not exist for subject: ${actual}, version: ${version}`,
      version === undefined ? unserializable : badRequestOf,
    )
    const { id, version: found, schemaType = 'AVRO' } = answer as { id: number; version: number; schemaType?: string }
    return registered(formatIn(schemaType), actual, id, found)
  }

  async #byText({ format, schema }: NonNullable<SchemaWish['text']>, wish: SchemaWish, topic: string, part: Part): Promise<FoundSchema> {
    const invalid = () => unprocessable(42_205, `Invalid schema: Error when parsing raw schema. format = ${format}, schema = ${schema}`)
    const subject = subjectOf(wish, topic, part, () => {
      try {
        return recordNameOf({ type: typeOf[format], schema, texts: new Map() })
      } catch (error) {
        throw error instanceof SerdeError ? invalid() : error
      }
    })
    const body = { schemaType: typeOf[format], schema }
    try {
      const known = (await this.#registry.request('POST', pathOf(subject), body)) as Versioned
      return registered(format, subject, known.id, known.version)
    } catch (error) {
      if (!(error instanceof RegistryRefused))
        throw refusal(error, `Error when registering schema. format = ${format}, subject = ${subject}`)
    }
    try {
      const made = (await this.#registry.request('POST', `${pathOf(subject)}/versions`, body)) as Partial<Versioned> & { id: number }
      // The latest version of its subject is another one now.
      this.#entries.clear()
      return registered(format, subject, made.id, made.version ?? (await this.#versionIn(subject, body)))
    } catch (error) {
      if (error instanceof RegistryRefused && error.code === 42_201) throw invalid()
      throw refusal(error, `Error when registering schema. format = ${format}, subject = ${subject}, schema = ${schema}`)
    }
  }

  async #versionIn(subject: string, body: { readonly schema: string; readonly [name: string]: unknown }): Promise<number> {
    const answer = await asked(
      () => this.#registry.request('POST', pathOf(subject), body),
      `Error when fetching schema version. subject = ${subject}, schema = ${body.schema}`,
    )
    return (answer as Versioned).version
  }
}

interface Versioned {
  readonly id: number
  readonly version: number
}

function registered(format: SchemaFormat, subject: string, id: number, version: number): FoundSchema {
  return { format, subject, id, version, choice: { subject, version } }
}

function pathOf(subject: string): string {
  return `/subjects/${encodeURIComponent(subject)}`
}

function subjectOf({ subject, strategy = 'TOPIC_NAME' }: SchemaWish, topic: string, part: Part, recordName: () => string | null): string {
  if (subject !== undefined) return subject
  if (strategy === 'TOPIC_NAME') return `${topic}-${part}`
  const name = recordName()
  if (name === null) throw unserializable(`With subject_name_strategy=${strategy} the ${part} must have a schema with a name`)
  return strategy === 'RECORD_NAME' ? name : `${topic}-${name}`
}

function formatIn(type: string): SchemaFormat {
  const format = formatOf[type]
  if (format === undefined) throw badRequestOf(`Schema version not supported for ${type}`)
  return format
}

/** What the registry answers; `message` says what for. */
async function asked<T>(ask: () => T | Promise<T>, message: string, make: (message: string) => HttpError = unserializable): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw refusal(error, message, make)
  }
}

function refusal(error: unknown, message: string, make: (message: string) => HttpError = unserializable): unknown {
  if (!(error instanceof SerdeError)) return error
  if (error instanceof RegistryRefused && error.code === codes.forbidden)
    return new HttpError(403, codes.forbidden, message, { cause: error })
  return make(`${message}\n${error.message}`)
}
