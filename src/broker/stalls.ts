/**
 * Detects turns of the event loop that take so long that clients notice, and reports which API was being processed. This should not happen,
 * because long work runs in slices (`base/turns.ts`), so each log line points to a fault of the broker or an overloaded machine.
 */
import { Durations, type System } from '../base.ts'
import type { Logger } from '../logger.ts'
import type { Seldom } from './seldom.ts'

/** Longer turns are counted. */
export const stallMs = 20
const noticedMs = 200

export class Stalls {
  readonly durations = new Durations()
  readonly #system: System
  readonly #logger: Logger
  readonly #seldom: Seldom
  /** What has been worked on since when, in this turn; null as long as it was no request. */
  #api: string | null = null
  #sinceMs = 0
  /** What took the longest in this turn so far. */
  #longestApi: string | null = null
  #longestMs = 0

  constructor(system: System, logger: Logger, seldom: Seldom) {
    this.#system = system
    this.#logger = logger
    this.#seldom = seldom
  }

  /** From now on until the next call, or the end of the turn, the event loop works for a request of this API. */
  worksFor(api: string, nowMs: number): void {
    this.#close(nowMs)
    this.#api = api
    this.#sinceMs = nowMs
  }

  /** At the end of each turn. */
  turn(busyMs: number): void {
    if (busyMs > stallMs) {
      this.#close(this.#system.clock.monotonic())
      this.#report(busyMs)
    }
    this.#api = null
    this.#longestApi = null
    this.#longestMs = 0
  }

  #close(nowMs: number): void {
    if (this.#api === null) return
    const ms = nowMs - this.#sinceMs
    if (ms <= this.#longestMs) return
    this.#longestApi = this.#api
    this.#longestMs = ms
  }

  #report(busyMs: number): void {
    this.durations.add(busyMs)
    const api = this.#longestMs > busyMs / 2 ? this.#longestApi : null
    // No request was involved: the start, or garbage collection. The metric counts it; only noticeable stalls are logged.
    if (this.#longestApi === null && busyMs < noticedMs) return
    if (!this.#seldom.allows(`stall ${api}`)) return
    this.#logger.info({ api, stallMs: Math.round(busyMs) }, 'the event loop was blocked; clients had to wait')
  }
}
