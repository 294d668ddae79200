/**
 * The producers of one partition in one run of bytes: 152 each and no objects, since a thousand producers may write to each of thousands of
 * partitions. Hides the layout; a slot is a producer's place until one is removed. Producer ids and timestamps may have any value.
 */
import { assert, type Int64, readInt64, writeInt64 } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'

/** Kafka remembers this many batches of a producer, as many as a client may have in flight. */
export const retainedBatches = 5

const lastTimestampAt = 8
const transactionStartAt = 16
const epochAt = 24
/** Which of the retained places holds the oldest batch, and how many are taken. */
const firstBatchAt = 26
const batchCountAt = 27
const coordinatorEpochAt = 28
const batchesAt = 32

/** Of a batch, from its place on; its last offset comes first. */
const timestampAt = 8
const sequenceAt = 16
const deltaAt = 20
const batchBytes = 24
const slotBytes = batchesAt + retainedBatches * batchBytes

const none = -1
/** Shared by all partitions without producers. */
const noBytes = Buffer.alloc(0)

export class ProducerTable {
  readonly #slots = new Map<Int64, number>()
  #bytes = noBytes

  get size(): number {
    return this.#slots.size
  }

  slots(): number[] {
    return [...this.#slots.values()]
  }

  find(producerId: Int64): number {
    return this.#slots.get(producerId) ?? none
  }

  add(producerId: Int64): number {
    const slot = this.#slots.size
    if ((slot + 1) * slotBytes > this.#bytes.length) this.#grow(Math.max(1, Math.ceil(slot * 1.5)))
    this.#bytes.fill(0, slot * slotBytes, (slot + 1) * slotBytes)
    writeInt64(this.#bytes, slot * slotBytes, producerId)
    this.#slots.set(producerId, slot)
    this.setEpochOnly(slot, none)
    this.setCoordinatorEpoch(slot, none)
    this.setLastTimestamp(slot, none)
    this.setTransactionStart(slot, none)
    return slot
  }

  /** From now on it is the one that was used last; those at the front of {@link ids} have been idle for longest. */
  touch(slot: number): void {
    const producerId = this.producerId(slot)
    this.#slots.delete(producerId)
    this.#slots.set(producerId, slot)
  }

  /** The longest idle first. */
  ids(): Iterable<[producerId: Int64, slot: number]> {
    return this.#slots
  }

  /** The last slot moves into the gap. */
  remove(slot: number): void {
    const last = this.#slots.size - 1
    this.#slots.delete(this.producerId(slot))
    if (slot === last) return
    this.#bytes.copyWithin(slot * slotBytes, last * slotBytes, (last + 1) * slotBytes)
    this.#slots.set(this.producerId(slot), slot)
  }

  clear(): void {
    this.#slots.clear()
    this.#bytes = noBytes
  }

  producerId(slot: number): Int64 {
    return readInt64(this.#bytes, slot * slotBytes)
  }
  lastTimestamp(slot: number): Int64 {
    return readInt64(this.#bytes, slot * slotBytes + lastTimestampAt)
  }
  setLastTimestamp(slot: number, timestamp: Int64): void {
    writeInt64(this.#bytes, slot * slotBytes + lastTimestampAt, timestamp)
  }
  transactionStart(slot: number): Offset {
    return header.readOffset(this.#bytes, slot * slotBytes + transactionStartAt)
  }
  setTransactionStart(slot: number, offset: Offset): void {
    writeInt64(this.#bytes, slot * slotBytes + transactionStartAt, offset)
  }
  epoch(slot: number): number {
    return this.#bytes.readInt16LE(slot * slotBytes + epochAt)
  }
  setEpochOnly(slot: number, epoch: number): void {
    this.#bytes.writeInt16LE(epoch, slot * slotBytes + epochAt)
  }
  /** A new epoch begins without batches. */
  setEpoch(slot: number, epoch: number): void {
    if (this.epoch(slot) === epoch) return
    this.setEpochOnly(slot, epoch)
    this.#bytes[slot * slotBytes + batchCountAt] = 0
  }
  coordinatorEpoch(slot: number): number {
    return this.#bytes.readInt32LE(slot * slotBytes + coordinatorEpochAt)
  }
  setCoordinatorEpoch(slot: number, epoch: number): void {
    this.#bytes.writeInt32LE(epoch, slot * slotBytes + coordinatorEpochAt)
  }

  firstBatch(slot: number): number {
    return this.#bytes[slot * slotBytes + firstBatchAt]!
  }
  batchCount(slot: number): number {
    return this.#bytes[slot * slotBytes + batchCountAt]!
  }
  /** Place of the nth oldest batch. */
  batchAt(slot: number, nth: number): number {
    return slot * slotBytes + batchesAt + ((this.firstBatch(slot) + nth) % retainedBatches) * batchBytes
  }
  /** The place that the next batch will take: after the newest, or that of the oldest. */
  nextBatch(slot: number): number {
    return this.batchAt(slot, this.batchCount(slot))
  }

  addBatch(slot: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: Int64): void {
    this.setBatch(this.nextBatch(slot), lastSequence, lastOffset, delta, timestamp)
    if (this.batchCount(slot) < retainedBatches) this.#bytes[slot * slotBytes + batchCountAt]!++
    else this.#bytes[slot * slotBytes + firstBatchAt] = (this.firstBatch(slot) + 1) % retainedBatches
  }

  setBatch(place: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: Int64): void {
    writeInt64(this.#bytes, place, lastOffset)
    writeInt64(this.#bytes, place + timestampAt, timestamp)
    this.#bytes.writeInt32LE(lastSequence, place + sequenceAt)
    this.#bytes.writeInt32LE(delta, place + deltaAt)
  }

  restore(
    slot: number,
    epoch: number,
    coordinatorEpoch: number,
    lastTimestamp: Int64,
    transactionStart: Offset,
    first: number,
    count: number,
  ): void {
    assert(count <= retainedBatches, `${count} retained batches`)
    this.setEpochOnly(slot, epoch)
    this.setCoordinatorEpoch(slot, coordinatorEpoch)
    this.setLastTimestamp(slot, lastTimestamp)
    this.setTransactionStart(slot, transactionStart)
    this.#bytes[slot * slotBytes + firstBatchAt] = first
    this.#bytes[slot * slotBytes + batchCountAt] = count
  }

  sequenceOf(place: number): number {
    return this.#bytes.readInt32LE(place + sequenceAt)
  }
  deltaOf(place: number): number {
    return this.#bytes.readInt32LE(place + deltaAt)
  }
  offsetOf(place: number): Offset {
    return header.readOffset(this.#bytes, place)
  }
  timestampOf(place: number): Int64 {
    return readInt64(this.#bytes, place + timestampAt)
  }

  /** -1 without a batch of this epoch. */
  lastSequence(slot: number): number {
    const count = this.batchCount(slot)
    return count === 0 ? none : this.sequenceOf(this.batchAt(slot, count - 1))
  }
  lastOffset(slot: number): Offset {
    const count = this.batchCount(slot)
    return count === 0 ? none : this.offsetOf(this.batchAt(slot, count - 1))
  }
  lastDelta(slot: number): number {
    const count = this.batchCount(slot)
    return count === 0 ? 0 : this.deltaOf(this.batchAt(slot, count - 1))
  }

  #grow(capacity: number): void {
    const slots = Math.max(capacity, this.#slots.size + 1)
    const more = Buffer.allocUnsafeSlow(slots * slotBytes)
    this.#bytes.copy(more)
    this.#bytes = more
  }
}
