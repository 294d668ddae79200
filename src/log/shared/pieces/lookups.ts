/**
 * Look-ups over the pieces of a partition, by the code that looks up segments. `rows` are in order, and touch each other. All reject with
 * KAFKA_STORAGE_ERROR.
 */
import type { Int64 } from '../../../base.ts'
import type { TimestampedOffset } from '../../../log.ts'
import { header, type Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import type { LogContext } from '../../context.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'
import { offsetForTimestamp, offsetOfMaxTimestamp, type Searchable, type SearchableList } from '../../segments/offset-lookup.ts'
import type { ScanEnd, Visit } from '../../segments/segment-scan.ts'
import type { PieceStore } from './piece-store.ts'

/** The first record at or after `from`, below `to`, whose timestamp is at least the given one; null: not in these pieces. */
export function offsetForTimestampInPieces(
  store: PieceStore,
  rows: readonly SegmentRow[],
  timestamp: Int64,
  from: Offset,
  to: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  return offsetForTimestamp(searchable(store, rows), timestamp, from, to, find)
}

/** The first record at or after `from`, below `to`, with the largest timestamp; of records without one the first. */
export function offsetOfMaxTimestampInPieces(
  store: PieceStore,
  rows: readonly SegmentRow[],
  from: Offset,
  to: Offset,
  find: LogContext['findRecord'],
): Promise<TimestampedOffset | null> {
  return offsetOfMaxTimestamp(searchable(store, rows), from, to, find)
}

/** Aborted transactions with markers in these pieces that a reader of [from, to) must know, by first offset. At once if all is cached. */
export function abortedInPieces(
  store: PieceStore,
  rows: readonly SegmentRow[],
  from: Offset,
  to: Offset,
): AbortedTransaction[] | Promise<AbortedTransaction[]> {
  const found: AbortedTransaction[] = []
  const collect = (first: number): Promise<void> | undefined => {
    for (let at = first; at < rows.length; at++) {
      const index = store.index(rows[at]!)
      if (index instanceof Promise) return index.then(loaded => (loaded.collectAborted(from, to, found) ? undefined : collect(at + 1)))
      if (index.collectAborted(from, to, found)) return undefined
    }
    return undefined
  }
  // Kafka's clients sort the list; kafkajs assumes that it is sorted.
  const sorted = () => found.sort((a, b) => a.firstOffset - b.firstOffset)
  const later = collect(Math.max(0, indexOf(rows, from)))
  return later === undefined ? sorted() : later.then(sorted)
}

/** Index of the row that holds `offset` if any does: the last one that begins at or before it; -1 below all. */
export function indexOf(rows: readonly SegmentRow[], offset: Offset): number {
  let low = -1
  let high = rows.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (rows[middle]!.baseOffset <= offset) low = middle
    else high = middle - 1
  }
  return low
}

function searchable(store: PieceStore, rows: readonly SegmentRow[]): SearchableList {
  return { all: rows.map(row => new SearchablePiece(store, row)), indexOf: offset => indexOf(rows, offset) }
}

class SearchablePiece implements Searchable {
  readonly baseOffset: Offset
  readonly path: string
  maxTimestamp: Int64
  readonly #store: PieceStore
  readonly #row: SegmentRow

  constructor(store: PieceStore, row: SegmentRow) {
    this.baseOffset = row.baseOffset
    this.path = row.object
    this.maxTimestamp = row.maxTimestamp
    this.#store = store
    this.#row = row
  }

  /** A row has no room for timestamps beyond 53 bits. */
  async prove(): Promise<void> {
    if (this.maxTimestamp === Number.MAX_SAFE_INTEGER) this.maxTimestamp = (await this.#store.index(this.#row)).maxTimestamp
  }

  async positionOf(offset: Offset): Promise<number> {
    const index = await this.#store.index(this.#row)
    const end = await this.scan(index.positionBefore(offset), 'headers', (buffer, at) =>
      header.lastOffset(buffer, at) >= offset ? false : undefined,
    )
    return end.position
  }

  async positionForTimestamp(timestamp: Int64, from: Offset): Promise<number> {
    const index = await this.#store.index(this.#row)
    return Math.max(index.positionBeforeTime(timestamp), index.positionBefore(from))
  }

  async scan(from: number, _what: 'headers', visit: Visit): Promise<ScanEnd> {
    const index = await this.#store.index(this.#row)
    let position = from
    for (let block = index.blockOf(from); block < index.blocks; block++) {
      if (this.#store.turns.over) await this.#store.turns.next()
      const content = await this.#store.block(this.#row, index, block)
      for (let at = position - index.blockStart(block); at < content.length; at += header.sizeBytes(content, at)) {
        if (visit(content, at, position) === false) return { position, problem: null }
        position += header.sizeBytes(content, at)
      }
    }
    return { position, problem: null }
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const index = await this.#store.index(this.#row)
    const block = index.blockOf(position)
    const content = await this.#store.block(this.#row, index, block)
    const start = position - index.blockStart(block)
    buffer.set(content.subarray(start, start + buffer.length))
    return Math.min(buffer.length, content.length - start)
  }
}
