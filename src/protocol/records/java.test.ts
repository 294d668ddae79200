/** Against the bytes of Kafka's own classes: kafka-clients 3.9.1 (all formats) and 4.4.0. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { buildBatch } from './build.ts'
import type { BatchRules } from './contents.ts'
import { convert } from './convert.ts'
import { describe } from './describe.testing.ts'
import { baseTimestamp, intactBatchSize } from './header.ts'
import { buildMessageSet, checkMessageCrc } from './legacy.ts'
import { buildMarkerBatch, markerOfBatch } from './markers.ts'
import { open } from './open.ts'
import { batchesIn, forEachRecord } from './read.ts'
import type { RecordView } from './record-view.ts'
import { retainRecords } from './retain.ts'

const limit = 1 << 24
const rules: BatchRules = {
  origin: 'client',
  name: 't-0',
  maxMessageBytes: 1 << 24,
  segmentBytes: 2 ** 30,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: 2 ** 63,
  timestampAfterMaxMs: 2 ** 63,
  nowMs: 1_700_000_000_000,
}

for (const version of ['3.9.1', '4.4.0'] as const) {
  const fixtures = readFixtures(version)
  const named = (name: string): Fixture => fixtures.find(fixture => fixture.name === name) ?? assert.fail(`no fixture ${name}`)

  test(`kafka-clients ${version}: we read in every batch what Java reads`, () => {
    assert.ok(fixtures.length > 50)
    for (const { name, bytes, description } of fixtures) {
      assert.equal(describe(bytes), description, name)
      for (const batch of batchesIn(bytes)) {
        if (batch.header.magic === 2) assert.equal(intactBatchSize(batch.bytes, 0), batch.bytes.length, name)
        else checkMessageCrc(batch.bytes)
      }
    }
  })

  test(`kafka-clients ${version}: built from the same records, plain batches are the same bytes and compressed ones read the same`, () => {
    for (const { name, bytes, description } of fixtures) {
      if (name.startsWith('to ') || name.startsWith('compact out')) continue
      const rebuilt = rebuild(bytes)
      // Of a v2 batch with LogAppendTime the records' own times are stored, but no reader shows them.
      const sameBytes = name.includes(' none') && !name.startsWith('v2 none LogAppendTime')
      if (sameBytes || name.startsWith('producer') || name.startsWith('marker'))
        assert.equal(rebuilt.toString('hex'), bytes.toString('hex'), name)
      else assert.equal(describe(rebuilt), description, name)
    }
  })

  test(`kafka-clients ${version}: compaction leaves the same of a batch`, () => {
    for (const input of fixtures.filter(({ name }) => name.startsWith('compact in'))) {
      const output = named(input.name.replace(' in ', ' out '))
      const [batch] = batchesIn(input.bytes)
      const kept = retainRecords(
        batch!,
        (record, { producerId }) => producerId !== 6 && !['k1', 'k3'].includes(record.key?.toString() ?? ''),
        { keepEmpty: true, deleteHorizonMs: 1_700_000_001_500 },
      )
      assert.equal(describe(kept!), output.description, input.name)
      if (input.name.includes('none') || input.name.endsWith(' 6')) assert.equal(kept!.toString('hex'), output.bytes.toString('hex'))
    }
  })

  test(`kafka-clients ${version}: transaction markers`, () => {
    for (const committed of [true, false]) {
      const { bytes } = named(`marker ${committed ? 'COMMIT' : 'ABORT'}`)
      assert.deepEqual(markerOfBatch(bytes, 0, bytes.length), { committed, coordinatorEpoch: 12 })
      const ours = buildMarkerBatch({
        committed,
        coordinatorEpoch: 12,
        producerId: 9000,
        producerEpoch: 2,
        timestamp: 1_700_000_000_000,
        baseOffset: 77,
      })
      ours.writeInt32BE(4, 12)
      assert.equal(ours.toString('hex'), bytes.toString('hex'))
    }
  })
}

test('down-conversion makes of a v2 batch what Kafka 3.9.1 makes of it', () => {
  const fixtures = readFixtures('3.9.1')
  const conversions = fixtures.filter(({ name }) => name.startsWith('to '))
  assert.ok(conversions.length >= 30)
  for (const { name, bytes, description } of conversions) {
    const [, toMagic, from, source] = /^to (\d) from (\d) of (.*)$/.exec(name)!
    const records = fixtures.find(fixture => fixture.name === source)!.bytes
    const ours = convert({ kind: 'fetch', records, toMagic: Number(toMagic) as 0 | 1, firstOffset: Number(from) }, limit)
    assert.equal(describe(ours), description, name)
    if (name.includes(' none')) assert.equal(ours.toString('hex'), bytes.toString('hex'), name)
  }
})

test('up-conversion keeps what the old formats can say', () => {
  for (const { name, bytes } of readFixtures('3.9.1')) {
    if (!/^v[01] .*(small|2\^40)/.test(name)) continue
    const before = recordsOf(bytes)
    const stored = open({ kind: 'produce', records: bytes, compression: 'zstd', rules }, limit).records
    const after = recordsOf(stored)
    assert.deepEqual(
      after.map(({ key, value, timestamp }) => ({ key, value, timestamp })),
      before.map(({ key, value, timestamp }) => ({ key, value, timestamp })),
      name,
    )
    assert.deepEqual(
      after.map(({ offset }) => offset),
      [0, 1, 2, 3],
    )
    const [batch] = batchesIn(stored)
    assert.equal(batch!.header.timestampType, [...batchesIn(bytes)][0]!.header.timestampType)
    assert.equal(batch!.header.compression, 'zstd')
  }
})

function recordsOf(bytes: Buffer): RecordView[] {
  const records: RecordView[] = []
  forEachRecord(bytes, record => void records.push(record))
  return records
}

/** From nothing but what we read in it. */
function rebuild(bytes: Buffer): Buffer {
  const [first] = batchesIn(bytes)
  const { header } = first!
  const records = recordsOf(bytes)
  if (header.magic < 2)
    return buildMessageSet({
      magic: header.magic as 0 | 1,
      compression: header.compression,
      timestampType: header.timestampType,
      logAppendTime: header.maxTimestamp,
      messages: records,
    })
  return buildBatch({
    ...header,
    records: records.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp })),
    timestamp: header.maxTimestamp,
    deleteHorizonMs: header.hasDeleteHorizon ? baseTimestamp(bytes, 0) : undefined,
  })
}

interface Fixture {
  name: string
  bytes: Buffer
  description: string
}

/** What the Java classes of that kafka-clients wrote (compat/java-records). */
function readFixtures(version: '3.9.1' | '4.4.0'): Fixture[] {
  const file = gunzipSync(readFileSync(new URL(`./fixtures/kafka-${version}.tsv.gz`, import.meta.url))).toString()
  return file
    .split('\n')
    .slice(0, -1)
    .map(line => {
      const [name, bytes, description] = line.split('\t')
      return { name: name!, bytes: Buffer.from(bytes!, 'base64'), description: description! }
    })
}
