import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxInt64, minInt64, toInt64, writeInt64 } from '../../base.ts'
import { KafkaError } from '../errors.ts'
import { buildBatch, type NewBatch } from './build.ts'
import type { BatchRules } from './contents.ts'
import * as header from './header.ts'
import { InvalidRecords } from './invalid.ts'
import { forEachRecord } from './read.ts'
import { stampBatches, validateBatches } from './validate.ts'
import { Cursor, sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from './varint.ts'

const now = 1_700_000_000_000
const rules: BatchRules = {
  origin: 'client',
  name: 't-0',
  maxMessageBytes: 1_048_588,
  segmentBytes: 2 ** 30,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  nowMs: now,
}
const key = Buffer.from('k')
const value = Buffer.from('v')
const two = [
  { key, value },
  { key, value },
]

function batch(of: Partial<NewBatch> = {}): Buffer {
  return buildBatch({ records: two, timestamp: now, ...of })
}

/** Changes the batch and makes its checksum right again. */
function tampered(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes)
  bytes.writeUInt32BE(header.computeCrc(bytes, 0), 17)
  return bytes
}

function refused(bytes: Buffer, name: string, of: Partial<BatchRules> = {}): KafkaError {
  const before = Buffer.from(bytes)
  try {
    validateBatches(bytes, { ...rules, ...of })
  } catch (error) {
    assert.ok(error instanceof KafkaError, String(error))
    assert.equal(error.name, name)
    assert.ok(bytes.equals(before), 'validation changes nothing')
    return error
  }
  return assert.fail(`${name} expected: ${bytes.toString('hex')}`)
}

test('a sound batch passes, whatever its compression', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const bytes = batch({ compression, producerId: 5, producerEpoch: 0, baseSequence: 0, isTransactional: true })
    assert.deepEqual(validateBatches(bytes, rules), { sizeBytes: bytes.length, batchCount: 1, offsetCount: 2, maxTimestamp: now })
  }
})

test('a wrong checksum is CORRUPT_MESSAGE, at every byte that it covers', () => {
  const sound = batch()
  for (let at = 17; at < sound.length; at++) {
    const bytes = Buffer.from(sound)
    bytes[at]! ^= 4
    refused(bytes, 'CORRUPT_MESSAGE')
  }
})

test('counts, deltas and bounds of the header', () => {
  const count = (by: number) => (b: Buffer) => void b.writeInt32BE(2 + by, 57)
  refused(tampered(batch(), count(1)), 'INVALID_RECORD')
  refused(tampered(batch(), count(-1)), 'INVALID_RECORD')
  refused(
    tampered(batch(), b => void b.writeInt32BE(0, 23)),
    'INVALID_RECORD',
  )
  refused(
    tampered(batch(), b => void b.writeInt32BE(-1, 23)),
    'INVALID_RECORD',
  )
  // Header and deltas agree with each other, but not with what follows.
  refused(
    tampered(batch(), b => {
      b.writeInt32BE(2, 23)
      b.writeInt32BE(3, 57)
    }),
    'INVALID_RECORD',
  )
  refused(
    tampered(batch(), b => {
      b.writeInt32BE(2 ** 31 - 2, 23)
      b.writeInt32BE(2 ** 31 - 1, 57)
    }),
    'INVALID_RECORD',
  )
  refused(
    tampered(batch(), b => {
      b.writeInt32BE(0, 23)
      b.writeInt32BE(1, 57)
    }),
    'INVALID_RECORD',
  )
  refused(batch({ records: [], lastOffsetDelta: 0 }), 'INVALID_RECORD')
  refused(batch({ baseOffset: 3 }), 'INVALID_RECORD')
  refused(
    tampered(batch(), b => void b.writeInt16BE(7, 21)),
    'INVALID_RECORD',
  )
})

test('lengths, magics and the number of batches', () => {
  refused(Buffer.alloc(0), 'INVALID_RECORD')
  const sound = batch()
  for (let cut = 1; cut < sound.length; cut++) refused(sound.subarray(0, cut), 'INVALID_RECORD')
  for (const length of [-1, 0, 13, 48]) {
    const bytes = batch()
    bytes.writeInt32BE(length, 8)
    refused(bytes, 'CORRUPT_MESSAGE')
  }
  for (const [magic, name] of [
    [0, 'INVALID_RECORD'],
    [1, 'INVALID_RECORD'],
    [3, 'CORRUPT_MESSAGE'],
    [-1, 'CORRUPT_MESSAGE'],
  ] as const) {
    const bytes = batch()
    bytes.writeInt8(magic, 16)
    refused(bytes, name)
  }
  refused(Buffer.concat([sound, sound]), 'INVALID_RECORD')
  // What follows and is cut off does not count, as in Kafka.
  assert.equal(validateBatches(Buffer.concat([sound, sound.subarray(0, 40)]), rules).sizeBytes, sound.length)
  refused(sound, 'MESSAGE_TOO_LARGE', { maxMessageBytes: sound.length - 1 })
  assert.equal(validateBatches(sound, { ...rules, maxMessageBytes: sound.length }).batchCount, 1)
})

test('clients write no control batches, and no producer id without a sequence', () => {
  refused(batch({ isControl: true }), 'INVALID_RECORD')
  refused(batch({ producerId: 0, producerEpoch: 0 }), 'INVALID_RECORD')
})

test('coordinators may write several batches and markers', () => {
  const bytes = Buffer.concat([batch(), batch({ isControl: true, producerId: 1, producerEpoch: 0 }), batch({ timestamp: now + 9e9 })])
  assert.deepEqual(validateBatches(bytes, { ...rules, origin: 'coordinator' }), {
    sizeBytes: bytes.length,
    batchCount: 3,
    offsetCount: 6,
    maxTimestamp: now + 9e9,
  })
})

test('every damage inside a plain batch that changes its structure is INVALID_RECORD', () => {
  const records = [{ key, value, headers: [{ key: 'h', value }] }]
  // Positions in the record: its length, attributes, timestamp, offset, key, value, header count, header.
  const at = { length: 61, offset: 64, key: 65, value: 67, headers: 69, headerKey: 70, headerValue: 72 }
  const damage = (position: number, byte: number): Buffer => tampered(batch({ records }), b => void (b[position] = byte))
  assert.equal(validateBatches(damage(62, 9), rules).offsetCount, 1, 'attributes are free')
  for (const position of Object.values(at))
    for (const byte of [0x03, 0x05, 0x7e, 0x7f, 0x80, 0xff]) refused(damage(position, byte), 'INVALID_RECORD')
  refused(damage(at.headerKey, 0x01), 'INVALID_RECORD')
})

test('varints of more than five and ten bytes are refused', () => {
  const long = (start: number, bytes: number): Buffer =>
    tampered(batch({ records: [{ key: null, value: Buffer.alloc(40) }] }), b => void b.fill(0xff, start, start + bytes))
  refused(long(61, 6), 'INVALID_RECORD')
  refused(long(63, 11), 'INVALID_RECORD')
  refused(long(64, 6), 'INVALID_RECORD')
})

test('timestamps must be near enough, and the error names the records', () => {
  const records = [
    { key, value },
    { key, value, timestamp: now + 3_600_001 },
    { key, value, timestamp: -1 },
  ]
  const error = refused(batch({ records }), 'INVALID_TIMESTAMP')
  assert.ok(error instanceof InvalidRecords)
  assert.deepEqual(
    error.recordErrors.map(({ batchIndex }) => batchIndex),
    [1],
  )
  assert.match(error.recordErrors[0]!.message, /^Timestamp 1700003600001 of message with offset 1 is out of range/)
  refused(batch({ records, compression: 'zstd' }), 'INVALID_TIMESTAMP')
  refused(batch({ timestamp: now - 1001 }), 'INVALID_TIMESTAMP', { timestampBeforeMaxMs: 1000 })
  assert.equal(validateBatches(batch({ timestamp: now - 1000 }), { ...rules, timestampBeforeMaxMs: 1000 }).maxTimestamp, now - 1000)
  const untimed = [
    { key, value },
    { key, value, timestamp: -1 },
  ]
  assert.equal(validateBatches(batch({ records: untimed }), { ...rules, timestampBeforeMaxMs: 1000 }).maxTimestamp, now)
  assert.equal(
    validateBatches(batch({ records: [{ key, value, timestamp: -1 }] }), { ...rules, timestampBeforeMaxMs: 1000 }).maxTimestamp,
    -1,
  )
})

test('LogAppendTime: the broker sets it, a client must not', () => {
  const topic = { timestampType: 'LogAppendTime' } as const
  const late = validateBatches(batch({ timestamp: now + 9e9 }), { ...rules, ...topic })
  assert.equal(late.maxTimestamp, now)
  refused(batch({ timestampType: 'LogAppendTime' }), 'INVALID_TIMESTAMP', topic)
  refused(batch({ timestampType: 'LogAppendTime', compression: 'gzip' }), 'INVALID_TIMESTAMP', topic)
})

test('a compacted topic needs keys in plain batches', () => {
  const records = [
    { key, value },
    { key: null, value },
    { key: null, value },
  ]
  const error = refused(batch({ records }), 'INVALID_RECORD', { compacted: true })
  assert.ok(error instanceof InvalidRecords)
  assert.deepEqual(
    error.recordErrors.map(({ batchIndex }) => batchIndex),
    [1, 2],
  )
  assert.equal(validateBatches(batch({ records }), rules).offsetCount, 3)
  assert.equal(validateBatches(batch(), { ...rules, compacted: true }).offsetCount, 2)
})

test('stamping writes offsets and epoch without, and times with, a new checksum', () => {
  const bytes = Buffer.concat([batch(), batch({ records: [...two, ...two] })])
  const coordinator: BatchRules = { ...rules, origin: 'coordinator' }
  const second = header.sizeBytes(bytes, 0)
  stampBatches(bytes, validateBatches(bytes, coordinator), { baseOffset: 2 ** 40, leaderEpoch: 7, timestampType: 'CreateTime' })
  const offsets: number[] = []
  forEachRecord(bytes, ({ offset }) => void offsets.push(offset - 2 ** 40))
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5])
  assert.equal(header.partitionLeaderEpoch(bytes, second), 7)
  for (const position of [0, second]) assert.ok(header.intactBatchSize(bytes, position) > 0)

  const one = batch()
  stampBatches(one, validateBatches(one, { ...rules, timestampType: 'LogAppendTime', nowMs: now + 5 }), {
    baseOffset: 9,
    leaderEpoch: 1,
    timestampType: 'LogAppendTime',
  })
  assert.ok(header.intactBatchSize(one, 0) > 0)
  forEachRecord(one, ({ timestamp }) => assert.equal(timestamp, now + 5))
})

test('the largest timestamp is that of the records, not what the header claims', () => {
  const bytes = tampered(batch(), b => writeInt64(b, 35, now + 1))
  const validated = validateBatches(bytes, rules)
  assert.equal(validated.maxTimestamp, now)
  stampBatches(bytes, validated, { baseOffset: 0, leaderEpoch: 0, timestampType: 'CreateTime' })
  assert.equal(header.maxTimestamp(bytes, 0), now)
  assert.ok(header.intactBatchSize(bytes, 0) > 0)
})

test('varints and varlongs keep every value', () => {
  const buffer = Buffer.alloc(16)
  const check = (exact: bigint): void => {
    const value = toInt64(exact)
    const end = writeVarlong(buffer, 0, value)
    assert.equal(sizeOfVarlong(value), end, String(value))
    assert.equal(new Cursor(buffer, 0, end).varlong(), value)
    let zigzag = BigInt.asUintN(64, (exact << 1n) ^ (exact >> 63n))
    const expected: number[] = []
    for (; zigzag > 0x7fn; zigzag >>= 7n) expected.push(Number(zigzag & 0x7fn) | 0x80)
    expected.push(Number(zigzag))
    assert.deepEqual([...buffer.subarray(0, end)], expected, String(value))
    if (typeof value === 'bigint' || (value | 0) !== value) return
    assert.equal(writeVarint(buffer, 0, value), sizeOfVarint(value))
    assert.equal(new Cursor(buffer, 0, 16).varint(), value)
  }
  for (let bits = 0n; bits <= 63n; bits++)
    for (const off of [-2n, -1n, 0n, 1n])
      for (const sign of [1n, -1n]) {
        const value = sign * (2n ** bits + off)
        if (value >= minInt64 && value <= maxInt64) check(value)
      }
})

test('sequences wrap around to 0 after 2^31 - 1', () => {
  assert.equal(header.incrementSequence(2 ** 31 - 1, 1), 0)
  assert.equal(header.incrementSequence(2 ** 31 - 2, 3), 1)
  assert.equal(header.incrementSequence(5, 3), 8)
})

test('no limit on timestamps is none for the lowest and the largest', () => {
  const none = { ...rules, timestampBeforeMaxMs: 2 ** 63, timestampAfterMaxMs: 2 ** 63 }
  for (const timestamp of [minInt64, -5, maxInt64]) {
    const bytes = buildBatch({ records: [{ key: null, value: null }], timestamp })
    assert.equal(validateBatches(bytes, none).maxTimestamp, timestamp < -1 ? -1 : timestamp)
    assert.throws(() => validateBatches(bytes, { ...none, timestampBeforeMaxMs: 1, timestampAfterMaxMs: 1 }), { name: 'INVALID_TIMESTAMP' })
  }
})
