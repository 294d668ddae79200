/**
 * The stream of one broker session: what all partitions append in one turn of the event loop becomes one frame, and is committed as one row.
 *
 * At most two frames are sent and not settled yet; meanwhile the next group gathers, so groups grow when the database is slow, and there is
 * no linger. Small shares are in the frame itself; large ones gather in objects, which are written first and referred to by a later frame
 * (object-lane.ts). Small ones never wait for an object, but for those of a partition with earlier bytes in one that no frame refers to yet:
 * they go into that object while it gathers, and behind it, inline in the frame that refers to it, while it is written. So the shares of a
 * partition are in the stream in the order of its offsets, and after a large one it is soon as fast as before.
 *
 * A frame is bound to its seq and its bytes when it is handed to the database, and never taken back: it is committed, or the session is dead.
 * The session is dead when it was fenced, when the database forgot a frame or refuses one, and after `close`. Then nothing here is committed
 * any more, and everyone who waits is told so. What is in objects that no frame refers to is found by the session's name (see `upkeep/`).
 */
import { assert, Durations, type System, type Timer } from '../../base.ts'
import type { TopicConfig } from '../../log.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import { type CommitOutcome, type Database, type FrameKind, frameKind, type ObjectStore, objectNames, type Writes } from '../../store.ts'
import { encodeFrame, type Share } from './frame.ts'
import { InlineBudget } from './inline-budget.ts'
import { Lease, type Moment } from './lease.ts'
import { ObjectLane } from './object-lane.ts'
import { Group, type Outgoing, RowsFrame } from './outgoing.ts'
import type { SharedSettings } from './settings.ts'

/** Implemented by SharedPartition. None of the calls throws. */
export interface JournalMember {
  /** Where its bytes go, if that is not left to their size and the budget. Asked with each append. */
  readonly config: Pick<TopicConfig, 'durability'>
  /** Frame `seq` with its bytes up to `end` was handed over, which fixes where they are in the stream. In order of seq. */
  sent(seq: number, end: Offset): void
  /** All up to `end` is committed: raise the high watermark. No foreign code runs here. */
  committed(end: Offset, logStart: Offset): void
  /** Call waiters. After all members of the frame were told. */
  notify(): void
}

/** What a partition appends. */
export type AppendedShare = Omit<Share, 'object' | 'position' | 'released'>

/** What goes along with rows. */
export interface CarriedShare {
  readonly share: Omit<Share, 'object' | 'position'>
  readonly bytes: readonly Buffer[]
}

export type EndReason = 'fenced' | 'predecessor-missing' | 'refused' | 'closed'

export interface SessionJournalOptions {
  system: System
  database: Database
  objects: ObjectStore
  session: number
  settings: SharedSettings
  report(what: string, error: unknown): void
  /** Nothing is committed any more. Called once, before the promises reject; not after `close`. */
  onEnded(reason: EndReason): void
}

/** What `Log.journal` offers, and more. */
export interface SharedJournalCounts {
  readonly frames: number
  /** Of batches, inline and in objects. */
  readonly bytes: number
  /** From being handed over until it was committed, for each frame. */
  readonly syncs: Durations
  readonly heartbeats: number
  readonly objects: number
  readonly objectBytes: number
  /** Appends that went into objects because the budget for inline bytes was used up. */
  readonly overBudget: number
}

/** What is known of a member beside its bytes. */
interface Place {
  /** The group that its last inline bytes are in, by its number, and how many of them are. */
  group: number
  bytes: number
  /** The last object that its bytes are in and that no frame refers to yet. */
  object: Group | null
}

/** A second one hides the way to the database; more of them hardly add to the rate. */
const mostUnsettled = 2

/** Of a frame, for what goes inline whatever the budget says. A single share may be larger. */
const forcedShare = 1 / 4

/** What a share can say of its position. */
const largestObject = 2 ** 32 - 1

class Counts implements SharedJournalCounts {
  frames = 0
  bytes = 0
  readonly syncs = new Durations()
  heartbeats = 0
  overBudget = 0
  readonly #lane: ObjectLane

  constructor(lane: ObjectLane) {
    this.#lane = lane
  }

  get objects(): number {
    return this.#lane.written
  }
  get objectBytes(): number {
    return this.#lane.bytes
  }
}

export class SessionJournal {
  readonly session: number
  /** null while it goes on. Otherwise every promise rejects with NOT_LEADER_OR_FOLLOWER. */
  ended: EndReason | null = null
  /** Bytes of batches that were handed to it and are not committed yet. */
  unsettledBytes = 0
  /** Of the frame that was handed over last. The session's beginning is frame 0. */
  lastSeq = 0
  readonly counts: Counts
  readonly #options: SessionJournalOptions
  readonly #lease: Lease
  readonly #budget: InlineBudget
  readonly #lane: ObjectLane
  readonly #nameObject: () => string
  readonly #places = new WeakMap<JournalMember, Place>()
  #groups = 0
  #gathering = this.#newGroup()
  /** Before what gathers, in the order in which they get their seqs. */
  readonly #queue: Outgoing[] = []
  readonly #unsettled: Outgoing[] = []
  /** The last of them, if it has metadata: nothing follows until its outcome is known. */
  #alone: Outgoing | null = null
  /** Frames with rows whose object is being written. */
  #carrying = 0
  #scheduled = false
  #sentMs = Number.NEGATIVE_INFINITY
  #heartbeat: Timer | null = null
  #closing: Promise<void> | null = null
  #drained: (() => void) | null = null

  constructor(options: SessionJournalOptions) {
    const { system, objects, settings, report } = options
    this.#options = options
    this.session = options.session
    this.#lease = new Lease(system.clock, settings)
    this.#budget = new InlineBudget(system.clock, settings.inlineBytesPerSecond, settings.inlineBytes)
    const nameOf = objectNames(system.random, '')
    this.#nameObject = () => nameOf(this.session)
    this.#lane = new ObjectLane({
      system,
      objects,
      settings,
      nameObject: this.#nameObject,
      newGroup: () => this.#newGroup(),
      report,
      onReady: (group, object) => this.#join(group, object),
    })
    this.counts = new Counts(this.#lane)
    // At once, because only a committed frame proves anything.
    system.timers.soon(() => this.#beat())
  }

  /** For how long recency may still be promised; 0 or less: not at all. */
  get marginMs(): number {
    return this.ended === null ? this.#lease.marginMs : 0
  }

  /** Recency may be promised. To be asked when the answer is decided. */
  proven(): boolean {
    return this.marginMs > 0
  }

  /** Among so many the cluster's budget for inline bytes is divided. */
  get liveBrokers(): number {
    return this.#budget.brokers
  }
  set liveBrokers(count: number) {
    this.#budget.brokers = count
  }

  /** Adds to the group of this turn, or to an object. `batches` never change again. The promise is shared by all that settles together. */
  append(member: JournalMember, share: AppendedShare, batches: readonly Buffer[]): Promise<void> {
    if (this.ended !== null || this.#closing !== null) return this.#gone()
    let bytes = 0
    for (const each of batches) bytes += each.length
    assert(bytes === share.length, `${bytes} bytes for a share of ${share.length}`)
    this.unsettledBytes += bytes
    const place = this.#placeOf(member)
    const group = this.#inlineGroup(member, place, bytes)
    if (group === null) {
      place.object = this.#lane.add(member, share, batches)
      return place.object.settled
    }
    place.bytes = place.group === group.number ? place.bytes + bytes : bytes
    place.group = group.number
    group.add(member, share, batches)
    if (group === this.#gathering) this.#schedule()
    return group.settled
  }

  /**
   * A frame of its own, with rows. `make` runs when `seq` is fixed and everything that was appended inline before has been handed over; if it
   * throws, nothing was sent, and this rejects with that error. The shares are fixed from the beginning, so that an object for them (above
   * `carryBytes`) is written while others commit; if that fails, this rejects with KAFKA_STORAGE_ERROR, and nothing was sent. The partitions
   * in `carried` have nothing else under way here. `metadata-taken`: nothing happened, and it may be called again.
   */
  async write(kind: FrameKind, carried: readonly CarriedShare[], make: (seq: number) => Writes): Promise<'committed' | 'metadata-taken'> {
    if (this.ended !== null || this.#closing !== null) await this.#gone()
    const content = carried.flatMap(each => each.bytes)
    let bytes = 0
    for (const each of content) bytes += each.length
    assert(bytes <= largestObject, `${bytes} bytes for one frame`)
    this.unsettledBytes += bytes
    const inObject = bytes > this.#options.settings.carryBytes
    const objects = inObject ? [await this.#putCarried(content, bytes)] : []
    const frame = new RowsFrame({
      kind,
      shares: placed(carried, inObject ? 0 : -1),
      inline: inObject ? [] : content,
      objects,
      bytes,
      rows: make,
    })
    this.#closeGroup()
    this.#queue.push(frame)
    this.#schedule()
    return frame.settled
  }

  /** Sends what was gathered, waits for it up to `mostMs`, ends. */
  close(mostMs = this.#options.settings.closeMs): Promise<void> {
    return (this.#closing ??= this.#close(mostMs))
  }

  async #close(mostMs: number): Promise<void> {
    if (this.ended !== null) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#drained = resolve
    const timer = this.#options.system.timers.after(mostMs, resolve)
    this.#lane.seal()
    this.#schedule()
    await promise
    timer.cancel()
    this.#end('closed')
  }

  // ---- gathering ----

  #placeOf(member: JournalMember): Place {
    let place = this.#places.get(member)
    if (place === undefined) {
      place = { group: -1, bytes: 0, object: null }
      this.#places.set(member, place)
    }
    return place
  }

  /**
   * Where these bytes go inline: what gathers now, or, behind an object that is being written with earlier bytes of the member, what will gather
   * then. null: they go into an object.
   */
  #inlineGroup({ config }: JournalMember, place: Place, bytes: number): Group | null {
    const { settings } = this.#options
    const { object } = place
    // As soon as that, and it costs the database nothing.
    if (object !== null && this.#lane.isGathering(object)) return null
    if (config.durability === 'inline' && this.#isFlood(object === null ? this.#gathering : object.behind, bytes)) return null
    if (object === null && this.#gathering.frameBytes + bytes > settings.frameBytes) this.#closeGroup()
    const group = object === null ? this.#gathering : (object.behind ??= this.#newGroup())
    if (bytes === 0) return group
    if (config.durability === 'object' || group.frameBytes + bytes > settings.frameBytes) return null
    if (config.durability === 'inline') {
      this.#budget.force(bytes)
      group.forcedBytes += bytes
      return group
    }
    const before = place.group === group.number ? place.bytes : 0
    if (before + bytes > settings.inlineBytes) return null
    if (this.#budget.take(bytes)) return group
    this.counts.overBudget++
    return null
  }

  /** The database does not keep up with what has to go inline: it would only be late there, and all others behind it. */
  #isFlood(group: Group | null, bytes: number): boolean {
    const forced = group?.forcedBytes ?? 0
    return bytes > 0 && (this.#queue.length > 0 || (forced > 0 && forced + bytes > this.#options.settings.frameBytes * forcedShare))
  }

  #newGroup(): Group {
    return new Group(this.#groups++)
  }

  /** The object is there: the next frame may refer to it, and what follows in its partitions may go inline again. */
  #join(group: Group, object: string): void {
    const bytes = this.#gathering.frameBytes + (group.behind?.frameBytes ?? 0)
    if (bytes > this.#options.settings.frameBytes) this.#closeGroup()
    this.#gathering.join(group, object)
    for (const { member } of group.shares) {
      const place = this.#placeOf(member)
      if (place.object === group) place.object = null
    }
    this.#schedule()
  }

  /** Takes no more; another one begins. */
  #closeGroup(): void {
    if (this.#gathering.isEmpty) return
    this.#queue.push(this.#gathering)
    this.#gathering = this.#newGroup()
  }

  async #putCarried(content: readonly Buffer[], bytes: number): Promise<string> {
    const object = this.#nameObject()
    this.#carrying++
    let failure: unknown = null
    try {
      await this.#options.objects.put(object, content)
    } catch (error) {
      failure = error
    }
    this.#carrying--
    if (this.ended !== null) await this.#gone()
    if (failure === null) return object
    this.unsettledBytes -= bytes
    this.#whenDrained()
    throw new KafkaError('KAFKA_STORAGE_ERROR', `The object ${object} could not be written: ${(failure as Error).message}`)
  }

  // ---- sending ----

  #schedule(): void {
    if (this.#scheduled || this.ended !== null) return
    this.#scheduled = true
    this.#options.system.timers.soon(() => {
      this.#scheduled = false
      this.#send()
    })
  }

  #send(): void {
    while (this.ended === null && this.#unsettled.length < mostUnsettled && this.#alone === null) {
      if (this.#queue.length === 0) this.#closeGroup()
      const next = this.#queue.shift()
      if (next === undefined) break
      this.#handOver(next)
    }
    this.#whenDrained()
  }

  #handOver(frame: Outgoing): void {
    const { database, system } = this.#options
    const seq = this.lastSeq + 1
    let writes: Writes | undefined
    try {
      writes = frame.rows(seq)
    } catch (error) {
      this.unsettledBytes -= frame.bytes
      frame.reject(error)
      return
    }
    const sent = this.#lease.now()
    let committed: Promise<CommitOutcome>
    this.#unsettled.push(frame)
    try {
      const body = encodeFrame(frame.shares, frame.inline)
      committed = database.commit({ session: this.session, seq, kind: frame.kind, body, objects: frame.objects }, writes)
    } catch (error) {
      this.#refused(seq, error)
      return
    }
    this.lastSeq = seq
    this.#sentMs = sent.monotonicMs
    if (writes?.metadata !== undefined) this.#alone = frame
    frame.sent(seq)
    committed.then(
      outcome => this.#settled(frame, seq, sent, outcome, system.clock.monotonic()),
      error => this.#refused(seq, error),
    )
  }

  #settled(frame: Outgoing, seq: number, sent: Moment, outcome: CommitOutcome, nowMs: number): void {
    if (this.ended !== null) return
    if (outcome === 'fenced' || outcome === 'predecessor-missing') {
      if (outcome !== 'fenced')
        this.#options.report(`the database has lost the frame before ${seq} of session ${this.session}, which it had confirmed`, null)
      this.#end(outcome)
      return
    }
    const first = this.#unsettled.shift()
    assert(first === frame, `frame ${seq} of session ${this.session} is settled in its turn`)
    if (this.#alone === frame) this.#alone = null
    this.unsettledBytes -= frame.bytes
    if (outcome === 'committed') this.#count(frame, sent, nowMs)
    else this.lastSeq = seq - 1
    this.#schedule()
    frame.committed(outcome)
  }

  #count({ bytes, kind }: Outgoing, sent: Moment, nowMs: number): void {
    this.#lease.renew(sent)
    this.counts.frames++
    this.counts.bytes += bytes
    this.counts.syncs.add(nowMs - sent.monotonicMs)
    if (kind === frameKind.heartbeat) this.counts.heartbeats++
  }

  /** When nothing was sent for a while; what is sent and not settled says as much as soon as it is committed. */
  #beat(): void {
    if (this.ended !== null) return
    const { system, settings } = this.#options
    const waitMs = this.#sentMs + settings.heartbeatMs - system.clock.monotonic()
    const isIdle = waitMs <= 0 && this.#unsettled.length === 0 && this.#queue.length === 0 && this.#gathering.isEmpty
    if (isIdle) {
      this.#queue.push(heartbeat())
      this.#send()
    }
    this.#heartbeat = system.timers.after(waitMs > 0 ? Math.ceil(waitMs) : settings.heartbeatMs, () => this.#beat())
  }

  // ---- the end ----

  #whenDrained(): void {
    const isIdle = this.#unsettled.length === 0 && this.#queue.length === 0 && this.#gathering.isEmpty && this.#lane.isEmpty
    if (isIdle && this.#carrying === 0) this.#drained?.()
  }

  #refused(seq: number, error: unknown): void {
    if (this.ended !== null) return
    this.#options.report(`frame ${seq} of session ${this.session} was refused`, error)
    this.#end('refused')
  }

  #end(reason: EndReason): void {
    if (this.ended !== null) return
    this.ended = reason
    this.#heartbeat?.cancel()
    this.unsettledBytes = 0
    const waiting: Pick<Outgoing, 'reject'>[] = [
      ...this.#unsettled.splice(0),
      ...this.#queue.splice(0),
      this.#gathering,
      ...this.#lane.end(),
    ]
    this.#gathering = this.#newGroup()
    this.#drained?.()
    try {
      if (reason !== 'closed') this.#options.onEnded(reason)
    } finally {
      const error = this.#goneError()
      for (const each of waiting) each.reject(error)
    }
  }

  #goneError(): KafkaError {
    return new KafkaError('NOT_LEADER_OR_FOLLOWER', `Session ${this.session} of this broker has ended: ${this.ended ?? 'closed'}`)
  }

  #gone(): Promise<never> {
    const refused = Promise.reject(this.#goneError())
    refused.catch(() => {})
    return refused
  }
}

function heartbeat(): RowsFrame {
  return new RowsFrame({ kind: frameKind.heartbeat, shares: [], inline: [], objects: [], bytes: 0, rows: () => undefined })
}

/** With the places of their bytes in the frame, or in its object. */
function placed(carried: readonly CarriedShare[], object: number): Share[] {
  let position = 0
  return carried.map(({ share }) => {
    const at = position
    position += share.length
    return share.length === 0 ? { ...share, object: -1, position: 0 } : { ...share, object, position: at }
  })
}
