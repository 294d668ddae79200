/** When rows may be removed, and when they are due to be compacted: Kafka's rules, over rows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClockHistory, trustingClock } from '../../../base.ts'
import type { TopicConfig } from '../../../log.ts'
import type { SegmentRow } from '../../../store.ts'
import { topicConfig } from '../../log.testing.ts'
import { cleanableRows, isOverdue } from './cleanable-rows.ts'
import { mergeRuns } from './merger.ts'
import type { FlushedPartition } from './ports.ts'
import { removableRows } from './retention.ts'
import { Retries } from './retries.ts'
import { RowAges } from './row-ages.ts'

interface Case {
  config?: Partial<TopicConfig>
  /** Newest timestamps of pieces of 10 offsets and 100 bytes each. */
  timestamps: number[]
  logStartOffset?: number
  highWatermark?: number
  lastStableOffset?: number
  unflushedBytes?: number
}

const key = { topicId: '00000000-0000-4000-8000-000000000001', partition: 0 }

function partition({ config, timestamps, unflushedBytes = 0, ...marks }: Case): FlushedPartition {
  const segments = timestamps.map(
    (maxTimestamp, nth): SegmentRow => ({
      ...key,
      baseOffset: nth * 10,
      endOffset: nth * 10 + 10,
      object: `1/p${nth}`,
      position: 0,
      bytes: 100,
      indexBytes: 10,
      maxTimestamp,
    }),
  )
  const end = segments.length * 10
  const given = { config: topicConfig({ retentionMs: -1, ...config }), segments, unflushedBytes, flushedEnd: end }
  return {
    ...given,
    logStartOffset: 0,
    highWatermark: end,
    lastStableOffset: marks.highWatermark ?? end,
    ...marks,
  } as Partial<FlushedPartition> as FlushedPartition
}

const historyUntil = (nowMs: number): ClockHistory => [{ from: Number.NEGATIVE_INFINITY, to: nowMs }]
const agesAt = (now: () => number) => new RowAges({ clock: trustingClock(now, now) })
const removable = (given: Case, nowMs = 1_000) =>
  removableRows(
    partition(given),
    agesAt(() => nowMs),
    historyUntil(nowMs),
  )

test('retention.ms: the oldest whose newest record is too old, up to the first that is not', () => {
  const config = { retentionMs: 500 }
  assert.equal(removable({ config, timestamps: [100, 499, 500, 100, 900] }), 2)
  assert.equal(removable({ config, timestamps: [500, 100] }), 0)
  assert.equal(removable({ config, timestamps: [100, 499] }), 2)
  assert.equal(removable({ config, timestamps: [100, 2_000_000, 100] }), 1, 'a time in the future is not old')
  assert.equal(removable({ config: { ...config, cleanupPolicy: { delete: false, compact: true } }, timestamps: [1, 2] }), 0)
})

test('retention.ms: records without a timestamp are as old as their piece has been known', () => {
  let now = 1_000
  const given = partition({ config: { retentionMs: 500 }, timestamps: [-1, -1] })
  const ages = agesAt(() => now)
  assert.equal(removableRows(given, ages, historyUntil(now)), 0)
  now = 1_500
  assert.equal(removableRows(given, ages, historyUntil(now)), 0)
  now = 1_501
  assert.equal(removableRows(given, ages, historyUntil(now)), 1, 'the second was first looked at just now')
})

test('retention.bytes: what is above it, in whole pieces, the unflushed part counted', () => {
  const timestamps = [1, 2, 3]
  assert.equal(removable({ config: { retentionBytes: 250 }, timestamps }), 0)
  assert.equal(removable({ config: { retentionBytes: 200 }, timestamps }), 1)
  assert.equal(removable({ config: { retentionBytes: 0 }, timestamps }), 3)
  assert.equal(removable({ config: { retentionBytes: 250 }, timestamps, unflushedBytes: 150 }), 2)
})

test('the log start: pieces below it go whatever the policy is; nothing goes above the high watermark', () => {
  const config = { cleanupPolicy: { delete: false, compact: true } }
  assert.equal(removable({ config, timestamps: [1, 2, 3], logStartOffset: 19 }), 1)
  assert.equal(removable({ config, timestamps: [1, 2, 3], logStartOffset: 20 }), 2)
  assert.equal(removable({ config: { retentionBytes: 0 }, timestamps: [1, 2, 3], highWatermark: 25 }), 2)
})

const compact = { cleanupPolicy: { delete: false, compact: true } }
const cleanable = (given: Case, lastCleaned?: number, nowMs = 1_000) =>
  cleanableRows(
    partition({ ...given, config: { ...compact, ...given.config } }),
    lastCleaned,
    agesAt(() => nowMs),
    historyUntil(nowMs),
  )

test('what is dirty begins where the last cleaning ended, if that is in the log', () => {
  const timestamps = [1, 2, 3, 4]
  const found = cleanable({ timestamps }, 20)
  assert.deepEqual([found?.firstDirty, found?.end, found?.ratio, found?.rows.length], [20, 40, 0.5, 4])
  assert.equal(cleanable({ timestamps }, 40), null, 'all is clean')
  assert.deepEqual([cleanable({ timestamps })?.firstDirty, cleanable({ timestamps })?.ratio], [0, 1])
  assert.equal(cleanable({ timestamps }, 50)?.firstDirty, 0, 'behind the end')
  assert.equal(cleanable({ timestamps, logStartOffset: 20 }, 10)?.firstDirty, 20, 'below the log start')
  assert.equal(cleanable({ timestamps, logStartOffset: 20 })?.rows[0]?.baseOffset, 20)
  assert.equal(cleanable({ timestamps, config: { cleanupPolicy: { delete: true, compact: false } } }), null)
})

test('open transactions and min.compaction.lag.ms keep what follows from being cleaned', () => {
  assert.equal(cleanable({ timestamps: [1, 2, 3], lastStableOffset: 29 })?.end, 20)
  const config = { minCompactionLagMs: 500 }
  assert.equal(cleanable({ timestamps: [1, 2, 700, 3], config })?.end, 20)
  assert.equal(cleanable({ timestamps: [900, 2, 3], config }), null)
  assert.equal(cleanable({ timestamps: [900, 2, 3], config }, 10)?.end, 30, 'what is clean may be young')
})

test('max.compaction.lag.ms: a dirty piece began longer ago', async () => {
  const overdue = async (config: Partial<TopicConfig>, firstTimestamps: number[], nowMs = 1_000) => {
    const given = partition({ timestamps: [1, 2, 3], config: { ...compact, ...config } })
    const found = cleanableRows(
      given,
      10,
      agesAt(() => nowMs),
      historyUntil(nowMs),
    )!
    const read: number[] = []
    const firstTimestampOf = async (row: SegmentRow) => {
      read.push(row.baseOffset)
      return firstTimestamps[row.baseOffset / 10]!
    }
    return { is: await isOverdue(found, given, historyUntil(nowMs), firstTimestampOf), read }
  }
  assert.deepEqual(await overdue({}, [1, 1, 1]), { is: false, read: [] }, 'nothing is read where there is no such limit')
  assert.deepEqual(await overdue({ maxCompactionLagMs: 500 }, [1, 499, 1]), { is: true, read: [10] })
  assert.deepEqual(await overdue({ maxCompactionLagMs: 500 }, [1, 500, 900]), { is: false, read: [10, 20] })
  assert.deepEqual(await overdue({ maxCompactionLagMs: 500 }, [1, -1, -1]), { is: false, read: [10, 20] })
})

test('neighbours are merged: clean ones apart, none of them large for the retention, or for a segment', () => {
  const timestamps = Array.from({ length: 40 }, (_, nth) => nth * 100)
  const merged = (config: Partial<TopicConfig>, cleanedTo = 0, logStartOffset = 0) =>
    mergeRuns(partition({ timestamps, config, logStartOffset }), cleanedTo).map(({ rows, isClean }) => [
      rows[0]!.baseOffset,
      rows.length,
      isClean,
    ])
  assert.deepEqual(merged({}), [[0, 40, false]])
  assert.deepEqual(merged({}, 0, 55), [[50, 35, false]])
  assert.deepEqual(merged(compact, 150), [
    [0, 15, true],
    [150, 25, false],
  ])
  const five = Array.from({ length: 8 }, (_, nth) => [nth * 50, 5, false])
  assert.deepEqual(merged({ segmentBytes: 500 }), five)
  assert.deepEqual(merged({ retentionBytes: 2_000 }), five)
  assert.deepEqual(merged({ ...compact, retentionBytes: 2_000 }), [[0, 40, false]], 'no such retention')
  const ten = Array.from({ length: 4 }, (_, nth) => [nth * 100, 10, false])
  assert.deepEqual(merged({ segmentMs: 900 }), ten)
  assert.deepEqual(merged({ retentionMs: 3_600 }), ten)
})

test('what fails is tried after growing pauses, and said once', () => {
  let now = 0
  const reports: string[] = []
  const retries = new Retries(
    {
      clock: trustingClock(
        () => 0,
        () => now,
      ),
    },
    what => reports.push(what),
  )
  const [a, b] = [{}, {}]
  for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    retries.failed(a, 'a', new Error('no'))
    now += pauseMs - 1
    assert.equal(retries.isDue(a), false, `${pauseMs}`)
    now += 1
    assert.equal(retries.isDue(a), true)
  }
  assert.deepEqual([retries.isDue(b), retries.hasFailed(b), retries.hasFailed(a)], [true, false, true])
  assert.deepEqual(reports, ['a failed; it is tried again'])
  retries.failed(b, null, new Error('no'))
  assert.equal(reports.length, 1)
  retries.failed(b, 'b', new Error('no'))
  assert.equal(reports.length, 2, 'what was not said is said later')
  retries.succeeded(a)
  retries.failed(a, 'a', new Error('no'))
  assert.equal(reports.length, 3)
})
