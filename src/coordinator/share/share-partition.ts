/**
 * One share group in one partition of the log, on the broker that owns the partition (KIP-932): acquires records for members, processes their
 * acknowledgements, expires locks, and reports changes to the share coordinator. An acknowledgement is confirmed only when it is durable. If
 * a write fails, memory and store differ, so the state is discarded and read again.
 *
 * Records for a dead-letter queue (KIP-1191) are first stored as being archived, then written to the queue, then stored as archived. A crash
 * in between may repeat a letter, but loses none.
 */
import type { Clock, Int64, System, Timer } from '../../base.ts'
import type { PartitionLog, Slice } from '../../log.ts'
import { batchHeaderSize, header, KafkaError, toKafkaError } from '../../protocol.ts'
import {
  type AcquiredRange,
  acknowledgeTypes,
  type Change,
  type DeliveryRule,
  deliveryStates,
  InFlight,
  type StateBatch,
} from './in-flight.ts'
import type { ShareState } from './state-shard.ts'

export interface ShareConfig {
  autoOffsetReset: string
  isolationLevel: 'read_committed' | 'read_uncommitted'
  deliveryCountLimit: number
  recordLockDurationMs: number
  maxRecordLocks: number
  renewEnabled: boolean
  /** Whether the group has a dead-letter queue. */
  deadLetters: boolean
}

export interface DeadLetter {
  groupId: string
  source: PartitionLog
  firstOffset: number
  lastOffset: number
  deliveryCount: number
  /** In Kafka's words. */
  cause: string
}

export interface SharePartitionOptions {
  system: System
  log: PartitionLog
  config: ShareConfig
  state: ShareState
  store(change: ShareState): Promise<void>
  /** Writes dead letters; settles when they are durable, or when that was given up. */
  bury(dying: Change): Promise<void>
  /** Records may be there for members that found none. */
  available(): void
  /** Memory and store differ: this object must not be used any more. */
  lost(error: KafkaError): void
}

export interface AcknowledgementBatch {
  firstOffset: number
  lastOffset: number
  /** One for all, or one for each. */
  types: readonly number[]
}

export interface Acquisition {
  /** Whole batches that hold what was acquired, and perhaps more. */
  chunks: Buffer[]
  acquired: AcquiredRange[]
  release(): void
}

export interface AcquireLimit {
  memberId: string
  maxBytes: number
  maxRecords: number
  /** Not one record more, even when that cuts a batch (`share.acquire.mode=record_limit`). */
  strict: boolean
}

/** Batches that are checked in one step. */
const mostBatches = 5_000
/** Bytes read in one step after a step that found nothing to deliver. */
const skippedBytes = 1 << 20

export class SharePartition {
  readonly log: PartitionLog
  readonly #options: SharePartitionOptions
  readonly #clock: Clock
  readonly #inFlight: InFlight
  #config: ShareConfig
  #lockTimer: Timer | null = null
  #lockTimerAtMs = Number.POSITIVE_INFINITY
  #storedStartOffset: number
  #closed = false

  /** `options.state.startOffset` is known. */
  constructor(options: SharePartitionOptions) {
    this.log = options.log
    this.#options = options
    this.#clock = options.system.clock
    this.#config = options.config
    this.#inFlight = new InFlight(options.state.startOffset, options.state.stateBatches)
    this.#storedStartOffset = this.#inFlight.startOffset
    // Changes that a predecessor did not complete.
    this.#buryAll(this.#inFlight.dying(options.config.deliveryCountLimit))
  }

  set config(config: ShareConfig) {
    this.#config = config
  }

  get visibleEnd(): number {
    return this.#upTo === 'last-stable' ? this.log.lastStableOffset : this.log.highWatermark
  }

  get #upTo(): 'last-stable' | 'high-watermark' {
    return this.#config.isolationLevel === 'read_committed' ? 'last-stable' : 'high-watermark'
  }

  /** No member holds any of its records: it can be dropped, and created again from the stored state. */
  get isIdle(): boolean {
    return this.#lockTimerAtMs === Number.POSITIVE_INFINITY
  }

  /** Something can be acquired now. */
  get hasAvailable(): boolean {
    return this.#room > 0 && this.#inFlight.nextOffset < this.visibleEnd
  }

  get #room(): number {
    const { nextOffset, endOffset, inFlightCount } = this.#inFlight
    // What was given back is in flight already: it needs no room.
    return nextOffset < endOffset ? endOffset - nextOffset : this.#config.maxRecordLocks - inFlightCount
  }

  /** Calls back once when records beyond what is there now can be seen. */
  whenMore(callback: () => void): { cancel(): void } {
    return this.log.whenPast(Math.max(this.visibleEnd, this.#inFlight.endOffset), this.#upTo, callback)
  }

  /** null: nothing can be acquired now. Rejects as the log's `read`. */
  async acquire(limit: AcquireLimit): Promise<Acquisition | null> {
    for (let { maxBytes } = limit; ; maxBytes = Math.min(maxBytes, skippedBytes)) {
      this.#follow()
      if (!this.hasAvailable) {
        await this.#checkLog()
        return null
      }
      const from = this.#inFlight.nextOffset
      const slice = await this.log.read(from, { maxBytes, atLeastOne: true, upTo: this.#upTo })
      // Dropped meanwhile: another instance has taken its place, and may deliver the same records to another member.
      const acquisition = this.#closed ? null : this.#acquireFrom(slice, from, limit)
      if (acquisition !== null && acquisition.acquired.length > 0) return acquisition
      slice.release()
      if (acquisition === null) return null
      // Nothing but what is hidden, or others were faster: further on there may be more.
      if (slice.chunks.length === 0) return null
      await new Promise<void>(resolve => this.#options.system.timers.soon(resolve))
    }
  }

  /** Whoever waits for more of a log that is offline, or not here any more, would be called at once, again and again. */
  async #checkLog(): Promise<void> {
    const slice = await this.log.read(this.visibleEnd, { maxBytes: 0, atLeastOne: false, upTo: this.#upTo })
    slice.release()
  }

  #acquireFrom(slice: Slice, from: number, { memberId, maxRecords, strict }: AcquireLimit): Acquisition {
    const deadlineMs = this.#clock.monotonic() + this.#config.recordLockDurationMs
    const acquired: AcquiredRange[] = []
    const chunks: Buffer[] = []
    const hidden: StateBatch[] = []
    let left = maxRecords
    let looked = 0
    let next = from
    // A range of records that no member may see is one change, however many batches and gaps are in it: there may be thousands.
    let hiddenFrom = from
    const hide = (until: number) => {
      if (until > hiddenFrom) hidden.push(...this.#inFlight.hide(hiddenFrom, until - 1))
    }
    const isAborted = abortedIn(slice)
    for (const chunk of slice.chunks) {
      let taken = 0
      for (let at = 0; left > 0 && looked < mostBatches && at + batchHeaderSize <= chunk.length; looked++) {
        const size = header.sizeBytes(chunk, at)
        const last = header.lastOffset(chunk, at)
        next = Math.max(next, header.baseOffset(chunk, at))
        if (!isAborted(chunk, at) && !header.isControl(chunk, at)) {
          hide(next)
          const room = Math.min(this.#room, strict ? left : Number.POSITIVE_INFINITY)
          const ranges = room > 0 ? this.#inFlight.acquire(next, Math.min(last, next + room - 1), room, memberId, deadlineMs) : []
          for (const range of ranges) left -= range.lastOffset - range.firstOffset + 1
          acquired.push(...ranges)
          // The rest of the batch waits until others are finished.
          if (next + room - 1 < last) left = 0
          hiddenFrom = last + 1
          if (ranges.length === 0 && left === 0) break
        }
        next = last + 1
        at += size
        taken = at
      }
      if (taken > 0) chunks.push(chunk.subarray(0, taken))
      if (left <= 0 || looked >= mostBatches) break
    }
    hide(next)
    if (acquired.length > 0) this.#armLock(deadlineMs)
    if (hidden.length > 0) void this.#persist(hidden)
    return { chunks, acquired: joined(acquired), release: () => slice.release() }
  }

  /** Settles when durable. Throws KafkaError; nothing has changed then but for `lost`. */
  async acknowledge(memberId: string, batches: readonly AcknowledgementBatch[]): Promise<void> {
    const changed: Change[] = []
    let renewed = false
    const deadlineMs = this.#clock.monotonic() + this.#config.recordLockDurationMs
    try {
      for (const { firstOffset, lastOffset, types } of batches) {
        renewed ||= types.includes(acknowledgeTypes.renew)
        changed.push(...this.#inFlight.acknowledge(firstOffset, lastOffset, types, memberId, this.#rule, deadlineMs))
      }
    } finally {
      // Earlier batches of the request stand even when a later one is wrong.
      if (changed.length > 0) {
        await this.#persist(changed)
        this.#buryAll(changed)
      }
    }
    if (renewed) this.#armLock(deadlineMs)
    if (this.hasAvailable) this.#options.available()
  }

  /** The member has left: its records become available again. */
  async releaseMember(memberId: string): Promise<void> {
    const changed = this.#inFlight.release(owner => owner === memberId, this.#rule, true)
    if (changed.length === 0) return
    this.#options.available()
    await this.#persist(changed)
    this.#buryAll(changed)
  }

  close(): void {
    this.#closed = true
    this.#lockTimer?.cancel()
  }

  get #rule(): DeliveryRule {
    return { most: this.#config.deliveryCountLimit, deadLetters: this.#config.deadLetters }
  }

  /** Of changes that are stored: a letter must not be there without a reason. */
  #buryAll(changed: readonly Change[]): void {
    let run: Change | null = null
    for (const change of changed) {
      if (change.deliveryState !== deliveryStates.archiving) continue
      const goesOn = run !== null && run.lastOffset + 1 === change.firstOffset && run.deliveryCount === change.deliveryCount
      if (run !== null && goesOn && run.cause === change.cause) run.lastOffset = change.lastOffset
      else {
        if (run !== null) void this.#bury(run)
        run = { ...change }
      }
    }
    if (run !== null) void this.#bury(run)
  }

  async #bury(dying: Change): Promise<void> {
    const { firstOffset, lastOffset } = dying
    await this.#options.bury(dying)
    // The next owner of the partition starts again with these records.
    if (this.#closed) return
    const changed = this.#inFlight.buried(firstOffset, lastOffset)
    if (this.hasAvailable) this.#options.available()
    void this.#persist(changed)
  }

  /** Records at the front may have been deleted. */
  #follow(): void {
    if (this.#inFlight.advanceTo(this.log.logStartOffset)) void this.#persist([])
  }

  #armLock(deadlineMs: number): void {
    if (deadlineMs >= this.#lockTimerAtMs) return
    this.#lockTimer?.cancel()
    this.#lockTimerAtMs = deadlineMs
    this.#lockTimer = this.#options.system.timers.after(deadlineMs - this.#clock.monotonic(), () => this.#endLocks())
  }

  #endLocks(): void {
    this.#lockTimerAtMs = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    let nextMs = Number.POSITIVE_INFINITY
    const isDue = (_memberId: string, deadlineMs: number) => {
      // Timers may fire a fraction early.
      if (deadlineMs - now < 1) return true
      nextMs = Math.min(nextMs, deadlineMs)
      return false
    }
    const changed = this.#inFlight.release(isDue, this.#rule, false)
    if (nextMs !== Number.POSITIVE_INFINITY) this.#armLock(nextMs)
    if (changed.length === 0) return
    this.#options.available()
    void this.#persist(changed).then(
      () => this.#buryAll(changed),
      // `close` or `lost` has been called.
      () => {},
    )
  }

  /** Rejects only after `close` or `lost` has been called. */
  #persist(changed: readonly StateBatch[]): Promise<void> {
    const { startOffset, completeCount } = this.#inFlight
    const stateBatches = changed.filter(({ lastOffset }) => lastOffset >= startOffset)
    if (stateBatches.length === 0 && startOffset === this.#storedStartOffset) return Promise.resolve()
    // Another instance has read what is stored, and does not know of this.
    if (this.#closed) return refused()
    this.#storedStartOffset = startOffset
    const change = {
      stateEpoch: this.#options.state.stateEpoch,
      leaderEpoch: this.log.leaderEpoch,
      startOffset,
      deliveryCompleteCount: completeCount,
      stateBatches,
    }
    const stored = this.#options.store(change).catch(error => {
      const cause = toKafkaError(error)
      this.#options.lost(cause)
      throw cause
    })
    // Waiting requests get the error; nothing waits for a timer's write, and `lost` has been called.
    stored.catch(() => {})
    return stored
  }
}

function refused(): Promise<never> {
  const refusal = Promise.reject(new KafkaError('NOT_LEADER_OR_FOLLOWER', 'The share partition was loaded anew'))
  refusal.catch(() => {})
  return refusal
}

/** Whether a transactional batch of the slice belongs to an aborted transaction; always false without a list. */
function abortedIn({ abortedTransactions }: Slice): (chunk: Buffer, at: number) => boolean {
  if (abortedTransactions === null || abortedTransactions.length === 0) return () => false
  const pending = [...abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset)
  let begun = 0
  const aborting = new Set<Int64>()
  return (chunk, at) => {
    const last = header.lastOffset(chunk, at)
    while (begun < pending.length && pending[begun]!.firstOffset <= last) aborting.add(pending[begun++]!.producerId)
    const producerId = header.producerId(chunk, at)
    if (header.isControl(chunk, at)) {
      // The marker that ends it: later batches of the producer are another transaction.
      aborting.delete(producerId)
      return true
    }
    return header.isTransactional(chunk, at) && aborting.has(producerId)
  }
}

function joined(ranges: readonly AcquiredRange[]): AcquiredRange[] {
  const result: AcquiredRange[] = []
  for (const range of ranges) {
    const last = result.at(-1)
    if (last !== undefined && last.lastOffset + 1 === range.firstOffset && last.deliveryCount === range.deliveryCount) {
      last.lastOffset = range.lastOffset
    } else result.push({ ...range })
  }
  return result
}
