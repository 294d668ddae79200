/** The journal is replayed, or copied, for partitions whose segment files are missing or cannot be used. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log } from '../log.ts'
import { buildMarkerBatch } from '../protocol.ts'
import { cachedDisk } from './cached-disk.testing.ts'
import type { LogContext } from './context.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicConfig, turn } from './log.testing.ts'
import type { Partition } from './partition/partition.ts'

const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()

test('a segment that was removed after a checkpoint continued in it, and a kill: the partition is online', async () => {
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
  const again = partitionOf((await openTestLog(disk, { durability: 'fsync' })).log)
  assert.equal(again.offline, null)
  assert.deepEqual(await readAll(again), [[3, 'b']])
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
