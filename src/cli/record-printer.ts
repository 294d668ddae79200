/** How `consume` prints records: fields, JSON, or a template like kcat's; raw bytes, or decoded by a serde. */
import type { ReceivedRecord } from '../client.ts'
import type { Serdes, Shown } from '../serde.ts'
import { bytesToJson, CommandFailed, headersToJson, toJson } from './output.ts'
import type { SerdeChoice } from './serde-options.ts'
import { type Piece, parseTemplate } from './template.ts'

export const fields = ['topic', 'partition', 'offset', 'timestamp', 'key', 'headers', 'value'] as const
export type Field = (typeof fields)[number]

export interface PrintFlags {
  json?: boolean
  print?: Field[]
  format?: string
}

export interface Decoding {
  readonly serdes: Serdes
  readonly key: SerdeChoice | null
  readonly value: SerdeChoice | null
}

/** A record whose key and value are decoded, where that is wanted; null: the bytes as they are. */
export interface Decoded {
  readonly record: ReceivedRecord
  readonly key: Shown | null
  readonly value: Shown | null
}

export type Printer = (decoded: Decoded) => Buffer

export function makePrinter({ json, print, format }: PrintFlags): Printer {
  if (format !== undefined) return templatePrinter(parseTemplate(format))
  if (json === true) return decoded => Buffer.from(`${recordToJson(decoded)}\n`)
  return fieldPrinter(print ?? ['value'])
}

/** At once if nothing is to be decoded. Throws CommandFailed if a serde was named that does not explain the bytes. */
export function decode(record: ReceivedRecord, decoding: Decoding | null): Decoded | Promise<Decoded> {
  if (decoding === null) return { record, key: null, value: null }
  const parts = [decodePart(record, 'key', decoding), decodePart(record, 'value', decoding)] as const
  return Promise.all(parts).then(([key, value]) => ({ record, key, value }))
}

async function decodePart(record: ReceivedRecord, part: 'key' | 'value', decoding: Decoding): Promise<Shown | null> {
  const name = decoding[part]
  return name === null ? null : showPart(record, part, name, decoding.serdes)
}

/** Throws CommandFailed if a serde was named that does not explain the bytes. */
export async function showPart(record: ReceivedRecord, part: 'key' | 'value', name: SerdeChoice, serdes: Serdes): Promise<Shown> {
  const { topic, partition, offset, key, headers } = record
  const shown = await serdes.show(name, record[part], { topic, part, key, headers })
  if (shown.problem !== null && name !== 'auto') {
    throw new CommandFailed(
      `${topic}-${partition} at offset ${offset}: the ${part} is not ${name}: ${shown.problem} (-s auto prints it in hexadecimal)`,
    )
  }
  return shown
}

function recordToJson({ record, key, value }: Decoded): string {
  const { topic, partition, offset, timestampMs, headers } = record
  const shown = { topic, partition, offset, timestamp: timestampMs, key: jsonOf(record.key, key), value: jsonOf(record.value, value) }
  const ids = { ...schemaOf('keySchema', key), ...schemaOf('valueSchema', value) }
  return toJson({ ...shown, ...ids, headers: headersToJson(headers) })
}

function jsonOf(bytes: Buffer | null, shown: Shown | null): unknown {
  return shown === null ? bytesToJson(bytes) : shown.value
}

function schemaOf(name: string, shown: Shown | null): object {
  const id = shown?.schema?.id ?? shown?.schema?.guid ?? null
  const problem = shown?.problem ?? null
  return { ...(id === null ? {} : { [name]: id }), ...(problem === null ? {} : { [name.replace('Schema', 'Problem')]: problem }) }
}

/** Fields separated by tabs; null is printed as an empty field. */
function fieldPrinter(wanted: readonly Field[]): Printer {
  return decoded => {
    const parts: Buffer[] = []
    for (const [index, field] of wanted.entries()) {
      if (index > 0) parts.push(tab)
      parts.push(fieldBytes(decoded, field))
    }
    parts.push(lineFeed)
    return Buffer.concat(parts)
  }
}

const tab = Buffer.from('\t')
const lineFeed = Buffer.from('\n')
const nothing = Buffer.alloc(0)

function fieldBytes(decoded: Decoded, field: Field): Buffer {
  const { record } = decoded
  if (field === 'key' || field === 'value') return partBytes(decoded, field) ?? nothing
  if (field === 'timestamp') return Buffer.from(String(record.timestampMs))
  if (field === 'headers') return Buffer.from(record.headers.map(({ key, value }) => `${key}=${value ?? ''}`).join(','))
  return Buffer.from(String(record[field]))
}

const verbatim: readonly (string | null)[] = ['text', 'hex', 'base64']

/** null: there is none. */
function partBytes({ record, ...decoded }: Decoded, part: 'key' | 'value'): Buffer | null {
  const shown = decoded[part]
  if (shown === null || shown.serde === null) return record[part]
  return Buffer.from(verbatim.includes(shown.serde) ? String(shown.value) : toJson(shown.value))
}

/** As kcat prints them: lengths are -1 where there is nothing. */
function templatePrinter(pieces: readonly Piece[]): Printer {
  const bytesOf = (decoded: Decoded, piece: Piece): Buffer => {
    if (typeof piece !== 'string') return piece
    if (piece === 's') return partBytes(decoded, 'value') ?? nothing
    if (piece === 'k') return partBytes(decoded, 'key') ?? nothing
    if (piece === 'S') return Buffer.from(String(partBytes(decoded, 'value')?.length ?? -1))
    if (piece === 'K') return Buffer.from(String(partBytes(decoded, 'key')?.length ?? -1))
    if (piece === 'R') {
      const length = Buffer.alloc(4)
      length.writeInt32BE(partBytes(decoded, 'value')?.length ?? -1)
      return length
    }
    return fieldBytes(decoded, fieldOf[piece])
  }
  return decoded => Buffer.concat(pieces.map(piece => bytesOf(decoded, piece)))
}

const fieldOf = { t: 'topic', p: 'partition', o: 'offset', T: 'timestamp', h: 'headers' } as const
