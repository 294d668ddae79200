/**
 * The output buffer of decompression: it grows up to a bound, and can be reused for the next batch. Reusing memory avoids page faults,
 * which are most of the cost of a small decompression. Also bounds the work for input that yields no output.
 */
import { TooLarge } from './too-large.ts'

/** The cost that every stream may have beyond the bytes that it yields. */
const freeCost = 256 << 10
/** A scratch keeps no more than this. */
const keptBytes = 4 << 20
const leastBytes = 16 << 10
const nothing = Buffer.alloc(0)

/** Memory for one decompression after another: the bytes of one are gone with the next. */
export class Scratch {
  #bytes: Buffer = nothing

  /** At least so many bytes; what they hold is left over. */
  take(bytes: number): Buffer {
    if (bytes <= this.#bytes.length) return this.#bytes
    const taken = Buffer.allocUnsafeSlow(bytes)
    if (bytes <= keptBytes) this.#bytes = taken
    return taken
  }
}

export const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/**
 * Copies at least `length` bytes within a buffer, eight at a time, which takes half as long as one by one: source and destination must be
 * eight bytes apart, and up to seven bytes too many are written.
 */
export function copyEights(view: DataView, from: number, to: number, length: number): void {
  for (const end = to + length; to < end; to += 8, from += 8) view.setBigUint64(to, view.getBigUint64(from, true), true)
}

export class Output {
  bytes: Buffer = nothing
  length = 0
  readonly maxBytes: number
  /** The bytes are framed in a way that some readers do not support. */
  oddlyFramed = false
  /** The cost so far. */
  cost = 0
  readonly #scratch: Scratch | undefined

  constructor(maxBytes: number, scratch?: Scratch) {
    this.maxBytes = maxBytes
    this.#scratch = scratch
  }

  /**
   * Counts the fixed cost of a decoded frame, member or block, in bytes, however few bytes it yields. So a stream of very many tiny ones
   * takes no longer than one of `maxBytes` bytes. Throws TooLarge above the limit.
   */
  spend(cost: number): void {
    this.cost += cost
    if (this.cost > freeCost + this.maxBytes) throw new TooLarge()
  }

  /** Up to here `bytes` may be written. */
  get room(): number {
    return Math.min(this.bytes.length, this.maxBytes)
  }

  /** Makes room for `more` bytes behind `length`; throws TooLarge beyond the bound. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed > this.maxBytes) throw new TooLarge()
    if (needed <= this.bytes.length) return
    const size = Math.min(Math.max(needed, 2 * this.bytes.length, leastBytes), this.maxBytes)
    const grown = this.#scratch?.take(size) ?? Buffer.allocUnsafeSlow(size)
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  /** Room for `more` bytes, or for as many as there may be. */
  reserveAtMost(more: number): void {
    this.reserve(Math.min(more, this.maxBytes - this.length))
  }

  append(source: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    this.bytes.set(source.subarray(start, end), this.length)
    this.length += end - start
  }

  /** Takes a library's output over; without a copy when it is the first. */
  adopt(bytes: Buffer): void {
    if (this.length > 0) this.append(bytes, 0, bytes.length)
    else {
      this.bytes = bytes
      this.length = bytes.length
    }
  }

  written(): Buffer {
    return this.bytes.subarray(0, this.length)
  }
}
