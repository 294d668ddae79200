/**
 * One segment of a partition: `<base offset>.log` and its `.index`, `.timeindex` and `.txnindex`, in Kafka's own formats.
 *
 * Hides the index files (when entries are added, written, and rebuilt after a power cut has damaged them), the file handles, and how an
 * offset or a timestamp maps to a position. A segment never decides what to write: {@link Segment.place} assigns a position in memory when a
 * batch is appended; its bytes may reach the file much later (`writeSync`, `write`), and index entries with `flushIndexes`.
 */
import { DiskError, type FileHandle, type FileSystem, type Int64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import type { AbortedTransaction } from './aborted-entries.ts'
import { FileHandles } from './file-handles.ts'
import { DamagedIndex, IndexMemory } from './index-file.ts'
import { type IndexPaths, SegmentIndexes } from './segment-indexes.ts'
import { type ScanEnd, scanBatches, type Visit } from './segment-scan.ts'
import { emptyState, isFull, type RollLimits, type SegmentState } from './segment-state.ts'
import type { IndexedTimestamp } from './time-index.ts'
import { TransactionIndex } from './transaction-index.ts'

/** What all segments of a broker share. */
export interface SegmentContext {
  files: FileSystem
  handles: FileHandles
  indexes: IndexMemory
}

export function segmentContext(files: FileSystem, limits: { openFiles: number; indexBytes: number }): SegmentContext {
  return { files, handles: new FileHandles(files, limits.openFiles), indexes: new IndexMemory(limits.indexBytes) }
}

/** Kinds of files that a segment has; all but the first can be rebuilt from it. */
export const segmentSuffixes = ['.log', '.index', '.timeindex', '.txnindex'] as const
type Kind = (typeof segmentSuffixes)[number]
type Ending = '' | '.cleaned' | '.swap' | '.deleted'

/** Offsets in index entries are relative to the base offset, in 31 bits. */
const maxRelativeOffset = 2 ** 31 - 1
const rememberedPositions = 8
const entriesWorthWriting = 64
/** A sealed segment's index that leaves so many batches to walk over has lost entries. */
const mostBatchesToWalk = 10_000

/** Kafka's file name: the base offset in 20 digits. */
export function segmentName(baseOffset: Offset): string {
  return String(baseOffset).padStart(20, '0')
}

export class Segment {
  readonly baseOffset: Offset
  /** Of the `.log`. */
  path: string
  readonly transactions: TransactionIndex
  readonly #context: SegmentContext
  /** Wall clock when this process made or opened it. */
  readonly #createdMs: number
  /** When this process last placed a batch without a timestamp; -1: never. */
  #untimedMs = -1
  readonly #stem: string
  readonly #endings = new Map<Kind, Ending>()
  #indexes: SegmentIndexes
  #reindexing: Promise<void> | null = null
  /** null: nothing known yet of an existing segment. */
  #state: SegmentState | null
  /** Of a segment that was only opened, once it is known that its index does not lack the newest. */
  #newest: IndexedTimestamp | null = null
  #proving: Promise<void> | null = null
  /** Nothing is appended any more. */
  #isSealed: boolean
  #isMade: boolean
  #isClosed = false
  /** Of a sealed segment that was only opened; -1 until asked for. */
  #sealedSize = -1
  #sealedFirstTimestamp: Int64 | null = null
  /** Offset, position, offset, … of batches that readers will ask for next. */
  #remembered: number[] | null = null

  private constructor(context: SegmentContext, directory: string, baseOffset: Offset, ending: Ending, isNew: boolean, nowMs: number) {
    this.baseOffset = baseOffset
    this.#context = context
    this.#createdMs = nowMs
    for (const kind of segmentSuffixes) this.#endings.set(kind, ending)
    this.#stem = `${directory}/${segmentName(baseOffset)}`
    this.path = this.#pathOf('.log')
    this.#indexes = new SegmentIndexes(context, this.#indexPaths(), baseOffset, isNew)
    this.transactions = new TransactionIndex(context, this.#pathOf('.txnindex'), baseOffset, isNew)
    this.#state = isNew ? emptyState(baseOffset) : null
    this.#isSealed = this.#isMade = !isNew
  }

  /** A new segment. No file is made until something is written; `makeFile` makes an empty one. */
  static create(context: SegmentContext, directory: string, baseOffset: Offset, nowMs: number, ending: Ending = ''): Segment {
    return new Segment(context, directory, baseOffset, ending, true, nowMs)
  }

  /**
   * A segment whose files exist. Nothing is read: sealed segments are read when used. For the active one, then call `adopt`
   * (a checkpoint knows it) or `recover` (nothing is known). `size` of the .log, as far as known: a partition may have ten thousand
   * segments, which need not be opened just for that.
   */
  static open(context: SegmentContext, directory: string, baseOffset: Offset, nowMs: number, ending: Ending = '', size = -1): Segment {
    const segment = new Segment(context, directory, baseOffset, ending, false, nowMs)
    segment.#sealedSize = size
    return segment
  }

  /** End of the placed bytes; the file may still be shorter. */
  get size(): number {
    if (this.#state !== null) return this.#state.size
    if (this.#sealedSize < 0) this.#sealedSize = this.fileSize()
    return this.#sealedSize
  }

  /** Base offset - 1 when empty. Only known after placing, `adopt` or `recover`. */
  get lastOffset(): Offset {
    return this.#known().lastOffset
  }

  /** -1 when no batch has one. Of a segment just opened, what its time index says: it may be too small, until `prove` was called. */
  get maxTimestamp(): Int64 {
    return this.#state?.maxTimestamp ?? (this.#newest ?? this.#indexes.newest()).timestamp
  }

  /** Whether `maxTimestamp` is certain. */
  get isProven(): boolean {
    return this.#state !== null || this.#newest !== null
  }

  /** Largest timestamp of the first batch; -1 when there is none. Read from the file for a segment just opened. */
  get firstTimestamp(): Int64 {
    if (this.#state !== null) return this.#state.firstTimestamp
    if (this.#sealedFirstTimestamp === null) {
      const bytes = Buffer.alloc(header.batchHeaderSize)
      this.#sealedFirstTimestamp = this.readSync(bytes, 0) < bytes.length ? -1 : header.maxTimestamp(bytes, 0)
    }
    return this.#sealedFirstTimestamp
  }

  /** Size of the larger of the two indexes. */
  get indexBytes(): number {
    return this.#indexes.bytes
  }

  /** A batch without a timestamp (-1) was appended, so its age counts from now. */
  noteUntimed(nowMs: number): void {
    this.#untimedMs = nowMs
  }

  /** How young its youngest record is. When no record has a time, as in Kafka the file's age says, which outlives the process. */
  newestMs(): Int64 {
    const { maxTimestamp } = this
    if (this.#untimedMs > maxTimestamp) return this.#untimedMs
    return maxTimestamp >= 0 ? maxTimestamp : (this.#context.files.stat(this.path)?.modifiedMs ?? this.#createdMs)
  }

  // ---- placing: synchronous, memory only ----

  /** Does what may fail about placing batches up to this offset. Throws DiskError where an index has to be read and cannot be. */
  prepare(lastOffset: Offset): void {
    if (lastOffset - this.baseOffset > maxRelativeOffset) throw new Error(`offset ${lastOffset} in the segment of ${this.baseOffset}`)
    this.#indexes.prepare()
  }

  /** Gives the batch its position; makes an index entry every `indexIntervalBytes`. */
  place(batch: BatchInfo, indexIntervalBytes: number): number {
    this.prepare(batch.lastOffset)
    const state = this.#known()
    const position = state.size
    this.#indexes.place(state, batch, indexIntervalBytes)
    return position
  }

  /** A copy of the counters: to be given to `rollback`, or kept in a checkpoint (then call `flushIndexes` first). */
  state(): SegmentState {
    return { ...this.#known() }
  }

  /** For a checkpoint: counts only index entries that are in the files. Few are not worth two files; a thinner index means a longer walk. */
  checkpoint(): SegmentState {
    const state = this.#known()
    if (state.offsetEntries - this.#indexes.written.offsetEntries >= entriesWorthWriting) this.flushIndexes()
    else this.transactions.flush()
    return { ...state, ...this.#indexes.written }
  }

  /** Forgets all placements since `state` was taken. The .log file itself is left alone. */
  rollback(state: SegmentState): void {
    this.#state = { ...state }
    this.#indexes.rollback(state)
    this.transactions.truncateToCount(state.abortedTransactions)
    this.#remembered = null
  }

  /** Must this batch begin a new segment? */
  mustRoll(batch: BatchInfo, nowMs: number, limits: RollLimits): boolean {
    if (batch.lastOffset - this.baseOffset > maxRelativeOffset) return true
    return isFull(this.#known(), batch, this.#createdMs, nowMs, limits)
  }

  // ---- bytes ----

  /** Makes the `.log` file, empty, where it is missing: so that an empty segment's base offset survives. */
  makeFile(): void {
    this.#file()
  }

  /** Makes all four files, so that renaming them replaces all four of another segment (the cleaner's output). */
  makeAllFiles(): void {
    for (const kind of segmentSuffixes) this.#context.handles.create(this.#pathOf(kind))
    this.#isMade = true
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#file().writeSync(buffers, position)
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.#file()
    return this.#context.handles.with(this.path, file => file.write(buffers, position))
  }

  readSync(buffer: Uint8Array, position: number): number {
    return this.#file().readSync(buffer, position)
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    this.#file()
    return this.#context.handles.with(this.path, file => file.read(buffer, position))
  }

  /** Bytes in the .log file now. */
  fileSize(): number {
    return this.#isMade ? this.#file().size() : 0
  }

  /** Truncates the .log file (partly written bytes after an error, or bytes that recovery rejects); does not change placements. */
  truncateFile(size: number): void {
    this.#file().truncate(size)
  }

  /** The .log survives a power cut afterwards. */
  async datasync(): Promise<void> {
    this.#file()
    await this.#context.handles.with(this.path, file => file.datasync())
  }

  // ---- looking up ----

  /** A sequential reader stopped here: the batch that begins with `offset` lies, or will lie, at `position`. */
  remember(offset: Offset, position: number): void {
    const remembered = (this.#remembered ??= [])
    for (let at = 0; at < remembered.length; at += 2) if (remembered[at] === offset) return
    if (remembered.length === 2 * rememberedPositions) remembered.splice(0, 2)
    remembered.push(offset, position)
  }

  /**
   * Position of the batch that holds `offset`, or of the first one after it; the file's end when there is none. At once when
   * remembered. All bytes from the index entry before `offset` on must be in the file. Rejects when they are damaged.
   */
  positionOf(offset: Offset): number | Promise<number> {
    const remembered = this.#remembered
    if (remembered !== null) for (let at = 0; at < remembered.length; at += 2) if (remembered[at] === offset) return remembered[at + 1]!
    return this.#search(offset)
  }

  /** Where to begin looking for a record at or after `from` that is at least so new. */
  async positionForTimestamp(timestamp: Int64, from: Offset): Promise<number> {
    const before = await this.#ask(indexes => indexes.offsetBefore(timestamp), this.baseOffset)
    return await this.positionOf(Math.max(before, from))
  }

  /**
   * Afterwards `maxTimestamp` is certain. A power cut may take the end of a time index, or all of it; so the batches after the last one
   * that it knows are checked, once, and the index is rebuilt if one of them is newer. Rejects if the log is damaged.
   */
  async prove(): Promise<void> {
    if (this.isProven) return
    this.#proving ??= this.#prove().finally(() => {
      this.#proving = null
    })
    await this.#proving
  }

  /** Walks batches from a position (of a batch) to the end of what is in the file, or to `to`. */
  scan(from: number, what: 'whole' | 'headers', visit: Visit, to?: number): Promise<ScanEnd> {
    return scanBatches(this, { from, to: to ?? this.fileSize(), what, minOffset: this.baseOffset }, visit)
  }

  addAbortedTransaction(aborted: AbortedTransaction): void {
    this.transactions.append(aborted)
    this.#known().abortedTransactions++
  }

  // ---- coming to know an existing segment ----

  /**
   * Continues from a checkpoint. Index entries beyond it are dropped. False if the transaction index does not match it.
   * `intact`: the machine has run on since, so that the other two need not be looked at.
   */
  async adopt(state: SegmentState, intact: boolean, abortedChecksum: number | null = null): Promise<boolean> {
    if (!(await this.transactions.adopt(state.abortedTransactions, abortedChecksum))) return false
    this.#isSealed = false
    this.#state = { ...state }
    this.#indexes.adopt(state)
    if (intact) return true
    try {
      await this.#indexes.check()
    } catch (error) {
      if (!isUnusable(error)) throw error
      await this.#reindex()
    }
    return true
  }

  /**
   * Reads and checks every batch, and rebuilds the indexes; the caller adds aborted transactions as it meets them. Afterwards the
   * segment ends where the walk did; whether to cut the file there is the caller's decision.
   */
  async recover(indexIntervalBytes: number, onBatch: (batch: BatchInfo, buffer: Buffer, at: number) => void): Promise<ScanEnd> {
    const state = emptyState(this.baseOffset)
    this.#isSealed = false
    this.#state = state
    this.#indexes = new SegmentIndexes(this.#context, this.#indexPaths(), this.baseOffset, true)
    this.transactions.truncateToCount(0)
    const info = emptyBatchInfo()
    return await this.scan(0, 'whole', (buffer, at) => {
      readBatchInfo(buffer, at, info)
      if (info.lastOffset - this.baseOffset > maxRelativeOffset) return false
      this.place(info, indexIntervalBytes)
      onBatch(info, buffer, at)
      return undefined
    })
  }

  // ---- life ----

  /** Writes the index entries that are not in the files yet. Cheap when there are none. Throws DiskError, but only for the transaction index. */
  flushIndexes(): void {
    this.#indexes.flush()
    this.transactions.flush()
  }

  /** No more batches will come: the largest timestamp gets its entry, the indexes are written and leave memory. Throws like `flushIndexes`. */
  seal(): void {
    this.#indexes.seal(this.#known())
    this.transactions.seal()
    this.#isSealed = true
  }

  /** The .log and the index files survive a power cut afterwards (a cleaned segment, before it takes the place of others). */
  async datasyncAll(): Promise<void> {
    for (const kind of segmentSuffixes)
      if (this.#context.files.exists(this.#pathOf(kind))) await this.#context.handles.with(this.#pathOf(kind), file => file.datasync())
  }

  /**
   * Renames all files: to `.deleted` before removal, through `.swap` after cleaning. Reads that run are not disturbed. The .log goes
   * first on its way out and last on its way in: where it is, the others are. If it throws, it can be called again to continue.
   */
  renameTo(ending: '' | '.swap' | '.deleted'): void {
    for (const kind of ending === '.deleted' ? segmentSuffixes : segmentSuffixes.toReversed()) {
      if (this.#endings.get(kind) === ending) continue
      const from = this.#pathOf(kind)
      this.#context.handles.forget(from)
      if (this.#context.files.exists(from)) this.#context.files.rename(from, `${this.#stem}${kind}${ending}`)
      this.#endings.set(kind, ending)
      if (kind === '.log') this.path = this.#pathOf(kind)
      else if (kind === '.txnindex') this.transactions.path = this.#pathOf(kind)
      else this.#indexes.renamed(kind, this.#pathOf(kind))
    }
  }

  /** The producer snapshot taken at this segment's base offset goes with it. */
  removeSnapshot(): void {
    const path = `${this.#stem}.snapshot`
    if (this.#context.files.exists(path)) this.#context.files.remove(path)
  }

  /** Undoes `makeFile`. */
  unmakeFile(): void {
    this.close()
    if (this.#context.files.exists(this.path)) this.#context.files.remove(this.path)
  }

  /** Harmless to repeat. */
  async removeFiles(): Promise<void> {
    this.close()
    for (const kind of segmentSuffixes) await this.#context.files.removeFile(this.#pathOf(kind))
  }

  /** Closes files and gives memory back; writes nothing. It cannot be used afterwards: its names may belong to others by then. */
  close(): void {
    this.#isClosed = true
    this.#indexes.unload()
    this.transactions.unload()
    for (const kind of segmentSuffixes) this.#context.handles.forget(this.#pathOf(kind))
  }

  #pathOf(kind: Kind): string {
    return `${this.#stem}${kind}${this.#endings.get(kind)}`
  }

  #indexPaths(): IndexPaths {
    return { index: this.#pathOf('.index'), timeindex: this.#pathOf('.timeindex') }
  }

  /** The .log, made when this is the first use. */
  #file(): FileHandle {
    if (this.#isClosed) throw new Error(`${this.path} was closed`)
    if (this.#isMade) return this.#context.handles.get(this.path)
    const file = this.#context.handles.create(this.path)
    this.#isMade = true
    return file
  }

  #known(): SegmentState {
    if (this.#state === null) throw new Error(`${this.path} was opened but neither adopted nor recovered`)
    return this.#state
  }

  async #search(offset: Offset): Promise<number> {
    const from = await this.#ask(indexes => indexes.positionBefore(offset), 0)
    let isPast = false
    let batches = 0
    const visit: Visit = (buffer, at, position) => {
      if (position === from) isPast = header.baseOffset(buffer, at) > offset
      batches++
      return header.lastOffset(buffer, at) >= offset ? false : undefined
    }
    const end = await this.scan(from, 'headers', visit)
    const isRight = end.problem === null && (from === 0 || !isPast)
    if (this.#isSealed && (!isRight || batches > mostBatchesToWalk)) await this.#reindex()
    if (isRight) return end.position
    // A damaged index may point anywhere: then the way from the beginning still works.
    const again = await this.scan(0, 'headers', visit)
    if (again.problem !== null) throw new Error(`${this.path}: ${again.problem} at position ${again.position}`)
    return again.position
  }

  /** The result of an index look-up, or `unknown` if the index cannot be trusted. The index of a sealed segment is then rebuilt. */
  async #ask<T>(question: (indexes: SegmentIndexes) => Promise<T>, unknown: T): Promise<T> {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        return await question(this.#indexes)
      } catch (error) {
        if (!isUnusable(error)) throw error
        if (!this.#isSealed) break
        await this.#reindex()
      }
    }
    return unknown
  }

  async #prove(): Promise<void> {
    const claimed = this.#indexes.newest()
    const from = claimed.timestamp < 0 ? 0 : await this.positionOf(claimed.offset)
    let isRight = claimed.timestamp < 0
    const end = await this.scan(from, 'headers', (buffer, at, position) => {
      const timestamp = header.maxTimestamp(buffer, at)
      if (position === from && !isRight) isRight = timestamp === claimed.timestamp && header.lastOffset(buffer, at) === claimed.offset
      else isRight = timestamp <= claimed.timestamp
      return isRight ? undefined : false
    })
    if (end.problem !== null) throw new Error(`${this.path}: ${end.problem} at position ${end.position}`)
    if (isRight) this.#newest = claimed
    else await this.#reindex()
  }

  #reindex(): Promise<void> {
    this.#reindexing ??= this.#makeIndexes().finally(() => {
      this.#reindexing = null
    })
    return this.#reindexing
  }

  /** Up to where a checkpoint, or the file, says that the segment ends. Nothing is appended meanwhile. */
  async #makeIndexes(): Promise<void> {
    const { path } = this
    const { indexes, state } = await SegmentIndexes.make(this.#context, this.#indexPaths(), this.baseOffset, this, this.size)
    if (this.#state === null) this.#newest = { timestamp: state.maxTimestamp, offset: state.maxTimestampOffset }
    // Meanwhile its names may have become another segment's.
    if (this.#isClosed || this.path !== path) return
    // Without room on the disk the way from the beginning has to do.
    if (!(this.#isSealed ? indexes.seal(state) : indexes.flush())) return
    this.#indexes.unload()
    this.#indexes = indexes
    if (this.#state !== null) Object.assign(this.#state, indexes.written)
  }
}

/** Whether an index could not be read, or is damaged. */
function isUnusable(error: unknown): boolean {
  return error instanceof DamagedIndex || error instanceof DiskError
}
