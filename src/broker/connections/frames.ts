/**
 * Cuts a byte stream into Kafka's frames (int32 size, then that many bytes), without copying whole frames, and without allocating memory
 * for a size that the peer declared: the buffer of a large incomplete frame grows as its bytes arrive.
 *
 * A frame is a view of the read buffer (read-buffers.ts). The first part of an incomplete frame is moved to the front of a
 * buffer of the connection, and the rest is read behind it. The memory for incomplete frames of all connections is bounded
 * (frame-memory.ts): a reader that finds no space stops until it is resumed.
 *
 * No step copies more than about a megabyte, because ten connections may each take a step in the same turn of the event loop: when the buffer
 * of a large frame grows, what it held is moved piece by piece, with the reads that follow.
 */
import { freeIfLarge } from '../../base.ts'
import type { FrameShare } from './frame-memory.ts'
import type { ReadBuffers } from './read-buffers.ts'
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

export interface FrameSink {
  /** Takes one frame. `owned`: nothing else overwrites it; otherwise it is valid until `done`. */
  take(frame: Buffer, owned: boolean): Taken
  /** All frames that were there have been handed out: what was not owned is overwritten from now on. */
  done(): void
  /** Called once with what is wrong; nothing is handed out afterwards. */
  reject(error: unknown): void
}

const sizeBytes = 4
const firstAllocationBytes = 16 * 1024
/** What is read at once while memory is full: it has to be kept if it is not a whole frame. */
const cautiousBytes = 4 * 1024
/** What is moved to a larger buffer in one step. */
const stepBytes = 1024 * 1024

export class FrameReader implements SocketReader {
  readonly #buffers: ReadBuffers
  /** Of the frames that begin from now on. */
  maxFrameBytes: number
  readonly #sink: FrameSink
  readonly #memory: FrameShare
  /** A buffer of its own, with bytes that arrived and were not taken from `#start` to `#end`. */
  #own: Buffer | null = null
  #leased = false
  #start = 0
  #end = 0
  /** The smaller buffer that the frame began in, and how much of it has been moved to the start of `#own`; all bytes there are needed. */
  #outgrown: Buffer | null = null
  #moved = 0
  /** Of the requests that are being processed. */
  #processedBytes = 0
  /** How many of them, or of those that wait, give their memory back without anything more from any client. */
  #finishing = 0
  #open = true
  #abandoned = false

  constructor(buffers: ReadBuffers, maxFrameBytes: number, memory: FrameShare, sink: FrameSink) {
    this.#buffers = buffers
    this.maxFrameBytes = maxFrameBytes
    this.#sink = sink
    this.#memory = memory
  }

  /** Whether the frame that is being received is so large that its reads take turns with other work. */
  get large(): boolean {
    return this.#own !== null && this.#own.length > stepBytes
  }

  /** Whether some bytes of a frame, but not all, have arrived, and the rest is up to the peer. */
  get unfinished(): boolean {
    return this.#open && this.#end > this.#start
  }

  /** What the memory for requests holds for this connection. */
  get heldBytes(): number {
    return this.#memory.heldBytes
  }

  /**
   * Counts the bytes of a request that is being processed, until they are taken off again, even if the connection has ended by then.
   * `finishing`: 1 if it will be done without anything more from any client.
   */
  processes(bytes: number, finishing: number): void {
    this.#processedBytes += bytes
    this.#finishing += finishing
    this.#account()
  }

  target(): Buffer {
    const own = this.#own
    if (own !== null && this.#open) return own.subarray(this.#end, this.#end + this.#buffers.shared.length)
    return this.#memory.full ? this.#buffers.shared.subarray(0, cautiousBytes) : this.#buffers.shared
  }

  received(length: number): boolean {
    const { shared } = this.#buffers
    try {
      if (!this.#open) this.#keep(shared.subarray(0, length))
      else if (this.#own === null) this.#keep(shared.subarray(this.#cut(shared, 0, length), length))
      else {
        this.#end += length
        this.#move(length)
        this.#handOut()
      }
    } catch (error) {
      this.#stop(error)
    }
    this.#account()
    // To stop and to resume reading costs as much as the rest of a small request, and most clients send nothing while they wait.
    return this.#open || (this.#own === null && !this.#abandoned)
  }

  /** Dispatches waiting frames. Returns whether reading may continue. */
  resume(): boolean {
    if (this.#abandoned) return false
    this.#open = true
    try {
      if (this.#own !== null) this.#handOut()
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
    this.#sink.done()
    this.#letGo()
    this.#account()
    this.#memory.leave()
  }

  #stop(error: unknown): void {
    this.#open = false
    this.#abandoned = true
    this.#letGo()
    this.#sink.reject(error)
  }

  #account(): void {
    const own = this.#own
    const bytes = own === null ? 0 : this.#leased ? this.#end - this.#start : own.length + (this.#outgrown?.length ?? 0)
    const held = bytes + this.#processedBytes
    this.#memory.hold(held, this.unfinished, this.#finishing > 0 && held > 0)
  }

  #awaitRoom(frameBytes: number): void {
    this.#open = false
    this.#memory.wait(frameBytes)
  }

  /** Hands out the frames that are whole. */
  #handOut(): void {
    const own = this.#own!
    if (this.#outgrown !== null) return
    this.#start = this.#cut(own, this.#start, this.#end)
    if (this.#own === null) return
    if (this.#start === this.#end) this.#letGo()
    else if (this.#open) this.#makeRoom(own)
  }

  /** Hands out whole frames from `at` on; answers where the rest begins. */
  #cut(bytes: Buffer, at: number, end: number): number {
    try {
      while (this.#open && end - at >= sizeBytes) {
        const next = at + sizeBytes + this.#sizeAt(bytes, at)
        if (next > end) break
        // Only a frame that was too large for a buffer has memory of its own, and fills it.
        const owned = bytes === this.#own && !this.#leased && next - at === bytes.length
        const taken = this.#sink.take(bytes.subarray(at + sizeBytes, next), owned)
        if (taken !== 'later') at = next
        if (taken !== 'next') this.#open = false
      }
    } finally {
      this.#sink.done()
    }
    return at
  }

  /** Keeps what arrived in the shared buffer and was not taken. */
  #keep(rest: Buffer): void {
    if (rest.length === 0 || this.#abandoned) return
    const own = this.#own
    const total = own === null ? this.#totalAt(rest, 0, rest.length) : 0
    if (own === null && this.#open && !this.#memory.admits(total)) {
      this.#awaitRoom(total)
      this.#become(Buffer.from(rest))
    } else if (own === null) this.#begin(rest)
    else if (rest.length <= own.length - this.#end) {
      rest.copy(own, this.#end)
      this.#end += rest.length
    } else this.#become(Buffer.concat([own.subarray(this.#start, this.#end), rest]))
  }

  #begin(head: Buffer): void {
    const total = this.#totalAt(head, 0, head.length)
    const lease = this.#buffers.lease(Math.max(total, head.length))
    const own = lease ?? Buffer.allocUnsafeSlow(Math.max(head.length, capacityFor(total, head.length)))
    head.copy(own)
    this.#own = own
    this.#leased = lease !== null
    this.#start = 0
    this.#end = head.length
  }

  /** For the rest of the frame that begins at `#start`. */
  #makeRoom(own: Buffer): void {
    const arrived = this.#end - this.#start
    const total = this.#totalAt(own, this.#start, this.#end)
    if (total <= own.length) {
      if (this.#start > 0) own.copyWithin(0, this.#start, this.#end)
      this.#start = 0
      this.#end = arrived
    } else if (this.#memory.admits(total)) {
      const outgrown = own.subarray(this.#start, this.#end)
      this.#become(Buffer.allocUnsafeSlow(capacityFor(total, arrived)), arrived)
      this.#outgrown = outgrown
      this.#move(arrived <= stepBytes || total < 2 * arrived ? arrived : 0)
    } else this.#awaitRoom(total)
  }

  /** As many bytes as have just arrived, so that all have been moved before the new buffer, at least twice as long, is full. */
  #move(bytes: number): void {
    const outgrown = this.#outgrown
    if (outgrown === null) return
    const end = this.#moved + bytes
    outgrown.copy(this.#own!, this.#moved, this.#moved, end)
    this.#moved = end
    if (end < outgrown.length) return
    this.#outgrown = null
    this.#moved = 0
    freeIfLarge(outgrown)
  }

  /** Continues in separate memory. */
  #become(own: Buffer, arrived = own.length): void {
    this.#letGo()
    this.#own = own
    this.#end = arrived
  }

  #letGo(): void {
    if (this.#leased) this.#buffers.give(this.#own!)
    this.#own = null
    this.#outgrown = null
    this.#moved = 0
    this.#leased = false
    this.#start = 0
    this.#end = 0
  }

  /** Of the frame that begins at `at`, as far as it is known. */
  #totalAt(bytes: Buffer, at: number, end: number): number {
    return end - at < sizeBytes ? sizeBytes : sizeBytes + this.#sizeAt(bytes, at)
  }

  #sizeAt(bytes: Buffer, at: number): number {
    const size = bytes.readInt32BE(at)
    if (size < 0 || size > this.maxFrameBytes) throw new BadFrame(size, this.maxFrameBytes)
    return size
  }
}

/**
 * Never beyond the frame, so that the bytes of the next one are not read into it; otherwise a quarter of it, or a sixteenth, and so on: at
 * least twice what has arrived, and less than eight times.
 */
function capacityFor(totalBytes: number, arrivedBytes: number): number {
  const least = Math.max(firstAllocationBytes, 2 * arrivedBytes)
  let capacity = totalBytes
  while (capacity / 4 >= least) capacity = Math.ceil(capacity / 4)
  return capacity
}
