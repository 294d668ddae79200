/**
 * The two indexes of a segment that can be rebuilt from its log at any time: where to start searching for an offset, and for a timestamp.
 *
 * An index may have fewer entries than possible, which only makes the scan from the indexed position longer. So nothing fails because the disk
 * does not take them. But an index must not point too far, or name a wrong largest timestamp. {@link IndexFile} describes how a file is checked.
 */
import { DiskError, type Int64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { type BatchInfo, emptyBatchInfo } from '../partition/batch-info.ts'
import type { FileHandles } from './file-handles.ts'
import type { IndexMemory } from './index-file.ts'
import { OffsetIndex, offsetEntryBytes } from './offset-index.ts'
import { type Readable, scanBatches } from './segment-scan.ts'
import { countBatch, emptyState, type SegmentState } from './segment-state.ts'
import { type IndexedTimestamp, TimeIndex, timeEntryBytes } from './time-index.ts'

export interface IndexContext {
  handles: FileHandles
  indexes: IndexMemory
}

export interface IndexPaths {
  index: string
  timeindex: string
}

/** Rebuilt entries have Kafka's default distance. */
const indexIntervalBytes = 4096
/** Large enough that scanning a whole segment is cheap, whatever the size of its batches. */
const walkWindowBytes = 64 << 10
const unknown = -2

export class SegmentIndexes {
  readonly #offsets: OffsetIndex
  readonly #times: TimeIndex
  readonly #baseOffset: Offset
  /** Largest timestamp in the time index; `unknown` until it is needed. */
  #indexedTimestamp: Int64

  constructor(context: IndexContext, paths: IndexPaths, baseOffset: Offset, isNew: boolean) {
    const { handles, indexes } = context
    this.#baseOffset = baseOffset
    this.#offsets = new OffsetIndex(paths.index, baseOffset, isNew, handles, indexes)
    this.#times = new TimeIndex(paths.timeindex, baseOffset, isNew, handles, indexes)
    this.#indexedTimestamp = isNew ? -1 : unknown
  }

  /** Rebuilt from the headers of the first `size` bytes of the log; not yet written. Rejects if these are damaged. */
  static async make(context: IndexContext, paths: IndexPaths, baseOffset: Offset, log: Readable, size: number) {
    const indexes = new SegmentIndexes(context, paths, baseOffset, true)
    const state = emptyState(baseOffset)
    const info = emptyBatchInfo()
    const range = { from: 0, to: size, what: 'headers', minOffset: baseOffset, windowBytes: walkWindowBytes } as const
    const end = await scanBatches(log, range, (buffer, at) => {
      info.lastOffset = header.lastOffset(buffer, at)
      info.maxTimestamp = header.maxTimestamp(buffer, at)
      info.sizeBytes = header.sizeBytes(buffer, at)
      indexes.place(state, info, indexIntervalBytes)
      return undefined
    })
    if (end.problem !== null) throw new Error(`${end.problem} at position ${end.position}`)
    return { indexes, state }
  }

  /** Size of the larger of the two. */
  get bytes(): number {
    return Math.max(this.#offsets.file.count * offsetEntryBytes, this.#times.file.count * timeEntryBytes)
  }

  /** Entries that are in the files. */
  get written(): { offsetEntries: number; timeEntries: number } {
    return { offsetEntries: this.#offsets.file.written, timeEntries: this.#times.file.written }
  }

  /** Reads what `place` needs to know of the files. */
  prepare(): void {
    if (this.#indexedTimestamp === unknown) this.#indexedTimestamp = this.newest().timestamp
  }

  /** Places the batch at the end of what `state` counts; makes entries when they are due. */
  place(state: SegmentState, batch: BatchInfo, indexIntervalBytes: number): void {
    const position = state.size
    if (!countBatch(state, batch, indexIntervalBytes)) return
    this.#offsets.append(batch.lastOffset, position)
    state.offsetEntries++
    this.#addMaxTimestamp(state)
  }

  /** Where to begin looking for `offset`. Rejects with DamagedIndex. */
  positionBefore(offset: Offset): Promise<number> {
    return this.#offsets.lookup(offset)
  }

  /** No record before this offset is so new. Rejects with DamagedIndex. */
  offsetBefore(timestamp: Int64): Promise<Offset> {
    return this.#times.lookup(timestamp)
  }

  /** The largest timestamp that is indexed, and the last offset of the first batch that has it; -1 without any. */
  newest(): IndexedTimestamp {
    return this.#times.last()
  }

  /** Applies a checkpoint: this many entries of the files are valid. */
  adopt(state: SegmentState): void {
    this.#offsets.file.adopt(state.offsetEntries)
    this.#times.file.adopt(state.timeEntries)
    this.#indexedTimestamp = unknown
  }

  rollback(state: SegmentState): void {
    this.#offsets.file.truncate(state.offsetEntries)
    this.#times.file.truncate(state.timeEntries)
    this.#indexedTimestamp = unknown
  }

  /** Writes the entries that are not in the files yet. Cheap when there are none. False if the disk refuses: then they stay in memory. */
  flush(): boolean {
    try {
      this.#offsets.file.flush()
      this.#times.file.flush()
      return true
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      return false
    }
  }

  /** The largest timestamp gets its entry; all is written, and leaves memory. False as from `flush`. */
  seal(state: SegmentState): boolean {
    this.#addMaxTimestamp(state)
    const isWritten = this.flush()
    this.unload()
    return isWritten
  }

  /** Reads both files. Rejects with DamagedIndex. */
  async check(): Promise<void> {
    await this.#offsets.file.check()
    await this.#times.file.check()
  }

  unload(): void {
    this.#offsets.file.unload()
    this.#times.file.unload()
  }

  renamed(kind: '.index' | '.timeindex', path: string): void {
    const { file } = kind === '.index' ? this.#offsets : this.#times
    file.path = path
  }

  #addMaxTimestamp(state: SegmentState): void {
    this.prepare()
    if (state.maxTimestamp <= this.#indexedTimestamp) return
    // (0, 0) cannot be distinguished from Kafka's preallocated space, and contains no information.
    if (state.maxTimestamp === 0 && state.maxTimestampOffset === this.#baseOffset) return
    this.#times.append(state.maxTimestamp, state.maxTimestampOffset)
    this.#indexedTimestamp = state.maxTimestamp
    state.timeEntries++
  }
}
