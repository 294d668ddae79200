/**
 * One partition of a trigger: the records that were fetched and not called with yet, and which of them are done.
 *
 * One batch follows the other, so that the order is kept; where it is to be kept only per key, the records of different keys are called with at the same time.
 */
import { pause, type System, type Timer } from '../../base.ts'
import type { ReceivedRecord } from '../../client.ts'
import type { Entry } from './batch.ts'

export interface LaneOptions {
  readonly topic: string
  readonly partition: number
  /** The next one to fetch. */
  readonly from: bigint
  readonly batchSize: number
  readonly maxWaitMs: number
  /** Of the items of one event. */
  readonly maxItemBytes: number
  /** 1: one call at a time. More: of different keys. */
  readonly callsAtOnce: number
  readonly system: Pick<System, 'clock' | 'timers'>
  /** null: the record is left out. */
  readonly toItem: (record: ReceivedRecord) => string | null
  /** Resolves when all of them are done. Rejects with {@link Stopped}, and when the lane must begin again at what is committed. */
  readonly work: (lane: Lane, entries: readonly Entry[]) => Promise<void>
  /** One record is larger than any event may be. */
  readonly tooLarge: (lane: Lane, entry: Entry) => Promise<void>
  readonly onFailure: (error: unknown) => void
  /** The same records have failed for a while. */
  readonly onStuck: (error: Error) => void
}

/** Records that are tried again. */
export interface Trouble {
  /** Of the wall clock. */
  readonly sinceMs: number
  readonly times: number
  readonly message: string
}

/** The partition is another worker's, or the trigger ends. */
export class Stopped extends Error {}

/** Records in memory, besides the batch under way; at least two windows. */
const mostWaiting = 5_000
/** Of the same records. */
const mostQuietFailures = 10
const mostPauseMs = 300_000
/** Kept in memory though they are taken. */
const mostTakenBytes = 262_144

export class Lane {
  readonly topic: string
  readonly partition: number
  readonly #options: LaneOptions
  readonly #stop = new AbortController()
  #waiting: Entry[] = []
  /** How many in front are taken. They are not removed one by one: with small batches, most of the time would go into moving the rest. */
  #taken = 0
  #takenBytes = 0
  #waitingBytes = 0
  #waitingSinceMs = 0
  #isWorking = false
  #isEnding = false
  #isBroken = false
  /** The first of what is being called with. */
  #first: ReceivedRecord | null = null
  /** By what is tried, the oldest first. */
  readonly #troubles = new Map<object, Trouble>()
  #ended: () => void = () => {}
  #timer: Timer | null = null
  /** Behind all that was fetched. */
  #next: bigint
  /** Behind all that is done. */
  #done: bigint

  constructor(options: LaneOptions) {
    this.topic = options.topic
    this.partition = options.partition
    this.#options = options
    this.#next = options.from
    this.#done = options.from
  }

  get next(): bigint {
    return this.#next
  }

  /** What may be committed. */
  get done(): bigint {
    return this.#done
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Of what waits. */
  get bytes(): number {
    return this.#waitingBytes
  }

  /** Timestamp of the oldest record that was fetched and is not done; null: there is none, or it has no time. */
  get oldestMs(): number | null {
    const record = this.#first ?? this.#waiting[this.#taken]?.record
    return record === undefined || record.timestampMs < 0n ? null : Number(record.timestampMs)
  }

  /** The oldest one; null: there is none. */
  get trouble(): Trouble | null {
    return this.#troubles.values().next().value ?? null
  }

  /** `what` did not work, and is tried again. */
  failed(what: object, error: Error, message = error.message): void {
    const before = this.#troubles.get(what)
    const times = (before?.times ?? 0) + 1
    this.#troubles.set(what, { sinceMs: before?.sinceMs ?? this.#options.system.clock.now(), times, message })
    if (times === mostQuietFailures) this.#options.onStuck(error)
  }

  /** `what` has worked, or is given up. */
  settled(what: object): void {
    this.#troubles.delete(what)
  }

  get wantsMore(): boolean {
    const { batchSize, callsAtOnce } = this.#options
    return this.#waitingCount < Math.max(mostWaiting, 2 * batchSize * callsAtOnce)
  }

  get #waitingCount(): number {
    return this.#waiting.length - this.#taken
  }

  push(record: ReceivedRecord): void {
    const item = this.#options.toItem(record)
    if (item === null) return
    if (this.#waitingCount === 0) this.#waitingSinceMs = this.#options.system.clock.monotonic()
    this.#waiting.push({ record, item })
    this.#waitingBytes += item.length
  }

  /** All records before it have been pushed. */
  fetched(next: bigint): void {
    this.#next = next
    this.#settle()
    this.#look()
  }

  stop(): void {
    this.#stop.abort(new Stopped('the partition is not read here any more'))
    this.#timer?.cancel()
  }

  /** Begins nothing more; resolves when what is under way is done, or has failed. */
  end(): Promise<void> {
    this.#isEnding = true
    this.#timer?.cancel()
    if (!this.#isWorking || this.#isBroken) return Promise.resolve()
    return new Promise(resolve => {
      this.#ended = resolve
    })
  }

  /** For five minutes at most: an endpoint may ask for more patience than anybody has. Rejects with Stopped as soon as the lane is. */
  async pause(ms: number): Promise<void> {
    await pause(this.#options.system, Math.min(ms, mostPauseMs), this.signal)
    this.signal.throwIfAborted()
  }

  /** Nothing waits: all that was fetched is done. */
  #settle(): void {
    if (this.#isWorking) return
    const first = this.#waiting[this.#taken]
    this.#done = first === undefined ? this.#next : first.record.offset
  }

  /** Begins the next batch if it is full, or has waited long enough. */
  #look(): void {
    if (this.#isWorking || this.#isEnding || this.#waitingCount === 0 || this.signal.aborted) return
    const { batchSize, callsAtOnce, maxItemBytes, maxWaitMs, system } = this.#options
    const isFull = this.#waitingCount >= batchSize * callsAtOnce || this.#waitingBytes >= maxItemBytes
    const leftMs = this.#waitingSinceMs + maxWaitMs - system.clock.monotonic()
    this.#timer?.cancel()
    if (!isFull && leftMs > 0) this.#timer = system.timers.after(leftMs, () => this.#look())
    else void this.#work()
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    try {
      const entries = this.#take()
      this.#first = entries[0]!.record
      await this.#each(entries)
      if (this.signal.aborted) return
      this.#first = null
      this.#isWorking = false
      this.#settle()
      this.#look()
    } catch (error) {
      this.#isBroken = true
      if (!(error instanceof Stopped)) this.#options.onFailure(error)
    } finally {
      this.#ended()
    }
  }

  /** As many as one window takes: for each call at once, one batch. */
  #take(): Entry[] {
    const { batchSize, callsAtOnce, maxItemBytes } = this.#options
    const from = this.#taken
    const most = Math.min(this.#waiting.length, from + batchSize * callsAtOnce)
    let bytes = 0
    let end = from
    for (; end < most; end++) {
      const size = this.#waiting[end]!.item.length
      if (end > from && bytes + size > maxItemBytes * callsAtOnce) break
      bytes += size
    }
    this.#waitingBytes -= bytes
    const entries = this.#waiting.slice(from, end)
    this.#taken = end
    this.#takenBytes += bytes
    if (end === this.#waiting.length || this.#takenBytes > mostTakenBytes) {
      this.#waiting.splice(0, end)
      this.#taken = 0
      this.#takenBytes = 0
    }
    return entries
  }

  async #each(entries: readonly Entry[]): Promise<void> {
    const { callsAtOnce } = this.#options
    if (callsAtOnce === 1) return this.#inOrder(entries)
    const shares = Map.groupBy(entries, ({ record }) => shareOf(record, callsAtOnce))
    // If one fails, the others go on: nothing is under way when the lane ends.
    const working = Array.from(shares.values(), share => this.#inOrder(share))
    await Promise.allSettled(working)
    await Promise.all(working)
  }

  /** In batches that are small enough. */
  async #inOrder(entries: readonly Entry[]): Promise<void> {
    const { batchSize, maxItemBytes, work, tooLarge } = this.#options
    let batch: Entry[] = []
    let bytes = 0
    const flush = async () => {
      if (batch.length > 0) await work(this, batch)
      batch = []
      bytes = 0
    }
    for (const entry of entries) {
      const size = Buffer.byteLength(entry.item) + 1
      if (batch.length === batchSize || bytes + size > maxItemBytes) await flush()
      if (size > maxItemBytes) await tooLarge(this, entry)
      else {
        batch.push(entry)
        bytes += size
      }
    }
    await flush()
  }
}

/** Records without a key have no order among each other. */
function shareOf({ key, offset }: ReceivedRecord, shares: number): number {
  if (key === null) return Number(offset % BigInt(shares))
  let hash = 0
  for (const byte of key) hash = (hash * 31 + byte) | 0
  return Math.abs(hash) % shares
}
