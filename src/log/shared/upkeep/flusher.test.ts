/** When which partitions are flushed, and how the others go on when one cannot be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedWorld } from '../../../../sim/world/world.ts'
import type { TopicConfig } from '../../../log.ts'
import type { KafkaError } from '../../../protocol.ts'
import type { ObjectStore, PartitionRow, SegmentRow, Writes } from '../../../store.ts'
import { topicConfig } from '../../log.testing.ts'
import type { CarriedShare } from '../journal.ts'
import type { Piece } from '../pieces/piece.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import { type SharedSettings, sharedDefaults } from '../settings.ts'
import { uuidOf } from '../topic-id.ts'
import { noCounts } from './counts.ts'
import { Flusher } from './flusher.ts'
import { Leftovers } from './leftovers.ts'
import type { FlushedPartition, RowJournal } from './ports.ts'
import { Retries } from './retries.ts'
import { RowWriter } from './row-writer.ts'

const topicId = '00000000-0000-4000-8000-000000000001'

class FakePartition implements Partial<FlushedPartition> {
  readonly key: { topicId: string; partition: number }
  config: TopicConfig
  writable = true
  unflushedBytes = 0
  logEnd = 0
  flushedEnd = 0
  fromSeq = 1
  gone = null
  carries = 0
  flushes = 0
  broken = false

  constructor(partition: number, config: Partial<TopicConfig> = {}) {
    this.key = { topicId, partition }
    this.config = topicConfig({ retentionMs: -1, ...config })
  }

  get name() {
    return `t-${this.key.partition}`
  }

  append(bytes: number): void {
    this.logEnd++
    this.unflushedBytes += bytes
  }

  takeForFlush(): ReturnType<FlushedPartition['takeForFlush']> {
    if (this.broken) throw new Error('broken')
    if (this.flushedEnd === this.logEnd) return null
    const piece = { partition: this.key.partition, baseOffset: this.flushedEnd, endOffset: this.logEnd } as Piece
    return { piece, end: this.logEnd, state: Buffer.alloc(1) }
  }

  rowAt(seq: number, flush: ReturnType<FlushedPartition['takeForFlush']>): PartitionRow | null {
    if (flush === null && this.unflushedBytes > 0) return null
    return { ...this.key, session: 1, fromSeq: seq, flushedEnd: flush?.end ?? this.flushedEnd, logStart: 0, state: Buffer.alloc(1) }
  }

  freeze(): void {
    this.writable = false
  }

  thaw(): void {
    this.writable = true
  }

  async drained(): Promise<void> {}

  carried(): CarriedShare {
    this.carries++
    const { unflushedBytes: length, flushedEnd: baseOffset, logEnd: endOffset } = this
    const { partition } = this.key
    return {
      share: { topicId: uuidOf(topicId), partition, leaderEpoch: 0, baseOffset, endOffset, length, logStart: -1, released: false },
      bytes: [],
    }
  }

  flushed(row: PartitionRow, rows: readonly SegmentRow[]): void {
    this.fromSeq = row.fromSeq
    this.flushes += rows.length
    if (row.flushedEnd === this.logEnd) this.unflushedBytes = 0
    this.flushedEnd = row.flushedEnd
  }
}

function setting(partitions: FakePartition[], shared: Partial<SharedSettings> = {}) {
  const world = simulatedWorld({ seed: 1 })
  const { system } = world
  const frames: { seq: number; writes: Writes }[] = []
  const reports: string[] = []
  const deleted: string[] = []
  /** Partitions in each call. */
  const puts: number[][] = []
  const state = { fails: (_: readonly Piece[]) => false, during: () => {}, putMs: 50 }
  const journal = {
    session: 1,
    ended: null as string | null,
    lastSeq: 0,
    liveBrokers: 3,
    counts: { bytes: 0, objectBytes: 0 },
    async write(_: unknown, __: unknown, make: (seq: number) => Writes) {
      const seq = ++journal.lastSeq
      frames.push({ seq, writes: make(seq) })
      await new Promise<void>(resolve => system.timers.after(2, resolve))
      return 'committed' as const
    },
  }
  const pieces = {
    async write(all: readonly Piece[]): Promise<SegmentRow[]> {
      puts.push(all.map(piece => piece.partition))
      await new Promise<void>(resolve => system.timers.after(state.putMs, resolve))
      state.during()
      if (state.fails(all)) throw new Error('the store is away')
      const [object, position, bytes, indexBytes, maxTimestamp] = [`1/p${puts.length}`, 0, 1, 1, 1]
      return all.map(({ partition, baseOffset, endOffset }) => ({
        ...{ topicId, partition, baseOffset, endOffset, object, position, bytes, indexBytes, maxTimestamp },
      }))
    },
  }
  const report = (what: string) => void reports.push(what)
  const objects = { delete: async (names: readonly string[]) => void deleted.push(...names) } as unknown as ObjectStore
  const leftovers = new Leftovers(objects, new Retries(system, report))
  const counts = noCounts()
  const flusher = new Flusher({
    counts,
    system,
    journal: journal as unknown as RowJournal,
    rows: new RowWriter(journal as unknown as RowJournal),
    pieces: pieces as unknown as PieceStore,
    leftovers,
    shared: { ...sharedDefaults, flushBytes: 1_000, flushMs: 60_000, journalMaxBytes: 10_000, ...shared },
    partitions: () => partitions as unknown as FlushedPartition[],
    report,
  })
  const admit = (partition: FakePartition, origin: 'client' | 'coordinator') =>
    flusher.admit(partition as unknown as FlushedPartition, origin)
  const flush = (...some: FakePartition[]) => flusher.flush(some as unknown as FlushedPartition[])
  return { partitions, world, frames, reports, deleted, puts, state, journal, flusher, admit, flush, leftovers, counts }
}

const some = (count: number, config?: Partial<TopicConfig>) => Array.from({ length: count }, (_, nth) => new FakePartition(nth, config))

test('when much is unflushed, the largest are flushed until half of that is left', async () => {
  const partitions = some(5)
  const { world, puts } = setting(partitions)
  for (const [nth, bytes] of [100, 300, 50, 400, 149].entries()) partitions[nth]!.append(bytes)
  await world.pass(1_000)
  assert.deepEqual(puts, [], 'not yet')
  partitions[2]!.append(1)
  await world.pass(1_000)
  assert.deepEqual(puts, [[3, 1]])
})

test('after some time all are flushed, idle ones move on, and the stream is trimmed below all of them', async () => {
  const partitions = some(4)
  const { world, puts, frames, journal, counts } = setting(partitions)
  journal.lastSeq = 500
  partitions[1]!.append(1)
  partitions[2]!.append(1)
  await world.pass(59_000)
  assert.equal(puts.length, 0)
  await world.pass(3_000)
  assert.deepEqual(puts, [[1, 2]])
  assert.deepEqual(
    frames.map(({ writes }) => [writes.partitions?.length, writes.addSegments?.length, writes.trimBelow]),
    [
      [2, 2, 1],
      [2, undefined, 501],
    ],
  )
  assert.equal(counts.trims, 2)
  await world.pass(57_000)
  assert.equal(frames.length, 2)
})

test('a long stream is trimmed in steps', async () => {
  const partitions = some(1)
  const { world, frames, journal } = setting(partitions)
  journal.lastSeq = 4_000
  partitions[0]!.append(1)
  await world.pass(61_000)
  assert.deepEqual(
    frames.map(({ writes }) => writes.trimBelow),
    [2_000, 4_000, 4_001],
  )
})

test('a long stream is reason enough to flush all', async () => {
  const partitions = some(2)
  const { world, puts, journal } = setting(partitions)
  partitions[0]!.append(1)
  journal.lastSeq = 4_000
  await world.pass(1_000)
  assert.equal(puts.length, 0)
  journal.lastSeq = 4_500
  await world.pass(1_000)
  assert.deepEqual(puts, [[0]])
  partitions[1]!.append(1)
  // What is in objects is not read with the frames.
  journal.counts.bytes = 1_400
  journal.counts.objectBytes = 400
  await world.pass(1_000)
  assert.deepEqual(puts, [[0]])
  journal.counts.bytes = 1_401
  await world.pass(1_000)
  assert.deepEqual(puts, [[0], [1]])
})

test('with many partitions more may be unflushed, so that pieces are larger; and less where journal.max.bytes is small', async () => {
  const partitions = some(1_024)
  const { world, puts, journal } = setting(partitions, { flushBytes: 64_000, journalMaxBytes: 1 << 20 })
  journal.liveBrokers = 5
  for (const partition of partitions) partition.append(124)
  await world.pass(1_000)
  assert.equal(puts.length, 0, 'twice as many partitions as make a transaction: twice as many bytes')
  for (const partition of partitions) partition.append(2)
  await world.pass(1_000)
  assert.deepEqual(
    puts.map(all => all.length),
    [512, 5],
  )
  const alone = setting(some(1_024), { flushBytes: 64_000, journalMaxBytes: 1 << 20 })
  for (const partition of alone.partitions) partition.append(63)
  await alone.world.pass(1_000)
  assert.notEqual(alone.puts.length, 0, 'two others would have to take over all of it')
  const few = setting(some(2), { flushBytes: 64_000, journalMaxBytes: 4_000 })
  assert.equal(few.flusher.pressure.on, false)
  few.partitions[0]!.append(1_001)
  await few.world.pass(1_000)
  assert.deepEqual(few.puts, [[0]])
})

test('a topic whose segments roll earlier is flushed earlier', async () => {
  const partitions = [
    new FakePartition(0, { segmentMs: 5_000 }),
    new FakePartition(1, { segmentBytes: 20 }),
    new FakePartition(2, { retentionMs: 3_000 }),
    new FakePartition(3, { retentionBytes: 30 }),
    new FakePartition(4, { cleanupPolicy: { delete: false, compact: true }, maxCompactionLagMs: 2_000 }),
    new FakePartition(5),
  ]
  const { world, puts } = setting(partitions)
  for (const partition of partitions) partition.append(25)
  await world.pass(1_900)
  assert.deepEqual(puts, [[1]])
  partitions[3]!.append(10)
  await world.pass(500)
  assert.deepEqual(puts.slice(1), [[3], [4]])
  await world.pass(1_500)
  assert.deepEqual(puts.slice(3), [[2]])
  await world.pass(2_000)
  assert.deepEqual(puts.slice(4), [[0]])
})

test('one that cannot be taken is said once, and the others are flushed', async () => {
  const partitions = some(6)
  const { world, reports } = setting(partitions)
  partitions[2]!.broken = true
  for (const partition of partitions) partition.append(600)
  await world.pass(30_000)
  for (const [nth, partition] of partitions.entries()) assert.equal(partition.unflushedBytes, nth === 2 ? 600 : 0)
  assert.deepEqual(reports, ['flushing t-2 failed; it is tried again'])
  partitions[2]!.broken = false
  await world.pass(60_000)
  assert.equal(partitions[2]!.unflushedBytes, 0)
})

test('one that cannot be written is found, and the others are flushed', async () => {
  const partitions = some(64)
  const { world, reports, state, puts } = setting(partitions)
  state.fails = all => all.some(({ partition }) => partition === 11)
  for (const partition of partitions) partition.append(100)
  await world.pass(40_000)
  const unflushed = partitions.filter(each => each.unflushedBytes > 0).map(each => each.key.partition)
  assert.ok(unflushed.includes(11) && unflushed.length < 32, `${unflushed}`)
  await world.pass(60_000)
  assert.deepEqual(
    partitions.filter(each => each.unflushedBytes > 0).map(each => each.key.partition),
    [11],
  )
  assert.ok(reports.length <= 2 && reports.includes('flushing t-11 failed; it is tried again'), reports.join())
  const tried = puts.length
  for (let nth = 0; nth < 20; nth++) {
    for (const partition of partitions) if (partition.key.partition !== 11) partition.append(50)
    await world.pass(1_000)
  }
  assert.ok(puts.slice(tried).filter(all => all.includes(11)).length <= 3, 'it is tried seldom')
  assert.ok(
    puts.slice(tried).every(all => !all.includes(11) || all.length === 1),
    'and alone',
  )
  assert.ok(partitions.filter(each => each.unflushedBytes > 0).reduce((sum, each) => sum + each.unflushedBytes, 0) < 3_000)
})

test('one that cannot be flushed is refused from a bound of its own on, and holds up nobody', async () => {
  const partitions = some(3)
  const { world, state, flusher, admit } = setting(partitions)
  state.fails = all => all.some(piece => piece.partition === 0)
  const stuck = partitions[0]!
  stuck.append(3_000)
  let pressed = 0
  for (let nth = 0; nth < 60; nth++) {
    if (nth < 20) stuck.append(500)
    partitions[1]!.append(20)
    await world.pass(1_000)
    if (nth >= 20 && flusher.pressure.on) pressed++
  }
  assert.equal(stuck.unflushedBytes, 13_000)
  assert.equal(pressed, 0)
  assert.throws(() => admit(stuck, 'client'), /in the journal of t-0 cannot be flushed/)
  for (const other of partitions.slice(1)) admit(other, 'client')
  state.fails = () => false
  await world.pass(11_000)
  assert.equal(stuck.unflushedBytes, 0)
  admit(stuck, 'client')
})

test('one that cannot be flushed is carried forward when the stream is long, so that it holds back no frames', async () => {
  const partitions = some(3)
  const { world, state, journal, frames, counts, reports } = setting(partitions)
  state.fails = all => all.some(piece => piece.partition === 0)
  partitions[0]!.append(100)
  for (let nth = 1; nth <= 100; nth++) {
    partitions[1]!.append(1)
    journal.lastSeq += 200
    await world.pass(1_000)
  }
  assert.ok(frames.at(-1)!.writes.trimBelow! > journal.lastSeq - 9_000, `${frames.at(-1)!.writes.trimBelow} of ${journal.lastSeq}`)
  assert.equal(counts.carriedForward, partitions[0]!.carries)
  assert.ok(counts.carriedForward >= 3 && counts.carriedForward <= 6, `${counts.carriedForward}`)
  assert.deepEqual([counts.stuck, partitions[0]!.writable], [1, true])
  assert.deepEqual(reports.slice(-1), ['flushing t-0 failed; it is tried again'])
  // While the store is away, it is nobody's fault.
  const carried = counts.carriedForward
  state.fails = () => true
  for (let nth = 1; nth <= 100; nth++) {
    partitions[1]!.append(1)
    journal.lastSeq += 200
    await world.pass(1_000)
  }
  assert.ok(counts.carriedForward <= carried + 1)
  state.fails = () => false
  await world.pass(70_000)
  assert.equal(counts.stuck, 0)
})

test('while the store is away it is said once, appends are held back, and all is flushed when it is back', async () => {
  const partitions = some(40)
  const { world, reports, state, flusher, admit } = setting(partitions)
  state.fails = () => true
  for (const partition of partitions) partition.append(240)
  await world.pass(60_000)
  assert.deepEqual(reports, ['flushing 38 partitions failed; it is tried again'])
  assert.equal(flusher.pressure.on, false)
  for (const partition of partitions) partition.append(20)
  await world.pass(300)
  assert.equal(flusher.pressure.on, true)
  let calledBack = false
  flusher.pressure.whenOff(() => {
    calledBack = true
  })
  admit(partitions[0]!, 'client')
  for (const partition of partitions) partition.append(300)
  await world.pass(300)
  assert.throws(
    () => admit(partitions[0]!, 'client'),
    (error: KafkaError) => error.name === 'KAFKA_STORAGE_ERROR',
  )
  admit(partitions[0]!, 'coordinator')
  for (const partition of partitions) partition.append(300)
  await world.pass(300)
  assert.throws(() => admit(partitions[0]!, 'coordinator'), /journal is full/)
  state.fails = () => false
  await world.pass(12_000)
  assert.deepEqual([calledBack, flusher.pressure.on], [true, false])
  await world.pass(60_000)
  assert.ok(partitions.reduce((sum, each) => sum + each.unflushedBytes, 0) < 1_000)
  assert.equal(reports.length, 1)
})

test('appends are held back when flushes fall behind', async () => {
  const partitions = some(1)
  const { world, state, flusher } = setting(partitions)
  state.putMs = 5_000
  partitions[0]!.append(4_001)
  await world.pass(1_000)
  assert.equal(flusher.pressure.on, true)
  await world.pass(5_000)
  assert.equal(flusher.pressure.on, false)
})

test('what is given away while its piece is written gets no row, and its object goes', async () => {
  const partitions = some(2)
  const { world, state, frames, deleted, flush, leftovers } = setting(partitions)
  for (const partition of partitions) partition.append(1)
  state.during = () => {
    partitions[1]!.writable = false
  }
  await world.run(flush(...partitions))
  assert.deepEqual(
    frames.map(({ writes }) => [writes.partitions?.map(row => row.partition), writes.addSegments?.map(row => row.partition)]),
    [[[0], [0]]],
  )
  await world.run(leftovers.remove())
  assert.deepEqual(deleted, [], 'the row of the other names it')
  partitions[0]!.append(1)
  state.during = () => {
    partitions[0]!.writable = false
  }
  await world.run(flush(partitions[0]!))
  await world.run(leftovers.remove())
  assert.deepEqual(deleted, ['1/p2'])
  assert.equal(partitions[0]!.flushedEnd, 1)
})

test('what goes wrong behind the commit deletes no object that rows name', async () => {
  const partitions = some(1)
  const { world, deleted, flush, leftovers } = setting(partitions)
  partitions[0]!.append(1)
  partitions[0]!.flushed = () => {
    throw new Error('a bug')
  }
  await assert.rejects(world.run(flush(...partitions)), /a bug/)
  await world.run(leftovers.remove())
  assert.deepEqual(deleted, [])
})

test('a flush that was asked for rejects when it fails, and changes nothing', async () => {
  const partitions = some(3)
  const { world, state, frames, flush } = setting(partitions)
  for (const partition of partitions) partition.append(1)
  state.fails = () => true
  await assert.rejects(world.run(flush(...partitions)), /the store is away/)
  assert.deepEqual([frames.length, partitions.map(each => each.flushedEnd)], [0, [0, 0, 0]])
  state.fails = () => false
  await world.run(flush(...partitions))
  assert.deepEqual(
    partitions.map(each => each.flushedEnd),
    [1, 1, 1],
  )
})

test('nothing is flushed by itself any more when it is closed, or the session has ended', async () => {
  for (const how of ['closed', 'ended']) {
    const partitions = some(2)
    const { world, puts, flusher, journal } = setting(partitions)
    for (const partition of partitions) partition.append(6_000)
    await world.pass(200)
    if (how === 'closed') await world.run(flusher.close())
    else journal.ended = 'fenced'
    await world.pass(60_000)
    assert.deepEqual([puts.length, flusher.pressure.on], [0, false])
  }
})
