/**
 * What failed is tried again after a pause that grows with each failure in a row, and only the first of a row is reported.
 *
 * Keys are the things that fail: a partition, or an object that stands for something all partitions share.
 */
import { growingMs, type System } from '../../../base.ts'

const firstPauseMs = 1_000
const longestPauseMs = 60_000

interface Trouble {
  failures: number
  reported: boolean
  /** On the monotonic clock. */
  notBeforeMs: number
}

export class Retries {
  readonly #clock: System['clock']
  readonly #report: (what: string, error: unknown) => void
  readonly #troubles = new WeakMap<object, Trouble>()

  constructor({ clock }: Pick<System, 'clock'>, report: (what: string, error: unknown) => void) {
    this.#clock = clock
    this.#report = report
  }

  /** Whether it may be tried now. */
  isDue(key: object): boolean {
    const trouble = this.#troubles.get(key)
    return trouble === undefined || trouble.notBeforeMs <= this.#clock.monotonic()
  }

  /** The last attempt failed. */
  hasFailed(key: object): boolean {
    return this.#troubles.has(key)
  }

  /** `what`: null where the failure is not to be reported, because something else has failed. */
  failed(key: object, what: string | null, error: unknown, longestMs: number = longestPauseMs): void {
    const before = this.#troubles.get(key)
    const failures = (before?.failures ?? 0) + 1
    const pauseMs = growingMs({ first: firstPauseMs, last: longestMs }, failures - 1)
    const isReported = before?.reported ?? false
    this.#troubles.set(key, { failures, reported: isReported || what !== null, notBeforeMs: this.#clock.monotonic() + pauseMs })
    if (!isReported && what !== null) this.#report(`${what} failed; it is tried again`, error)
  }

  succeeded(key: object): void {
    this.#troubles.delete(key)
  }
}
