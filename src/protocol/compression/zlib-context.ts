/**
 * Decompression with Node's zlib, with one context for all batches, into reused memory. zlib's own calls create a context and a
 * buffer each time, which costs more than decompressing a small batch, mostly in the garbage collector (ADR 0005). Node does not expose
 * the context, so this uses the internal handle of a stream, as minizlib does. If the handle does not look as expected, zlib's public call is
 * used.
 */
import type { Transform } from 'node:stream'
import type { Output } from './output.ts'
import { TooLarge } from './too-large.ts'

interface Handle {
  reset(): void
  writeSync(flush: number, input: Buffer, at: number, length: number, output: Buffer, outputAt: number, outputLength: number): void
}

interface Stream extends Transform {
  /** null after an error. */
  _handle?: Handle | null
  /** Bytes that are left: of the output's room, of the input. */
  _writeState?: Uint32Array
}

/** Detects whether a stream yields more than there is space for. */
const probe = Buffer.alloc(1)

export class ZlibContext {
  readonly #create: () => Transform
  /** zlib's word for "this is all". */
  readonly #finish: number
  /** After success no reset is needed; for zstd it would recreate the context. */
  readonly #startsAnew: boolean
  #stream: Stream | null = null
  #isClean = true

  constructor(create: () => Transform, finish: number, startsAnew: boolean) {
    this.#create = create
    this.#finish = finish
    this.#startsAnew = startsAnew
  }

  /**
   * Decompresses the stream at the beginning of `data[start, end)`, `likely` bytes at a time; returns where it ends. -1, and nothing is
   * done, where there is no handle.
   */
  decompress(data: Buffer, start: number, end: number, likely: number, out: Output): number {
    const stream = (this.#stream ??= this.#open())
    const { _handle: handle, _writeState: left } = stream
    if (typeof handle?.reset !== 'function' || typeof handle.writeSync !== 'function' || left?.length !== 2) return -1
    if (!this.#isClean) handle.reset()
    this.#isClean = false
    for (let at = start; ; at = end - left[1]!) {
      const isFull = out.length >= out.maxBytes
      if (!isFull) out.reserve(Math.min(Math.max(likely, 1), out.maxBytes - out.length))
      const room = isFull ? probe.length : out.room - out.length
      handle.writeSync(this.#finish, data, at, end - at, isFull ? probe : out.bytes, isFull ? 0 : out.length, room)
      if (stream._handle !== handle) {
        this.#stream = null
        this.#isClean = true
        throw stream.errored ?? new Error('damaged')
      }
      const written = room - left[0]!
      if (isFull && written > 0) throw new TooLarge()
      out.length += written
      if (left[0]! === 0) continue
      this.#isClean = this.#startsAnew
      return end - left[1]!
    }
  }

  #open(): Stream {
    const opened = this.#create()
    // After an error the handle is gone; the event comes later.
    opened.on('error', () => {})
    return opened as Stream
  }
}
