/**
 * What is said of a service that fails: at first nothing, because most failures pass when the request is tried again; then that it fails; and when it
 * answers again, for how long it did not. So the log of a night tells when an outage ended, and not only that there was one.
 */
import type { Clock } from '../base.ts'

export interface OutageOptions {
  clock: Clock
  /** As in "the database". */
  service: string
  report(what: string, error: unknown): void
  /** It had failed for so long, which is more than a moment. */
  recovered(service: string, ms: number): void
}

/** A shorter one is over before anybody looks. */
const momentMs = 1_000

export class Outage {
  readonly #options: OutageOptions
  #succeededMs = Number.NEGATIVE_INFINITY
  /** Since when nothing has succeeded; null: nothing has failed since the last success. */
  #sinceMs: number | null = null
  #told = false

  constructor(options: OutageOptions) {
    this.#options = options
  }

  /** `begunMs`: when what has failed had begun. Nothing is said if something has succeeded in the last `quietMs`. */
  report(what: string, error: unknown, begunMs: number, quietMs: number): void {
    this.#sinceMs ??= Math.max(begunMs, this.#succeededMs)
    if (this.#options.clock.monotonic() - this.#sinceMs < quietMs) return
    this.#told = true
    this.#options.report(what, error)
  }

  succeeded(): void {
    const { clock, service, recovered } = this.#options
    this.#succeededMs = clock.monotonic()
    if (this.#sinceMs === null) return
    const ms = this.#succeededMs - this.#sinceMs
    const told = this.#told
    this.#sinceMs = null
    this.#told = false
    if (told && ms >= momentMs) recovered(service, Math.round(ms))
  }
}
