/** One record of v3, from JSON to bytes. Its errors concern it alone. */
import { type Document, later, type MaybePromise, type Turns } from '../../base.ts'
import type { RecordToSend } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { badRequestOf, noPartition, noRegistry } from '../errors.ts'
import { losslessIn, membersOf } from '../json.ts'
import { instantIn } from './instant.ts'
import { type FoundSchema, type SchemaFormat, type Schemas, type SchemaWish, type Strategy, schemaFormats, strategies } from './schemas.ts'

const plainFormats = ['BINARY', 'JSON', 'STRING'] as const
type PlainFormat = (typeof plainFormats)[number]

/** What the answer says of a key or value. */
interface Told {
  readonly type: PlainFormat | SchemaFormat
  readonly size: number
  readonly schema: FoundSchema | null
}

export interface ReadRecord {
  readonly record: RecordToSend & { readonly timestampMs: bigint }
  readonly key: Told | null
  readonly value: Told | null
}

export interface Reading {
  readonly topic: string
  /** Of the records that do not say. */
  readonly nowMs: number
  /** null: there is no registry. */
  readonly schemas: Schemas | null
  readonly turns: Turns
  /** What may stand in a record besides its own fields. */
  readonly more?: ReadonlySet<string>
}

const fields: ReadonlySet<string> = new Set(['partition_id', 'headers', 'key', 'value', 'timestamp'])
const none: ReadonlySet<string> = new Set()

/** `document`: what the text of a record of v3 says. Throws HttpError. A promise only if a schema is not known yet, or its data is long. */
function readRecord(document: unknown, raw: Raw, reading: Reading): MaybePromise<ReadRecord> {
  const given = objectIn(document, 'a record')
  const { nowMs, more = none } = reading
  for (const name of Object.keys(given)) if (!fields.has(name) && !more.has(name)) throw badRequestOf(`Unrecognized field "${name}"`)
  const partition = partitionIn(given['partition_id'])
  const headers = headersIn(given['headers'])
  const timestampMs = BigInt(timeIn(given['timestamp']) ?? nowMs)
  const key = dataIn(given['key'], 'key', raw, reading)
  // If the value is wrong nobody waits for the key any more.
  if (key instanceof Promise) key.catch(() => {})
  const value = dataIn(given['value'], 'value', raw, reading)
  const made = (foundKey: Data | null, foundValue: Data | null): ReadRecord => ({
    record: {
      key: foundKey?.bytes ?? null,
      value: foundValue?.bytes ?? null,
      ...(headers === undefined ? {} : { headers }),
      ...(partition === undefined ? {} : { partition }),
      timestampMs,
    },
    key: foundKey?.told ?? null,
    value: foundValue?.told ?? null,
  })
  if (key instanceof Promise || value instanceof Promise) return Promise.all([key, value]).then(both => made(...both))
  return made(key, value)
}

/** The same, with errors of the record as values. */
export function readOne(document: unknown, raw: Raw, reading: Reading): MaybePromise<ReadRecord | HttpError> {
  const told = (error: unknown): HttpError => {
    if (error instanceof HttpError) return error
    throw error
  }
  try {
    const read = readRecord(document, raw, reading)
    return read instanceof Promise ? read.catch(told) : read
  } catch (error) {
    return told(error)
  }
}

type Part = 'key' | 'value'
/** The text of the `data` of a key or value that has one. Looked for only where it is passed on. */
export type Raw = (part: Part) => string

/** Of a record that is a text by itself, and a short one. */
export function rawIn(text: string): Raw {
  return part => {
    const { start } = membersOf(text)!.get(part)!
    const data = membersOf(text, start)!.get('data')
    return data === undefined ? 'null' : text.slice(data.start, data.end)
  }
}

/** Of a record, or of one in a longer text, whose places are known. */
export function rawAt(text: string, record: unknown, { placesIn }: Document): Raw {
  return part => {
    const span = placesIn((record as Record<Part, unknown>)[part]).get('data')
    return span === undefined ? 'null' : text.slice(span.start, span.end)
  }
}

interface Data {
  readonly bytes: Buffer | null
  readonly told: Told
}

function dataIn(given: unknown, part: Part, raw: Raw, reading: Reading): MaybePromise<Data> | null {
  if (given == null) return null
  const fieldsGiven = objectIn(given, part)
  const { type = null, data = null } = fieldsGiven
  if (plainFormats.includes(type as PlainFormat)) {
    for (const name of schemaFields) if (fieldsGiven[name] != null) throw badRequestOf(`'type=${type}' cannot be used with '${name}'.`)
    const bytes = data === null ? null : bytesOf(type as PlainFormat, data, () => raw(part))
    return { bytes, told: { type: type as PlainFormat, size: bytes?.length ?? 0, schema: null } }
  }
  const wish = wishIn(fieldsGiven, part)
  const { schemas, topic, turns } = reading
  if (schemas === null) throw noRegistry()
  const value = data === null ? null : losslessIn(raw(part), turns)
  return later(value, known => encoded(schemas, wish, known, topic, part))
}

function encoded(schemas: Schemas, wish: SchemaWish, value: unknown, topic: string, part: Part): MaybePromise<Data> {
  return later(schemas.find(wish, topic, part), schema =>
    later(value === null ? null : schemas.encode(value, schema, topic, part), bytes => ({
      bytes,
      told: { type: schema.format, size: bytes?.length ?? 0, schema },
    })),
  )
}

const schemaFields = ['subject', 'subject_name_strategy', 'schema_id', 'schema_version', 'schema'] as const

/** Confluent's rules of what goes together. */
function wishIn(given: Record<string, unknown>, part: Part): SchemaWish {
  const type = given['type'] ?? undefined
  if (type !== undefined && !schemaFormats.includes(type as SchemaFormat))
    throw badRequestOf(`${part}.type must be one of ${[...plainFormats, ...schemaFormats].join(', ')}`)
  const subject = textIn(given, 'subject')
  const strategy = textIn(given, 'subject_name_strategy')
  if (strategy !== undefined && !strategies.includes(strategy as Strategy))
    throw badRequestOf(`subject_name_strategy must be one of ${strategies.join(', ')}`)
  const id = numberIn(given, 'schema_id')
  const version = numberIn(given, 'schema_version')
  const schema = textIn(given, 'schema')
  if (subject !== undefined && strategy !== undefined) throw badRequestOf("Only one of 'subject_name_strategy' or 'subject' can be used.")
  if ([id, version, schema].filter(each => each !== undefined).length > 1)
    throw badRequestOf("Only one of 'schema_id', 'schema_version' or 'schema' can be used.")
  if (type !== undefined && schema === undefined)
    throw badRequestOf(`'type=${type}' needs 'schema'; with 'schema_id', 'schema_version' or the latest version the type is known.`)
  if (type === undefined && schema !== undefined) throw badRequestOf("'schema' needs 'type'.")
  const text = schema === undefined ? {} : { text: { format: type as SchemaFormat, schema } }
  return { subject, strategy: strategy as Strategy | undefined, id, version, ...text }
}

function textIn(given: Record<string, unknown>, name: string): string | undefined {
  const value = given[name] ?? undefined
  if (value !== undefined && typeof value !== 'string') throw badRequestOf(`${name} must be a string`)
  return value
}

function numberIn(given: Record<string, unknown>, name: string): number | undefined {
  const value = given[name] ?? undefined
  if (value !== undefined && !isInt32(value)) throw badRequestOf(`${name} must be an integer of 32 bits`)
  return value as number | undefined
}

function isInt32(value: unknown): boolean {
  return Number.isInteger(value) && Math.abs(value as number) <= 0x7f_ff_ff_ff
}

function bytesOf(type: PlainFormat, data: unknown, raw: () => string): Buffer {
  if (type === 'JSON') return Buffer.from(raw())
  if (typeof data !== 'string') throw badRequestOf(type === 'STRING' ? 'data is not a string.' : 'data is not a base64 string.')
  return type === 'STRING' ? Buffer.from(data) : (base64In(data) ?? fail(badRequestOf(`data=${short(data)} is not a valid base64 string.`)))
}

function fail(error: HttpError): never {
  throw error
}

function short(text: string): string {
  return text.length > 100 ? `${JSON.stringify(text.slice(0, 100))}…` : JSON.stringify(text)
}

function objectIn(given: unknown, what: string): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw badRequestOf(`${what} must be an object`)
  return given as Record<string, unknown>
}

/** Padding may be missing. null: it is none. */
export function base64In(text: string): Buffer | null {
  const bare = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length
  if (bare % 4 === 1 || (bare !== text.length && text.length % 4 !== 0)) return null
  const bytes = Buffer.from(text, 'base64')
  // Node skips what is no base64, and takes the alphabet of URLs as well; and nobody minds bits behind the last byte. To write it again is faster than to look at each letter.
  const whole = bare - (bare % 4)
  const isClean = !/[^A-Za-z0-9+/]/.test(text.slice(whole, bare)) && bytes.toString('base64', 0, (whole / 4) * 3) === text.slice(0, whole)
  return bytes.length === Math.floor((bare * 3) / 4) && isClean ? bytes : null
}

function partitionIn(given: unknown): number | undefined {
  if (given == null) return undefined
  if (!isInt32(given)) throw badRequestOf('partition_id must be an integer of 32 bits')
  if ((given as number) < 0) throw noPartition()
  return given as number
}

function headersIn(given: unknown): { key: Buffer; value: Buffer | null }[] | undefined {
  if (given == null) return undefined
  if (!Array.isArray(given)) throw badRequestOf('headers must be an array')
  return given.map(each => {
    const { name, value = null } = objectIn(each, 'a header')
    if (typeof name !== 'string') throw badRequestOf('the name of a header must be a string')
    if (value === null) return { key: Buffer.from(name), value }
    const bytes = typeof value === 'string' ? base64In(value) : null
    if (bytes === null) throw badRequestOf(`the value of the header ${name} is not a valid base64 string.`)
    return { key: Buffer.from(name), value: bytes }
  })
}

/** Milliseconds since the epoch. */
function timeIn(given: unknown): number | undefined {
  if (given == null) return undefined
  const time = typeof given === 'string' ? instantIn(given) : null
  if (time === null)
    throw badRequestOf(`timestamp${typeof given === 'string' ? `=${short(given)}` : ''} is not a time such as 2021-02-05T19:14:42Z.`)
  return time
}
