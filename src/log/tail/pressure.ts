/** Back-pressure, and the callbacks that wait for it to end. */
import type { Pressure } from '../../log.ts'

export class Valve implements Pressure {
  #on = false
  #waiting: (() => void)[] = []

  get on(): boolean {
    return this.#on
  }

  whenOff(callback: () => void): void {
    if (this.#on) this.#waiting.push(callback)
    else callback()
  }

  set(on: boolean): void {
    this.#on = on
    if (on) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const callback of waiting) callback()
  }
}
