/**
 * One segment of a partition: `<base offset>.log` and its `.index`, `.timeindex` and `.txnindex`, in Kafka's own formats.
 *
 * Hides the index files (when entries are made, loaded, dropped from memory and written), the file handles, and how an offset or a
 * timestamp becomes a position. A segment never decides what to write: positions are given out by {@link Segment.place} when a batch
 * is appended, in memory; its bytes may reach the file much later, in any order, by {@link Segment.writeSync} or
 * {@link Segment.write}; the entries of the indexes follow by {@link Segment.flushIndexes}.
 */
import type { FileSystem } from '../base.ts'
import type { Offset } from '../protocol.ts'
import type { BatchInfo } from './batch-info.ts'
import type { FileHandles } from './file-handles.ts'
import type { AbortedTransaction } from './transaction-index.ts'

/** What all segments of a broker share. */
export interface SegmentContext {
  files: FileSystem
  handles: FileHandles
}

/** Enough to go on with an active segment after a restart without reading it, and to undo placements. Plain numbers. */
export interface SegmentState {
  size: number
  /** Largest offset in the segment; base offset - 1 when it is empty. */
  lastOffset: Offset
  /** -1 when empty. `maxTimestampOffset` is the last offset of the batch that has it. */
  maxTimestamp: number
  maxTimestampOffset: Offset
  /** Largest timestamp of the first batch, for segment.ms; -1 when empty. */
  firstTimestamp: number
  bytesSinceIndexEntry: number
  offsetEntries: number
  timeEntries: number
}

export interface RollLimits {
  segmentBytes: number
  segmentMs: number
  segmentIndexBytes: number
}

/** The public face of class Segment (see below in this file once implemented; `createSegment` and `openSegment` make one). */
export interface SegmentShape {
  readonly baseOffset: Offset
  /** Path of the `.log`. */
  readonly path: string
  /** End of the placed bytes; what is in the file may be less until flushed. */
  readonly size: number
  /** Base offset - 1 when empty. */
  readonly lastOffset: Offset

  // placing (synchronous, memory only)
  /** Takes the batch's place: returns its position; makes an index entry every indexIntervalBytes. */
  place(batch: BatchInfo, indexIntervalBytes: number): number
  /** A copy of the counters, to give back to `rollback` or to keep in a checkpoint (then call flushIndexes first). */
  state(): SegmentState
  /** Forgets all placements since `state` was taken; does not touch the .log file. */
  rollback(state: SegmentState): void
  /** Kafka's LogSegment.shouldRoll, jitter ignored: a new segment must begin before this batch. */
  mustRoll(batch: BatchInfo, nowMs: number, limits: RollLimits): boolean

  // bytes
  writeSync(buffers: readonly Uint8Array[], position: number): void
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  readSync(buffer: Uint8Array, position: number): number
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Bytes in the .log file now. */
  fileSize(): number
  /** Cuts the .log file itself (half-written bytes after an error, or what recovery does not believe). */
  truncateFile(size: number): void
  /** Survives a power cut afterwards: the .log; with `indexes` those too. */
  datasync(): Promise<void>

  // looking up
  /** A sequential reader says where it stopped: the batch that begins with `offset` lies at `position`. */
  remember(offset: Offset, position: number): void
  /** Position of the batch that holds `offset` (or the first after it; `size` at the end); at once when remembered. Only bytes in the file count: below `fileSize()`. */
  positionOf(offset: Offset): number | Promise<number>
  /** Aborted transactions of this segment's index. */
  abortedTransactions(): readonly AbortedTransaction[]
  addAbortedTransaction(aborted: AbortedTransaction): void

  // life
  /** Writes index entries not yet in the files. Cheap when there are none. */
  flushIndexes(): void
  /** No more batches: last time index entry, indexes written; they leave memory under LRU. */
  seal(): void
  /** Cuts everything at and above `offset`, in file, indexes and memory; reads headers. */
  truncateTo(offset: Offset, indexIntervalBytes: number): void
  /** Renames all files to `.deleted`; call `removeFiles` after file.delete.delay.ms. Readers with open handles are not disturbed. */
  renameDeleted(): void
  removeFiles(): void
  close(): void
}
