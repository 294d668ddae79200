import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem } from '../../base.ts'
import { buildBatch } from '../../protocol.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { Segment, type SegmentContext, segmentContext } from './segment.ts'

const interval = 200

function newContext(): SegmentContext {
  const files = memoryFileSystem()
  files.makeDirectory('/t-0')
  return segmentContext(files, { openFiles: 3, indexBytes: 1 << 20 })
}

function batch(baseOffset: number, records: number, timestamp: number): Buffer {
  const value = Buffer.alloc(20, baseOffset)
  return buildBatch({ baseOffset, records: Array.from({ length: records }, () => ({ key: null, value, timestamp })) })
}

function append(segment: Segment, bytes: Buffer): number {
  const position = segment.place(readBatchInfo(bytes, 0, emptyBatchInfo()), interval)
  segment.writeSync([bytes], position)
  return position
}

/** 100 batches of 3 records, timestamps rising but for every tenth; answers their positions. */
function fill(segment: Segment): number[] {
  return Array.from({ length: 100 }, (_, nth) => append(segment, batch(1000 + nth * 3, 3, nth % 10 === 9 ? 1 : 5000 + nth)))
}

function filesOf({ files }: SegmentContext): Record<string, string> {
  return Object.fromEntries(files.list('/t-0').map(({ name }) => [name, files.readFile(`/t-0/${name}`)!.toString('hex')]))
}

test('every offset is found, in the segment at hand and in one just opened', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  const positions = fill(segment)
  const opened = () => Segment.open(context, '/t-0', 1000, 0)
  const check = async (of: Segment) => {
    for (let offset = 1000; offset < 1300; offset++) assert.equal(await of.positionOf(offset), positions[Math.floor((offset - 1000) / 3)])
    assert.equal(await of.positionOf(1300), segment.size)
    assert.equal(await of.positionOf(5), 0)
  }
  await check(segment)
  segment.seal()
  await check(segment)
  await check(opened())
  assert.equal(opened().maxTimestamp, 5098)
  assert.equal(opened().size, segment.size)
  assert.equal(opened().firstTimestamp, 5000)
})

test('a remembered position of a sequential reader is found immediately', () => {
  const segment = Segment.create(newContext(), '/t-0', 1000, 0)
  const positions = fill(segment)
  segment.remember(1003, positions[1]!)
  assert.equal(segment.positionOf(1003), positions[1])
  for (let nth = 2; nth < 10; nth++) segment.remember(1000 + 3 * nth, positions[nth]!)
  assert.ok(segment.positionOf(1003) instanceof Promise)
  assert.equal(segment.positionOf(1027), positions[9])
})

test('adopt and recover come to the same state, and recovery to the same files', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  fill(segment)
  segment.addAbortedTransaction({ producerId: 5, firstOffset: 1000, lastOffset: 1010, lastStableOffset: 1011 })
  segment.flushIndexes()
  const state = segment.state()
  assert.ok(state.offsetEntries > 20 && state.timeEntries > 20)
  const files = filesOf(context)

  for (const intact of [true, false]) {
    const adopted = Segment.open(context, '/t-0', 1000, 0)
    assert.equal(await adopted.adopt(state, intact), true)
    assert.deepEqual(adopted.state(), state)
    assert.deepEqual(await adopted.transactions.all(), await segment.transactions.all())
    assert.equal(append(adopted, batch(1300, 1, 9999)), segment.size)
    assert.equal(adopted.maxTimestamp, 9999)
    adopted.truncateFile(state.size)
  }

  const recovered = Segment.open(context, '/t-0', 1000, 0)
  let batches = 0
  const end = await recovered.recover(interval, info => {
    batches++
    if (info.baseOffset === 1009)
      recovered.addAbortedTransaction({ producerId: 5, firstOffset: 1000, lastOffset: 1010, lastStableOffset: 1011 })
  })
  assert.deepEqual(end, { position: state.size, problem: null })
  assert.equal(batches, 100)
  assert.deepEqual(recovered.state(), state)
  recovered.flushIndexes()
  assert.deepEqual(filesOf(context), files)
})

test('placements are undone, with their index entries', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  fill(segment)
  for (const flushed of [false, true]) {
    if (flushed) segment.flushIndexes()
    const state = segment.state()
    const expected = append(segment, batch(1300, 3, 7000))
    for (let nth = 1; nth < 30; nth++) append(segment, batch(1300 + 3 * nth, 3, 7000 + nth))
    segment.addAbortedTransaction({ producerId: 5, firstOffset: 1000, lastOffset: 1310, lastStableOffset: 1311 })
    if (flushed) segment.flushIndexes()
    segment.rollback(state)
    segment.truncateFile(state.size)
    assert.deepEqual(segment.state(), state)
    assert.equal(append(segment, batch(1300, 3, 6000)), expected)
    segment.rollback(state)
    segment.truncateFile(state.size)
  }
  segment.flushIndexes()
  const files = filesOf(context)
  await segment.recover(interval, () => {})
  segment.flushIndexes()
  assert.deepEqual(filesOf(context), files)
})

test('damage ends recovery where it is, and says what it is', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  const positions = fill(segment)
  const whole = Buffer.alloc(segment.size)
  segment.readSync(whole, 0)
  const recover = async (damage: (bytes: Buffer) => Buffer) => {
    segment.truncateFile(0)
    segment.writeSync([damage(Buffer.from(whole))], 0)
    return await segment.recover(interval, () => {})
  }
  const at = positions[50]!
  const flipped = await recover(bytes => {
    bytes[at + 70]! ^= 4
    return bytes
  })
  assert.deepEqual(flipped, { position: at, problem: 'wrong checksum' })
  assert.equal(segment.lastOffset, 1149)
  assert.deepEqual(await recover(bytes => bytes.subarray(0, at + 30)), { position: at, problem: 'the file ends inside a batch header' })
  assert.match((await recover(bytes => bytes.subarray(0, at + 80))).problem!, /^a batch of 1\d\d bytes, but only 80 bytes are left$/)
  assert.match((await recover(bytes => bytes.fill(0, at))).problem!, /^a batch of only 12 bytes$/)
  const repeated = await recover(bytes => Buffer.concat([bytes.subarray(0, at), bytes.subarray(0, at)]))
  assert.deepEqual(repeated, { position: at, problem: 'offset 1000, but at least 1150 is expected' })
})

test('a damaged index costs time, never a wrong answer', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  const positions = fill(segment)
  segment.seal()
  const path = '/t-0/00000000000000001000.index'
  const index = context.files.readFile(path)!
  for (let at = 0; at < index.length; at++) {
    const damaged = Buffer.from(index)
    damaged[at]! ^= 1 << (at % 8)
    context.handles.get(path).writeSync([damaged], 0)
    const opened = Segment.open(context, '/t-0', 1000, 0)
    for (const nth of [3, 50, 99]) {
      const found = await opened.positionOf(1000 + nth * 3)
      assert.ok(found === positions[nth], `byte ${at}, batch ${nth}`)
    }
  }
})

test('Kafka’s preallocated indexes are read up to their end', async () => {
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 0)
  const positions = fill(segment)
  segment.flushIndexes()
  const state = segment.state()
  for (const kind of ['index', 'timeindex']) {
    const file = context.handles.get(`/t-0/00000000000000001000.${kind}`)
    file.writeSync([Buffer.alloc(4096)], file.size())
  }
  const opened = Segment.open(context, '/t-0', 1000, 0)
  for (let nth = 0; nth < 100; nth++) assert.equal(await opened.positionOf(1000 + 3 * nth), positions[nth])
  assert.equal(await opened.positionForTimestamp(5050, 0), positions[50])
  opened.flushIndexes()
  assert.equal(context.files.readFile('/t-0/00000000000000001000.index')!.length, state.offsetEntries * 8)
})

test('a segment is full by bytes, by time since its first batch, by index and by offset range', () => {
  const limits = { segmentBytes: 10_000, segmentMs: 1000, segmentIndexBytes: 10 << 20 }
  const context = newContext()
  const segment = Segment.create(context, '/t-0', 1000, 7)
  const next = (over: object) => ({ ...emptyBatchInfo(), baseOffset: 1300, lastOffset: 1302, sizeBytes: 100, maxTimestamp: 5000, ...over })
  assert.equal(segment.mustRoll(next({ maxTimestamp: 9e12 }), 0, limits), false)
  append(segment, batch(1000, 3, 5000))
  assert.equal(segment.mustRoll(next({ maxTimestamp: 6000 }), 9e12, limits), false)
  assert.equal(segment.mustRoll(next({ maxTimestamp: 6001 }), 0, limits), true)
  assert.equal(segment.mustRoll(next({ sizeBytes: 10_000 - segment.size }), 0, limits), false)
  assert.equal(segment.mustRoll(next({ sizeBytes: 10_001 - segment.size }), 0, limits), true)
  assert.equal(segment.mustRoll(next({ lastOffset: 1000 + 2 ** 31 }), 0, limits), true)
  fill(Segment.create(context, '/t-0', 1000, 7))
  const { offsetEntries } = segment.state()
  assert.equal(segment.mustRoll(next({}), 0, { ...limits, segmentIndexBytes: offsetEntries * 8 + 24 }), false)
  assert.equal(segment.mustRoll(next({}), 0, { ...limits, segmentIndexBytes: 8 }), true)
  // -1 is no time: a batch without one is as late as the clock.
  const timed = Segment.create(context, '/t-0', 1000, 7)
  append(timed, batch(1000, 3, 5000))
  assert.equal(timed.mustRoll(next({ maxTimestamp: -1 }), 6000, limits), false)
  assert.equal(timed.mustRoll(next({ maxTimestamp: -1 }), 6001, limits), true)
  const timeless = Segment.create(context, '/t-0', 2000, 7)
  append(timeless, batch(2000, 1, -1))
  assert.equal(timeless.mustRoll(next({ lastOffset: 2001 }), 1007, limits), false)
  assert.equal(timeless.mustRoll(next({ lastOffset: 2001 }), 1008, limits), true)
})
