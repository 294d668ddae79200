/**
 * Parquet, by hyparquet-writer: row groups of a bounded size, from Kafka Connect's schemas.
 *
 * | schema | Parquet |
 * |---|---|
 * | int8, int16, int32 | INT32 with its width |
 * | int64 | INT64 |
 * | float32, float64, boolean | FLOAT, DOUBLE, BOOLEAN |
 * | string, bytes | BYTE_ARRAY, a string as UTF8 |
 * | Decimal | DECIMAL, 38 digits unless the schema's `connect.decimal.precision` says otherwise |
 * | Date, Time, Timestamp | DATE, TIME_MILLIS, TIMESTAMP_MILLIS |
 * | array, map, struct | LIST (three levels), MAP, group |
 */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import { compressSync as snappyCompress } from 'snappy'
import { type ConnectValue, DataError, isStruct, type Schema, type Struct } from '../../connector.ts'
import type { Body, Format } from './format.ts'
import { parquetElementsOf } from './parquet-schema.ts'
import { type ParquetValue, parquetValueOf } from './parquet-values.ts'

export const parquet: Format = {
  name: 'parquet',
  classes: [
    'io.confluent.connect.s3.format.parquet.ParquetFormat',
    'io.confluent.connect.hdfs.parquet.ParquetFormat',
    'io.confluent.connect.hdfs3.parquet.ParquetFormat',
  ],
  extension: '.parquet',
  needsSchema: true,
  wrappable: false,
  blockBytes: 16 * 2 ** 20,
  open: (schema, { codec }): Body => new ParquetFile(columnsOf(schema!), (codec ?? 'snappy') as keyof typeof codecs),
}

function columnsOf(schema: Schema): ParquetColumns {
  if (schema.type !== 'struct') throw new DataError(`the format parquet needs records with fields; the value is ${schema.type}`)
  const elements = parquetElementsOf(schema)
  return { elements, columns: (schema.fields ?? []).map(field => ({ name: field.name, value: parquetValueOf(field.schema, field.name) })) }
}

export interface ParquetColumns {
  readonly elements: SchemaElement[]
  /** Of the root, in the order of its elements. `value` throws DataError. */
  readonly columns: readonly { readonly name: string; readonly value: (value: ConnectValue | undefined) => ParquetValue }[]
}

const codecs = {
  snappy: 'SNAPPY',
  none: 'UNCOMPRESSED',
  uncompressed: 'UNCOMPRESSED',
  gzip: 'GZIP',
  zstd: 'ZSTD',
} as const
const compressors = {
  SNAPPY: (page: Uint8Array) => snappyCompress(Buffer.from(page.buffer, page.byteOffset, page.length)),
  GZIP: (page: Uint8Array) => gzipSync(page),
  ZSTD: (page: Uint8Array) => zstdCompressSync(page),
}

/** What was written is taken away in between, so that only a row group is ever held. */
class Drained extends ByteWriter {
  take(): Buffer {
    const all = Buffer.from(this.getBuffer())
    this.index = 0
    return all
  }
}

export class ParquetFile implements Body {
  readonly #out = new Drained()
  readonly #writer: ParquetWriter
  readonly #columns: { readonly name: string; readonly value: (value: ConnectValue | undefined) => ParquetValue; data: ParquetValue[] }[]
  #rows = 0

  constructor({ elements, columns }: ParquetColumns, codec: keyof typeof codecs) {
    this.#writer = new ParquetWriter({
      writer: this.#out,
      schema: elements,
      codec: codecs[codec],
      compressors,
      createdBy: 'millrace',
    })
    this.#columns = columns.map(column => ({ ...column, data: [] }))
  }

  add(value: ConnectValue): number {
    if (!isStruct(value)) throw new DataError('the format parquet needs records with fields')
    const row: Struct = value
    const cells = this.#columns.map(column => column.value(row[column.name]))
    let size = 0
    for (const [index, cell] of cells.entries()) {
      this.#columns[index]!.data.push(cell)
      size += sizeOf(cell)
    }
    this.#rows++
    return size
  }

  take(): Buffer {
    if (this.#rows > 0) {
      void this.#writer.write({ columnData: this.#columns.map(({ name, data }) => ({ name, data })), rowGroupSize: this.#rows })
      for (const column of this.#columns) column.data = []
      this.#rows = 0
    }
    return this.#out.take()
  }

  end(): Buffer {
    const rows = this.take()
    void this.#writer.finish()
    return Buffer.concat([rows, this.#out.take()])
  }
}

/** In memory, about. */
function sizeOf(value: ParquetValue): number {
  if (value === null) return 1
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length + 4
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + sizeOf(each), 8)
  if (typeof value !== 'object') return 8
  return Object.values(value).reduce<number>((sum, each) => sum + sizeOf(each), 8)
}
