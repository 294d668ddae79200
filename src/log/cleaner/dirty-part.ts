/** The first pass of compaction: the last offset of each key in the dirty part, batch by batch, until the map is full. */
import { forEachRecord, header, type Offset, type RecordView } from '../../protocol.ts'
import type { AbortedTransaction } from '../segments/aborted-entries.ts'
import { CleanedTransactions, unlessUnreadable } from './cleaner-filter.ts'
import { OffsetMap } from './cleaner-map.ts'

export class DirtyPart {
  readonly map: OffsetMap
  readonly #firstDirty: Offset
  readonly #transactions: CleanedTransactions
  #mappedTo: Offset

  /** `aborted`: those whose markers are at or behind the first batch that will be added. Others would be taken for open ones. */
  constructor(mapBytes: number, firstDirty: Offset, aborted: readonly AbortedTransaction[]) {
    this.map = new OffsetMap(mapBytes)
    this.#firstDirty = firstDirty
    this.#transactions = new CleanedTransactions(aborted)
    this.#mappedTo = firstDirty
  }

  /** The keys of all records below are in the map. */
  get mappedTo(): Offset {
    return this.#mappedTo
  }

  /** The next batch. False when the map has no room for all of its keys: then it stays dirty, and what follows. */
  add(bytes: Buffer): boolean {
    const batch = header.readBatchHeader(bytes, 0)
    if (batch.isControl) this.#transactions.onControl(batch, bytes)
    else if (!this.#transactions.onBatch(batch) && !this.#mapRecords(bytes)) return false
    if (batch.lastOffset >= this.#firstDirty) this.#mappedTo = batch.lastOffset + 1
    return true
  }

  /** Up to this offset there are no more batches. */
  reach(offset: Offset): void {
    this.#mappedTo = Math.max(this.#mappedTo, offset)
  }

  /** False when the map is full. */
  #mapRecords(bytes: Buffer): boolean {
    let hasRoom = true
    const visit = (record: RecordView): boolean => {
      const key = record.key
      if (key === null || record.offset < this.#firstDirty) return true
      hasRoom = this.map.put(key, record.offset)
      return hasRoom
    }
    unlessUnreadable(undefined, () => forEachRecord(bytes, visit))
    return hasRoom
  }
}
