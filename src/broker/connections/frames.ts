/**
 * Cuts a byte stream into Kafka's frames (int32 size, then that many bytes) without copying whole frames and without ever allocating by a
 * size that the peer declared: the buffer of an unfinished frame grows as its bytes arrive.
 *
 * All connections of a broker share one scratch buffer, since each read is consumed before the next begins. A frame that lies whole in it
 * is handed out as a view; only the beginning of an unfinished frame is copied, and its rest is read in place behind that copy. What all
 * connections hold of unfinished frames is bounded (frame-memory.ts): a reader that finds no room stops until it is resumed.
 */
import type { FrameShare } from './frame-memory.ts'
import type { SocketReader } from './socket.ts'

/** The peer's frame cannot be accepted; the connection must be closed. */
export class BadFrame extends Error {
  constructor(size: number, max: number) {
    super(`frame size ${size} is not in 0..${max}`)
    this.name = 'BadFrame'
  }
}

/** `stop`: no further frame may be handed out until {@link FrameReader.resume}. `later`: nor was this one taken, and it comes again then. */
export type Taken = 'next' | 'stop' | 'later'

/** Takes one frame. `owned` says that nobody else will overwrite it; otherwise it is valid only during the call. */
export type FrameSink = (frame: Buffer, owned: boolean) => Taken

const sizeBytes = 4
const firstAllocationBytes = 16 * 1024
/** What is read at once while memory is full: it has to be kept if it is not a whole frame. */
const cautiousBytes = 4 * 1024

export class FrameReader implements SocketReader {
  readonly #scratch: Buffer
  /** Of the frames that begin from now on. */
  maxFrameBytes: number
  readonly #sink: FrameSink
  readonly #reject: (error: unknown) => void
  readonly #memory: FrameShare
  /** An unfinished frame with its size field; its first `#filled` bytes have arrived. */
  #partial: Buffer | null = null
  #filled = 0
  /** Bytes that arrived behind a frame after which the sink wanted a pause, or for which there is no room. */
  #stalled: Buffer | null = null
  #open = true
  /** Whether it stopped because memory is full. */
  #waiting = false
  #abandoned = false

  /** `reject` is called once with what is wrong; nothing is handed out afterwards. */
  constructor(scratch: Buffer, maxFrameBytes: number, memory: FrameShare, sink: FrameSink, reject: (error: unknown) => void) {
    this.#scratch = scratch
    this.maxFrameBytes = maxFrameBytes
    this.#sink = sink
    this.#reject = reject
    this.#memory = memory
  }

  /** Whether some bytes of a frame, but not all, have arrived, and the rest is up to the peer. */
  get unfinished(): boolean {
    return this.#partial !== null && !this.#waiting
  }

  target(): Buffer {
    if (this.#partial !== null && this.#open) return this.#partial.subarray(this.#filled)
    return this.#memory.full ? this.#scratch.subarray(0, cautiousBytes) : this.#scratch
  }

  received(length: number): boolean {
    try {
      if (!this.#open) this.#stash(this.#scratch.subarray(0, length))
      else if (this.#partial === null) this.#cut(this.#scratch.subarray(0, length), false)
      else this.#extend(this.#partial, length)
    } catch (error) {
      this.#stop(error)
    }
    this.#account()
    return this.#open
  }

  /** Hands out what has waited. Returns whether reading may go on. */
  resume(): boolean {
    this.#open = true
    this.#waiting = false
    try {
      const partial = this.#partial
      if (partial !== null && this.#filled === partial.length) this.#grow(partial)
      const stalled = this.#stalled
      if (this.#open && stalled !== null) {
        this.#stalled = null
        this.#feed(stalled)
      }
    } catch (error) {
      this.#stop(error)
    }
    this.#account()
    return this.#open
  }

  /** Nothing will be received any more. */
  abandon(): void {
    this.#abandoned = true
    this.#open = false
    this.#partial = null
    this.#stalled = null
    this.#memory.leave()
  }

  #stop(error: unknown): void {
    this.#open = false
    this.#waiting = false
    this.#partial = null
    this.#stalled = null
    this.#reject(error)
  }

  #account(): void {
    if (this.#abandoned) return
    this.#memory.hold((this.#partial?.length ?? 0) + (this.#stalled?.length ?? 0), this.unfinished)
  }

  #awaitRoom(): void {
    this.#open = false
    this.#waiting = true
    this.#memory.wait()
  }

  /** Keeps bytes that nobody can take now. */
  #stash(bytes: Buffer): void {
    if (bytes.length > 0) this.#stalled = this.#stalled === null ? Buffer.from(bytes) : Buffer.concat([this.#stalled, bytes])
  }

  /** As if these bytes arrived now. */
  #feed(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.#open) {
      if (this.#partial === null) {
        this.#cut(bytes.subarray(at), true)
        return
      }
      const copied = bytes.copy(this.#partial, this.#filled, at)
      at += copied
      this.#extend(this.#partial, copied)
    }
    this.#stash(bytes.subarray(at))
  }

  #cut(bytes: Buffer, owned: boolean): void {
    let position = 0
    while (bytes.length - position >= sizeBytes) {
      const size = bytes.readInt32BE(position)
      this.#check(size)
      const end = position + sizeBytes + size
      if (end > bytes.length) break
      const taken = this.#sink(bytes.subarray(position + sizeBytes, end), owned)
      if (taken !== 'later') position = end
      if (taken !== 'next') {
        this.#open = false
        if (position < bytes.length) this.#stalled = owned ? bytes.subarray(position) : Buffer.from(bytes.subarray(position))
        return
      }
    }
    if (position < bytes.length) this.#begin(bytes.subarray(position))
  }

  #begin(head: Buffer): void {
    if (!this.#memory.admitted) {
      this.#stash(head)
      this.#awaitRoom()
      return
    }
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
      this.#grow(partial)
      return
    }
    this.#partial = null
    const taken = this.#sink(partial.subarray(sizeBytes, total), true)
    if (taken === 'later') this.#stalled = partial.subarray(0, total)
    if (taken !== 'next') this.#open = false
  }

  #grow(partial: Buffer): void {
    if (!this.#memory.admitted) {
      this.#awaitRoom()
      return
    }
    const grown = Buffer.allocUnsafeSlow(capacityFor(partial.readInt32BE(0) + sizeBytes, this.#filled))
    partial.copy(grown)
    this.#partial = grown
  }

  #check(size: number): void {
    if (size < 0 || size > this.maxFrameBytes) throw new BadFrame(size, this.maxFrameBytes)
  }
}

/** Never beyond the frame, so that the bytes of the next one are not read into it. */
function capacityFor(totalBytes: number, arrivedBytes: number): number {
  return Math.min(totalBytes, Math.max(firstAllocationBytes, 4 * arrivedBytes))
}
