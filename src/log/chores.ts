/**
 * What has to be done sooner or later and nobody waits for: files of removed segments and deleted partitions go, what the disk refused is
 * written.
 *
 * Hides that it happens one after the other, so that thousands of files do not keep the log waiting, and that what the disk refuses is
 * reported once and tried again until it is done. What the end of the process leaves undone must be found again by the next start.
 */
import { DiskError, type System, type Timer } from '../base.ts'

const firstRetryMs = 1000
const longestRetryMs = 60_000

interface Chore {
  what: string
  step: () => Promise<void>
  failures: number
}

export class Chores {
  readonly #system: System
  readonly #report: (what: string, error: unknown) => void
  readonly #timers = new Set<Timer>()
  readonly #waiting: Chore[] = []
  #running = false
  #closed = false

  constructor(system: System, report: (what: string, error: unknown) => void) {
    this.#system = system
    this.#report = report
  }

  /** `step` must be harmless to repeat: whenever the disk refuses something it is called again. */
  add(what: string, delayMs: number, step: () => Promise<void>): void {
    this.#later(delayMs, { what, step, failures: 0 })
  }

  /** What has not begun is left undone. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) timer.cancel()
    this.#waiting.length = 0
  }

  #later(delayMs: number, chore: Chore): void {
    if (this.#closed) return
    const timer = this.#system.timers.after(delayMs, () => {
      this.#timers.delete(timer)
      this.#waiting.push(chore)
      if (!this.#running) void this.#run()
    })
    this.#timers.add(timer)
  }

  async #run(): Promise<void> {
    this.#running = true
    for (let chore = this.#waiting.shift(); chore !== undefined; chore = this.#waiting.shift()) {
      try {
        await chore.step()
      } catch (error) {
        const again = error instanceof DiskError
        if (chore.failures++ === 0) this.#report(`${chore.what} failed${again ? '; it is tried again' : ''}`, error)
        if (again) this.#later(Math.min(firstRetryMs * 2 ** chore.failures, longestRetryMs), chore)
      }
    }
    this.#running = false
  }
}
