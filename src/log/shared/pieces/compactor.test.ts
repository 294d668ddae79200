import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeededRandom } from '../../../../sim/world/random.ts'
import { realSystem } from '../../../base.ts'
import { buildBatch, buildMarkerBatch, forEachRecord, header, type Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'
import { type Compaction, Compactor } from './compactor.ts'
import type { Rewritten } from './merge.ts'
import type { Piece } from './piece.ts'
import { batchesOf, type Known, newStage, newTopic, pieceOf, type Stage } from './pieces.testing.ts'

const dayMs = 86_400_000

interface KeyedRecord {
  offset: Offset
  key: string
  value: string | null
}

/** A history with transactions over several pieces; `committed`: what a read_committed reader sees. */
function historyOf(random: SeededRandom, count: number): { pieces: Piece[]; committed: KeyedRecord[] } {
  const topicId = newTopic(random)
  const open = new Map<number, { firstOffset: Offset; records: KeyedRecord[] }>()
  const pieces: Piece[] = []
  const committed: KeyedRecord[] = []
  let offset = 10
  for (let nth = 0; nth < count; nth++) {
    const base = offset
    const batches: Buffer[] = []
    const aborted: AbortedTransaction[] = []
    const stable = () => Math.min(offset, ...[...open.values()].map(each => each.firstOffset))
    const isLast = nth === count - 1
    for (let left = 2 + random.below(30); left > 0 || (isLast && open.size > 0); left--) {
      const producerId = left <= 0 ? [...open.keys()][0]! : random.below(5)
      const transaction = open.get(producerId)
      if (transaction !== undefined && (left <= 0 || random.chance(0.4))) {
        const isCommitted = random.chance(0.5)
        const marker = { committed: isCommitted, coordinatorEpoch: 1, producerId, producerEpoch: 0, timestamp: 0, baseOffset: offset }
        batches.push(buildMarkerBatch(marker))
        open.delete(producerId)
        offset++
        if (isCommitted) committed.push(...transaction.records)
        else aborted.push({ producerId, firstOffset: transaction.firstOffset, lastOffset: offset - 1, lastStableOffset: stable() })
        continue
      }
      const records = Array.from({ length: 1 + random.below(3) }, (_, at) => ({
        offset: offset + at,
        key: `k${random.below(12)}`,
        value: random.chance(0.2) ? null : `v${offset + at}`,
      }))
      const isTransactional = producerId > 0
      const producer = isTransactional ? { producerId, producerEpoch: 0, baseSequence: 0, isTransactional } : {}
      const stored = records.map(({ key, value }) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp: offset,
      }))
      batches.push(buildBatch({ baseOffset: offset, records: stored, ...producer }))
      if (!isTransactional) committed.push(...records)
      else if (transaction === undefined) open.set(producerId, { firstOffset: offset, records })
      else transaction.records.push(...records)
      offset += records.length
    }
    pieces.push(pieceOf({ topicId, partition: 0, base, end: offset }, batches, { aborted, lastStableOffset: stable() }))
  }
  return { pieces, committed: committed.sort((a, b) => a.offset - b.offset) }
}

function compactionOf(stage: Stage, rows: readonly SegmentRow[], more: Partial<Omit<Compaction, 'rows'>> = {}) {
  const own = [...rows]
  return {
    rows: own,
    firstDirty: rows[0]!.baseOffset,
    end: Number.MAX_SAFE_INTEGER,
    config: { deleteRetentionMs: dayMs, segmentBytes: 2_000 },
    history: stage.system.clock.history(),
    mapBytes: 1 << 20,
    lastRecords: [],
    async onRewritten({ removed, added }: Rewritten): Promise<'go on' | 'stop'> {
      own.splice(own.indexOf(removed[0]!), removed.length, ...added)
      return 'go on'
    },
    signal: new AbortController().signal,
    ...more,
  }
}

/** What a read_committed reader sees in these pieces, by the aborted transactions that their indexes name. */
async function visible(
  stage: Stage,
  rows: readonly SegmentRow[],
): Promise<{ records: KeyedRecord[]; known: Known[]; aborted: AbortedTransaction[] }> {
  const aborted: AbortedTransaction[] = []
  for (const row of rows) aborted.push(...(await stage.store.index(row)).aborted.all())
  const known = await batchesOf(stage.store, rows)
  const records: KeyedRecord[] = []
  for (const { bytes, base, last } of known) {
    if (header.isControl(bytes, 0)) continue
    const producerId = header.producerId(bytes, 0)
    const isAborted = aborted.some(each => each.producerId === producerId && each.firstOffset <= last && each.lastOffset >= base)
    if (isAborted && header.isTransactional(bytes, 0)) continue
    forEachRecord(bytes, record => {
      records.push({ offset: record.offset, key: String(record.key), value: record.value === null ? null : String(record.value) })
      return true
    })
  }
  return { records, known, aborted }
}

/** The newest of each key; with `tombstones` also those of keys that were deleted. */
function newest(records: readonly KeyedRecord[], tombstones: boolean): KeyedRecord[] {
  const byKey = new Map<string, KeyedRecord>()
  for (const record of records) byKey.set(record.key, record)
  return [...byKey.values()].filter(each => tombstones || each.value !== null).sort((a, b) => a.offset - b.offset)
}

async function compactTwice(stage: Stage, compactor: Compactor, seed: number): Promise<void> {
  const { store, random, world, system } = stage
  const { pieces, committed } = historyOf(random, 6)
  const rows = await store.write(pieces)
  const compaction = compactionOf(stage, rows)
  const cleanTo = await compactor.compact(compaction)
  assert.equal(cleanTo, rows.at(-1)!.endOffset)
  const once = await visible(stage, compaction.rows)
  assert.deepEqual(once.records, newest(committed, true), `seed ${seed}`)
  assert.deepEqual(
    once.aborted,
    pieces.flatMap(piece => piece.aborted),
  )
  assert.ok(compaction.rows.length <= rows.length)
  let end = rows[0]!.baseOffset
  for (const row of compaction.rows) {
    assert.equal(row.baseOffset, end)
    end = row.endOffset
  }
  assert.equal(end, cleanTo)
  // After the retention of tombstones they go, and the markers of transactions of which nothing is left.
  if (system !== world.system) return
  await new Promise<void>(resolve => world.system.timers.after(2 * dayMs, resolve))
  const again = compactionOf(stage, compaction.rows, { history: system.clock.history() })
  await compactor.compact(again)
  const twice = await visible(stage, again.rows)
  assert.deepEqual(twice.records, newest(committed, false), `seed ${seed}, again`)
  const controls = (known: readonly Known[]) => known.filter(({ bytes }) => header.isControl(bytes, 0) && header.recordCount(bytes, 0) > 0)
  assert.ok(controls(twice.known).length <= controls(once.known).length)
}

test('compaction leaves the newest committed record of each key; tombstones stay as long as delete.retention.ms says', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const stage = newStage(seed)
    const compactor = new Compactor({ system: stage.system, store: stage.store, useThread: false })
    await stage.world.run(compactTwice(stage, compactor, seed))
  }
})

test('the same in a thread', async () => {
  // Timers of the system do not keep a process alive.
  const alive = setInterval(() => {}, 1_000)
  const stage = newStage(1, { system: realSystem() })
  const compactor = new Compactor({ system: stage.system, store: stage.store, useThread: true })
  try {
    await compactTwice(stage, compactor, 1)
    await compactTwice(stage, compactor, 2)
  } finally {
    await compactor.close()
    clearInterval(alive)
  }
})

test('only a part is cleaned: up to the end asked for, to an open transaction, and as far as the map has room', async () => {
  const stage = newStage(3)
  const { world, random, store } = stage
  const compactor = new Compactor({ system: stage.system, store, useThread: false })
  await world.run(
    (async () => {
      const topicId = newTopic(random)
      const piece = (base: Offset, lastStableOffset = base + 200) =>
        pieceOf(
          { topicId, partition: 0, base, end: base + 200 },
          Array.from({ length: 200 }, (_, at) =>
            buildBatch({ baseOffset: base + at, records: [{ key: Buffer.from(`k${at}`), value: Buffer.from('v') }] }),
          ),
          { lastStableOffset },
        )
      const rows = await store.write([piece(0), piece(200), piece(400, 399)])
      const compacted = async (more: Partial<Omit<Compaction, 'rows'>>) => {
        const compaction = compactionOf(stage, rows, more)
        const cleanTo = await compactor.compact(compaction)
        const offsets = (await batchesOf(store, compaction.rows)).map(each => each.base)
        return { cleanTo, offsets, rows: compaction.rows }
      }
      const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)
      // The transaction that is open from 399 on keeps the second piece, and the third.
      const first = await compacted({})
      assert.deepEqual([first.cleanTo, first.offsets.length, first.rows.length], [200, 600, 3])
      assert.deepEqual((await compacted({ end: 100 })).rows, rows)
      const stable = await store.write([piece(0), piece(200), piece(400)])
      const all = compactionOf(stage, stable)
      assert.equal(await compactor.compact(all), 600)
      assert.deepEqual(
        (await batchesOf(store, all.rows)).map(each => each.base),
        range(400, 600),
      )
      const part = compactionOf(stage, stable, { end: 400 })
      assert.equal(await compactor.compact(part), 400)
      assert.deepEqual(
        (await batchesOf(store, part.rows)).map(each => each.base),
        range(200, 600),
      )
      // Room for fewer keys than there are.
      const small = compactionOf(stage, stable, { mapBytes: 24 * 120 })
      const cleanTo = await compactor.compact(small)
      assert.ok(cleanTo > 50 && cleanTo < 120, `clean to ${cleanTo}`)
      assert.equal((await batchesOf(store, small.rows)).length, 600)
      const next = compactionOf(stage, stable, { firstDirty: 200, end: 400 })
      assert.equal(await compactor.compact(next), 400)
      assert.deepEqual(
        (await batchesOf(store, next.rows)).map(each => each.base),
        range(200, 600),
      )
    })(),
  )
})

test('a compaction that is cancelled, or told to stop, leaves the rest as it was', async () => {
  const stage = newStage(4)
  const { world, random, store } = stage
  const compactor = new Compactor({ system: stage.system, store, useThread: false })
  await world.run(
    (async () => {
      const { pieces } = historyOf(random, 6)
      const rows = await store.write(pieces)
      const abort = new AbortController()
      abort.abort()
      await assert.rejects(compactor.compact(compactionOf(stage, rows, { signal: abort.signal })), /cancelled/)
      let results = 0
      await compactor.compact(
        compactionOf(stage, rows, {
          config: { deleteRetentionMs: dayMs, segmentBytes: 1 },
          async onRewritten() {
            results++
            return 'stop'
          },
        }),
      )
      assert.equal(results, 1)
      // The object store away: nothing is answered, and what was there is there.
      stage.s3.stop()
      await assert.rejects(compactor.compact(compactionOf(stage, rows)), { name: 'KAFKA_STORAGE_ERROR' })
    })(),
  )
})
