/**
 * The producers of one partition in one typed array: 152 bytes each and no objects, because a thousand producers may write to each of
 * thousands of partitions. Hides the layout; a slot identifies a producer until one is removed. Producer ids and timestamps may have any
 * value.
 */
import { assert, type Int64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'

/** Kafka remembers this many batches of a producer, as many as a client may have in flight. */
export const retainedBatches = 5

/** Words of 32 bits. Of a slot, in which the producer id comes first: */
const lastTimestampAt = 2
const transactionStartAt = 4
/** The epoch in the upper half; then which of the retained places holds the oldest batch, and how many are taken. */
const epochAt = 6
const coordinatorEpochAt = 7
const batchesAt = 8
/** Of a batch, in which its last offset comes first: */
const timestampAt = 2
const sequenceAt = 4
const deltaAt = 5
const batchWords = 6
const slotWords = batchesAt + retainedBatches * batchWords

const none = -1
const two32 = 2 ** 32
/** Shared by all partitions without producers. */
const noWords = new Int32Array(0)

export class ProducerTable {
  readonly #slots = new Map<Int64, number>()
  #words = noWords

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
    if ((slot + 1) * slotWords > this.#words.length) this.#grow(Math.max(1, Math.ceil(slot * 1.5)))
    this.#words.fill(0, slot * slotWords, (slot + 1) * slotWords)
    this.#put(slot * slotWords, producerId)
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
    this.#words.copyWithin(slot * slotWords, last * slotWords, (last + 1) * slotWords)
    this.#slots.set(this.producerId(slot), slot)
  }

  clear(): void {
    this.#slots.clear()
    this.#words = noWords
  }

  producerId(slot: number): Int64 {
    return this.#get(slot * slotWords)
  }
  lastTimestamp(slot: number): Int64 {
    return this.#get(slot * slotWords + lastTimestampAt)
  }
  setLastTimestamp(slot: number, timestamp: Int64): void {
    this.#put(slot * slotWords + lastTimestampAt, timestamp)
  }
  transactionStart(slot: number): Offset {
    return this.#getOffset(slot * slotWords + transactionStartAt)
  }
  setTransactionStart(slot: number, offset: Offset): void {
    this.#put(slot * slotWords + transactionStartAt, offset)
  }
  epoch(slot: number): number {
    return this.#words[slot * slotWords + epochAt]! >> 16
  }
  setEpochOnly(slot: number, epoch: number): void {
    const at = slot * slotWords + epochAt
    this.#words[at] = (epoch << 16) | (this.#words[at]! & 0xffff)
  }
  /** A new epoch begins without batches. */
  setEpoch(slot: number, epoch: number): void {
    if (this.epoch(slot) !== epoch) this.#setBatches(slot, epoch, this.firstBatch(slot), 0)
  }
  coordinatorEpoch(slot: number): number {
    return this.#words[slot * slotWords + coordinatorEpochAt]!
  }
  setCoordinatorEpoch(slot: number, epoch: number): void {
    this.#words[slot * slotWords + coordinatorEpochAt] = epoch
  }

  firstBatch(slot: number): number {
    return (this.#words[slot * slotWords + epochAt]! >> 8) & 0xff
  }
  batchCount(slot: number): number {
    return this.#words[slot * slotWords + epochAt]! & 0xff
  }
  /** Place of the nth oldest batch. */
  batchAt(slot: number, nth: number): number {
    return slot * slotWords + batchesAt + ((this.firstBatch(slot) + nth) % retainedBatches) * batchWords
  }
  /** The place that the next batch will take: after the newest, or that of the oldest. */
  nextBatch(slot: number): number {
    return this.batchAt(slot, this.batchCount(slot))
  }

  addBatch(slot: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: Int64): void {
    this.setBatch(this.nextBatch(slot), lastSequence, lastOffset, delta, timestamp)
    const count = this.batchCount(slot)
    const first = this.firstBatch(slot)
    if (count < retainedBatches) this.#setBatches(slot, this.epoch(slot), first, count + 1)
    else this.#setBatches(slot, this.epoch(slot), (first + 1) % retainedBatches, count)
  }

  setBatch(place: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: Int64): void {
    this.#put(place, lastOffset)
    this.#put(place + timestampAt, timestamp)
    this.#words[place + sequenceAt] = lastSequence
    this.#words[place + deltaAt] = delta
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
    this.#setBatches(slot, epoch, first, count)
    this.setCoordinatorEpoch(slot, coordinatorEpoch)
    this.setLastTimestamp(slot, lastTimestamp)
    this.setTransactionStart(slot, transactionStart)
  }

  sequenceOf(place: number): number {
    return this.#words[place + sequenceAt]!
  }
  deltaOf(place: number): number {
    return this.#words[place + deltaAt]!
  }
  offsetOf(place: number): Offset {
    return this.#getOffset(place)
  }
  timestampOf(place: number): Int64 {
    return this.#get(place + timestampAt)
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
    const more = new Int32Array(slots * slotWords)
    more.set(this.#words)
    this.#words = more
  }

  #setBatches(slot: number, epoch: number, first: number, count: number): void {
    this.#words[slot * slotWords + epochAt] = (epoch << 16) | (first << 8) | count
  }

  #get(at: number): Int64 {
    const value = this.#getOffset(at)
    return Number.isSafeInteger(value) ? value : (BigInt(this.#words[at]!) << 32n) | BigInt(this.#words[at + 1]! >>> 0)
  }

  #getOffset(at: number): Offset {
    return this.#words[at]! * two32 + (this.#words[at + 1]! >>> 0)
  }

  #put(at: number, value: Int64): void {
    if (typeof value === 'bigint') {
      this.#words[at] = Number(value >> 32n)
      this.#words[at + 1] = Number(value & 0xffffffffn)
      return
    }
    const low = value >>> 0
    this.#words[at] = (value - low) / two32
    this.#words[at + 1] = low
  }
}
