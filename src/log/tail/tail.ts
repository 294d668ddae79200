/**
 * The tail: recent batches in memory, most of them not yet in a segment file.
 *
 * Hides memory ownership: bytes are appended to chunks, and the oldest chunk is released first. A chunk is released when its contents
 * are in the segment files, so memory is bounded however many partitions share it. The bytes gathered in one turn of the event loop are
 * contiguous, ready for one `writev` to the journal.
 *
 * Readers borrow the chunks themselves. A chunk that a slow reader still holds when it leaves the tail no longer belongs to the tail and
 * blocks nobody. But if slow readers hold much memory, the tail lends nothing until some is returned, and readers get copies.
 */
import { assert } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'

const chunkBytes = 256 << 10
/** Chunks of the usual size that are kept for the next use. */
const spareChunks = 4

/** Whose bytes lie in a chunk. */
export interface TailOwner {
  /** Puts them into the segment files and forgets them. False when it may not yet: a group that is gathered may be refused. */
  evict(chunk: Chunk): boolean
}

export class Chunk {
  readonly bytes: Buffer
  used = 0
  /** Readers that hold views of it. */
  pins = 0
  evicted = false
  readonly owners: TailOwner[] = []

  constructor(size: number, bytes: Buffer = Buffer.allocUnsafeSlow(size)) {
    this.bytes = bytes
  }

  /** A chunk that is not part of the tail. */
  static of(bytes: Buffer): Chunk {
    const chunk = new Chunk(bytes.length, bytes)
    chunk.used = bytes.length
    return chunk
  }
}

/** Neighbouring batches of one partition in one segment. */
export interface Piece {
  segment: Segment
  position: number
  baseOffset: Offset
  endOffset: Offset
  chunk: Chunk
  start: number
  length: number
  /** The batch with this offset starts at this position in the chunk: where a reader stopped, so that it can continue without a search. */
  knownOffset: Offset
  knownAt: number
}

export class Tail {
  readonly #limit: number
  /** In use, oldest first. */
  #chunks: Chunk[] = []
  #spare: Chunk[] = []
  /** Of the chunks in use, and of evicted ones that readers still have. */
  #bytes = 0
  #lentBytes = 0

  constructor(limitBytes: number) {
    this.#limit = Math.max(limitBytes, 4 * chunkBytes)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether readers may be lent chunks: those that left the tail with readers are at most a quarter as much. */
  get lends(): boolean {
    return this.#lentBytes <= this.#limit >> 2
  }

  /** The chunk that takes the next `size` bytes, at its `used`. May evict the oldest. */
  reserve(size: number): Chunk {
    const current = this.#chunks.at(-1)
    if (current !== undefined && current.bytes.length - current.used >= size) return current
    const wanted = Math.max(size, chunkBytes)
    while (this.#chunks.length > 1 && this.#bytes + wanted > this.#limit && this.#evictOldest());
    const chunk = (wanted === chunkBytes ? this.#spare.pop() : undefined) ?? new Chunk(wanted)
    chunk.used = 0
    chunk.evicted = false
    this.#chunks.push(chunk)
    this.#bytes += wanted
    return chunk
  }

  pin(chunk: Chunk): void {
    chunk.pins++
  }

  unpin(chunk: Chunk): void {
    assert(chunk.pins > 0, 'a slice was released twice')
    if (--chunk.pins > 0 || !chunk.evicted) return
    this.#lentBytes -= chunk.bytes.length
    this.#keep(chunk)
  }

  /**
   * False when it must stay for now: what is gathered in one turn is all that goes beyond the limit. An owner whose bytes cannot be written
   * throws: the chunk then stays, and the appender is told.
   */
  #evictOldest(): boolean {
    const chunk = this.#chunks[0]!
    while (chunk.owners.length > 0) {
      if (!chunk.owners.at(-1)!.evict(chunk)) return false
      chunk.owners.pop()
    }
    this.#chunks.shift()
    this.#bytes -= chunk.bytes.length
    chunk.evicted = true
    if (chunk.pins > 0) this.#lentBytes += chunk.bytes.length
    else this.#keep(chunk)
    return true
  }

  /** For the next use, if there is not enough. */
  #keep(chunk: Chunk): void {
    if (chunk.bytes.length === chunkBytes && this.#spare.length < spareChunks) this.#spare.push(chunk)
  }
}
