/** How many calls of one trigger are made at the same time; whoever comes later waits, in order. */

export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  get isFree(): boolean {
    return this.#free > 0
  }

  /** Resolves to what gives the slot back. Rejects when `signal` is aborted. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => void this.#waiting.push(resolve))
    const release = () => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
    if (signal.aborted) {
      release()
      signal.throwIfAborted()
    }
    return release
  }
}
