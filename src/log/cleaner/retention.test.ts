import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem, type System, trustingClock } from '../../base.ts'
import type { TopicConfig } from '../../log.ts'
import { Chores } from '../chores.ts'
import { emptyBatchInfo } from '../partition/batch-info.ts'
import { Segment, segmentContext } from '../segments/segment.ts'
import { SegmentList } from '../segments/segment-list.ts'
import { type RetainedPartition, Retention, removableSegments, rollLimits } from './retention.ts'

const base = { cleanupPolicy: { delete: true, compact: false }, retentionBytes: -1, retentionMs: -1 } as TopicConfig

interface Case {
  config?: Partial<TopicConfig>
  /** Largest timestamps of segments of 10 offsets and 100 bytes each; null for an empty active one. */
  timestamps: (number | null)[]
  logStartOffset?: number
  highWatermark?: number
}

function partition({
  config,
  timestamps,
  logStartOffset = 0,
  highWatermark,
}: Case): RetainedPartition & { removed: number[]; expiredAt: number[] } {
  const files = memoryFileSystem()
  files.makeDirectory('/t-0')
  const context = segmentContext(files, { openFiles: 10, indexBytes: 1000 })
  const segments = timestamps.map((timestamp, nth) => {
    const segment = Segment.create(context, '/t-0', nth * 10, 5)
    if (timestamp !== null)
      segment.place({ ...emptyBatchInfo(), baseOffset: nth * 10, lastOffset: nth * 10 + 9, sizeBytes: 100, maxTimestamp: timestamp }, 4096)
    return segment
  })
  const end = timestamps.filter(timestamp => timestamp !== null).length * 10
  const list = new SegmentList(context, '/t-0', segments)
  const chores = new Chores({ system: realSystem(files), report: (_, error) => assert.ifError(error), onFatal: assert.ifError })
  const removed: number[] = []
  const expiredAt: number[] = []
  return {
    expiredAt,
    config: { ...base, ...config },
    segments: list,
    logStartOffset,
    highWatermark: highWatermark ?? end,
    logEndOffset: end,
    removed,
    expireProducers: history => void expiredAt.push(history.at(-1)!.to),
    removeSegments: count => void removed.push(...list.removeOldest(count, chores, 0).map(segment => segment.baseOffset)),
  }
}

const removable = (given: Case, nowMs = 1000) => removableSegments(partition(given), [{ from: Number.NEGATIVE_INFINITY, to: nowMs }]).count

test('retention.ms: the oldest whose newest record is too old, up to the first that is not', () => {
  const config = { retentionMs: 500 }
  assert.equal(removable({ config, timestamps: [100, 499, 500, 100, 900] }), 2)
  assert.equal(removable({ config, timestamps: [500, 100] }), 0)
  assert.equal(removable({ config, timestamps: [100, 499] }), 2)
  assert.equal(removable({ config, timestamps: [100, null] }), 1)
  assert.equal(removable({ config, timestamps: [null] }), 0)
  assert.equal(removable({ config: { retentionMs: -1 }, timestamps: [0, 0] }), 0)
  // Without timestamps: since this process knows the segment (5).
  assert.equal(removable({ config, timestamps: [-1, 900] }, 505), 0)
  assert.equal(removable({ config, timestamps: [-1, 900] }, 506), 1)
})

test('timestamp -1: a segment without timestamps is as old as its file, also after reopening, and the age of a batch counts from its append', () => {
  const files = { ...memoryFileSystem(), stat: () => ({ size: 0, modifiedMs: 700 as number | null }) }
  files.makeDirectory('/t-0')
  const context = segmentContext(files, { openFiles: 10, indexBytes: 1000 })
  const batch = { ...emptyBatchInfo(), baseOffset: 0, lastOffset: 9, sizeBytes: 100, maxTimestamp: -1 }
  const segment = Segment.create(context, '/t-0', 0, 5)
  segment.place(batch, 4096)
  segment.noteUntimed(900)
  assert.equal(segment.newestMs(), 900)
  segment.makeAllFiles()
  segment.seal()
  // Another process knows only the files, and has opened them long after.
  const reopened = Segment.open(context, '/t-0', 0, 10_000)
  assert.equal(reopened.newestMs(), 700)
  files.stat = () => ({ size: 0, modifiedMs: null })
  assert.equal(reopened.newestMs(), 10_000)
  // Records seconds old in a segment whose timestamps are old.
  const mixed = Segment.create(context, '/t-0', 100, 5)
  mixed.place({ ...batch, baseOffset: 100, lastOffset: 109, maxTimestamp: 100 }, 4096)
  assert.equal(mixed.newestMs(), 100)
  mixed.place({ ...batch, baseOffset: 110, lastOffset: 119 }, 4096)
  mixed.noteUntimed(2000)
  assert.equal(mixed.newestMs(), 2000)
})

test('retention.bytes: whole segments, as long as enough remains', () => {
  assert.equal(removable({ config: { retentionBytes: 300 }, timestamps: [1, 1, 1, 1, 1] }), 2)
  assert.equal(removable({ config: { retentionBytes: 301 }, timestamps: [1, 1, 1, 1, 1] }), 1)
  assert.equal(removable({ config: { retentionBytes: 0 }, timestamps: [1, 1, null] }), 2)
  assert.equal(removable({ config: { retentionBytes: 0 }, timestamps: [1, 1] }), 2)
})

test('nothing at or above the high watermark goes', () => {
  const config = { retentionMs: 0, retentionBytes: 0 }
  assert.equal(removable({ config, timestamps: [1, 1, 1], highWatermark: 29 }), 2)
  assert.equal(removable({ config, timestamps: [1, 1, 1], highWatermark: 19 }), 1)
  assert.equal(removable({ config, timestamps: [1, 1, 1], highWatermark: 0 }), 0)
})

test('below the log start offset segments go whatever the policy', () => {
  const config = { cleanupPolicy: { delete: false, compact: true }, retentionMs: 0, retentionBytes: 0 }
  assert.equal(removable({ config, timestamps: [1, 1, 1], logStartOffset: 19 }), 1)
  assert.equal(removable({ config, timestamps: [1, 1, 1], logStartOffset: 20 }), 2)
  assert.equal(removable({ config, timestamps: [1, 1, 1], logStartOffset: 30 }), 2)
})

test('with compaction no segment stays active longer than max.compaction.lag.ms', () => {
  const config = { ...base, segmentMs: 1000, maxCompactionLagMs: 10 }
  assert.equal(rollLimits(config).segmentMs, 1000)
  assert.equal(rollLimits({ ...config, cleanupPolicy: { delete: false, compact: true } }).segmentMs, 10)
})

/** A clock and timers by hand. */
function fakeSystem() {
  const timers: (() => void)[] = []
  const soon: (() => void)[] = []
  const time = { now: 1000, monotonic: 0, tick: 0 }
  const system: System = {
    ...realSystem(memoryFileSystem()),
    clock: trustingClock(
      () => time.now,
      () => (time.monotonic += time.tick),
    ),
    timers: {
      after: (_, callback) => {
        timers.push(callback)
        return { cancel: () => {} }
      },
      soon: callback => void soon.push(callback),
    },
  }
  return { system, time, fire: () => timers.splice(0).forEach(run => void run()), soon }
}

test('the upkeep of many partitions runs in slices, and a failure of one does not stop the others', async () => {
  const { system, time, fire, soon } = fakeSystem()
  const all = Array.from({ length: 50 }, () => partition({ config: { retentionMs: 500 }, timestamps: [100, null] }))
  const broken = all[3]!
  broken.removeSegments = () => {
    throw new Error('EIO')
  }
  const errors: unknown[] = []
  const options = { system, intervalMs: 10, partitions: () => all }
  const retention = new Retention({ ...options, onError: of => void errors.push(of) })
  time.tick = 1
  fire()
  assert.equal(all.filter(of => of.removed.length > 0).length, 3)
  let slices = 1
  for (; soon.length > 0; slices++) {
    soon.shift()!()
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(slices >= 12, `${slices} slices`)
  assert.equal(all.filter(of => of.removed.length === 1).length, 49)
  assert.deepEqual(errors, [broken])
  retention.close()
})
