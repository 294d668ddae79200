/**
 * What upkeep needs of a partition and of the session's journal: implemented by SharedPartition and SessionJournal, and by models of them in
 * tests.
 */
import type { ClockHistory } from '../../../base.ts'
import type { TopicConfig } from '../../../log.ts'
import type { Offset } from '../../../protocol.ts'
import type { FrameKind, PartitionKey, PartitionRow, SegmentKey, SegmentRow, Writes } from '../../../store.ts'
import type { LastRecord } from '../../partition/producer-state.ts'
import type { CarriedShare } from '../journal.ts'
import type { Piece } from '../pieces/piece.ts'

export interface ForFlush {
  /** All that is in no piece yet, up to `end`. */
  readonly piece: Piece
  readonly end: Offset
  /** The partition at `end`, for `PartitionRow.state`. */
  readonly state: Buffer
}

/** A partition that this session leads. */
export interface FlushedPartition {
  /** `topic-partition`, for reports. */
  readonly name: string
  readonly key: PartitionKey
  readonly config: TopicConfig
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  /**
   * Whether rows of it may be written by this session: not once it was deleted or is being given away. Asked within `make` of a frame, for every
   * kind of row.
   */
  readonly writable: boolean
  /** Why it is not this session's any more. */
  readonly gone: string | null
  /** Bytes in no piece. */
  readonly unflushedBytes: number
  /** All below is in pieces. */
  readonly flushedEnd: Offset
  /** `PartitionRow.fromSeq`, as it was written last; 0: its row is in another session. What the stream has below all of these is of no more use. */
  fromSeq: number
  /** In order, contiguous, up to `flushedEnd`. */
  readonly segments: readonly SegmentRow[]
  /** null: all is flushed. */
  takeForFlush(): ForFlush | null
  /**
   * Within `make` of a frame: the row for what was taken; with null for a partition of which all is flushed, so that it holds back no frames (null
   * if something is unflushed, or nothing would change).
   */
  rowAt(seq: number, flush: ForFlush | null): PartitionRow | null
  /** The frame with this row was committed, and with it these rows of its piece. */
  flushed(row: PartitionRow, rows: readonly SegmentRow[]): void
  /** A frame that did this was committed. `removed` are neighbours; what is added covers the same offsets, or nothing where they lie below the log start. */
  replaceSegments(removed: readonly SegmentRow[], added: readonly SegmentRow[]): void
  /** Durable when resolved; then the segments below may be removed. */
  moveLogStart(offset: Offset): Promise<void>
  /** Nothing is appended, and upkeep leaves it alone, until it is thawed. */
  freeze(): void
  thaw(): void
  /** Resolves when all that was appended is committed. Rejects when the session ends before. */
  drained(): Promise<void>
  /** All that is in no piece, for a frame that begins, or ends, what the stream has of it. */
  carried(released: boolean): CarriedShare
  expireProducers(history: ClockHistory): void
  lastRecords(): LastRecord[]
}

/** What upkeep needs of SessionJournal. */
export interface RowJournal {
  readonly session: number
  readonly ended: string | null
  /** Of the frame that was handed over last. */
  readonly lastSeq: number
  /** Those of the cluster, with this one. */
  readonly liveBrokers: number
  /** Of batches, so far; and of these, in objects. */
  readonly counts: { readonly bytes: number; readonly objectBytes: number }
  write(kind: FrameKind, carried: readonly CarriedShare[], make: (seq: number) => Writes): Promise<'committed' | 'metadata-taken'>
}

export function keyOfRow({ topicId, partition, baseOffset }: SegmentRow): SegmentKey {
  return { topicId, partition, baseOffset }
}
