/** Parquet files, row group by row group; see `parquet-values.ts` for what the library is given instead of the file's own schema, and why. */

import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type Compressors, type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { uncompressSync } from 'snappy'
import { DataError } from '../../connector.ts'
import { rawParquet } from './parquet-values.ts'
import { pageValues, type Reader, type ReadFile, type ReadValue } from './reader.ts'

const trailerBytes = 8
const mostFooterBytes = 2 ** 26
/** A row group is in memory whole. */
const mostGroupBytes = 2 ** 29

/** Sizes are those that the file declares; what comes out is bounded by them. */
const compressors: Compressors = {
  SNAPPY: page => uncompressSync(Buffer.from(page)) as Buffer,
  GZIP: (page, size) => gunzipSync(page, { maxOutputLength: Math.max(size, 1) }),
  ZSTD: (page, size) => zstdDecompressSync(page, { maxOutputLength: Math.max(size, 1) }),
}

export const parquetReader: Reader = {
  name: 'parquet',
  classes: ['io.confluent.connect.s3.format.parquet.ParquetFormat'],
  async *readFile(file) {
    const own = await metadataOf(file)
    const { metadata, schema, toValue } = rawParquet(own)
    const asked = { byteLength: file.size, slice: async (from: number, to = file.size) => arrayBuffer(await file.slice(from, to)) }
    let rowStart = 0
    for (const group of metadata.row_groups) {
      const rows = Number(group.num_rows)
      if (Number(group.total_byte_size) > mostGroupBytes)
        throw new DataError(`a row group has ${group.total_byte_size} bytes, more than ${mostGroupBytes}: it is read at once`)
      const found = await parquetReadObjects({
        file: asked,
        metadata,
        rowStart,
        rowEnd: rowStart + rows,
        utf8: false,
        compressors,
        parsers,
      })
      if (found.length !== rows) throw new DataError(`a row group has ${found.length} rows, and says that it has ${rows}`)
      rowStart += rows
      for (let from = 0; from < found.length; from += pageValues)
        yield found.slice(from, from + pageValues).map((row): ReadValue => ({ schema, value: toValue(row) }))
    }
  },
}

/** Of INT96: nanoseconds, as they are. */
const parsers = { timestampFromNanoseconds: (nanos: bigint) => nanos }

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
