/**
 * Kafka's four codecs. Hides the libraries and the framings that Kafka expects: xerial's for snappy, LZ4 frames with independent blocks (and
 * the wrong header checksum of message format v0), any number of gzip members and zstd frames.
 *
 * Decompression expects input from peers: it is bounded by `maxBytes`, sizes in the input are checked before memory is
 * allocated for them, and input that cannot be decompressed is CORRUPT_MESSAGE. All functions block; large input goes through the record
 * converter.
 */
import zlib from 'node:zlib'
import { gzipDecompress } from './compression/gzip.ts'
import { lz4Compress, lz4Decompress } from './compression/lz4.ts'
import { Output, Scratch } from './compression/output.ts'
import { snappyCompress, snappyDecompress } from './compression/snappy.ts'
import { TooLarge } from './compression/too-large.ts'
import { type CompressionType, compressionIds, compressionNames } from './compression/types.ts'
import { zstdDecompress } from './compression/zstd.ts'
import { KafkaError } from './errors.ts'

export { Output, Scratch } from './compression/output.ts'
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
  /** LZ4 as in message format v0: the header checksum is not checked. */
  ignoreLz4Checksum?: boolean
  /** The result may lie in this memory: it is gone with the next use. */
  scratch?: Scratch | undefined
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

const ownScratch = new Scratch()

export interface Decompressed {
  bytes: Buffer
  /** Kafka reads it, but some other readers fail: bytes behind the stream, several gzip members, a wrong checksum and the like. */
  oddlyFramed: boolean
  /** The cost beyond its bytes, in bytes: see `Output.spend`. */
  cost: number
}

export function decompress(type: CompressionType, data: Buffer, options?: DecompressOptions): Buffer {
  return unpack(type, data, options).bytes
}

/** Like {@link decompress}, but also reports whether every reader can read it. */
export function unpack(type: CompressionType, data: Buffer, options?: DecompressOptions): Decompressed {
  if (type === 'none') return { bytes: data, oddlyFramed: false, cost: 0 }
  const out = new Output(options?.maxBytes ?? defaultMaxDecompressedBytes, options?.scratch ?? ownScratch)
  try {
    const used = unpackInto(type, data, options, out)
    // The result must not hold much memory for few bytes, nor memory that will be reused.
    const bytes = options?.scratch === undefined ? Buffer.from(out.written()) : out.written()
    return { bytes, oddlyFramed: out.oddlyFramed || used < data.length, cost: out.cost }
  } catch (error) {
    throw refused(type, out.maxBytes, error)
  }
}

function unpackInto(type: Exclude<CompressionType, 'none'>, data: Buffer, options: DecompressOptions | undefined, out: Output): number {
  switch (type) {
    case 'gzip':
      return gzipDecompress(data, out)
    case 'snappy':
      return snappyDecompress(data, out)
    case 'lz4':
      return lz4Decompress(data, options?.ignoreLz4Checksum ?? false, out)
    case 'zstd':
      return zstdDecompress(data, out)
  }
}

/** The input is sound as far as it was read, but holds more than is allowed: where there is more room it may be tried again. */
export class DecompressedTooLarge extends KafkaError {
  constructor(message: string) {
    super('INVALID_RECORD', message)
  }
}

function refused(type: CompressionType, maxBytes: number, error: unknown): KafkaError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_BUFFER_TOO_LARGE' || error instanceof TooLarge)
    return new DecompressedTooLarge(
      `Failed to decompress ${type} records: they have more than ${maxBytes} bytes, or too many frames, members or blocks`,
    )
  return new KafkaError('CORRUPT_MESSAGE', `Failed to decompress ${type} records: ${message}`)
}
