/**
 * Background tasks that nothing waits for: removing the files of removed segments and deleted partitions, retrying failed writes.
 *
 * Hides that tasks run one at a time, so that thousands of files do not delay the log, and that a task that fails on the disk is
 * reported once and retried until it succeeds; except for a failed sync, which is fatal. Tasks left undone when the process ends must be
 * found again by the next start.
 */
import { DiskError, growingMs, type System, type Timer } from '../base.ts'

const retryMs = { first: 1_000, last: 60_000 }

interface Chore {
  what: string
  step: () => Promise<void>
  failures: number
}

export interface ChoresOptions {
  system: System
  report(what: string, error: unknown): void
  /** A sync failed. */
  onFatal(error: Error): void
}

export class Chores {
  readonly #options: ChoresOptions
  readonly #timers = new Set<Timer>()
  readonly #waiting: Chore[] = []
  #running = false
  #closed = false

  constructor(options: ChoresOptions) {
    this.#options = options
  }

  /** `step` must be idempotent: it is called again when it fails on the disk. */
  add(what: string, delayMs: number, step: () => Promise<void>): void {
    this.#later(delayMs, { what, step, failures: 0 })
  }

  /** Like `add`, but starts immediately; resolves after the first attempt, even if it failed. */
  async begin(what: string, step: () => Promise<void>): Promise<void> {
    await this.#try({ what, step, failures: 0 })
  }

  /** Tasks that have not started are not run. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    this.#waiting.length = 0
  }

  #later(delayMs: number, chore: Chore): void {
    if (this.#closed) return
    const timer = this.#options.system.timers.after(delayMs, () => {
      this.#timers.delete(timer)
      this.#waiting.push(chore)
      if (!this.#running) void this.#run()
    })
    this.#timers.add(timer)
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let chore = this.#waiting.shift(); chore !== undefined; chore = this.#waiting.shift()) await this.#try(chore)
    this.#running = false
  }

  async #try(chore: Chore): Promise<void> {
    try {
      await chore.step()
    } catch (error) {
      if (error instanceof DiskError && error.isFailedSync) {
        this.#options.onFatal(error)
        return
      }
      const again = error instanceof DiskError
      if (chore.failures++ === 0) this.#options.report(`${chore.what} failed${again ? '; retrying' : ''}`, error)
      if (again) this.#later(growingMs(retryMs, chore.failures), chore)
    }
  }
}
