/** Records as rows of the application, and as lines of a file. */
import { isUtf8 } from 'node:buffer'
import { type MaybePromise, stringifyLossless } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import type { Shown as Decoded, SerdeName, Serdes } from '../../serde.ts'
import type { Decoding } from './job.ts'
import type { Shown, ShownRecord } from './shape.ts'

/** One record, decoded when somebody wants it, once. */
export class Opened {
  readonly record: ReceivedRecord
  readonly #serdes: Serdes
  readonly #decoding: Decoding
  #key: MaybePromise<Decoded> | null = null
  #value: MaybePromise<Decoded> | null = null

  constructor(record: ReceivedRecord, serdes: Serdes, decoding: Decoding) {
    this.record = record
    this.#serdes = serdes
    this.#decoding = decoding
  }

  decoded(part: 'key' | 'value'): MaybePromise<Decoded> {
    if (part === 'key') return (this.#key ??= this.#decode(part))
    return (this.#value ??= this.#decode(part))
  }

  /** Whether the bytes are what is shown; then there is nothing to decode. */
  isText(part: 'key' | 'value'): boolean {
    const { topic, headers, [part]: bytes } = this.record
    const asked = this.#decoding[part]
    if (bytes === null || asked === 'text' || asked === 'json') return bytes === null || isUtf8(bytes)
    // What begins with a control character, as framed values do, or names a schema in a header, needs a closer look.
    return asked === 'auto' && !topic.startsWith('__') && (bytes[0] ?? 0x20) > 0x08 && !isFramed(headers) && isPlainText(bytes)
  }

  #decode(part: 'key' | 'value'): MaybePromise<Decoded> {
    const { topic, key, headers, [part]: bytes } = this.record
    return this.#serdes.show(this.#decoding[part], bytes, { topic, part, key, headers })
  }
}

function isFramed(headers: ReceivedRecord['headers']): boolean {
  return headers.some(({ key }) => key[0] === 0x5f && /^__(?:key|value)_schema_id$/.test(key.toString('latin1')))
}

/** The first control characters say that it is none; all of a large value need not be looked at for that. */
function isPlainText(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  for (let at = 0; at < Math.min(bytes.length, 256); at++) {
    const byte = bytes[at]!
    if (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13) return false
  }
  return true
}

/** Cut for lists, whose rows are many; longer for a record that somebody looks at. */
export function toRow(opened: Opened, most: number): MaybePromise<ShownRecord> {
  const { partition, offset, timestampMs, headers } = opened.record
  const row = (key: Shown | null, value: Shown | null): ShownRecord => ({
    partition,
    offset: String(offset),
    timestamp: String(timestampMs),
    key,
    value,
    headers: headers.map(each => ({ key: each.key.toString('utf8'), value: each.value === null ? null : plainShown(each.value, most) })),
  })
  const [key, value] = [shown(opened, 'key', most), shown(opened, 'value', most)]
  if (key instanceof Promise || value instanceof Promise) return Promise.all([key, value]).then(both => row(...both))
  return row(key, value)
}

function shown(opened: Opened, part: 'key' | 'value', most: number): MaybePromise<Shown | null> {
  const bytes = opened.record[part]
  if (bytes === null) return null
  if (opened.isText(part)) return plainShown(bytes, most)
  const decoded = opened.decoded(part)
  return decoded instanceof Promise ? decoded.then(each => decodedShown(bytes, each, most)) : decodedShown(bytes, decoded, most)
}

const bare = { serde: null, schema: null, problem: null }

function plainShown(bytes: Buffer, most: number): Shown {
  const cut = bytes.length > most
  const part = cut ? bytes.subarray(0, wholeCharacters(bytes, most)) : bytes
  if (!isUtf8(part)) return binaryShown(bytes, most, null)
  return { form: 'text', text: part.toString('utf8'), bytes: bytes.length, cut, ...bare }
}

function binaryShown(bytes: Buffer, most: number, problem: string | null): Shown {
  return { form: 'base64', text: bytes.toString('base64', 0, most), bytes: bytes.length, cut: bytes.length > most, ...bare, problem }
}

function decodedShown(bytes: Buffer, { serde, value, schema, problem }: Decoded, most: number): Shown {
  if (problem !== null) return binaryShown(bytes, most, problem)
  if (serde === 'text' || serde === 'json') return plainShown(bytes, most)
  const isWord = serde === 'hex' || serde === 'base64'
  const text = isWord ? String(value) : stringifyLossless(value)
  const said = schema === null ? null : { type: schema.type, name: schema.name, id: schema.id }
  return { form: 'text', text: text.slice(0, most), bytes: bytes.length, cut: text.length > most, serde, schema: said, problem: null }
}

/** Not within a character of UTF-8. */
function wholeCharacters(bytes: Buffer, most: number): number {
  let end = most
  while (end > 0 && end > most - 4 && (bytes[end]! & 0xc0) === 0x80) end--
  return end
}

/** Integers keep all digits. JSON values stand as they are, texts as strings, other bytes as `{"base64": …}`. */
export async function toLine(opened: Opened, form: 'ndjson' | 'csv'): Promise<string> {
  const { partition, offset, timestampMs, headers } = opened.record
  const [key, value] = [await opened.decoded('key'), await opened.decoded('value')]
  if (form === 'ndjson') {
    const line = {
      partition,
      offset,
      timestamp: timestampMs,
      key: fileValue(key, opened.record.key),
      value: fileValue(value, opened.record.value),
      headers: headers.map(each => ({ key: each.key.toString('utf8'), value: headerValue(each.value) })),
    }
    return `${stringifyLossless(line)}\n`
  }
  const cells = [
    String(partition),
    String(offset),
    String(timestampMs),
    fileText(key, opened.record.key),
    fileText(value, opened.record.value),
    JSON.stringify(headers.map(each => [each.key.toString('utf8'), headerValue(each.value)])),
  ]
  return `${cells.map(quoted).join(',')}\r\n`
}

export const csvHead = 'partition,offset,timestamp,key,value,headers\r\n'

function fileValue({ value, problem }: Decoded, bytes: Buffer | null): unknown {
  return problem === null || bytes === null ? value : { base64: bytes.toString('base64') }
}

function fileText(decoded: Decoded, bytes: Buffer | null): string {
  if (bytes === null) return ''
  const value = fileValue(decoded, bytes)
  if (decoded.problem === null && isRaw(decoded.serde)) return bytes.toString('utf8')
  return typeof value === 'string' ? value : stringifyLossless(value)
}

function isRaw(serde: SerdeName | null): boolean {
  return serde === 'text' || serde === 'json'
}

function headerValue(value: Buffer | null): unknown {
  if (value === null) return null
  return isUtf8(value) ? value.toString('utf8') : { base64: value.toString('base64') }
}

/** RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe, so that nobody is made to run what somebody has produced. */
function quoted(cell: string): string {
  const text = /^(?:[=+@\t\r]|-(?!\d+(?:\.\d+)?$))/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
