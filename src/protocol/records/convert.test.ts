import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, type Int64, maxInt64, writeInt64 } from '../../base.ts'
import { type CompressionType, compress, compressionIds, DecompressedTooLarge } from '../compression.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch, type NewRecord } from './build.ts'
import { convert, fetchMagic } from './convert.ts'
import * as header from './header.ts'
import { buildMessageSet, type OldMessage } from './legacy.ts'
import { needsNoOpening, open, openingOf } from './open.ts'
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
const clientRules = {
  origin: 'client',
  name: 't-0',
  maxMessageBytes: 1e6,
  segmentBytes: 2 ** 30,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  nowMs: now,
} as const
const plainTopic = { version: 13, compression: 'producer', batch: clientRules } as const
/** As it is stored. */
const stored = (records: Buffer, compression: CompressionType, compacted = false): Buffer =>
  open(openingOf(records, { version: 0, compression, batch: { ...clientRules, compacted } }), limit).records

function view(bytes: Buffer): [offset: number, timestamp: Int64, value: string][] {
  const records: [number, Int64, string][] = []
  forEachRecord(bytes, ({ offset, timestamp, value }) => void records.push([offset, timestamp, String(value)]))
  return records
}

test('plain batches need not be opened, unless their topic compresses', () => {
  const needed = (batch: Buffer, compression: 'producer' | CompressionType = 'producer'): boolean =>
    !needsNoOpening(openingOf(batch, { ...plainTopic, compression }))
  assert.ok(!needed(buildBatch({ records: keyed(3) })))
  assert.ok(!needed(buildBatch({ records: keyed(3) }), 'none'))
  assert.ok(needed(buildBatch({ records: keyed(3) }), 'lz4'))
  assert.ok(needed(buildBatch({ records: keyed(3), compression: 'zstd' })))
  assert.ok(needed(buildBatch({ records: keyed(3), compression: 'lz4' }), 'lz4'))
  assert.ok(!needsNoOpening(openingOf(set(1, 'none'), { ...plainTopic, version: 2 })))
})

test('what a Produce version may carry', () => {
  const batch = buildBatch({ records: keyed(1) })
  const zstd = buildBatch({ records: keyed(1), compression: 'zstd' })
  const refused = (records: Buffer, version: number, name: string): void =>
    assert.throws(() => openingOf(records, { ...plainTopic, version }), { name })
  refused(zstd, 6, 'UNSUPPORTED_COMPRESSION_TYPE')
  refused(set(1, 'none'), 3, 'INVALID_RECORD')
  refused(Buffer.alloc(0), 3, 'INVALID_RECORD')
  for (const version of [0, 2, 3, 9]) refused(Buffer.concat([batch, batch]), version, 'INVALID_RECORD')
  for (const version of [0, 2, 7]) refused(Buffer.concat([zstd, zstd]), version, 'INVALID_RECORD')
  assert.deepEqual(view(open(openingOf(zstd, { ...plainTopic, version: 7 }), limit).records), view(zstd))
  assert.deepEqual(view(open(openingOf(batch, { ...plainTopic, version: 2 }), limit).records), view(batch))
})

test('a set of old messages is limited, however large single messages may be', () => {
  const rules = { version: 2, compression: 'producer', batch: clientRules } as const
  const one = set(1, 'none')
  const sets = (bytes: number): Buffer => Buffer.alloc(Math.floor(bytes / one.length) * one.length, one)
  assert.equal(openingOf(sets(15 << 20), rules).compression, 'producer')
  assert.throws(() => openingOf(sets(17 << 20), rules), { name: 'RECORD_LIST_TOO_LARGE' })
  const large = { ...clientRules, maxMessageBytes: 20 << 20 }
  assert.equal(openingOf(sets(17 << 20), { ...rules, batch: large }).compression, 'producer')
})

test('fetch versions and their formats', () => {
  assert.deepEqual([0, 1, 2, 3, 4, 17].map(fetchMagic), [0, 0, 1, 1, 2, 2])
})

test('old messages become a batch that the log takes', () => {
  for (const magic of [0, 1] as const)
    for (const compression of ['none', 'gzip', 'snappy', 'lz4'] as const) {
      const { records: batch, contents } = open(openingOf(set(magic, compression), { ...plainTopic, version: 0 }), limit)
      assert.equal(contents.latest, magic === 0 ? -1 : now + 2)
      assert.equal(header.compression(batch, 0), compression)
      assert.equal(validateBatches(batch, clientRules).offsetCount, 3)
      assert.deepEqual(
        view(batch),
        messages.map(({ offset, timestamp, value }) => [offset, magic === 0 ? -1 : timestamp, String(value)]),
      )
    }
})

test('old messages: damage, mixed magics and two wrappers are refused', () => {
  const bad = (records: Buffer, name: string): void => assert.throws(() => stored(records, 'none'), { name })
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

test('old messages in wrappers of every codec: what is inside is checked as in batches', () => {
  const old = { magic: 1, compression: 'none', timestampType: 'CreateTime' } as const
  for (const magic of [0, 1] as const)
    for (const codec of ['gzip', 'snappy', 'lz4'] as const) {
      const as = { magic, codec }
      const bad = (records: Buffer, name: string, compacted = false): void => {
        assert.throws(() => stored(records, 'none', compacted), { name }, `${magic} ${codec}`)
        assert.throws(() => stored(records, codec, compacted), { name }, `${magic} ${codec}`)
      }
      const inner = set(magic, 'none')
      const packed = compress(codec, inner, { brokenLz4Checksum: magic === 0 })
      bad(wrap(Buffer.from('not compressed'), { ...as, packed: true }), 'CORRUPT_MESSAGE')
      bad(wrap(packed.subarray(0, packed.length - 2), { ...as, packed: true }), 'CORRUPT_MESSAGE')
      bad(wrap(set(magic === 0 ? 1 : 0, 'none'), as), 'INVALID_RECORD')
      const damaged = Buffer.from(inner)
      damaged[damaged.length - 1]! ^= 1
      bad(wrap(damaged, as), 'CORRUPT_MESSAGE')
      bad(wrap(buildMessageSet({ ...old, magic, messages: [{ ...messages[0]!, key: null }] }), as), 'INVALID_RECORD', true)
      // A last message that is cut off does not count, as in Kafka.
      assert.equal(view(stored(wrap(Buffer.concat([inner, inner.subarray(0, 20)]), as), codec)).length, 3)
      if (magic === 1)
        bad(wrap(buildMessageSet({ ...old, messages: [{ ...messages[0]!, timestamp: now + 9e9 }] }), as), 'INVALID_TIMESTAMP')
    }
})

/** One wrapper around these very bytes, which are compressed already or not. */
function wrap(inner: Buffer, of: { magic?: 0 | 1; codec?: 'gzip' | 'snappy' | 'lz4'; packed?: boolean } = {}): Buffer {
  const { magic = 1, codec = 'gzip' } = of
  const bytes = buildMessageSet({
    magic,
    compression: 'none',
    timestampType: 'CreateTime',
    messages: [
      { offset: 9, timestamp: 1, key: null, value: of.packed ? inner : compress(codec, inner, { brokenLz4Checksum: magic === 0 }) },
    ],
  })
  bytes[17] = compressionIds[codec]
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
      const after = stored(batch, to)
      if (from === to) {
        assert.deepEqual(after, batch)
        continue
      }
      assert.equal(validateBatches(after, clientRules).offsetCount, 50)
      const { compression: _a, sizeBytes: _b, ...before } = header.readBatchHeader(batch, 0)
      const { compression, sizeBytes: _d, ...rest } = header.readBatchHeader(after, 0)
      assert.equal(compression, to)
      assert.deepEqual(rest, before)
      assert.deepEqual(view(after), view(batch))
    }
})

test('recompression does not wash away what the log would refuse', () => {
  const rejected = (records: Buffer, name: string): void =>
    assert.throws(() => validateBatches(stored(records, 'gzip'), clientRules), {
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
  for (const compression of ['none', 'gzip'] as const) {
    const cut = buildBatch({ records: keyed(2), baseOffset: 20, lastOffsetDelta: 9, compression })
    assert.equal(convert({ kind: 'fetch', records: cut, toMagic: 1, firstOffset: 22 }, limit).length, 0, compression)
  }
  const zstd = buildBatch({ records: keyed(1), compression: 'zstd' })
  assert.throws(() => convert({ kind: 'fetch', records: zstd, toMagic: 1, firstOffset: 0 }, limit), {
    name: 'UNSUPPORTED_COMPRESSION_TYPE',
  })
})

test('down-conversion stops at its limit, and continues when the consumer fetches again', () => {
  const value = Buffer.alloc(1 << 20)
  const batches = Array.from({ length: 20 }, (_, baseOffset) => buildBatch({ records: [{ key, value }], baseOffset, compression: 'gzip' }))
  const control = buildBatch({ records: keyed(1), baseOffset: 20, isControl: true })
  const converted = (from: number, maxBytes: number): number[] => {
    const records = Buffer.concat([...batches.slice(from), control])
    return view(convert({ kind: 'fetch', records, toMagic: 1, firstOffset: from }, maxBytes)).map(([offset]) => offset)
  }
  assert.deepEqual(converted(3, 1.5 * 2 ** 20), [3, 4])
  const many = converted(0, limit)
  assert.ok(many.length >= 8 && many.length < 10, `${many.length} batches`)
  assert.deepEqual(converted(18, limit), [18, 19])
  // The first is too large to be converted here, a later one is not.
  assert.throws(() => converted(0, 1 << 19), DecompressedTooLarge)
})

test('a wrapper of millions of messages is rejected before an object is created for each', () => {
  const one = buildMessageSet({
    magic: 0,
    compression: 'none',
    timestampType: 'CreateTime',
    messages: [{ ...messages[0]!, key: null, value: null }],
  })
  const wrapper = wrap(Buffer.alloc(one.length * 2_100_000, one), { magic: 0 })
  assert.throws(() => open(openingOf(wrapper, { ...plainTopic, version: 0 }), 1 << 27), { name: 'INVALID_RECORD' })
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
    () => openingOf(records, { version: 0, compression: 'gzip', batch: clientRules }),
    () => stored(records, 'none'),
    () => convert({ kind: 'fetch', records, toMagic: 0, firstOffset: 0 }, limit),
  ]
  for (const attempt of attempts)
    try {
      attempt()
    } catch (error) {
      if (!(error instanceof KafkaError)) assert.fail(`${records.toString('hex')}: ${(error as Error).stack}`)
    }
}

test('timestamps of old messages are exact, up to new batches and back down', () => {
  const times = [2n ** 53n + 1n, maxInt64, 2n ** 60n + 1n]
  for (const compression of ['none', 'gzip'] as const) {
    const old = times.map((timestamp, offset) => ({ offset, timestamp, key, value: null }))
    const records = buildMessageSet({ magic: 1, compression, timestampType: 'CreateTime', messages: old })
    const batch = { ...clientRules, timestampAfterMaxMs: 2 ** 63 }
    const up = open(openingOf(records, { version: 2, compression, batch }), limit).records
    assert.equal(header.maxTimestamp(up, 0), maxInt64)
    const down = convert({ kind: 'fetch', records: up, toMagic: 1, firstOffset: 0 }, 1e6)
    for (const bytes of [up, down])
      assert.deepEqual(
        view(bytes).map(([, timestamp]) => timestamp),
        times,
      )
  }
})
