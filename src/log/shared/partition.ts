/**
 * One partition of the shared home, behind `PartitionLog`: offsets, marks and producers in memory, what is unflushed in the session's stream,
 * everything older in pieces.
 *
 * An append takes its place at once and is never taken back: its frame is committed, or the session ends, and with it this object. So there
 * is less to it than to a local partition: no groups to undo, no files. The rules for appends, producers and epochs are those of
 * `src/log/partition/`.
 *
 * A partition ends in one of three ways: it is deleted, given away (frozen first, see `give-away.ts`), or its session ends. Then nothing of it
 * is written any more, and those who wait are told.
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
import { type BatchRules, KafkaError, type Offset, type Uuid, validateBatches } from '../../protocol.ts'
import type { PartitionKey, PartitionRow, SegmentRow } from '../../store.ts'
import { encodePartition } from '../journal/state-record.ts'
import { AppendPlan } from '../partition/append-plan.ts'
import { AppendRules } from '../partition/append-rules.ts'
import type { BatchInfo } from '../partition/batch-info.ts'
import { type LeaderEpochs, largestEpoch } from '../partition/leader-epochs.ts'
import { type LastRecord, lastStable, ProducerStates } from '../partition/producer-state.ts'
import { beyondHighWatermark, goneError, offlineError, outOfRange, unexpectedEnd } from '../partition/refusals.ts'
import { Waiters, whenDurable } from '../partition/waiters.ts'
import { AbortedEntries } from '../segments/aborted-entries.ts'
import type { SharedContext } from './context.ts'
import type { CarriedShare, JournalMember } from './journal.ts'
import { offsetForTimestamp, offsetOfMaxTimestamp } from './lookups.ts'
import { PartitionMemory } from './memory.ts'
import { readSlice } from './partition-read.ts'
import type { SharedStart } from './partition-start.ts'
import { topicIdOf } from './topic-id.ts'
import type { FlushedPartition, ForFlush } from './upkeep/ports.ts'

/** Appends of clients to a partition that is being given away: what becomes of them is known when that is done. */
interface Frozen {
  readonly over: Promise<void>
  end(error: KafkaError): void
}

const plan = new AppendPlan()

export class SharedPartition implements PartitionLog, JournalMember, FlushedPartition {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  readonly name: string
  readonly key: PartitionKey
  readonly context: SharedContext
  readonly memory: PartitionMemory
  readonly epochs: LeaderEpochs
  config: TopicConfig
  logStartOffset: Offset
  logEndOffset: Offset
  highWatermark: Offset
  leaderEpoch: number
  /** Handed to the journal already, though perhaps not committed. */
  askedLogStart: Offset
  /** In order, touching each other, up to `flushedEnd`. Never changed in place: readers hold it. */
  segments: readonly SegmentRow[]
  /** Of transactions whose markers are in memory. */
  aborted: AbortedEntries
  fromSeq = 0
  /** Why it is not this session's any more. */
  gone: 'deleted' | 'released' | null = null
  /** The frame that gives it away was sent: another broker may lead it already, and have more. */
  isLeaving = false
  /** null until a batch with a producer id comes. */
  producerStates: ProducerStates | null
  #damage: string | null = null
  #frozen: Frozen | null = null
  #segmentBytes: number
  #waiters: Waiters | null = null
  /** What was appended last; resolved when all before it is committed, too. */
  #lastAppend: Promise<void> | null = null
  readonly #rules: AppendRules

  constructor(context: SharedContext, spec: PartitionSpec, start: SharedStart) {
    this.context = context
    this.topic = spec.topic
    this.topicId = spec.topicId
    this.partition = spec.partition
    this.name = `${spec.topic}-${spec.partition}`
    this.key = { topicId: topicIdOf(spec.topicId), partition: spec.partition }
    this.config = spec.config
    this.#rules = new AppendRules(this.name)
    this.logStartOffset = this.askedLogStart = start.logStart
    this.logEndOffset = this.highWatermark = start.flushedEnd
    this.leaderEpoch = start.leaderEpoch
    this.epochs = start.epochs
    this.producerStates = start.producers
    this.segments = start.segments
    this.#segmentBytes = bytesOf(start.segments)
    this.memory = new PartitionMemory(context.memory, start.flushedEnd)
    this.aborted = new AbortedEntries(start.flushedEnd)
  }

  get lastStableOffset(): Offset {
    return this.producerStates === null ? this.highWatermark : lastStable(this.producerStates, this)
  }

  /** Damaged, or there is no proof that nobody else leads it by now, whatever the metadata here says. */
  get offline(): string | null {
    if (this.gone !== null) return this.#damage ?? (this.gone === 'deleted' ? 'it was deleted' : 'another broker leads it')
    if (this.#damage !== null || this.isLeaving) return this.#damage ?? 'it is being moved to another broker'
    return this.context.journal.proven() ? null : 'the lease of this broker is not proven'
  }

  append(records: Buffer, options: AppendOptions): Appended {
    if (this.#frozen !== null) return this.#hold(this.#frozen, options)
    this.#refuseUnlessLed()
    this.context.admit(this, options.origin)
    const nowMs = this.context.system.clock.now()
    const validated = validateBatches(records, this.#rules.of(this.config, options.origin, nowMs), options.contents)
    if (options.expectedOffset !== undefined && options.expectedOffset !== this.logEndOffset)
      throw unexpectedEnd(this, options.expectedOffset)
    plan.make(this, records, validated, options.leaderEpoch ?? this.leaderEpoch)
    const duplicate = this.#checkProducers(options)
    if (duplicate !== null) return duplicate
    const { baseOffset, endOffset, leaderEpoch } = plan
    const bytes = this.memory.add(plan.bytes, baseOffset, endOffset, validated.maxTimestamp)
    for (let nth = 0; nth < plan.batchCount; nth++) this.#count(plan.batch(nth))
    if (leaderEpoch !== this.epochs.latest) this.epochs.assign(leaderEpoch, baseOffset)
    this.logEndOffset = endOffset
    plan.end()
    const { topicId, partition } = this
    const share = { topicId, partition, leaderEpoch, baseOffset, endOffset, length: bytes.length, logStart: -1 }
    const durable = this.context.journal.append(this, share, [bytes])
    this.#lastAppend = durable
    return {
      baseOffset,
      lastOffset: endOffset - 1,
      logAppendTimeMs: this.config.messageTimestampType === 'LogAppendTime' ? nowMs : -1,
      logStartOffset: this.logStartOffset,
      written: durable,
      durable,
      duplicate: false,
    }
  }

  produceRules(): BatchRules {
    return this.#rules.of(this.config, 'client', this.context.system.clock.now())
  }

  read(from: Offset, limit: ReadLimit): Slice | Promise<Slice> {
    this.#refuse()
    if (from < this.logStartOffset || from > this.logEndOffset) throw outOfRange(this, from)
    const slice = readSlice(this, from, limit)
    return slice instanceof Promise ? this.#settled(slice) : slice
  }

  /** A read that began before the partition went elsewhere is as good as one that ended then. */
  async #settled(slice: Promise<Slice>): Promise<Slice> {
    const settled = await slice
    if (this.gone === null) this.#refuse()
    return settled
  }

  mark(upTo: ReadLimit['upTo']): Offset {
    if (upTo === 'high-watermark') return this.highWatermark
    return upTo === 'last-stable' ? this.lastStableOffset : this.logEndOffset
  }

  /** A lease that is not proven calls nobody back: whoever waited looks again when time is up, and is told then. */
  whenPast(offset: Offset, upTo: ReadLimit['upTo'], callback: () => void): { cancel(): void } {
    if (this.gone !== null || this.#damage !== null || this.mark(upTo) > offset) {
      callback()
      return { cancel: () => {} }
    }
    return (this.#waiters ??= new Waiters()).add(offset, upTo, callback)
  }

  async offsetForTimestamp(timestampMs: Int64, upTo: ReadLimit['upTo']): Promise<TimestampedOffset | null> {
    this.#refuse()
    const found = await offsetForTimestamp(this, timestampMs, this.mark(upTo))
    this.#refuse()
    return found
  }

  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | null> {
    this.#refuse()
    const found = await offsetOfMaxTimestamp(this)
    this.#refuse()
    return found
  }

  endOffsetForEpoch(epoch: number): { leaderEpoch: number; endOffset: Offset } {
    this.#refuse()
    if (epoch === this.leaderEpoch) return { leaderEpoch: epoch, endOffset: this.logEndOffset }
    return this.epochs.endOffsetFor(epoch, this.logEndOffset)
  }

  async deleteBefore(offset: Offset): Promise<void> {
    this.#refuse()
    if (offset > this.highWatermark) throw beyondHighWatermark(this, offset)
    await this.moveLogStart(offset)
  }

  producers(): ActiveProducer[] {
    return this.producerStates?.list() ?? []
  }

  inTransaction(producerId: Int64, producerEpoch: number): boolean {
    return this.producerStates?.inTransaction(producerId, producerEpoch) ?? false
  }

  raiseLeaderEpoch(epoch: number): void {
    if (epoch <= this.leaderEpoch || epoch > largestEpoch || this.gone !== null || this.#frozen !== null) return
    this.leaderEpoch = epoch
    this.epochs.assign(epoch, this.logEndOffset)
  }

  sizeBytes(): number {
    return this.#segmentBytes + this.memory.unflushedBytes
  }

  // ---- what the journal says ----

  sent(seq: number, end: Offset): void {
    this.memory.sent(seq, end)
  }

  committed(end: Offset, logStart: Offset): void {
    if (logStart > this.logStartOffset) this.#startAt(logStart)
    this.producerStates?.settle(this.producerStates.mark())
    if (end > this.highWatermark) this.#raiseHighWatermark(end)
  }

  notify(): void {
    this.#waiters?.notify(upTo => this.mark(upTo))
  }

  // ---- what upkeep does ----

  get writable(): boolean {
    return this.gone === null && this.#damage === null && this.#frozen === null
  }

  get unflushedBytes(): number {
    return this.memory.unflushedBytes
  }

  get flushedEnd(): Offset {
    return this.memory.flushedEnd
  }

  takeForFlush(): ForFlush | null {
    const { topicId, partition, memory, logEndOffset: end } = this
    if (memory.flushedEnd === end || !this.writable) return null
    memory.seal()
    const open = this.producerStates?.firstOpenOffset() ?? -1
    const piece = {
      topicId,
      partition,
      baseOffset: memory.flushedEnd,
      endOffset: end,
      batches: memory.unflushed().map(({ bytes }) => bytes),
      aborted: this.aborted.all().filter(({ lastOffset }) => lastOffset >= memory.flushedEnd),
      lastStableOffset: open === -1 ? end : open,
    }
    return { piece, end, state: this.encodeState() }
  }

  rowAt(seq: number, flush: ForFlush | null): PartitionRow | null {
    const { key, context, flushedEnd, logEndOffset } = this
    if (flush === null && flushedEnd < logEndOffset) return null
    const end = flush?.end ?? flushedEnd
    const fromSeq = this.memory.seqFrom(end, seq)
    const state = flush?.state ?? this.encodeState()
    return { ...key, session: context.journal.session, fromSeq, flushedEnd: end, logStart: this.askedLogStart, state }
  }

  flushed({ flushedEnd, fromSeq }: Pick<PartitionRow, 'flushedEnd' | 'fromSeq'>, rows: readonly SegmentRow[]): void {
    const end = this.segments.at(-1)?.endOffset ?? this.flushedEnd
    assert(rows.length === 0 || rows[0]!.baseOffset === end, `a piece of ${this.name} from ${rows[0]?.baseOffset} after ${end}`)
    this.fromSeq = fromSeq
    this.#setSegments([...this.segments, ...rows])
    if (flushedEnd === this.flushedEnd) return
    this.memory.flushed(flushedEnd)
    this.#forgetAborted()
  }

  replaceSegments(removed: readonly SegmentRow[], added: readonly SegmentRow[]): void {
    const first = this.segments.findIndex(({ baseOffset }) => baseOffset === removed[0]?.baseOffset)
    assert(first >= 0, `the piece of ${this.name} from ${removed[0]?.baseOffset} is there`)
    this.#setSegments(this.segments.toSpliced(first, removed.length, ...added))
    this.memory.forgetBefore(removed.at(-1)!.endOffset)
  }

  async moveLogStart(offset: Offset): Promise<void> {
    this.#refuseUnlessLed()
    if (this.#frozen !== null) throw movingError(this)
    if (offset <= this.logStartOffset) return
    this.askedLogStart = Math.max(this.askedLogStart, offset)
    const { topicId, partition, leaderEpoch, logEndOffset: end } = this
    const share = { topicId, partition, leaderEpoch, baseOffset: end, endOffset: end, length: 0, logStart: this.askedLogStart }
    await (this.#lastAppend = this.context.journal.append(this, share, []))
  }

  expireProducers(history: ClockHistory): void {
    this.producerStates?.expire(history, this.context.settings.producerIdExpirationMs)
  }

  lastRecords(): LastRecord[] {
    return this.producerStates?.lastRecords() ?? []
  }

  // ---- taking over ----

  /** Takes in batches of the stream in which it was until now; all of them are committed. `batches` may be a view. */
  replay(batches: Buffer, infos: readonly BatchInfo[]): void {
    const [first, last] = [infos[0]!, infos.at(-1)!]
    let maxTimestamp: Int64 = -1
    for (const info of infos) {
      if (info.maxTimestamp > maxTimestamp) maxTimestamp = info.maxTimestamp
      if (info.leaderEpoch > this.epochs.latest) this.epochs.assign(info.leaderEpoch, info.baseOffset)
      this.#count(info)
    }
    this.memory.add(batches, first.baseOffset, last.lastOffset + 1, maxTimestamp)
    this.logEndOffset = last.lastOffset + 1
    this.producerStates?.settle(this.producerStates.mark())
    this.#raiseHighWatermark(this.logEndOffset)
  }

  replayLogStart(offset: Offset): void {
    if (offset <= this.logStartOffset) return
    this.askedLogStart = offset
    this.#startAt(offset)
  }

  /** For a frame that begins what this stream has of it, or ends it. */
  carried(released: boolean): CarriedShare {
    const { topicId, partition, leaderEpoch, memory, logEndOffset } = this
    const bytes = memory.unflushed().map(chunk => chunk.bytes)
    const share = {
      topicId,
      partition,
      leaderEpoch,
      baseOffset: memory.flushedEnd,
      endOffset: logEndOffset,
      length: memory.unflushedBytes,
      logStart: this.askedLogStart,
      released,
    }
    return { share, bytes }
  }

  /** Only of one that is taken over: why it is not served. Nothing of it is changed in the store, so that it can be looked into. */
  goOffline(reason: string): void {
    if (this.#damage !== null) return
    this.#damage = reason
    this.memory.drop()
    this.context.report(`partition ${this.name} is offline: ${reason}`, null)
    this.#waiters?.notifyAll()
  }

  get damage(): string | null {
    return this.#damage
  }

  // ---- giving away, and the end ----

  /** Nothing is appended from now on, and upkeep leaves it alone. */
  freeze(): void {
    const { promise, reject } = Promise.withResolvers<void>()
    promise.catch(() => {})
    this.#frozen = { over: promise, end: reject }
  }

  /** Who waited is told. If it is not gone, all goes on as before. */
  thaw(): void {
    this.#frozen?.end(this.gone === null ? movingError(this) : goneError(this))
    this.#frozen = null
  }

  /** Everything that was appended is committed. Rejects when the session ends before. */
  async drained(): Promise<void> {
    await this.#lastAppend
  }

  /** `toldLater`: appends wait on, until {@link thaw}. */
  markGone(why: 'deleted' | 'released', toldLater = false): void {
    if (this.gone !== null) return
    this.gone = why
    this.memory.drop()
    if (!toldLater) this.thaw()
    this.#waiters?.notifyAll()
  }

  // ---- its own ----

  /** For what changes the partition; the commit decides whether this broker still leads it. */
  #refuseUnlessLed(): void {
    if (this.gone !== null) throw goneError(this)
    if (this.#damage !== null) throw offlineError(this, this.#damage)
  }

  /** For answers that have to be recent: asked when they are decided. */
  #refuse(): void {
    if (this.gone !== null) throw goneError(this)
    const { offline } = this
    if (offline !== null) throw this.isLeaving ? movingError(this) : offlineError(this, offline)
  }

  /** While it is given away, clients wait for the end of that, so that they find the new owner at their next attempt. */
  #hold(frozen: Frozen, { origin }: AppendOptions): Appended {
    if (origin !== 'client') throw movingError(this)
    const { logStartOffset } = this
    const nowhere = { baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, logStartOffset }
    return { ...nowhere, written: frozen.over, durable: frozen.over, duplicate: false }
  }

  /** Answers the earlier append when this is its repetition. */
  #checkProducers({ origin, isFirst }: AppendOptions): Appended | null {
    for (let nth = 0; nth < plan.batchCount; nth++) {
      if (plan.batch(nth).producerId < 0) continue
      this.producerStates ??= new ProducerStates(this.name, this.context.settings)
      const earlier = this.producerStates.check(plan.batch(nth), origin, isFirst)
      if (earlier === null) continue
      const durable = earlier.lastOffset >= this.highWatermark ? whenDurable(this, earlier.lastOffset) : null
      return {
        baseOffset: earlier.baseOffset,
        lastOffset: earlier.lastOffset,
        logAppendTimeMs: this.config.messageTimestampType === 'LogAppendTime' ? earlier.timestamp : -1,
        logStartOffset: this.logStartOffset,
        written: durable,
        durable,
        duplicate: true,
      }
    }
    return null
  }

  #count(info: BatchInfo): void {
    if (info.producerId < 0) return
    this.producerStates ??= new ProducerStates(this.name, this.context.settings)
    const completed = this.producerStates.apply(info)
    if (completed?.aborted) this.aborted.append(completed)
  }

  #raiseHighWatermark(to: Offset): void {
    assert(to <= this.logEndOffset, `high watermark ${to} of ${this.name} past its end ${this.logEndOffset}`)
    this.highWatermark = to
    this.producerStates?.highWatermarkMoved(to)
  }

  #startAt(offset: Offset): void {
    this.logStartOffset = offset
    this.epochs.truncateBefore(offset)
    this.producerStates?.logStartOffsetMoved(offset)
  }

  /** As it is now, for `PartitionRow.state`. */
  encodeState(): Buffer {
    const { topic, topicId, partition, leaderEpoch, producerStates } = this
    return encodePartition({
      topic,
      topicId,
      partition,
      logStartOffset: this.askedLogStart,
      endOffset: this.logEndOffset,
      synced: true,
      leaderEpoch,
      epochs: this.epochs.entries,
      active: null,
      producers: producerStates === null || producerStates.size === 0 ? null : producerStates.encodeRetained(),
    })
  }

  #setSegments(segments: readonly SegmentRow[]): void {
    this.segments = segments
    this.#segmentBytes = bytesOf(segments)
  }

  /** Of markers that left memory the pieces know. */
  #forgetAborted(): void {
    if (this.aborted.count === 0) return
    const from = this.memory.start ?? this.logEndOffset
    const kept = new AbortedEntries(from)
    for (const entry of this.aborted.all()) if (entry.lastOffset >= from) kept.append(entry)
    this.aborted = kept
  }
}

function bytesOf(rows: readonly SegmentRow[]): number {
  return rows.reduce((sum, { bytes }) => sum + bytes, 0)
}

function movingError({ name }: SharedPartition): KafkaError {
  return new KafkaError('NOT_LEADER_OR_FOLLOWER', `Partition ${name} is being moved to another broker`)
}
