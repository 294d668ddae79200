import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileSystem, memoryFileSystem, realSystem } from '../../base.ts'
import { buildBatch, findRecord } from '../../protocol.ts'
import { Chores } from '../chores.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { offsetForTimestamp, offsetOfMaxTimestamp } from './offset-lookup.ts'
import { Segment, type SegmentContext, segmentContext } from './segment.ts'
import { openSegments } from './segment-directory.ts'
import { SegmentList } from './segment-list.ts'

const directory = '/t-0'

function newContext(files: FileSystem = memoryFileSystem()): SegmentContext {
  files.makeDirectory(directory)
  return segmentContext(files, { openFiles: 10, indexBytes: 1 << 20 })
}

/** Records at every offset of [from, to), in batches of two, with timestamp = offset * 10. */
function write(segment: Segment, from: number, to: number): Segment {
  for (let offset = from; offset < to; offset += 2) {
    const records = [offset, offset + 1].map(at => ({ key: null, value: Buffer.from(String(at)), timestamp: at * 10 }))
    const bytes = buildBatch({ baseOffset: offset, records, partitionLeaderEpoch: 4 })
    segment.writeSync([bytes], segment.place(readBatchInfo(bytes, 0, emptyBatchInfo()), 100))
  }
  return segment
}

/** Segments of 20 offsets each from 0 on; the last one, empty, is active. */
function newList(context: SegmentContext, count = 4): SegmentList {
  const list = new SegmentList(context, directory, [])
  for (let nth = 0; nth < count; nth++) {
    const segment = write(Segment.create(context, directory, nth * 20, 0), nth * 20, nth * 20 + 20)
    segment.seal()
    list.add(segment)
    context.handles.create(`${directory}/${String(nth * 20).padStart(20, '0')}.snapshot`)
  }
  const active = Segment.create(context, directory, count * 20, 0)
  active.makeFile()
  list.add(active)
  return list
}

const names = (context: SegmentContext) => context.files.list(directory).map(({ name }) => name)
const bases = (list: SegmentList) => list.all.map(segment => segment.baseOffset)

test('offsets find their segment', () => {
  const list = newList(newContext())
  assert.deepEqual(
    [0, 19, 20, 79, 80, 999].map(offset => list.floor(offset)?.baseOffset),
    [0, 0, 20, 60, 80, 80],
  )
  assert.equal(new SegmentList(newContext(), directory, []).floor(5), undefined)
  assert.equal(list.endOf(list.all[1]!, 80), 40)
  assert.equal(list.endOf(list.active!, 85), 85)
  const bytes = list.all.reduce((sum, segment) => sum + segment.size, 0)
  assert.equal(list.sizeBytes(), bytes)
  const [oldest] = list.removeOldest(1, choresOf(newContext()).chores, 0)
  assert.equal(list.sizeBytes(), bytes - oldest!.size)
})

test('offsets by time, before, within and after', async () => {
  const list = newList(newContext())
  assert.deepEqual(await offsetForTimestamp(list, 255, 0, 80, findRecord), { offset: 26, timestampMs: 260, leaderEpoch: 4 })
  assert.deepEqual(await offsetForTimestamp(list, 0, 7, 80, findRecord), { offset: 7, timestampMs: 70, leaderEpoch: 4 })
  assert.deepEqual(await offsetForTimestamp(list, 391, 0, 80, findRecord), { offset: 40, timestampMs: 400, leaderEpoch: 4 })
  assert.equal(await offsetForTimestamp(list, 391, 0, 40, findRecord), null)
  assert.equal(await offsetForTimestamp(list, 791, 0, 80, findRecord), null)
  assert.deepEqual(await offsetOfMaxTimestamp(list, 0, 80, findRecord), { offset: 79, timestampMs: 790, leaderEpoch: 4 })
  const reopened = (await openSegments(newContext(), choresOf(newContext()).chores, directory, 0)).segments
  assert.equal(await offsetOfMaxTimestamp(reopened, 0, 80, findRecord), null)
})

test('the newest record is one that still exists, and if none has a timestamp, one without', async () => {
  const context = newContext()
  const list = new SegmentList(context, directory, [])
  const add = (base: number, batches: number[][], compression: 'none' | 'zstd'): void => {
    const segment = Segment.create(context, directory, base, 0)
    let baseOffset = base
    for (const times of batches) {
      const records = times.map(timestamp => ({ key: null, value: null, timestamp }))
      const bytes = buildBatch({ baseOffset, records, partitionLeaderEpoch: 4, compression })
      segment.writeSync([bytes], segment.place(readBatchInfo(bytes, 0, emptyBatchInfo()), 1))
      baseOffset += times.length
    }
    segment.seal()
    list.add(segment)
  }
  for (const compression of ['none', 'zstd'] as const) {
    add(0, [[50, 90, 30, 40, 40], [20], [35, 10, 35]], compression)
    add(9, [[33, 34]], compression)
    const newest = async (from: number, to = 11) => {
      const found = await offsetOfMaxTimestamp(list, from, to, findRecord)
      return found === null ? null : [found.offset, found.timestampMs]
    }
    assert.deepEqual(await newest(0), [1, 90])
    assert.deepEqual(await newest(2), [3, 40])
    assert.deepEqual(await newest(4), [4, 40])
    assert.deepEqual(await newest(5), [6, 35])
    assert.deepEqual(await newest(7), [8, 35])
    assert.deepEqual(await newest(9), [10, 34])
    assert.equal(await newest(11), null)
    for (const segment of list.all) segment.close()
    list.removeOldest(2, choresOf(context).chores, 0)
  }
  add(0, [[-1, -1], [-1]], 'none')
  assert.deepEqual(await offsetOfMaxTimestamp(list, 1, 3, findRecord), { offset: 1, timestampMs: -1, leaderEpoch: 4 })
})

test('discarded segments are gone after the delay, readers in between are not disturbed', async () => {
  const context = newContext()
  const list = newList(context)
  const { chores, fire } = choresOf(context)
  const removed = list.removeOldest(2, chores, 60_000)
  assert.equal(names(context).filter(name => name.endsWith('.deleted')).length, 6)
  assert.ok(!names(context).includes('00000000000000000000.snapshot') && names(context).includes('00000000000000000040.snapshot'))
  assert.equal(await removed[1]!.positionOf(20), 0)
  await fire()
  assert.equal(names(context).filter(name => name.endsWith('.deleted')).length, 0)
  assert.throws(() => removed[1]!.readSync(Buffer.alloc(1), 0), /was closed/)
  assert.deepEqual(bases(list), [40, 60, 80])
})

/** Chores that are done by hand. */
function choresOf({ files }: SegmentContext): { chores: Chores; fire(): Promise<void> } {
  const callbacks: (() => void)[] = []
  const after = (_: number, callback: () => void) => {
    callbacks.push(callback)
    return { cancel: () => {} }
  }
  const real = realSystem(files)
  const system = { ...real, timers: { after, soon: real.timers.soon } }
  const chores = new Chores({ system, report: () => {}, onFatal: assert.ifError })
  const fire = async () => {
    for (const run of callbacks.splice(0)) run()
    for (let turn = 0; turn < 3; turn++) await new Promise<void>(resolve => real.timers.soon(resolve))
  }
  return { chores, fire }
}

/** What the cleaner leaves for the first three segments: offsets 0 to 9 and 50 to 59 survive. */
function writeCleaned(context: SegmentContext): void {
  const cleaned = Segment.create(context, directory, 0, 0, '.cleaned')
  cleaned.makeAllFiles()
  write(write(cleaned, 0, 10), 50, 60).seal()
  cleaned.close()
}

test('a cleaned segment takes the place of a group', async () => {
  const context = newContext()
  const list = newList(context)
  writeCleaned(context)
  const cleaned = Segment.open(context, directory, 0, 0, '.cleaned')
  const { chores, fire } = choresOf(context)
  await list.replace(list.all.slice(0, 3), cleaned, chores, 60_000)
  await fire()
  assert.deepEqual(bases(list), [0, 60, 80])
  const withoutSuffix = names(context).filter(name => !/^\d{20}\.(log|index|timeindex|txnindex|snapshot)$/.test(name))
  assert.deepEqual(withoutSuffix, [])
  assert.deepEqual(
    names(context).filter(name => name.endsWith('.snapshot')),
    ['00000000000000000000.snapshot', '00000000000000000060.snapshot'],
  )
  const records = await readAll(list)
  assert.deepEqual(records, offsets([0, 10], [50, 80]))
})

test('a crash at any step of the swap leaves the old segments or the new one', async () => {
  let seen = new Set<string>()
  for (let step = 0; ; step++) {
    const files = memoryFileSystem()
    const context = newContext(files)
    const list = newList(context)
    let steps = -1000
    const dying: FileSystem = {
      ...files,
      rename(from, to) {
        if (steps++ >= step) throw new Error('power cut')
        files.rename(from, to)
      },
      remove(path) {
        if (steps++ >= step) throw new Error('power cut')
        files.remove(path)
      },
    }
    const context2 = segmentContext(dying, { openFiles: 10, indexBytes: 1 << 20 })
    const { chores } = choresOf(context2)
    const dyingList = (await openSegments(context2, chores, directory, 0)).segments
    writeCleaned(context)
    steps = 0
    const survived = await dyingList
      .replace(dyingList.all.slice(0, 3), Segment.open(context2, directory, 0, 0, '.cleaned'), chores, 0)
      .then(
        () => true,
        () => false,
      )
    // A second crash may come while the first is being put right; the third start succeeds.
    try {
      steps = step - 2
      await openSegments(segmentContext(dying, { openFiles: 10, indexBytes: 1 << 20 }), chores, directory, 0)
    } catch (error) {
      assert.equal((error as Error).message, 'power cut')
    }
    const starting = choresOf(context)
    const reopened = await openSegments(segmentContext(files, { openFiles: 10, indexBytes: 1 << 20 }), starting.chores, directory, 0)
    await starting.fire()
    const state = JSON.stringify(await readAll(reopened.segments))
    assert.ok([JSON.stringify(offsets([0, 80])), JSON.stringify(offsets([0, 10], [50, 80]))].includes(state), `step ${step}: ${state}`)
    seen = seen.add(state)
    assert.deepEqual(
      names(context).filter(name => /swap|cleaned|deleted/.test(name)),
      [],
    )
    list.close()
    if (survived) break
    assert.ok(step < 100)
  }
  assert.equal(seen.size, 2)
})

const offsets = (...ranges: [number, number][]) => ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, nth) => from + nth))

async function readAll(list: SegmentList): Promise<number[]> {
  const found: number[] = []
  const info = emptyBatchInfo()
  for (const segment of list.all)
    await segment.scan(0, 'whole', (buffer, at) => {
      readBatchInfo(buffer, at, info)
      found.push(...offsets([info.baseOffset, info.lastOffset + 1]))
      return undefined
    })
  return found
}

test('the files of a removed segment go without the snapshot of a new one with its base offset', async () => {
  const context = newContext()
  const list = newList(context)
  const { chores, fire } = choresOf(context)
  list.removeOldest(1, chores, 1000)
  const snapshot = `${'0'.repeat(20)}.snapshot`
  assert.equal(names(context).includes(snapshot), false)
  context.handles.create(`${directory}/${snapshot}`)
  for (let count = 0; count < 3; count++) await fire()
  assert.equal(
    names(context).some(name => name.endsWith('.deleted')),
    false,
  )
  assert.ok(names(context).includes(snapshot))
})
