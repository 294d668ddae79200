/** How many bytes may go inline: so many per second, saved up for a second at most. What does not fit goes into objects, which cost the database nothing. */
import type { Clock } from '../../base.ts'

export class InlineBudget {
  readonly #clock: Clock
  /** Of the whole cluster. */
  readonly #bytesPerSecond: number
  /** So that one share always fits into a full budget. */
  readonly #leastBytes: number
  #brokers = 1
  #bytes: number
  #filledMs: number

  constructor(clock: Clock, bytesPerSecond: number, leastBytes: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#leastBytes = leastBytes
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

  /** False: there is not so much left, and nothing was taken. */
  take(bytes: number): boolean {
    this.#fill()
    if (bytes > this.#bytes) return false
    this.#bytes -= bytes
    return true
  }

  /** For what goes inline in any case; others have less then. */
  force(bytes: number): void {
    this.#fill()
    this.#bytes -= bytes
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
