/**
 * Kafka's four codecs behind two functions. Hides the native libraries and the framings Kafka expects: xerial's for snappy, LZ4 frames
 * with independent blocks (and the wrong header checksum of message format v0), gzip and zstd streams.
 *
 * Decompressing is for input from peers: it is bounded by `maxBytes`, sizes that the input declares are checked before anything is
 * allocated by them, and every failure is INVALID_RECORD. Both functions block; what may be large goes through the record converter.
 */
import zlib from 'node:zlib'
import { lz4Compress, lz4Decompress } from './compression/lz4.ts'
import { snappyCompress, snappyDecompress } from './compression/snappy.ts'
import { TooLarge } from './compression/too-large.ts'
import { type CompressionType, compressionIds, compressionNames } from './compression/types.ts'
import { KafkaError } from './errors.ts'

export { type CompressionType, compressionIds, compressionNames }

/** Most bytes that one batch may decompress to, unless the caller says otherwise. */
export const defaultMaxDecompressedBytes = 128 * 1024 * 1024

export interface CompressOptions {
  /** As `compression.gzip.level` (-1, 1 to 9) and `compression.zstd.level` (-131072 to 22) mean it; the others have one level. */
  level?: number | undefined
  /** LZ4 as message format v0 has it: the header checksum is computed over too much (KAFKA-3160). */
  brokenLz4Checksum?: boolean
}

export interface DecompressOptions {
  maxBytes?: number
  /** Accept the header checksum of {@link CompressOptions.brokenLz4Checksum} too. */
  brokenLz4Checksum?: boolean
}

export function compress(type: CompressionType, data: Buffer, options?: CompressOptions): Buffer {
  switch (type) {
    case 'none':
      return data
    case 'gzip':
      return zlib.gzipSync(data, { level: options?.level ?? zlib.constants.Z_DEFAULT_COMPRESSION })
    case 'snappy':
      return snappyCompress(data)
    case 'lz4':
      return lz4Compress(data, options?.brokenLz4Checksum ?? false)
    case 'zstd':
      return zlib.zstdCompressSync(data, {
        params: { [zlib.constants.ZSTD_c_compressionLevel]: options?.level ?? zlib.constants.ZSTD_CLEVEL_DEFAULT },
      })
  }
}

export function decompress(type: CompressionType, data: Buffer, options?: DecompressOptions): Buffer {
  const maxBytes = options?.maxBytes ?? defaultMaxDecompressedBytes
  try {
    switch (type) {
      case 'none':
        return data
      case 'gzip':
        return zlib.gunzipSync(data, { maxOutputLength: maxBytes })
      case 'snappy':
        return snappyDecompress(data, maxBytes)
      case 'lz4':
        return lz4Decompress(data, maxBytes, options?.brokenLz4Checksum ?? false)
      case 'zstd':
        return zlib.zstdDecompressSync(data, { maxOutputLength: maxBytes })
    }
  } catch (error) {
    throw refused(type, maxBytes, error)
  }
}

/** INVALID_RECORD because of its size only: where there is more room it may be tried again. */
export class DecompressedTooLarge extends KafkaError {
  constructor(message: string) {
    super('INVALID_RECORD', message)
  }
}

function refused(type: CompressionType, maxBytes: number, error: unknown): KafkaError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_BUFFER_TOO_LARGE' || error instanceof TooLarge)
    return new DecompressedTooLarge(`Failed to decompress ${type} records: they are more than ${maxBytes} bytes`)
  return new KafkaError('INVALID_RECORD', `Failed to decompress ${type} records: ${message}`)
}
