/**
 * Limits how many large requests are processed at the same time, over all connections. Each becomes a hundred thousand objects, and as many
 * results: those of a thousand clients would fill the memory. They share one thread, so a higher limit would not answer them earlier. A
 * waiting request stays in the buffer of its connection, where it counts against its limit (`connections/frame-memory.ts`).
 */
const mostAtOnce = 4

export class LargeRequests {
  #working = 0
  readonly #waiting: (() => void)[] = []

  /** Takes a place; call the returned function to release it. null: none is free. */
  enter(): (() => void) | null {
    if (this.#working >= mostAtOnce) return null
    this.#working++
    let left = false
    return () => {
      if (left) return
      left = true
      this.#working--
      this.#wake()
    }
  }

  /** Calls back when a place may be free. */
  readonly whenFree = (callback: () => void): void => {
    this.#waiting.push(callback)
  }

  /** Requests whose clients are gone pass their place to the next one. */
  #wake(): void {
    for (let left = this.#waiting.length; left > 0 && this.#working < mostAtOnce; left--) this.#waiting.shift()!()
  }
}
