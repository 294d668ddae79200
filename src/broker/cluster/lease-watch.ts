/**
 * Finds the sessions of other brokers whose streams do not grow.
 *
 * A living broker writes a frame at least each half second. A stream is silent from the answer that first showed its newest frame to the
 * question that last showed the same one, so for at least as long as is said; on the clock of this broker, which nobody else's clock changes.
 *
 * Who could not look does not know: after a gap in its own looks (a pause, a database that does not answer), and while its own lease is not
 * proven, a watcher forgets what it saw. So an outage of the database, which silences all, makes nobody fence anybody.
 */
import type { System, Timer } from '../../base.ts'
import type { StreamHead } from '../../store.ts'

export interface LeaseWatchOptions {
  system: System
  heads(): Promise<readonly StreamHead[]>
  /** Sessions that should be there. One that is not has ended, and is as silent as one that does not grow. */
  expected(): Iterable<number>
  /** Whether this broker has proved its own lease. */
  proven(): boolean
  silentMs: number
  /** Its process is known to have ended: it need not be silent for so long. */
  hasEnded?(session: number): boolean
  /** After each look. For how long sessions were silent, if it is for `silentMs` or more; infinity: the process has ended. */
  looked(silent: ReadonlyMap<number, number>): void
}

const everyMs = 250
/**
 * A silence has to be longer than what an outage of this length may look like, and a busy machine may hold the event loop for a second: who forgets
 * then begins to wait anew.
 */
const mostGapMs = 1_500
/** Instead of the seq of a session that is not there. */
export const noSeq = -1

interface Seen {
  seq: number
  sinceMs: number
  silentMs: number
}

export class LeaseWatch {
  readonly #options: LeaseWatchOptions
  readonly #seen = new Map<number, Seen>()
  #lookedMs = Number.NEGATIVE_INFINITY
  #timer: Timer | null = null
  #closed = false

  constructor(options: LeaseWatchOptions) {
    this.#options = options
  }

  start(): void {
    void this.#look()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** At which frame the session is silent now; null: it is not, or this broker has not looked for a while. */
  silentAt(session: number): number | null {
    const { system, silentMs } = this.#options
    if (system.clock.monotonic() - this.#lookedMs > mostGapMs) return null
    const seen = this.#seen.get(session)
    return seen !== undefined && seen.silentMs >= silentMs ? seen.seq : null
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { system, heads, proven, looked } = this.#options
    const askedMs = system.clock.monotonic()
    // Who cannot reach the database reports it.
    const answer = await heads().catch(() => null)
    if (this.#closed) return
    const answeredMs = system.clock.monotonic()
    if (answer === null || answeredMs - this.#lookedMs > mostGapMs || !proven()) this.#seen.clear()
    this.#lookedMs = answeredMs
    if (answer !== null) looked(this.#compare(answer, askedMs, answeredMs))
    this.#timer = system.timers.after(everyMs, () => void this.#look())
  }

  #compare(heads: readonly StreamHead[], askedMs: number, answeredMs: number): Map<number, number> {
    const newest = new Map<number, number>()
    for (const session of this.#options.expected()) newest.set(session, noSeq)
    for (const { session, seq } of heads) newest.set(session, seq)
    for (const session of this.#seen.keys()) if (!newest.has(session)) this.#seen.delete(session)
    const silent = new Map<number, number>()
    for (const [session, seq] of newest) {
      const seen = this.#seen.get(session)
      if (seen?.seq !== seq) this.#seen.set(session, { seq, sinceMs: answeredMs, silentMs: 0 })
      else {
        seen.silentMs = this.#options.hasEnded?.(session) === true ? Number.POSITIVE_INFINITY : askedMs - seen.sinceMs
        if (seen.silentMs >= this.#options.silentMs) silent.set(session, seen.silentMs)
      }
    }
    return silent
  }
}
