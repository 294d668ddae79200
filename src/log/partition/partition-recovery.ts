/**
 * Opens one partition's directory and finds where its log ends.
 *
 * A partition with a checkpoint is trusted up to the checkpoint and read from there on; without one, all segments after the newest producer
 * snapshot are read, as in Kafka. A batch torn by the crash at the end of the last segment is cut off. Damage anywhere else, or an end below
 * the offset that the journal knows to be durable, takes the partition offline and changes nothing. Only when an operator requests a repair is
 * data given up: then each segment is kept up to its damage, and no offset is used twice.
 */
import { DiskError, type System } from '../../base.ts'
import { buildBatch, header, type Offset, retainRecords } from '../../protocol.ts'
import type { Chores } from '../chores.ts'
import type { PartitionState } from '../journal/state-record.ts'
import { Segment, type SegmentContext, segmentName } from '../segments/segment.ts'
import { type OpenedDirectory, openSegments } from '../segments/segment-directory.ts'
import type { SegmentList } from '../segments/segment-list.ts'
import { type ScanEnd, scanBatches } from '../segments/segment-scan.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from './batch-info.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { type ProducerLimits, ProducerStates } from './producer-state.ts'
import { releasedFile } from './released-state.ts'

/** Index entries made in recovery keep Kafka's default distance. */
const indexIntervalBytes = 4096

export interface RecoveryInput {
  system: System
  segments: SegmentContext
  chores: Chores
  directory: string
  name: string
  /** The latest checkpoint; null without one. */
  state: PartitionState | null
  /** Whether the checkpoint's active segment can be trusted: it was synced, or the machine has not been restarted since. */
  trusted: boolean
  /** There may have been a later checkpoint, which is lost, so its gaps and ends are unknown. */
  doubtful: boolean
  /** The machine has not been restarted since: everything written is there, synced or not. */
  sameRun: boolean
  /** A checkpoint or the journal knows it; if not, it may come from another broker and what is damaged was not torn by our crash. */
  ours: boolean
  /** From the journal: the log start offset (DeleteRecords), -1 without; and what was acknowledged as durable. */
  logStartOffset: Offset
  durableEnd: Offset
  /** Why it was offline already: then nothing is touched. */
  damage: string | null
  producers: ProducerLimits & { readonly producerIdExpirationMs: number }
  /** A repair is requested: the log continues at this offset, or after the recovered records if they reach further. null: damage takes it offline. */
  repairTo: Offset | null
}

/** What a partition starts from: nothing, or what recovery found. */
export interface PartitionStart {
  segments: SegmentList
  hasDirectory: boolean
  /** `millrace.released` is in it. */
  hasReleased: boolean
  logStartOffset: Offset
  logEndOffset: Offset
  leaderEpoch: number
  epochs: LeaderEpochs
  producers: ProducerStates | null
  offline: string | null
  /** Files of segments below it are as the latest checkpoint left them; those of the others may have to be synced. */
  checkpointedBase: Offset
  /** A power cut may have taken back what readers had seen (only with `durability=os`). */
  suspect: boolean
}

export interface Recovered {
  start: Omit<PartitionStart, 'suspect'>
  /** The files differ from what was written. */
  damage: string | null
  /** What a repair gave up. */
  lost: string[]
}

/** Throws DiskError when the disk refuses; nothing was decided then. */
export async function recoverPartition(input: RecoveryInput): Promise<Recovered> {
  const opened = await openSegments(input.segments, input.chores, input.directory, input.system.clock.now())
  const recovery = new Recovery(input, opened)
  try {
    await recovery.run()
    await recovery.findStart()
  } catch (error) {
    if (error instanceof DiskError) throw error
    recovery.damage ??= (error as Error).message
  }
  return { start: recovery.result(), damage: recovery.damage, lost: recovery.lost }
}

/** Offsets in a segment, and in a batch, count from its first one in 32 bits. */
const widestHole = 2 ** 31 - 1

function emptyBatch(from: Offset, to: Offset): Buffer {
  const bytes = buildBatch({ records: [{ key: null, value: null }], baseOffset: from, timestamp: -1 })
  const whole = { bytes, header: { ...header.readBatchHeader(bytes, 0), lastOffset: to - 1 } }
  return retainRecords(whole, () => false, { keepEmpty: true })!
}

class Recovery {
  damage: string | null = null
  readonly lost: string[] = []
  readonly #input: RecoveryInput
  readonly #opened: OpenedDirectory
  readonly #producers: ProducerStates
  readonly #epochs: LeaderEpochs
  #end: Offset
  /** Below it no segment was read, and so no index made again. */
  #readFromBase = Number.POSITIVE_INFINITY
  readonly #info = emptyBatchInfo()

  constructor(input: RecoveryInput, opened: OpenedDirectory) {
    this.#input = input
    this.#opened = opened
    this.#producers = new ProducerStates(input.name, input.producers)
    this.#epochs = new LeaderEpochs(input.state?.epochs ?? storedEpochs(input))
    this.#end = input.state?.endOffset ?? 0
    this.damage = input.damage
  }

  async run(): Promise<void> {
    const { state, repairTo } = this.#input
    if (repairTo !== null) return this.#repair(repairTo)
    if (this.damage !== null) return
    const all = this.#opened.segments.all
    if (all.length > 0) {
      const active = state?.active ?? null
      const known = active === null ? undefined : all.find(segment => segment.baseOffset === active.baseOffset)
      if (active !== null && known !== undefined && this.#input.trusted) await this.#resume(known, state!, active)
      else await this.#readAll()
    } else if (state?.active && !this.#input.trusted && !this.#input.doubtful) this.#end = state.logStartOffset
    // The file of an empty one may never have been made.
    else if (state?.active && state.active.state.size > 0) this.damage = `segment ${segmentName(state.active.baseOffset)} is missing`
    const durableEnd = Math.max(this.#input.durableEnd, state !== null && this.#input.trusted ? state.endOffset : 0)
    if (this.#end < durableEnd) this.damage ??= `the log ends at offset ${this.#end}, but it was durable up to ${durableEnd}`
  }

  async #repair(end: Offset): Promise<void> {
    const [oldest] = this.#opened.segments.all
    if (oldest !== undefined) {
      this.#end = oldest.baseOffset
      this.#epochs.truncateFrom(this.#end)
      await this.#readFrom(0, null)
    }
    if (this.damage !== null || this.#end >= end) return
    this.lost.push(`offsets ${this.#end} to ${end - 1} are lost`)
    this.#fill(end)
  }

  /** Includes batches without records, which compaction leaves at the end of a log: consumers that wait there would wait forever. */
  #fill(end: Offset): void {
    const { segments } = this.#opened
    while (this.#end < end) {
      if (segments.active === undefined || this.#end - segments.active.baseOffset >= widestHole) {
        segments.active?.seal()
        const { segments: context, directory, system } = this.#input
        segments.add(Segment.create(context, directory, this.#end, system.clock.now()))
      }
      const segment = segments.active!
      const filler = emptyBatch(this.#end, Math.min(end, segment.baseOffset + widestHole))
      segment.writeSync([filler], segment.fileSize())
      segment.place(readBatchInfo(filler, 0, this.#info), indexIntervalBytes)
      this.#end = this.#info.lastOffset + 1
    }
  }

  /**
   * The log start was moved to an offset that a power cut removed (only with `durability=os`). As in Kafka, the log starts again there: a
   * deleted offset is never used again.
   */
  async findStart(): Promise<void> {
    const asked = this.#askedStart
    if (this.damage !== null || this.#end >= asked) return
    await this.#opened.segments.dropFrom(0, this.#input.chores)
    this.#producers.clear()
    this.#end = asked
  }

  /** The log start as recorded. The log that was found may end before it. */
  get #askedStart(): Offset {
    const { state, logStartOffset } = this.#input
    return Math.max(this.#opened.segments.oldest?.baseOffset ?? 0, state?.logStartOffset ?? 0, logStartOffset)
  }

  result(): Omit<PartitionStart, 'suspect'> {
    const { state } = this.#input
    const { segments } = this.#opened
    const logStartOffset = Math.min(this.#askedStart, this.#end)
    this.#epochs.truncateBefore(logStartOffset)
    return {
      segments,
      hasDirectory: true,
      hasReleased: this.#opened.names.has(releasedFile),
      logStartOffset,
      logEndOffset: this.#end,
      leaderEpoch: Math.max(state?.leaderEpoch ?? 0, this.#epochs.latest, 0),
      epochs: this.#epochs,
      producers: this.#producers.size > 0 ? this.#producers : null,
      offline: this.damage,
      checkpointedBase: Math.min(state?.active?.baseOffset ?? 0, this.#readFromBase),
    }
  }

  /** From the checkpoint on. */
  async #resume(segment: Segment, state: PartitionState, active: NonNullable<PartitionState['active']>): Promise<void> {
    const { state: from, abortedChecksum } = active
    const size = segment.fileSize()
    if (size < from.size) {
      this.damage = `${segment.path} has ${size} bytes, but had ${from.size} at the last checkpoint`
      return
    }
    // Without its list of aborted transactions a segment would show what was taken back.
    if (!(await segment.adopt(from, this.#input.sameRun, abortedChecksum))) {
      await this.#readAll()
      return
    }
    this.#loadProducers(state.producers)
    if (size > from.size) {
      const end = await segment.scan(from.size, 'whole', (buffer, at) => {
        if (header.baseOffset(buffer, at) !== this.#end) return false
        readBatchInfo(buffer, at, this.#info)
        segment.place(this.#info, indexIntervalBytes)
        this.#take(segment, this.#info)
        return undefined
      })
      if (end.position < size && !this.#tear(segment, end.position, end.problem ?? 'a batch out of order')) return
    }
    await this.#readFrom(this.#opened.segments.all.indexOf(segment) + 1, segment)
  }

  /** Without a usable checkpoint: from the newest producer snapshot on, before which all is complete. */
  async #readAll(): Promise<void> {
    const all = this.#opened.segments.all
    let first = 0
    // What the journal still carries without any checkpoint was never synced: no segment of it may be taken on trust.
    if (this.#input.state !== null || !this.#input.ours) first = this.#newestSnapshot()
    this.#end = all[first]!.baseOffset
    this.#epochs.truncateFrom(this.#end)
    await this.#readFrom(first, null)
  }

  /**
   * Index of the last segment that has a sound snapshot of the producers at its beginning; 0 without any. A snapshot that was made since the
   * checkpoint does not count: a crash may have come before the segment before it was sealed, or synced.
   */
  #newestSnapshot(): number {
    const all = this.#opened.segments.all
    const { state } = this.#input
    const activeBase = state === null ? Number.POSITIVE_INFINITY : (state.active?.baseOffset ?? state.endOffset)
    for (let index = all.findLastIndex(({ baseOffset }) => baseOffset <= activeBase); index > 0; index--)
      if (this.#loadSnapshotAt(all[index]!.baseOffset)) return index
    return 0
  }

  async #readFrom(first: number, previous: Segment | null): Promise<void> {
    const all = this.#opened.segments.all
    for (let index = first; index < all.length; index++) {
      const segment = all[index]!
      if (segment.baseOffset < this.#end) {
        this.damage = `segment ${segmentName(segment.baseOffset)} begins below offset ${this.#end}`
        return
      }
      if (segment.baseOffset !== this.#end && index > 0) {
        if (!this.#mayHaveGap(segment)) {
          await this.#dropFrom(index)
          return
        }
        this.#passGapTo(segment)
      }
      previous?.seal()
      previous = segment
      this.#end = segment.baseOffset
      const end = await this.#recover(segment)
      const size = segment.fileSize()
      if (end.position < size && !this.#tear(segment, end.position, end.problem ?? 'a batch out of order')) return
    }
  }

  /** In a repair a place that the disk does not read is damage like any other. */
  async #recover(segment: Segment): Promise<ScanEnd> {
    this.#readFromBase = Math.min(this.#readFromBase, segment.baseOffset)
    try {
      return await segment.recover(indexIntervalBytes, batch => this.#take(segment, batch))
    } catch (error) {
      if (this.#input.repairTo === null || !isUnreadable(error)) throw error
      return await this.#creep(segment)
    }
  }

  /** On to the place itself, batch by batch: until now much was read at once. */
  async #creep(segment: Segment): Promise<ScanEnd> {
    const range = { from: segment.size, to: segment.fileSize(), what: 'whole', minOffset: segment.lastOffset + 1, windowBytes: 1 } as const
    try {
      return await scanBatches(segment, range, (buffer, at) => {
        readBatchInfo(buffer, at, this.#info)
        if (this.#info.lastOffset - segment.baseOffset > widestHole) return false
        segment.place(this.#info, indexIntervalBytes)
        this.#take(segment, this.#info)
        return undefined
      })
    } catch (error) {
      if (!isUnreadable(error)) throw error
      return { position: segment.size, problem: error.message }
    }
  }

  /** Compaction leaves gaps, but only where the journal and the checkpoint have nothing more to say. */
  #mayHaveGap(after: Segment): boolean {
    const { state, ours, trusted, doubtful, repairTo } = this.#input
    // What is missing before the log's start was removed.
    if (doubtful || repairTo !== null || after.baseOffset <= this.#askedStart) return true
    if (state === null) return !ours
    return after.baseOffset <= (trusted ? state.endOffset : (state.active?.baseOffset ?? 0))
  }

  /** Where segments before the log's start are missing, transactions may have ended: they must not stay open forever. */
  #passGapTo(after: Segment): void {
    if (after.baseOffset <= this.#askedStart) this.#producers.clear()
  }

  /** What does not follow a torn end was never durable, or it is damage. */
  async #dropFrom(index: number): Promise<void> {
    const segment = this.#opened.segments.all[index]!
    if (this.#end < this.#input.durableEnd) {
      this.damage = `offsets from ${this.#end} to ${segment.baseOffset} are missing`
      return
    }
    await this.#opened.segments.dropFrom(segment.baseOffset, this.#input.chores)
  }

  /** Handles an invalid end of a file: cuts it off if a crash can have caused it. True if reading may continue after it. */
  #tear(segment: Segment, position: number, problem: string): boolean {
    if (this.#input.repairTo !== null) {
      this.lost.push(`${segment.path}: ${problem} at position ${position}: the rest of this file, from offset ${this.#end} on, is lost`)
      segment.truncateFile(position)
      return true
    }
    const isLast = segment === this.#opened.segments.active
    if (this.#end < this.#input.durableEnd || (!isLast && (!this.#input.ours || this.#input.doubtful))) {
      this.damage = `${segment.path}: ${problem} at position ${position}`
      return false
    }
    segment.truncateFile(position)
    return true
  }

  #take(segment: Segment, batch: BatchInfo): void {
    this.#end = batch.lastOffset + 1
    if (batch.leaderEpoch >= 0 && batch.leaderEpoch > this.#epochs.latest) this.#epochs.assign(batch.leaderEpoch, batch.baseOffset)
    if (batch.producerId < 0) return
    const completed = this.#producers.apply(batch)
    if (completed?.aborted) segment.addAbortedTransaction(completed)
    this.#producers.settle(this.#producers.mark())
    this.#producers.highWatermarkMoved(this.#end)
  }

  #loadSnapshotAt(offset: Offset): boolean {
    if (!this.#opened.snapshots.includes(offset)) return false
    try {
      const content = this.#input.system.files.readFile(`${this.#input.directory}/${segmentName(offset)}.snapshot`)
      this.#loadProducers(content)
      return content !== null
    } catch {
      // A damaged or unreadable one is ignored: an older one, or all segments, give the same result.
      return false
    }
  }

  #loadProducers(snapshot: Buffer | null): void {
    if (snapshot !== null)
      this.#producers.loadSnapshot(snapshot, this.#input.system.clock.history(), this.#input.producers.producerIdExpirationMs)
  }
}

/** The disk does not read a place in a file. */
function isUnreadable(error: unknown): error is DiskError {
  return error instanceof DiskError && error.operation === 'read' && !error.isShortage
}

function storedEpochs(input: RecoveryInput): LeaderEpochs['entries'] {
  try {
    const file = input.system.files.readFile(`${input.directory}/leader-epoch-checkpoint`)
    if (file === null) return []
    return LeaderEpochs.decode(file.toString('utf8')).entries
  } catch {
    // The batches contain their epochs: the entries are rebuilt while they are read.
    return []
  }
}
