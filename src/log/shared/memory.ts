/**
 * The batches of the shared home that are in memory: all that is in no piece yet, and of what is, as much as the cache may keep.
 *
 * Hides where copies lie (small appends share blocks, and neighbours of one partition join), and which bytes leave when the cache is full:
 * those that were flushed first, whosever they are. Readers hold views; nothing is ever written over.
 */
import { assert, type Int64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { Stretch } from '../segments/cut-batches.ts'

const blockBytes = 64 << 10
/** A larger append has a buffer of its own. */
const smallBytes = 8 << 10
/** So many chunks that are gone stand before the others at most. */
const mostGone = 1_024

/** Neighbouring batches of one partition. */
export interface Chunk extends Stretch {
  bytes: Buffer
  endOffset: Offset
  length: number
  maxTimestamp: Int64
  /** Of the first frame that has bytes of it; -1 before that was handed over. */
  seq: number
}

/** Of all partitions of one log. */
export class LogMemory {
  /** In no piece yet. */
  unflushedBytes = 0
  readonly #keptBytes: number
  #cachedBytes = 0
  /** For each chunk that is in a piece whose it is, in the order in which they were flushed, from `#oldest` on. */
  #flushed: PartitionMemory[] = []
  #oldest = 0
  /** Of these, how many are of chunks that are gone already. */
  #stale = 0
  #block = Buffer.allocUnsafeSlow(blockBytes)
  #used = 0

  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes
  }

  get cachedBytes(): number {
    return this.#cachedBytes
  }

  copy(bytes: Buffer): Buffer {
    const { length } = bytes
    if (length > smallBytes) {
      const own = Buffer.allocUnsafeSlow(length)
      bytes.copy(own)
      return own
    }
    if (this.#used + length > blockBytes) {
      this.#block = Buffer.allocUnsafeSlow(blockBytes)
      this.#used = 0
    }
    const own = this.#block.subarray(this.#used, this.#used + length)
    bytes.copy(own)
    this.#used += length
    return own
  }

  /** One chunk of this partition is in a piece from now on. */
  flushed(partition: PartitionMemory, bytes: number): void {
    this.unflushedBytes -= bytes
    this.#cachedBytes += bytes
    this.#flushed.push(partition)
    while (this.#cachedBytes > this.#keptBytes) {
      const evicted = this.#flushed[this.#oldest++]!.evict()
      if (evicted === 0) this.#stale--
      this.#cachedBytes -= evicted
    }
    if (this.#oldest > mostGone && this.#oldest > this.#flushed.length / 2) {
      this.#flushed = this.#flushed.slice(this.#oldest)
      this.#oldest = 0
    }
  }

  /** Chunks of a partition that were in pieces left by themselves. */
  forgotten(bytes: number, chunks: number): void {
    this.#cachedBytes -= bytes
    this.#stale += chunks
    if (this.#stale <= mostGone || this.#stale <= (this.#flushed.length - this.#oldest) / 2) return
    const left = new Map<PartitionMemory, number>()
    const kept: PartitionMemory[] = []
    for (let at = this.#flushed.length - 1; at >= this.#oldest; at--) {
      const partition = this.#flushed[at]!
      const count = left.get(partition) ?? partition.cachedChunks
      if (count > 0) kept.push(partition)
      left.set(partition, count - 1)
    }
    this.#flushed = kept.reverse()
    this.#oldest = this.#stale = 0
  }
}

export class PartitionMemory {
  /** All below is in pieces. */
  flushedEnd: Offset
  /** In no piece yet. */
  unflushedBytes = 0
  readonly #log: LogMemory
  /** In order, without gaps, from `#oldest` on; those before `#firstUnflushed` are in pieces, those from `#firstUnsent` on in no frame yet. */
  #chunks: Chunk[] = []
  #oldest = 0
  #firstUnflushed = 0
  #firstUnsent = 0
  /** The last chunk takes no more. */
  #sealed = true

  constructor(log: LogMemory, flushedEnd: Offset) {
    this.#log = log
    this.flushedEnd = flushedEnd
  }

  /** Where what is here begins; null: nothing is. */
  get start(): Offset | null {
    return this.#chunks[this.#oldest]?.baseOffset ?? null
  }

  /** Copies the batches, and answers the copy. */
  add(batches: Buffer, baseOffset: Offset, endOffset: Offset, maxTimestamp: Int64): Buffer {
    const { length } = batches
    const copy = this.#log.copy(batches)
    this.unflushedBytes += length
    this.#log.unflushedBytes += length
    const last = this.#chunks.at(-1)
    if (last !== undefined && !this.#sealed && last.seq === -1 && last.length + length <= blockBytes && follows(copy, last.bytes)) {
      last.bytes = Buffer.from(copy.buffer, last.bytes.byteOffset, last.length + length)
      last.length += length
      last.endOffset = endOffset
      if (maxTimestamp > last.maxTimestamp) last.maxTimestamp = maxTimestamp
    } else {
      const known = { knownOffset: baseOffset, knownAt: 0 }
      this.#chunks.push({ bytes: copy, start: 0, length, baseOffset, endOffset, maxTimestamp, seq: -1, ...known })
      this.#sealed = false
    }
    return copy
  }

  /** Frame `seq` has everything below `end`. */
  sent(seq: number, end: Offset): void {
    for (; this.#firstUnsent < this.#chunks.length; this.#firstUnsent++) {
      const chunk = this.#chunks[this.#firstUnsent]!
      if (chunk.baseOffset >= end) return
      chunk.seq = seq
    }
  }

  /** The least seq of a frame that has bytes from `end` on; `otherwise` if no frame has any that was handed over. */
  seqFrom(end: Offset, otherwise: number): number {
    const chunk = this.#chunks[this.find(end)]
    return chunk === undefined || chunk.seq === -1 ? otherwise : chunk.seq
  }

  /** Number of the chunk with that offset, for {@link chunk}; -1 if it is not here. */
  find(offset: Offset): number {
    let low = this.#oldest - 1
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chunks[middle]!.baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return low >= this.#oldest && this.#chunks[low]!.endOffset > offset ? low : -1
  }

  /** Numbers are good for this turn. */
  chunk(number: number): Chunk | undefined {
    return this.#chunks[number]
  }

  /** What is in no piece. */
  unflushed(): Chunk[] {
    return this.#chunks.slice(this.#firstUnflushed)
  }

  /** What is added from now on is no part of what {@link unflushed} answered. */
  seal(): void {
    this.#sealed = true
  }

  /** All below `end`, where a chunk was sealed, is in pieces. */
  flushed(end: Offset): void {
    this.flushedEnd = end
    for (;;) {
      const chunk = this.#chunks[this.#firstUnflushed]
      if (chunk === undefined || chunk.baseOffset >= end) break
      assert(chunk.endOffset <= end, `flushed up to ${end}, in the middle of [${chunk.baseOffset}, ${chunk.endOffset})`)
      this.#firstUnflushed++
      this.unflushedBytes -= chunk.length
      this.#log.flushed(this, chunk.length)
    }
    // Of a take-over some are never in a frame of this session.
    this.#firstUnsent = Math.max(this.#firstUnsent, this.#firstUnflushed)
    if (this.#oldest > mostGone && this.#oldest > this.#chunks.length / 2) this.#shorten()
  }

  get cachedChunks(): number {
    return this.#firstUnflushed - this.#oldest
  }

  /** Called by the log: the oldest chunk that is in a piece goes. Answers its bytes, 0 if there is none. */
  evict(): number {
    if (this.cachedChunks === 0) return 0
    const { length } = this.#chunks[this.#oldest]!
    this.#chunks[this.#oldest++] = gone
    return length
  }

  /** What is in pieces below `end` is not what readers are to get any more: it was cleaned. */
  forgetBefore(end: Offset): void {
    let [bytes, chunks] = [0, 0]
    while (this.cachedChunks > 0 && this.#chunks[this.#oldest]!.baseOffset < end) {
      bytes += this.evict()
      chunks++
    }
    if (chunks > 0) this.#log.forgotten(bytes, chunks)
  }

  /** All of it goes, and nothing more comes. */
  drop(): void {
    this.forgetBefore(Number.POSITIVE_INFINITY)
    this.#log.unflushedBytes -= this.unflushedBytes
    this.unflushedBytes = 0
    this.#chunks = []
    this.#oldest = this.#firstUnflushed = this.#firstUnsent = 0
  }

  #shorten(): void {
    this.#chunks = this.#chunks.slice(this.#oldest)
    this.#firstUnflushed -= this.#oldest
    this.#firstUnsent -= this.#oldest
    this.#oldest = 0
  }
}

/** In the place of what was evicted. */
const gone: Chunk = {
  bytes: Buffer.alloc(0),
  start: 0,
  length: 0,
  baseOffset: -1,
  endOffset: -1,
  maxTimestamp: -1,
  seq: 0,
  knownOffset: -1,
  knownAt: 0,
}

function follows(next: Buffer, bytes: Buffer): boolean {
  return next.buffer === bytes.buffer && next.byteOffset === bytes.byteOffset + bytes.length
}
