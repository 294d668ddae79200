/**
 * Record batches of which any field may be wrong, with any codec, for tests of produced input. Like `batches.ts`, written by the
 * specification, independently of the code under test.
 */
import zlib from 'node:zlib'
import lz4 from 'lz4-napi'
import snappy from 'snappy'
import { crc32c } from '../../src/base.ts'

export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Codec = (typeof codecs)[number]

export interface RawRecord {
  /** What the record claims to take, relative to the truth. */
  sizeOff?: number
  attributes?: number
  timestampDelta?: bigint
  offsetDelta?: number
  /** A number: only this length, and no bytes. */
  key?: string | number
  value?: string | number
  /** Headers as [key, value]; a number is a length without bytes. */
  headers?: [string | number, string | number][]
  headerCount?: number
  /** Numbers in more bytes than they need. */
  longNumbers?: boolean
  /** The same, and bits in the last byte that are beyond the number's 32 or 64. */
  excessBits?: boolean
}

export interface RawBatch {
  records: RawRecord[]
  count?: number
  lastOffsetDelta?: number
  attributes?: number
  baseTimestamp?: bigint
  maxTimestamp?: bigint
  producerId?: bigint
  producerEpoch?: number
  baseSequence?: number
  /** Bytes behind the records. */
  trailing?: Buffer
  codec?: Codec
  /** Changes the compressed bytes. */
  repack?: (packed: Buffer) => Buffer
}

/** A batch with a right checksum, whatever else is wrong. */
export function rawBatch(of: RawBatch): Buffer {
  const codec = of.codec ?? 'none'
  const plain = Buffer.concat([...of.records.map(rawRecord), of.trailing ?? Buffer.alloc(0)])
  const packed = pack(codec, plain)
  const body = of.repack?.(packed) ?? packed
  const count = of.count ?? of.records.length
  const base = of.baseTimestamp ?? 0n
  const largest = of.records.reduce((max, { timestampDelta = 0n }) => (base + timestampDelta > max ? base + timestampDelta : max), base)
  const batch = Buffer.alloc(61 + body.length)
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(2, 16)
  batch.writeInt16BE((of.attributes ?? 0) | codecs.indexOf(codec), 21)
  batch.writeInt32BE(of.lastOffsetDelta ?? count - 1, 23)
  batch.writeBigInt64BE(base, 27)
  batch.writeBigInt64BE(of.maxTimestamp ?? BigInt.asIntN(64, largest), 35)
  batch.writeBigInt64BE(of.producerId ?? -1n, 43)
  batch.writeInt16BE(of.producerEpoch ?? -1, 51)
  batch.writeInt32BE(of.baseSequence ?? -1, 53)
  batch.writeInt32BE(count, 57)
  body.copy(batch, 61)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

function rawRecord(record: RawRecord, index: number): Buffer {
  const { headers = [], excessBits = false, longNumbers = excessBits } = record
  const long = (value: number): Buffer => {
    const bytes = zigzag(BigInt(value), longNumbers ? 5 : 1)
    if (excessBits) bytes[4]! |= 0x70
    return bytes
  }
  const delta = zigzag(record.timestampDelta ?? 0n, longNumbers ? 10 : 1)
  if (excessBits) delta[9]! |= 0x7e
  const body = Buffer.concat([
    Buffer.of(record.attributes ?? 0),
    delta,
    long(record.offsetDelta ?? index),
    sized(record.key ?? 'k'),
    sized(record.value ?? 'v'),
    zigzag(BigInt(record.headerCount ?? headers.length)),
    ...headers.flatMap(pair => pair.map(sized)),
  ])
  return Buffer.concat([long(body.length + (record.sizeOff ?? 0)), body])
}

function sized(bytes: string | number): Buffer {
  if (typeof bytes === 'number') return zigzag(BigInt(bytes))
  return Buffer.concat([zigzag(BigInt(Buffer.byteLength(bytes))), Buffer.from(bytes)])
}

/** A varint of at least so many bytes. */
function zigzag(value: bigint, least = 1): Buffer {
  let raw = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  for (; raw >= 128n || bytes.length < least - 1; raw >>= 7n) bytes.push(Number(raw & 127n) | 128)
  return Buffer.from([...bytes, Number(raw)])
}

function pack(codec: Codec, plain: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return plain
    case 'gzip':
      return zlib.gzipSync(plain)
    case 'snappy':
      return xerial(snappy.compressSync(plain))
    case 'lz4':
      return lz4.compressFrameSync(plain)
    case 'zstd':
      return zlib.zstdCompressSync(plain)
  }
}

/** One block in the framing of snappy-java. */
function xerial(block: Buffer): Buffer {
  const header = Buffer.from('82534e4150505900000000010000000100000000', 'hex')
  header.writeInt32BE(block.length, 16)
  return Buffer.concat([header, block])
}
