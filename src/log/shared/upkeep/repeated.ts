/** Work that is done again and again, some time after the last time was over. */
import type { System, Timer } from '../../../base.ts'

export class Repeated {
  readonly #system: System
  readonly #pauseMs: number
  readonly #work: () => Promise<void>
  readonly #onError: (error: unknown) => void
  #timer: Timer | null = null
  #running: Promise<void> = Promise.resolve()
  #closed = false

  /** `onError`: it failed in a way that it does not expect itself. */
  constructor(system: System, pauseMs: number, work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#system = system
    this.#pauseMs = pauseMs
    this.#work = work
    this.#onError = onError
    this.#arm()
  }

  /** Resolves when it does not run any more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#running
  }

  #arm(): void {
    this.#timer = this.#system.timers.after(this.#pauseMs, () => {
      this.#running = this.#work()
        .catch(this.#onError)
        .then(() => {
          if (!this.#closed) this.#arm()
        })
    })
  }
}
