/**
 * Writes what is in the stream into pieces, and then trims the stream.
 *
 * Hides when a flush is due, and of which partitions: of the largest when much is unflushed; of all after some time, or when the stream has grown
 * long, so that one that trickles holds back no frames for ever; of a single one when its own settings want its log to roll. And how a flush goes
 * on beside failures: after one, fewer partitions are taken at once, until the one that cannot be flushed is alone, and is tried from time to time.
 * Such a one is carried forward in the stream (carry-forward.ts), so that it holds back no frames either.
 */
import { type System, Turns } from '../../../base.ts'
import { KafkaError } from '../../../protocol.ts'
import type { PartitionRow, SegmentRow } from '../../../store.ts'
import { rollLimits } from '../../cleaner/retention.ts'
import { OneAfterAnother } from '../../one-after-another.ts'
import { Valve } from '../../tail/pressure.ts'
import { carryForward } from '../carry-forward.ts'
import { PieceFault } from '../pieces/piece.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import type { SharedSettings } from '../settings.ts'
import type { UpkeepCounts } from './counts.ts'
import type { Leftovers } from './leftovers.ts'
import type { FlushedPartition, ForFlush, RowJournal } from './ports.ts'
import { Retries } from './retries.ts'
import type { RowWriter } from './row-writer.ts'

export interface FlusherOptions {
  system: System
  journal: RowJournal
  rows: RowWriter
  pieces: PieceStore
  leftovers: Leftovers
  shared: SharedSettings
  counts: UpkeepCounts
  partitions(): Iterable<FlushedPartition>
  report(what: string, error: unknown): void
}

/** How often it is looked whether a flush is due. */
const lookMs = 250
/** While flushes succeed, so many times `flushBytes` more may be unflushed than makes a flush due: it is all in memory. */
const mostBehind = 3
/** In one transaction. */
const mostPartitions = 512
const mostPieceBytes = 32 << 20
const mostStateBytes = 8 << 20
/**
 * Who takes over reads the stream, with all that is inline in it; it must be read in a second or two. Of what is in objects, only what is in no
 * piece is read.
 */
const longestStream = { frames: 4_096, flushes: 1 }
/**
 * With many partitions more may be unflushed, or pieces would be small, and each of them is a row: up to so many times `flushBytes`, and no more than
 * the other brokers can take over together, each as much as in a cluster of three.
 */
const partitionsPerFlush = 512
const heirsPerFlush = 2
const mostFlushes = 4
/** Frames that are deleted in one transaction: all commits wait for it. */
const mostTrimmed = 2_000
/** No partition is flushed by its own settings more often. */
const leastAgeMs = 1_000
/** They are tried again at the latest after this: when the store heals, producers may be waiting for it. */
const longestPauseMs = { ofStore: 5_000, ofPartition: 10_000 }

interface Taken {
  partition: FlushedPartition
  flush: ForFlush
}

export class Flusher {
  /** Appends for clients wait while it is on. */
  readonly pressure = new Valve()
  readonly #options: FlusherOptions
  readonly #turns: Turns
  readonly #retries: Retries
  /** Of carrying forward. */
  readonly #carries: Retries
  /** Since when something of a partition is unflushed; on the monotonic clock, as all times here. */
  readonly #since = new WeakMap<FlushedPartition, number>()
  #unflushedBytes = 0
  /** The last flush of all: when it began, and where the stream was. */
  #lastAll: { ms: number; seq: number; inlineBytes: number }
  #trimmedBelow = 0
  /** More could have been trimmed. */
  #isTrimDue = false
  /** Taken at once; fewer after a failure. */
  #most = mostPartitions
  /** A partition must not be taken twice at once. */
  readonly #flushes = new OneAfterAnother()
  #running: Promise<void> | null = null
  #closed = false

  constructor(options: FlusherOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#retries = new Retries(options.system, options.report)
    this.#carries = new Retries(options.system, options.report)
    this.#lastAll = this.#now()
    this.#lookLater()
  }

  /**
   * Throws KAFKA_STORAGE_ERROR when so much is unflushed that not even those may append who ignore the pressure. A partition that alone cannot be
   * flushed has a bound of its own: it must not hold up the others.
   */
  admit(partition: FlushedPartition, origin: 'client' | 'coordinator'): void {
    const { journalMaxBytes, flushBytes } = this.#options.shared
    const factor = origin === 'client' ? 2 : 3
    if (this.#unflushedBytes > factor * journalMaxBytes)
      throw new KafkaError('KAFKA_STORAGE_ERROR', 'The journal is full, because its contents cannot be flushed to the object store')
    if (partition.unflushedBytes > factor * flushBytes && this.isStuck(partition))
      throw new KafkaError(
        'KAFKA_STORAGE_ERROR',
        `The records in the journal of ${partition.name} cannot be flushed to the object store; appends are refused until they can`,
      )
  }

  /**
   * All that these have now. Rejects when it fails; but of those that cannot be flushed whatever the object store does, only when the others
   * are flushed.
   */
  async flush(partitions: readonly FlushedPartition[]): Promise<void> {
    const waiting = [...partitions]
    const faults: unknown[] = []
    const onFault = (partition: FlushedPartition, error: unknown) => {
      faults.push(error)
      this.#isAtFault(partition, error)
    }
    while (waiting.length > 0)
      await this.#flushes.run(async () => {
        const taken = await this.#take(waiting, mostPartitions, onFault)
        try {
          await this.#write(taken)
        } catch (error) {
          const culprit = culpritOf(taken, error)
          if (culprit === null) throw error
          onFault(culprit, error)
          waiting.unshift(...others(taken, culprit))
        }
      })
    if (faults.length > 0) throw faults[0]
  }

  /** It cannot be flushed while others can. */
  isStuck(partition: FlushedPartition): boolean {
    return this.#retries.hasFailed(partition) && !this.#retries.hasFailed(this)
  }

  /** Resolves when no flush runs any more, and none will begin by itself. */
  async close(): Promise<void> {
    this.#closed = true
    this.pressure.set(false)
    await this.#running
    await this.#flushes.idle()
  }

  #now(): { ms: number; seq: number; inlineBytes: number } {
    const { system, journal } = this.#options
    const { bytes, objectBytes } = journal.counts
    return { ms: system.clock.monotonic(), seq: journal.lastSeq, inlineBytes: bytes - objectBytes }
  }

  #look(): void {
    const { rows } = this.#options
    if (rows.ended) this.pressure.set(false)
    if (this.#closed || rows.ended) return
    const due = this.#due()
    if (due !== null && this.#running === null && this.#retries.isDue(this))
      this.#running = this.#run(due).finally(() => {
        this.#running = null
      })
    this.#lookLater()
  }

  #lookLater(): void {
    this.#options.system.timers.after(lookMs, () => this.#look())
  }

  /** Which partitions are to be flushed now; null: none. Also measures what is unflushed. */
  #due(): { partitions: FlushedPartition[]; all: boolean } | null {
    const { shared } = this.#options
    const now = this.#now()
    const unflushed: FlushedPartition[] = []
    const own: FlushedPartition[] = []
    let [bytes, stuck, stuckBytes, dueBytes] = [0, 0, 0, 0]
    for (const partition of this.#options.partitions()) {
      const ms = this.#ageMs(partition, now.ms)
      if (ms === null) continue
      bytes += partition.unflushedBytes
      if (this.isStuck(partition)) {
        stuck++
        stuckBytes += partition.unflushedBytes
      }
      if (!this.#retries.isDue(partition)) continue
      dueBytes += partition.unflushedBytes
      unflushed.push(partition)
      if (isRollDue(partition, ms)) own.push(partition)
    }
    this.#unflushedBytes = bytes
    this.#options.counts.stuck = stuck
    const flushBytes = this.#flushBytes(unflushed.length)
    // While the object store is away, waiting helps nobody before there is no room any more.
    const mostBytes = this.#retries.hasFailed(this)
      ? shared.journalMaxBytes
      : Math.min(shared.journalMaxBytes, flushBytes + mostBehind * shared.flushBytes)
    this.pressure.set(bytes - stuckBytes > mostBytes)
    const { ms, seq } = this.#lastAll
    if (now.seq > seq && (this.#isLong(now) || now.ms - ms >= shared.flushMs)) return { partitions: unflushed, all: true }
    // After a failure, whoever else has something shows whose fault it was.
    if (dueBytes >= flushBytes && this.#retries.hasFailed(this)) return { partitions: unflushed, all: false }
    if (dueBytes >= flushBytes) return { partitions: largest(unflushed, dueBytes - flushBytes / 2, own), all: false }
    return own.length === 0 ? null : { partitions: own, all: false }
  }

  /** So much of so many partitions makes a flush due. */
  #flushBytes(partitions: number): number {
    const { shared, journal } = this.#options
    const { flushBytes, journalMaxBytes } = shared
    const heirs = journal.liveBrokers - 1
    const times = Math.max(1, Math.min(mostFlushes, partitions / partitionsPerFlush, heirs / heirsPerFlush))
    return Math.min(flushBytes * times, journalMaxBytes / 4)
  }

  /** The stream since all was flushed. */
  #isLong({ seq, inlineBytes }: { seq: number; inlineBytes: number }): boolean {
    const then = this.#lastAll
    const hasMany = seq - then.seq > longestStream.frames
    return hasMany || inlineBytes - then.inlineBytes > longestStream.flushes * this.#options.shared.flushBytes
  }

  /** For how long something of it is unflushed; null: nothing is. */
  #ageMs(partition: FlushedPartition, nowMs: number): number | null {
    if (partition.unflushedBytes === 0) {
      this.#since.delete(partition)
      return null
    }
    const since = this.#since.get(partition)
    if (since === undefined) this.#since.set(partition, nowMs)
    return nowMs - (since ?? nowMs)
  }

  /** Never rejects. */
  async #run({ partitions, all }: { partitions: FlushedPartition[]; all: boolean }): Promise<void> {
    const { rows } = this.#options
    const begun = this.#now()
    // What fails alone comes last, so that it delays nobody.
    const waiting = [
      ...partitions.filter(each => !this.#retries.hasFailed(each)),
      ...partitions.filter(each => this.#retries.hasFailed(each)),
    ]
    while (waiting.length > 0) if (this.#closed || rows.ended || !(await this.#flushes.run(() => this.#attempt(waiting)))) return
    try {
      if (all) {
        await this.#carryStuck(begun.seq)
        await this.#flushes.run(() => this.#advance(begun.seq))
      }
      while (this.#isTrimDue) await this.#trim()
      if (all) this.#lastAll = begun
    } catch (error) {
      if (!rows.ended) this.#retries.failed(this, 'trimming the journal', error, longestPauseMs.ofStore)
    }
  }

  /** Some of them; false when it failed, and the rest should wait. */
  async #attempt(waiting: FlushedPartition[]): Promise<boolean> {
    const { rows } = this.#options
    const taken = await this.#take(waiting, this.#most, (partition, error) => this.#isAtFault(partition, error))
    if (taken.length === 0) return true
    try {
      await this.#write(taken)
    } catch (error) {
      if (rows.ended) return false
      const culprit = culpritOf(taken, error)
      if (culprit === null) return this.#failed(taken, error)
      this.#isAtFault(culprit, error)
      waiting.unshift(...others(taken, culprit))
      return true
    }
    this.#most = Math.min(mostPartitions, 2 * this.#most)
    this.#retries.succeeded(this)
    for (const { partition } of taken) this.#retries.succeeded(partition)
    return true
  }

  #isAtFault(partition: FlushedPartition, error: unknown): void {
    this.#retries.failed(partition, `flushing ${partition.name}`, error, longestPauseMs.ofPartition)
  }

  /** Reported is the first failure after all was well, and later the partition whose fault it is. False: it may be the fault of the store. */
  #failed(taken: readonly Taken[], error: unknown): boolean {
    const [first] = taken
    const isAlone = taken.length === 1
    // Where nothing else succeeds, the fault is hardly the partition's.
    const isWell = !this.#retries.hasFailed(this)
    const isOwnFault = isAlone && isWell && this.#retries.hasFailed(first!.partition)
    if (isAlone)
      this.#retries.failed(first!.partition, isWell ? `flushing ${first!.partition.name}` : null, error, longestPauseMs.ofPartition)
    if (isOwnFault) return true
    const isNew = !isAlone && this.#most === mostPartitions
    this.#retries.failed(this, isNew ? `flushing ${taken.length} partitions` : null, error, longestPauseMs.ofStore)
    this.#most = Math.max(1, taken.length >> 1)
    return false
  }

  /** Takes partitions from those that wait, until there is enough for one transaction. */
  async #take(
    waiting: FlushedPartition[],
    most: number,
    onFailed: (partition: FlushedPartition, error: unknown) => void,
  ): Promise<Taken[]> {
    const taken: Taken[] = []
    let [pieceBytes, stateBytes] = [0, 0]
    while (waiting.length > 0 && taken.length < most && pieceBytes < mostPieceBytes && stateBytes < mostStateBytes) {
      if (this.#turns.over) await this.#turns.next()
      const partition = waiting[0]!
      if (this.#retries.hasFailed(partition) && taken.length > 0) break
      waiting.shift()
      if (!partition.writable) continue
      try {
        const bytes = partition.unflushedBytes
        const flush = partition.takeForFlush()
        if (flush === null) continue
        taken.push({ partition, flush })
        pieceBytes += bytes
        stateBytes += flush.state.length
      } catch (error) {
        onFailed(partition, error)
      }
      if (this.#retries.hasFailed(partition)) break
    }
    return taken
  }

  /** Objects first, then one frame with the rows of all of them. */
  async #write(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return
    const { pieces, rows, leftovers, counts } = this.#options
    const segments = await pieces.write(taken.map(({ flush }) => flush.piece))
    const written = new Map<FlushedPartition, { row: PartitionRow; segment: SegmentRow }>()
    let bound = 0
    let isCommitted = false
    const make = (seq: number) => {
      for (const [nth, { partition, flush }] of taken.entries()) {
        const row = partition.writable ? partition.rowAt(seq, flush) : null
        if (row !== null) written.set(partition, { row, segment: segments[nth]! })
      }
      bound = this.#trimBelow(seq, partition => written.get(partition)?.row)
      const all = [...written.values()]
      return { partitions: all.map(each => each.row), addSegments: all.map(each => each.segment), trimBelow: bound }
    }
    const apply = () => {
      isCommitted = true
      for (const [partition, { row, segment }] of written) {
        partition.flushed(row, [segment])
        this.#since.delete(partition)
        counts.pieces++
        counts.flushedBytes += segment.bytes
      }
      counts.flushes++
      this.#trimmed(bound)
    }
    try {
      await rows.commit(make, apply)
    } catch (error) {
      // What goes wrong behind the commit is a bug; the objects are named all the same.
      if (!rows.ended && !isCommitted) leftovers.discard(segments.map(each => each.object))
      throw error
    }
    const named = new Set([...written.values()].map(each => each.segment.object))
    leftovers.discard(segments.map(each => each.object).filter(object => !named.has(object)))
  }

  /** Those that cannot be flushed hold back no frames from before `seq`. */
  async #carryStuck(seq: number): Promise<void> {
    const { rows, journal, system, counts } = this.#options
    const isHeldBack = (each: FlushedPartition) => each.fromSeq < seq && each.unflushedBytes > 0 && each.writable && this.isStuck(each)
    for (const partition of [...this.#options.partitions()].filter(isHeldBack)) {
      if (rows.ended || !this.#carries.isDue(partition)) continue
      try {
        await this.#flushes.run(() => rows.alone(() => carryForward(partition, journal, system)))
        this.#carries.succeeded(partition)
        counts.carriedForward++
      } catch (error) {
        if (!rows.ended) this.#carries.failed(partition, `carrying ${partition.name} forward in the journal`, error)
      }
    }
  }

  /** Partitions of which all is flushed hold back no frames from before `seq`; at least one frame is written, which trims. */
  async #advance(seq: number): Promise<void> {
    const waiting = [...this.#options.partitions()].filter(each => each.fromSeq < seq && each.unflushedBytes === 0 && each.writable)
    do {
      const moved = new Map<FlushedPartition, PartitionRow>()
      let bound = 0
      const make = (at: number) => {
        for (let stateBytes = 0; waiting.length > 0 && moved.size < mostPartitions && stateBytes < mostStateBytes; ) {
          const partition = waiting.pop()!
          const row = partition.writable ? partition.rowAt(at, null) : null
          if (row === null) continue
          moved.set(partition, row)
          stateBytes += row.state.length
        }
        bound = this.#trimBelow(at, partition => moved.get(partition))
        return { partitions: [...moved.values()], trimBelow: bound }
      }
      const apply = () => {
        for (const [partition, row] of moved) partition.flushed(row, [])
        this.#trimmed(bound)
      }
      await this.#options.rows.commit(make, apply)
    } while (waiting.length > 0)
  }

  async #trim(): Promise<void> {
    let bound = 0
    const make = (seq: number) => {
      bound = this.#trimBelow(seq, () => undefined)
      return { trimBelow: bound }
    }
    await this.#options.rows.commit(make, () => this.#trimmed(bound))
  }

  /** A step towards where the stream is of no more use to any partition, once those have the rows that `rowOf` names. */
  #trimBelow(seq: number, rowOf: (partition: FlushedPartition) => PartitionRow | undefined): number {
    let bound = seq
    for (const partition of this.#options.partitions()) {
      const fromSeq = rowOf(partition)?.fromSeq ?? partition.fromSeq
      if (fromSeq > 0 && fromSeq < bound) bound = fromSeq
    }
    const step = Math.min(bound, this.#trimmedBelow + mostTrimmed)
    this.#isTrimDue = step < bound
    return step
  }

  #trimmed(bound: number): void {
    if (bound <= this.#trimmedBelow) return
    this.#trimmedBelow = bound
    this.#options.counts.trims++
  }
}

/** Whose piece it is that cannot be made; null: it may be anybody's fault. */
function culpritOf(taken: readonly Taken[], error: unknown): FlushedPartition | null {
  if (!(error instanceof PieceFault)) return null
  return taken.find(({ flush }) => flush.piece === error.piece)?.partition ?? null
}

function others(taken: readonly Taken[], culprit: FlushedPartition): FlushedPartition[] {
  return taken.map(({ partition }) => partition).filter(partition => partition !== culprit)
}

/** Those with the most unflushed bytes, until that is enough, and `others`. */
function largest(partitions: readonly FlushedPartition[], bytes: number, others: readonly FlushedPartition[]): FlushedPartition[] {
  const chosen = new Set(others)
  for (const partition of partitions.toSorted((a, b) => b.unflushedBytes - a.unflushedBytes)) {
    if (bytes <= 0) break
    chosen.add(partition)
    bytes -= partition.unflushedBytes
  }
  return [...chosen]
}

/** What is unflushed is what the active segment is to Kafka: neither retention nor compaction sees it before it is rolled. */
function isRollDue({ config, unflushedBytes }: FlushedPartition, ageMs: number): boolean {
  if (ageMs < leastAgeMs) return false
  const { segmentBytes, segmentMs } = rollLimits(config)
  if (unflushedBytes >= segmentBytes || ageMs >= segmentMs) return true
  if (!config.cleanupPolicy.delete) return false
  const { retentionMs, retentionBytes } = config
  return (retentionMs >= 0 && ageMs >= retentionMs) || (retentionBytes >= 0 && unflushedBytes > retentionBytes)
}
