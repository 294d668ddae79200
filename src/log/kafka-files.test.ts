import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem } from '../base.ts'
import type { Uuid } from '../protocol.ts'
import { decodeOffsetCheckpoint, decodePartitionMetadata, encodeOffsetCheckpoint, encodePartitionMetadata } from './kafka-files.ts'
import { FileHandles } from './segments/file-handles.ts'
import { collectAborted, TransactionIndex } from './segments/transaction-index.ts'

test('partition.metadata and checkpoints are Kafka’s, and damage is noticed', () => {
  const topicId = '3-cD7bHXQqCSm7xzFbvHXQ' as Uuid
  assert.equal(encodePartitionMetadata(topicId), 'version: 0\ntopic_id: 3-cD7bHXQqCSm7xzFbvHXQ')
  assert.equal(decodePartitionMetadata(encodePartitionMetadata(topicId)), topicId)
  for (const damaged of ['', 'version: 1\ntopic_id: x', 'version: 0\ntopic_id: short'])
    assert.throws(() => decodePartitionMetadata(damaged))
  const text = '0\n2\na.b-c 0 17\nt 3 0\n'
  assert.equal(encodeOffsetCheckpoint(decodeOffsetCheckpoint(text)), text)
  for (const damaged of ['', '0\n1\n', '0\n1\nt 0\n', '1\n0\n', '0\nx\n']) assert.throws(() => decodeOffsetCheckpoint(damaged))
})

const aborted = (producerId: number, firstOffset: number, lastOffset: number, lastStableOffset: number) => ({
  producerId,
  firstOffset,
  lastOffset,
  lastStableOffset,
})

test('the transaction index keeps what was written, and goes back', () => {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const handles = new FileHandles(files, 4)
  const open = (isNew: boolean) => new TransactionIndex({ files, handles }, '/d/0.txnindex', 0, isNew)
  const index = open(true)
  index.flush()
  assert.equal(files.exists('/d/0.txnindex'), false)
  const entries = [aborted(2 ** 40, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 21, 30, 31)]
  for (const entry of entries) index.append(entry)
  index.flush()
  assert.deepEqual(open(false).all(), entries)
  index.truncateTo(30)
  assert.deepEqual(open(false).all(), entries.slice(0, 2))
  const adopted = open(false)
  adopted.adopt(1)
  assert.deepEqual(adopted.all(), entries.slice(0, 1))
  adopted.append(entries[2]!)
  adopted.flush()
  assert.deepEqual(open(false).all(), [entries[0], entries[2]])
  handles.get('/d/0.txnindex').truncate(40)
  assert.throws(() => open(false).all(), /40 bytes/)
  const begunAnew = open(false)
  begunAnew.truncateToCount(0)
  assert.deepEqual(open(false).all(), [])
})

test('a reader is told of aborted transactions that overlap what it reads, and when to stop looking', () => {
  const index = [aborted(1, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 21, 30, 31)]
  const collect = (from: number, to: number) => {
    const found: ReturnType<typeof aborted>[] = []
    const complete = collectAborted(index, from, to, found)
    return [found.map(({ producerId }) => producerId), complete]
  }
  assert.deepEqual(collect(0, 5), [[1], true])
  assert.deepEqual(collect(11, 21), [[2], true])
  assert.deepEqual(collect(10, 22), [[1, 2, 3], true])
  assert.deepEqual(collect(31, 99), [[], false])
})
