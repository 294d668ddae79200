/** Pauses between attempts: none before the first, then drawn at random, each from twice the range of the one before, up to a second. */
import { growingMs, type System, type Timer } from '../../base.ts'

const pauseMs = { first: 20, last: 1_000 }

export class Pauses {
  readonly #system: System
  #failures = 0
  #wake: (() => void) | null = null
  #timer: Timer | null = null

  constructor(system: System) {
    this.#system = system
  }

  /** Resolves when the next attempt may begin; at once when closed. */
  before(): Promise<void> {
    const failures = this.#failures++
    if (failures === 0) return Promise.resolve()
    const rangeMs = growingMs(pauseMs, failures - 1)
    return new Promise(resolve => {
      this.#wake = resolve
      this.#timer = this.#system.timers.after(1 + this.#system.random.below(rangeMs), resolve)
    })
  }

  /** An attempt succeeded. */
  reset(): void {
    this.#failures = 0
  }

  close(): void {
    this.#timer?.cancel()
    this.#wake?.()
  }
}
