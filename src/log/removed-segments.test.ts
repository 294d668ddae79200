/** The journal is replayed, or copied, for partitions whose segment files are missing or cannot be used. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log } from '../log.ts'
import { buildMarkerBatch } from '../protocol.ts'
import { cachedDisk } from './cached-disk.testing.ts'
import type { LogContext } from './context.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicConfig, turn } from './log.testing.ts'
import type { Partition } from './partition/partition.ts'

const fsync = { durability: 'fsync' } as const
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()

/** The journal has later records of a segment that was removed after a checkpoint continued in it. */
async function withoutBeginning(): Promise<FileSystem> {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(log) as Partition
  const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true }
  await partition.append(batchOf({ values: ['a'], ...producer }), { origin: 'client' }).durable
  const abort = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(abort, { origin: 'coordinator' }).durable
  await checkpoint(log)
  await append(partition, 'only in the journal').durable
  partition.roll(1)
  await append(partition, 'b').durable
  await partition.deleteBefore(3)
  partition.removeSegments(1)
  while (disk.exists('/data/orders-0/00000000000000000000.log')) await turn()
  kill()
  return disk
}

for (const trouble of ['nothing', 'a kill before all is replayed', 'a file that cannot be renamed or removed'])
  test(`a segment that was removed after a checkpoint continued in it, a kill, then ${trouble}: the partition is online`, async () => {
    const disk = await withoutBeginning()
    if (trouble.startsWith('a kill')) {
      // This process does nothing any more.
      void openTestLog(
        withHandles(disk, (_, path) => (path.endsWith('.journal') ? { datasync: () => new Promise(() => {}) } : null)),
        fsync,
      )
      for (let count = 0; count < 10; count++) await turn()
    }
    if (trouble.startsWith('a file')) {
      const refuse = (path: string, action: () => void) => {
        if (path.startsWith('/data/orders-0/')) throw new DiskError('rename', path, 'EIO')
        action()
      }
      const remove = (path: string) => refuse(path, () => disk.remove(path))
      const rename = (from: string, to: string) => refuse(from, () => disk.rename(from, to))
      const { kill } = await openTestLog({ ...disk, remove, rename }, fsync)
      kill()
    }
    const again = partitionOf((await openTestLog(disk, fsync)).log)
    assert.equal(again.offline, null)
    assert.deepEqual(await readAll(again), [[3, 'b']])
  })

test('DeleteRecords on its way while a checkpoint copies within the journal: it is not undone', async () => {
  const disk = memoryFileSystem()
  let refuses = false
  let synced = Promise.resolve()
  const files = withHandles(disk, (handle, path) => {
    if (path.endsWith('.journal')) return { datasync: async () => await synced.then(() => handle.datasync()) }
    if (!path.endsWith('.log')) return null
    return {
      writeSync(buffers, position) {
        if (refuses) throw new DiskError('write', path, 'EIO')
        handle.writeSync(buffers, position)
      },
    }
  })
  const { log, kill } = await openTestLog(files, fsync)
  const partition = partitionOf(log)
  for (const value of ['a', 'b']) await append(partition, value).durable
  refuses = true
  const { promise, resolve } = Promise.withResolvers<void>()
  synced = promise
  const deleted = partition.deleteBefore(1)
  for (let count = 0; count < 3; count++) await turn()
  const done = checkpoint(log)
  for (let count = 0; count < 10; count++) await turn()
  assert.equal(partition.logStartOffset, 0)
  resolve()
  await Promise.all([deleted, done])
  kill()
  assert.deepEqual(await readAll(partitionOf((await openTestLog(disk, fsync)).log)), [[1, 'b']])
})

test('a partition with durability=os whose records a start carried over, and a power cut: it is online', async () => {
  const { files, survivors } = cachedDisk()
  const os = { durability: 'os' } as const
  const first = await openTestLog(files, { durability: 'fsync' })
  append(partitionOf(first.log, 0, os), 'x'.repeat(20_000))
  append(partitionOf(first.log, 0, os), 'in the journal')
  await append(partitionOf(first.log, 1), 'synced').durable
  first.kill()
  const refusing: FileSystem = {
    ...files,
    open(path, mode) {
      if (/orders-0\/.*\.log$/.test(path)) throw new DiskError('open', path, 'EIO')
      return files.open(path, mode)
    },
  }
  const second = await openTestLog(refusing, { durability: 'fsync' })
  await checkpoint(second.log)
  // Frames say that those before them were durable.
  for (const value of ['more', 'and more']) await append(partitionOf(second.log, 1), value).durable
  second.kill()
  const { log } = await openTestLog(survivors(), { durability: 'fsync' })
  assert.equal(partitionOf(log, 0, os).offline, null)
  assert.equal(partitionOf(log, 1).logEndOffset, 3)
})

test('records with durability=fsync that a checkpoint carried over, after a change to os, survive a power cut', async () => {
  const { files, survivors } = cachedDisk()
  let refuses = false
  const refusing: FileSystem = {
    ...files,
    open(path, mode) {
      if (refuses && /orders-0\/.*\.log$/.test(path)) throw new DiskError('open', path, 'EIO')
      return files.open(path, mode)
    },
  }
  const first = await openTestLog(refusing)
  const partition = partitionOf(first.log, 0, { durability: 'fsync' })
  await append(partition, 'a').durable
  partition.config = topicConfig({ durability: 'os' })
  refuses = true
  await checkpoint(first.log)
  first.kill()
  const { log } = await openTestLog(survivors())
  assert.deepEqual(await readAll(partitionOf(log, 0, { durability: 'os' })), [[0, 'a']])
})

test('a flipped bit in the topic id of a directory whose records are still in the journal alone: they are there', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  await append(partitionOf(log), 'a').durable
  kill()
  const path = '/data/orders-0/partition.metadata'
  const file = disk.open(path, 'rw')
  file.writeSync([Buffer.from(disk.readFile(path)!.toString().replace('AAAAB0Q', 'AAABB0Q'))], 0)
  file.close()
  const again = partitionOf((await openTestLog(disk, { durability: 'fsync' })).log)
  assert.deepEqual(await readAll(again), [[0, 'a']])
})

test('durability=os: segments before the log start, of which the journal has only some again, do not take those after it with them', async () => {
  const disk = memoryFileSystem()
  const config = { segmentBytes: 20_000, fileDeleteDelayMs: 0 }
  const { log, kill } = await openTestLog(disk, { retentionCheckIntervalMs: 1 })
  const partition = partitionOf(log, 0, config)
  // From 8 KiB on past the journal: so it does not have the beginning of the second segment.
  for (const bytes of [100, 7000, 7000, 9000, 100, 7000, 7000, 100]) await append(partition, 'x'.repeat(bytes)).written
  await partition.deleteBefore(7)
  while (disk.list('/data/orders-0').some(({ name }) => /^0*[03]\.log/.test(name))) await turn()
  kill()
  const again = partitionOf((await openTestLog(disk)).log, 0, config)
  assert.deepEqual([again.offline, again.logStartOffset, again.logEndOffset], [null, 7, 8])
  assert.equal((await readAll(again)).length, 1)
})

test('a transaction that ended in a segment that was removed does not stay open because the one before it is still there', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk)
  const partition = partitionOf(log) as Partition
  const begin = async (producerId: number) => {
    const batch = batchOf({ values: ['x'], producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true })
    await partition.append(batch, { origin: 'client' }).written
  }
  await begin(7)
  partition.roll(1)
  const abort = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(abort, { origin: 'coordinator' }).written
  await append(partition, 'a').written
  partition.roll(1)
  await append(partition, 'b').written
  await begin(8)
  await partition.deleteBefore(3)
  await checkpoint(log)
  kill()
  for (const { name } of disk.list('/data/orders-0'))
    if (name.startsWith('00000000000000000001') || name.endsWith('.snapshot')) disk.remove(`/data/orders-0/${name}`)
  const again = partitionOf((await openTestLog(disk)).log)
  assert.deepEqual([again.offline, again.logStartOffset, again.lastStableOffset, again.highWatermark], [null, 3, 4, 5])
})

test('transaction indexes that a start made again are on the disk when a checkpoint says so, also those of segments before the active one', async () => {
  const { disk, files, boot, isDirty } = cachedDisk()
  const first = await openTestLog(files)
  const partition = partitionOf(first.log) as Partition
  const batch = batchOf({ values: ['x'], producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true })
  await partition.append(batch, { origin: 'client' }).written
  const abort = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(abort, { origin: 'coordinator' }).written
  partition.roll(1)
  await append(partition, 'a').written
  await checkpoint(first.log)
  first.kill()
  const index = '/data/orders-0/00000000000000000000.txnindex'
  assert.deepEqual([disk.exists(index), isDirty(index)], [true, false])
  // A power cut; snapshots are not synced.
  boot('second')
  for (const { name } of disk.list('/data/orders-0')) if (name.endsWith('.snapshot')) disk.remove(`/data/orders-0/${name}`)
  const { log } = await openTestLog(files)
  await checkpoint(log)
  assert.equal(isDirty(index), false)
})

test('a crash while a segment was being sealed, after the one that the checkpoint goes on with was removed: readers are told what was aborted', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, fsync)
  const partition = partitionOf(log) as Partition
  await append(partition, 'a').durable
  await checkpoint(log)
  partition.roll(1)
  const batch = batchOf({ values: ['x'], producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true })
  await partition.append(batch, { origin: 'client' }).durable
  const abort = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(abort, { origin: 'coordinator' }).durable
  await partition.deleteBefore(1)
  partition.removeSegments(1)
  while (disk.exists('/data/orders-0/00000000000000000000.log')) await turn()
  partition.roll(1)
  kill()
  // The next one was begun, with its snapshot; this one's index was to be written after that.
  disk.remove('/data/orders-0/00000000000000000001.txnindex')
  const again = partitionOf((await openTestLog(disk, fsync)).log)
  const slice = await again.read(1, { maxBytes: 1000, atLeastOne: true, upTo: 'last-stable' })
  assert.deepEqual(slice.abortedTransactions, [{ producerId: 7, firstOffset: 1, lastOffset: 2, lastStableOffset: 3 }])
  slice.release()
})

test('a large append that was never acknowledged, and that a start copied within the journal, is not missed after a power cut', async () => {
  const { files, survivors } = cachedDisk()
  let hangs = false
  const hanging = withHandles(files, (handle, path) =>
    /orders-0.*\.log$/.test(path) ? { datasync: () => (hangs ? new Promise(() => {}) : handle.datasync()) } : null,
  )
  const large = 'x'.repeat(60_000)
  const first = await openTestLog(hanging, fsync)
  await append(partitionOf(first.log, 0), large).durable
  for (let count = 0; count < 5; count++) await turn()
  hangs = true
  void append(partitionOf(first.log, 0), large).durable?.catch(() => {})
  void append(partitionOf(first.log, 1), 'synced with the journal').durable?.catch(() => {})
  for (let count = 0; count < 5; count++) await turn()
  first.kill()
  const disk = survivors()
  const refusing: FileSystem = {
    ...disk,
    open(path, mode) {
      if (/orders-0\/.*\.log$/.test(path)) throw new DiskError('open', path, 'EIO')
      return disk.open(path, mode)
    },
  }
  const second = await openTestLog(refusing, fsync)
  assert.match(partitionOf(second.log, 0).offline ?? '', /EIO/)
  await checkpoint(second.log)
  for (const value of ['more', 'and more']) await append(partitionOf(second.log, 1), value).durable
  second.kill()
  const again = partitionOf((await openTestLog(disk, fsync)).log, 0)
  assert.deepEqual([again.offline, again.logEndOffset], [null, 1])
})
