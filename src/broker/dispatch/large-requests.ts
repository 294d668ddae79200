/**
 * Limits how many large requests are processed at the same time, over all connections: those with many elements, and those with a large
 * response. Each becomes a hundred thousand objects, and as many results: those of a thousand clients would fill the memory. They share one
 * thread, so a higher limit would not answer them earlier.
 *
 * None begins while clients have not read earlier large responses (`connections/response-memory.ts`), except those that must be answered
 * promptly (`cost.ts`). Of each kind, first come, first served. A request that waits before it is decoded stays in the buffer of its
 * connection, where it counts against its limit (`connections/frame-memory.ts`).
 */
import type { ResponseMemory } from '../connections/response-memory.ts'

const mostAtOnce = 4
/** Of the requests that are processed; a single one may be larger. Decoded, they take several times as much. */
const mostBytesAtOnce = 64 * 1024 * 1024

export interface Size {
  readonly bytes: number
  readonly prompt: boolean
}

interface Waiting {
  readonly size: Size
  readonly callback: () => void
}

export class LargeRequests {
  readonly #responses: ResponseMemory
  #working = 0
  #workingBytes = 0
  readonly #promptWaiting: Waiting[] = []
  readonly #othersWaiting: Waiting[] = []
  /** A callback is running: its request does not queue behind the others. */
  #calling = false

  constructor(responses: ResponseMemory) {
    this.#responses = responses
    responses.onRoom = () => this.#wake()
  }

  get waiting(): number {
    return this.#promptWaiting.length + this.#othersWaiting.length
  }

  /** Takes a place; call the returned function to release it. null: none is free, or others wait for one. */
  enter(size: Size): (() => void) | null {
    if (!this.#admits(size) || (!this.#calling && this.#queueOf(size).length > 0)) return null
    this.#working++
    this.#workingBytes += size.bytes
    let left = false
    return () => {
      if (left) return
      left = true
      this.#working--
      this.#workingBytes -= size.bytes
      this.#wake()
    }
  }

  /** Calls back when a place is free; it has to be taken at once. */
  whenFree(size: Size, callback: () => void): void {
    this.#queueOf(size).push({ size, callback })
  }

  /** Resolves with a place, for a request that is already being processed. */
  place(size: Size): Promise<() => void> {
    const leave = this.enter(size)
    if (leave !== null) return Promise.resolve(leave)
    return new Promise(resolve => this.whenFree(size, () => resolve(this.enter(size)!)))
  }

  #admits({ bytes, prompt }: Size): boolean {
    if (this.#working >= mostAtOnce || !(prompt || this.#responses.admitsOther)) return false
    return this.#working === 0 || this.#workingBytes + bytes <= mostBytesAtOnce
  }

  #queueOf({ prompt }: Size): Waiting[] {
    return prompt ? this.#promptWaiting : this.#othersWaiting
  }

  #wake(): void {
    if (this.#calling || this.waiting === 0) return
    this.#calling = true
    for (const queue of [this.#promptWaiting, this.#othersWaiting]) {
      // A request whose client is gone passes its place on; one that cannot be processed yet for other reasons waits again, behind these.
      for (let left = queue.length; left > 0 && this.#admits(queue[0]!.size); left--) {
        queue.shift()!.callback()
      }
    }
    this.#calling = false
  }
}
