import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SeededRandom } from '../../../../sim/world/random.ts'
import { simulatedWorld } from '../../../../sim/world/world.ts'
import { trustingClock } from '../../../base.ts'
import { buildBatch, findRecord, forEachRecord, type Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import type { AbortedTransaction } from '../../segments/aborted-entries.ts'
import { abortedInPieces, offsetForTimestampInPieces, offsetOfMaxTimestampInPieces } from './lookups.ts'
import type { Piece } from './piece.ts'
import { abortMarker, type Known, newStage, newTopic, pieceOf, randomPiece, storageErrorOf } from './pieces.testing.ts'

interface KnownRecord {
  offset: Offset
  timestamp: number
}

function recordsOf(known: readonly Known[]): KnownRecord[] {
  const records: KnownRecord[] = []
  for (const { bytes } of known)
    forEachRecord(bytes, record => {
      records.push({ offset: record.offset, timestamp: Number(record.timestamp) })
      return true
    })
  return records
}

/** Neighbouring pieces of one partition. */
function neighbours(random: SeededRandom, count: number): { pieces: Piece[]; records: KnownRecord[] } {
  const topicId = newTopic(random)
  const pieces: Piece[] = []
  const records: KnownRecord[] = []
  let base = random.below(100)
  for (let nth = 0; nth < count; nth++) {
    const untimed = random.chance(0.2)
    const { piece, known } = randomPiece(random, {
      topicId,
      partition: 3,
      base,
      batches: random.below(25),
      valueBytes: 4_000,
      holes: 0.2,
      timestamp: () => (untimed ? -1 : random.below(500)),
    })
    pieces.push(piece)
    records.push(...recordsOf(known))
    base = piece.endOffset
  }
  return { pieces, records }
}

test('offsets by time, and the newest record, as a naive list has it', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const stage = newStage(seed, { blockBytes: 40_000 })
    const { world, random, store } = stage
    await world.run(
      (async () => {
        const { pieces, records } = neighbours(random, 6)
        const rows = await store.write(pieces)
        const [begin, end] = [rows[0]!.baseOffset, rows.at(-1)!.endOffset]
        for (let round = 0; round < 300; round++) {
          const from = begin + random.below(end - begin)
          const to = random.chance(0.5) ? end : from + random.below(end - from + 1)
          const timestamp = random.below(520) - 2
          const within = records.filter(record => record.offset >= from && record.offset < to)
          const first = within.find(record => record.timestamp >= timestamp)
          const found = await offsetForTimestampInPieces(store, rows, timestamp, from, to, findRecord)
          assert.deepEqual([found?.offset, found?.timestampMs], [first?.offset, first?.timestamp], `${timestamp} in [${from}, ${to})`)
          const later = records.filter(record => record.offset >= from)
          const newest = later.reduce<KnownRecord | undefined>(
            (best, each) => (best && best.timestamp >= each.timestamp ? best : each),
            undefined,
          )
          const latest = await offsetOfMaxTimestampInPieces(store, rows, from, end, findRecord)
          assert.deepEqual([latest?.offset, latest?.timestampMs], [newest?.offset, newest?.timestamp], `newest from ${from}`)
        }
      })(),
    )
  }
})

test('timestamps beyond 53 bits are found, though a row cannot hold them', async () => {
  const stage = newStage(1)
  const { world, random, store } = stage
  await world.run(
    (async () => {
      const huge = 2n ** 62n
      const batch = (baseOffset: number, timestamp: number | bigint) =>
        buildBatch({ baseOffset, records: [{ key: null, value: null, timestamp }] })
      const topicId = newTopic(random)
      const rows = await store.write([
        pieceOf({ topicId, partition: 0, base: 0, end: 2 }, [batch(0, 5), batch(1, huge)]),
        pieceOf({ topicId, partition: 0, base: 2, end: 3 }, [batch(2, huge + 1n)]),
      ])
      assert.equal(rows[0]!.maxTimestamp, Number.MAX_SAFE_INTEGER)
      assert.equal((await offsetForTimestampInPieces(store, rows, huge, 0, 3, findRecord))?.offset, 1)
      assert.equal((await offsetForTimestampInPieces(store, rows, huge + 1n, 0, 3, findRecord))?.offset, 2)
      assert.equal(await offsetForTimestampInPieces(store, rows, huge + 2n, 0, 3, findRecord), null)
      assert.equal((await offsetOfMaxTimestampInPieces(store, rows, 0, 3, findRecord))?.offset, 2)
    })(),
  )
})

/** Transactions of random length, some of them long, whose markers lie in several pieces. */
function abortedPieces(random: SeededRandom): { pieces: Piece[]; all: AbortedTransaction[] } {
  const topicId = newTopic(random)
  const open = new Map<number, Offset>()
  const all: AbortedTransaction[] = []
  const pieces: Piece[] = []
  let offset = 0
  for (let nth = 0; nth < 8; nth++) {
    const base = offset
    const batches: Buffer[] = []
    const aborted: AbortedTransaction[] = []
    const stable = () => Math.min(offset, ...open.values())
    for (let left = 1 + random.below(30); left > 0; left--) {
      const producerId = random.below(random.chance(0.05) ? 40 : 4)
      const firstOffset = open.get(producerId)
      if (firstOffset !== undefined && random.chance(0.5)) {
        open.delete(producerId)
        batches.push(abortMarker(producerId, offset++))
        aborted.push({ producerId, firstOffset, lastOffset: offset - 1, lastStableOffset: stable() })
        continue
      }
      const batch = { baseOffset: offset, producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true }
      batches.push(buildBatch({ ...batch, records: [{ key: null, value: null }] }))
      if (firstOffset === undefined) open.set(producerId, offset)
      offset++
    }
    pieces.push(pieceOf({ topicId, partition: 0, base, end: offset }, batches, { aborted, lastStableOffset: stable() }))
    all.push(...aborted)
  }
  return { pieces, all }
}

test('aborted transactions of a range, as a naive list has it; the indexes of later pieces are not read in vain', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const stage = newStage(seed)
    const { world, random, store } = stage
    await world.run(
      (async () => {
        const { pieces, all } = abortedPieces(random)
        const rows = await store.write(pieces)
        const end = rows.at(-1)!.endOffset
        for (let round = 0; round < 200; round++) {
          const from = random.below(end)
          const to = from + 1 + random.below(end - from)
          const found = await abortedInPieces(store, rows, from, to)
          const wanted = all.filter(each => each.firstOffset < to && each.lastOffset >= from)
          assert.deepEqual(byFirst(found), byFirst(wanted), `[${from}, ${to})`)
          assert.deepEqual(
            found.map(each => each.firstOffset),
            byFirst(found).map(each => each.firstOffset),
          )
        }
        for (const [nth, row] of rows.entries()) assert.deepEqual((await store.index(row)).aborted.all(), pieces[nth]!.aborted)
      })(),
    )
  }
})

function byFirst(all: readonly AbortedTransaction[]): AbortedTransaction[] {
  return all.toSorted((a, b) => a.firstOffset - b.firstOffset || a.lastOffset - b.lastOffset)
}

test('a reader of a piece without open transactions loads the index of that piece only', async () => {
  const stage = newStage(2)
  const { world, random, store, objects } = stage
  await world.run(
    (async () => {
      const { pieces } = neighbours(random, 5)
      const rows: SegmentRow[] = []
      for (const piece of pieces) rows.push(...(await store.write([piece])))
      assert.deepEqual(await abortedInPieces(store, rows, rows[1]!.baseOffset, rows[1]!.endOffset), [])
      assert.equal(objects.counts.get.requests, 1)
      stage.s3.objects.delete(`cluster/${rows[2]!.object}`)
      await assert.rejects(
        async () => void (await abortedInPieces(store, rows, rows[2]!.baseOffset, rows[2]!.endOffset)),
        storageErrorOf(rows[2]!),
      )
    })(),
  )
})

test('a look-up that goes through many blocks takes many turns, also if all of them are in memory', async () => {
  const world = simulatedWorld({ seed: 5 })
  let nowMs = 0
  let turns = 0
  // As if each block took a millisecond.
  const clock = trustingClock(
    () => world.system.clock.now(),
    () => nowMs++,
  )
  const soon = (callback: () => void) => {
    turns++
    world.system.timers.soon(callback)
  }
  const system = { ...world.system, clock, timers: { ...world.system.timers, soon } }
  const { store, random } = newStage(5, { system, blockBytes: 40_000 })
  await world.run(
    (async () => {
      const shape = { topicId: newTopic(random), partition: 0, base: 0, batches: 300, valueBytes: 4_000 }
      const { piece } = randomPiece(random, { ...shape, timestamp: nth => 10_000 - nth })
      const rows = await store.write([piece])
      const newest = async () => {
        const before = turns
        const found = await offsetOfMaxTimestampInPieces(store, rows, 10, piece.endOffset, findRecord)
        return { found, turns: turns - before }
      }
      const { found } = await newest()
      const again = await newest()
      assert.deepEqual(again.found, found)
      assert.ok((await store.index(rows[0]!)).blocks > 20)
      assert.ok(again.turns > 4, `${again.turns} turns`)
    })(),
  )
})
