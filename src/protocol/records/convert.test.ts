import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, type Int64, writeInt64 } from '../../base.ts'
import { type CompressionType, compress } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch, type NewRecord } from './build.ts'
import { type Conversion, convert, fetchMagic, produceConversion } from './convert.ts'
import { type ConverterOptions, openRecordConverter, type RecordConverter } from './converter.ts'
import * as header from './header.ts'
import { InvalidRecords } from './invalid.ts'
import { buildMessageSet, type OldMessage } from './legacy.ts'
import { batchesIn, forEachRecord } from './read.ts'
import { retainRecords } from './retain.ts'
import { validateBatches } from './validate.ts'

const limit = 1 << 24
const now = 1_700_000_000_000
const key = Buffer.from('k')
const keyed = (count: number): NewRecord[] => Array.from({ length: count }, (_, i) => ({ key, value: Buffer.from(`value ${i}`) }))
const messages: OldMessage[] = [0, 1, 2].map(offset => ({ offset, timestamp: now + offset, key, value: Buffer.from(`m${offset}`) }))
const set = (magic: 0 | 1, compression: CompressionType): Buffer =>
  buildMessageSet({ magic, compression, timestampType: 'CreateTime', messages })
const plainTopic = { version: 13, compression: 'producer', compacted: false } as const
const clientRules = {
  origin: 'client',
  maxMessageBytes: 1e6,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  nowMs: now,
} as const

function view(bytes: Buffer): [offset: number, timestamp: Int64, value: string][] {
  const records: [number, Int64, string][] = []
  forEachRecord(bytes, ({ offset, timestamp, value }) => void records.push([offset, timestamp, String(value)]))
  return records
}

test('most batches need no conversion', () => {
  assert.equal(produceConversion(buildBatch({ records: keyed(3) }), plainTopic), null)
  assert.equal(produceConversion(buildBatch({ records: keyed(3), compression: 'zstd' }), plainTopic), null)
  assert.equal(produceConversion(buildBatch({ records: keyed(3) }), { ...plainTopic, compacted: true }), null)
  assert.equal(produceConversion(buildBatch({ records: keyed(3), compression: 'lz4' }), { ...plainTopic, compression: 'lz4' }), null)
})

test('what a Produce version may carry', () => {
  const batch = buildBatch({ records: keyed(1) })
  const zstd = buildBatch({ records: keyed(1), compression: 'zstd' })
  const refused = (records: Buffer, version: number, name: string): void =>
    assert.throws(() => produceConversion(records, { ...plainTopic, version }), { name })
  refused(zstd, 6, 'UNSUPPORTED_COMPRESSION_TYPE')
  refused(set(1, 'none'), 3, 'INVALID_RECORD')
  refused(Buffer.alloc(0), 3, 'INVALID_RECORD')
  refused(Buffer.concat([batch, batch]), 9, 'INVALID_RECORD')
  assert.equal(produceConversion(zstd, { ...plainTopic, version: 7 }), null)
  assert.equal(produceConversion(batch, { ...plainTopic, version: 2 }), null)
})

test('fetch versions and their formats', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 17].map(fetchMagic), [0, 0, 1, 1, 2, 2])
})

test('old messages become a batch that the log takes', () => {
  for (const magic of [0, 1] as const)
    for (const compression of ['none', 'gzip', 'snappy', 'lz4'] as const) {
      const job = produceConversion(set(magic, compression), { ...plainTopic, version: 0 })!
      const batch = convert(job, limit)
      assert.equal(header.compression(batch, 0), compression)
      assert.equal(validateBatches(batch, clientRules).offsetCount, 3)
      assert.deepEqual(
        view(batch),
        messages.map(({ offset, timestamp, value }) => [offset, magic === 0 ? -1 : timestamp, String(value)]),
      )
    }
})

test('old messages: damage, mixed magics and two wrappers are refused', () => {
  const bad = (records: Buffer, name: string): void =>
    assert.throws(() => convert({ kind: 'produce', records, compression: 'none', compacted: false }, limit), { name })
  const damaged = set(1, 'none')
  damaged[damaged.length - 1]! ^= 1
  bad(damaged, 'CORRUPT_MESSAGE')
  bad(Buffer.concat([set(0, 'none'), set(1, 'none')]), 'INVALID_RECORD')
  bad(Buffer.concat([set(1, 'gzip'), set(1, 'gzip')]), 'INVALID_RECORD')
  bad(buildMessageSet({ magic: 1, compression: 'zstd', timestampType: 'CreateTime', messages }), 'INVALID_RECORD')
  // A wrapper in a wrapper, and a wrapper whose inner message is damaged.
  bad(wrap(set(1, 'gzip')), 'INVALID_RECORD')
  bad(wrap(damaged), 'CORRUPT_MESSAGE')
  bad(wrap(Buffer.alloc(0)), 'INVALID_RECORD')
})

/** One wrapper around these very bytes. */
function wrap(inner: Buffer): Buffer {
  const packed = compress('gzip', inner)
  const bytes = buildMessageSet({
    magic: 1,
    compression: 'none',
    timestampType: 'CreateTime',
    messages: [{ offset: 9, timestamp: 1, key: null, value: packed }],
  })
  bytes[17] = 1
  return rechecked(bytes)
}

/** A message with its checksum made right. */
function rechecked(message: Buffer): Buffer {
  message.writeUInt32BE(crc32(message.subarray(16)), 12)
  return message
}

test('a wrapper of librdkafka with offset 0 keeps its inner offsets', () => {
  const bytes = set(1, 'snappy')
  writeInt64(bytes, 0, 0)
  assert.deepEqual(
    view(bytes).map(([offset]) => offset),
    [0, 1, 2],
  )
})

test('LogAppendTime of a wrapper is that of its messages', () => {
  for (const magic of [0, 1] as const) {
    const bytes = buildMessageSet({ magic, compression: 'lz4', timestampType: 'LogAppendTime', logAppendTime: now + 77, messages })
    assert.deepEqual(
      view(bytes).map(([, timestamp]) => timestamp),
      magic === 1 ? [now + 77, now + 77, now + 77] : [-1, -1, -1],
    )
  }
})

test("the topic's own compression: recompressed with everything of the producer kept", () => {
  const all = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
  for (const from of all)
    for (const to of all) {
      const batch = buildBatch({
        records: keyed(50).map(record => ({ ...record, headers: [{ key: 'h', value: null }] })),
        compression: from,
        timestamp: now,
        producerId: 2 ** 40,
        producerEpoch: 4,
        baseSequence: 2 ** 31 - 5,
        isTransactional: true,
      })
      const job = produceConversion(batch, { ...plainTopic, compression: to })
      if (from === to) {
        assert.equal(job, null)
        continue
      }
      const stored = convert(job!, limit)
      assert.equal(validateBatches(stored, clientRules).offsetCount, 50)
      const { compression: _a, sizeBytes: _b, ...before } = header.readBatchHeader(batch, 0)
      const { compression, sizeBytes: _d, ...after } = header.readBatchHeader(stored, 0)
      assert.equal(compression, to)
      assert.deepEqual(after, before)
      assert.deepEqual(view(stored), view(batch))
    }
})

test('recompression does not wash away what the log would refuse', () => {
  const rejected = (records: Buffer, name: string): void =>
    assert.throws(() => validateBatches(convert({ kind: 'produce', records, compression: 'gzip', compacted: false }, limit), clientRules), {
      name,
    })
  rejected(buildBatch({ records: keyed(2), isControl: true }), 'INVALID_RECORD')
  rejected(buildBatch({ records: keyed(2), baseOffset: 5 }), 'INVALID_RECORD')
  rejected(buildBatch({ records: keyed(2), lastOffsetDelta: 5 }), 'INVALID_RECORD')
  const late = buildBatch({ records: keyed(2), timestamp: now + 9e9 })
  header.setMaxTimestamp(late, 0, 'CreateTime', now)
  rejected(late, 'INVALID_TIMESTAMP')
  const damaged = buildBatch({ records: keyed(2) })
  damaged[damaged.length - 3]! ^= 1
  rejected(damaged, 'CORRUPT_MESSAGE')
})

test('compressed batches of a compacted topic are opened to look for keys, and stay as they are', () => {
  const topic = { ...plainTopic, compacted: true }
  const good = buildBatch({ records: keyed(5), compression: 'lz4' })
  assert.deepEqual(convert(produceConversion(good, topic)!, limit), good)
  const keyless = buildBatch({ records: [...keyed(1), { key: null, value: key }], compression: 'lz4' })
  assert.throws(() => convert(produceConversion(keyless, topic)!, limit), InvalidRecords)
})

test('down-conversion: control batches go, plain batches begin at the offset asked for, zstd is refused', () => {
  const one = buildBatch({ records: keyed(4), baseOffset: 10, timestamp: now })
  const marker = buildBatch({ records: keyed(1), baseOffset: 14, isControl: true })
  const packed = buildBatch({ records: keyed(2), baseOffset: 15, compression: 'gzip', timestamp: now })
  const records = Buffer.concat([one, marker, packed, packed.subarray(0, 30)])
  const down = (toMagic: 0 | 1, firstOffset: number): number[] =>
    view(convert({ kind: 'fetch', records, toMagic, firstOffset }, limit)).map(([offset]) => offset)
  assert.deepEqual(down(0, 0), [10, 11, 12, 13, 15, 16])
  assert.deepEqual(down(1, 12), [12, 13, 15, 16])
  assert.deepEqual(down(1, 16), [15, 16])
  const zstd = buildBatch({ records: keyed(1), compression: 'zstd' })
  assert.throws(() => convert({ kind: 'fetch', records: zstd, toMagic: 1, firstOffset: 0 }, limit), {
    name: 'UNSUPPORTED_COMPRESSION_TYPE',
  })
})

test('compaction: untouched batches are the same object, empty ones go or keep their header', () => {
  const [batch] = batchesIn(buildBatch({ records: keyed(3), producerId: 4, producerEpoch: 1, baseSequence: 7, compression: 'gzip' }))
  assert.equal(
    retainRecords(batch!, () => true, { keepEmpty: false }),
    batch!.bytes,
  )
  assert.equal(
    retainRecords(batch!, () => false, { keepEmpty: false }),
    null,
  )
  const empty = retainRecords(batch!, () => false, { keepEmpty: true })!
  assert.equal(header.recordCount(empty, 0), 0)
  assert.equal(header.lastSequence(empty, 0), 9)
  assert.equal(header.lastOffset(empty, 0), 2)
  assert.deepEqual(view(empty), [])
})

/** Runs `use` with a converter that puts everything on its thread unless told otherwise. */
async function withConverter(options: ConverterOptions, use: (converter: RecordConverter) => Promise<void>): Promise<void> {
  const converter = openRecordConverter({ inlineBytes: 0, ...options })
  try {
    await use(converter)
  } finally {
    await converter.close()
  }
}

const recompress = (records: Buffer, compression: CompressionType = 'gzip'): Conversion => ({
  kind: 'produce',
  records,
  compression,
  compacted: true,
})

test('the thread gives the same answers as the inline way, in any number at once', async () => {
  await withConverter({}, async converter => {
    const batches = Array.from({ length: 20 }, (_, i) => buildBatch({ records: keyed(i + 1), compression: 'lz4', timestamp: now }))
    const results = await Promise.all(batches.map(batch => converter.convert(recompress(batch, 'none'))))
    for (const [i, result] of results.entries()) assert.deepEqual(result, convert(recompress(batches[i]!, 'none'), limit))
  })
})

test("the caller's buffer is free at once", async () => {
  await withConverter({}, async converter => {
    const batch = buildBatch({ records: keyed(10), timestamp: now })
    const copy = Buffer.from(batch)
    const result = converter.convert(recompress(copy))
    assert.ok(result instanceof Promise)
    copy.fill(0)
    assert.deepEqual(view(await result), view(batch))
  })
})

test('small jobs run at once; those that grow too much go to the thread', async () => {
  await withConverter({ inlineBytes: 4096 }, async converter => {
    assert.ok(converter.convert(recompress(buildBatch({ records: keyed(3) }))) instanceof Buffer)
    const growing = buildBatch({ records: [{ key, value: Buffer.alloc(1_000_000) }], compression: 'gzip' })
    const result = converter.convert(recompress(growing, 'zstd'))
    assert.ok(growing.length < 4096 && result instanceof Promise)
    assert.equal(view(await result).length, 1)
  })
})

test('errors of a job are its own, with the records that they name', async () => {
  await withConverter({ maxDecompressedBytes: 100_000 }, async converter => {
    const keyless = buildBatch({ records: [...keyed(1), { key: null, value: null }], compression: 'snappy' })
    const bomb = buildBatch({ records: [{ key, value: Buffer.alloc(1_000_000) }], compression: 'gzip' })
    const outcomes = await Promise.allSettled([
      converter.convert(recompress(keyless)),
      converter.convert(recompress(bomb, 'none')),
      converter.convert(recompress(buildBatch({ records: keyed(2) }))),
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

test('a job that takes the thread down fails alone: what waits may be tried again, and the next job finds a new thread', async () => {
  await withConverter({ heapMegabytes: 24 }, async converter => {
    const count = 2_000_000
    const seed = buildBatch({ records: [{ key: null, value: null }], baseOffset: 1 })
    const bomb = header.withPayload(seed, 1, compress('gzip', Buffer.alloc(7 * count, seed.subarray(header.batchHeaderSize))))
    bomb.writeInt32BE(count, 57)
    const good: Conversion = { kind: 'fetch', records: buildBatch({ records: keyed(5) }), toMagic: 1, firstOffset: 0 }
    const [killer, innocent] = await Promise.allSettled([converter.convert({ ...good, records: bomb }), converter.convert(good)])
    assert.ok(killer?.status === 'rejected' && /memory/.test(killer.reason.message))
    assert.ok(innocent?.status === 'rejected' && innocent.reason.name === 'REQUEST_TIMED_OUT')
    assert.equal(view(await converter.convert(good)).length, 5)
  })
})

test('what waits is bounded; closing refuses what still waits', async () => {
  const batch = buildBatch({ records: keyed(100) })
  const converter = openRecordConverter({ inlineBytes: 0, maxWaitingBytes: batch.length * 2 })
  const waiting = [converter.convert(recompress(batch)), converter.convert(recompress(batch))]
  assert.throws(() => converter.convert(recompress(batch)), { name: 'REQUEST_TIMED_OUT' })
  const settled = Promise.allSettled(waiting)
  await converter.close()
  for (const { status } of await settled) assert.equal(status, 'rejected')
  assert.throws(() => converter.convert(recompress(batch)), { name: 'REQUEST_TIMED_OUT' })
})

test('records cut off or damaged at any byte are refused or read, never worse', () => {
  const sources = [
    ...(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).map(compression =>
      buildBatch({ records: keyed(3).map(record => ({ ...record, headers: [{ key: 'h', value: key }] })), compression, timestamp: now }),
    ),
    ...(['none', 'gzip', 'snappy', 'lz4'] as const).flatMap(compression => [set(0, compression), set(1, compression)]),
  ]
  for (const source of sources)
    for (let at = 0; at < source.length; at++) {
      survives(source.subarray(0, at))
      for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(source)
        damaged[at] = byte
        survives(damaged)
        // The same with a right checksum, so that the damage is met further inside.
        if (damaged.readInt8(16) === 2 && header.sizeBytes(damaged, 0) === damaged.length)
          damaged.writeUInt32BE(header.computeCrc(damaged, 0), 17)
        else if (damaged.length > 16) rechecked(damaged)
        survives(damaged)
      }
    }
})

function survives(records: Buffer): void {
  const attempts = [
    () => forEachRecord(records, ({ key, value, headers }) => [key, value, headers], { maxBytes: limit }),
    () => validateBatches(records, clientRules),
    () => produceConversion(records, { version: 0, compression: 'gzip', compacted: true }),
    () => convert({ kind: 'produce', records, compression: 'none', compacted: false }, limit),
    () => convert({ kind: 'fetch', records, toMagic: 0, firstOffset: 0 }, limit),
  ]
  for (const attempt of attempts)
    try {
      attempt()
    } catch (error) {
      if (!(error instanceof KafkaError)) assert.fail(`${records.toString('hex')}: ${(error as Error).stack}`)
    }
}
