/**
 * Limits how long connections are served in one turn of the event loop. The kernel may report hundreds of them as readable at once, and
 * libuv then reads from all of them before anything else runs.
 *
 * Requests that arrive after the limit wait, and are served in the next turns, first come, first served. While some wait, whatever arrives
 * later waits behind them, so nobody is overtaken. Those that are served together still share one write to the journal (ADR 0006).
 */
import type { Clock, Timers } from '../../base.ts'

/** Of the 20 ms that a turn may take, the rest is left for timers, slices of long work, and the journal. */
const mostMs = 8
/** No turn is limited that follows another one so soon: a broker with one busy client pays nothing for the limit. */
const leastMs = 1

export class ReadTurns {
  readonly #clock: Clock
  readonly #timers: Timers
  /** Monotonic; when the first request of this turn was served. */
  #sinceMs = Number.NEGATIVE_INFINITY
  #isLimited = false
  #waiting: (() => void)[] = []

  constructor({ clock, timers }: { clock: Clock; timers: Timers }) {
    this.#clock = clock
    this.#timers = timers
  }

  /** Whether requests that arrive now may be served now. */
  admits(nowMs: number): boolean {
    if (this.#waiting.length > 0) return false
    const servedMs = nowMs - this.#sinceMs
    if (servedMs < leastMs) return true
    if (this.#isLimited) return servedMs < mostMs
    this.#begin(nowMs)
    return true
  }

  /** Calls back in one of the next turns. */
  wait(callback: () => void): void {
    this.#waiting.push(callback)
  }

  #begin(nowMs: number): void {
    this.#sinceMs = nowMs
    this.#isLimited = true
    this.#timers.soon(() => this.#turn())
  }

  #turn(): void {
    this.#isLimited = false
    if (this.#waiting.length === 0) return
    const beganMs = this.#clock.monotonic()
    // What is read in the rest of the turn counts too.
    this.#begin(beganMs)
    let served = 0
    while (served < this.#waiting.length && this.#clock.monotonic() - beganMs < mostMs) this.#waiting[served++]!()
    this.#waiting = this.#waiting.slice(served)
  }
}
