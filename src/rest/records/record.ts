/** One record of v3, from JSON to bytes. Its errors concern it alone. */
import type { RecordToSend } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { badRequestOf, invalidPayload } from '../errors.ts'
import { membersOf } from '../json.ts'

const formats = ['BINARY', 'JSON', 'STRING', 'AVRO', 'JSONSCHEMA', 'PROTOBUF'] as const
export type Format = (typeof formats)[number]

/** What the answer says of a key or value. */
interface Told {
  readonly type: Format
  readonly size: number
}

export interface ReadRecord {
  readonly record: RecordToSend & { readonly timestampMs: bigint }
  readonly key: Told | null
  readonly value: Told | null
}

const fields: ReadonlySet<string> = new Set(['partition_id', 'headers', 'key', 'value', 'timestamp'])

/** The text of one record of v3; `document` is what it says. Throws HttpError. */
export function readRecord(document: unknown, text: string, nowMs: number, more: ReadonlySet<string> = new Set()): ReadRecord {
  const given = objectIn(document, 'a record')
  for (const name of Object.keys(given)) if (!fields.has(name) && !more.has(name)) throw badRequestOf(`Unrecognized field "${name}"`)
  const raw = lazyRaw(text)
  const key = dataIn(given['key'], 'key', raw)
  const value = dataIn(given['value'], 'value', raw)
  const partition = partitionIn(given['partition_id'])
  const headers = headersIn(given['headers'])
  return {
    record: {
      key: key?.bytes ?? null,
      value: value?.bytes ?? null,
      ...(headers === undefined ? {} : { headers }),
      ...(partition === undefined ? {} : { partition }),
      timestampMs: BigInt(timeIn(given['timestamp']) ?? nowMs),
    },
    key: key?.told ?? null,
    value: value?.told ?? null,
  }
}

type Raw = (part: 'key' | 'value') => string

/** The text of `data`. Looked for only where it is passed on. */
function lazyRaw(text: string): Raw {
  return part => {
    const { start } = membersOf(text)!.get(part)!
    const data = membersOf(text, start)!.get('data')!
    return text.slice(data.start, data.end)
  }
}

function dataIn(given: unknown, part: 'key' | 'value', raw: Raw): { bytes: Buffer | null; told: Told } | null {
  if (given == null) return null
  const { type, data = null } = objectIn(given, part)
  if (type == null) throw noRegistry()
  if (!formats.includes(type as Format)) throw badRequestOf(`${part}.type must be one of ${formats.join(', ')}`)
  const bytes = data === null ? null : bytesOf(type as Format, data, () => raw(part))
  return { bytes, told: { type: type as Format, size: bytes?.length ?? 0 } }
}

function bytesOf(type: Format, data: unknown, raw: () => string): Buffer {
  if (type === 'JSON') return Buffer.from(raw())
  if (type === 'BINARY') {
    if (typeof data !== 'string') throw badRequestOf(`data=${short(data)} is not a base64 string.`)
    return base64In(data) ?? fail(badRequestOf(`data=${short(data)} is not a valid base64 string.`))
  }
  if (type === 'STRING') {
    if (typeof data !== 'string') throw badRequestOf(`data=${short(data)} is not a string.`)
    return Buffer.from(data)
  }
  throw noRegistry()
}

/** Confluent's words where no registry is configured, in the form that they have within an answer. */
function noRegistry(): HttpError {
  const { code, message } = invalidPayload('Schema Registry must be configured when using schemas.')
  return new HttpError(422, 422, `Error: ${code} : ${message}`)
}

function fail(error: HttpError): never {
  throw error
}

function short(data: unknown): string {
  const text = JSON.stringify(data)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
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
  // Node skips what is no base64, and takes the alphabet of URLs as well.
  return bytes.length === Math.floor((bare * 3) / 4) && !/[^A-Za-z0-9+/=]/.test(text) ? bytes : null
}

function partitionIn(given: unknown): number | undefined {
  if (given == null) return undefined
  if (!Number.isInteger(given) || Math.abs(given as number) > 0x7f_ff_ff_ff)
    throw badRequestOf('partition_id must be an integer of 32 bits')
  if ((given as number) < 0) throw new HttpError(404, 40_402, 'Partition not found.')
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

const instant = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)$/

/** Milliseconds since the epoch. */
function timeIn(given: unknown): number | undefined {
  if (given == null) return undefined
  const time = typeof given === 'string' && instant.test(given) ? Date.parse(given.toUpperCase()) : Number.NaN
  if (Number.isNaN(time)) throw badRequestOf(`timestamp=${short(given)} is not a time such as 2021-02-05T19:14:42Z.`)
  return time
}
