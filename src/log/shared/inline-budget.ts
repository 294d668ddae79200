/**
 * How many bytes may go inline: so many per second, saved up for a second at most. What does not fit goes into objects, which cost the database nothing.
 *
 * The less is left, the smaller a share must be. So a flood of large shares leaves room for small ones, for which an object is the longest detour.
 */
import type { Clock } from '../../base.ts'

/** Of what is left, one share may take at most this. */
const mostOfRest = 1 / 4
/** Of a full budget, what goes inline in any case leaves this to the others. */
const leftToOthers = 1 / 4

export class InlineBudget {
  readonly #clock: Clock
  /** Of the whole cluster. */
  readonly #bytesPerSecond: number
  /** So that the largest share fits into a full budget. */
  readonly #leastBytes: number
  #brokers = 1
  #bytes: number
  #filledMs: number

  constructor(clock: Clock, bytesPerSecond: number, largestShare: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#leastBytes = largestShare / mostOfRest
    this.#bytes = this.#fullBytes
    this.#filledMs = clock.monotonic()
  }

  /** Among so many it is divided. */
  get brokers(): number {
    return this.#brokers
  }
  set brokers(count: number) {
    this.#fill()
    this.#brokers = Math.max(1, count)
    this.#bytes = Math.min(this.#bytes, this.#fullBytes)
  }

  /** False: that is too much of what is left, and nothing was taken. */
  take(bytes: number): boolean {
    this.#fill()
    if (bytes > this.#bytes * mostOfRest) return false
    this.#bytes -= bytes
    return true
  }

  /** For what goes inline in any case. It may cost others most of what they have, and never what will come. */
  force(bytes: number): void {
    this.#fill()
    this.#bytes = Math.max(this.#bytes - bytes, Math.min(this.#bytes, this.#fullBytes * leftToOthers))
  }

  get #rate(): number {
    return this.#bytesPerSecond / this.#brokers
  }

  get #fullBytes(): number {
    return Math.max(this.#rate, this.#leastBytes)
  }

  #fill(): void {
    const nowMs = this.#clock.monotonic()
    this.#bytes = Math.min(this.#fullBytes, this.#bytes + ((nowMs - this.#filledMs) * this.#rate) / 1_000)
    this.#filledMs = nowMs
  }
}
