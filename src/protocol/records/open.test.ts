/** Batches that no good producer makes, packed by every codec: what Kafka 4.3.1 takes is stored so that every reader can read it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { type Codec, codecs, type RawBatch, type RawRecord, rawBatch } from '../../../sim/world/raw-batches.ts'
import { type CompressionType, compress, Scratch } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import type { BatchRules } from './contents.ts'
import * as header from './header.ts'
import { InvalidRecords, OddRecords } from './invalid.ts'
import { open } from './open.ts'
import { forEachRecord } from './read.ts'
import { type Shape, shapes } from './shapes.testing.ts'
import { stampBatches, validateBatches } from './validate.ts'

const now = 1_795_000_000_000
const rules: BatchRules = {
  origin: 'client',
  name: 'topic-0',
  maxMessageBytes: 1_048_588,
  segmentBytes: 2 ** 30,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: 2 ** 63,
  timestampAfterMaxMs: 3_600_000,
  nowMs: now,
}
const scratch = new Scratch()

/** What the log stores of the batch. */
function stored(batch: Buffer, of: Partial<BatchRules> = {}, compression?: CompressionType): Buffer {
  const applied = { ...rules, ...of }
  const job = { kind: 'produce', records: batch, compression: compression ?? header.compression(batch, 0)!, rules: applied } as const
  const { records, contents } = open(job, 1 << 24, scratch)
  stampBatches(records, validateBatches(records, applied, contents), {
    baseOffset: 0,
    leaderEpoch: 0,
    timestampType: applied.timestampType,
  })
  return records
}

function view(batch: Buffer): unknown[] {
  const records: unknown[] = []
  forEachRecord(batch, ({ offset, timestamp, key, value, headers }) => {
    records.push([offset, BigInt(timestamp), String(key), String(value), headers.map(h => `${h.key}=${h.value}`).join()])
  })
  return records
}

/** What was meant by the raw records. */
function meant({ records, baseTimestamp = 0n }: RawBatch): unknown[] {
  const text = (bytes: string | number | undefined, other: string): string => (typeof bytes === 'number' ? 'null' : (bytes ?? other))
  return records.map(({ timestampDelta = 0n, key, value, headers = [] }: RawRecord, index) => [
    index,
    baseTimestamp + timestampDelta,
    text(key, 'k'),
    text(value, 'v'),
    headers.map(pair => pair.map(each => text(each, '')).join('=')).join(),
  ])
}

for (const codec of codecs)
  test(`${codec}: every shape of a batch is taken, mended or refused as Kafka does, whatever compression the topic has`, () => {
    for (const { name, verdict, batch } of shapes(now))
      for (const target of codecs) {
        const bytes = rawBatch({ ...batch, codec })
        const what = `${name}, ${codec} to ${target}`
        const mended = verdict === 'mended' || (verdict === 'plainly mended' && (codec === 'none' || target !== codec))
        if (verdict !== 'taken' && !mended) {
          const expected = verdict === 'untimely' ? 'INVALID_TIMESTAMP' : 'INVALID_RECORD'
          assert.throws(() => stored(bytes, {}, target), { name: expected }, what)
          assert.throws(() => validateBatches(bytes, rules), { name: expected }, what)
          continue
        }
        // The log does not take for itself what is odd.
        if (mended) assert.throws(() => validateBatches(bytes, rules), codec === 'none' ? OddRecords : { name: 'INVALID_RECORD' }, what)
        else assert.ok(validateBatches(bytes, rules).offsetCount > 0, what)
        const kept = stored(bytes, {}, target)
        assert.deepEqual(view(kept), meant(batch), what)
        assert.equal(header.intactBatchSize(kept, 0), kept.length, what)
        if (!mended && target === codec) assert.deepEqual(kept.subarray(61), bytes.subarray(61), what)
        const latest = meant(batch).reduce((max: bigint, record) => ((record as bigint[])[1]! > max ? (record as bigint[])[1]! : max), -1n)
        assert.equal(BigInt(header.maxTimestamp(kept, 0)), latest, what)
        assert.equal(header.attributes(kept, 0), codecs.indexOf(target), `flags of ${what}`)
        assert.doesNotThrow(() => validateBatches(kept, rules), what)
      }
  })

test('the header is derived for every codec: time, flags, and never a time that is -1', () => {
  for (const codec of codecs) {
    const records = [{ timestampDelta: 5n }, { timestampDelta: 9n }, { timestampDelta: 2n }]
    for (const maxTimestamp of [-1n, 0n, BigInt(now), 2n ** 63n - 1n, -(2n ** 63n)]) {
      const kept = stored(rawBatch({ records, baseTimestamp: BigInt(now), maxTimestamp, codec, attributes: 0x50 }))
      assert.equal(header.maxTimestamp(kept, 0), now + 9)
      assert.ok(!header.hasDeleteHorizon(kept, 0) && header.isTransactional(kept, 0))
    }
    const late = { timestampType: 'LogAppendTime' } as const
    assert.equal(header.maxTimestamp(stored(rawBatch({ records, codec, maxTimestamp: -1n }), late), 0), now)
  }
})

test('batches compressed in a way that some readers do not support are accepted as by Kafka, and recompressed', () => {
  const followedBy = (extra: Buffer) => (packed: Buffer) => Buffer.concat([packed, extra])
  const garbage = Buffer.from('garbage garbage')
  const odd: [Codec, (packed: Buffer) => Buffer][] = [
    ['gzip', followedBy(garbage)],
    ['gzip', followedBy(Buffer.alloc(20))],
    ['gzip', packed => Buffer.concat([packed.subarray(0, 3), Buffer.of(0x20), packed.subarray(4)])],
    [
      'gzip',
      packed => {
        const plain = zlib.gunzipSync(packed)
        return Buffer.concat([zlib.gzipSync(plain.subarray(0, 5)), zlib.gzipSync(plain.subarray(5))])
      },
    ],
    ['lz4', followedBy(garbage)],
    ['lz4', packed => Buffer.concat([packed.subarray(0, -4), Buffer.from('0000008000000000', 'hex')])],
    ['snappy', followedBy(Buffer.alloc(3))],
    ['snappy', packed => Buffer.concat([packed.subarray(0, 16), packed])],
    ['zstd', followedBy(Buffer.from('5f2a4d18040000006162', 'hex'))],
  ]
  for (const [codec, repack] of odd) {
    const of = { records: [{}, {}], baseTimestamp: BigInt(now), codec }
    const bytes = rawBatch({ ...of, repack })
    assert.throws(() => validateBatches(bytes, rules), OddRecords, codec)
    assert.deepEqual(stored(bytes).subarray(21), stored(rawBatch(of)).subarray(21), codec)
    assert.deepEqual(view(stored(bytes, {}, 'none')), meant(of), codec)
  }
})

test('what cannot be decompressed is CORRUPT_MESSAGE', () => {
  for (const codec of codecs.slice(1)) {
    const repacked: ((packed: Buffer) => Buffer)[] = [
      packed => packed.subarray(0, packed.length - 1),
      packed => packed.subarray(0, 3),
      () => Buffer.from('not compressed at all'),
      () => Buffer.alloc(0),
    ]
    for (const repack of repacked) {
      const bytes = rawBatch({ records: [{}, {}], baseTimestamp: BigInt(now), codec, repack })
      for (const attempt of [() => stored(bytes), () => stored(bytes, {}, 'none'), () => validateBatches(bytes, rules)])
        assert.throws(attempt, (error: Error) => error instanceof KafkaError && /CORRUPT_MESSAGE|INVALID_RECORD/.test(error.name), codec)
    }
  }
})

test('a batch may decompress to so many bytes, and no more', () => {
  for (const codec of codecs.slice(1)) {
    const batch = rawBatch({ records: [{ value: 'x'.repeat(100_000) }], baseTimestamp: BigInt(now), codec })
    const job = { kind: 'produce', records: batch, compression: codec, rules } as const
    assert.throws(() => open(job, 99_999), { name: 'INVALID_RECORD' })
    assert.equal(open(job, 100_100).contents.latest, now)
  }
})

test('record errors name the records and their topic, as Kafka does (KIP-467)', () => {
  const refusal = (batch: RawBatch, of: Partial<BatchRules>): InvalidRecords => {
    try {
      stored(rawBatch(batch), of)
    } catch (error) {
      assert.ok(error instanceof InvalidRecords, String(error))
      return error
    }
    return assert.fail('not refused')
  }
  const keyless = 'Compacted topic cannot accept message without key in topic partition topic-0'
  for (const codec of codecs) {
    const of = { codec, baseTimestamp: BigInt(now) }
    const compacted = refusal({ ...of, records: [{}, { key: -1 }, { key: -7 }, {}, { key: -1 }, { key: -1 }] }, { compacted: true })
    assert.equal(compacted.name, 'INVALID_RECORD')
    assert.deepEqual(
      compacted.recordErrors,
      [1, 2, 4, 5].map(batchIndex => ({ batchIndex, message: keyless })),
    )
    assert.equal(
      compacted.message,
      'One or more records have been rejected due to 4 record errors in total, and only showing the first three errors at most: ' +
        `[${[1, 2, 4].map(index => `RecordError(batchIndex=${index}, message='${keyless}')`).join(', ')}]`,
    )
    const both = refusal({ ...of, records: [{ key: -1, timestampDelta: 10n ** 9n }, { timestampDelta: 10n ** 9n }] }, { compacted: true })
    assert.equal(both.name, 'INVALID_TIMESTAMP')
    assert.equal(both.message, 'One or more records have been rejected due to invalid timestamp')
    assert.equal(both.recordErrors[0]!.message, keyless)
    assert.equal(
      both.recordErrors[1]!.message,
      `Timestamp ${now + 1e9} of message with offset 1 is out of range. The timestamp should be within [${BigInt(now) - 2n ** 63n + 1n}, ${now + 3_600_000}]`,
    )
    const old = refusal({ ...of, records: [{ timestampDelta: -2000n }, {}] }, { timestampBeforeMaxMs: 1000 })
    assert.deepEqual(
      old.recordErrors.map(({ batchIndex }) => batchIndex),
      [0],
    )
    for (const timestampType of ['CreateTime', 'LogAppendTime'] as const)
      assert.equal(refusal({ ...of, attributes: 8, maxTimestamp: -1n, records: [{}] }, { timestampType }).name, 'INVALID_TIMESTAMP')
  }
})

test('a compressed batch out of order is rejected; if its records are invalid, too, for that reason', () => {
  for (const codec of codecs.slice(1)) {
    const of: RawBatch = { codec, baseTimestamp: BigInt(now), records: [{ offsetDelta: 1 }, { key: -1, offsetDelta: 1 }] }
    assert.throws(() => stored(rawBatch(of)), /Offset deltas of a compressed batch/)
    assert.throws(
      () => stored(rawBatch(of), { compacted: true }),
      (error: Error) => error instanceof InvalidRecords && error.recordErrors[0]?.batchIndex === 1,
    )
    const untimely = { ...of, records: [{ offsetDelta: 1, timestampDelta: 10n ** 9n }] }
    assert.throws(() => stored(rawBatch(untimely)), { name: 'INVALID_TIMESTAMP' })
  }
})

test('times at the ends of 64 bits are exact or refused', () => {
  const most = 2n ** 63n - 1n
  const free = { timestampAfterMaxMs: 2 ** 63 }
  for (const codec of codecs) {
    const taken: [RawBatch, bigint][] = [
      [{ records: [{}], baseTimestamp: most }, most],
      [{ records: [{}, { timestampDelta: most - BigInt(now) }], baseTimestamp: BigInt(now) }, most],
      [{ records: [{}], baseTimestamp: 2n ** 53n + 1n }, 2n ** 53n + 1n],
    ]
    for (const [batch, latest] of taken) {
      const bytes = rawBatch({ ...batch, codec, maxTimestamp: 3n })
      assert.equal(BigInt(header.maxTimestamp(stored(bytes, free), 0)), latest)
      assert.throws(() => stored(bytes), { name: 'INVALID_TIMESTAMP' })
    }
    const lowest = rawBatch({ records: [{}], baseTimestamp: -most - 1n, codec })
    // So long ago that it lies ahead, with Java's arithmetic.
    for (const bounds of [{ timestampBeforeMaxMs: 1000 }, {}]) assert.throws(() => stored(lowest, bounds), { name: 'INVALID_TIMESTAMP' })
    assert.equal(header.baseTimestamp(stored(lowest, free), 0), -most - 1n)
    const early = rawBatch({ records: [{}], baseTimestamp: BigInt(now) - most, codec })
    assert.equal(header.baseTimestamp(stored(early), 0), BigInt(now) - most)
  }
})

test('a wrapper of another codec than it says, of garbage, or cut, is refused', () => {
  for (const codec of codecs.slice(1))
    for (const other of codecs.slice(1)) {
      if (other === codec) continue
      const repack = (): Buffer => compress(other, Buffer.from('0e000000010276', 'hex'))
      const bytes = rawBatch({ records: [{}], baseTimestamp: BigInt(now), codec, repack })
      // Bare snappy has no magic: what it makes of other bytes is not sound, whatever it is.
      assert.throws(() => stored(bytes), { name: /CORRUPT_MESSAGE|INVALID_RECORD/ }, `${other} as ${codec}`)
    }
})

test('every named shape is a shape of its own', () => {
  const names = shapes(now).map(({ name }: Shape) => name)
  assert.equal(new Set(names).size, names.length)
})
