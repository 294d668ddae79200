/** The share of the limit up to which a frame counts as small: a megabyte by default. */
const smallShare = 256

/**
 * Limits the memory of requests over all connections (`queued.max.request.bytes`): of those that are being received, that wait, and that are
 * being processed. What a produce request has brought to the log is the log's (`tail.bytes`); one that is too large for a read buffer counts
 * until it is answered.
 *
 * Above the limit, no connection starts a frame or allocates more memory for one, until others have finished theirs. Only received bytes
 * count, not announced sizes, so clients cannot block the broker with large numbers. The limit is exceeded by at most one frame (and by the
 * few kilobytes that each connection had read before it was stopped).
 *
 * There is no deadlock: a frame may continue above the limit if no other is being received, and no request holds memory that it will give
 * back by itself, as a produce request does. Those that wait for other clients (JoinGroup) do not count as such, because what they wait for
 * may be the next frame.
 *
 * Small frames have a separate budget of the same size: otherwise a few connections, each in the middle of a frame of the maximum size,
 * would block all others for as long as they may take to complete it. For the same reason, connections that send nothing while others wait
 * are closed (memory-holders.ts).
 */
export class FrameMemory {
  readonly #boundBytes: number
  readonly #smallBytes: number
  #heldBytes = 0
  /** How many connections are in the middle of a frame and do not wait. */
  #receiving = 0
  /** How many hold memory that becomes free without anything more from any client. */
  #finishing = 0
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

  /** How many bytes must become free so that many of the connections that wait can continue, not just one. 0 while none waits. */
  get excessBytes(): number {
    const waiting = this.#waiting.small.size + this.#waiting.large.size > 0
    return waiting && this.full ? this.#heldBytes - this.#boundBytes / 2 : 0
  }

  /** Of one connection. `wake` is called when waiting may have become pointless; then the connection tries again. */
  share(wake: () => void): FrameShare {
    return new FrameShare(this, wake)
  }

  /** For {@link FrameShare} only. */
  change(bytes: number, receiving: number, finishing: number): void {
    this.#heldBytes += bytes
    this.#receiving += receiving
    this.#finishing += finishing
    if (bytes < 0 || receiving < 0 || finishing < 0) this.#wakeSome()
  }

  /** For {@link FrameShare} only. */
  admits(frameBytes: number, alsoReceiving: number): boolean {
    const room = frameBytes <= this.#smallBytes ? 2 * this.#boundBytes : this.#boundBytes
    return this.#heldBytes < room || (this.#receiving - alsoReceiving === 0 && this.#finishing === 0)
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
    if (this.#waking || this.#waiting.small.size + this.#waiting.large.size === 0) return
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
  #finishing = false

  constructor(memory: FrameMemory, wake: () => void) {
    this.#memory = memory
    this.wake = wake
  }

  get full(): boolean {
    return this.#memory.full
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Whether memory may be taken now for a frame of this size. */
  admits(frameBytes: number): boolean {
    return this.#memory.admits(frameBytes, this.#receiving ? 1 : 0)
  }

  /**
   * To be called after every change. `receiving`: in the middle of a frame, and not waiting for memory. `finishing`: some of it becomes
   * free without anything more from any client.
   */
  hold(bytes: number, receiving: boolean, finishing: boolean): void {
    if (bytes === this.#heldBytes && receiving === this.#receiving && finishing === this.#finishing) return
    const more = bytes - this.#heldBytes
    const begun = Number(receiving) - Number(this.#receiving)
    const promised = Number(finishing) - Number(this.#finishing)
    this.#heldBytes = bytes
    this.#receiving = receiving
    this.#finishing = finishing
    this.#memory.change(more, begun, promised)
  }

  wait(frameBytes: number): void {
    this.#memory.enqueue(this, frameBytes)
  }

  /** The connection is over: it waits for nothing. */
  leave(): void {
    this.#memory.forget(this)
  }
}
