/**
 * One segment of a partition: `<base offset>.log` and its `.index`, `.timeindex` and `.txnindex`, in Kafka's own formats.
 *
 * Hides the index files (when entries are made, loaded, dropped from memory and written), the file handles, and how an offset or a
 * timestamp becomes a position. A segment never decides what to write: positions are given out by {@link Segment.place} when a batch
 * is appended, in memory; its bytes may reach the file much later, by {@link Segment.writeSync} or {@link Segment.write}; the entries of
 * the indexes follow by {@link Segment.flushIndexes}.
 */
import { assert, type FileSystem, type Int64, millisSince } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { FileHandles } from './file-handles.ts'
import { IndexMemory } from './index-file.ts'
import { OffsetIndex, offsetEntryBytes } from './offset-index.ts'
import { type ScanEnd, scanBatches, type Visit } from './segment-scan.ts'
import { TimeIndex, timeEntryBytes } from './time-index.ts'
import { type AbortedTransaction, TransactionIndex } from './transaction-index.ts'

/** What all segments of a broker share. */
export interface SegmentContext {
  files: FileSystem
  handles: FileHandles
  indexes: IndexMemory
}

export function segmentContext(files: FileSystem, limits: { openFiles: number; indexBytes: number }): SegmentContext {
  return { files, handles: new FileHandles(files, limits.openFiles), indexes: new IndexMemory(limits.indexBytes) }
}

/** Enough to go on with an active segment after a restart without reading it, and to undo placements. */
export interface SegmentState {
  size: number
  /** Largest offset in the segment; base offset - 1 when it is empty. */
  lastOffset: Offset
  /** -1 without one. `maxTimestampOffset` is the last offset of the first batch that has it. */
  maxTimestamp: Int64
  maxTimestampOffset: Offset
  /** Largest timestamp of the first batch, for segment.ms; -1 when empty. */
  firstTimestamp: Int64
  bytesSinceIndexEntry: number
  offsetEntries: number
  timeEntries: number
  abortedTransactions: number
}

export interface RollLimits {
  segmentBytes: number
  segmentMs: number
  segmentIndexBytes: number
}

/** Kinds of files that a segment has; all but the first can be rebuilt from it. */
export const segmentSuffixes = ['.log', '.index', '.timeindex', '.txnindex'] as const

/** Offsets in index entries are relative to the base offset, in 31 bits. */
const maxRelativeOffset = 2 ** 31 - 1
const rememberedPositions = 8
const entriesWorthWriting = 64

/** Kafka's file name: the base offset in 20 digits. */
export function segmentName(baseOffset: Offset): string {
  return String(baseOffset).padStart(20, '0')
}

export class Segment {
  readonly baseOffset: Offset
  /** Of the `.log`. */
  path: string
  readonly #context: SegmentContext
  readonly #createdMs: number
  readonly #offsets: OffsetIndex
  readonly #times: TimeIndex
  readonly transactions: TransactionIndex
  /** Directory and name without a kind. */
  readonly #stem: string
  /** After the kind: `.cleaned`, `.swap`, `.deleted` or nothing. */
  #ending: string
  /** null: nothing known yet of an existing segment. */
  #state: SegmentState | null
  /** Largest timestamp in the time index; NaN until it is needed. */
  #indexedTimestamp: Int64
  #removed = false
  /** Of a sealed segment that was only opened; -1 until asked for. */
  #sealedSize = -1
  #sealedFirstTimestamp: Int64 = Number.NaN
  /** Offset, position, offset, … of batches that readers will ask for next. */
  #remembered: number[] | null = null

  private constructor(context: SegmentContext, directory: string, baseOffset: Offset, ending: string, isNew: boolean, nowMs: number) {
    this.baseOffset = baseOffset
    this.#context = context
    this.#createdMs = nowMs
    this.#ending = ending
    this.#stem = `${directory}/${segmentName(baseOffset)}`
    this.path = this.#pathOf('.log')
    const { handles, indexes } = context
    this.#offsets = new OffsetIndex(this.#pathOf('.index'), baseOffset, isNew, handles, indexes)
    this.#times = new TimeIndex(this.#pathOf('.timeindex'), baseOffset, isNew, handles, indexes)
    this.transactions = new TransactionIndex(context, this.#pathOf('.txnindex'), baseOffset, isNew)
    this.#state = isNew ? emptyState(baseOffset) : null
    this.#indexedTimestamp = isNew ? -1 : Number.NaN
  }

  /** A new segment. No file is made until something is written; `makeFile` makes an empty one. */
  static create(context: SegmentContext, directory: string, baseOffset: Offset, nowMs: number, ending = ''): Segment {
    return new Segment(context, directory, baseOffset, ending, true, nowMs)
  }

  /**
   * A segment whose files exist. Nothing is read: sealed segments are read when used. For the active one, then call `adopt`
   * (a checkpoint knows it), `load` (it was closed cleanly) or `recover` (nothing is known).
   */
  static open(context: SegmentContext, directory: string, baseOffset: Offset, nowMs: number, ending = ''): Segment {
    return new Segment(context, directory, baseOffset, ending, false, nowMs)
  }

  /** End of the placed bytes; the file may still be shorter. */
  get size(): number {
    if (this.#state !== null) return this.#state.size
    if (this.#sealedSize < 0) this.#sealedSize = this.fileSize()
    return this.#sealedSize
  }

  /** Base offset - 1 when empty. Only known after placing, `adopt`, `load` or `recover`. */
  get lastOffset(): Offset {
    return this.#known().lastOffset
  }

  /** -1 when no batch has one. Read from the time index for a segment just opened. */
  get maxTimestamp(): Int64 {
    return this.#state?.maxTimestamp ?? this.#times.last().timestamp
  }

  /** Last offset of the first batch with the largest timestamp. */
  get maxTimestampOffset(): Offset {
    return this.#state?.maxTimestampOffset ?? this.#times.last().offset
  }

  /** Largest timestamp of the first batch; -1 when there is none. Read from the file for a segment just opened. */
  get firstTimestamp(): Int64 {
    if (this.#state !== null) return this.#state.firstTimestamp
    if (Number.isNaN(this.#sealedFirstTimestamp)) {
      const bytes = Buffer.alloc(header.batchHeaderSize)
      this.#sealedFirstTimestamp = this.readSync(bytes, 0) < bytes.length ? -1 : header.maxTimestamp(bytes, 0)
    }
    return this.#sealedFirstTimestamp
  }

  /** Size of the larger of the two indexes. */
  get indexBytes(): number {
    return Math.max(this.#offsets.file.count * offsetEntryBytes, this.#times.file.count * timeEntryBytes)
  }

  /** Wall clock when this process made or opened the segment: stands in for a missing timestamp. */
  get createdMs(): number {
    return this.#createdMs
  }

  // ---- placing: synchronous, memory only ----

  /** Gives the batch its position; makes an index entry every `indexIntervalBytes`. */
  place(batch: BatchInfo, indexIntervalBytes: number): number {
    const state = this.#known()
    const position = state.size
    if (batch.lastOffset - this.baseOffset > maxRelativeOffset)
      throw new Error(`offset ${batch.lastOffset} in the segment of ${this.baseOffset}`)
    if (position === 0) state.firstTimestamp = batch.maxTimestamp
    if (batch.maxTimestamp > state.maxTimestamp) {
      state.maxTimestamp = batch.maxTimestamp
      state.maxTimestampOffset = batch.lastOffset
    }
    if (state.bytesSinceIndexEntry > indexIntervalBytes) {
      this.#offsets.append(batch.lastOffset, position)
      state.offsetEntries++
      this.#indexMaxTimestamp(state)
      state.bytesSinceIndexEntry = 0
    }
    state.bytesSinceIndexEntry += batch.sizeBytes
    state.lastOffset = batch.lastOffset
    state.size = position + batch.sizeBytes
    return position
  }

  /** A copy of the counters: to be given to `rollback`, or kept in a checkpoint (then call `flushIndexes` first). */
  state(): SegmentState {
    return { ...this.#known() }
  }

  /** For a checkpoint: counts only index entries that are in the files. Few are not worth two files; a thinner index means a longer walk. */
  checkpoint(): SegmentState {
    const state = this.#known()
    if (state.offsetEntries - this.#offsets.file.written >= entriesWorthWriting) this.flushIndexes()
    else this.transactions.flush()
    return { ...state, offsetEntries: this.#offsets.file.written, timeEntries: this.#times.file.written }
  }

  /** Forgets all placements since `state` was taken. The .log file itself is left alone. */
  rollback(state: SegmentState): void {
    this.#state = { ...state }
    this.#offsets.file.truncate(state.offsetEntries)
    this.#times.file.truncate(state.timeEntries)
    this.transactions.truncateToCount(state.abortedTransactions)
    this.#indexedTimestamp = Number.NaN
    this.#remembered = null
  }

  /** Kafka's LogSegment.shouldRoll without jitter: must this batch begin a new segment? */
  mustRoll(batch: BatchInfo, nowMs: number, limits: RollLimits): boolean {
    const state = this.#known()
    if (state.size > limits.segmentBytes - batch.sizeBytes) return true
    if (batch.lastOffset - this.baseOffset > maxRelativeOffset) return true
    if (state.offsetEntries >= Math.floor(limits.segmentIndexBytes / offsetEntryBytes)) return true
    if (state.timeEntries >= Math.floor(limits.segmentIndexBytes / timeEntryBytes) - 1) return true
    return state.size > 0 && this.#waitedMs(batch.maxTimestamp, nowMs) > limits.segmentMs
  }

  // ---- bytes ----

  /** Makes the `.log` file, empty, where it is missing: so that an empty segment's base offset survives. */
  makeFile(): void {
    this.#context.handles.get(this.#usable())
  }

  /** Makes all four files, so that renaming them replaces all four of another segment (the cleaner's output). */
  makeAllFiles(): void {
    for (const kind of segmentSuffixes) this.#context.handles.get(this.#pathOf(kind))
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#context.handles.get(this.#usable()).writeSync(buffers, position)
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    return this.#context.handles.with(this.#usable(), file => file.write(buffers, position))
  }

  readSync(buffer: Uint8Array, position: number): number {
    return this.#context.handles.get(this.#usable()).readSync(buffer, position)
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    return this.#context.handles.with(this.#usable(), file => file.read(buffer, position))
  }

  /** Bytes in the .log file now. */
  fileSize(): number {
    return this.#context.handles.get(this.#usable()).size()
  }

  /** Cuts the .log file (half-written bytes after an error, or what recovery does not believe); placements are left alone. */
  truncateFile(size: number): void {
    this.#context.handles.get(this.#usable()).truncate(size)
  }

  /** The .log survives a power cut afterwards. */
  datasync(): Promise<void> {
    return this.#context.handles.with(this.#usable(), file => file.datasync())
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
  positionForTimestamp(timestamp: Int64, from: Offset): number | Promise<number> {
    return this.positionOf(Math.max(this.#times.lookup(timestamp), from))
  }

  /** Walks batches from a position (of a batch) to the end of what is in the file, or to `to`. */
  scan(from: number, what: 'whole' | 'headers', visit: Visit, to?: number): Promise<ScanEnd> {
    return scanBatches(this, { from, to: to ?? this.fileSize(), what, minOffset: this.baseOffset }, visit)
  }

  /** Aborted transactions whose markers are in this segment, by the markers' offsets. */
  abortedTransactions(): readonly AbortedTransaction[] {
    return this.transactions.all()
  }

  addAbortedTransaction(aborted: AbortedTransaction): void {
    this.transactions.append(aborted)
    this.#known().abortedTransactions++
  }

  // ---- coming to know an existing segment ----

  /** Goes on from a checkpoint. What the indexes hold beyond it is dropped. */
  adopt(state: SegmentState): void {
    this.#offsets.file.adopt(state.offsetEntries)
    this.#times.file.adopt(state.timeEntries)
    this.transactions.adopt(state.abortedTransactions)
    this.#indexedTimestamp = Number.NaN
    this.#state = { ...state }
  }

  /** Believes the indexes and reads only the headers behind their last entry: for a segment that was closed cleanly. */
  async load(): Promise<ScanEnd> {
    const state = emptyState(this.baseOffset)
    const last = this.#times.last()
    const from = Math.min(this.#offsets.lastPosition(), this.#offsets.lookup(last.offset))
    state.maxTimestamp = this.#indexedTimestamp = last.timestamp
    state.maxTimestampOffset = last.offset
    state.offsetEntries = this.#offsets.file.count
    state.timeEntries = this.#times.file.count
    state.abortedTransactions = this.transactions.all().length
    const info = emptyBatchInfo()
    const first = await this.scan(0, 'headers', (buffer, at, position) => {
      if (position > 0) return false
      state.firstTimestamp = header.maxTimestamp(buffer, at)
      return undefined
    })
    const end = await this.scan(from, 'headers', (buffer, at) => {
      readHeaderInfo(buffer, at, info)
      state.lastOffset = info.lastOffset
      if (info.maxTimestamp > state.maxTimestamp) {
        state.maxTimestamp = info.maxTimestamp
        state.maxTimestampOffset = info.lastOffset
      }
      return undefined
    })
    state.size = end.position
    state.bytesSinceIndexEntry = end.position - this.#offsets.lastPosition()
    this.#state = state
    return first.problem === null ? end : first
  }

  /**
   * Reads and checks every batch, and builds the indexes anew; the caller adds aborted transactions as it meets them. Afterwards the
   * segment ends where the walk did; whether to cut the file there is the caller's decision.
   */
  async recover(indexIntervalBytes: number, onBatch: (batch: BatchInfo, buffer: Buffer, at: number) => void): Promise<ScanEnd> {
    this.#offsets.file.adopt(0)
    this.#times.file.adopt(0)
    this.transactions.truncateToCount(0)
    this.#indexedTimestamp = -1
    this.#state = emptyState(this.baseOffset)
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

  /** Writes the index entries that are not in the files yet. Cheap when there are none. */
  flushIndexes(): void {
    this.#offsets.file.flush()
    this.#times.file.flush()
    this.transactions.flush()
  }

  /** No more batches will come: the largest timestamp gets its entry, the indexes are written and leave memory. */
  seal(): void {
    this.#indexMaxTimestamp(this.#known())
    this.flushIndexes()
    this.#offsets.file.unload()
    this.#times.file.unload()
  }

  /** The .log and the index files survive a power cut afterwards (a cleaned segment, before it takes the place of others). */
  async datasyncAll(): Promise<void> {
    for (const kind of segmentSuffixes)
      if (this.#context.files.exists(this.#pathOf(kind))) await this.#context.handles.with(this.#pathOf(kind), file => file.datasync())
  }

  /** Cuts everything at and above `offset`, in the file, in the indexes and in memory. */
  async truncateTo(offset: Offset): Promise<void> {
    const position = await this.positionOf(offset)
    this.#offsets.truncateTo(offset)
    this.#times.truncateTo(offset)
    this.transactions.truncateTo(offset)
    this.#remembered = null
    this.truncateFile(position)
    const end = await this.load()
    assert(end.problem === null && end.position === position, `${this.path} cut at ${position}: ${end.problem} at ${end.position}`)
  }

  /**
   * Renames all files: to `.deleted` before removal, through `.swap` after cleaning. Reads that run are not disturbed. The .log goes
   * first on its way out and last on its way in: where it is, the others are.
   */
  renameTo(ending: '' | '.swap' | '.deleted'): void {
    if (ending === this.#ending) return
    for (const kind of ending === '.deleted' ? segmentSuffixes : segmentSuffixes.toReversed()) {
      const from = this.#pathOf(kind)
      this.#context.handles.forget(from)
      if (this.#context.files.exists(from)) this.#context.files.rename(from, `${this.#stem}${kind}${ending}`)
    }
    this.#ending = ending
    this.path = this.#pathOf('.log')
    this.#offsets.file.path = this.#pathOf('.index')
    this.#times.file.path = this.#pathOf('.timeindex')
    this.transactions.path = this.#pathOf('.txnindex')
  }

  /** The producer snapshot taken at this segment's base offset goes with it. */
  removeSnapshot(): void {
    const path = `${this.#stem}.snapshot`
    if (this.#context.files.exists(path)) this.#context.files.remove(path)
  }

  removeFiles(): void {
    this.close()
    this.#removed = true
    for (const kind of segmentSuffixes) {
      const path = this.#pathOf(kind)
      if (this.#context.files.exists(path)) this.#context.files.remove(path)
    }
  }

  /** Closes files and gives memory back; writes nothing. */
  close(): void {
    this.#context.indexes.forget(this.#offsets.file)
    this.#context.indexes.forget(this.#times.file)
    for (const kind of segmentSuffixes) this.#context.handles.forget(this.#pathOf(kind))
  }

  #pathOf(kind: (typeof segmentSuffixes)[number]): string {
    return `${this.#stem}${kind}${this.#ending}`
  }

  /** Path of the .log, while there is one: to open a removed file would make it again. */
  #usable(): string {
    if (this.#removed) throw new Error(`${this.path} was removed`)
    return this.path
  }

  #known(): SegmentState {
    if (this.#state === null) throw new Error(`${this.path} was opened but neither adopted, loaded nor recovered`)
    return this.#state
  }

  #waitedMs(timestamp: Int64, nowMs: number): number {
    const first = this.#known().firstTimestamp
    return first >= 0 ? millisSince(first, timestamp) : nowMs - this.#createdMs
  }

  #indexMaxTimestamp(state: SegmentState): void {
    if (Number.isNaN(this.#indexedTimestamp)) this.#indexedTimestamp = this.#times.last().timestamp
    if (state.maxTimestamp <= this.#indexedTimestamp) return
    // (0, 0) cannot be told from Kafka's preallocated room, and says nothing.
    if (state.maxTimestamp === 0 && state.maxTimestampOffset === this.baseOffset) return
    this.#times.append(state.maxTimestamp, state.maxTimestampOffset)
    this.#indexedTimestamp = state.maxTimestamp
    state.timeEntries++
  }

  async #search(offset: Offset): Promise<number> {
    const from = this.#offsets.lookup(offset)
    let isPast = false
    const visit: Visit = (buffer, at, position) => {
      if (position === from) isPast = header.baseOffset(buffer, at) > offset
      return header.lastOffset(buffer, at) >= offset ? false : undefined
    }
    const end = await this.scan(from, 'headers', visit)
    if (end.problem === null && (from === 0 || !isPast)) return end.position
    // A damaged index may point anywhere: then the way from the beginning still works.
    const again = await this.scan(0, 'headers', visit)
    if (again.problem !== null) throw new Error(`${this.path}: ${again.problem} at position ${again.position}`)
    return again.position
  }
}

function emptyState(baseOffset: Offset): SegmentState {
  return {
    size: 0,
    lastOffset: baseOffset - 1,
    maxTimestamp: -1,
    maxTimestampOffset: baseOffset,
    firstTimestamp: -1,
    bytesSinceIndexEntry: 0,
    offsetEntries: 0,
    timeEntries: 0,
    abortedTransactions: 0,
  }
}

function readHeaderInfo(buffer: Buffer, at: number, into: BatchInfo): void {
  into.lastOffset = header.lastOffset(buffer, at)
  into.maxTimestamp = header.maxTimestamp(buffer, at)
}
