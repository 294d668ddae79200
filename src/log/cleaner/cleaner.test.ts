import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ClockHistory, type Int64, memoryFileSystem, realSystem, type System, trustingClock } from '../../base.ts'
import type { TopicConfig } from '../../log.ts'
import { buildBatch, buildMarkerBatch, forEachRecord, header } from '../../protocol.ts'
import { Chores } from '../chores.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { ProducerStates } from '../partition/producer-state.ts'
import { Segment, type SegmentContext, segmentContext } from '../segments/segment.ts'
import { openSegments } from '../segments/segment-directory.ts'
import { SegmentList } from '../segments/segment-list.ts'
import { Cleaner, type CleanerOptions } from './cleaner.ts'
import { type CleanablePartition, cleanable } from './cleaner-plan.ts'

const directory = '/data/t-0'

function generator(seed: number): (bound: number) => number {
  let state = seed
  return bound => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

const config = {
  cleanupPolicy: { delete: false, compact: true },
  segmentBytes: 3000,
  segmentIndexBytes: 10_000,
  indexIntervalBytes: 200,
  deleteRetentionMs: 100,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  minCleanableDirtyRatio: 0,
} as TopicConfig

/** A partition as the log keeps it, without journal and tail. */
class TestPartition implements CleanablePartition {
  readonly topic = 't'
  readonly partition = 0
  config = config
  logStartOffset = 0
  logEndOffset = 0
  closed = false
  readonly producers = new ProducerStates('t-0')
  readonly context: SegmentContext
  readonly system: System
  readonly chores: Chores
  segments: SegmentList

  readonly #directory: string

  constructor(system: System, at = directory) {
    this.system = system
    this.#directory = at
    this.context = segmentContext(system.files, { openFiles: 20, indexBytes: 1 << 20 })
    this.chores = new Chores({ system: realSystem(system.files), report: (_, error) => assert.ifError(error), onFatal: assert.ifError })
    system.files.makeDirectory(at)
    this.segments = new SegmentList(this.context, at, [])
    this.roll()
  }

  get lastStableOffset(): number {
    const unstable = this.producers.firstUnstableOffset()
    return unstable === -1 ? this.logEndOffset : unstable
  }

  lastRecords() {
    return this.producers.lastRecords()
  }

  roll(): void {
    if (this.segments.active?.size === 0) return
    this.segments.active?.seal()
    const segment = Segment.create(this.context, this.#directory, this.logEndOffset, 0)
    segment.makeFile()
    this.segments.add(segment)
  }

  append(bytes: Buffer): void {
    header.setBaseOffset(bytes, 0, this.logEndOffset)
    const info = readBatchInfo(bytes, 0, emptyBatchInfo())
    const active = this.segments.active!
    if (info.producerId >= 0) {
      assert.equal(this.producers.check(info, 'client'), null)
      const completed = this.producers.apply(info)
      if (completed?.aborted === true) active.addAbortedTransaction(completed)
    }
    active.writeSync([bytes], active.place(info, config.indexIntervalBytes))
    this.logEndOffset = info.lastOffset + 1
    this.producers.highWatermarkMoved(this.logEndOffset)
  }

  async replaceSegments(old: readonly Segment[], cleaned: Segment): Promise<void> {
    await this.segments.replace(old, cleaned, this.chores, 0)
  }

  /** Every batch in the files. */
  async batches(): Promise<Buffer[]> {
    const found: Buffer[] = []
    for (const segment of this.segments.all) {
      const end = await segment.scan(0, 'whole', (buffer, at) => {
        found.push(Buffer.from(buffer.subarray(at, at + header.sizeBytes(buffer, at))))
        return undefined
      })
      assert.equal(end.problem, null)
    }
    return found
  }

  /** What a consumer with isolation.level=read_committed sees. */
  async committed(): Promise<Row[]> {
    const aborted = [...(await this.segments.abortedTransactions(0, this.logEndOffset))]
    const dropping = new Set<Int64>()
    const rows: Row[] = []
    for (const batch of await this.batches()) {
      const id = header.producerId(batch, 0)
      for (let nth = aborted.length - 1; nth >= 0; nth--)
        if (aborted[nth]!.firstOffset <= header.lastOffset(batch, 0)) dropping.add(aborted.splice(nth, 1)[0]!.producerId)
      if (header.isControl(batch, 0)) dropping.delete(id)
      else if (!header.isTransactional(batch, 0) || !dropping.has(id))
        forEachRecord(batch, ({ offset, key, value, timestamp, headers }) => {
          const text = `${key} ${value} ${timestamp} ${headers.map(each => `${each.key}=${each.value}`)}`
          rows.push({ offset, key: String(key), isTombstone: value === null, text })
        })
    }
    return rows
  }
}

interface Row {
  offset: number
  key: string
  isTombstone: boolean
  text: string
}

function testSystem(files = memoryFileSystem()) {
  const time: { now: number; history: ClockHistory | null } = { now: 1_000_000, history: null }
  const real = realSystem(files)
  const trusting = trustingClock(
    () => time.now,
    () => time.now,
  )
  const system: System = {
    ...real,
    clock: { ...trusting, history: () => time.history ?? trusting.history() },
    timers: {
      // The cleaner's own timer never fires; what waits for a deletion delay is done at once.
      after: (delayMs, callback) => {
        if (delayMs < 1000) callback()
        return { cancel: () => {} }
      },
      soon: real.timers.soon,
    },
  }
  return { system, time }
}

function newCleaner(partition: TestPartition, more: Partial<CleanerOptions> = {}): Cleaner {
  return new Cleaner({
    system: partition.system,
    context: partition.context,
    directory: '/data',
    backoffMs: 15_000,
    dedupeBufferBytes: 1 << 20,
    useThread: false,
    partitions: () => [partition],
    onError: (_, error) => {
      throw error
    },
    ...more,
  })
}

/** Appends batches of plain, idempotent and transactional producers, some of them compressed, and rolls now and then. */
class Writer {
  readonly #partition: TestPartition
  readonly #below: (bound: number) => number
  readonly #sequences = new Map<Int64, number>()
  readonly #open = new Set<Int64>()

  constructor(partition: TestPartition, below: (bound: number) => number) {
    this.#partition = partition
    this.#below = below
  }

  write(steps: number): void {
    for (let step = 0; step < steps; step++) {
      const id = ([-1, 0, 1, 2 ** 40, 2n ** 60n, 2n ** 60n + 1n] as const)[this.#below(6)]!
      if (this.#below(12) === 0) this.#partition.roll()
      if (this.#open.has(id) && this.#below(3) === 0) this.#end(id)
      else this.#data(id)
    }
  }

  endAll(): void {
    for (const id of [...this.#open]) this.#end(id)
    this.#partition.roll()
  }

  #end(producerId: Int64): void {
    const committed = this.#below(2) === 0
    this.#partition.append(buildMarkerBatch({ committed, coordinatorEpoch: 0, producerId, producerEpoch: 0, timestamp: 5 }))
    this.#open.delete(producerId)
  }

  #data(producerId: Int64): void {
    const below = this.#below
    const records = Array.from({ length: 1 + below(4) }, () => ({
      key: Buffer.from(`k${below(60)}`),
      value: below(5) === 0 ? null : Buffer.from(`v${below(1000)}`),
      timestamp: 1000 + below(100),
      headers: below(4) === 0 ? [{ key: 'h', value: Buffer.from([65 + below(26)]) }] : [],
    }))
    const isTransactional = producerId > 1
    const baseSequence = producerId < 0 ? -1 : (this.#sequences.get(producerId) ?? 0)
    const compression = (['none', 'none', 'gzip', 'zstd'] as const)[below(4)]!
    const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence, isTransactional }
    this.#partition.append(buildBatch({ records, compression, ...producer }))
    if (producerId >= 0) this.#sequences.set(producerId, baseSequence + records.length)
    if (isTransactional) this.#open.add(producerId)
  }
}

/** Of committed records below `end` the last of each key, and all above: the naive way. */
function compacted(rows: readonly Row[], end: number): Row[] {
  const last = new Map<string, number>()
  for (const { key, offset } of rows) if (offset < end) last.set(key, offset)
  return rows.filter(({ key, offset }) => offset >= end || last.get(key) === offset)
}

for (const dedupeBufferBytes of [1 << 20, 24 * 24])
  test(`what remains is what a naive compaction keeps, with ${dedupeBufferBytes} bytes for the map`, async () => {
    let dropped = 0
    let expired = 0
    for (let seed = 1; seed <= 25; seed++) {
      const { system, time } = testSystem()
      const partition = new TestPartition(system)
      const writer = new Writer(partition, generator(seed))
      const cleaner = newCleaner(partition, { dedupeBufferBytes })
      let before: Row[] = []
      for (let round = 0; round < 6; round++) {
        writer.write(30)
        if (round % 2 === 1) writer.endAll()
        before = await partition.committed()
        const producers = partition.producers.list()
        const batchesBefore = await partition.batches()
        const horizonOf = deleteHorizons(batchesBefore)
        const cleanedBefore = cleaner.cleanedTo('t', 0) ?? 0
        await cleaner.run()
        const end = cleaner.cleanedTo('t', 0) ?? 0
        const after = await partition.committed()
        dropped += before.length - after.length
        const label = `seed ${seed} round ${round}`
        assert.deepEqual(values(after), values(compacted(before, end)), label)
        const kept = new Set(after.map(({ offset }) => offset))
        for (const { offset, isTombstone } of compacted(before, end)) {
          if (!isTombstone) continue
          const isOver = end > cleanedBefore && offset < end && (horizonOf.get(offset) ?? Number.POSITIVE_INFINITY) <= time.now
          assert.equal(kept.has(offset), !isOver, `${label} tombstone ${offset}`)
          if (isOver) expired++
        }
        assert.deepEqual(
          after,
          compacted(before, end).filter(row => kept.has(row.offset)),
          label,
        )
        assert.ok((await partition.batches()).length <= batchesBefore.length)
        assert.deepEqual(await rebuiltProducers(partition), sequencesOf(producers), label)
        for (const batch of await partition.batches()) assert.equal(header.computeCrc(batch, 0), header.crc(batch, 0))
        time.now += 120
      }
      assert.equal(partition.lastStableOffset, partition.logEndOffset)
      await checkReopened(partition)
      await cleaner.close()
    }
    assert.ok(dropped > 1000, `${dropped} dropped`)
    assert.ok(expired > 20, `${expired} tombstones gone`)
  })

/** By offset, of records in batches that have one. */
function deleteHorizons(batches: readonly Buffer[]): Map<number, Int64> {
  const found = new Map<number, Int64>()
  for (const batch of batches)
    if (header.hasDeleteHorizon(batch, 0)) forEachRecord(batch, ({ offset }) => found.set(offset, header.baseTimestamp(batch, 0)))
  return found
}

const values = (rows: readonly Row[]) => rows.filter(({ isTombstone }) => !isTombstone)

function sequencesOf(producers: ReturnType<ProducerStates['list']>) {
  return producers
    .map(({ producerId, producerEpoch, lastSequence }) => ({ producerId, producerEpoch, lastSequence }))
    .sort((a, b) => (a.producerId < b.producerId ? -1 : 1))
}

/** Producer state as a full recovery of the cleaned log would find it. */
async function rebuiltProducers(partition: TestPartition) {
  const states = new ProducerStates('t-0')
  for (const batch of await partition.batches())
    if (header.producerId(batch, 0) >= 0) states.apply(readBatchInfo(batch, 0, emptyBatchInfo()))
  return sequencesOf(states.list())
}

/** The files alone say the same: indexes of cleaned segments find every batch. */
async function checkReopened(partition: TestPartition): Promise<void> {
  const { segments } = await openSegments(partition.context, partition.chores, directory, 0)
  for (const segment of segments.all.slice(0, -1)) {
    const expected: [number, number][] = []
    await segment.scan(0, 'headers', (buffer, at, position) => {
      expected.push([header.lastOffset(buffer, at), position])
      return undefined
    })
    for (const [offset, position] of expected) assert.equal(await segment.positionOf(offset), position)
  }
}

const record = (key: string, value: string | null) => ({ key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })

test('a tombstone outlives delete.retention.ms from when it was first cleaned (KIP-534)', async () => {
  const { system, time } = testSystem()
  const partition = new TestPartition(system)
  const cleaner = newCleaner(partition)
  partition.append(buildBatch({ records: [record('a', '1'), record('b', '1')], timestamp: 3 }))
  partition.append(buildBatch({ records: [record('a', null), record('c', '1')], timestamp: 4 }))
  partition.roll()
  await cleaner.run()
  const stamped = (await partition.batches()).at(-1)!
  assert.equal(header.hasDeleteHorizon(stamped, 0), true)
  assert.equal(header.baseTimestamp(stamped, 0), time.now + config.deleteRetentionMs)
  const texts = async () => (await partition.committed()).map(({ text }) => text.trim())
  assert.deepEqual(await texts(), ['b 1 3', 'a null 4', 'c 1 4'])
  const cleanAgain = async () => {
    partition.append(buildBatch({ records: [record('x', String(time.now))], timestamp: 5 }))
    partition.roll()
    await cleaner.run()
  }
  time.now += config.deleteRetentionMs - 1
  await cleanAgain()
  assert.deepEqual((await texts()).slice(0, 3), ['b 1 3', 'a null 4', 'c 1 4'])
  time.now += 1
  await cleanAgain()
  assert.deepEqual((await texts()).slice(0, 2), ['b 1 3', 'c 1 4'])
})

test('a jump of the clock ends no delay: tombstones stay, and what is too young is not cleaned', async () => {
  const { system, time } = testSystem()
  const partition = new TestPartition(system)
  const cleaner = newCleaner(partition)
  const begin = time.now
  for (const value of ['1', null]) partition.append(buildBatch({ records: [record('a', value)], timestamp: 4 }))
  partition.roll()
  await cleaner.run()
  const week = 604_800_000
  time.now += week
  time.history = [
    { from: Number.NEGATIVE_INFINITY, to: begin },
    { from: time.now, to: time.now },
  ]
  partition.append(buildBatch({ records: [record('b', '1')], timestamp: begin }))
  partition.roll()
  const due = (over: Partial<TopicConfig>) => cleanable(Object.assign(partition, { config: { ...config, ...over } }), 2, time.history!)
  assert.equal(due({ minCompactionLagMs: week / 2 }).candidate, null)
  assert.equal(due({ minCleanableDirtyRatio: 1, maxCompactionLagMs: week / 2 }).candidate?.isDue, false)
  partition.config = config
  await cleaner.run()
  assert.equal((await partition.committed())[0]!.text.trim(), 'a null 4')
})

test('markers go when nothing is left of their transaction, and their index entries with them', async () => {
  const { system, time } = testSystem()
  const partition = new TestPartition(system)
  const cleaner = newCleaner(partition)
  const transaction = (producerId: number, value: string, committed: boolean) => {
    const producer = { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }
    partition.append(buildBatch({ records: [record('a', value)], timestamp: 3, ...producer }))
    partition.append(buildMarkerBatch({ committed, coordinatorEpoch: 0, producerId, producerEpoch: 0, timestamp: 3 }))
  }
  transaction(1, 'aborted', false)
  transaction(2, 'committed', true)
  partition.roll()
  const cleanAgain = async () => {
    partition.append(buildBatch({ records: [record('a', String(time.now))], timestamp: 5 }))
    partition.roll()
    await cleaner.run()
    time.now += config.deleteRetentionMs
  }
  const summary = async () =>
    (await partition.batches()).map(
      batch => `${header.isControl(batch, 0) ? 'marker' : 'data'} ${header.producerId(batch, 0)} ${header.recordCount(batch, 0)}`,
    )
  await cleanAgain()
  // The aborted data is emptied, but its header stays with the producer's last sequence.
  assert.deepEqual(await summary(), ['data 1 0', 'marker 1 1', 'data 2 0', 'marker 2 1', 'data -1 1'])
  partition.producers.settle(partition.producers.mark())
  partition.producers.clear()
  await cleanAgain()
  assert.deepEqual((await partition.segments.abortedTransactions(0, 100)).length, 1)
  for (let round = 0; round < 3; round++) await cleanAgain()
  assert.deepEqual(
    (await summary()).filter(line => !line.startsWith('data -1')),
    [],
  )
  assert.deepEqual(await partition.segments.abortedTransactions(0, 100), [])
})

test('what may be cleaned, and when it is due', () => {
  const { system, time } = testSystem()
  const partition = new TestPartition(system)
  const due = (lastCleaned: number | undefined, over: Partial<TopicConfig> = {}) => {
    partition.config = { ...config, ...over }
    const found = cleanable(partition, lastCleaned, system.clock.history()).candidate
    return found === null ? null : { firstDirty: found.firstDirty, end: found.end, ratio: found.ratio, isDue: found.isDue }
  }
  assert.equal(due(undefined), null)
  for (let nth = 0; nth < 4; nth++) {
    partition.append(buildBatch({ records: [record('a', '1')], timestamp: time.now - 1000 + nth * 100 }))
    partition.roll()
  }
  assert.deepEqual(due(undefined), { firstDirty: 0, end: 4, ratio: 1, isDue: true })
  assert.deepEqual(due(3, { minCleanableDirtyRatio: 0.25 }), { firstDirty: 3, end: 4, ratio: 0.25, isDue: false })
  assert.deepEqual(due(3, { minCleanableDirtyRatio: 0.2 })?.isDue, true)
  assert.equal(due(4), null)
  assert.deepEqual(due(99)?.firstDirty, 0)
  assert.deepEqual(due(1, { minCompactionLagMs: 750 })?.end, 3)
  assert.equal(due(3, { minCleanableDirtyRatio: 1, maxCompactionLagMs: 600 })?.isDue, true)
  assert.equal(due(3, { minCleanableDirtyRatio: 1, maxCompactionLagMs: 800 })?.isDue, false)
  assert.equal(due(0, { cleanupPolicy: { delete: true, compact: false } }), null)
  const producer = { producerId: 9, producerEpoch: 0, baseSequence: 0, isTransactional: true }
  partition.append(buildBatch({ records: [record('b', '1')], timestamp: 5, ...producer }))
  partition.roll()
  partition.append(buildBatch({ records: [record('a', '2')], timestamp: 6 }))
  partition.roll()
  assert.equal(due(0)?.end, 4)
})

test('the checkpoint survives a restart, and retention meanwhile stops the cleaning of what it took', async () => {
  const { system } = testSystem()
  const partition = new TestPartition(system)
  const cleaner = newCleaner(partition)
  for (let nth = 0; nth < 3; nth++) {
    partition.append(buildBatch({ records: [record('a', String(nth))] }))
    partition.roll()
  }
  await cleaner.run()
  assert.equal(cleaner.cleanedTo('t', 0), 3)
  assert.equal(system.files.readFile('/data/cleaner-offset-checkpoint')!.toString(), '0\n1\nt 0 3\n')
  await cleaner.close()
  const next = newCleaner(partition)
  assert.equal(next.cleanedTo('t', 0), 3)
  partition.append(buildBatch({ records: [record('a', 'new')] }))
  partition.roll()
  const running = next.run()
  const [taken] = partition.segments.removeOldest(1, partition.chores, 0)
  partition.logStartOffset = 3
  await running
  assert.equal(next.cleanedTo('t', 0), 4)
  assert.ok(!partition.segments.all.some(segment => segment.baseOffset === taken!.baseOffset))
  assert.ok(!system.files.list(directory).some(({ name }) => name.includes('cleaned')))
})

test('in a thread, on real files, the outcome is the same; a damaged segment fails its partition only', async () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-cleaner-'))
  try {
    const { system } = testSystem(realSystem().files)
    const partition = new TestPartition(system, `${root}/t-0`)
    const writer = new Writer(partition, generator(7))
    writer.write(100)
    writer.endAll()
    const before = await partition.committed()
    const cleaner = newCleaner(partition, { directory: root, useThread: true })
    await cleaner.run()
    const end = cleaner.cleanedTo('t', 0)!
    assert.ok(end > 50)
    assert.deepEqual(await partition.committed(), compacted(before, end))
    // The same thread takes the next job.
    partition.append(buildBatch({ records: [record('a', '0')] }))
    partition.roll()
    await cleaner.run()
    assert.ok(cleaner.cleanedTo('t', 0)! > end)
    partition.append(buildBatch({ records: [record('a', '1')] }))
    partition.roll()
    partition.segments.all.at(-2)!.writeSync([Buffer.from('x')], 65)
    const errors: string[] = []
    const failing = newCleaner(partition, { directory: root, useThread: true, onError: (_, error) => void errors.push(String(error)) })
    await failing.run()
    await failing.run()
    assert.equal(errors.length, 1)
    assert.match(errors[0]!, /wrong checksum at position 0/)
    await cleaner.close()
    await failing.close()
  } finally {
    rmSync(root, { recursive: true })
  }
})
