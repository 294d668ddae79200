import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../../base.ts'
import type { SegmentRow } from '../../../store.ts'
import { merge, mergeable } from './merge.ts'
import { abortMarker, batchesOf, newStage, newTopic, pieceOf, randomPiece, readAll } from './pieces.testing.ts'

test('neighbours become one piece with all that they had', async () => {
  for (const seed of [1, 2, 3]) {
    const stage = newStage(seed, { faults: seed === 3 ? 0.05 : 0 })
    const { world, random, store } = stage
    await world.run(
      (async () => {
        const topicId = newTopic(random)
        const shape = { topicId, partition: 2, batches: 60, valueBytes: 100_000, holes: 0.1 }
        const first = randomPiece(random, { ...shape, base: 7 })
        const end = first.piece.endOffset
        const aborted = { producerId: 5, firstOffset: 9, lastOffset: end, lastStableOffset: end + 1 }
        const marker = pieceOf({ topicId, partition: 2, base: end, end: end + 1 }, [abortMarker(5, end)], { aborted: [aborted] })
        const third = randomPiece(random, { ...shape, base: end + 1 })
        const last = pieceOf({ topicId, partition: 2, base: third.piece.endOffset, end: third.piece.endOffset + 9 }, [], {
          lastStableOffset: third.piece.endOffset - 1,
        })
        const rows = await store.write([first.piece, marker, third.piece, last])
        const { removed, added } = await merge(store, new Turns(stage.system), rows)
        assert.deepEqual(removed, rows)
        const [row] = added
        assert.deepEqual([added.length, row!.baseOffset, row!.endOffset], [1, 7, last.endOffset])
        assert.equal(row!.maxTimestamp, Math.max(...rows.map(each => each.maxTimestamp)))
        const known = await batchesOf(store, rows)
        const read = await readAll(store, row!, known, 7, 1 << 20, last.endOffset)
        assert.ok(read.bytes.equals(Buffer.concat(known.map(each => each.bytes))))
        const index = await store.index(row!)
        assert.deepEqual(index.aborted.all(), [aborted])
        assert.equal(index.lastStableOffset, last.lastStableOffset)
        assert.equal(index.firstTimestamp, (await store.index(rows[0]!)).firstTimestamp)
      })(),
    )
  }
})

/** Rows of these sizes. */
function rowsOf(sizes: readonly number[]): SegmentRow[] {
  return sizes.map((bytes, nth) => ({
    topicId: '',
    partition: 0,
    baseOffset: nth,
    endOffset: nth + 1,
    object: `${nth}`,
    position: 0,
    bytes,
    indexBytes: 88,
    maxTimestamp: -1,
  }))
}

test('what is merged fills a piece, or is many of similar size', () => {
  const groups = (sizes: number[]) => mergeable(rowsOf(sizes), 100).map(group => group.map(row => row.baseOffset))
  assert.deepEqual(groups([]), [])
  assert.deepEqual(groups([100, 5, 200, 5, 5]), [])
  assert.deepEqual(groups([60, 60, 60, 60, 10]), [
    [0, 1],
    [2, 3],
  ])
  assert.deepEqual(groups([300, 60, 50, 300]), [[1, 2]])
  assert.deepEqual(groups([1, 1, 1, 1, 1, 1, 1]), [])
  assert.deepEqual(groups([8, 1, 1, 1, 1, 1, 1, 1, 1]), [[1, 2, 3, 4, 5, 6, 7, 8]])
  assert.deepEqual(groups([0, 0, 0, 0, 0, 0, 0, 0]), [[0, 1, 2, 3, 4, 5, 6, 7]])
})

test('a byte is written again a few times only, and rows stay few', () => {
  let rows: SegmentRow[] = []
  let written = 0
  const arrived = 4_000
  for (let nth = 0; nth < arrived; nth++) {
    rows.push({ ...rowsOf([1])[0]!, baseOffset: nth, endOffset: nth + 1 })
    for (const group of mergeable(rows, 1_000)) {
      const bytes = group.reduce((sum, row) => sum + row.bytes, 0)
      written += bytes
      const at = rows.indexOf(group[0]!)
      rows = rows.toSpliced(at, group.length, { ...group[0]!, endOffset: group.at(-1)!.endOffset, bytes })
    }
  }
  assert.ok(written < 5 * arrived, `${written} bytes written for ${arrived}`)
  assert.ok(rows.length < 40, `${rows.length} rows`)
  for (const [nth, row] of rows.entries()) if (nth > 0) assert.equal(row.baseOffset, rows[nth - 1]!.endOffset)
})
