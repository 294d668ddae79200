/**
 * The contract of a home of partitions, for every implementation: random appends, transactions, reads, look-ups, deletions, moves, kills and
 * reopenings, compared with a naive log in memory. `runContract` reports the first difference as an error that names
 * the seed.
 */
import assert from 'node:assert/strict'
import type { Appended, Log, PartitionLog, PartitionSpec, ReadLimit } from '../log.ts'
import { buildMarkerBatch, forEachRecord, header, type KafkaError, type Uuid } from '../protocol.ts'
import { NaiveLog } from './log.oracle.testing.ts'
import { batchOf, topicConfig } from './log.testing.ts'

/** A place where a process has a log, again and again. */
export interface Home {
  open(): Promise<Log>
  /** The process ends at once. When this resolves, nothing of it goes on. */
  kill(): Promise<void>
  /** As brokers with such homes do it. When this resolves, nothing here uses the partition. */
  giveAway(log: Log, spec: PartitionSpec): Promise<void>
}

/** Two of them, so that partitions can move. */
export interface Homes {
  readonly homes: readonly [Home, Home]
  /** Takes a partition that was given away from the directory of one home to that of the other. null: there are no directories. */
  readonly bring: ((directory: string, from: Home, to: Home) => void) | null
}

/** A partition that the test uses. */
interface Subject {
  spec: PartitionSpec
  oracle: NaiveLog
  /** Where it is; null: on its way. */
  home: Running | null
  log: PartitionLog
}

/** A home and what is open there. */
interface Running {
  readonly home: Home
  readonly number: number
  log: Log
  /** Of the broker itself: what it notes there comes between the deletion of a topic and one of the same name. */
  metadata: PartitionLog
}

const partitions = 4
const sizes = [10, 300, 5000, 20_000, 90_000]
const idempotentIds = [0, 1, 2]
const transactionalIds = [10, 11]
const firstTimestamp = 1_700_000_000_000
const metadataId = 'AAAAAAAAAAAAAAAAAAAAMQ' as Uuid

export async function runContract(homes: Homes, seed: number, steps: number): Promise<void> {
  const contract = new Contract(homes, seed)
  try {
    await contract.run(steps)
  } catch (error) {
    throw new Error(`seed ${seed}, step ${contract.step}: ${(error as Error).message}`, { cause: error })
  }
}

class Contract {
  step = 0
  readonly #homes: Homes
  readonly #random: (bound: number) => number
  #running: [Running, Running] = [] as never
  #subjects: Subject[] = []
  #topics = 0

  constructor(homes: Homes, seed: number) {
    this.#homes = homes
    this.#random = seeded(seed)
  }

  async run(steps: number): Promise<void> {
    const [first, second] = this.#homes.homes
    this.#running = [await start(first, 0), await start(second, 1)]
    for (let number = 0; number < partitions; number++) this.#subjects.push(await this.#create(number, this.#running[number % 2]!))
    for (; this.step < steps; this.step++) {
      const what = this.#random(100)
      if (what < 42) await this.#append()
      else if (what < 50) await this.#endTransaction()
      else if (what < 70) await this.#read()
      else if (what < 75) await this.#lookUp()
      else if (what < 79) await this.#deleteBefore()
      else if (what < 82) await this.#raiseEpoch()
      else if (what < 84) await this.#delete()
      else if (what < 93) await this.#move()
      else await this.#reopen(this.#any(this.#running))
    }
    for (const running of this.#running) {
      await this.#reopen(running, 'closed')
      await running.log.close()
    }
  }

  // ---- what clients do ----

  /** Several appends to several partitions in one turn, then a wait for the group. */
  async #append(): Promise<void> {
    const waiting: Promise<unknown>[] = []
    const gathered: Buffer[] = []
    for (let count = 1 + this.#random(6); count > 0; count--) {
      const subject = this.#any(this.#subjects)
      const gather = this.#random(3) === 0
      const { appended, records } = this.#put(subject, this.#values(count), gather)
      const woken = new Promise<void>(resolve => void subject.log.whenPast(appended.lastOffset, 'high-watermark', resolve))
      waiting.push(Promise.all([appended.written, appended.durable, woken]))
      if (gather) gathered.push(records)
    }
    for (const { log } of this.#running) log.writeOut()
    // From here on the bytes are the caller's again.
    for (const records of gathered) records.fill(0)
    await Promise.all(waiting)
    for (const subject of this.#subjects) this.#checkMarks(subject)
  }

  #values(count: number): string[] {
    return Array.from({ length: 1 + this.#random(4) }, (_, at) =>
      `${this.step}/${count}/${at}/`.padEnd(sizes[this.#random(sizes.length)]!, '.'),
    )
  }

  #put(subject: Subject, values: string[], gather = false): { appended: Appended; records: Buffer } {
    const { oracle, log } = subject
    const timestamp = firstTimestamp + this.#random(1_000_000)
    const producerId = this.#random(3) === 0 ? this.#any([...idempotentIds, ...transactionalIds]) : -1
    const isTransactional = transactionalIds.includes(producerId)
    if (oracle.producers.has(producerId) && this.#random(4) === 0) this.#repeat(subject, producerId)
    const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: oracle.nextSequence(producerId), isTransactional }
    const records = batchOf({ values, timestamp, ...producer })
    const appended = log.append(records, { origin: 'client', gather })
    if (!gather) records.fill(0)
    assert.deepEqual([appended.duplicate, appended.baseOffset], [false, oracle.end])
    oracle.append(values, timestamp, { producerId, isTransactional })
    assert.deepEqual([appended.lastOffset, log.logEndOffset], [oracle.end - 1, oracle.end])
    return { appended, records }
  }

  /** The last batch again: a duplicate with the same offsets. One after a gap: refused. */
  #repeat({ log, oracle }: Subject, producerId: number): void {
    const { sequence, count, offset } = oracle.producers.get(producerId)!
    const values = Array.from({ length: count }, () => 'again')
    const producer = { producerId, producerEpoch: 0, isTransactional: transactionalIds.includes(producerId), timestamp: firstTimestamp }
    const again = log.append(batchOf({ values, ...producer, baseSequence: sequence }), { origin: 'client' })
    assert.deepEqual([again.duplicate, again.baseOffset, again.lastOffset], [true, offset, offset + count - 1])
    const afterGap = batchOf({ values, ...producer, baseSequence: sequence + count + 1 })
    assert.throws(() => log.append(afterGap, { origin: 'client' }), named('OUT_OF_ORDER_SEQUENCE_NUMBER'))
  }

  async #endTransaction(): Promise<void> {
    const subject = this.#any(this.#subjects)
    const { log, oracle } = subject
    const [producerId] = [...oracle.open().keys()]
    if (producerId === undefined) return
    const committed = this.#random(2) === 0
    const timestamp = firstTimestamp + this.#random(1_000_000)
    const marker = buildMarkerBatch({ producerId, producerEpoch: 0, committed, coordinatorEpoch: 0, timestamp })
    const { durable, baseOffset } = log.append(marker, { origin: 'coordinator' })
    assert.equal(baseOffset, oracle.end)
    oracle.append([''], timestamp, { producerId, isTransactional: true, marker: committed ? 'commit' : 'abort' })
    await durable
    this.#checkMarks(subject)
    await this.#compareCommitted(subject)
  }

  async #read(): Promise<void> {
    const subject = this.#any(this.#subjects)
    const { oracle, log } = subject
    const from = oracle.start + this.#random(oracle.end - oracle.start + 1)
    const maxBytes = this.#any([1, 100, 4000, 70_000, 1 << 20])
    const upTo = this.#any(['high-watermark', 'log-end'] as const)
    await this.#compare(subject, from, { maxBytes, atLeastOne: this.#random(2) === 0, upTo }, this.#random(4) === 0)
    if (this.#random(2) === 0) await this.#compareCommitted(subject)
    const outside = this.#random(2) === 0 ? oracle.start - 1 : oracle.end + 1
    assert.throws(() => log.read(outside, { maxBytes, atLeastOne: true, upTo }), named('OFFSET_OUT_OF_RANGE'))
  }

  async #lookUp(): Promise<void> {
    const { oracle, log } = this.#any(this.#subjects)
    const timestamp = firstTimestamp + this.#random(1_100_000)
    for (const [upTo, below] of [
      ['high-watermark', oracle.end],
      ['last-stable', oracle.lastStableOffset],
    ] as const) {
      const found = await log.offsetForTimestamp(timestamp, upTo)
      assert.equal(found?.offset, oracle.firstAtOrAfter(timestamp, below), `first offset at or after ${timestamp}, ${upTo}`)
    }
    assert.equal((await log.offsetOfMaxTimestamp())?.timestampMs, oracle.newest()?.timestamp, 'newest timestamp')
    for (const { epoch, end } of oracle.endedEpochs())
      assert.deepEqual(log.endOffsetForEpoch(epoch), { leaderEpoch: epoch, endOffset: end }, `end of epoch ${epoch}`)
  }

  async #deleteBefore(): Promise<void> {
    const { oracle, log } = this.#any(this.#subjects)
    const offset = oracle.start + this.#random(oracle.end - oracle.start + 1)
    await log.deleteBefore(offset)
    oracle.start = offset
    assert.equal(log.logStartOffset, offset)
    await assert.rejects(log.deleteBefore(oracle.end + 1), named('OFFSET_OUT_OF_RANGE'))
  }

  // ---- what brokers do ----

  /** And an append, because an epoch without records need not outlive the process. */
  async #raiseEpoch(): Promise<void> {
    const subject = this.#any(this.#subjects)
    const { oracle, log } = subject
    log.raiseLeaderEpoch(oracle.epoch + 1)
    oracle.beginEpoch(oracle.epoch + 1)
    await this.#put(subject, this.#values(0)).appended.durable
  }

  /** A topic of the same name follows, and has nothing of the deleted one. */
  async #delete(): Promise<void> {
    const number = this.#random(partitions)
    const { spec, home, log } = this.#subjects[number]!
    const told = new Promise<void>(resolve => void log.whenPast(log.logEndOffset, 'high-watermark', resolve))
    await home!.log.delete(spec.topicId, number)
    await told
    assert.equal(home!.log.get(spec.topicId, number), undefined)
    assert.throws(() => log.append(batchOf({ values: ['late'] }), { origin: 'client' }), named('UNKNOWN_TOPIC_OR_PARTITION'))
    await home!.metadata.append(batchOf({ values: ['deleted'] }), { origin: 'coordinator' }).durable
    const successor = await this.#create(number, home!)
    this.#subjects[number] = successor
    assert.deepEqual([successor.log.logEndOffset, successor.log.offline], [0, null])
  }

  async #move(): Promise<void> {
    const subject = this.#any(this.#subjects)
    const { spec, oracle, log } = subject
    const from = subject.home!
    const limit = { maxBytes: 1 << 20, atLeastOne: true, upTo: 'high-watermark' } as const
    const told = new Promise<void>(resolve => void log.whenPast(oracle.end + 1000, 'log-end', resolve))
    const accepted = this.#put(subject, this.#values(0)).appended.durable
    // If it ends while nobody knows whether the partition has left, it is refused.
    const isMoving = named('NOT_LEADER_OR_FOLLOWER')
    const reading = Promise.resolve(log.read(oracle.start, limit)).then(
      slice => slice.release(),
      error => assert.ok(isMoving(error), error),
    )
    await from.home.giveAway(from.log, spec)
    await Promise.all([accepted, told, reading])
    assert.throws(() => log.append(batchOf({ values: ['late'] }), { origin: 'client' }), named('NOT_LEADER_OR_FOLLOWER'))
    assert.throws(() => log.read(oracle.start, limit), named('NOT_LEADER_OR_FOLLOWER'))
    assert.equal(from.log.get(spec.topicId, spec.partition), undefined)
    subject.home = null
    const to = this.#any(this.#running)
    await this.#bring(subject, from, to)
    if (this.#random(2) === 0) oracle.beginEpoch(oracle.epoch + 1)
    subject.home = to
    subject.log = await to.log.lead(spec, oracle.epoch)
    assert.deepEqual(to.log.released(), [])
    assert.equal(to.log.get(spec.topicId, spec.partition), subject.log)
    await assert.rejects(to.log.adopt(`${spec.topic}-${spec.partition}`, spec), named('KAFKA_STORAGE_ERROR'))
    await this.#compareAll(subject)
  }

  /** Either of the two may end on the way. */
  async #bring({ spec }: Subject, from: Running, to: Running): Promise<void> {
    const { bring } = this.#homes
    const { topic, topicId, partition } = spec
    const released = { topic, topicId, partition, directory: `${topic}-${partition}` }
    const isIn = ({ log }: Running) => assert.deepEqual(log.released(), bring === null ? [] : [released])
    if (this.#random(3) === 0) await this.#reopen(from)
    isIn(from)
    if (to !== from) bring?.(released.directory, from.home, to.home)
    if (this.#random(3) === 0) await this.#reopen(to)
    isIn(to)
  }

  async #reopen(running: Running, how: 'killed' | 'closed' = this.#any(['killed', 'closed'])): Promise<void> {
    const strangers = this.#subjects.filter(({ home }) => home !== running)
    if (how === 'closed') await running.log.close()
    await running.home.kill()
    Object.assign(running, await start(running.home, running.number))
    for (const { spec } of strangers) assert.equal(running.log.get(spec.topicId, spec.partition), undefined, 'it is here, too')
    for (const subject of this.#subjects) {
      if (subject.home !== running) continue
      subject.log = await running.log.lead(subject.spec, subject.oracle.epoch)
      await this.#compareAll(subject)
    }
  }

  async #create(number: number, home: Running): Promise<Subject> {
    const topicId = `AAAAAAAAAAAAAAAAAA${String(++this.#topics).padStart(3, '0')}Q` as Uuid
    const spec = { topic: 'orders', topicId, partition: number, config: topicConfig({ segmentBytes: 400_000, fileDeleteDelayMs: 0 }) }
    return { spec, oracle: new NaiveLog(), home, log: await home.log.lead(spec, 0) }
  }

  // ---- comparisons ----

  #checkMarks({ log, oracle }: Subject): void {
    assert.equal(log.offline, null)
    const marks = [log.logStartOffset, log.lastStableOffset, log.highWatermark, log.logEndOffset]
    assert.deepEqual(marks, [oracle.start, oracle.lastStableOffset, oracle.end, oracle.end], 'log start, last stable, high watermark, end')
  }

  async #compareAll(subject: Subject): Promise<void> {
    const { log, oracle } = subject
    this.#checkMarks(subject)
    assert.ok(log.leaderEpoch >= (oracle.records.at(-1)?.epoch ?? 0), 'leader epoch')
    // A start may raise it, where it cannot know whether readers had seen more.
    if (log.leaderEpoch !== oracle.epoch) oracle.beginEpoch(log.leaderEpoch)
    await this.#compare(subject, oracle.start, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'high-watermark' }, true)
    await this.#compareCommitted(subject)
    const open = oracle.open()
    const producers = log.producers().map(each => [each.producerId, each.currentTransactionStartOffset, each.lastSequence])
    const expected = [...oracle.producers].map(([id, { sequence, count }]) => [id, open.get(id) ?? -1, sequence + count - 1])
    assert.deepEqual(producers.sort(byNumber), expected.sort(byNumber), 'producers')
  }

  /** One slice, or all of them up to the end. */
  async #compare({ log, oracle }: Subject, from: number, limit: ReadLimit, toEnd: boolean): Promise<void> {
    for (let next = from; ; ) {
      const slice = await log.read(next, limit)
      const first = next
      let batches = 0
      for (const chunk of slice.chunks) {
        for (let at = 0; at < chunk.length; at += header.sizeBytes(chunk, at)) batches++
        forEachRecord(chunk, (record, batch) => {
          if (record.offset < first) return
          const { offset, value, timestamp, epoch, marker } = oracle.records[record.offset]!
          const shown = [record.offset, marker === null ? record.value!.toString() : '', record.timestamp, batch.partitionLeaderEpoch]
          assert.deepEqual([next, ...shown], [offset, offset, value, timestamp, epoch])
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

  /** As Kafka's consumer does it with read_committed. */
  async #compareCommitted({ log, oracle }: Subject): Promise<void> {
    const seen: [number, string][] = []
    for (let next = oracle.start; next < oracle.lastStableOffset; ) {
      const first = next
      const slice = await log.read(next, { maxBytes: 100_000, atLeastOne: true, upTo: 'last-stable' })
      const aborted = [...slice.abortedTransactions!]
      const ongoing = new Set<unknown>()
      for (const chunk of slice.chunks)
        forEachRecord(chunk, (record, batch) => {
          while (aborted[0] !== undefined && aborted[0].firstOffset <= batch.lastOffset) ongoing.add(aborted.shift()!.producerId)
          if (batch.isControl) ongoing.delete(batch.producerId)
          else if (!(batch.isTransactional && ongoing.has(batch.producerId)) && record.offset >= first)
            seen.push([record.offset, record.value!.toString()])
          next = Math.max(next, record.offset + 1)
        })
      slice.release()
      assert.ok(next > first, `nothing at ${first}, stable up to ${oracle.lastStableOffset}`)
    }
    assert.deepEqual(seen, oracle.committed(), 'committed')
  }

  #any<T>(items: readonly T[]): T {
    return items[this.#random(items.length)]!
  }
}

async function start(home: Home, number: number): Promise<Running> {
  const log = await home.open()
  const metadata = await log.lead({ topic: 'metadata', topicId: metadataId, partition: number, config: topicConfig() }, 0)
  return { home, number, log, metadata }
}

function named(name: string): (error: unknown) => boolean {
  return error => (error as KafkaError).name === name
}

function byNumber(a: readonly unknown[], b: readonly unknown[]): number {
  return Number(a[0]) - Number(b[0])
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
