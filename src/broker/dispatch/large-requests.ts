/**
 * How many large requests are worked on at the same time, over all connections. Each becomes a hundred thousand objects, and as many results:
 * those of a thousand clients would fill the memory. They share one thread, so more of them at once would not be answered earlier. Whoever
 * has to wait keeps its request in the buffer of its connection, where it counts (`connections/frame-memory.ts`).
 */
const mostAtOnce = 4

export class LargeRequests {
  #working = 0
  readonly #waiting: (() => void)[] = []

  /** A place, to be left by calling what is returned; null: there is none now. */
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

  /** Calls back when it is worth while to try again. */
  readonly whenFree = (callback: () => void): void => {
    this.#waiting.push(callback)
  }

  /** Those who do not want their place any more, because their clients are gone, leave it to the next. */
  #wake(): void {
    for (let left = this.#waiting.length; left > 0 && this.#working < mostAtOnce; left--) this.#waiting.shift()!()
  }
}
