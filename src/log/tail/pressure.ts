/** One back-pressure with several reasons: it is on while any of them holds. */
import type { Pressure } from '../../log.ts'

/** `tail`: memory is full. `backlog`: the disk falls behind with checkpoints. */
type Reason = 'tail' | 'backlog'

export class Valve implements Pressure {
  readonly #reasons = new Set<Reason>()
  #waiting: (() => void)[] = []

  get on(): boolean {
    return this.#reasons.size > 0
  }

  whenOff(callback: () => void): void {
    if (this.on) this.#waiting.push(callback)
    else callback()
  }

  set(reason: Reason, holds: boolean): void {
    if (holds) {
      this.#reasons.add(reason)
      return
    }
    if (!this.#reasons.delete(reason) || this.on) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}
