/** A piece: a sealed, immutable stretch of a partition's log in an object. A SegmentRow says where it lies. */
import { KafkaError, type Offset, type Uuid } from '../../../protocol.ts'
import { ObjectError, type SegmentRow } from '../../../store.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'

/** Which offsets of which partition. [baseOffset, endOffset) touches the neighbours of the piece. */
export interface PieceRange {
  readonly topicId: Uuid
  readonly partition: number
  readonly baseOffset: Offset
  readonly endOffset: Offset
}

/** What is to be written as a piece. After compaction there may be holes between the batches, or no batch at all. */
export interface Piece extends PieceRange {
  /** Buffers of one or more whole batches, in order. They must not change before the write settles. */
  readonly batches: readonly Buffer[]
  /** The aborted transactions whose markers are in these batches, by the offset of the marker. */
  readonly aborted: readonly AbortedTransaction[]
  /**
   * The first offset of the oldest transaction that is open at `endOffset`; `endOffset` if there is none. So a reader of what is below knows
   * that no later piece has a marker for it.
   */
  readonly lastStableOffset: Offset
}

/** Whole batches, in order. The buffers are views of what is cached: nobody may write to them. */
export interface PieceSlice {
  readonly chunks: Buffer[]
  readonly bytes: number
  /**
   * Where to go on: behind the last batch; the end of the piece (or `end`, if that is lower) when it has no more batches; the offset that was asked
   * for when its batch does not fit, or does not end below `end`.
   */
  readonly next: Offset
}

/** Of what was to be written, this piece cannot be made, and it is not the fault of the object store: the others can be written without it. */
export class PieceFault extends Error {
  readonly piece: Piece

  constructor(piece: Piece, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.piece = piece
  }
}

/** The object cannot be had, or is not what was written. */
export function storageError(row: SegmentRow, why: unknown): KafkaError {
  if (why instanceof KafkaError) return why
  const reason = why instanceof ObjectError ? `${why.code}: ${why.message}` : why instanceof Error ? why.message : String(why)
  const where = `partition ${row.topicId}-${row.partition}, offsets ${row.baseOffset} to ${row.endOffset}`
  return new KafkaError('KAFKA_STORAGE_ERROR', `The object ${row.object} (${where}) cannot be read: ${reason}`)
}
