import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type RawBatch, rawBatch } from '../../../sim/world/raw-batches.ts'
import type { Int64 } from '../../base.ts'
import { type CompressionType, compress } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch, type NewRecord } from './build.ts'
import type { Conversion } from './convert.ts'
import { type ConverterOptions, openRecordConverter, type RecordConverter, workOf } from './converter.ts'
import { findRecord } from './find.ts'
import * as header from './header.ts'
import { InvalidRecords } from './invalid.ts'
import { buildMessageSet } from './legacy.ts'
import { type Opened, type Opening, open } from './open.ts'
import { forEachRecord } from './read.ts'

const limit = 1 << 24
const emptyFrame = Buffer.from('28b52ffd2000010000', 'hex')
const now = 1_700_000_000_000
const key = Buffer.from('k')
const keyed = (count: number): NewRecord[] => Array.from({ length: count }, (_, i) => ({ key, value: Buffer.from(`value ${i}`) }))

const opening = (records: Buffer, compression: CompressionType = 'gzip'): Opening => ({
  kind: 'produce',
  records,
  compression,
  rules: {
    origin: 'client',
    name: 't-0',
    maxMessageBytes: 1e7,
    segmentBytes: 2 ** 30,
    compacted: true,
    timestampType: 'CreateTime',
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampAfterMaxMs: 3_600_000,
    nowMs: now,
  },
})

function view({ records }: Opened): string[] {
  const values: string[] = []
  forEachRecord(records, ({ offset, value }) => void values.push(`${offset} ${value}`))
  return values
}

/** Runs `use` with a converter that puts everything that compresses on its thread unless told otherwise. */
async function withConverter(options: ConverterOptions, use: (converter: RecordConverter) => Promise<void>): Promise<void> {
  const converter = openRecordConverter({ inlineBytes: 0, ...options })
  try {
    await use(converter)
  } finally {
    await converter.close()
  }
}

test('the thread gives the same results as inline conversion, with any number of concurrent jobs', async () => {
  await withConverter({ inlineWork: 0 }, async converter => {
    const batches = Array.from({ length: 20 }, (_, i) => buildBatch({ records: keyed(i + 1), compression: 'lz4', timestamp: now }))
    const jobs = batches.flatMap(batch => [opening(batch, 'none'), opening(batch, 'lz4')])
    const results = await Promise.all(jobs.map(job => converter.open(job)))
    for (const [i, result] of results.entries()) assert.deepEqual(result, open(jobs[i]!, limit))
  })
})

test('look-up by time finds the first record that is new enough, inline or on the thread, in every format', async () => {
  const times = [5, 9, 2, 7, 9, -1]
  const records = times.map(time => ({ key, value: key, timestamp: now + time }))
  const codecs: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  const batches = codecs.map(compression => buildBatch({ records, compression, baseOffset: 100, partitionLeaderEpoch: 3 }))
  const wide = rawBatch({ records: [{ timestampDelta: 2n ** 62n }, {}], baseTimestamp: 2n ** 62n - 1n })
  const late = buildBatch({ records, timestampType: 'LogAppendTime', timestamp: now + 50, compression: 'lz4', baseOffset: 100 })
  const messages = times.map((time, offset) => ({ offset, timestamp: now + time, key, value: key }))
  const old = buildMessageSet({ magic: 1, compression: 'gzip', timestampType: 'CreateTime', messages })
  await withConverter({}, async converter => {
    const find = async (batch: Buffer, timestamp: Int64, from = 0) => {
      const search = { kind: 'find', records: batch, timestamp, from } as const
      const found = findRecord(search)
      assert.deepEqual(await converter.find(search), found)
      return found
    }
    for (const batch of batches) {
      assert.deepEqual(await find(batch, now + 6), { offset: 101, timestampMs: now + 9, leaderEpoch: 3 })
      assert.deepEqual(await find(batch, now + 6, 102), { offset: 103, timestampMs: now + 7, leaderEpoch: 3 })
      assert.deepEqual(await find(batch, 0), { offset: 100, timestampMs: now + 5, leaderEpoch: 3 })
      for (const [timestamp, from] of [
        [now + 10, 0],
        [0, 106],
      ] as const)
        assert.equal(await find(batch, timestamp, from), null)
    }
    assert.deepEqual(await find(wide, 2n ** 63n - 1n), { offset: 0, timestampMs: 2n ** 63n - 1n, leaderEpoch: -1 })
    assert.equal((await find(late, now + 50))?.offset, 100)
    assert.equal(await find(late, now + 51), null)
    assert.equal((await find(old, now + 6))?.offset, 1)
    // Found as a whole, as far as the header tells.
    const damages: Omit<RawBatch, 'records'>[] = [
      { codec: 'gzip', repack: () => key },
      { codec: 'zstd', count: 9 },
    ]
    for (const damage of damages) {
      const unreadable = rawBatch({ ...damage, records: [{}, {}], baseTimestamp: 50n, lastOffsetDelta: 1 })
      assert.deepEqual(await find(unreadable, 50, 1), { offset: 1, timestampMs: 50, leaderEpoch: -1 })
      assert.equal(await find(unreadable, 51), null)
      assert.equal(await find(unreadable, 50, 2), null)
    }
    const many = manyRecords('zstd')
    assert.ok(converter.find({ kind: 'find', records: many, timestamp: now, from: 1 }) instanceof Promise)
    assert.equal((await find(many, now + 1)) ?? 'none', 'none')
  })
})

test("the caller's buffer can be reused immediately", async () => {
  await withConverter({}, async converter => {
    const batch = buildBatch({ records: keyed(10), timestamp: now })
    const copy = Buffer.from(batch)
    const result = converter.open(opening(copy))
    assert.ok(result instanceof Promise)
    copy.fill(0)
    assert.deepEqual(view(await result), view({ records: batch } as Opened))
  })
})

test('small jobs run inline; those that grow too much go to the thread', async () => {
  await withConverter({ inlineBytes: 4096 }, async converter => {
    assert.ok(!(converter.open(opening(buildBatch({ records: keyed(3) }))) instanceof Promise))
    const growing = buildBatch({ records: [{ key, value: Buffer.alloc(1_000_000) }], compression: 'gzip' })
    const compressed = converter.open(opening(growing, 'zstd'))
    assert.ok(growing.length < 4096 && compressed instanceof Promise)
    assert.equal(view(await compressed).length, 1)
  })
})

test('inline work is bounded by decompressed bytes and by records', async () => {
  const batch = buildBatch({ records: [{ key, value: Buffer.alloc(100_000) }], compression: 'zstd', timestamp: now })
  const plain = buildBatch({ records: keyed(1000) })
  assert.ok(workOf(plain) > 8000 && workOf(plain) < 8000 + plain.length)
  // A count that lies gives nothing back.
  const lying = Buffer.from(plain)
  lying.writeInt32BE(-1_000_000, 57)
  assert.ok(workOf(lying) > 0)
  for (const [inlineWork, isInline] of [
    [120_000, true],
    [90_000, false],
  ] as const)
    await withConverter({ inlineWork }, async converter => {
      const opened = converter.open(opening(batch, 'zstd'))
      assert.equal(opened instanceof Promise, !isInline)
      assert.deepEqual((await opened).records, batch)
    })
  for (const [inlineWork, isInline] of [
    [workOf(plain), true],
    [workOf(plain) - 1, false],
  ] as const)
    await withConverter({ inlineWork }, async converter => {
      assert.equal(converter.mayStay(opening(plain, 'none')), isInline)
      const opened = converter.open(opening(plain, 'none'))
      assert.ok(isInline || opened instanceof Promise)
      assert.deepEqual((await opened).records, plain)
    })
})

test('batches that must be recompressed, or may take long despite their size, go to the thread', async () => {
  const value = 'x'.repeat(200_000)
  const sound: RawBatch = { codec: 'lz4', baseTimestamp: BigInt(now), records: [{ value }] }
  const batches: [isInline: boolean, RawBatch][] = [
    [true, sound],
    [true, { ...sound, records: [{ value: 'x' }], repack: packed => Buffer.concat([packed, key]) }],
    [false, { ...sound, repack: packed => Buffer.concat([packed, key]) }],
    [false, { ...sound, records: [{ value, headers: [['h', -2]] }] }],
    [false, { ...sound, codec: 'gzip', records: [{ value: randomBytes(200_000).toString('latin1') }] }],
    [false, { ...sound, codec: 'zstd', repack: packed => Buffer.concat([packed, ...Array<Buffer>(10_000).fill(emptyFrame)]) }],
  ]
  const many = rawBatch({ records: [{ value: 'x'.repeat(3 << 20) }], baseTimestamp: BigInt(now) })
  await withConverter({ inlineBytes: 16_384 }, async converter => {
    assert.equal(converter.mayStay(opening(many, 'none')), false)
    assert.equal(converter.mayStay(opening(rawBatch({ records: [{ value }] }), 'none')), true)
    for (const [index, [isInline, of]] of batches.entries()) {
      const opened = converter.open(opening(rawBatch(of), of.codec!))
      assert.equal(opened instanceof Promise, !isInline, `batch ${index}`)
      assert.equal((await opened).contents.latest, now)
    }
  })
})

test('errors of a job are its own, with the records that they name', async () => {
  await withConverter({ maxDecompressedBytes: 100_000, inlineWork: 0 }, async converter => {
    const keyless = buildBatch({ records: [...keyed(1), { key: null, value: null }], compression: 'snappy' })
    const bomb = buildBatch({ records: [{ key, value: Buffer.alloc(1_000_000) }], compression: 'gzip' })
    const onThread = (batch: Buffer, compression: CompressionType) => converter.open(opening(batch, compression))
    const outcomes = await Promise.allSettled([
      onThread(keyless, 'snappy'),
      onThread(bomb, 'none'),
      onThread(buildBatch({ records: keyed(2) }), 'gzip'),
    ])
    const [first, second, third] = outcomes
    assert.ok(first?.status === 'rejected' && first.reason instanceof InvalidRecords)
    assert.deepEqual(
      first.reason.recordErrors.map(({ batchIndex }) => batchIndex),
      [1],
    )
    assert.ok(second?.status === 'rejected' && second.reason instanceof KafkaError && second.reason.name === 'INVALID_RECORD')
    assert.equal(third?.status, 'fulfilled')
  })
})

/** 2 million records of 7 bytes. */
function manyRecords(compression: 'gzip' | 'zstd'): Buffer {
  const count = 2_000_000
  const body = buildBatch({ records: [{ key: null, value: null }] }).subarray(header.batchHeaderSize)
  const bomb = header.withPayload(
    buildBatch({ records: [{ key: null, value: null }], timestamp: now }),
    compression === 'gzip' ? 1 : 4,
    compress(compression, Buffer.alloc(7 * count, body)),
  )
  bomb.writeInt32BE(count, 57)
  bomb.writeInt32BE(count - 1, 23)
  bomb.writeUInt32BE(header.computeCrc(bomb, 0), 17)
  return bomb
}

test('requests of readers do not delay a producer', async () => {
  await withConverter({ inlineWork: 0 }, async converter => {
    const large = buildBatch({ records: keyed(300_000), compression: 'zstd', timestamp: now })
    let found = 0
    const finds = Array.from({ length: 30 }, async () => {
      await converter.find({ kind: 'find', records: large, timestamp: now + 1, from: 0 })
      found++
    })
    await converter.open(opening(buildBatch({ records: keyed(10), compression: 'lz4', timestamp: now }), 'lz4'))
    assert.ok(found < 30, 'the batch was opened after all the others')
    await Promise.all(finds)
  })
})

test('a job that takes the thread down fails alone: what waits may be tried again, and the next job finds a new thread', async () => {
  await withConverter({ heapMegabytes: 24 }, async converter => {
    const good: Conversion = { kind: 'fetch', records: buildBatch({ records: keyed(5) }), toMagic: 1, firstOffset: 0 }
    const killer = converter.convert({ ...good, records: manyRecords('gzip') })
    const [killed, innocent] = await Promise.allSettled([killer, converter.convert(good)])
    assert.ok(killed?.status === 'rejected' && /memory/.test(killed.reason.message) && killed.reason.name === 'INVALID_RECORD')
    assert.ok(innocent?.status === 'rejected' && innocent.reason.name === 'REQUEST_TIMED_OUT')
    assert.equal(view({ records: await converter.convert(good) } as Opened).length, 5)
  })
})

test('an owner with very many jobs delays only its own, and gets their results in order', async () => {
  await withConverter({}, async converter => {
    const [greedy, modest] = [{}, {}]
    const done: string[] = []
    const run = (name: string, owner: object): Promise<unknown> =>
      Promise.resolve(converter.open(opening(buildBatch({ records: keyed(5) }), 'gzip'), owner)).then(() => done.push(name))
    const jobs = Array.from({ length: 10 }, (_, nth) => run(`greedy ${nth}`, greedy))
    jobs.push(run('modest 0', modest), run('modest 1', modest))
    await Promise.all(jobs)
    assert.ok(done.indexOf('modest 0') <= 3 && done.indexOf('modest 1') <= 5, done.join())
    const greedyOnes = done.filter(name => name.startsWith('greedy'))
    assert.deepEqual(greedyOnes, greedyOnes.toSorted())
  })
})

test('jobs behind one that crashes the thread get a new thread', async () => {
  await withConverter({ heapMegabytes: 24 }, async converter => {
    const good: Conversion = { kind: 'fetch', records: buildBatch({ records: keyed(5) }), toMagic: 1, firstOffset: 0 }
    const killer = converter.convert({ ...good, records: manyRecords('gzip') })
    const [killed, , later] = await Promise.allSettled([killer, converter.convert(good), converter.convert(good)])
    assert.deepEqual([killed?.status, later?.status], ['rejected', 'fulfilled'])
  })
})

test('millions of refused records cost no heap, and only some of them are named', async () => {
  await withConverter({ heapMegabytes: 24 }, async converter => {
    const error = await Promise.resolve(converter.open(opening(manyRecords('zstd'), 'zstd'))).catch((e: unknown) => e)
    assert.ok(error instanceof KafkaError && error.name === 'INVALID_RECORD', String(error))
  })
})

test('waiting jobs are limited, per owner more than in total; closing rejects those that still wait', async () => {
  const batch = buildBatch({ records: keyed(100) })
  const converter = openRecordConverter({ inlineBytes: 0, maxWaitingBytes: batch.length * 4 })
  const [greedy, modest] = [{}, {}]
  const enter = (owner?: object) => converter.open(opening(batch), owner)
  const waiting = [enter(greedy), enter(greedy), enter(greedy)]
  assert.throws(() => enter(greedy), { name: 'REQUEST_TIMED_OUT' })
  waiting.push(enter(modest))
  for (const owner of [modest, undefined]) assert.throws(() => enter(owner), { name: 'REQUEST_TIMED_OUT' })
  const settled = Promise.allSettled(waiting)
  await converter.close()
  for (const { status } of await settled) assert.equal(status, 'rejected')
  assert.throws(() => enter(), { name: 'REQUEST_TIMED_OUT' })
})
