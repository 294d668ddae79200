/**
 * Decides what compaction keeps of a batch: Kafka's rules for superseded records, tombstones with their delete horizon (KIP-534), aborted
 * transactions, markers, and batches with a producer's last sequence.
 */
import { ageOf, type ClockHistory, type Int64, nearestInt64, subtractInt64 } from '../../base.ts'
import { type BatchHeader, header, KafkaError, markerOfBatch, type Offset, type RecordView, retainRecords } from '../../protocol.ts'
import type { LastRecord } from '../partition/producer-state.ts'
import type { AbortedTransaction } from '../segments/aborted-entries.ts'
import type { OffsetMap } from './cleaner-map.ts'

export interface FilterRules {
  /** Offsets from here on are kept as they are. */
  mapEndOffset: Offset
  /** Where this round of cleaning ends: the batch that ends there stays, if only as a header. */
  upperBound: Offset
  nowMs: number
  history: ClockHistory
  deleteRetentionMs: number
  lastRecords: readonly LastRecord[]
}

/** Follows transactions through the log as the cleaner reads it from the beginning. */
export class CleanedTransactions {
  /** By first offset; those before #next have begun. */
  readonly #aborted: readonly AbortedTransaction[]
  #next = 0
  readonly #ongoingAborted = new Map<Int64, { entry: AbortedTransaction; hasBatches: boolean }>()
  readonly #ongoingCommitted = new Set<Int64>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#aborted = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  }

  /** True when the batch belongs to an aborted transaction. */
  onBatch(batch: BatchHeader): boolean {
    this.#begin(batch.lastOffset)
    if (!batch.isTransactional) return false
    const aborted = this.#ongoingAborted.get(batch.producerId)
    if (aborted === undefined) {
      this.#ongoingCommitted.add(batch.producerId)
      return false
    }
    aborted.hasBatches = true
    return true
  }

  /**
   * Whether nothing is left of the transaction that this control batch ended, and the entry that the cleaned segment's transaction index
   * gets if something is.
   */
  onControl(batch: BatchHeader, bytes: Buffer): { isEmpty: boolean; aborted: AbortedTransaction | null } {
    this.#begin(batch.lastOffset)
    if (batch.recordCount === 0) return { isEmpty: true, aborted: null }
    const marker = markerOfBatch(bytes, 0, bytes.length)
    if (marker === null) return { isEmpty: false, aborted: null }
    if (marker.committed) return { isEmpty: !this.#ongoingCommitted.delete(batch.producerId), aborted: null }
    const ongoing = this.#ongoingAborted.get(batch.producerId)
    this.#ongoingAborted.delete(batch.producerId)
    return ongoing?.hasBatches === true ? { isEmpty: false, aborted: ongoing.entry } : { isEmpty: true, aborted: null }
  }

  #begin(offset: Offset): void {
    for (; this.#next < this.#aborted.length && this.#aborted[this.#next]!.firstOffset <= offset; this.#next++) {
      const entry = this.#aborted[this.#next]!
      if (!this.#ongoingAborted.has(entry.producerId)) this.#ongoingAborted.set(entry.producerId, { entry, hasBatches: false })
    }
  }
}

/**
 * What `work` makes of a batch; `otherwise` when its records cannot be read. Such a batch comes from before all batches were opened, or from
 * another broker's directory: it stays as it is, and the rest of the log is cleaned.
 */
export function unlessUnreadable<T>(otherwise: T, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof KafkaError) return otherwise
    throw error
  }
}

export interface Filtered {
  /** What stays: the batch itself (a view), a smaller one, or nothing. */
  kept: Buffer | null
  /** To be noted in the cleaned segment's transaction index. */
  aborted: AbortedTransaction | null
}

export class CleanerFilter {
  readonly #map: OffsetMap
  readonly #rules: FilterRules
  readonly #transactions: CleanedTransactions
  readonly #lastRecords: Map<Int64, LastRecord>

  constructor(map: OffsetMap, rules: FilterRules, transactions: CleanedTransactions) {
    this.#map = map
    this.#rules = rules
    this.#transactions = transactions
    this.#lastRecords = new Map(rules.lastRecords.map(last => [last.producerId, last]))
  }

  filter(bytes: Buffer): Filtered {
    const batch = header.readBatchHeader(bytes, 0)
    if (batch.isControl) return this.#filterControl(bytes, batch)
    const isAborted = this.#transactions.onBatch(batch)
    return { kept: this.#retain(bytes, batch, record => !isAborted && this.#keeps(record, batch), true), aborted: null }
  }

  /** A marker stays until nothing is left of its transaction, and then as long as a tombstone. */
  #filterControl(bytes: Buffer, batch: BatchHeader): Filtered {
    const { isEmpty, aborted } = this.#transactions.onControl(batch, bytes)
    const isOver = isEmpty && this.#isPastHorizon(batch)
    return { kept: this.#retain(bytes, batch, () => !isOver, isEmpty), aborted }
  }

  #retain(bytes: Buffer, batch: BatchHeader, keep: (record: RecordView) => boolean, setsHorizon: boolean): Buffer | null {
    const { nowMs, deleteRetentionMs, upperBound } = this.#rules
    const keepEmpty = this.#isLastOfProducer(batch) || batch.lastOffset + 1 === upperBound
    const deleteHorizonMs = setsHorizon ? nearestInt64(nowMs + deleteRetentionMs) : undefined
    return unlessUnreadable(bytes, () => retainRecords({ header: batch, bytes }, keep, { keepEmpty, deleteHorizonMs }))
  }

  #keeps(record: RecordView, batch: BatchHeader): boolean {
    if (record.offset >= this.#rules.mapEndOffset) return true
    const key = record.key
    // A record without a key in a compacted topic: from before it was one.
    if (key === null || record.offset < this.#map.get(key)) return false
    return record.hasValue || !this.#isPastHorizon(batch)
  }

  /** The horizon was set to the time of its first cleaning plus delete.retention.ms: that time has to be long ago. */
  #isPastHorizon(batch: BatchHeader): boolean {
    const { deleteRetentionMs, history } = this.#rules
    if (!batch.hasDeleteHorizon) return false
    return ageOf(subtractInt64(batch.baseTimestamp, nearestInt64(deleteRetentionMs)), history) >= deleteRetentionMs
  }

  #isLastOfProducer(batch: BatchHeader): boolean {
    const last = batch.producerId < 0 ? undefined : this.#lastRecords.get(batch.producerId)
    if (last === undefined) return false
    if (last.lastOffset >= 0) return batch.lastOffset === last.lastOffset
    return batch.isControl && batch.producerEpoch === last.producerEpoch
  }
}
