/** Of the bound that a small frame may have; with its default: a megabyte. */
const smallShare = 512

/**
 * Limits the memory of incomplete or queued requests over all connections (`queued.max.request.bytes`).
 *
 * Above the bound no connection begins a frame and none goes on to allocate for one, until others have finished theirs. What counts is
 * what has arrived, not what was announced, so nobody can block the broker with large numbers. One frame may always go on, however
 * full it is: the one that nobody else is ahead of. So there is no deadlock, and the bound is exceeded by one frame at the most (and by
 * the few kilobytes of each connection that were read before it was stopped).
 *
 * Small frames have as much room again for themselves: otherwise a few connections, each in the middle of the largest frame there may be,
 * would stop everybody else for as long as they may take to complete it.
 */
export class FrameMemory {
  readonly #boundBytes: number
  readonly #smallBytes: number
  #heldBytes = 0
  /** How many connections are in the middle of a frame and do not wait. */
  #receiving = 0
  readonly #waiting = { small: new Set<FrameShare>(), large: new Set<FrameShare>() }
  #waking = false

  constructor(boundBytes: number) {
    this.#boundBytes = boundBytes
    this.#smallBytes = boundBytes / smallShare
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  get full(): boolean {
    return this.#heldBytes >= this.#boundBytes
  }

  /** Of one connection. `wake` is called when waiting may have become pointless; then the connection tries again. */
  share(wake: () => void): FrameShare {
    return new FrameShare(this, wake)
  }

  /** For {@link FrameShare} only. */
  change(bytes: number, receiving: number): void {
    this.#heldBytes += bytes
    this.#receiving += receiving
    if (bytes < 0 || receiving < 0) this.#wakeSome()
  }

  /** For {@link FrameShare} only. */
  admits(frameBytes: number, alsoReceiving: number): boolean {
    const room = frameBytes <= this.#smallBytes ? 2 * this.#boundBytes : this.#boundBytes
    return this.#heldBytes < room || this.#receiving - alsoReceiving === 0
  }

  /** For {@link FrameShare} only. */
  enqueue(share: FrameShare, frameBytes: number): void {
    this.#waiting[frameBytes <= this.#smallBytes ? 'small' : 'large'].add(share)
  }

  /** For {@link FrameShare} only. */
  forget(share: FrameShare): void {
    this.#waiting.small.delete(share)
    this.#waiting.large.delete(share)
  }

  /** In order of arrival. A connection that cannot continue now for other reasons leaves the queue, and asks again when it can. */
  #wakeSome(): void {
    if (this.#waking) return
    this.#waking = true
    for (const [waiting, frameBytes] of [
      [this.#waiting.small, 0],
      [this.#waiting.large, Number.POSITIVE_INFINITY],
    ] as const) {
      let left = waiting.size
      for (const share of waiting) {
        if (left-- === 0 || !this.admits(frameBytes, 0)) break
        waiting.delete(share)
        share.wake()
      }
    }
    this.#waking = false
  }
}

/** What one connection holds. */
export class FrameShare {
  readonly wake: () => void
  readonly #memory: FrameMemory
  #heldBytes = 0
  #receiving = false

  constructor(memory: FrameMemory, wake: () => void) {
    this.#memory = memory
    this.wake = wake
  }

  get full(): boolean {
    return this.#memory.full
  }

  /** Whether memory may be taken now for a frame of this size. */
  admits(frameBytes: number): boolean {
    return this.#memory.admits(frameBytes, this.#receiving ? 1 : 0)
  }

  /** To be called after every change. `receiving`: in the middle of a frame, and not waiting for memory. */
  hold(bytes: number, receiving: boolean): void {
    const more = bytes - this.#heldBytes
    const step = Number(receiving) - Number(this.#receiving)
    if (more === 0 && step === 0) return
    this.#heldBytes = bytes
    this.#receiving = receiving
    this.#memory.change(more, step)
  }

  wait(frameBytes: number): void {
    this.#memory.enqueue(this, frameBytes)
  }

  /** The connection is over. */
  leave(): void {
    this.#memory.forget(this)
    this.hold(0, false)
  }
}
