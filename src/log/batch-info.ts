/**
 * What the log's state machines know of a batch: its header as plain numbers. One object may be filled again and again, so that
 * neither appending nor recovery allocates per batch.
 */
import type { Offset } from '../protocol.ts'

export interface BatchInfo {
  baseOffset: Offset
  lastOffset: Offset
  /** Whole batch in bytes, with its 12 bytes of offset and length. */
  sizeBytes: number
  leaderEpoch: number
  maxTimestamp: number
  /** -1 without a producer. */
  producerId: number
  producerEpoch: number
  /** -1 without a sequence (and in control batches). */
  baseSequence: number
  /** As `baseSequence + lastOffsetDelta`, wrapped around after 2^31 - 1; -1 without a sequence. */
  lastSequence: number
  isTransactional: boolean
  isControl: boolean
  /** Only of control batches that end a transaction; otherwise null. */
  marker: Marker | null
}

/** Kafka's EndTransactionMarker. */
export interface Marker {
  committed: boolean
  coordinatorEpoch: number
}
