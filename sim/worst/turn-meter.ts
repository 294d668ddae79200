/** How long the turns of this process's event loop took, in processor time, so that other work on the machine has no influence. */
import { watchTurns } from '../../src/base.ts'

export interface Turns {
  /** Processor time of the longest turn, and of all, since it was asked last. */
  longestMs: number
  totalMs: number
}

export class TurnMeter {
  #longestMs = 0
  #beganMs = threadMs()
  #atMs = this.#beganMs

  constructor() {
    watchTurns(() => this.count())
  }

  /** What ran after the end of the last turn was not counted yet. */
  count(): void {
    const nowMs = threadMs()
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#atMs)
    this.#atMs = nowMs
  }

  get turns(): Turns {
    return { longestMs: this.#longestMs, totalMs: threadMs() - this.#beganMs }
  }

  reset(): void {
    this.#longestMs = 0
    this.#beganMs = this.#atMs = threadMs()
  }
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
