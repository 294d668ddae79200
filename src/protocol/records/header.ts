/**
 * Fields of a record batch (message format v2) read and written in place, without an object per batch.
 *
 * Every function takes the buffer and the position of the batch's first byte, and assumes that `batchHeaderSize` bytes are available:
 * callers check that once (`intactBatchSize`, `validateBatches`). Timestamps and producer ids may have any value ({@link Int64}). Offsets
 * are numbers; offsets beyond 53 bits are rejected when batches arrive. `sizeBytes`, `baseOffset` and `magic` are at the same position in
 * the old message formats. Base offset and leader epoch are not covered by the checksum, so that a broker can write
 * them; functions that change another field also update the checksum.
 */
import { crc32c, type Int64, readInt64, writeInt64 } from '../../base.ts'
import type { CompressionType } from '../compression/types.ts'
import { compressionNames } from '../compression/types.ts'

export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** Bytes before the first record of a v2 batch. */
export const batchHeaderSize = 61
/** Bytes of offset and length, which `batchLength` does not count. */
export const logOverhead = 12
/** Up to and including the magic byte: the minimum that identifies the format. */
export const sizeUpToMagic = 17

const lengthAt = 8
const leaderEpochAt = 12
const magicAt = 16
const crcAt = 17
const attributesAt = 21
const lastOffsetDeltaAt = 23
const baseTimestampAt = 27
const maxTimestampAt = 35
const producerIdAt = 43
const producerEpochAt = 51
const baseSequenceAt = 53
const recordCountAt = 57

const codecMask = 0x07
const logAppendTimeBit = 0x08
const transactionalBit = 0x10
const controlBit = 0x20
const deleteHorizonBit = 0x40

const two32 = 2 ** 32
const maxSequence = 2 ** 31 - 1

/** The largest offset a log may have; so far offsets, and what is counted with them, are exact. */
export const maxOffset = 2 ** 53 - 2 ** 32

/** Rounded beyond 53 bits. */
export const readOffset = (b: Buffer, p: number): number => b.readInt32BE(p) * two32 + b.readUInt32BE(p + 4)

export const baseOffset = (b: Buffer, p: number): number => readOffset(b, p)
/** Bytes after the length field, as the peer or the disk says. */
export const batchLength = (b: Buffer, p: number): number => b.readInt32BE(p + lengthAt)
/** The whole batch with offset and length. */
export const sizeBytes = (b: Buffer, p: number): number => b.readInt32BE(p + lengthAt) + logOverhead
export const partitionLeaderEpoch = (b: Buffer, p: number): number => b.readInt32BE(p + leaderEpochAt)
export const magic = (b: Buffer, p: number): number => b.readInt8(p + magicAt)
export const crc = (b: Buffer, p: number): number => b.readUInt32BE(p + crcAt)
/** Kafka uses the low byte only. */
export const attributes = (b: Buffer, p: number): number => b.readInt16BE(p + attributesAt)
/** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are not defined. */
export const compressionId = (b: Buffer, p: number): number => b.readUInt8(p + attributesAt + 1) & codecMask
/** undefined for an id that Kafka does not define; cannot be after validation. */
export const compression = (b: Buffer, p: number): CompressionType | undefined => compressionNames[compressionId(b, p)]
export const timestampType = (b: Buffer, p: number): TimestampType =>
  (b.readUInt8(p + attributesAt + 1) & logAppendTimeBit) === 0 ? 'CreateTime' : 'LogAppendTime'
export const isTransactional = (b: Buffer, p: number): boolean => (b.readUInt8(p + attributesAt + 1) & transactionalBit) !== 0
export const isControl = (b: Buffer, p: number): boolean => (b.readUInt8(p + attributesAt + 1) & controlBit) !== 0
/** The base timestamp is a delete horizon (written by compaction). */
export const hasDeleteHorizon = (b: Buffer, p: number): boolean => (b.readUInt8(p + attributesAt + 1) & deleteHorizonBit) !== 0
export const lastOffsetDelta = (b: Buffer, p: number): number => b.readInt32BE(p + lastOffsetDeltaAt)
export const lastOffset = (b: Buffer, p: number): number => readOffset(b, p) + b.readInt32BE(p + lastOffsetDeltaAt)
export const baseTimestamp = (b: Buffer, p: number): Int64 => readInt64(b, p + baseTimestampAt)
export const maxTimestamp = (b: Buffer, p: number): Int64 => readInt64(b, p + maxTimestampAt)
export const producerId = (b: Buffer, p: number): Int64 => readInt64(b, p + producerIdAt)
export const producerEpoch = (b: Buffer, p: number): number => b.readInt16BE(p + producerEpochAt)
export const baseSequence = (b: Buffer, p: number): number => b.readInt32BE(p + baseSequenceAt)
export const recordCount = (b: Buffer, p: number): number => b.readInt32BE(p + recordCountAt)

/** Of the last record; -1 without a sequence. Sequences wrap around to 0 after 2^31 - 1. */
export function lastSequence(b: Buffer, p: number): number {
  const first = baseSequence(b, p)
  return first < 0 ? first : incrementSequence(first, lastOffsetDelta(b, p))
}

export function incrementSequence(sequence: number, increment: number): number {
  return sequence > maxSequence - increment ? increment - (maxSequence - sequence) - 1 : sequence + increment
}

export function setBaseOffset(b: Buffer, p: number, offset: number): void {
  writeInt64(b, p, offset)
}

export function setPartitionLeaderEpoch(b: Buffer, p: number, epoch: number): void {
  b.writeInt32BE(epoch, p + leaderEpochAt)
}

/**
 * What the log says of a batch that is appended: whose time its records have (with LogAppendTime every record has `timestamp`), and no
 * flag that only compaction sets, or that is undefined. Updates the checksum only if something changes.
 */
export function setMaxTimestamp(b: Buffer, p: number, type: TimestampType, timestamp: Int64): void {
  const flags = attributes(b, p)
  const wanted = (flags & (codecMask | transactionalBit | controlBit)) | (type === 'LogAppendTime' ? logAppendTimeBit : 0)
  if (flags === wanted && maxTimestamp(b, p) === timestamp) return
  b.writeInt16BE(wanted, p + attributesAt)
  writeInt64(b, p + maxTimestampAt, timestamp)
  updateCrc(b, p)
}

/** Over everything after the checksum field, which is what the field must hold. */
export function computeCrc(b: Buffer, p: number): number {
  return crc32c(b.subarray(p + attributesAt, p + sizeBytes(b, p)))
}

function updateCrc(b: Buffer, p: number): void {
  b.writeUInt32BE(computeCrc(b, p), p + crcAt)
}

/** A batch's header as an object, for where an allocation does not matter. */
export interface BatchHeader {
  baseOffset: number
  lastOffset: number
  /** The whole batch with offset and length. */
  sizeBytes: number
  partitionLeaderEpoch: number
  /** 0 and 1 are the old message formats: one message, which may be the wrapper of compressed ones. */
  magic: number
  compression: CompressionType
  timestampType: TimestampType
  isTransactional: boolean
  isControl: boolean
  hasDeleteHorizon: boolean
  baseTimestamp: Int64
  maxTimestamp: Int64
  producerId: Int64
  producerEpoch: number
  baseSequence: number
  recordCount: number
}

/** Of a v2 batch whose header is known to be there. */
export function readBatchHeader(b: Buffer, p: number): BatchHeader {
  return {
    baseOffset: baseOffset(b, p),
    lastOffset: lastOffset(b, p),
    sizeBytes: sizeBytes(b, p),
    partitionLeaderEpoch: partitionLeaderEpoch(b, p),
    magic: magic(b, p),
    compression: compression(b, p) ?? 'none',
    timestampType: timestampType(b, p),
    isTransactional: isTransactional(b, p),
    isControl: isControl(b, p),
    hasDeleteHorizon: hasDeleteHorizon(b, p),
    baseTimestamp: baseTimestamp(b, p),
    maxTimestamp: maxTimestamp(b, p),
    producerId: producerId(b, p),
    producerEpoch: producerEpoch(b, p),
    baseSequence: baseSequence(b, p),
    recordCount: recordCount(b, p),
  }
}

/** Writes all 61 bytes and, as the batch's other bytes must be there already, the checksum. */
export function writeBatchHeader(
  b: Buffer,
  p: number,
  header: Omit<BatchHeader, 'magic' | 'compression'> & { compressionId: number },
): void {
  writeInt64(b, p, header.baseOffset)
  b.writeInt32BE(header.sizeBytes - logOverhead, p + lengthAt)
  b.writeInt32BE(header.partitionLeaderEpoch, p + leaderEpochAt)
  b.writeInt8(2, p + magicAt)
  const flags =
    header.compressionId |
    (header.timestampType === 'LogAppendTime' ? logAppendTimeBit : 0) |
    (header.isTransactional ? transactionalBit : 0) |
    (header.isControl ? controlBit : 0) |
    (header.hasDeleteHorizon ? deleteHorizonBit : 0)
  b.writeInt16BE(flags, p + attributesAt)
  b.writeInt32BE(header.lastOffset - header.baseOffset, p + lastOffsetDeltaAt)
  writeInt64(b, p + baseTimestampAt, header.baseTimestamp)
  writeInt64(b, p + maxTimestampAt, header.maxTimestamp)
  writeInt64(b, p + producerIdAt, header.producerId)
  b.writeInt16BE(header.producerEpoch, p + producerEpochAt)
  b.writeInt32BE(header.baseSequence, p + baseSequenceAt)
  b.writeInt32BE(header.recordCount, p + recordCountAt)
  updateCrc(b, p)
}

/** The batch `bytes` around other records' bytes: same fields, but compression, size and checksum. */
export function withPayload(bytes: Buffer, compressionId: number, payload: Buffer): Buffer {
  const batch = Buffer.allocUnsafeSlow(batchHeaderSize + payload.length)
  bytes.copy(batch, 0, 0, batchHeaderSize)
  payload.copy(batch, batchHeaderSize)
  batch.writeInt32BE(batch.length - logOverhead, lengthAt)
  batch.writeUInt8((bytes.readUInt8(attributesAt + 1) & ~codecMask) | compressionId, attributesAt + 1)
  updateCrc(batch, 0)
  return batch
}

/**
 * Size of the v2 batch at `position` when all of it lies before `end`, its length is sane and its checksum is right; otherwise 0.
 * For readers of bytes that may be torn or damaged: recovery, index rebuilding, tools.
 */
export function intactBatchSize(b: Buffer, position: number, end: number = b.length): number {
  if (end - position < batchHeaderSize) return 0
  const size = sizeBytes(b, position)
  if (size < batchHeaderSize || size > end - position || magic(b, position) !== 2) return 0
  return computeCrc(b, position) === crc(b, position) ? size : 0
}
