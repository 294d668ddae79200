/**
 * The contract of a log, for every implementation: random appends, reads, deletions, kills and reopenings are compared with a list of
 * records in memory. `run` reports the first difference as an error that names the seed.
 */
import assert from 'node:assert/strict'
import type { Log, PartitionLog, ReadLimit, TopicConfig } from '../log.ts'
import { forEachRecord, header, type KafkaError } from '../protocol.ts'
import { batchOf } from './log.testing.ts'

/** A log whose process can be killed and started again. */
export interface Subject {
  open(): Promise<Log>
  kill(): void
  create(log: Log, partition: number, config: Partial<TopicConfig>): PartitionLog
}

interface Expected {
  offset: number
  value: string
  timestamp: number
}

/** What a partition must look like. */
class Oracle {
  records: Expected[] = []
  start = 0
  /** Sequence number and first offset of the last batch of each producer. */
  readonly producers = new Map<number, { sequence: number; count: number; offset: number }>()

  get end(): number {
    return (this.records.at(-1)?.offset ?? -1) + 1
  }
}

const partitions = 4
const sizes = [10, 300, 5000, 20_000, 90_000]

export async function runContract(subject: Subject, seed: number, steps: number): Promise<void> {
  const contract = new Contract(subject, seed)
  try {
    await contract.run(steps)
  } catch (error) {
    throw new Error(`seed ${seed}, step ${contract.step}: ${(error as Error).message}`, { cause: error })
  }
}

class Contract {
  step = 0
  readonly #subject: Subject
  readonly #random: (bound: number) => number
  readonly #oracles = Array.from({ length: partitions }, () => new Oracle())
  #log!: Log
  #logs: PartitionLog[] = []

  constructor(subject: Subject, seed: number) {
    this.#subject = subject
    this.#random = seeded(seed)
  }

  async run(steps: number): Promise<void> {
    await this.#open()
    for (; this.step < steps; this.step++) {
      const what = this.#random(100)
      if (what < 55) await this.#append()
      else if (what < 85) await this.#read()
      else if (what < 90) await this.#lookUpTime()
      else if (what < 95) await this.#deleteBefore()
      else await this.#reopen(what < 98)
    }
    await this.#reopen(false)
    await this.#log.close()
  }

  async #open(): Promise<void> {
    this.#log = await this.#subject.open()
    this.#logs = this.#oracles.map((_, number) => this.#subject.create(this.#log, number, { segmentBytes: 400_000 }))
    for (let number = 0; number < partitions; number++) {
      const log = this.#logs[number]!
      const oracle = this.#oracles[number]!
      assert.equal(log.offline, null)
      assert.deepEqual([log.logStartOffset, log.logEndOffset, log.highWatermark], [oracle.start, oracle.end, oracle.end])
      await this.#compare(number, oracle.start, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'high-watermark' }, true)
    }
  }

  /** Several appends to several partitions in one turn, then a wait for the group. */
  async #append(): Promise<void> {
    const waiting: Promise<unknown>[] = []
    for (let count = 1 + this.#random(6); count > 0; count--) {
      const number = this.#random(partitions)
      const log = this.#logs[number]!
      const oracle = this.#oracles[number]!
      const values = Array.from({ length: 1 + this.#random(4) }, (_, at) =>
        `${this.step}/${count}/${at}/`.padEnd(sizes[this.#random(sizes.length)]!, '.'),
      )
      const timestamp = 1_700_000_000_000 + this.#random(1_000_000)
      const producerId = this.#random(3) === 0 ? this.#random(3) : -1
      const last = oracle.producers.get(producerId)
      const repeat = last !== undefined && this.#random(4) === 0
      if (repeat) this.#repeat(log, producerId, last)
      const sequence = last === undefined ? 0 : last.sequence + last.count
      const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: sequence }
      const appended = log.append(batchOf({ values, timestamp, ...producer }), { origin: 'client' })
      assert.deepEqual([appended.baseOffset, appended.lastOffset], [oracle.end, oracle.end + values.length - 1])
      if (producerId >= 0) oracle.producers.set(producerId, { sequence, count: values.length, offset: appended.baseOffset })
      for (const value of values) oracle.records.push({ offset: oracle.end, value, timestamp })
      const woken = new Promise<void>(resolve => void log.whenPast(appended.lastOffset, 'high-watermark', resolve))
      waiting.push(Promise.all([appended.written, appended.durable, woken]))
    }
    await Promise.all(waiting)
    for (let number = 0; number < partitions; number++)
      assert.equal(this.#logs[number]!.highWatermark, this.#oracles[number]!.end, 'high watermark')
  }

  #repeat(log: PartitionLog, producerId: number, last: { sequence: number; count: number; offset: number }): void {
    const values = Array.from({ length: last.count }, () => 'again')
    const again = log.append(batchOf({ values, producerId, producerEpoch: 0, baseSequence: last.sequence }), { origin: 'client' })
    assert.deepEqual([again.duplicate, again.baseOffset], [true, last.offset])
  }

  async #read(): Promise<void> {
    const number = this.#random(partitions)
    const oracle = this.#oracles[number]!
    const from = oracle.start + this.#random(oracle.end - oracle.start + 1)
    const maxBytes = [1, 100, 4000, 70_000, 1 << 20][this.#random(5)]!
    await this.#compare(number, from, { maxBytes, atLeastOne: this.#random(2) === 0, upTo: 'high-watermark' }, this.#random(4) === 0)
    const outside = this.#random(2) === 0 ? oracle.start - 1 : oracle.end + 1
    assert.throws(
      () => this.#logs[number]!.read(outside, { maxBytes, atLeastOne: true, upTo: 'high-watermark' }),
      (error: KafkaError) => error.name === 'OFFSET_OUT_OF_RANGE',
    )
  }

  /** One slice, or all of them up to the end. */
  async #compare(number: number, from: number, limit: ReadLimit, toEnd: boolean): Promise<void> {
    const oracle = this.#oracles[number]!
    for (let next = from; ; ) {
      const slice = await this.#logs[number]!.read(next, limit)
      const first = next
      let batches = 0
      for (const chunk of slice.chunks) {
        for (let at = 0; at < chunk.length; at += header.sizeBytes(chunk, at)) batches++
        forEachRecord(chunk, record => {
          if (record.offset < first) return
          const expected = oracle.records[record.offset]!
          assert.deepEqual([record.offset, record.value!.toString(), record.timestamp], [next, expected.value, expected.timestamp])
          next++
        })
      }
      assert.equal(
        slice.bytes,
        slice.chunks.reduce((sum, chunk) => sum + chunk.length, 0),
      )
      if (slice.bytes > limit.maxBytes) assert.ok(batches === 1 && limit.atLeastOne, `${batches} batches beyond maxBytes`)
      slice.release()
      if (limit.atLeastOne && first < oracle.end) assert.ok(next > first, `nothing at ${first} of ${oracle.end}`)
      if (!toEnd || next === first) return
    }
  }

  async #lookUpTime(): Promise<void> {
    const number = this.#random(partitions)
    const oracle = this.#oracles[number]!
    const timestamp = 1_700_000_000_000 + this.#random(1_100_000)
    const expected = oracle.records.find(record => record.offset >= oracle.start && record.timestamp >= timestamp)
    const found = await this.#logs[number]!.offsetForTimestamp(timestamp, 'high-watermark')
    assert.equal(found?.offset, expected?.offset, `first offset at or after ${timestamp}`)
  }

  async #deleteBefore(): Promise<void> {
    const number = this.#random(partitions)
    const oracle = this.#oracles[number]!
    const offset = oracle.start + this.#random(oracle.end - oracle.start + 1)
    await this.#logs[number]!.deleteBefore(offset)
    oracle.start = offset
    assert.equal(this.#logs[number]!.logStartOffset, offset)
    await assert.rejects(this.#logs[number]!.deleteBefore(oracle.end + 1), { name: 'OFFSET_OUT_OF_RANGE' })
  }

  async #reopen(killed: boolean): Promise<void> {
    if (killed) this.#subject.kill()
    else await this.#log.close()
    await this.#open()
  }
}

/** Mulberry32: small, and the same everywhere. */
function seeded(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return bound => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}
