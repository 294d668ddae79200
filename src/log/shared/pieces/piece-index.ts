/**
 * The index that stands behind the batches of a piece in its object: where to begin looking for an offset or a time, how the piece is cut into
 * blocks, and its aborted transactions. All numbers are big-endian:
 *
 *     header (88 bytes):  magic (4), checksum of all that follows it (4), topic id (16), partition (4), number of entries (4),
 *                         base offset (8), end offset (8), bytes of the batches (8), largest timestamp (8), largest timestamp of the first
 *                         batch (8), last stable offset (8), number of aborted transactions (4), zero (4)
 *     entries (24 each):  base offset of a batch (8), its position in the piece (8), the largest timestamp before it (8)
 *     aborted transactions (34 each), as in a `.txnindex`
 *
 * A batch gets an entry when it begins {@link intervalBytes} or more behind the one before. What is read of a piece at once, a block, begins at an
 * entry: so a block has whole batches, and nobody has to put one together from two blocks.
 *
 * The header says which piece it belongs to, so that a row that points elsewhere is noticed. Nothing is believed before the checksum is right.
 */
import { assert, crc32c, type Int64, readInt64, type Turns, writeInt64 } from '../../../base.ts'
import { header, type Offset, uuidFromBytes, uuidToBytes } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import { AbortedEntries, type AbortedTransaction, abortedEntryBytes } from '../../segments/aborted-entries.ts'
import { headerProblem } from '../../segments/segment-scan.ts'
import { topicIdOf } from '../topic-id.ts'
import type { PieceRange } from './piece.ts'

const magic = 0x4d505831
const headerBytes = 88
const entryBytes = 24
const intervalBytes = 32 << 10
/** What is looked at in one go: batches while writing, aborted transactions while reading. */
const batchesAtOnce = 16_384
export const abortedAtOnce = 4_096
/** Of one piece: readers that go on where they stopped. */
const expectedReaders = 8

/** The least that an index has. */
export const leastIndexBytes = headerBytes

/** Makes the index while the batches pass by. */
export class PieceIndexWriter {
  readonly #range: PieceRange
  readonly #offsets: Offset[] = []
  readonly #positions: number[] = []
  readonly #times: Int64[] = []
  #nextOffset: Offset
  bytes = 0
  maxTimestamp: Int64 = -1
  #firstTimestamp: Int64 = -1

  constructor(range: PieceRange) {
    this.#range = range
    this.#nextOffset = range.baseOffset
  }

  /** The next batches, whole ones, from this position of the buffer on. Answers how far it came: there may be too many for one turn. */
  add(batches: Buffer, from = 0): number {
    let at = from
    for (let left = batchesAtOnce; at < batches.length && left > 0; left--) {
      const room = batches.length - at
      const problem = room < header.batchHeaderSize ? `a rest of ${room} bytes` : headerProblem(batches, at, this.#nextOffset, room)
      assert(problem === null, `batches of a piece: ${problem}`)
      if (this.bytes === 0 || this.bytes - this.#positions.at(-1)! >= intervalBytes) {
        this.#offsets.push(header.baseOffset(batches, at))
        this.#positions.push(this.bytes)
        this.#times.push(this.maxTimestamp)
      }
      const timestamp = header.maxTimestamp(batches, at)
      if (this.bytes === 0) this.#firstTimestamp = timestamp
      if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp
      this.#nextOffset = header.lastOffset(batches, at) + 1
      this.bytes += header.sizeBytes(batches, at)
      at += header.sizeBytes(batches, at)
    }
    const { endOffset } = this.#range
    assert(this.#nextOffset <= endOffset, `batches up to offset ${this.#nextOffset} in a piece that ends at ${endOffset}`)
    return at
  }

  finish(aborted: AbortedEntries, lastStableOffset: Offset): Buffer {
    const { topicId, partition, baseOffset, endOffset } = this.#range
    const index = Buffer.allocUnsafeSlow(headerBytes + this.#offsets.length * entryBytes + aborted.count * abortedEntryBytes)
    index.writeUInt32BE(magic, 0)
    uuidToBytes(topicId).copy(index, 8)
    index.writeInt32BE(partition, 24)
    index.writeInt32BE(this.#offsets.length, 28)
    const numbers = [baseOffset, endOffset, this.bytes, this.maxTimestamp, this.#firstTimestamp, lastStableOffset]
    for (const [nth, number] of numbers.entries()) writeInt64(index, 32 + 8 * nth, number)
    index.writeInt32BE(aborted.count, 80)
    index.writeInt32BE(0, 84)
    let at = headerBytes
    for (const [nth, offset] of this.#offsets.entries()) {
      writeInt64(index, at, offset)
      writeInt64(index, at + 8, this.#positions[nth]!)
      writeInt64(index, at + 16, this.#times[nth]!)
      at += entryBytes
    }
    aborted.bytes().copy(index, at)
    index.writeUInt32BE(crc32c(index.subarray(8)), 4)
    return index
  }
}

/** `bytes`: the index of the row's piece. Rejects with an error that says what is wrong. */
export async function readPieceIndex(bytes: Buffer, row: SegmentRow, blockBytes: number, turns: Turns): Promise<PieceIndex> {
  const problem = indexProblem(bytes, row)
  if (problem !== null) throw new Error(problem)
  const aborted = new AbortedEntries(row.baseOffset, bytes.subarray(headerBytes + bytes.readInt32BE(28) * entryBytes))
  for (let left = bytes.readInt32BE(80); left > 0; left -= abortedAtOnce) {
    if (turns.over) await turns.next()
    aborted.take(Math.min(left, abortedAtOnce))
  }
  return new PieceIndex(bytes, blockBytes, aborted)
}

function indexProblem(bytes: Buffer, row: SegmentRow): string | null {
  if (bytes.length < headerBytes) return `an index of only ${bytes.length} bytes`
  if (bytes.readUInt32BE(0) !== magic) return 'what should be the index begins with other bytes'
  if (crc32c(bytes.subarray(8)) !== bytes.readUInt32BE(4)) return 'wrong checksum of the index'
  const isOf =
    topicIdOf(uuidFromBytes(bytes.subarray(8, 24))) === row.topicId &&
    bytes.readInt32BE(24) === row.partition &&
    readInt64(bytes, 32) === row.baseOffset &&
    readInt64(bytes, 40) === row.endOffset &&
    readInt64(bytes, 48) === row.bytes
  if (!isOf) return 'the index is that of another piece'
  const [entries, aborted] = [bytes.readInt32BE(28), bytes.readInt32BE(80)]
  const isWhole = entries >= 0 && aborted >= 0 && headerBytes + entries * entryBytes + aborted * abortedEntryBytes === bytes.length
  if (!isWhole || entries > 0 !== row.bytes > 0) return `an index of ${bytes.length} bytes with ${entries} entries and ${aborted} aborted`
  return entriesProblem(bytes, entries, row)
}

function entriesProblem(bytes: Buffer, entries: number, row: SegmentRow): string | null {
  let [offset, position] = [row.baseOffset - 1, -1]
  for (let at = headerBytes; at < headerBytes + entries * entryBytes; at += entryBytes) {
    const [nextOffset, nextPosition] = [header.readOffset(bytes, at), header.readOffset(bytes, at + 8)]
    const follows = at === headerBytes ? nextPosition === 0 : nextPosition > position
    if (nextOffset <= offset || nextOffset >= row.endOffset || !follows || nextPosition >= row.bytes)
      return `an index entry of offset ${nextOffset} at ${nextPosition} behind offset ${offset} at ${position}`
    offset = nextOffset
    position = nextPosition
  }
  return null
}

export class PieceIndex {
  readonly baseOffset: Offset
  readonly endOffset: Offset
  /** Of the batches. */
  readonly bytes: number
  /** -1 without one. */
  readonly maxTimestamp: Int64
  /** Largest timestamp of the first batch; -1 without one. For max.compaction.lag.ms. */
  readonly firstTimestamp: Int64
  /** No marker of a later piece ends a transaction that begins below. */
  readonly lastStableOffset: Offset
  /** Those whose markers are in the piece. */
  readonly aborted: AbortedEntries
  readonly #bytes: Buffer
  readonly #entries: number
  /** The entries at which blocks begin. */
  readonly #blocks: readonly number[]
  /** Where readers stopped that will go on. */
  readonly #expected: Offset[] = []

  /** Only of bytes that were checked. */
  constructor(bytes: Buffer, blockBytes: number, aborted: AbortedEntries) {
    const numbers = Array.from({ length: 6 }, (_, nth) => readInt64(bytes, 32 + 8 * nth))
    this.baseOffset = Number(numbers[0])
    this.endOffset = Number(numbers[1])
    this.bytes = Number(numbers[2])
    this.maxTimestamp = numbers[3]!
    this.firstTimestamp = numbers[4]!
    this.lastStableOffset = Number(numbers[5])
    this.#bytes = bytes
    this.#entries = bytes.readInt32BE(28)
    this.aborted = aborted
    const blocks: number[] = []
    for (let nth = 0; nth < this.#entries; nth++) {
      const isFirst = blocks.length === 0
      if (isFirst || this.#positionAt(nth + 1) - this.#positionAt(blocks.at(-1)!) > blockBytes) blocks.push(nth)
    }
    this.#blocks = blocks
  }

  /** Bytes of memory, about. */
  get size(): number {
    return this.#bytes.length + 8 * this.#blocks.length + 256
  }

  /** Number of blocks; 0 without batches. */
  get blocks(): number {
    return this.#blocks.length
  }

  /** Where the block begins in the piece; for the number of blocks, where the last one ends. */
  blockStart(block: number): number {
    return this.#positionAt(this.#blocks[block] ?? this.#entries)
  }

  /** No batch of the block, or behind it, begins below. */
  blockOffset(block: number): Offset {
    const entry = this.#blocks[block]
    return entry === undefined ? this.endOffset : this.#offsetAt(entry)
  }

  /** The block that has this position of the piece; the number of blocks at its end. */
  blockOf(position: number): number {
    if (position >= this.bytes) return this.blocks
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#positionAt(this.#blocks[middle]!) <= position) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Where to begin looking for the batch that holds `offset`, or the first one behind it. */
  positionBefore(offset: Offset): number {
    return this.#positionAt(this.#last(nth => this.#offsetAt(nth) <= offset))
  }

  /** All records with a timestamp of at least this one come at or behind this position. */
  positionBeforeTime(timestamp: Int64): number {
    return this.#positionAt(this.#last(nth => readInt64(this.#bytes, headerBytes + nth * entryBytes + 16) < timestamp))
  }

  /** Adds to `into` those that a reader of [from, to) must know. True when no later piece can have more. */
  collectAborted(from: Offset, to: Offset, into: AbortedTransaction[]): boolean {
    return this.aborted.collect(from, to, into) || this.lastStableOffset >= to
  }

  /** A reader stopped at this offset. */
  expect(offset: Offset): void {
    if (this.#expected.includes(offset)) return
    if (this.#expected.length === expectedReaders) this.#expected.shift()
    this.#expected.push(offset)
  }

  /** Whether a reader of this offset goes on where one stopped, or begins at the beginning. */
  expects(offset: Offset): boolean {
    return offset <= this.baseOffset || this.#expected.includes(offset)
  }

  /** The last entry for which `holds`, which must be true of the first ones up to some one only; the first if there is none. */
  #last(holds: (nth: number) => boolean): number {
    let low = 0
    let high = this.#entries - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (holds(middle)) low = middle
      else high = middle - 1
    }
    return low
  }

  #offsetAt(nth: number): Offset {
    return header.readOffset(this.#bytes, headerBytes + nth * entryBytes)
  }

  #positionAt(nth: number): number {
    return nth < this.#entries ? header.readOffset(this.#bytes, headerBytes + nth * entryBytes + 8) : this.bytes
  }
}
