/**
 * Builds v2 batches: records of coordinators, transaction markers, the output of compaction and conversion. Byte for byte what Kafka's
 * MemoryRecordsBuilder produces from the same records.
 */
import { type Int64, subtractInt64 } from '../../base.ts'
import { type CompressionType, compress, compressionIds } from '../compression.ts'
import * as header from './header.ts'
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from './varint.ts'

export interface NewRecord {
  key: Buffer | null
  value: Buffer | null
  /** Milliseconds. Default: the batch's `timestamp`. */
  timestamp?: Int64 | undefined
  headers?: readonly { key: Buffer | string; value: Buffer | null }[] | undefined
  /** Of the record, minus the batch's base offset. Default: its place. For batches with holes. */
  offsetDelta?: number | undefined
}

export interface NewBatch {
  records: readonly NewRecord[]
  /** For records that have none. Default -1, no timestamp. */
  timestamp?: Int64
  /** LogAppendTime: readers give every record `timestamp`; what its own says is stored, as Kafka does, and not seen again. */
  timestampType?: header.TimestampType
  compression?: CompressionType
  level?: number | undefined
  /** Default 0: the log assigns it. */
  baseOffset?: number
  /** Default -1: the log writes its own. */
  partitionLeaderEpoch?: number
  producerId?: Int64
  producerEpoch?: number
  baseSequence?: number
  isTransactional?: boolean
  isControl?: boolean
  /** Written as base timestamp, with its flag: when tombstones and markers in this batch may go. */
  deleteHorizonMs?: Int64 | undefined
  /** When the batch covers more offsets than it has records (compaction keeps the last one). Default: the last record's. */
  lastOffsetDelta?: number
}

/** A batch with its checksum. Without records it is only allowed with `lastOffsetDelta` (what compaction leaves of a producer). */
export function buildBatch(batch: NewBatch): Buffer {
  const compression = batch.compression ?? 'none'
  const plan = measure(batch)
  if (compression === 'none') {
    const bytes = Buffer.allocUnsafeSlow(header.batchHeaderSize + plan.bodyBytes)
    writeRecords(bytes, header.batchHeaderSize, batch, plan)
    return finish(bytes, batch, plan)
  }
  const body = Buffer.allocUnsafe(plan.bodyBytes)
  writeRecords(body, 0, batch, plan)
  const packed = compress(compression, body, { level: batch.level })
  const bytes = Buffer.allocUnsafeSlow(header.batchHeaderSize + packed.length)
  packed.copy(bytes, header.batchHeaderSize)
  return finish(bytes, batch, plan)
}

interface Plan {
  baseTimestamp: Int64
  maxTimestamp: Int64
  lastOffsetDelta: number
  bodyBytes: number
  /** Of each record, without its length. */
  sizes: number[]
}

function measure(batch: NewBatch): Plan {
  const { records } = batch
  const common = batch.timestamp ?? -1
  const logAppendTime = batch.timestampType === 'LogAppendTime'
  // A batch without records has a largest timestamp, that of the records it had, and no base.
  const first = records[0] === undefined ? -1 : (records[0].timestamp ?? common)
  const baseTimestamp = batch.deleteHorizonMs ?? first
  const sizes: number[] = new Array(records.length)
  let maxTimestamp: Int64 = records.length === 0 || logAppendTime ? common : -1
  let bodyBytes = 0
  let lastOffsetDelta = -1
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!
    const timestamp = record.timestamp ?? common
    if (!logAppendTime && timestamp > maxTimestamp) maxTimestamp = timestamp
    lastOffsetDelta = record.offsetDelta ?? i
    const size = sizeOfRecord(record, subtractInt64(timestamp, baseTimestamp), lastOffsetDelta)
    sizes[i] = size
    bodyBytes += sizeOfVarint(size) + size
  }
  return { baseTimestamp, maxTimestamp, lastOffsetDelta: batch.lastOffsetDelta ?? lastOffsetDelta, bodyBytes, sizes }
}

function sizeOfRecord(record: NewRecord, timestampDelta: Int64, offsetDelta: number): number {
  let size = 1 + sizeOfVarlong(timestampDelta) + sizeOfVarint(offsetDelta) + sizeOfBytes(record.key) + sizeOfBytes(record.value)
  const headers = record.headers ?? []
  size += sizeOfVarint(headers.length)
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key)
    size += sizeOfVarint(keyBytes) + keyBytes + sizeOfBytes(value)
  }
  return size
}

function sizeOfBytes(bytes: Buffer | null): number {
  return bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length
}

function writeRecords(out: Buffer, start: number, batch: NewBatch, plan: Plan): void {
  const common = batch.timestamp ?? -1
  let at = start
  for (let i = 0; i < batch.records.length; i++) {
    const record = batch.records[i]!
    at = writeVarint(out, at, plan.sizes[i]!)
    out[at++] = 0
    at = writeVarlong(out, at, subtractInt64(record.timestamp ?? common, plan.baseTimestamp))
    at = writeVarint(out, at, record.offsetDelta ?? i)
    at = writeBytes(out, at, record.key)
    at = writeBytes(out, at, record.value)
    const headers = record.headers ?? []
    at = writeVarint(out, at, headers.length)
    for (const { key, value } of headers) {
      at = writeBytes(out, at, typeof key === 'string' ? Buffer.from(key) : key)
      at = writeBytes(out, at, value)
    }
  }
}

function writeBytes(out: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(out, at, -1)
  at = writeVarint(out, at, bytes.length)
  return at + bytes.copy(out, at)
}

function finish(bytes: Buffer, batch: NewBatch, plan: Plan): Buffer {
  const baseOffset = batch.baseOffset ?? 0
  header.writeBatchHeader(bytes, 0, {
    baseOffset,
    lastOffset: baseOffset + plan.lastOffsetDelta,
    sizeBytes: bytes.length,
    partitionLeaderEpoch: batch.partitionLeaderEpoch ?? -1,
    compressionId: compressionIds[batch.compression ?? 'none'],
    timestampType: batch.timestampType ?? 'CreateTime',
    isTransactional: batch.isTransactional ?? false,
    isControl: batch.isControl ?? false,
    hasDeleteHorizon: batch.deleteHorizonMs !== undefined,
    baseTimestamp: plan.baseTimestamp,
    maxTimestamp: plan.maxTimestamp,
    producerId: batch.producerId ?? -1,
    producerEpoch: batch.producerEpoch ?? -1,
    baseSequence: batch.baseSequence ?? -1,
    recordCount: batch.records.length,
  })
  return bytes
}
