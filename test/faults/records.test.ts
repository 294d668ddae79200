/** Record batches that are wrong, forbidden or bombs: rejected with Kafka's code, individually for each partition, and nothing is stored. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch, field, seal, zigzag } from '../../sim/world/batches.ts'
import { buildBatch as build } from '../../src/protocol.ts'
import { attack } from '../support/attack.ts'
import { connect, createTopic, fetchRecords, produce } from '../support/client.ts'

const corruptMessage = 2
const messageTooLarge = 10
const invalidTimestamp = 32
const unsupportedCompressionType = 76
const invalidRecord = 87

const good = (values: string[] = ['a', 'b', 'c']) => buildBatch({ values, timestampMs: Date.now() })

/** A good batch with something changed and, unless the checksum is the point, sealed again. */
function broken(change: (batch: Buffer) => void, from = good()): Buffer {
  change(from)
  return seal(from)
}

const wrong: Record<string, [number | number[], () => Buffer]> = {
  'a wrong checksum': [corruptMessage, () => Buffer.from(good().map((byte, index) => (index === field.crc ? byte ^ 1 : byte)))],
  'a flipped bit in a record': [
    corruptMessage,
    () => Buffer.from(good().map((byte, index) => (index === field.records + 5 ? byte ^ 1 : byte))),
  ],
  'one record more than there are': [invalidRecord, () => broken(batch => batch.writeInt32BE(4, field.recordCount))],
  'one record less than there are': [invalidRecord, () => broken(batch => batch.writeInt32BE(2, field.recordCount))],
  'a last offset that does not match': [invalidRecord, () => broken(batch => batch.writeInt32BE(7, field.lastOffsetDelta))],
  'a negative last offset': [invalidRecord, () => broken(batch => batch.writeInt32BE(-1, field.lastOffsetDelta))],
  'no records': [invalidRecord, () => buildBatch({ values: [] })],
  'a count of 2^31-1': [invalidRecord, () => broken(batch => batch.writeInt32BE(2 ** 31 - 1, field.recordCount))],
  'two batches': [invalidRecord, () => Buffer.concat([good(), good()])],
  'magic 0': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt8(0, field.magic))],
  'magic 1': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt8(1, field.magic))],
  'magic 3': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt8(3, field.magic))],
  'a control batch': [
    invalidRecord,
    () => buildBatch({ values: ['a'], attributes: 0x20, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
  ],
  'a producer without a sequence': [invalidRecord, () => buildBatch({ values: ['a'], producerId: 1, producerEpoch: 0, baseSequence: -1 })],
  'a compression nobody knows': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt16BE(7, field.attributes))],
  'a negative number of headers': [invalidRecord, () => broken(batch => zigzag(-2).copy(batch, batch.length - 1), good(['a']))],
  'a record longer than the batch': [invalidRecord, () => broken(batch => zigzag(63).copy(batch, field.records), good(['a']))],
  'a batch longer than what came': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt32BE(2 ** 30, field.batchLength))],
  'a batch shorter than a header': [[invalidRecord, corruptMessage], () => broken(batch => batch.writeInt32BE(10, field.batchLength))],
  'a timestamp two hours ahead': [invalidTimestamp, () => buildBatch({ values: ['a'], timestampMs: Date.now() + 7_200_000 })],
  'nothing at all': [[invalidRecord, corruptMessage], () => Buffer.alloc(0)],
}

test('7, 8, 9: wrong batches get their error, and the partition keeps working', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'records')
    for (const [what, [expected, make]] of Object.entries(wrong)) {
      const { errorCode, baseOffset } = await produce(client, 'records', make())
      assert.ok([expected].flat().includes(errorCode), `${what}: error ${errorCode} instead of ${expected}`)
      assert.equal(baseOffset, -1, what)
    }
    assert.equal((await produce(client, 'records', good())).baseOffset, 0, 'nothing of all that was stored')
    assert.equal((await fetchRecords(client, 'records', 0)).highWatermark, 3)
    client.close()
  }))

test('9: size, old versions, and keys of compacted topics', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'small', 1, { 'max.message.bytes': '1000' })
    await createTopic(client, 'compacted', 1, { 'cleanup.policy': 'compact' })
    assert.equal((await produce(client, 'small', good(['x'.repeat(2000)]))).errorCode, messageTooLarge)
    assert.equal((await produce(client, 'small', good(['x'.repeat(500)]))).errorCode, 0)
    assert.equal((await produce(client, 'compacted', good())).errorCode, invalidRecord)
    const keyed = buildBatch({ values: ['a'], keys: ['k'], timestampMs: Date.now() })
    assert.equal((await produce(client, 'compacted', keyed)).errorCode, 0)
    const zstd = build({ records: [{ key: null, value: Buffer.from('a') }], timestamp: Date.now(), compression: 'zstd' })
    assert.equal((await produce(client, 'small', zstd, { version: 6 })).errorCode, unsupportedCompressionType)
    assert.equal((await produce(client, 'small', zstd, { version: 7 })).errorCode, 0)
    client.close()
  }))

test('10: bombs are refused where they must be opened, off the event loop', async () => {
  const plain = Buffer.alloc(160 * 2 ** 20)
  const bombs = (['gzip', 'lz4', 'zstd'] as const).map(compression => ({
    compression,
    batch: build({ records: [{ key: Buffer.from('k'), value: plain }], timestamp: Date.now(), compression }),
  }))
  await attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'bombs', 1, { 'max.message.bytes': '8000000', 'compression.type': 'uncompressed' })
    for (const { compression, batch } of bombs) {
      assert.ok(batch.length < 2 ** 20, `${compression} makes ${batch.length} bytes`)
      assert.equal((await produce(client, 'bombs', batch)).errorCode, invalidRecord, compression)
    }
    assert.equal((await fetchRecords(client, 'bombs', 0)).highWatermark, 0)
    client.close()
  })
})

test('10: compressed data with wrong sizes is rejected', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    await createTopic(client, 'lies', 1, { 'compression.type': 'uncompressed' })
    const bodies = {
      'snappy: a chunk of 2^31-1': [
        2,
        Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), Buffer.from('7fffffff', 'hex'), Buffer.alloc(20)]),
      ],
      'snappy: a size of 2^32-1': [2, Buffer.from('ffffffff0f0000', 'hex')],
      'lz4: a content size of 2^63-1': [3, Buffer.from('04224d186c40ffffffffffffff7f00ffffff7f00', 'hex')],
      'zstd: a window of 2^41': [4, Buffer.from('28b52ffd00ff0100', 'hex')],
      'gzip: cut': [1, Buffer.from('1f8b0800000000000003', 'hex')],
      'gzip: noise': [1, Buffer.alloc(100, 0xa5)],
    } as const
    for (const [what, [compression, body]] of Object.entries(bodies)) {
      const batch = Buffer.concat([good(['a']).subarray(0, field.records), body])
      batch.writeInt32BE(batch.length - 12, field.batchLength)
      batch.writeInt16BE(compression, field.attributes)
      const { errorCode } = await produce(client, 'lies', seal(batch))
      assert.ok([corruptMessage, invalidRecord].includes(errorCode), `${what}: error ${errorCode}`)
    }
    client.close()
  }))
