/**
 * Distrust of the wall clock. What is removed by age must not vanish because a clock jumped a year: while the wall clock has run away
 * from the monotonic one by more than an hour since start, age is reckoned on the monotonic clock.
 */
import type { Clock } from '../base.ts'

const toleratedDriftMs = 3_600_000

export class ClockWatch {
  readonly #clock: Clock
  /** Wall clock minus monotonic clock, at start. */
  readonly #offset: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = clock.now() - clock.monotonic()
  }

  /** How far the wall clock has jumped since start; 0 while that is tolerable. */
  driftMs(): number {
    const drift = this.#clock.now() - this.#clock.monotonic() - this.#offset
    return Math.abs(drift) > toleratedDriftMs ? drift : 0
  }

  /** The wall clock, or what it would show had it not jumped. */
  now(): number {
    return this.driftMs() === 0 ? this.#clock.now() : Math.floor(this.#clock.monotonic() + this.#offset)
  }
}
