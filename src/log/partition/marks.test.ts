/** The marks of a partition against each other: log start ≤ last stable offset ≤ high watermark ≤ log end, whatever moves one of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { type FileSystem, memoryFileSystem } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import { buildMarkerBatch } from '../../protocol.ts'
import type { LogContext } from '../context.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, turn } from '../log.testing.ts'

function checkMarks({ logStartOffset, lastStableOffset, highWatermark, logEndOffset }: PartitionLog): void {
  const marks = [logStartOffset, lastStableOffset, highWatermark, logEndOffset]
  assert.deepEqual(
    marks,
    [...marks].sort((a, b) => a - b),
  )
}

const begin = (partition: PartitionLog, ...values: string[]) =>
  partition.append(batchOf({ values, producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }), { origin: 'client' })
    .durable

for (const durability of ['os', 'fsync'] as const)
  test(`${durability}: DeleteRecords into an open transaction takes the last stable offset along, also after a restart`, async () => {
    const disk = memoryFileSystem()
    const first = await openTestLog(disk, { durability })
    const partition = partitionOf(first.log)
    await begin(partition, 'a', 'b', 'c', 'd')
    await append(partition, 'e').durable
    assert.equal(partition.lastStableOffset, 0)
    await partition.deleteBefore(2)
    for (const log of [partition, await reopened(first, disk, durability)]) {
      checkMarks(log)
      assert.deepEqual([log.logStartOffset, log.lastStableOffset, log.highWatermark], [2, 2, 5])
      const slice = await log.read(log.lastStableOffset, { maxBytes: 100, atLeastOne: true, upTo: 'last-stable' })
      assert.equal(slice.bytes, 0)
    }
  })

async function reopened(first: { kill(): void }, disk: FileSystem, durability: 'os' | 'fsync'): Promise<PartitionLog> {
  first.kill()
  const { log } = await openTestLog(disk, { durability })
  return partitionOf(log)
}

test('DeleteRecords of all that there is, within a transaction; its marker then ends it', async () => {
  const { log } = await openTestLog()
  const partition = partitionOf(log)
  await begin(partition, 'a', 'b', 'c')
  await partition.deleteBefore(3)
  checkMarks(partition)
  assert.equal(partition.lastStableOffset, 3)
  const marker = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(marker, { origin: 'coordinator' }).durable
  checkMarks(partition)
  assert.equal(partition.lastStableOffset, 4)
})

test('retention that removes the beginning of an open transaction', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { retentionCheckIntervalMs: 5 })
  const partition = partitionOf(log, 0, { retentionBytes: 1000, segmentBytes: 400 })
  await begin(partition, 'a')
  for (let nth = 0; nth < 10; nth++) await append(partition, 'x'.repeat(200)).durable
  for (let round = 0; round < 500 && partition.logStartOffset < 3; round++) await new Promise(resolve => setTimeout(resolve, 2))
  assert.ok(partition.logStartOffset >= 3)
  checkMarks(partition)
  assert.equal(partition.lastStableOffset, partition.logStartOffset)
  await log.close()
})

test('a log start above the data after a power cut: the log continues there, and no offset is used twice', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(first.log, 0, { durability: 'os' })
  await append(partition, 'x'.repeat(20_000)).written
  await append(partition, 'y'.repeat(20_000)).written
  await partition.deleteBefore(2)
  first.kill()
  const segment = disk.open('/data/orders-0/00000000000000000000.log', 'rw')
  segment.truncate(0)
  segment.close()
  for (let start = 0; start < 2; start++) {
    const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
    const again = partitionOf(log, 0, { durability: 'os' })
    assert.equal(again.offline, null)
    assert.deepEqual([again.logStartOffset, again.logEndOffset], [2, 2 + start])
    checkMarks(again)
    assert.equal(append(again, 'z').baseOffset, 2 + start)

    await again.deleteBefore(2)
    await new Promise(resolve => setTimeout(resolve, 5))
    assert.deepEqual(
      (await readAll(again)).map(([offset]) => offset),
      start === 0 ? [2] : [2, 3],
    )
    kill()
  }
})

test('os: a log that began anew after a power cut is not spoilt by what the journal still has of its lost segment', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk)
  for (const value of ['a', 'b', 'c']) await append(partitionOf(first.log), value).durable
  await (first.log as unknown as LogContext).checkpoint()
  await append(partitionOf(first.log), 'd').durable
  await partitionOf(first.log).deleteBefore(2)
  first.kill()
  await disk.removeDirectory('/data/orders-0')
  let writes = 0
  const files = withHandles(disk, (handle, path) => {
    if (!path.endsWith('state.log')) return null
    // The checkpoint at the start notes the partition, and does not come to its end.
    return { write: (...args) => (writes++ === 0 ? handle.write(...args) : new Promise<void>(() => {})) }
  })
  // The start waits for it, and this process does nothing any more.
  void openTestLog(files)
  for (let wait = 0; wait < 100 && writes < 2; wait++) await turn()
  assert.equal(writes, 2)
  const { log } = await openTestLog(disk)
  assert.deepEqual([partitionOf(log).offline, partitionOf(log).logEndOffset], [null, 2])
})

test('the epochs of a log begin where it begins, also when the journal alone knows where that is', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(first.log)
  for (const leaderEpoch of [1, 2, 3]) await partition.append(batchOf({ values: ['a', 'b'] }), { origin: 'client', leaderEpoch }).durable
  await partition.deleteBefore(3)
  const before = [1, 2, 3].map(epoch => partition.endOffsetForEpoch(epoch))
  first.kill()
  const { log } = await openTestLog(disk, { durability: 'fsync' })
  assert.deepEqual(
    [1, 2, 3].map(epoch => partitionOf(log).endOffsetForEpoch(epoch)),
    before,
  )
})

test('fsync: what a start shows to readers is on the disk, though the process before was killed between a write and its sync', async () => {
  const disk = memoryFileSystem()
  const synced = new Map<string, number>()
  let works = true
  const files = withHandles(disk, (handle, path) => ({
    datasync: async () => {
      const size = handle.size()
      if (!works) await new Promise(() => {})
      await new Promise(resolve => setTimeout(resolve, 5))
      synced.set(path, size)
    },
  }))
  const first = await openTestLog(files, { durability: 'fsync' })
  await append(partitionOf(first.log), 'a').durable
  await append(partitionOf(first.log), 'x'.repeat(60_000)).durable
  await append(partitionOf(first.log), 'y'.repeat(60_000)).durable
  works = false
  await append(partitionOf(first.log), 'z'.repeat(60_000)).written
  first.kill()
  works = true
  const segment = '/data/orders-0/00000000000000000000.log'
  assert.ok(synced.get(segment)! < disk.readFile(segment)!.length)
  const { log } = await openTestLog(files, { durability: 'fsync' })
  assert.equal(partitionOf(log).highWatermark, 4)
  assert.equal(synced.get(segment), disk.readFile(segment)!.length)
})
