/** What checkpoints meet besides partitions as they should be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskError, memoryFileSystem } from '../../base.ts'
import type { Log } from '../../log.ts'
import { append, openTestLog, partitionOf, topicId, turn } from '../log.testing.ts'

const small = { durability: 'fsync', journalFileBytes: 64 << 10, journalFiles: 2 } as const

async function turns(): Promise<void> {
  for (let count = 0; count < 300; count++) await turn()
}

test('a checkpoint passes over a deleted partition whose directory the disk does not rename', async () => {
  const disk = memoryFileSystem()
  let refuses = true
  const rename = (from: string, to: string) => {
    if (refuses && to.endsWith('-delete')) throw new DiskError('rename', from, 'EIO')
    disk.rename(from, to)
  }
  const { log, failures } = await openTestLog({ ...disk, rename }, small)
  await append(partitionOf(log), 'x').durable
  await log.delete(topicId, 0)
  const other = partitionOf(log, 1)
  for (let nth = 0; nth < 12; nth++) await append(other, 'y'.repeat(30_000)).durable
  await turns()
  assert.deepEqual(failures, [])
  refuses = false
  await log.close()
})

test('an epoch is raised where there is no directory yet', async () => {
  const { log, failures } = await openTestLog(memoryFileSystem(), small)
  const partition = partitionOf(log)
  partition.raiseLeaderEpoch(3)
  for (let nth = 0; nth < 40; nth++) await append(partitionOf(log, 1), 'y'.repeat(30_000)).durable
  await turns()
  assert.deepEqual([failures, partition.offline], [[], null])
})

test('a sync of names that began earlier is not taken for one of a name that came later', async () => {
  const disk = memoryFileSystem()
  const names: string[][] = []
  const finish: (() => void)[] = []
  const syncDirectory = (path: string) => {
    if (path !== '/data' || !isSlow) return disk.syncDirectory(path)
    names.push(disk.list('/data').map(({ name }) => name))
    return new Promise<void>(resolve => finish.push(resolve))
  }
  let isSlow = false
  const { log } = await openTestLog({ ...disk, syncDirectory }, small)
  const context = log as Log & { syncNames(): Promise<void> }
  isSlow = true
  void context.syncNames()
  disk.makeDirectory('/data/new')
  let isSynced = false
  void context.syncNames().then(() => {
    isSynced = true
  })
  finish[0]!()
  await turns()
  assert.deepEqual([isSynced, names.map(each => each.includes('new'))], [false, [false, true]])
  finish[1]!()
  await turns()
  assert.equal(isSynced, true)
})

test('a directory without partition.metadata, which a power cut may leave, gets it from the topic of its name', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, small)
  await append(partitionOf(first.log), 'kept').durable
  await first.log.close()
  disk.remove('/data/orders-0/partition.metadata')
  await disk.removeDirectory('/data/journal')
  const reports: string[] = []
  const { log, failures } = await openTestLog(disk, small, what => reports.push(what))
  await append(partitionOf(log), 'new').durable
  await log.close()
  assert.deepEqual([reports, failures], [[], []])
  const again = await openTestLog(disk, small)
  assert.equal(again.log.get(topicId, 0)?.logEndOffset, 2)
})
