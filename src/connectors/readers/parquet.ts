/** Parquet files, row group by row group; see `parquet-values.ts` for what the library is given instead of the file's own schema, and why. */
import { type ColumnMetaData, type FileMetaData, parquetMetadata, parquetReadObjects, parquetSchema, type RowGroup } from 'hyparquet'
import { DataError } from '../../connector.ts'
import { checkedGroup, mostGroupBytes } from './parquet-pages.ts'
import { rawParquet } from './parquet-values.ts'
import { pageValues, type Reader, type ReadFile, type ReadValue } from './reader.ts'

const trailerBytes = 8
const mostFooterBytes = 2 ** 26
const mostGroupRows = 10_000_000

export const parquetReader: Reader = {
  name: 'parquet',
  classes: ['io.confluent.connect.s3.format.parquet.ParquetFormat'],
  async *readFile(file) {
    const own = await metadataOf(file)
    const { metadata, schema, toValue } = rawParquet(own)
    const root = parquetSchema(metadata)
    for (const group of metadata.row_groups) {
      const rows = rowsOf(group)
      if (rows === 0) continue
      const slice = await bytesOf(file, group)
      const checked = checkedGroup(group, root, column => slice(...rangeOf(column)))
      const found = await parquetReadObjects({
        file: { byteLength: file.size, slice: async (from, to = file.size) => arrayBuffer(slice(from, to)) },
        metadata: { ...metadata, row_groups: [checked] },
        rowEnd: rows,
        utf8: false,
        parsers,
      })
      if (found.length !== rows) throw new DataError(`a row group has ${found.length} rows, and says that it has ${rows}`)
      for (let from = 0; from < found.length; from += pageValues)
        yield found.slice(from, from + pageValues).map((row): ReadValue => ({ schema, value: toValue(row) }))
    }
  },
}

/** Of INT96: nanoseconds, as they are. */
const parsers = { timestampFromNanoseconds: (nanos: bigint) => nanos }

function rowsOf({ num_rows: given, total_byte_size: bytes }: RowGroup): number {
  const rows = Number(given)
  if (!(rows >= 0 && rows <= mostGroupRows))
    throw new DataError(`a row group says that it has ${given} rows; at most ${mostGroupRows} are allowed: it is read at once`)
  if (Number(bytes) > mostGroupBytes) throw new DataError(`a row group has ${bytes} bytes, more than ${mostGroupBytes}: it is read at once`)
  return rows
}

/** From where to where the pages of a column are. */
function rangeOf(column: ColumnMetaData): [number, number] {
  const from = Number(column.dictionary_page_offset || column.data_page_offset)
  return [from, from + Number(column.total_compressed_size)]
}

/** The bytes of all columns; gives those from one place of the file to another. */
async function bytesOf(file: ReadFile, { columns }: RowGroup): Promise<(from: number, to: number) => Buffer> {
  let first = file.size
  let end = 0
  let sum = 0
  for (const { meta_data: column } of columns) {
    const [from, to] = rangeOf(column!)
    if (!(from >= 0 && to >= from && to <= file.size))
      throw new DataError(`a column of the Parquet file says that it is from byte ${from} to ${to}, and the file has ${file.size}`)
    first = Math.min(first, from)
    end = Math.max(end, to)
    sum += to - from
  }
  const most = Math.max(sum, end - first)
  if (most > mostGroupBytes) throw new DataError(`a row group has ${most} bytes, more than ${mostGroupBytes}: it is read at once`)
  const bytes = end > first ? await file.slice(first, end) : Buffer.alloc(0)
  return (from, to) => bytes.subarray(Math.max(from - first, 0), Math.max(to - first, 0))
}

async function metadataOf(file: ReadFile): Promise<FileMetaData> {
  if (file.size < 2 * 4 + trailerBytes) throw new DataError('this is no Parquet file: it is too short')
  const trailer = await file.slice(file.size - trailerBytes, file.size)
  if (trailer.toString('latin1', 4) !== 'PAR1') throw new DataError('this is no Parquet file: it does not end with PAR1')
  const length = trailer.readUInt32LE(0)
  if (length > mostFooterBytes || length > file.size - trailerBytes)
    throw new DataError(`the footer of the Parquet file says that it has ${length} bytes`)
  return parquetMetadata(arrayBuffer(await file.slice(file.size - trailerBytes - length, file.size)))
}

function arrayBuffer(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
}
