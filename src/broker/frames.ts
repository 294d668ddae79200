/**
 * Cuts a byte stream into Kafka's frames (int32 size, then that many bytes) without copying whole frames and without ever allocating by a
 * size that the peer declared: the buffer of an unfinished frame grows as its bytes arrive.
 *
 * All connections of a broker share one scratch buffer, since each read is consumed before the next begins. A frame that lies whole in it
 * is handed out as a view; only the beginning of an unfinished frame is copied, and its rest is read in place behind that copy.
 */
import type { SocketReader } from './socket.ts'

/** The peer's frame cannot be accepted; the connection must be closed. */
export class BadFrame extends Error {
  constructor(size: number, max: number) {
    super(`frame size ${size} is not in 0..${max}`)
    this.name = 'BadFrame'
  }
}

/**
 * Takes one frame. `owned` says that nobody else will overwrite it; otherwise it is valid only during the call.
 * Returns false when no further frame may be handed out until {@link FrameReader.resume}.
 */
export type FrameSink = (frame: Buffer, owned: boolean) => boolean

const sizeBytes = 4
const firstAllocationBytes = 16 * 1024

export class FrameReader implements SocketReader {
  readonly #scratch: Buffer
  /** Of the frames that begin from now on. */
  maxFrameBytes: number
  readonly #sink: FrameSink
  readonly #reject: (error: unknown) => void
  /** An unfinished frame with its size field; its first `#filled` bytes have arrived. */
  #partial: Buffer | null = null
  #filled = 0
  /** Bytes that arrived behind a frame after which the sink wanted a pause. */
  #stalled: Buffer | null = null
  #open = true

  /** `reject` is called once with what is wrong; nothing is handed out afterwards. */
  constructor(scratch: Buffer, maxFrameBytes: number, sink: FrameSink, reject: (error: unknown) => void) {
    this.#scratch = scratch
    this.maxFrameBytes = maxFrameBytes
    this.#sink = sink
    this.#reject = reject
  }

  /** Whether some bytes of a frame, but not all, have arrived. */
  get unfinished(): boolean {
    return this.#partial !== null
  }

  target(): Buffer {
    return this.#partial === null ? this.#scratch : this.#partial.subarray(this.#filled)
  }

  received(length: number): boolean {
    try {
      if (this.#partial === null) this.#cut(this.#scratch.subarray(0, length), false)
      else this.#extend(this.#partial, length)
    } catch (error) {
      this.#stop(error)
    }
    return this.#open
  }

  /** Hands out what has waited. Returns whether reading may go on. */
  resume(): boolean {
    this.#open = true
    const stalled = this.#stalled
    this.#stalled = null
    if (stalled !== null) {
      try {
        this.#cut(stalled, true)
      } catch (error) {
        this.#stop(error)
      }
    }
    return this.#open
  }

  #stop(error: unknown): void {
    this.#open = false
    this.#partial = null
    this.#stalled = null
    this.#reject(error)
  }

  #cut(bytes: Buffer, owned: boolean): void {
    let position = 0
    while (bytes.length - position >= sizeBytes) {
      const size = bytes.readInt32BE(position)
      this.#check(size)
      const end = position + sizeBytes + size
      if (end > bytes.length) break
      const goOn = this.#sink(bytes.subarray(position + sizeBytes, end), owned)
      position = end
      if (!goOn) {
        this.#open = false
        if (position < bytes.length) this.#stalled = owned ? bytes.subarray(position) : Buffer.from(bytes.subarray(position))
        return
      }
    }
    if (position < bytes.length) this.#begin(bytes.subarray(position))
  }

  #begin(head: Buffer): void {
    const capacity = head.length < sizeBytes ? sizeBytes : capacityFor(head.readInt32BE(0) + sizeBytes, head.length)
    this.#partial = Buffer.allocUnsafeSlow(capacity)
    head.copy(this.#partial)
    this.#filled = head.length
  }

  #extend(partial: Buffer, length: number): void {
    this.#filled += length
    if (this.#filled < partial.length) return
    const size = partial.readInt32BE(0)
    this.#check(size)
    const total = size + sizeBytes
    if (this.#filled < total) {
      const grown = Buffer.allocUnsafeSlow(capacityFor(total, this.#filled))
      partial.copy(grown)
      this.#partial = grown
      return
    }
    this.#partial = null
    if (!this.#sink(partial.subarray(sizeBytes, total), true)) this.#open = false
  }

  #check(size: number): void {
    if (size < 0 || size > this.maxFrameBytes) throw new BadFrame(size, this.maxFrameBytes)
  }
}

/** Never beyond the frame, so that the bytes of the next one are not read into it. */
function capacityFor(totalBytes: number, arrivedBytes: number): number {
  return Math.min(totalBytes, Math.max(firstAllocationBytes, 4 * arrivedBytes))
}
