/**
 * Per-partition producer state: Kafka's ProducerStateManager as a pure state machine over batch headers.
 *
 * Hides the rules for idempotent and transactional producers (last five batches, sequence numbers with wrap-around, epoch fencing,
 * markers, expiry), the compact memory layout, and how batches are undone when a write fails. For each batch call
 * `check` (which throws or finds a duplicate, and changes nothing), then `apply`. Applied batches can be undone with
 * `rollback(mark)` until `settle(mark)`.
 */
import { ageOf, type ClockHistory, type Int64 } from '../../base.ts'
import type { ActiveProducer } from '../../log.ts'
import { KafkaError, type Offset, type TransactionMarker } from '../../protocol.ts'
import type { BatchInfo } from './batch-info.ts'
import { decodeProducers, encodeRetained, encodeSnapshot } from './producer-snapshot.ts'
import { ProducerTable } from './producer-table.ts'

/** Where an earlier append of the same batch is. */
export interface DuplicateBatch {
  baseOffset: Offset
  lastOffset: Offset
  timestamp: Int64
}

/** A transaction that a marker ended. When aborted, it belongs into the segment's transaction index. */
export interface CompletedTransaction {
  producerId: Int64
  firstOffset: Offset
  /** Offset of the marker. */
  lastOffset: Offset
  /** The last stable offset with this transaction gone. */
  lastStableOffset: Offset
  aborted: boolean
}

export interface LastRecord {
  producerId: Int64
  producerEpoch: number
  lastOffset: Offset
}

export interface ProducerLimits {
  /** Above it, the longest idle producers expire, as after `producer.id.expiration.ms`. */
  readonly maxProducerIdsPerPartition: number
}

const unlimited: ProducerLimits = { maxProducerIdsPerPartition: Number.POSITIVE_INFINITY }

interface OpenTransaction {
  producerId: Int64
  firstOffset: Offset
  /** Offset of the marker; -1 while open. */
  lastOffset: Offset
}

const none = -1
const maxSequence = 2 ** 31 - 1
/** This share of the producers is forgotten at once when there are too many, so that looking for them costs little for each newcomer. */
const evictedShare = 16
/** Numbers in one undo record. */
const undoWidth = 12

export class ProducerStates {
  /** `topic-partition`, for messages. */
  readonly #name: string
  readonly #limits: ProducerLimits
  readonly #table = new ProducerTable()
  /** Without a marker yet; ascending by first offset. */
  #open: OpenTransaction[] = []
  /** With a marker at or above the high watermark; ascending by first offset. */
  #completed: OpenTransaction[] = []
  /** Before-images of unsettled batches, `undoWidth` numbers each. */
  #undo: Int64[] = []
  /** Number of the first record in #undo. */
  #undoBase = 0

  constructor(name: string, limits: ProducerLimits = unlimited) {
    this.#name = name
    this.#limits = limits
  }

  get size(): number {
    return this.#table.size
  }

  /**
   * Checks whether this batch may be appended. Throws KafkaError; returns the earlier batch if it is a duplicate, otherwise null. Changes nothing.
   * For batches with a producer id only. `isFirst`: see `AppendOptions`.
   */
  check(batch: BatchInfo, origin: 'client' | 'coordinator', isFirst = false): DuplicateBatch | null {
    const slot = this.#table.find(batch.producerId)
    if (slot === none) {
      if (!batch.isControl) this.#checkEpoch(none, batch)
      if (isFirst && batch.baseSequence !== 0)
        throw new KafkaError(
          'OUT_OF_ORDER_SEQUENCE_NUMBER',
          `Invalid sequence number for producer ${batch.producerId} in ${this.#name}: ${batch.baseSequence} (incoming seq. number). ` +
            'Expected sequence 0 for transactions v2 idempotent producer with no existing state.',
        )
      return null
    }
    if (batch.isControl) {
      if (batch.marker !== null) this.#checkMarker(slot, batch, batch.marker)
      return null
    }
    if (origin === 'client') {
      const duplicate = this.#findDuplicate(slot, batch)
      if (duplicate !== null) return duplicate
    }
    this.#checkEpoch(this.#table.epoch(slot), batch)
    if (origin === 'client') this.#checkSequence(slot, batch)
    if (this.#table.transactionStart(slot) !== none && !batch.isTransactional)
      throw new KafkaError('INVALID_TXN_STATE', `Expected transactional write from producer ${batch.producerId} in ${this.#name}`)
    return null
  }

  /**
   * Takes the batch in, unchecked, once its offsets are assigned; replaying a log does only this. Answers the transaction that it ended.
   * For batches with a producer id only.
   */
  apply(batch: BatchInfo): CompletedTransaction | null {
    if (batch.isControl && batch.marker === null) return null
    const table = this.#table
    const slot = this.#remember(batch.producerId)
    if (batch.marker !== null) return this.#endTransaction(slot, batch, batch.marker)
    table.setEpoch(slot, batch.producerEpoch)
    table.addBatch(slot, batch.lastSequence, batch.lastOffset, batch.lastOffset - batch.baseOffset, batch.maxTimestamp)
    table.setLastTimestamp(slot, batch.maxTimestamp)
    if (batch.isTransactional && table.transactionStart(slot) === none) {
      table.setTransactionStart(slot, batch.baseOffset)
      insert(this.#open, { producerId: batch.producerId, firstOffset: batch.baseOffset, lastOffset: none })
    }
    return null
  }

  /** Number of the next batch to be applied, for `rollback` and `settle`. */
  mark(): number {
    return this.#undoBase + this.#undo.length / undoWidth
  }

  /** Takes back everything applied since `mark`. */
  rollback(mark: number): void {
    while (this.mark() > mark) this.#restore()
  }

  /** What was applied before `mark` stays for good. Must be called as writes succeed, or before-images pile up. */
  settle(mark: number): void {
    if (mark <= this.#undoBase) return
    if (mark >= this.mark()) {
      this.#undoBase = this.mark()
      this.#undo = []
    } else if (mark - this.#undoBase >= 64 || (mark - this.#undoBase) * 2 > this.mark() - this.#undoBase) {
      // In steps, so that settling one batch at a time does not move the rest each time.
      this.#undo.splice(0, (mark - this.#undoBase) * undoWidth)
      this.#undoBase = mark
    }
  }

  /** First offset of the oldest transaction that is open, or whose marker is not below the high watermark; -1 when there is none. */
  firstUnstableOffset(): Offset {
    const open = this.#open[0]?.firstOffset ?? none
    const completed = this.#completed[0]?.firstOffset ?? none
    if (open === none || completed === none) return Math.max(open, completed)
    return Math.min(open, completed)
  }

  /** First offset of the oldest transaction without a marker; -1 when there is none. */
  firstOpenOffset(): Offset {
    return this.#open[0]?.firstOffset ?? none
  }

  /** Transactions whose markers lie below are stable from now on. */
  highWatermarkMoved(highWatermark: Offset): void {
    if (this.#completed.length === 0) return
    this.#completed = this.#completed.filter(transaction => transaction.lastOffset >= highWatermark)
  }

  /** Records below are gone. Producers stay: their next sequence is still known (KIP-360). */
  logStartOffsetMoved(logStartOffset: Offset): void {
    this.highWatermarkMoved(logStartOffset)
  }

  /**
   * Forgets producers that were idle for `expirationMs`, have no open transaction, and nothing that may be taken back. -1 is no time: who
   * sent batches without timestamps is idle from the first look on.
   */
  expire(history: ClockHistory, expirationMs: number): void {
    const table = this.#table
    this.#forget(table.size, slot => {
      const last = table.lastTimestamp(slot)
      if (last < 0) table.setLastTimestamp(slot, history.at(-1)!.to)
      return last >= 0 && ageOf(last, history) >= expirationMs
    })
    if (table.size === 0) table.clear()
  }

  /** Up to `most` of the longest idle that nothing holds. */
  #forget(most: number, condemned: (slot: number) => boolean): void {
    const table = this.#table
    const unsettled = new Set<Int64>()
    for (let at = 0; at < this.#undo.length; at += undoWidth) unsettled.add(this.#undo[at]!)
    const gone: Int64[] = []
    for (const [producerId, slot] of table.ids()) {
      if (gone.length >= most) break
      if (table.transactionStart(slot) === none && !unsettled.has(producerId) && condemned(slot)) gone.push(producerId)
    }
    for (const producerId of gone) table.remove(table.find(producerId))
  }

  clear(): void {
    this.#table.clear()
    this.#open = []
    this.#completed = []
    this.#undoBase = this.mark()
    this.#undo = []
  }

  list(): ActiveProducer[] {
    const table = this.#table
    return table.slots().map(slot => ({
      producerId: table.producerId(slot),
      producerEpoch: table.epoch(slot),
      lastSequence: table.lastSequence(slot),
      lastTimestampMs: table.lastTimestamp(slot),
      coordinatorEpoch: table.coordinatorEpoch(slot),
      currentTransactionStartOffset: table.transactionStart(slot),
    }))
  }

  inTransaction(producerId: Int64, producerEpoch: number): boolean {
    const slot = this.#table.find(producerId)
    return slot !== none && this.#table.transactionStart(slot) !== none && this.#table.epoch(slot) === producerEpoch
  }

  /** Where each producer's last data is (-1 after a marker), so that the cleaner keeps that batch and with it the last sequence. */
  lastRecords(): LastRecord[] {
    const table = this.#table
    return table
      .slots()
      .map(slot => ({ producerId: table.producerId(slot), producerEpoch: table.epoch(slot), lastOffset: table.lastOffset(slot) }))
  }

  /** Content of the `.snapshot` file that belongs to the offset after the last applied batch. */
  encodeSnapshot(): Buffer {
    return encodeSnapshot(this.#table)
  }

  /** The same with all retained batches, for the state log. */
  encodeRetained(): Buffer {
    return encodeRetained(this.#table)
  }

  /** Replaces everything by what either of the two said; throws when it is damaged, and is then unchanged. */
  loadSnapshot(file: Buffer, history: ClockHistory, expirationMs: number): void {
    const entries = decodeProducers(file)
    this.clear()
    const table = this.#table
    for (const entry of entries) {
      const isIdle = entry.lastTimestamp >= 0 && ageOf(entry.lastTimestamp, history) >= expirationMs
      if (entry.transactionStart === none && isIdle) continue
      const slot = table.add(entry.producerId)
      table.setEpoch(slot, entry.epoch)
      table.setCoordinatorEpoch(slot, entry.coordinatorEpoch)
      for (const batch of entry.batches) table.addBatch(slot, batch.lastSequence, batch.lastOffset, batch.offsetDelta, batch.timestamp)
      table.setLastTimestamp(slot, entry.lastTimestamp)
      table.setTransactionStart(slot, entry.transactionStart)
      if (entry.transactionStart !== none)
        insert(this.#open, { producerId: entry.producerId, firstOffset: entry.transactionStart, lastOffset: none })
    }
  }

  #findDuplicate(slot: number, batch: BatchInfo): DuplicateBatch | null {
    const table = this.#table
    if (batch.producerEpoch !== table.epoch(slot)) return null
    for (let nth = 0; nth < table.batchCount(slot); nth++) {
      const at = table.batchAt(slot, nth)
      if (table.sequenceOf(at) !== batch.lastSequence) continue
      if (firstSequence(table.sequenceOf(at), table.deltaOf(at)) !== batch.baseSequence) continue
      const lastOffset = table.offsetOf(at)
      return { baseOffset: lastOffset - table.deltaOf(at), lastOffset, timestamp: table.timestampOf(at) }
    }
    return null
  }

  #checkEpoch(current: number, batch: BatchInfo): void {
    if (batch.producerEpoch < current)
      throw new KafkaError(
        'INVALID_PRODUCER_EPOCH',
        `Epoch of producer ${batch.producerId} in ${this.#name} is ${batch.producerEpoch}, which is smaller than the last seen epoch ${current}`,
      )
  }

  #checkSequence(slot: number, batch: BatchInfo): void {
    const table = this.#table
    const current = table.epoch(slot)
    if (current === none) return
    if (batch.producerEpoch !== current) {
      if (batch.baseSequence === 0) return
      throw new KafkaError(
        'OUT_OF_ORDER_SEQUENCE_NUMBER',
        `Invalid sequence number for new epoch of producer ${batch.producerId} in ${this.#name}: ${batch.producerEpoch} (request epoch), ` +
          `${batch.baseSequence} (seq. number), ${current} (current producer epoch)`,
      )
    }
    const last = table.lastSequence(slot)
    if (batch.baseSequence === (last === maxSequence ? 0 : last + 1)) return
    throw new KafkaError(
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      `Out of order sequence number for producer ${batch.producerId} in ${this.#name}: ${batch.baseSequence} (incoming seq. number), ` +
        `${last} (current end sequence number)`,
    )
  }

  #checkMarker(slot: number, batch: BatchInfo, marker: TransactionMarker): void {
    this.#checkEpoch(this.#table.epoch(slot), batch)
    const current = this.#table.coordinatorEpoch(slot)
    if (marker.coordinatorEpoch < current)
      throw new KafkaError(
        'TRANSACTION_COORDINATOR_FENCED',
        `Invalid coordinator epoch for producerId ${batch.producerId} in ${this.#name}: ${marker.coordinatorEpoch} (zombie), ${current} (current)`,
      )
  }

  #endTransaction(slot: number, batch: BatchInfo, marker: TransactionMarker): CompletedTransaction | null {
    const table = this.#table
    const firstOffset = table.transactionStart(slot)
    table.setEpoch(slot, batch.producerEpoch)
    table.setCoordinatorEpoch(slot, marker.coordinatorEpoch)
    table.setLastTimestamp(slot, batch.maxTimestamp)
    table.setTransactionStart(slot, none)
    // A marker without data changes neither the last stable offset nor the transaction index.
    if (firstOffset === none) return null
    const lastOffset = batch.baseOffset
    const at = this.#open.findIndex(transaction => transaction.firstOffset === firstOffset)
    if (at !== -1) this.#open.splice(at, 1)
    insert(this.#completed, { producerId: batch.producerId, firstOffset, lastOffset })
    const lastStableOffset = this.#open[0]?.firstOffset ?? lastOffset + 1
    return { producerId: batch.producerId, firstOffset, lastOffset, lastStableOffset, aborted: !marker.committed }
  }

  /** The producer's slot, made when it is new, with its before-image put aside. */
  #remember(producerId: Int64): number {
    const table = this.#table
    const known = table.find(producerId)
    const most = this.#limits.maxProducerIdsPerPartition
    if (known !== none) table.touch(known)
    else if (table.size >= most) this.#forget(table.size - most + Math.ceil(most / evictedShare), () => true)
    const slot = known === none ? table.add(producerId) : known
    const next = table.nextBatch(slot)
    this.#undo.push(producerId, known === none ? 0 : 1, table.epoch(slot), table.coordinatorEpoch(slot), table.lastTimestamp(slot))
    this.#undo.push(table.transactionStart(slot), table.firstBatch(slot), table.batchCount(slot))
    this.#undo.push(table.sequenceOf(next), table.offsetOf(next), table.deltaOf(next), table.timestampOf(next))
    return slot
  }

  #restore(): void {
    const [producerId, existed, epoch, coordinatorEpoch, lastTimestamp, transactionStart, first, count, ...batch] = this.#undo.splice(
      -undoWidth,
    ) as Image
    const table = this.#table
    const slot = table.find(producerId)
    const started = table.transactionStart(slot)
    if (started !== none && transactionStart === none) this.#open = this.#open.filter(open => open.firstOffset !== started)
    if (started === none && transactionStart !== none) this.#reopen(producerId, transactionStart)
    if (existed === 0) {
      table.remove(slot)
      return
    }
    table.restore(slot, epoch, coordinatorEpoch, lastTimestamp, transactionStart, first, count)
    table.setBatch(table.nextBatch(slot), ...batch)
  }

  #reopen(producerId: Int64, firstOffset: Offset): void {
    this.#completed = this.#completed.filter(completed => completed.firstOffset !== firstOffset)
    insert(this.#open, { producerId, firstOffset, lastOffset: none })
  }
}

/** Of a partition: where its oldest transaction begins that is not over, at most the high watermark. */
export function lastStable(
  producers: ProducerStates,
  { logStartOffset, highWatermark }: { readonly logStartOffset: Offset; readonly highWatermark: Offset },
): Offset {
  const unstable = producers.firstUnstableOffset()
  if (unstable === none) return highWatermark
  // A transaction may have begun below the log start, where nothing can be read.
  return Math.min(Math.max(unstable, logStartOffset), highWatermark)
}

type Image = [Int64, number, number, number, Int64, number, number, number, number, number, number, Int64]

/** Sequence numbers wrap around to 0 after 2^31 - 1. */
function firstSequence(lastSequence: number, delta: number): number {
  return lastSequence >= delta ? lastSequence - delta : maxSequence - (delta - lastSequence) + 1
}

function insert(into: OpenTransaction[], transaction: OpenTransaction): void {
  let at = into.length
  while (at > 0 && into[at - 1]!.firstOffset > transaction.firstOffset) at--
  into.splice(at, 0, transaction)
}
