import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { compressSync } from 'snappy'
import { readerNamed } from './list.ts'

// Of the writer, whose types are of another version of hyparquet.
type PageHeader = Parameters<typeof writePageHeader>[1]
type FileMetaData = Parameters<typeof writeMetadata>[1]
type SchemaElement = FileMetaData['schema'][number]
type ColumnMetaData = NonNullable<FileMetaData['row_groups'][number]['columns'][number]['meta_data']>

interface Page {
  readonly bytes: readonly number[] | Buffer
  readonly header?: Partial<PageHeader>
}

interface Given {
  readonly pages: readonly Page[]
  readonly rows?: bigint
  readonly schema?: readonly SchemaElement[]
  readonly column?: Partial<ColumnMetaData>
}

const magic = 0x31524150

/** A file of one column with the name `x`: whatever a page or the footer is to say. */
function parquet({ pages, rows = 2n, schema = [{ name: 'x', type: 'INT32', repetition_type: 'OPTIONAL' }], column = {} }: Given): Buffer {
  const writer = new ByteWriter()
  writer.appendUint32(magic)
  for (const { bytes, header = {} } of pages) {
    const size = { uncompressed_page_size: bytes.length, compressed_page_size: bytes.length }
    writePageHeader(writer, { type: 'DATA_PAGE', ...size, ...header })
    writer.appendBytes(Uint8Array.from(bytes))
  }
  const total_compressed_size = BigInt(writer.offset - 4)
  const meta_data: ColumnMetaData = {
    type: 'INT32',
    encodings: ['PLAIN'],
    path_in_schema: schema.map(({ name }) => name),
    codec: 'UNCOMPRESSED',
    num_values: rows,
    total_uncompressed_size: 1n,
    total_compressed_size,
    data_page_offset: 4n,
    ...column,
  }
  writeMetadata(writer, {
    version: 1,
    schema: [{ name: 'root', num_children: 1 }, ...schema],
    num_rows: rows,
    row_groups: [{ columns: [{ file_offset: 0n, meta_data }], total_byte_size: 1n, num_rows: rows }],
    metadata_length: 0,
  })
  writer.appendUint32(magic)
  return Buffer.from(writer.getBytes())
}

async function read(bytes: Buffer): Promise<unknown[]> {
  const found: unknown[] = []
  const file = { size: bytes.length, slice: async (from: number, to: number) => bytes.subarray(from, to) }
  for await (const page of readerNamed('parquet')!.readFile!(file, {} as never))
    found.push(...page.map(({ value }) => (value as { x: unknown }).x))
  return found
}

const said = (num_values: number, encoding: 'PLAIN' | 'DELTA_BYTE_ARRAY' | 'RLE_DICTIONARY' = 'PLAIN'): Partial<PageHeader> => ({
  data_page_header: { num_values, encoding, definition_level_encoding: 'RLE', repetition_level_encoding: 'RLE' },
})
const newer = (num_values: number, encoding: 'PLAIN' | 'RLE_DICTIONARY', definition_levels_byte_length: number): Partial<PageHeader> => ({
  type: 'DATA_PAGE_V2',
  data_page_header_v2: {
    num_values,
    num_nulls: 0,
    num_rows: num_values,
    encoding,
    definition_levels_byte_length,
    repetition_levels_byte_length: 0,
    is_compressed: false,
  },
})
/** Levels: a run of two times 1. */
const two = [2, 0, 0, 0, 4, 1]
const numbers = [1, 0, 0, 0, 2, 0, 0, 0]
/** A run of 2^30 times 1. */
const endless = [0x80, 0x80, 0x80, 0x80, 0x08, 1]

test('pages of all codecs are read', async () => {
  const plain = Buffer.from([...two, ...numbers])
  const codecs: [ColumnMetaData['codec'], (page: Buffer) => Buffer][] = [
    ['UNCOMPRESSED', page => page],
    ['SNAPPY', page => compressSync(page)],
    ['GZIP', page => gzipSync(page)],
    ['ZSTD', page => zstdCompressSync(page)],
  ]
  for (const [codec, packed] of codecs) {
    const header = { ...said(2), uncompressed_page_size: plain.length }
    assert.deepEqual(await read(parquet({ pages: [{ bytes: packed(plain), header }], column: { codec } })), [1, 2], codec)
  }
  const unknown = parquet({ pages: [{ bytes: plain, header: said(2) }], column: { codec: 'BROTLI' } })
  await assert.rejects(read(unknown), { name: 'DataError', message: /codec BROTLI .* SNAPPY, GZIP and ZSTD are/ })
})

test('pages of all encodings are read, with nulls, in several row groups', async () => {
  const many = <T>(valueAt: (n: number) => T) => Array.from({ length: 3_000 }, (_, n) => (n % 7 === 3 ? null : valueAt(n)))
  for (const [type, encoding, data] of [
    ['STRING', 'RLE_DICTIONARY', many(n => `v${n % 5}`)],
    ['STRING', 'DELTA_BYTE_ARRAY', many(n => `a common beginning ${n}`)],
    ['STRING', 'DELTA_LENGTH_BYTE_ARRAY', many(n => `v${n}`)],
    ['BOOLEAN', 'RLE', many(n => n % 100 < 50)],
    ['INT32', 'DELTA_BINARY_PACKED', many(n => n * 3)],
    ['DOUBLE', 'BYTE_STREAM_SPLIT', many(n => n / 2)],
  ] as const) {
    const file = parquetWriteBuffer({ columnData: [{ name: 'x', type, encoding, data: [...data] }], rowGroupSize: 1_000, pageSize: 2_000 })
    assert.deepEqual(await read(Buffer.from(file)), data, encoding)
  }
  // Of the older kind: 1, 0, 1; then the lengths of what is kept of the value before (0, 1), of what is new (2, 1), and that.
  const kept = [0x80, 1, 4, 2, 0, 2, 0, 0, 0, 0]
  const added = [0x80, 1, 4, 2, 4, 1, 0, 0, 0, 0]
  const bytes = [2, 0, 0, 0, 3, 0b101, ...kept, ...added, ...Buffer.from('abc')]
  const schema: SchemaElement[] = [{ name: 'x', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL', converted_type: 'UTF8' }]
  const file = parquet({ pages: [{ bytes, header: said(3, 'DELTA_BYTE_ARRAY') }], rows: 3n, schema, column: { type: 'BYTE_ARRAY' } })
  assert.deepEqual(await read(file), ['ab', null, 'ac'])
})

test('what a file says of its row groups and pages is not believed before it is checked', async () => {
  const bytes = [...two, ...numbers]
  const good: Page = { bytes, header: said(2) }
  const snappy = { ...said(2), uncompressed_page_size: 14 }
  const list: SchemaElement[] = [{ name: 'x', type: 'INT32', repetition_type: 'REPEATED' }]
  const groups = Array.from({ length: 8 }, (_, n): SchemaElement => ({ name: `g${n}`, repetition_type: 'REPEATED', num_children: 1 }))
  const elements = (level: number) => [...run(2 ** 24, 0), ...run(2 ** 24, level)]
  const delta = (first: readonly number[]) => [0x80, 1, 4, 0xe8, 7, ...first, ...Buffer.alloc(8 * 5)]
  const copies = { bytes: [...delta([0x80, 0x80, 0x80, 1]), ...delta([0])], header: said(1_000, 'DELTA_BYTE_ARRAY') }
  const texts: SchemaElement[] = [{ name: 'x', type: 'BYTE_ARRAY', repetition_type: 'REQUIRED' }]
  for (const [given, message] of [
    [{ pages: [good], rows: 2n ** 40n }, /1099511627776 rows; at most 10000000 are allowed/],
    [{ pages: [good], rows: 5n }, /5 rows, and a column of it has 2 values/],
    [{ pages: [good], column: { total_compressed_size: 2n ** 40n } }, /from byte 4 to 1099511627780, and the file has/],
    [{ pages: [good], column: { data_page_offset: -4n } }, /from byte -4/],
    [{ pages: [{ bytes, header: said(2 ** 30) }] }, /1073741824 values; at most 16777216 are allowed/],
    [{ pages: [{ bytes, header: said(-1) }] }, /number of values of a page .* is -1/],
    [{ pages: [{ bytes, header: { ...said(2), uncompressed_page_size: 2 ** 30 } }] }, /1073741824 bytes or more; at most 536870912 are/],
    [
      { pages: [{ bytes, header: { ...said(2), compressed_page_size: 1_000 } }] },
      /says that it has 1000 bytes, and its column has 14 more/,
    ],
    [
      { pages: [{ bytes: [...endless.slice(0, 5), 0], header: snappy }], column: { codec: 'SNAPPY' } },
      /14 bytes .* snappy block says 2147483648/,
    ],
    [{ pages: [{ bytes: [6, 0, 0, 0, ...endless, ...numbers], header: said(2) }] }, /1073741824 values, and the page has 2/],
    [{ pages: [{ bytes: [...two, 8, ...endless], header: said(2, 'RLE_DICTIONARY') }] }, /1073741824 values, and the page has 2/],
    [{ pages: [{ bytes: [...endless, ...numbers], header: newer(2, 'PLAIN', 6) }] }, /1073741824 values, and the page has 2/],
    // Packed in no bits: the library counts down from less than 0.
    [{ pages: [{ bytes: [4, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], header: newer(2, 'RLE_DICTIONARY', 2) }] }, /and the page has 2/],
    // Seven pages of 2^24 elements; one page of as many lists within lists.
    [
      { pages: Array.from({ length: 7 }, () => ({ bytes: elements(1), header: said(2 ** 24) })), schema: list },
      /lists or more; at most 100000000/,
    ],
    [{ pages: [{ bytes: elements(9), header: said(2 ** 24) }], schema: [...groups, ...list] }, /lists or more; at most 100000000/],
    // 1,000 values that each begin with 2^20 bytes of the one before.
    [{ pages: [copies], rows: 1_000n, schema: texts, column: { type: 'BYTE_ARRAY' } }, /bytes or more; at most 536870912 are/],
  ] as const)
    await assert.rejects(read(parquet(given)), { name: 'DataError', message }, String(message))
})

/** Levels of the older kind: so many times the same. */
function run(count: number, level: number): number[] {
  const bytes: number[] = []
  let rest = count * 2
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest, level)
  return [bytes.length, 0, 0, 0, ...bytes]
}
