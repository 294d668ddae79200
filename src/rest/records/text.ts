/** Parts of a record that was read, as JSON text. */
import { isUtf8 } from 'node:buffer'
import { later, type MaybePromise, stringifyLossless, type Turns } from '../../base.ts'
import type { RecordHeader } from '../../client.ts'
import type { Place, Shown } from '../../serde.ts'
import { isJson } from '../json.ts'
import { type SchemaFormat, type Schemas, schemaFormats, serdeOf } from './schemas.ts'

/** AUTO: by the schema that the bytes name, else JSON, else STRING. */
export const readFormats = ['BINARY', 'STRING', 'JSON', ...schemaFormats, 'AUTO'] as const
export type ReadFormat = (typeof readFormats)[number]

const plainSerdes: ReadonlySet<string | null> = new Set(['text', 'json'])
const formatOf: Readonly<Record<string, SchemaFormat | undefined>> = { avro: 'AVRO', jsonschema: 'JSONSCHEMA', protobuf: 'PROTOBUF' }

/** With what bytes are read. */
export interface Means {
  /** null: there is no registry. */
  readonly schemas: Schemas | null
  readonly turns: Turns
}

/** What is not of the format comes as BINARY, so that nothing is lost. JSON comes as the text that it is. */
export function dataText(bytes: Buffer | null, format: ReadFormat, place: Place, { schemas, turns }: Means): MaybePromise<string> {
  if (bytes === null) return 'null'
  if (format === 'BINARY' || format === 'STRING' || format === 'JSON' || schemas === null) return plainText(bytes, format, turns)
  const shown = schemas.serdes.show(format === 'AUTO' ? 'auto' : serdeOf[format], bytes, { ...place, form: 'confluent' })
  return later(shown, each => shownText(each, bytes, format, turns))
}

function shownText({ serde, value, schema, problem }: Shown, bytes: Buffer, format: ReadFormat, turns: Turns): MaybePromise<string> {
  if (problem !== null) return binaryText(bytes, problem)
  const type = formatOf[serde ?? '']
  if (type === undefined) return plainSerdes.has(serde) ? plainText(bytes, format, turns) : binaryText(bytes)
  const used = schema?.id == null ? `"schema_guid":${JSON.stringify(schema?.guid ?? null)}` : `"schema_id":${schema.id}`
  return `{"type":"${type}",${used},"data":${stringifyLossless(value)}}`
}

function plainText(bytes: Buffer, format: ReadFormat, turns: Turns): MaybePromise<string> {
  if (format === 'BINARY' || !isUtf8(bytes)) return binaryText(bytes)
  const text = bytes.toString('utf8')
  return later(format !== 'STRING' && isJson(text, turns), isDocument => {
    if (isDocument) return `{"type":"JSON","data":${text}}`
    return format === 'JSON' ? binaryText(bytes) : `{"type":"STRING","data":${JSON.stringify(text)}}`
  })
}

function binaryText(bytes: Buffer, problem?: string): string {
  const told = problem === undefined ? '' : `,"problem":${JSON.stringify(problem)}`
  return `{"type":"BINARY","data":"${bytes.toString('base64')}"${told}}`
}

export function headersText(headers: readonly RecordHeader[]): string {
  if (headers.length === 0) return '[]'
  const each = ({ key, value }: RecordHeader) =>
    `{"name":${JSON.stringify(key.toString('utf8'))},"value":${value === null ? 'null' : `"${value.toString('base64')}"`}}`
  return `[${headers.map(each).join(',')}]`
}

const latestDate = 8_640_000_000_000_000n

/** ISO 8601; null if there is none, or none that a date can be. */
export function timeText(timestampMs: bigint): string {
  if (timestampMs < 0n || timestampMs > latestDate) return 'null'
  return `"${new Date(Number(timestampMs)).toISOString().replace('.000Z', 'Z')}"`
}
