import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredBatch } from '../client.ts'
import { batchesIn, buildBatch, type CompressionType, forEachRecordOf, isIntact, type NewBatch, retainRecords } from '../protocol.ts'
import { type Outgoing, toOutgoing } from './batches.ts'
import type { Chunk } from './state.ts'
import { cutTo } from './state.ts'
import { within } from './translate.ts'

const producer = { producerId: 77, producerEpoch: 3, sequence: 10 }
const most = 1_000_000

function stored(batch: NewBatch): StoredBatch {
  const [view] = batchesIn(buildBatch(batch))
  return view!
}

function plain(count: number, baseOffset: number, compression: CompressionType = 'none', size = 5): StoredBatch {
  const records = Array.from({ length: count }, (_, at) => ({
    key: Buffer.from(`k${baseOffset + at}`),
    value: Buffer.alloc(size, 97 + (at % 26)),
    timestamp: 1_000 + baseOffset + at,
    headers: [
      { key: 'h', value: Buffer.from('1') },
      { key: 'h', value: null },
    ],
  }))
  return stored({ records, baseOffset, compression })
}

/** What a reader of the target gets; also checks that brokers take each batch. */
function recordsOf(outgoing: readonly Outgoing[]) {
  let sequence = producer.sequence
  return outgoing.flatMap(({ bytes, count }) => {
    const [batch] = batchesIn(bytes)
    assert.ok(isIntact(batch!))
    const { header } = batch!
    assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [77, 3, sequence])
    assert.deepEqual([header.baseOffset, header.lastOffset, header.recordCount], [0, count - 1, count])
    assert.deepEqual([header.isTransactional, header.hasDeleteHorizon, header.timestampType, header.magic], [false, false, 'CreateTime', 2])
    sequence += count
    const records: [string, string | undefined, number, number][] = []
    forEachRecordOf(batch!, ({ key, value, timestamp, headers }) => {
      records.push([String(key), value?.toString().slice(0, 5), Number(timestamp), headers.length])
    })
    return records
  })
}

test('small batches are merged, large ones go on as they are, codecs are kept', () => {
  const large = plain(100, 2, 'none', 2_000)
  const payload = Buffer.from(large.bytes.subarray(61))
  const out = toOutgoing([plain(1, 0), plain(1, 1), large, plain(2, 102, 'zstd'), plain(2, 104, 'gzip')], 0n, producer, most)
  assert.deepEqual(
    out.map(({ count, next, runs }) => [count, next, runs]),
    [
      [2, 2n, [{ start: 0n, count: 2 }]],
      [100, 102n, [{ start: 2n, count: 100 }]],
      [2, 104n, [{ start: 102n, count: 2 }]],
      [2, 106n, [{ start: 104n, count: 2 }]],
    ],
  )
  assert.ok(out[1]!.bytes.subarray(61).equals(payload))
  assert.deepEqual(
    out.map(({ bytes }) => [...batchesIn(bytes)][0]!.header.compression),
    ['none', 'none', 'zstd', 'gzip'],
  )
  const records = recordsOf(out)
  assert.equal(records.length, 106)
  assert.deepEqual(records[105], ['k105', 'bbbbb', 1_105, 2])
})

test('merging ends at what the target takes', () => {
  const out = toOutgoing(
    Array.from({ length: 10 }, (_, at) => plain(1, at, 'none', 300)),
    0n,
    producer,
    1_000,
  )
  assert.ok(out.every(({ bytes }) => bytes.length < 1_000))
  assert.equal(recordsOf(out).length, 10)
})

test('holes of compaction are closed, and the source offsets known', () => {
  const kept = retainRecords(plain(6, 10, 'lz4'), ({ offset }) => offset % 2 === 0, { keepEmpty: false, deleteHorizonMs: 5_000 })!
  const out = toOutgoing([...batchesIn(kept), plain(1, 16, 'lz4')], 0n, producer, most)
  assert.deepEqual(
    recordsOf(out).map(each => [each[0], each[2]]),
    [10, 12, 14, 16].map(offset => [`k${offset}`, 1_000 + offset]),
  )
  assert.deepEqual(
    out[0]!.runs.map(({ start, count }) => [start, count]),
    [
      [10n, 1],
      [12n, 1],
      [14n, 1],
      [16n, 1],
    ],
  )
})

test('the time of the broker becomes that of each record', () => {
  const records = [1, 2].map(at => ({ key: Buffer.from(`k${at}`), value: null, timestamp: at }))
  const out = toOutgoing([stored({ records, timestamp: 9_999, timestampType: 'LogAppendTime' })], 0n, producer, most)
  assert.deepEqual(
    recordsOf(out).map(([, , timestamp]) => timestamp),
    [9_999, 9_999],
  )
})

test('of a batch that was sent in part the rest is sent', () => {
  const out = toOutgoing([plain(5, 0), plain(5, 5)], 3n, producer, most)
  assert.deepEqual(
    recordsOf(out).map(([key]) => key),
    ['k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9'],
  )
})

test('transactional batches and empty ones', () => {
  const records = [{ key: Buffer.from('k'), value: Buffer.from('v') }]
  const transactional = stored({ records, timestamp: 1, producerId: 5, producerEpoch: 1, baseSequence: 9, isTransactional: true })
  const empty = stored({ records: [], lastOffsetDelta: 3, baseOffset: 1, producerId: 5, producerEpoch: 1, baseSequence: 0 })
  const out = toOutgoing([transactional, empty], 0n, producer, most)
  assert.deepEqual(recordsOf(out), [['k', 'v', 1, 0]])
})

function chunk(batches: Chunk['batches'], next: bigint): Chunk {
  const place = { topic: 't', partition: 0, ids: ['', ''] as const, from: 100n, next, at: 1_000n }
  return { ...place, batches, producerId: 1, epoch: 0, sequence: 0, round: 1, isSettled: false }
}

test('an offset of the source is translated exactly, and never too far', () => {
  const exact = chunk(
    [
      {
        count: 3,
        next: 105n,
        runs: [
          { start: 100n, count: 2 },
          { start: 104n, count: 1 },
        ],
      },
      { count: 2, next: 112n, runs: [{ start: 110n, count: 2 }] },
    ],
    120n,
  )
  const offsets = [90n, 100n, 101n, 102n, 103n, 104n, 105n, 109n, 110n, 111n, 112n, 119n, 500n]
  const expected = [1_000n, 1_000n, 1_001n, 1_002n, 1_002n, 1_002n, 1_003n, 1_003n, 1_003n, 1_004n, 1_005n, 1_005n, 1_005n]
  assert.deepEqual(
    offsets.map(offset => within(exact, offset)),
    expected,
  )
  // Only the first run is told.
  const coarse = chunk([{ count: 3, next: 105n, runs: [{ start: 100n, count: 2 }] }], 105n)
  assert.deepEqual(
    offsets.map((offset, index) => within(coarse, offset) <= expected[index]!),
    offsets.map(() => true),
  )
})

test('what has arrived of a chunk ends at a batch', () => {
  const whole = chunk(
    [
      { count: 3, next: 105n, runs: [] },
      { count: 2, next: 112n, runs: [] },
    ],
    120n,
  )
  const cut = (count: number) => [cutTo(whole, count).next, cutTo(whole, count).batches.length]
  assert.deepEqual([0, 2, 3, 4, 5].map(cut), [
    [100n, 0],
    [100n, 0],
    [105n, 1],
    [105n, 1],
    [120n, 2],
  ])
})
