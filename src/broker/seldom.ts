/** Limits repeated log messages: the first one about a subject is logged, and then one per minute. */
import type { Clock } from '../base.ts'

const intervalMs = 60_000
/** Beyond so many things the oldest complaint is forgotten, and may be heard again. */
const mostKeys = 1_000

export class Seldom {
  readonly #clock: Clock
  readonly #heardMs = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What is over may be heard again when it returns. */
  forget(): void {
    this.#heardMs.clear()
  }

  allows(key: string): boolean {
    const now = this.#clock.monotonic()
    const heard = this.#heardMs.get(key)
    if (heard !== undefined && now - heard < intervalMs) return false
    this.#heardMs.delete(key)
    this.#heardMs.set(key, now)
    if (this.#heardMs.size > mostKeys) this.#heardMs.delete(this.#heardMs.keys().next().value!)
    return true
  }
}
