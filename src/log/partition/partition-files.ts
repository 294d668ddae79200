/**
 * One partition's bytes: its segments, and the part of the tail that is not yet in them.
 *
 * Hides that the files contain the log up to some offset and memory the rest, which files (bytes and names) must still be synced,
 * which bytes are certainly in the page cache, and that the directory is created only when it is needed.
 */
import { DiskError, type FileSystem } from '../../base.ts'
import { KafkaError, type Offset, type Uuid } from '../../protocol.ts'
import type { LogContext } from '../context.ts'
import { allSynced } from '../failed-sync.ts'
import { Segment, segmentName } from '../segments/segment.ts'
import type { SegmentList } from '../segments/segment-list.ts'
import type { SegmentState } from '../segments/segment-state.ts'
import { PartitionTail } from '../tail/partition-tail.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import { damageFile, writePartitionMetadata } from './partition-directory.ts'
import { RecentWrites } from './recent-writes.ts'
import { releasedFile } from './released-state.ts'

/** The partition, which gets its upkeep only after its files. */
interface Owner {
  /** Its files are gone, or another log's. */
  readonly deleted: boolean
  /** Told when bytes must leave memory and the disk does not take them. */
  readonly upkeep: { giveUp(error: DiskError): void }
}

/** There may be tens of thousands of these, most of them idle: what is not needed yet is not made yet. */
export class PartitionFiles {
  readonly segments: SegmentList
  readonly tail: PartitionTail
  #unsynced: Set<Segment> | null = null
  readonly #context: LogContext
  readonly #topicId: Uuid
  readonly #owner: Owner
  /** A partition without data has none: thousands of them are made at once. `begun`: its `partition.metadata` may not be whole. */
  #directory: 'none' | 'begun' | 'made'
  #recent: RecentWrites | null = null
  /** The segment whose name in the directory survives a power cut. */
  #named: Segment | null = null
  #naming = false
  /** `changes` of the epochs when their file was last looked after. */
  #notedEpochs = 0
  #notingEpochs = false
  /** A file with invalid bytes behind its end, and the position of that end. */
  #overlong: { segment: Segment; size: number } | null = null
  /** `millrace.released` is in the directory. */
  hasReleased: boolean
  /** Reads and look-ups under way, and who waits for their end. */
  #readers = 0
  #whenUnread: (() => void) | null = null

  constructor(
    context: LogContext,
    topicId: Uuid,
    { segments, hasDirectory, hasReleased }: { segments: SegmentList; hasDirectory: boolean; hasReleased: boolean },
    owner: Owner,
  ) {
    this.#context = context
    this.#topicId = topicId
    this.#owner = owner
    this.#directory = hasDirectory ? 'made' : 'none'
    this.hasReleased = hasReleased
    this.segments = segments
    this.tail = new PartitionTail(context.tail, this)
  }

  /** With bytes that were not synced since the last checkpoint. */
  get unsynced(): Set<Segment> {
    return (this.#unsynced ??= new Set())
  }

  /** Called by the tail, like `refused`. */
  flushed(segment: Segment, position: number, bytes: number): void {
    this.unsynced.add(segment)
    this.#wrote(segment, position, bytes)
  }

  /** Whether everything from `position` on can be read without waiting for the disk. */
  isRecent(segment: Segment, position: number): boolean {
    return this.#recent?.cover(segment, position) ?? false
  }

  #wrote(segment: Segment, position: number, bytes: number): void {
    this.#recent ??= new RecentWrites(this.#context.pageCache)
    this.#recent.note(segment, position, bytes)
  }

  refused(error: DiskError): void {
    this.#owner.upkeep.giveUp(error)
  }

  get directory(): string {
    return this.segments.directory
  }

  get hasDirectory(): boolean {
    return this.#directory !== 'none'
  }

  /**
   * Writes bytes of the caller's past the tail, behind all that went before, the gathered group's included. Throws KAFKA_STORAGE_ERROR; the
   * file ends at `position` then.
   */
  write(buffers: readonly Buffer[], segment: Segment, position: number): void {
    try {
      this.tail.flushAll()
      segment.writeSync(buffers, position)
    } catch (error) {
      this.#cut(segment, position)
      throw storageError(error)
    }
    this.unsynced.add(segment)
    let bytes = 0
    for (const { length } of buffers) bytes += length
    this.#wrote(segment, position, bytes)
    this.#context.wroteDirectly(bytes)
  }

  /** Undoes all appends since the segment was in this state. `direct`: its file may contain some of them. */
  takeBack(segment: Segment, state: SegmentState, endOffset: Offset, direct: boolean): void {
    this.tail.rewind(endOffset, state.size)
    segment.rollback(state)
    if (direct) this.#cut(segment, state.size)
  }

  /**
   * To be called before anything is appended. A file that could not be cut holds whole batches that were refused: behind others of the same
   * offsets, recovery would accept them. Throws KAFKA_STORAGE_ERROR as long as it cannot be cut.
   */
  mend(): void {
    if (this.#overlong === null) return
    const { segment, size } = this.#overlong
    orStorageError(() => segment.truncateFile(size))
    this.#overlong = null
  }

  /** Removes bytes that do not count. */
  #cut(segment: Segment, size: number): void {
    this.#overlong = { segment, size }
    try {
      if (segment.fileSize() > size) segment.truncateFile(size)
      this.#overlong = null
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  /** All that is committed is in the files. */
  flush(): void {
    this.tail.flush()
  }

  /** Throws KAFKA_STORAGE_ERROR. */
  ensureDirectory(): void {
    if (this.#directory !== 'made') orStorageError(() => this.#makeDirectory())
  }

  /** The first segment, or the next one. Throws KAFKA_STORAGE_ERROR when the first one's directory cannot be made; then all is as before. */
  begin(baseOffset: Offset, nowMs: number): Segment {
    this.ensureDirectory()
    const segment = Segment.create(this.#context.segments, this.directory, baseOffset, nowMs)
    this.segments.add(segment)
    return segment
  }

  /**
   * Seals the active segment and begins the next. The snapshot is where recovery without a checkpoint starts from, as in Kafka; without it,
   * recovery begins at an earlier one. Sealing comes last: if it fails, the active segment stays in use.
   */
  roll(baseOffset: Offset, snapshot: Buffer, nowMs: number): Segment {
    return orStorageError(() => {
      this.tail.flush()
      this.#writeSnapshot(baseOffset, snapshot)
      const { active } = this.segments
      const segment = this.begin(baseOffset, nowMs)
      try {
        segment.makeFile()
        active?.seal()
      } catch (error) {
        this.segments.removeActive()
        throw error
      }
      this.unsynced.add(segment)
      return segment
    })
  }

  /**
   * Kafka's `leader-epoch-checkpoint`, for Kafka's tools and for a move back to Kafka. Not synced: recovery has the epochs from the state log
   * and from the batches, and ignores torn files. So if the disk refuses it, no caller has to know: it is written later.
   */
  noteEpochs(epochs: LeaderEpochs): void {
    if (epochs.changes === this.#notedEpochs || this.#notingEpochs || !this.hasDirectory) return
    const { chores, system } = this.#context
    const path = `${this.directory}/leader-epoch-checkpoint`
    this.#notingEpochs = true
    void chores.begin(`writing ${path}`, async () => {
      if (this.#owner.deleted) return
      const { changes } = epochs
      if (!epochs.isPlain || system.files.exists(path)) overwrite(system.files, path, Buffer.from(epochs.encode()))
      this.#notedEpochs = changes
      this.#notingEpochs = false
    })
  }

  /** Takes the oldest segments away; their files go after `delayMs`. */
  removeOldest(count: number, delayMs: number): void {
    for (const segment of this.segments.removeOldest(count, this.#context.chores, delayMs)) this.unsynced.delete(segment)
  }

  /** `old` end before the offset `end`. */
  async replace(old: readonly Segment[], cleaned: Segment, end: Offset, delayMs: number): Promise<void> {
    await this.segments.replace(old, cleaned, this.#context.chores, delayMs)
    for (const segment of old) this.unsynced.delete(segment)
    this.tail.forgetFlushedBefore(end)
  }

  /** Whether a power cut would spare the file's name. If not, sees to it, for the next time it is asked. */
  isNamed(segment: Segment): boolean {
    if (this.#named === segment) return true
    if (this.#naming) return false
    this.#naming = true
    orStorageError(() => segment.makeFile())
    allSynced([this.#syncDirectory(), this.#context.syncNames()]).then(
      () => {
        this.#naming = false
        this.#named = segment
      },
      // Until then the journal carries what could have been written directly; the next large append tries again, but no failed sync.
      (error: Error) => {
        this.#naming = false
        if (!(error instanceof DiskError) || error.isFailedSync) this.#context.fatal(error)
      },
    )
    return false
  }

  /** The names of all files survive a power cut when this resolves. `newNames`: there are others than those that come with a segment. */
  async syncNames(newNames: boolean): Promise<void> {
    const { active } = this.segments
    if (!newNames && (active === undefined || active === this.#named)) return
    await this.#syncDirectory()
    this.#named = active ?? null
  }

  async #syncDirectory(): Promise<void> {
    // Without this file's content recovery would not know whose directory it is.
    if (this.#named === null) await this.#context.segments.handles.with(`${this.directory}/partition.metadata`, file => file.datasync())
    await this.#context.system.files.syncDirectory(this.directory)
  }

  /** The state log knows the partition, so that what a log said of it that released it once is of no more use. Tried again if the disk refuses. */
  forgetReleased(): void {
    if (!this.hasReleased) return
    try {
      // At once: should the partition be released again, a later removal would take what was written then.
      this.#context.system.files.remove(`${this.directory}/${releasedFile}`)
      this.hasReleased = false
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }

  // ---- readers, so that the files stay open until the last one under way has ended ----

  enter(): void {
    this.#readers++
  }

  leave(): void {
    if (--this.#readers === 0) this.#whenUnread?.()
  }

  /** Resolves when nobody reads. No new readers come meanwhile. */
  async unread(): Promise<void> {
    if (this.#readers > 0)
      await new Promise<void>(resolve => {
        this.#whenUnread = resolve
      })
  }

  /** The partition is gone: nothing is written any more. */
  drop(): void {
    this.tail.clear()
    this.#unsynced?.clear()
    this.segments.close()
    this.#context.segments.handles.forget(`${this.directory}/partition.metadata`)
  }

  /** Its name and content need no sync before the journal releases its records, because replaying the journal recreates it. */
  #makeDirectory(): void {
    const { files } = this.#context.system
    // What a deleted topic of the same name left there must not become part of this one.
    this.#context.deletions.free(this.directory)
    files.makeDirectory(this.directory)
    this.#directory = 'begun'
    // Of an earlier topic whose directory was empty.
    const mark = `${this.directory}/${damageFile}`
    if (files.exists(mark)) files.remove(mark)
    writePartitionMetadata(files, this.directory, this.#topicId)
    this.#directory = 'made'
  }

  #writeSnapshot(offset: Offset, snapshot: Buffer): void {
    const path = `${this.directory}/${segmentName(offset)}.snapshot`
    const { files } = this.#context.system
    try {
      overwrite(files, path, snapshot)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      this.#context.report(`cannot write ${path}; the next start may take longer`, error)
      // One that a power cut left here, without its segment, may be of another past.
      if (files.exists(path)) files.remove(path)
    }
  }
}

function overwrite(files: FileSystem, path: string, content: Buffer): void {
  const file = files.open(path, 'rw')
  try {
    file.truncate(0)
    file.writeSync([content], 0)
  } finally {
    file.close()
  }
}

/** The error for clients after a disk error. Other errors are bugs, and are not changed. */
export function storageError(error: unknown): unknown {
  return error instanceof DiskError ? new KafkaError('KAFKA_STORAGE_ERROR', error.message) : error
}

export function orStorageError<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw storageError(error)
  }
}
