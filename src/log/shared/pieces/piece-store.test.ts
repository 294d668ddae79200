import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch, header } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import { topicIdOf, uuidOf } from '../topic-id.ts'
import {
  type Known,
  knownOf,
  naiveRead,
  newStage,
  newTopic,
  pieceOf,
  randomPiece,
  readAll,
  type Stage,
  storageErrorOf,
} from './pieces.testing.ts'

const forever = Number.MAX_SAFE_INTEGER

/** One piece of batches of about so many bytes each. */
async function writeOne(stage: Stage, batches: number, valueBytes: number): Promise<{ row: SegmentRow; known: Known[] }> {
  const known = Array.from({ length: batches }, (_, nth) =>
    knownOf(buildBatch({ baseOffset: 100 + nth, records: [{ key: null, value: Buffer.alloc(valueBytes, nth) }] })),
  )
  const range = { topicId: newTopic(stage.random), partition: 0, base: 100, end: 100 + batches }
  const [row] = await stage.store.write([
    pieceOf(
      range,
      known.map(each => each.bytes),
    ),
  ])
  return { row: row!, known }
}

test('topic ids in both forms', () => {
  const { random } = newStage(1)
  const uuid = newTopic(random)
  assert.match(topicIdOf(uuid), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(uuidOf(topicIdOf(uuid)), uuid)
})

test('many partitions in one object: read from every offset, as a naive list has it', async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const stage = newStage(seed, { blockBytes: 4_000, faults: seed % 2 === 0 ? 0.1 : 0 })
    const { random, world } = stage
    await world.run(
      (async () => {
        const topics = [newTopic(random), newTopic(random)]
        const written = Array.from({ length: 40 }, (_, nth) =>
          randomPiece(random, {
            topicId: topics[nth % 2]!,
            partition: nth >> 1,
            base: random.below(1_000),
            batches: random.below(30),
            valueBytes: random.chance(0.1) ? 3_000 : 100,
            holes: seed >= 4 ? 0.3 : 0,
          }),
        )
        const rows = await stage.store.write(written.map(each => each.piece))
        assert.equal(new Set(rows.map(row => row.object)).size, 1)
        assertWhole(rows, stage)
        for (const [nth, { piece, known }] of written.entries()) {
          const row = rows[nth]!
          assert.deepEqual(
            [row.topicId, row.partition, row.baseOffset, row.endOffset],
            [topicIdOf(piece.topicId), piece.partition, piece.baseOffset, piece.endOffset],
          )
          const times = known.map(each => Number(header.maxTimestamp(each.bytes, 0)))
          assert.equal(row.maxTimestamp, Math.max(-1, ...times))
          const streamed: Buffer[] = []
          for await (const each of stage.store.batches(row)) streamed.push(each)
          assert.ok(Buffer.concat(streamed).equals(Buffer.concat(known.map(each => each.bytes))))
          for (let from = piece.baseOffset; from <= piece.endOffset; from++) {
            const end = random.chance(0.3) ? from + random.below(50) : forever
            const read = await readAll(stage.store, row, known, from, 1 + random.below(5_000), end)
            assert.ok(read.bytes.equals(naiveRead(known, from, forever, true, end)))
            if (end === forever) assert.equal(read.next, piece.endOffset)
            else assert.ok(read.next <= Math.max(from, end))
          }
        }
      })(),
    )
    assert.equal(stage.s3.finding, null)
  }
})

/** The pieces fill their object, in the order of the partitions. */
function assertWhole(rows: readonly SegmentRow[], stage: Stage): void {
  let position = 0
  const inOrder = rows.toSorted((a, b) => a.position - b.position)
  for (const row of inOrder) {
    assert.equal(row.position, position)
    position += row.bytes + row.indexBytes
  }
  assert.equal(position, stage.contentOf(rows[0]!).length)
  for (const [nth, row] of inOrder.entries()) {
    const next = inOrder[nth + 1]
    if (next?.topicId === row.topicId) assert.ok(next.partition > row.partition)
  }
}

test('a piece of more than 8 MiB has an object of its own, and small ones share as few as possible', async () => {
  const stage = newStage(1)
  const { random, world, store } = stage
  await world.run(
    (async () => {
      const shapes = [
        { batches: 10, valueBytes: 100 },
        // More than one PUT takes, in parts; and batches larger than a block.
        { batches: 40, valueBytes: 1_500_000 },
        { batches: 300, valueBytes: 10_000 },
        { batches: 10, valueBytes: 100 },
      ]
      const topicId = newTopic(random)
      const written = shapes.map((shape, partition) => randomPiece(random, { topicId, partition, base: 50, ...shape }))
      assert.ok(written[1]!.known.reduce((sum, each) => sum + each.bytes.length, 0) > 20 << 20)
      const rows = await store.write(written.map(each => each.piece))
      assert.deepEqual(
        rows.map(row => rows.findIndex(other => other.object === row.object)),
        [0, 1, 0, 0],
      )
      for (const [nth, { known, piece }] of written.entries()) {
        const read = await readAll(store, rows[nth]!, known, piece.baseOffset, 1 << 20, forever)
        assert.ok(read.bytes.equals(Buffer.concat(known.map(each => each.bytes))))
      }
    })(),
  )
})

test('damage at every byte of an index, and of a header of a batch, is a KAFKA_STORAGE_ERROR with the name of the object', async () => {
  const stage = newStage(3, { blockBytes: 40_000 })
  const { world, random, contentOf } = stage
  await world.run(
    (async () => {
      for (const valueBytes of [20, 9_000]) {
        const { row } = await writeOne(stage, 12, valueBytes)
        const content = contentOf(row)
        for (let at = row.bytes; at < content.length; at++) {
          const before = content[at]!
          content[at] = before ^ (1 << random.below(8))
          const { index, read, batches } = askOf(stage, row)
          await assert.rejects(index, storageErrorOf(row), `byte ${at - row.bytes} of the index`)
          await assert.rejects(read, storageErrorOf(row))
          await assert.rejects(batches, storageErrorOf(row))
          content[at] = before
        }
        // Base offset, length and magic; the checksum covers what follows, and is verified where all is read.
        for (const at of [0, 4, 7, 8, 9, 10, 11, 16]) {
          const before = content[at]!
          content[at] = before ^ 0x81
          await assert.rejects(askOf(stage, row).read, storageErrorOf(row), `byte ${at} of the first batch`)
          content[at] = before
        }
        content[80]! ^= 1
        await assert.rejects(askOf(stage, row).batches, storageErrorOf(row))
      }
    })(),
  )
})

/** By a store that has nothing in its cache. */
function askOf({ another }: Stage, row: SegmentRow) {
  return {
    index: async () => void (await another().index(row)),
    read: async () => void (await another().read(row, row.baseOffset, 1_000_000, true, forever)),
    batches: async () => {
      for await (const _ of another().batches(row));
    },
  }
}

test('a row that leads to another piece, beyond the object, or to none, is a KAFKA_STORAGE_ERROR', async () => {
  const stage = newStage(4)
  await stage.world.run(
    (async () => {
      const { row } = await writeOne(stage, 12, 20)
      const { row: other } = await writeOne(stage, 12, 20)
      const wrong: SegmentRow[] = [
        { ...row, object: other.object },
        { ...row, partition: 1 },
        { ...row, baseOffset: row.baseOffset - 1 },
        { ...row, endOffset: row.endOffset + 1 },
        { ...row, bytes: row.bytes - 1 },
        { ...row, position: 1 },
        { ...row, indexBytes: 0 },
        { ...row, indexBytes: row.indexBytes + 34 },
        { ...row, indexBytes: 2 ** 40 },
        { ...row, position: Number.NaN },
        { ...row, object: '7/gone' },
      ]
      for (const each of wrong) await assert.rejects(askOf(stage, each).read, storageErrorOf(each), JSON.stringify(each))
    })(),
  )
})

test('a store that is away gives errors, never an empty answer; nothing of that stays when it is back', async () => {
  const stage = newStage(5)
  const { world, store, s3 } = stage
  await world.run(
    (async () => {
      const { row, known } = await writeOne(stage, 1_000, 10_000)
      await readAll(store, row, known, 100, 100, 101)
      s3.stop()
      await assert.rejects(async () => void (await store.read(row, 1_050, 1_000, true, forever)), storageErrorOf(row))
      await assert.rejects(askOf(stage, row).batches, storageErrorOf(row))
      await assert.rejects(writeOne(stage, 4, 10), { name: 'KAFKA_STORAGE_ERROR' })
      // What is cached is still read.
      assert.equal((await store.read(row, 100, 100, true, 101)).chunks.length, 1)
      s3.start()
      const read = await readAll(store, row, known, 1_050, 1_000, forever)
      assert.ok(read.bytes.equals(naiveRead(known, 1_050, forever, true, forever)))
    })(),
  )
})

test('when one of the objects is refused, none of them is left', async () => {
  const stage = newStage(6)
  const { world, random, store, s3, objects } = stage
  await world.run(
    (async () => {
      const topicId = newTopic(random)
      const batch = knownOf(buildBatch({ baseOffset: 0, records: [{ key: null, value: Buffer.alloc(9 << 20) }] }))
      const pieces = Array.from({ length: 6 }, (_, partition) => pieceOf({ topicId, partition, base: 0, end: 1 }, [batch.bytes]))
      let puts = 0
      let there = 0
      const put = objects.put.bind(objects)
      objects.put = async (name, content) => {
        if (++puts === 6) {
          there = s3.objects.size
          s3.stop()
        }
        await put(name, content)
      }
      await assert.rejects(store.write(pieces), { name: 'KAFKA_STORAGE_ERROR' })
      assert.ok(there > 0)
      s3.start()
      await new Promise<void>(resolve => world.system.timers.after(60_000, resolve))
      assert.deepEqual([[...s3.objects.keys()], stage.reports], [[], []])
    })(),
  )
})

test('one GET for each block, however many wait; the cache keeps its bound', async () => {
  const stage = newStage(7, { blockBytes: 100_000, cacheBytes: 1_000_000 })
  const { world, random, store, objects } = stage
  await world.run(
    (async () => {
      const { row, known } = await writeOne(stage, 500, 10_000)
      const gets = () => objects.counts.get.requests
      const readers = (count: number, from: () => number) =>
        Promise.all(
          Array.from({ length: count }, async () => {
            const begin = from()
            const slice = await store.read(row, begin, 30_000, true, forever)
            assert.ok(Buffer.concat(slice.chunks).equals(naiveRead(known, begin, 30_000, true, forever).subarray(0, slice.bytes)))
            assert.ok(slice.bytes > 0)
            assert.ok(store.cachedBytes <= 1_000_000, `${store.cachedBytes} bytes`)
          }),
        )
      await readers(200, () => 300)
      assert.equal(gets(), 2, 'the index and one block')
      await readers(500, () => 100 + random.below(500))
      assert.ok(store.cachedBytes > 600_000, `${store.cachedBytes} bytes`)
    })(),
  )
})

test('a sequential reader finds its next blocks in the cache, over the end of a piece; one that jumps loads only what it asks for', async () => {
  const stage = newStage(8, { blockBytes: 100_000 })
  const { world, store, objects } = stage
  await world.run(
    (async () => {
      const first = await writeOne(stage, 100, 10_000)
      const second = await writeOne(stage, 100, 10_000)
      const gets = () => objects.counts.get.requests
      const pause = () => new Promise<void>(resolve => world.system.timers.after(10_000, resolve))
      // A place in the middle: the index, and the block.
      await store.read(first.row, 150, 10_500, true, forever)
      await pause()
      assert.equal(gets(), 2)
      await store.read(first.row, 120, 10_500, true, forever)
      await pause()
      assert.equal(gets(), 3)
      let waited = 0
      for (const { row } of [first, second]) {
        for (let next = row.baseOffset; next < row.endOffset; ) {
          const slice = store.read(row, next, 25_000, true, forever, row === first.row ? [second.row] : [])
          if (slice instanceof Promise) waited++
          next = (await slice).next
          await pause()
        }
      }
      assert.equal(waited, 1)
      // Each block and each index once, and most blocks together with others.
      const { requests, bytes } = objects.counts.get
      assert.equal(bytes, first.row.bytes + first.row.indexBytes + second.row.bytes + second.row.indexBytes)
      assert.ok(requests < 15, `${requests} requests`)
    })(),
  )
})

for (const cacheBytes of [1 << 20, 1_000])
  test(`holes: the end of a compacted piece, no batches at all, a block with nothing for the reader; cache of ${cacheBytes} bytes`, async () => {
    const stage = newStage(9, { blockBytes: 50_000, cacheBytes })
    const { world, random, store } = stage
    await world.run(
      (async () => {
        const topicId = newTopic(random)
        const at = (base: number) => knownOf(buildBatch({ baseOffset: base, records: [{ key: null, value: Buffer.alloc(40_000) }] }))
        const known = [at(10), at(500), at(9_000_000_000)]
        const end = 9_500_000_000
        const batches = known.map(each => each.bytes)
        const [row, empty] = await store.write([
          pieceOf({ topicId, partition: 0, base: 0, end }, batches),
          pieceOf({ topicId, partition: 1, base: 7, end: 70 }, []),
        ])
        assert.equal((await store.index(row!)).blocks, 3)
        for (const from of [0, 10, 11, 499, 500, 501, 8_999_999_999, 9_000_000_000, 9_000_000_001, end - 1])
          for (const bound of [from, 11, 501, 9_000_000_000, 9_000_000_001, end]) {
            const read = await readAll(stage.another(), row!, known, from, 1_000_000, bound)
            assert.ok(read.bytes.equals(naiveRead(known, from, forever, true, bound)), `${from} to ${bound}`)
          }
        assert.deepEqual(await store.read(row!, 9_000_000_001, 100, true, forever), { chunks: [], bytes: 0, next: end })
        assert.deepEqual(await store.read(empty!, 8, 100, true, forever), { chunks: [], bytes: 0, next: 70 })
        assert.equal(empty!.bytes, 0)
        for await (const _ of store.batches(empty!)) assert.fail('no batches')
      })(),
    )
  })

test('large answers are views of the cached block; small ones do not keep it in memory', async () => {
  const stage = newStage(11)
  const { world, store } = stage
  await world.run(
    (async () => {
      const { row } = await writeOne(stage, 60, 10_000)
      const [large, again] = [await store.read(row, 100, 400_000, true, forever), await store.read(row, 100, 400_000, true, forever)]
      assert.equal(large.chunks[0]!.buffer, again.chunks[0]!.buffer)
      const small = await store.read(row, 110, 250_000, true, forever)
      assert.ok(small.bytes > 200_000 && small.chunks[0]!.buffer.byteLength < 2 * small.bytes)
    })(),
  )
})

test('an answer has some blocks at most, however much is asked for and cached', async () => {
  const stage = newStage(12, { blockBytes: 100_000 })
  const { world, store } = stage
  await world.run(
    (async () => {
      const { row, known } = await writeOne(stage, 200, 10_000)
      await readAll(store, row, known, 100, 50_000_000, forever)
      const slice = store.read(row, 100, 50_000_000, true, forever)
      assert.ok(!(slice instanceof Promise) && slice.chunks.length === 4 && slice.next < 150)
    })(),
  )
})

test('without room nothing is read, and without atLeastOne nothing that does not fit', async () => {
  const stage = newStage(10)
  const { world, store } = stage
  await world.run(
    (async () => {
      const { row } = await writeOne(stage, 5, 1_000)
      assert.deepEqual(await store.read(row, 102, 500, false, forever), { chunks: [], bytes: 0, next: 102 })
      assert.deepEqual(await store.read(row, 102, 0, false, forever), { chunks: [], bytes: 0, next: 102 })
      assert.equal((await store.read(row, 102, 0, true, forever)).next, 103)
    })(),
  )
})
