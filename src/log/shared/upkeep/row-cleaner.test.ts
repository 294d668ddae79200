import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../../../protocol.ts'
import type { SegmentRow, Writes } from '../../../store.ts'
import { topicConfig } from '../../log.testing.ts'
import { newStage, newTopic, pieceOf, type Stage } from '../pieces/pieces.testing.ts'
import { noCounts } from './counts.ts'
import { Leftovers } from './leftovers.ts'
import { type FlushedPartition, keyOfRow, type RowJournal } from './ports.ts'
import { Retries } from './retries.ts'
import { RowAges } from './row-ages.ts'
import { cleanedNames, RowCleaner } from './row-cleaner.ts'
import { RowWriter } from './row-writer.ts'

function cleanerOf(stage: Stage, segments: SegmentRow[], lastStableOffset: number) {
  let looks = 0
  const partition = {
    ...{ name: 't-0', key: keyOfRow(segments[0]!), writable: true, logStartOffset: 0, lastStableOffset },
    config: topicConfig({ cleanupPolicy: { delete: false, compact: true } }),
    ...{ segments, flushedEnd: segments.at(-1)!.endOffset },
    lastRecords: () => [],
    replaceSegments(removed: readonly SegmentRow[], added: readonly SegmentRow[]) {
      segments.splice(segments.indexOf(removed[0]!), removed.length, ...added)
    },
  }
  const journal = {
    ended: null,
    async write(_: unknown, __: unknown, make: (seq: number) => Writes) {
      make(1)
      return 'committed'
    },
  }
  const { system, objects, store: pieces } = stage
  const report = (what: string, error: unknown) => void stage.reports.push(`${what}: ${error}`)
  const cleaner = new RowCleaner({
    ...{ system, pieces, report, counts: noCounts(), useThread: false, ages: new RowAges(system), rewriting: new Set() },
    rows: new RowWriter(journal as unknown as RowJournal),
    nameCleaned: cleanedNames(system.random, 7),
    leftovers: new Leftovers(objects, new Retries(system, report)),
    settings: { cleanerDedupeBufferBytes: 1 << 20 },
    partitions() {
      assert.ok(++looks < 50, 'it looks for work again and again')
      return [partition as unknown as FlushedPartition]
    },
  })
  return { cleaner, looks: () => looks }
}

/** 20 records of one key, in two pieces; in the second a transaction is open from `lastStableOffset` on. */
async function written(stage: Stage, lastStableOffset: number): Promise<SegmentRow[]> {
  const topicId = newTopic(stage.random)
  const batches = Array.from({ length: 20 }, (_, nth) =>
    buildBatch({ baseOffset: nth, records: [{ key: Buffer.from('k'), value: Buffer.from(String(nth)) }] }),
  )
  const range = { topicId, partition: 0 }
  return [
    ...(await stage.store.write([pieceOf({ ...range, base: 0, end: 10 }, batches.slice(0, 10))])),
    ...(await stage.store.write([pieceOf({ ...range, base: 10, end: 20 }, batches.slice(10), { lastStableOffset })])),
  ]
}

test('what can be cleaned is; then there is nothing to do', async () => {
  const stage = newStage(1)
  await stage.world.run(
    (async () => {
      const segments = await written(stage, 20)
      const { cleaner } = cleanerOf(stage, segments, 20)
      await cleaner.run()
      assert.equal(segments.length, 1)
      assert.match(segments[0]!.object, /^7\/c1-/)
      assert.equal(segments[0]!.bytes, buildBatch({ records: [{ key: Buffer.from('k'), value: Buffer.from('19') }] }).length)
      assert.deepEqual(stage.reports, [])
    })(),
  )
})

test('a transaction whose marker is in no piece yet: it is tried later, not again and again', async () => {
  const stage = newStage(1)
  await stage.world.run(
    (async () => {
      const segments = await written(stage, 0)
      const { cleaner, looks } = cleanerOf(stage, segments, 25)
      await cleaner.run()
      assert.equal(looks(), 2)
      assert.equal(segments.length, 2)
      assert.deepEqual(stage.reports, [])
    })(),
  )
})
