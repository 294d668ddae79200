/**
 * The producers of one partition in two typed arrays: 152 bytes each and no objects, since a thousand producers may write to each of
 * thousands of partitions. Hides the layout; a slot is a producer's place until one is removed.
 */
import { assert } from '../../base.ts'
import type { Offset } from '../../protocol.ts'

/** Kafka remembers this many batches of a producer, as many as a client may have in flight. */
export const retainedBatches = 5

/** Doubles of a slot: producer id, last timestamp, transaction start, then last offset and timestamp of each retained batch. */
const doubles = 3 + 2 * retainedBatches
/** Integers of a slot: epoch, coordinator epoch, first batch and count, then last sequence and offset delta of each retained batch. */
const integers = 4 + 2 * retainedBatches
const none = -1
/** Shared by all partitions without producers. */
const noDoubles = new Float64Array(0)
const noIntegers = new Int32Array(0)

export class ProducerTable {
  readonly #slots = new Map<number, number>()
  #doubles = noDoubles
  #integers = noIntegers

  get size(): number {
    return this.#slots.size
  }

  slots(): number[] {
    return [...this.#slots.values()]
  }

  find(producerId: number): number {
    return this.#slots.get(producerId) ?? none
  }

  add(producerId: number): number {
    const slot = this.#slots.size
    if ((slot + 1) * doubles > this.#doubles.length) this.#grow(Math.max(1, Math.ceil(slot * 1.5)))
    this.#doubles.fill(0, slot * doubles, (slot + 1) * doubles)
    this.#integers.fill(0, slot * integers, (slot + 1) * integers)
    this.#doubles[slot * doubles] = producerId
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
  ids(): Iterable<[producerId: number, slot: number]> {
    return this.#slots
  }

  /** The last slot moves into the gap. */
  remove(slot: number): void {
    const last = this.#slots.size - 1
    this.#slots.delete(this.producerId(slot))
    if (slot === last) return
    this.#doubles.copyWithin(slot * doubles, last * doubles, (last + 1) * doubles)
    this.#integers.copyWithin(slot * integers, last * integers, (last + 1) * integers)
    this.#slots.set(this.producerId(slot), slot)
  }

  clear(): void {
    this.#slots.clear()
    this.#doubles = noDoubles
    this.#integers = noIntegers
  }

  producerId(slot: number): number {
    return this.#doubles[slot * doubles]!
  }
  lastTimestamp(slot: number): number {
    return this.#doubles[slot * doubles + 1]!
  }
  setLastTimestamp(slot: number, timestamp: number): void {
    this.#doubles[slot * doubles + 1] = timestamp
  }
  transactionStart(slot: number): Offset {
    return this.#doubles[slot * doubles + 2]!
  }
  setTransactionStart(slot: number, offset: Offset): void {
    this.#doubles[slot * doubles + 2] = offset
  }
  epoch(slot: number): number {
    return this.#integers[slot * integers]!
  }
  setEpochOnly(slot: number, epoch: number): void {
    this.#integers[slot * integers] = epoch
  }
  /** A new epoch begins without batches. */
  setEpoch(slot: number, epoch: number): void {
    if (this.epoch(slot) === epoch) return
    this.setEpochOnly(slot, epoch)
    this.#integers[slot * integers + 3] = 0
  }
  coordinatorEpoch(slot: number): number {
    return this.#integers[slot * integers + 1]!
  }
  setCoordinatorEpoch(slot: number, epoch: number): void {
    this.#integers[slot * integers + 1] = epoch
  }

  /** Which of the retained places holds the oldest batch. */
  firstBatch(slot: number): number {
    return this.#integers[slot * integers + 2]!
  }
  batchCount(slot: number): number {
    return this.#integers[slot * integers + 3]!
  }
  /** Place of the nth oldest batch. */
  batchAt(slot: number, nth: number): number {
    return slot * retainedBatches + ((this.firstBatch(slot) + nth) % retainedBatches)
  }
  /** The place that the next batch will take: after the newest, or that of the oldest. */
  nextBatch(slot: number): number {
    return this.batchAt(slot, this.batchCount(slot))
  }

  addBatch(slot: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: number): void {
    this.setBatch(this.nextBatch(slot), lastSequence, lastOffset, delta, timestamp)
    if (this.batchCount(slot) < retainedBatches) this.#integers[slot * integers + 3]!++
    else this.#integers[slot * integers + 2] = (this.firstBatch(slot) + 1) % retainedBatches
  }

  setBatch(place: number, lastSequence: number, lastOffset: Offset, delta: number, timestamp: number): void {
    const integer = integerAt(place)
    const double = doubleAt(place)
    this.#integers[integer] = lastSequence
    this.#integers[integer + 1] = delta
    this.#doubles[double] = lastOffset
    this.#doubles[double + 1] = timestamp
  }

  restore(
    slot: number,
    epoch: number,
    coordinatorEpoch: number,
    lastTimestamp: number,
    transactionStart: Offset,
    first: number,
    count: number,
  ): void {
    assert(count <= retainedBatches, `${count} retained batches`)
    this.setEpochOnly(slot, epoch)
    this.setCoordinatorEpoch(slot, coordinatorEpoch)
    this.setLastTimestamp(slot, lastTimestamp)
    this.setTransactionStart(slot, transactionStart)
    this.#integers[slot * integers + 2] = first
    this.#integers[slot * integers + 3] = count
  }

  sequenceOf(place: number): number {
    return this.#integers[integerAt(place)]!
  }
  deltaOf(place: number): number {
    return this.#integers[integerAt(place) + 1]!
  }
  offsetOf(place: number): Offset {
    return this.#doubles[doubleAt(place)]!
  }
  timestampOf(place: number): number {
    return this.#doubles[doubleAt(place) + 1]!
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
    const moreDoubles = new Float64Array(slots * doubles)
    moreDoubles.set(this.#doubles)
    const moreIntegers = new Int32Array(slots * integers)
    moreIntegers.set(this.#integers)
    this.#doubles = moreDoubles
    this.#integers = moreIntegers
  }
}

function integerAt(place: number): number {
  const slot = Math.floor(place / retainedBatches)
  return slot * integers + 4 + (place % retainedBatches) * 2
}

function doubleAt(place: number): number {
  const slot = Math.floor(place / retainedBatches)
  return slot * doubles + 3 + (place % retainedBatches) * 2
}
