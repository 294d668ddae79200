/**
 * Writes pieces into objects, and reads them.
 *
 * Hides how pieces share objects, the blocks in which they are read, the cache of blocks and indexes, and reading ahead. An object is a row of
 * pieces, each with its index behind its batches (piece-index.ts). What comes from an object is checked before anybody sees it: lengths and
 * offsets of the batches of a block, as for segments on a disk; their checksums where all of them are read (`batches`). What cannot be had, or is
 * wrong, is a KAFKA_STORAGE_ERROR, never an empty answer.
 */
import { type System, Turns } from '../../../base.ts'
import { batchHeaderSize, header, type Offset } from '../../../protocol.ts'
import type { ObjectStore, SegmentRow } from '../../../store.ts'
import { type Cut, cutBatches } from '../../segments/cut-batches.ts'
import { headerProblem } from '../../segments/segment-scan.ts'
import type { SharedSettings } from '../settings.ts'
import { LoadCache } from './load-cache.ts'
import { type Piece, type PieceRange, type PieceSlice, storageError } from './piece.ts'
import { leastIndexBytes, type PieceIndex, readPieceIndex } from './piece-index.ts'
import { type PieceEnding, PieceWriter } from './piece-writer.ts'

export interface PieceStoreOptions {
  system: System
  objects: ObjectStore
  settings: SharedSettings
  /** A name that was never used and never will be again. */
  nameObject(): string
  report(what: string, error: unknown): void
}

/** One answer takes no more than these, and the next one follows: the headers of more tiny batches would take too much of a turn. */
const blocksAtOnce = 4
/** A sequential reader has so many more in memory, or under way. */
const blocksAhead = 3
/** What is loaded ahead comes with one request: that costs the object store half the CPU, and four blocks are billed as one request. */
const blocksOfRequest = 4
/** An answer keeps so many times its own bytes of memory at most: `fetch.response.memory.bytes` counts no more than its own. */
const mostKept = 2
/** What indexes get of the cache; blocks get the rest. */
const indexShare = 0.25
const sumsAtOnce = 256
/** More than any piece has; a row that says more is damaged. */
const mostIndexBytes = 256 << 20

const none: ReadonlyMap<number, Buffer> = new Map()

interface Request {
  readonly row: SegmentRow
  readonly from: Offset
  readonly maxBytes: number
  readonly atLeastOne: boolean
  readonly end: Offset
  readonly following: readonly SegmentRow[]
}

export class PieceStore {
  readonly #objects: ObjectStore
  readonly #settings: SharedSettings
  /** For who goes through blocks, which may all be here already. */
  readonly turns: Turns
  readonly #writer: PieceWriter
  readonly #indexes: LoadCache<PieceIndex>
  readonly #blocks: LoadCache<Buffer>

  constructor(options: PieceStoreOptions) {
    const { objects, settings, system } = options
    this.#objects = objects
    this.#settings = settings
    this.turns = new Turns(system)
    this.#writer = new PieceWriter(options, this.turns)
    this.#indexes = new LoadCache(settings.cacheBytes * indexShare, index => index.size)
    this.#blocks = new LoadCache(settings.cacheBytes * (1 - indexShare), block => block.length)
  }

  /** Of memory, by what is kept. */
  get cachedBytes(): number {
    return this.#indexes.bytes + this.#blocks.bytes
  }

  /**
   * PUTs objects and answers a row for each piece, in the order of the pieces. Nothing refers to the objects until the caller commits the rows.
   * Rejects with KAFKA_STORAGE_ERROR, or with a PieceFault if one of them is at fault; then none of the objects is needed.
   */
  write(pieces: readonly Piece[]): Promise<SegmentRow[]> {
    return this.#writer.write(pieces)
  }

  /**
   * One piece whose batches need not be in memory at once, in an object of its own. `ending` is asked for behind the last of them. Rejects with
   * KAFKA_STORAGE_ERROR; then the object is not needed.
   */
  writeStream(
    range: PieceRange,
    batches: AsyncIterable<Buffer>,
    ending: () => PieceEnding,
    nameObject?: () => string,
  ): Promise<SegmentRow> {
    return this.#writer.writeStream(range, batches, ending, nameObject)
  }

  /**
   * Whole batches from the one that contains `from`, or the first behind it; up to `maxBytes`, or one batch at least with `atLeastOne`; only
   * batches that end below `end`. May answer fewer: what is here, of some blocks. At once if it is cached. `following`: rows behind this one, for
   * reading ahead. Rejects, or throws, with KAFKA_STORAGE_ERROR.
   */
  read(
    row: SegmentRow,
    from: Offset,
    maxBytes: number,
    atLeastOne: boolean,
    end: Offset,
    following: readonly SegmentRow[] = [],
  ): PieceSlice | Promise<PieceSlice> {
    const request: Request = { row, from, maxBytes, atLeastOne, end, following }
    const index = this.index(row)
    return index instanceof Promise ? index.then(loaded => this.#read(request, loaded)) : this.#read(request, index)
  }

  /** At once if it is cached. */
  index(row: SegmentRow): PieceIndex | Promise<PieceIndex> {
    return this.#indexes.get(row.object, row.position) ?? this.#indexes.load(row.object, row.position, () => this.#loadIndex(row))
  }

  /** One block, at once if it is cached. */
  block(row: SegmentRow, index: PieceIndex, block: number): Buffer | Promise<Buffer> {
    const position = row.position + index.blockStart(block)
    return this.#blocks.get(row.object, position) ?? this.#blocks.load(row.object, position, () => this.#fetchBlock(row, index, block))
  }

  /**
   * All batches, in buffers of one or more whole ones, checksums verified; the next one is on its way while the caller works. Past the cache,
   * which it would only fill with what nobody reads; but what was just read of the piece is not fetched twice. The buffers are the caller's.
   */
  async *batches(row: SegmentRow): AsyncGenerator<Buffer> {
    const { index, only } = this.#cached(row) ?? (await this.#open(row))
    const fetch = (block: number) => {
      const fetched = only === null ? this.#fetchBlock(row, index, block) : Promise.resolve(only)
      // Who stops early does not care.
      fetched.catch(() => {})
      return fetched
    }
    let next = index.blocks > 0 ? fetch(0) : null
    for (let block = 0; next !== null; block++) {
      const content: Buffer = await next
      next = block + 1 < index.blocks ? fetch(block + 1) : null
      await this.#checkSums(row, content)
      yield content
    }
  }

  /** From what is cached, or in `held`; loads what the answer begins with if it is neither. */
  #read(request: Request, index: PieceIndex, held: ReadonlyMap<number, Buffer> = none): PieceSlice | Promise<PieceSlice> {
    const { row, from, maxBytes, atLeastOne, end } = request
    const chunks: Buffer[] = []
    let bytes = 0
    let next = from
    if (maxBytes <= 0 && !atLeastOne) return { chunks, bytes, next }
    const begin = index.positionBefore(from)
    let block = index.blockOf(begin)
    for (; block < index.blocks && index.blockOffset(block) < end && chunks.length < blocksAtOnce; block++) {
      const content = held.get(block) ?? this.#blocks.get(row.object, row.position + index.blockStart(block))
      if (content === undefined) {
        if (bytes === 0) return this.#load(request, index, block, held).then(loaded => this.#read(request, index, loaded))
        break
      }
      const start = Math.max(0, begin - index.blockStart(block))
      const cut: Cut = cutBatches(content, start, content.length, next, end, maxBytes - bytes, atLeastOne && bytes === 0)
      if (cut.end > cut.start) {
        chunks.push(viewOf(content, cut))
        bytes += cut.end - cut.start
        next = cut.next
      }
      if (cut.end < content.length) break
    }
    // Behind the last batch there may be a hole.
    if (block === index.blocks) next = Math.max(next, Math.min(index.endOffset, end))
    if (next > from) this.#readOn(request, index, block, next)
    return { chunks, bytes, next }
  }

  /** As many blocks as the answer may need, at once. Rejects if the first of them fails; others are asked for again. */
  async #load({ row, maxBytes, end }: Request, index: PieceIndex, first: number, before: ReadonlyMap<number, Buffer>) {
    const loads: (Buffer | Promise<Buffer>)[] = []
    for (let block = first; block < index.blocks && loads.length < blocksAtOnce; block++) {
      const isWanted = block === first || (index.blockStart(block) - index.blockStart(first) < maxBytes && index.blockOffset(block) < end)
      if (!isWanted) break
      loads.push(this.block(row, index, block))
    }
    const held = new Map(before)
    for (const [nth, settled] of (await Promise.allSettled(loads)).entries()) {
      if (settled.status === 'fulfilled') held.set(first + nth, settled.value)
      else if (nth === 0) throw settled.reason
      else break
    }
    return held
  }

  /** A sequential reader was answered up to `next`, which is in this block or behind it: what it asks for next is loaded before it does. */
  #readOn({ row, from, following }: Request, index: PieceIndex, block: number, next: Offset): void {
    const isSequential = index.expects(from)
    if (next < index.endOffset) index.expect(next)
    if (!isSequential) return
    const end = Math.min(block + blocksAhead + 1, index.blocks)
    let missing = block
    while (missing < end && this.#blocks.has(row.object, row.position + index.blockStart(missing))) missing++
    if (missing < end) this.#blocksAhead(row, index, missing, blocksOfRequest)
    for (const other of following.slice(0, block + blocksAhead + 1 - end)) {
      const known = this.#indexes.get(other.object, other.position)
      if (known !== undefined) this.#blocksAhead(other, known, 0, 1)
      else this.#indexAhead(other)
    }
  }

  /** With one request, as many of them as are not here and have room. */
  #blocksAhead(row: SegmentRow, index: PieceIndex, first: number, most: number): void {
    const { promise, resolve } = Promise.withResolvers<readonly Buffer[]>()
    const end = Math.min(first + most, index.blocks)
    let block = first
    for (; block < end; block++) {
      const [start, nth] = [index.blockStart(block), block - first]
      const load = () => promise.then(blocks => blocks[nth]!)
      const loading = this.#blocks.loadAhead(row.object, row.position + start, index.blockStart(block + 1) - start, load)
      if (loading === null) break
      // The reader asks again, and hears of what goes wrong.
      loading.catch(() => {})
    }
    if (block > first) resolve(this.#fetchBlocks(row, index, first, block - first))
  }

  #indexAhead(row: SegmentRow): void {
    const bytes = row.indexBytes + (this.#isSmall(row) ? row.bytes : 0)
    const loading = this.#indexes.loadAhead(row.object, row.position, bytes, () => this.#loadIndex(row))
    loading?.then(
      index => this.#blocksAhead(row, index, 0, 1),
      () => {},
    )
  }

  async #loadIndex(row: SegmentRow): Promise<PieceIndex> {
    const { index, only } = await this.#open(row)
    if (only !== null && row.bytes > 0) this.#blocks.put(row.object, row.position, only)
    return index
  }

  /** As {@link #open}, with a copy of the batches. */
  #cached(row: SegmentRow): { index: PieceIndex; only: Buffer | null } | null {
    const index = this.#indexes.get(row.object, row.position)
    if (index === undefined) return null
    if (!this.#isSmall(row)) return { index, only: null }
    const only = this.#blocks.get(row.object, row.position)
    return only === undefined ? null : { index, only: Buffer.from(only) }
  }

  /** The index; and all batches, where the piece is so small that it is one block, which comes with the same GET. */
  async #open(row: SegmentRow): Promise<{ index: PieceIndex; only: Buffer | null }> {
    try {
      checkRow(row)
      const isSmall = this.#isSmall(row)
      const before = isSmall ? row.bytes : 0
      const content = await this.#objects.get(row.object, row.position + row.bytes - before, before + row.indexBytes)
      // The index stays longer than the block.
      const bytes = before > 0 ? Buffer.from(content.subarray(before)) : content
      const index = await readPieceIndex(bytes, row, this.#settings.blockBytes, this.turns)
      if (!isSmall) return { index, only: null }
      const only = content.subarray(0, before)
      if (index.blocks > 0) checkBlock(row, index, 0, only)
      return { index, only }
    } catch (error) {
      throw storageError(row, error)
    }
  }

  #isSmall(row: SegmentRow): boolean {
    return row.bytes + row.indexBytes <= this.#settings.blockBytes
  }

  async #checkSums(row: SegmentRow, content: Buffer): Promise<void> {
    let nth = 0
    for (let at = 0; at < content.length; at += header.sizeBytes(content, at)) {
      if (nth++ % sumsAtOnce === 0 && this.turns.over) await this.turns.next()
      if (header.computeCrc(content, at) !== header.crc(content, at))
        throw storageError(row, `wrong checksum of the batch of offset ${header.baseOffset(content, at)}`)
    }
  }

  async #fetchBlock(row: SegmentRow, index: PieceIndex, block: number): Promise<Buffer> {
    return (await this.#fetchBlocks(row, index, block, 1))[0]!
  }

  async #fetchBlocks(row: SegmentRow, index: PieceIndex, first: number, count: number): Promise<readonly Buffer[]> {
    try {
      const lengths = Array.from({ length: count }, (_, nth) => index.blockStart(first + nth + 1) - index.blockStart(first + nth))
      const blocks = await this.#objects.getSeveral(row.object, row.position + index.blockStart(first), lengths)
      for (const [nth, content] of blocks.entries()) {
        if (this.turns.over) await this.turns.next()
        checkBlock(row, index, first + nth, content)
      }
      return blocks
    } catch (error) {
      throw storageError(row, error)
    }
  }
}

/** Nothing is copied, unless a part would keep a whole block in memory for as long as a slow client takes to read it. */
function viewOf(content: Buffer, { start, end }: Cut): Buffer {
  const view = content.subarray(start, end)
  return view.length * mostKept >= content.length ? view : Buffer.from(view)
}

function checkRow({ position, bytes, indexBytes }: SegmentRow): void {
  const isSane =
    [position, bytes, indexBytes].every(each => Number.isSafeInteger(each) && each >= 0) &&
    indexBytes >= leastIndexBytes &&
    indexBytes <= mostIndexBytes
  if (!isSane) throw new Error(`a row of ${bytes} bytes at ${position} with an index of ${indexBytes} bytes`)
}

/** Throws unless whole batches fill the block, and their offsets are between its own and that of the next block. */
function checkBlock(row: SegmentRow, index: PieceIndex, block: number, content: Buffer): void {
  let minOffset = index.blockOffset(block)
  for (let at = 0; at < content.length; at += header.sizeBytes(content, at)) {
    const room = content.length - at
    const problem = room < batchHeaderSize ? `only ${room} bytes left` : headerProblem(content, at, minOffset, room)
    if (problem !== null) throw new Error(`${problem} at position ${row.position + index.blockStart(block) + at}`)
    minOffset = header.lastOffset(content, at) + 1
  }
  const limit = index.blockOffset(block + 1)
  if (minOffset > limit) throw new Error(`batches up to offset ${minOffset} where the next one begins at ${limit}`)
}
