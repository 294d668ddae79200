/**
 * The header of a batch as plain numbers, for the log's state machines. One object can be refilled, so that
 * neither appending nor recovery allocates per batch.
 */
import type { Int64 } from '../../base.ts'
import { header, markerOfBatch, type Offset, type TransactionMarker } from '../../protocol.ts'

export interface BatchInfo {
  baseOffset: Offset
  lastOffset: Offset
  /** Whole batch in bytes, with its 12 bytes of offset and length. */
  sizeBytes: number
  leaderEpoch: number
  maxTimestamp: Int64
  /** -1 without a producer. */
  producerId: Int64
  producerEpoch: number
  /** -1 without a sequence (and in control batches). */
  baseSequence: number
  /** Sequence of the last record, wrapped around after 2^31 - 1; -1 without a sequence. */
  lastSequence: number
  isTransactional: boolean
  isControl: boolean
  /** Only of control batches that end a transaction; otherwise null. */
  marker: TransactionMarker | null
}

export function emptyBatchInfo(): BatchInfo {
  return {
    baseOffset: -1,
    lastOffset: -1,
    sizeBytes: 0,
    leaderEpoch: -1,
    maxTimestamp: -1,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    lastSequence: -1,
    isTransactional: false,
    isControl: false,
    marker: null,
  }
}

/** Fills `into` from the whole v2 batch at `position`, whose bytes are known to be there and right. */
export function readBatchInfo(buffer: Buffer, position: number, into: BatchInfo): BatchInfo {
  into.baseOffset = header.baseOffset(buffer, position)
  into.lastOffset = header.lastOffset(buffer, position)
  into.sizeBytes = header.sizeBytes(buffer, position)
  into.leaderEpoch = header.partitionLeaderEpoch(buffer, position)
  into.maxTimestamp = header.maxTimestamp(buffer, position)
  into.producerId = header.producerId(buffer, position)
  into.producerEpoch = header.producerEpoch(buffer, position)
  into.baseSequence = header.baseSequence(buffer, position)
  into.lastSequence = header.lastSequence(buffer, position)
  into.isTransactional = header.isTransactional(buffer, position)
  into.isControl = header.isControl(buffer, position)
  into.marker = into.isControl ? markerOfBatch(buffer, position, into.sizeBytes) : null
  return into
}
