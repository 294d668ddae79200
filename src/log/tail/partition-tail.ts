/** One partition's share of the tail: its batches in memory, in order. The newest may not be in the segment files yet. */
import { DiskError } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'
import type { Chunk, Piece, Tail, TailOwner } from './tail.ts'

/** Whose batches they are. */
interface Files {
  /** Bytes went to a segment file. */
  flushed(segment: Segment, position: number, bytes: number): void
  /** Bytes must leave memory and the disk does not take them; clears this tail. The journal has them. */
  refused(error: DiskError): void
}

export class PartitionTail implements TailOwner {
  readonly #tail: Tail
  readonly #files: Files
  #pieces: Piece[] = []
  /** How many of the first pieces are in the segment files already, and stay to be read. */
  #flushed = 0
  /** Bytes of the piece after those that are in the file already. */
  #flushedOfNext = 0
  #held: Segment | null = null
  #heldFrom = 0

  constructor(tail: Tail, files: Files) {
    this.#tail = tail
    this.#files = files
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** Bytes of `segment` from `position` on belong to a group that may be refused: they stay in memory until it is settled. */
  hold(segment: Segment, position: number): void {
    this.#held = segment
    this.#heldFrom = position
  }

  letGo(): void {
    this.#held = null
  }

  /** Copies the batches into memory; they lie at `position` of `segment`. Answers the chunk and fills it up to its `used`. */
  add(bytes: Buffer, size: number, segment: Segment, position: number, baseOffset: Offset, endOffset: Offset): Chunk {
    const chunk = this.#tail.reserve(size)
    const start = chunk.used
    bytes.copy(chunk.bytes, start, 0, size)
    chunk.used += size
    const last = this.#pieces.at(-1)
    if (
      last !== undefined &&
      last.chunk === chunk &&
      last.start + last.length === start &&
      last.endOffset === baseOffset &&
      last.segment === segment &&
      last.position + last.length === position
    ) {
      if (this.#flushed === this.#pieces.length) {
        // The file has the first part of this piece.
        this.#flushed--
        this.#flushedOfNext = last.length
      }
      last.length += size
      last.endOffset = endOffset
    } else {
      if (last === undefined || last.chunk !== chunk) chunk.owners.push(this)
      const known = { knownOffset: baseOffset, knownAt: start }
      this.#pieces.push({ segment, position, baseOffset, endOffset, chunk, start, length: size, ...known })
    }
    return chunk
  }

  /** Forgets what was added from `endOffset` on, which is where the segment's first `size` bytes end. */
  rewind(endOffset: Offset, size: number): void {
    for (;;) {
      const last = this.#pieces.at(-1)
      if (last === undefined || last.endOffset <= endOffset) break
      if (last.baseOffset < endOffset) {
        last.length = size - last.position
        last.endOffset = endOffset
        last.knownOffset = last.baseOffset
        last.knownAt = last.start
        break
      }
      this.#pieces.pop()
    }
    if (this.#flushed >= this.#pieces.length) {
      this.#flushed = this.#pieces.length
      this.#flushedOfNext = 0
    } else if (this.#flushedOfNext >= this.#pieces[this.#flushed]!.length) {
      this.#flushed++
      this.#flushedOfNext = 0
    }
  }

  /** Writes what the segment files lack and what is not held, in as few calls as possible. */
  flush(): void {
    const pieces = this.#pieces
    while (this.#flushed < pieces.length) {
      const { segment, position } = pieces[this.#flushed]!
      const limit = segment === this.#held ? this.#heldFrom : Number.POSITIVE_INFINITY
      const from = position + this.#flushedOfNext
      const buffers: Buffer[] = []
      let next = this.#flushed
      let at = from
      while (next < pieces.length && pieces[next]!.segment === segment && at < limit) {
        const { chunk, start, position, length } = pieces[next]!
        const end = Math.min(position + length, limit)
        buffers.push(chunk.bytes.subarray(start + at - position, start + end - position))
        if (end === position + length) next++
        at = end
      }
      if (buffers.length === 0) return
      segment.writeSync(buffers, from)
      this.#flushed = next
      this.#flushedOfNext = next < pieces.length && pieces[next]!.segment === segment ? at - pieces[next]!.position : 0
      this.#files.flushed(segment, from, at - from)
    }
  }

  /** What is held, too: the caller sees to it that it is cut off again if its group is refused. */
  flushAll(): void {
    const held = this.#held
    this.#held = null
    try {
      this.flush()
    } finally {
      this.#held = held
    }
  }

  /** False when some of it is held. */
  evict(chunk: Chunk): boolean {
    const first = this.#pieces[0]
    if (first === undefined || first.chunk !== chunk) return true
    let count = 0
    while (count < this.#pieces.length && this.#pieces[count]!.chunk === chunk) count++
    if (count > this.#flushed && !this.#flushOrRefuse()) return true
    if (count > this.#flushed) return false
    this.#pieces.splice(0, count)
    this.#flushed -= count
    return true
  }

  /** False if the files of this partition cannot be written. If the whole tail has no space, the appender gets an error. */
  #flushOrRefuse(): boolean {
    try {
      this.flush()
      return true
    } catch (error) {
      if (!(error instanceof DiskError) || error.isShortage) throw error
      this.#files.refused(error)
      return false
    }
  }

  /** Readers of what lies below are served from the files from now on: compaction changed them. */
  forgetFlushedBefore(offset: Offset): void {
    let count = 0
    while (count < this.#flushed && this.#pieces[count]!.endOffset <= offset) count++
    this.#pieces.splice(0, count)
    this.#flushed -= count
  }

  /** Forgets everything, written or not. */
  clear(): void {
    this.#pieces = []
    this.#flushed = 0
    this.#flushedOfNext = 0
  }

  /** Index of the piece that holds `offset`; -1 when it is not in memory. */
  find(offset: Offset): number {
    const pieces = this.#pieces
    const last = pieces.at(-1)
    if (last === undefined || offset >= last.endOffset || offset < pieces[0]!.baseOffset) return -1
    let low = 0
    let high = pieces.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (pieces[middle]!.baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return offset < pieces[low]!.endOffset ? low : -1
  }

  piece(index: number): Piece | undefined {
    return this.#pieces[index]
  }
}
