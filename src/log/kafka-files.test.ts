import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem } from '../base.ts'
import type { Uuid } from '../protocol.ts'
import { decodeOffsetCheckpoint, decodePartitionMetadata, encodeOffsetCheckpoint, encodePartitionMetadata } from './kafka-files.ts'
import type { AbortedTransaction } from './segments/aborted-entries.ts'
import { segmentContext } from './segments/segment.ts'
import { TransactionIndex } from './segments/transaction-index.ts'

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

function transactionIndexes() {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const context = segmentContext(files, { openFiles: 4, indexBytes: 1 << 20 })
  return { files, context, open: (isNew: boolean) => new TransactionIndex(context, '/d/0.txnindex', 0, isNew) }
}

test('the transaction index keeps what was written, and goes back', async () => {
  const { files, context, open } = transactionIndexes()
  const index = open(true)
  index.flush()
  assert.equal(files.exists('/d/0.txnindex'), false)
  const entries = [aborted(2 ** 40, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 21, 30, 31)]
  for (const entry of entries) index.append(entry)
  index.flush()
  assert.deepEqual(await open(false).all(), entries)
  index.truncateToCount(2)
  assert.deepEqual(await open(false).all(), entries.slice(0, 2))
  const adopted = open(false)
  assert.equal(await adopted.adopt(1), true)
  assert.deepEqual(await adopted.all(), entries.slice(0, 1))
  adopted.append(entries[2]!)
  adopted.flush()
  assert.deepEqual(await open(false).all(), [entries[0], entries[2]])
  assert.equal(await open(false).adopt(3), false)
  context.handles.get('/d/0.txnindex').truncate(40)
  await assert.rejects(open(false).all(), /40 bytes/)
  assert.equal(await open(false).adopt(2), false)
  const begunAnew = open(false)
  begunAnew.truncateToCount(0)
  assert.deepEqual(await open(false).all(), [])
})

test('the index of a sealed segment has a checksum: any flipped bit is noticed, and so is a lost entry; Kafka’s files have none', async () => {
  const { files, open } = transactionIndexes()
  const path = '/d/0.txnindex'
  const entries = [aborted(2 ** 40, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 21, 30, 31)]
  const index = open(true)
  for (const entry of entries) index.append(entry)
  index.seal()
  const sealed = files.readFile(path)!
  const put = (content: Buffer) => {
    const file = files.open(path, 'rw')
    file.truncate(0)
    file.writeSync([content], 0)
    file.close()
  }
  assert.deepEqual(await open(false).all(), entries)
  for (let bit = 0; bit < 8 * sealed.length; bit++) {
    const damaged = Buffer.from(sealed)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    put(damaged)
    await assert.rejects(open(false).all(), `bit ${bit}`)
  }
  for (const gone of [0, 1, 2]) {
    put(Buffer.concat([sealed.subarray(0, 34 * gone), sealed.subarray(34 * (gone + 1))]))
    await assert.rejects(open(false).all(), /wrong checksum/)
  }
  put(sealed.subarray(0, 34 * entries.length))
  assert.deepEqual(await open(false).all(), entries)
  put(sealed)
  const goesOn = open(false)
  assert.equal(await goesOn.adopt(3), true)
  goesOn.append(aborted(4, 32, 40, 41))
  goesOn.seal()
  assert.deepEqual(await open(false).all(), [...entries, aborted(4, 32, 40, 41)])
})

test('Kafka takes the checksum for an entry that concerns no offset, and that goes before anything is appended', () => {
  const { files, open } = transactionIndexes()
  const index = open(true)
  index.append(aborted(1, 0, 10, 5))
  index.seal()
  const entry = files.readFile('/d/0.txnindex')!.subarray(34)
  assert.equal(entry.length, 34)
  const [version, first, last, stable] = [
    entry.readInt16BE(0),
    entry.readBigInt64BE(10),
    entry.readBigInt64BE(18),
    entry.readBigInt64BE(26),
  ]
  const furthest = 2n ** 63n - 1n
  // TransactionIndex: next, sanityCheck, collectAbortedTxns (which transactions, and whether more may follow), truncateTo.
  assert.deepEqual([version, last >= 0n, first < furthest, stable >= 0n, last >= furthest], [0, true, false, false, true])
})

function collect(index: TransactionIndex, from: number, to: number) {
  const found: AbortedTransaction[] = []
  const complete = index.collect(from, to, found)
  return [found.map(({ producerId }) => producerId), complete]
}

test('a reader gets the aborted transactions that overlap its range, and where to stop', () => {
  const index = transactionIndexes().open(true)
  for (const entry of [aborted(1, 0, 10, 5), aborted(2, 5, 20, 21), aborted(3, 21, 30, 31)]) index.append(entry)
  assert.deepEqual(collect(index, 0, 5), [[1], true])
  assert.deepEqual(collect(index, 11, 21), [[2], true])
  assert.deepEqual(collect(index, 10, 22), [[1, 2, 3], true])
  assert.deepEqual(collect(index, 31, 99), [[], false])
})

test('it says the same as looking at every entry, in memory and in the file, before and after some were taken back', async () => {
  let seed = 7
  const random = (bound: number) => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % bound
  const { open } = transactionIndexes()
  const index = open(true)
  const entries: AbortedTransaction[] = []
  const add = (count: number) => {
    for (let nth = 0; nth < count; nth++) {
      const last = (entries.at(-1)?.lastOffset ?? 0) + 1 + random(5)
      const first = Math.max(0, last - (random(20) === 0 ? 900 : 1 + random(9)))
      const stable = Math.max(entries.at(-1)?.lastStableOffset ?? 0, last - random(400))
      entries.push(aborted(entries.length, first, last, stable))
      index.append(entries.at(-1)!)
    }
  }
  const check = (of: TransactionIndex) => {
    for (let from = 0; from < 2500; from += 1 + random(60)) {
      const to = from + random(300)
      const expected: number[] = []
      let complete = false
      for (const { producerId, firstOffset, lastOffset, lastStableOffset } of entries) {
        if (lastOffset >= from && firstOffset < to) expected.push(Number(producerId))
        complete = lastOffset >= from && lastStableOffset >= to
        if (complete) break
      }
      assert.deepEqual(collect(of, from, to), [expected, complete], `${from} to ${to}`)
    }
  }
  add(700)
  check(index)
  entries.length = 333
  index.truncateToCount(333)
  add(400)
  check(index)
  index.flush()
  const opened = open(false)
  await opened.load()
  check(opened)
})
