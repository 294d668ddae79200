/** Ends what goes on for as long as it likes, once nothing has moved for some time. */
import type { System, Timer } from '../base.ts'

export class Idle {
  readonly #system: Pick<System, 'clock' | 'timers'>
  readonly #ms: number
  readonly #end: () => void
  #movedMs: number
  #timer: Timer

  constructor(system: Pick<System, 'clock' | 'timers'>, ms: number, end: () => void) {
    this.#system = system
    this.#ms = ms
    this.#end = end
    this.#movedMs = system.clock.monotonic()
    this.#timer = system.timers.after(ms, this.#look)
  }

  /** Something has moved. */
  touch(): void {
    this.#movedMs = this.#system.clock.monotonic()
  }

  stop(): void {
    this.#timer.cancel()
  }

  readonly #look = (): void => {
    const left = this.#movedMs + this.#ms - this.#system.clock.monotonic()
    if (left <= 0) this.#end()
    else this.#timer = this.#system.timers.after(Math.ceil(left), this.#look)
  }
}
