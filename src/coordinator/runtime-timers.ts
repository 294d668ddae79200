/**
 * A shard's timers by key. Heartbeats postpone a deadline thousands of times before it ever passes, so postponing only
 * changes a number, which the armed timer checks when it fires.
 *
 * Thousands may be due at the same time, in one shard or many, so they run in slices (`base/turns.ts`).
 */
import { growingMs, type System, type Timer, type Turns } from '../base.ts'
import type { Decision } from './shard.ts'
import type { TimerKey } from './timer-key.ts'

type Step = () => Decision<void>

interface Entry {
  deadline: number
  firesAt: number
  step: Step
  /** How often the step has failed in a row. */
  failures: number
  timer: Timer
}

/** Pause before a failed step is retried; doubles up to the second number. A step may fail every time, and each attempt may be expensive. */
const retryPauseMs = { first: 500, last: 60_000 }

export class ShardTimers {
  readonly #system: System
  readonly #turns: Turns
  readonly #run: (key: TimerKey, step: Step, failures: number) => void
  readonly #entries = new Map<TimerKey, Entry>()

  /** `run` gets the number of earlier failures of the step. */
  constructor(system: System, turns: Turns, run: (key: TimerKey, step: Step, failures: number) => void) {
    this.#system = system
    this.#turns = turns
    this.#run = run
  }

  schedule(key: TimerKey, delayMs: number, step: Step, failures = 0): void {
    const deadline = this.#system.clock.monotonic() + delayMs
    const entry = this.#entries.get(key)
    if (entry !== undefined && entry.firesAt <= deadline) {
      entry.deadline = deadline
      entry.step = step
      entry.failures = failures
      return
    }
    entry?.timer.cancel()
    this.#entries.set(key, { deadline, firesAt: deadline, step, failures, timer: this.#arm(key, delayMs) })
  }

  scheduleIfAbsent(key: TimerKey, delayMs: number, step: Step): void {
    if (!this.#entries.has(key)) this.schedule(key, delayMs, step)
  }

  cancel(key: TimerKey): void {
    this.#entries.get(key)?.timer.cancel()
    this.#entries.delete(key)
  }

  /** Retries a failed step, unless its key was set again meanwhile. */
  retry(key: TimerKey, step: Step, failures: number): void {
    if (this.#entries.has(key)) return
    this.schedule(key, growingMs(retryPauseMs, failures - 1), step, failures)
  }

  clear(): void {
    for (const entry of this.#entries.values()) entry.timer.cancel()
    this.#entries.clear()
  }

  #arm(key: TimerKey, delayMs: number): Timer {
    return this.#system.timers.after(delayMs, () => this.#fire(key))
  }

  #fire(key: TimerKey): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const rest = entry.deadline - this.#system.clock.monotonic()
    // Timers may fire a fraction early, and the longest delays are cut by the system.
    if (rest >= 1) {
      entry.firesAt = entry.deadline
      entry.timer = this.#arm(key, rest)
      return
    }
    if (this.#turns.over) {
      // Until then it may be set again or cancelled.
      void this.#turns.next().then(() => this.#fire(key))
      return
    }
    this.#entries.delete(key)
    this.#run(key, entry.step, entry.failures)
  }
}
