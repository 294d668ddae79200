/**
 * One partition: offsets, marks, segments and producer state, behind `PartitionLog`.
 *
 * Hides where an append's bytes go. Small appends are copied into the tail and written in the group's journal frame; large ones go from the
 * caller's buffer to the segment file, combined into one `pwritev` if there are several. Either way the files contain the log up to some
 * offset, and the tail the rest. The accounting cannot fail (see `append-plan.ts`). Before its first change that a group may have to undo,
 * the partition joins the group and saves its state.
 */
import { assert, type ClockHistory, type Int64 } from '../../base.ts'
import type {
  ActiveProducer,
  Appended,
  AppendOptions,
  PartitionLog,
  PartitionSpec,
  ReadLimit,
  Slice,
  TimestampedOffset,
  TopicConfig,
} from '../../log.ts'
import type { BatchRules, Offset, Uuid, ValidatedBatches } from '../../protocol.ts'
import { KafkaError, validateBatches } from '../../protocol.ts'
import { rollLimits } from '../cleaner/retention.ts'
import type { LogContext } from '../context.ts'
import type { DirectMember, JournalFile } from '../journal/member.ts'
import { offsetForTimestamp, offsetOfMaxTimestamp } from '../segments/offset-lookup.ts'
import type { Segment } from '../segments/segment.ts'
import type { SegmentList } from '../segments/segment-list.ts'
import { AppendPlan } from './append-plan.ts'
import { AppendRules } from './append-rules.ts'
import { emptyBatchInfo } from './batch-info.ts'
import { GroupPart } from './group-part.ts'
import { type LeaderEpochs, largestEpoch } from './leader-epochs.ts'
import { orStorageError, PartitionFiles } from './partition-files.ts'
import { damaged, readSlice } from './partition-read.ts'
import type { PartitionStart } from './partition-recovery.ts'
import { PartitionUpkeep } from './partition-upkeep.ts'
import { lastStable, ProducerStates } from './producer-state.ts'
import { beyondHighWatermark, goneError, offlineError, outOfRange, unexpectedEnd } from './refusals.ts'
import { Waiters, whenDurable } from './waiters.ts'

/** From this size on an append goes past the journal: with `os` a write to the page cache is all there is to do, so early. */
const directBytes = { os: 8 << 10, fsync: 48 << 10 }

const whole = emptyBatchInfo()
const plan = new AppendPlan()

export class Partition implements PartitionLog, DirectMember {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly files: PartitionFiles
  readonly epochs: LeaderEpochs
  readonly context: LogContext
  config: TopicConfig
  logStartOffset: Offset
  logEndOffset: Offset
  highWatermark: Offset
  leaderEpoch: number
  offline: string | null = null
  /** Why it is not this log's any more: nothing of it is written. */
  gone: 'deleted' | 'released' | null = null
  /** On its way out. soon: retention and compaction leave it alone. now: nothing is appended any more. */
  leaving: 'no' | 'soon' | 'now' = 'no'
  /** A topic of the metadata claims it (`Log.create` was called). */
  claimed = false
  /** Something of it may be in the page cache alone, as its `durability` was `os`: what is appended with `fsync` must not be called durable without it. */
  exposed = false
  /** Something is acknowledged as durable that only the journal has synced: the next checkpoint must sync it, whatever `durability` is by then. */
  promised = false
  #suspect: boolean

  // Member
  boundFile: JournalFile | null = null
  slot = 0

  /** null until a batch with a producer id comes. */
  producerStates: ProducerStates | null
  readonly upkeep: PartitionUpkeep
  /** In the journal already, though perhaps not yet durable: a checkpoint that releases the journal's file must record it. */
  askedLogStart: Offset
  /** null: nothing of it can be taken back. */
  #part: GroupPart | null = null
  #waiters: Waiters | null = null
  readonly #rules: AppendRules

  constructor(context: LogContext, spec: PartitionSpec, start: PartitionStart) {
    this.context = context
    this.topic = spec.topic
    this.topicId = spec.topicId
    this.partition = spec.partition
    this.config = spec.config
    this.#rules = new AppendRules(this.name)
    this.files = new PartitionFiles(context, spec.topicId, start, this)
    this.logStartOffset = this.askedLogStart = start.logStartOffset
    this.logEndOffset = this.highWatermark = start.logEndOffset
    this.leaderEpoch = start.leaderEpoch
    this.epochs = start.epochs
    this.producerStates = start.producers
    if (start.offline !== null) this.goOffline(start.offline)
    this.#suspect = start.suspect
    this.upkeep = new PartitionUpkeep(this, start.checkpointedBase)
  }

  get segments(): SegmentList {
    return this.files.segments
  }

  get synced(): boolean {
    return (this.config.durability ?? this.context.settings.durability) !== 'os'
  }

  get lastStableOffset(): Offset {
    return this.producerStates === null ? this.highWatermark : lastStable(this.producerStates, this)
  }

  append(records: Buffer, options: AppendOptions): Appended {
    this.#refuse()
    if (this.leaving === 'now') throw goneError(this)
    this.context.admit(options.origin)
    const nowMs = this.context.system.clock.now()
    const validated = validateBatches(records, this.#rules.of(this.config, options.origin, nowMs), options.contents)
    const pastJournal = !this.synced && validated.sizeBytes >= directBytes.os
    // This and rolling send the group, and if that is refused the log ends earlier and producers are as before: what follows is checked after it.
    if (this.#part !== null && (this.#part.gathered !== null) !== pastJournal) this.settleGroup()
    const segment = this.#segmentFor(validated, nowMs)
    if (options.expectedOffset !== undefined && options.expectedOffset !== this.logEndOffset)
      throw unexpectedEnd(this, options.expectedOffset)
    plan.make(this, records, validated, options.leaderEpoch ?? this.leaderEpoch)
    orStorageError(() => segment.prepare(plan.endOffset - 1))
    const duplicate = this.#checkProducers(options)
    if (duplicate !== null) return duplicate
    const baseOffset = plan.baseOffset
    const part = this.#enter(pastJournal)
    this.#place(part, segment)
    this.#count(segment)
    if (validated.maxTimestamp < 0) segment.noteUntimed(nowMs)
    const group = pastJournal && options.gather !== true ? this.#writeAtOnce() : part.group
    return {
      baseOffset,
      lastOffset: this.logEndOffset - 1,
      logAppendTimeMs: this.config.messageTimestampType === 'LogAppendTime' ? nowMs : -1,
      logStartOffset: this.logStartOffset,
      written: group?.written ?? null,
      durable: (this.synced ? group?.durable : group?.written) ?? null,
      duplicate: false,
    }
  }

  produceRules(): BatchRules {
    return this.#rules.of(this.config, 'client', this.context.system.clock.now())
  }

  read(from: Offset, limit: ReadLimit): Slice | Promise<Slice> {
    this.#refuse()
    if (from < this.logStartOffset || from > this.logEndOffset) throw outOfRange(this, from)
    return readSlice(this, from, limit)
  }

  mark(upTo: ReadLimit['upTo']): Offset {
    if (upTo === 'high-watermark') return this.highWatermark
    return upTo === 'last-stable' ? this.lastStableOffset : this.logEndOffset
  }

  whenPast(offset: Offset, upTo: ReadLimit['upTo'], callback: () => void): { cancel(): void } {
    if (this.deleted || this.offline !== null || this.mark(upTo) > offset) {
      callback()
      return { cancel: () => {} }
    }
    return (this.#waiters ??= new Waiters()).add(offset, upTo, callback)
  }

  async offsetForTimestamp(timestampMs: Int64, upTo: ReadLimit['upTo']): Promise<TimestampedOffset | null> {
    this.#refuse()
    const { findRecord } = this.context
    return await this.#lookUp(() => offsetForTimestamp(this.segments, timestampMs, this.logStartOffset, this.mark(upTo), findRecord))
  }

  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | null> {
    this.#refuse()
    const { findRecord } = this.context
    return await this.#lookUp(() => offsetOfMaxTimestamp(this.segments, this.logStartOffset, this.highWatermark, findRecord))
  }

  endOffsetForEpoch(epoch: number): { leaderEpoch: number; endOffset: Offset } {
    this.#refuse()
    if (epoch === this.leaderEpoch) return { leaderEpoch: epoch, endOffset: this.logEndOffset }
    return this.epochs.endOffsetFor(epoch, this.logEndOffset)
  }

  async deleteBefore(offset: Offset): Promise<void> {
    this.#refuse()
    if (this.leaving === 'now') throw goneError(this)
    if (offset > this.highWatermark) throw beyondHighWatermark(this, offset)
    await this.moveLogStart(offset)
  }

  producers(): ActiveProducer[] {
    return this.producerStates?.list() ?? []
  }

  inTransaction(producerId: Int64, producerEpoch: number): boolean {
    return this.producerStates?.inTransaction(producerId, producerEpoch) ?? false
  }

  expireProducers(history: ClockHistory): void {
    this.producerStates?.expire(history, this.context.settings.producerIdExpirationMs)
  }

  sizeBytes(): number {
    return this.segments.sizeBytes()
  }

  get name(): string {
    return `${this.topic}-${this.partition}`
  }

  get deleted(): boolean {
    return this.gone !== null
  }

  // ---- what the group commit says ----

  committed(): void {
    this.#leave()
    if (this.synced) {
      this.promised = true
      return
    }
    this.exposed = true
    this.#raiseHighWatermark(this.logEndOffset)
  }

  protect(): Promise<void> | null {
    return this.upkeep.protect()
  }

  durable(end: Offset): void {
    // It may be offline because its part was not synced.
    if (this.offline === null) this.#raiseHighWatermark(end)
    this.notify()
  }

  takeBack(): void {
    // What a checkpoint carries over has no part.
    if (!this.deleted) this.#part?.undo()
    this.#leave()
  }

  notify(): void {
    this.#waiters?.notify(upTo => this.mark(upTo))
  }

  writeOut(): KafkaError | null {
    try {
      if (!this.deleted) this.#part!.writeOut()
      return null
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return error
    }
  }

  /** What it does from here on can be taken back, until its group is sent. */
  #enter(pastJournal: boolean): GroupPart {
    if (this.#part !== null) return this.#part
    this.#mend()
    this.#part = new GroupPart(this, this.context.commit, pastJournal)
    return this.#part
  }

  /** What was refused earlier is out of the files, or nothing comes after it: throws KAFKA_STORAGE_ERROR. */
  #mend(): void {
    orStorageError(() => this.context.commit.mend())
    this.files.mend()
  }

  #leave(): void {
    this.#part = null
    this.files.tail.letGo()
    this.producerStates?.settle(this.producerStates.mark())
  }

  // ---- life ----

  /** The topic's configuration is known from now on. */
  claim(config: TopicConfig): void {
    this.claimed = true
    this.config = config
    if (!this.#suspect || this.synced || this.offline !== null) return
    // Clients that had read what is gone find out by the epoch (KIP-320).
    this.#suspect = false
    this.raiseLeaderEpoch(this.leaderEpoch + 1)
  }

  raiseLeaderEpoch(epoch: number): void {
    if (epoch <= this.leaderEpoch || epoch > largestEpoch || this.leaving === 'now' || this.offline !== null) return
    this.leaderEpoch = epoch
    this.epochs.assign(epoch, this.logEndOffset)
    this.context.commit.bind(this)
  }

  /** All that is counted is in the segment files. Nothing of it may be in an uncommitted group. */
  flush(): void {
    this.files.flush()
  }

  // ---- retention and compaction ----

  /** Nothing more is done to it. */
  get closed(): boolean {
    return this.deleted || this.offline !== null || this.leaving !== 'no'
  }

  lastRecords(): ReturnType<ProducerStates['lastRecords']> {
    return this.producerStates?.lastRecords() ?? []
  }

  removeSegments(count: number): void {
    this.upkeep.removeSegments(count)
  }

  replaceSegments(old: readonly Segment[], cleaned: Segment): Promise<void> {
    return this.upkeep.replaceSegments(old, cleaned)
  }

  /** The only way to go offline: reports the reason to operators. */
  goOffline(reason: string): void {
    if (this.offline !== null) return
    this.offline = reason
    this.files.tail.clear()
    this.context.report(`partition ${this.name} is offline: ${reason}. See docs/repair.md`, null)
    this.#waiters?.notifyAll()
  }

  /** Nothing of it is written any more. Of one that is released, readers under way still use the files. */
  markGone(why: 'deleted' | 'released'): void {
    this.gone = why
    if (why === 'deleted') this.files.drop()
    this.#waiters?.notifyAll()
  }

  /** Looks in the files, which the tail must have gone to. */
  async #lookUp<T>(search: () => Promise<T>): Promise<T> {
    this.files.enter()
    try {
      this.files.tail.flush()
      return await search()
    } catch (error) {
      throw damaged(this, error)
    } finally {
      this.files.leave()
    }
  }

  /** Durable when resolved. */
  async moveLogStart(offset: Offset): Promise<void> {
    if (offset <= this.logStartOffset) return
    if (this.#part?.gathered) this.settleGroup()
    const { group } = this.#enter(false)
    this.askedLogStart = Math.max(this.askedLogStart, offset)
    this.context.commit.moveLogStart(this, offset)
    await group.durable
    if (offset <= this.logStartOffset) return
    this.logStartOffset = offset
    this.epochs.truncateBefore(offset)
    this.producerStates?.logStartOffsetMoved(offset)
  }

  #refuse(): void {
    if (this.gone !== null) throw goneError(this)
    if (this.offline !== null) throw offlineError(this, this.offline)
  }

  /** Answers the earlier append when this is its repetition. */
  #checkProducers({ origin, isFirst }: AppendOptions): Appended | null {
    for (let nth = 0; nth < plan.batchCount; nth++) {
      if (plan.batch(nth).producerId < 0) continue
      this.producerStates ??= new ProducerStates(this.name, this.context.settings)
      const earlier = this.producerStates.check(plan.batch(nth), origin, isFirst)
      if (earlier === null) continue
      // What is not written yet may be taken back, and another producer's batch may then come to be at its offsets.
      const group = this.#part !== null && earlier.lastOffset >= this.#part.endOffset ? this.#part.group : null
      const undurable = earlier.lastOffset >= this.highWatermark
      return {
        baseOffset: earlier.baseOffset,
        lastOffset: earlier.lastOffset,
        logAppendTimeMs: this.config.messageTimestampType === 'LogAppendTime' ? earlier.timestamp : -1,
        logStartOffset: this.logStartOffset,
        written: group?.written ?? null,
        durable: group !== null ? (this.synced ? group.durable : group.written) : undurable ? whenDurable(this, earlier.lastOffset) : null,
        duplicate: true,
      }
    }
    return null
  }

  /** The active segment, or a new one when the batches must begin one. */
  #segmentFor(validated: ValidatedBatches, nowMs: number): Segment {
    const { active } = this.segments
    if (active === undefined) return this.files.begin(this.logEndOffset, nowMs)
    whole.sizeBytes = validated.sizeBytes
    whole.lastOffset = this.logEndOffset + validated.offsetCount - 1
    whole.maxTimestamp = validated.maxTimestamp
    if (!active.mustRoll(whole, nowMs, rollLimits(this.config))) return active
    return this.roll(nowMs)
  }

  /** Nothing of it can be taken back any more; or it was. */
  settleGroup(): void {
    if (this.#part === null) return
    if (this.#part.gathered === null) this.context.commit.commit()
    else this.context.commit.writeOut(this)
  }

  /** Seals the active segment and begins the next. Throws KAFKA_STORAGE_ERROR; then all is as before. */
  roll(nowMs: number): Segment {
    // So that a group is never taken back across a roll.
    this.settleGroup()
    this.#refuse()
    const { active } = this.segments
    if (active?.size === 0) return active
    this.#mend()
    const producers = this.producerStates ?? new ProducerStates(this.name)
    const segment = this.files.roll(this.logEndOffset, producers.encodeSnapshot(), nowMs)
    this.context.commit.bind(this)
    return segment
  }

  /** Puts the bytes where they belong; nothing is counted yet. */
  #place(part: GroupPart, segment: Segment): void {
    if (part.gathered === null) this.#writeShare(part, segment)
    else {
      this.context.commit.bind(this)
      part.gathered.push(plan.bytes)
    }
    part.bytes += plan.bytes.length
  }

  /** For a caller that needs its bytes back. Throws KAFKA_STORAGE_ERROR, and then nothing was appended. */
  #writeAtOnce(): null {
    const failure = this.context.commit.writeOut(this)
    if (failure !== null) throw failure
    return null
  }

  /** With an entry in the journal: the bytes are in the frame or, when they are many, in the segment file, which is synced with it. */
  #writeShare(part: GroupPart, segment: Segment): void {
    const { commit } = this.context
    const { bytes, baseOffset, endOffset } = plan
    const [sizeBytes, position] = [bytes.length, segment.size]
    const share = { segmentBase: segment.baseOffset, position, length: sizeBytes, baseOffset, endOffset }
    const large = this.synced && part.bytes + sizeBytes >= directBytes.fsync
    if (large && this.files.isNamed(segment) && commit.takeDirect(this, segment)) {
      part.direct = true
      this.files.write([bytes], segment, position)
      commit.add(this, share, null)
    } else {
      const add = () => this.files.tail.add(bytes, sizeBytes, segment, position, baseOffset, endOffset)
      commit.add(this, share, orStorageError(add))
    }
  }

  /** Memory alone: nothing fails here. */
  #count(segment: Segment): void {
    const { leaderEpoch } = plan
    for (let nth = 0; nth < plan.batchCount; nth++) {
      const info = plan.batch(nth)
      segment.place(info, this.config.indexIntervalBytes)
      if (info.producerId < 0) continue
      const completed = this.producerStates!.apply(info)
      if (completed?.aborted) segment.addAbortedTransaction(completed)
    }
    if (leaderEpoch !== this.epochs.latest) {
      this.#part?.keepEpochs()
      this.epochs.assign(leaderEpoch, this.logEndOffset)
    }
    this.logEndOffset = plan.endOffset
    plan.end()
  }

  #raiseHighWatermark(to: Offset): void {
    if (to <= this.highWatermark) return
    assert(to <= this.logEndOffset, `high watermark ${to} of ${this.name} past its end ${this.logEndOffset}`)
    this.highWatermark = to
    this.producerStates?.highWatermarkMoved(to)
  }
}
