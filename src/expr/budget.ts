/** How much one record may cost: steps, and time on the clock, which is looked at now and then. */
import type { Clock } from '../base.ts'
import { ExprError } from './errors.ts'

export interface Limits {
  readonly steps: number
  readonly ms: number
}

export const defaultLimits: Limits = { steps: 100_000, ms: 50 }

const stepsPerLook = 4_096

export class Steps {
  readonly #limits: Limits
  readonly #clock: Clock
  #left = 0
  #look = 0
  #untilMs = 0

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** For the next record. */
  restart(): void {
    this.#left = this.#limits.steps
    this.#look = this.#left - stepsPerLook
    this.#untilMs = 0
  }

  spend(steps: number): void {
    this.#left -= steps
    if (this.#left < 0) throw new ExprError(`the expression takes more than ${this.#limits.steps} steps`)
    if (this.#left < this.#look) this.#checkTime()
  }

  /** Short evaluations never read the clock; the time counts from the first look. */
  #checkTime(): void {
    this.#look = this.#left - stepsPerLook
    const now = this.#clock.monotonic()
    if (this.#untilMs === 0) this.#untilMs = now + this.#limits.ms
    else if (now > this.#untilMs) throw new ExprError(`the expression takes more than ${this.#limits.ms} ms`)
  }
}
