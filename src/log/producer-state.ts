/**
 * Per-partition producer state: Kafka's ProducerStateManager as a pure state machine over batch headers.
 *
 * Hides the rules for idempotent and transactional producers (last five batches, sequence numbers with wrap-around, epoch fencing,
 * markers, expiry) and how they are undone when a write fails. Order of use for each batch: `check` (throws or finds a duplicate,
 * changes nothing), then `apply`. Applied batches can be taken back with `rollback(mark)` until `settle(mark)`.
 */
import type { ActiveProducer } from '../log.ts'
import type { Offset } from '../protocol.ts'
import type { BatchInfo } from './batch-info.ts'

/** Where an earlier append of the same batch is. */
export interface DuplicateBatch {
  baseOffset: Offset
  lastOffset: Offset
  timestamp: number
}

/** A transaction that the applied marker ended. When aborted, it belongs into the segment's transaction index. */
export interface CompletedTransaction {
  producerId: number
  firstOffset: Offset
  /** Offset of the marker. */
  lastOffset: Offset
  /** The last stable offset with this transaction gone. */
  lastStableOffset: Offset
  aborted: boolean
}

/** The public face of class ProducerStates. */
export interface ProducerStatesShape {
  readonly size: number
  /**
   * May this batch be appended? Throws KafkaError (OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
   * INVALID_TXN_STATE); returns the earlier batch when it is a duplicate, null when it may. Only for producerId >= 0.
   */
  check(batch: BatchInfo, origin: 'client' | 'coordinator'): DuplicateBatch | null
  /** Takes the batch in (offsets assigned). Also replays a log: no checks are made. Returns the transaction it ended. Only for producerId >= 0. */
  apply(batch: BatchInfo): CompletedTransaction | null
  /** Number of the next undo record. */
  mark(): number
  /** Takes back everything applied since `mark`. */
  rollback(mark: number): void
  /** Everything before `mark` is written and will not be taken back. Must be called, or undo records pile up. */
  settle(mark: number): void
  /** First offset of the oldest transaction that is open or whose marker is not below the high watermark; -1 when there is none. */
  firstUnstableOffset(): Offset
  /** Completed transactions below become stable. */
  highWatermarkMoved(highWatermark: Offset): void
  /** Forgets producers idle for longer than `expirationMs` and without an open transaction. */
  expire(nowMs: number, expirationMs: number): void
  /** After truncation or DeleteRecords: forgets transactions and producers whose batches are gone. */
  truncateBefore(logStartOffset: Offset): void
  clear(): void
  list(): ActiveProducer[]
  /** The `.snapshot` file (version 1). */
  encodeSnapshot(): Buffer
  /** Replaces all by a snapshot's content; throws when it is damaged. */
  loadSnapshot(file: Buffer, nowMs: number, expirationMs: number): void
}
