/** A batch that the disk has changed is not believed, even where its records can be read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from '../base.ts'
import { batchesOf, encodeBatch, replayBatch } from './runtime-records.ts'
import type { Shard } from './shard.ts'

test('a flipped bit in a value: the batch is skipped or, where nothing may be missing, an error', () => {
  const bytes = encodeBatch([{ key: Buffer.from('key'), value: Buffer.from('value') }], 1)
  bytes[bytes.indexOf('value')]! ^= 1
  const replayed: unknown[] = []
  const shard = { replay: (record: unknown) => void replayed.push(record) } as unknown as Shard
  const [batch] = batchesOf([bytes])
  const skipped: number[] = []
  replayBatch(batch!, 0, shard, offset => void skipped.push(offset))
  assert.deepEqual([replayed, skipped], [[], [0]])
  assert.throws(() => replayBatch(batch!, 0, shard), /batch at offset 0 has a wrong checksum/)
})

test('messages of an old format, from an import, are replayed, unless their checksum is wrong', () => {
  const message = Buffer.alloc(40)
  message.writeInt32BE(28, 8)
  message.writeInt8(1, 16)
  message.writeInt32BE(3, 26)
  message.write('key', 30)
  message.writeInt32BE(3, 33)
  message.write('abc', 37)
  message.writeUInt32BE(crc32(message.subarray(16)), 12)
  const replayed: unknown[] = []
  const shard = { replay: (record: { value: Buffer }) => void replayed.push(String(record.value)) } as unknown as Shard
  const [batch] = batchesOf([message])
  replayBatch(batch!, 0, shard)
  assert.deepEqual(replayed, ['abc'])
  message[37]! ^= 1
  assert.throws(() => replayBatch(batch!, 0, shard), /wrong checksum/)
})
