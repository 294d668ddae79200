import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskError, type FileSystem, memoryFileSystem } from '../../base.ts'
import type { Log } from '../../log.ts'
import type { LogContext } from '../context.ts'
import { append, openTestLog, partitionOf, readAll, topicConfig, topicId, turn } from '../log.testing.ts'

const storageError = { name: 'KAFKA_STORAGE_ERROR' }
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()
const otherId = 'AAAAAAAAAAAAAAAAAAAB1Q' as typeof topicId

test('a partition without data has no directory, and is used, deleted and found again as any other', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  const empty = partitionOf(log, 0)
  const used = partitionOf(log, 1)
  partitionOf(log, 2)
  await empty.deleteBefore(0)
  await assert.rejects(empty.deleteBefore(1), { name: 'OFFSET_OUT_OF_RANGE' })
  assert.deepEqual(await readAll(empty), [])
  assert.deepEqual([await empty.offsetForTimestamp(0, 'log-end'), await empty.offsetOfMaxTimestamp(), empty.sizeBytes()], [null, null, 0])
  await log.delete(topicId, 2)
  assert.deepEqual(
    disk.list('/data').filter(({ name }) => name.startsWith('orders')),
    [],
  )
  await append(used, 'a').durable
  assert.match(disk.readFile('/data/orders-1/partition.metadata')!.toString(), new RegExp(`topic_id: ${topicId}`))
  kill()
  for (const _ of ['after a kill', 'after a clean close']) {
    const next = await openTestLog(disk, { durability: 'fsync' })
    assert.deepEqual(next.log.strays(), [{ topic: 'orders', topicId, partition: 1 }])
    assert.deepEqual(await readAll(partitionOf(next.log, 0)), [])
    assert.deepEqual(await readAll(partitionOf(next.log, 1)), [[0, 'a']])
    assert.equal(disk.exists('/data/orders-0'), false)
    await next.log.close()
  }
})

test('fsync: a power cut that takes the new directory takes nothing that was acknowledged', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  await append(partitionOf(log), 'a', 'b').durable
  kill()
  await disk.removeDirectory('/data/orders-0')
  const { log: again } = await openTestLog(disk, { durability: 'fsync' })
  assert.deepEqual(await readAll(partitionOf(again)), [
    [0, 'a'],
    [1, 'b'],
  ])
  assert.match(disk.readFile('/data/orders-0/partition.metadata')!.toString(), new RegExp(topicId))
})

test('os: where a power cut took directory and data, readers find out by the epoch', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'os' })
  const partition = partitionOf(log)
  append(partition, 'x'.repeat(20_000))
  await turn()
  assert.deepEqual([partition.logEndOffset, partition.leaderEpoch], [1, 0])
  kill()
  await disk.removeDirectory('/data/orders-0')
  const { log: again } = await openTestLog(disk, { durability: 'os' })
  const lost = partitionOf(again)
  assert.deepEqual([lost.logEndOffset, lost.leaderEpoch], [0, 1])
})

/** A disk without room for directories, or for what is in them. */
function tightDisk() {
  const disk = memoryFileSystem()
  const faults = { operation: null as 'mkdir' | 'open' | null }
  const check = (operation: 'mkdir' | 'open', path: string) => {
    if (faults.operation === operation && /orders-0/.test(path)) throw new DiskError(operation, path, 'ENOSPC')
  }
  const files: FileSystem = {
    ...disk,
    makeDirectory(path) {
      check('mkdir', path)
      disk.makeDirectory(path)
    },
    open(path, mode) {
      check('open', path)
      return disk.open(path, mode)
    },
  }
  return { disk, files, faults }
}

for (const operation of ['mkdir', 'open'] as const)
  test(`a first append whose directory cannot be made (${operation}) fails alone, and can be repeated`, async () => {
    const { disk, files, faults } = tightDisk()
    const { log, kill, failures } = await openTestLog(files, { durability: 'fsync' })
    const partition = partitionOf(log, 0)
    faults.operation = operation
    assert.throws(() => append(partition, 'lost'), storageError)
    assert.throws(() => append(partition, 'lost too'), storageError)
    assert.deepEqual([partition.logEndOffset, partition.sizeBytes()], [0, 0])
    await append(partitionOf(log, 1), 'other').durable
    faults.operation = null
    await append(partition, 'kept').durable
    assert.deepEqual(await readAll(partition), [[0, 'kept']])
    assert.deepEqual(failures, [])
    kill()
    const { log: again } = await openTestLog(disk, { durability: 'fsync' })
    assert.deepEqual(await readAll(partitionOf(again, 0)), [[0, 'kept']])
    assert.deepEqual(await readAll(partitionOf(again, 1)), [[0, 'other']])
  })

test('os: a directory whose partition.metadata a power cut emptied belongs to the topic of its name', async () => {
  for (const rest of [0, 20]) {
    const disk = memoryFileSystem()
    const { log, kill } = await openTestLog(disk, { durability: 'os' })
    await append(partitionOf(log), 'x'.repeat(20_000)).written
    kill()
    disk.open('/data/orders-0/partition.metadata', 'rw').truncate(rest)
    await disk.removeDirectory('/data/journal')
    for (let start = 0; start < 3; start++) {
      const again = await openTestLog(disk, { durability: 'os' })
      const partition = partitionOf(again.log)
      assert.equal(partition.offline, null)
      assert.equal(partition.logEndOffset, 1 + start)
      await append(partition, 'more').written
      if (start === 0) again.kill()
      else await again.log.close()
    }
    assert.match(disk.readFile('/data/orders-0/partition.metadata')!.toString(), new RegExp(topicId))
  }
})

test('a directory that was only begun goes with its topic', async () => {
  const { disk, files, faults } = tightDisk()
  const { log } = await openTestLog(files)
  faults.operation = 'open'
  assert.throws(() => append(partitionOf(log, 0), 'lost'), storageError)
  assert.ok(disk.exists('/data/orders-0'))
  await log.delete(topicId, 0)
  assert.equal(disk.exists('/data/orders-0'), false)
})

test('a topic of the same name does not touch the directory of the one that is being removed', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  await append(partitionOf(log), 'old').durable
  await log.delete(topicId, 0)
  const next = log.create({ topic: 'orders', topicId: otherId, partition: 0, config: topicConfig() })
  assert.ok(disk.exists(`/data/orders-0.${topicId}-delete`))
  assert.equal(disk.exists('/data/orders-0'), false)
  await append(next, 'new').durable
  assert.match(disk.readFile('/data/orders-0/partition.metadata')!.toString(), new RegExp(otherId))
  kill()
  await disk.removeDirectory('/data/orders-0')
  const { log: again } = await openTestLog(disk, { durability: 'fsync' })
  assert.deepEqual(again.strays(), [{ topic: 'orders', topicId: otherId, partition: 0 }])
  assert.deepEqual(await readAll(again.create({ topic: 'orders', topicId: otherId, partition: 0, config: topicConfig() })), [[0, 'new']])
})

for (const metadata of ['whole', 'empty', 'missing'] as const)
  for (const hasRecords of [true, false])
    test(`a power cut that undoes the removal of a deleted topic (${metadata} partition.metadata) does not give its records to its successor ${hasRecords ? 'with' : 'without'} records`, async () => {
      const disk = memoryFileSystem()
      const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
      await append(partitionOf(log), 'old').durable
      await append(partitionOf(log), 'old too').durable
      await checkpoint(log)
      await log.delete(topicId, 0)
      const successor = { topic: 'orders', topicId: otherId, partition: 0, config: topicConfig() }
      if (hasRecords) await append(log.create(successor), 'new').durable
      await append(partitionOf(log, 1), 'the deletion is durable').durable
      kill()
      await disk.removeDirectory('/data/orders-0')
      disk.rename(`/data/orders-0.${topicId}-delete`, '/data/orders-0')
      if (metadata === 'empty') disk.open('/data/orders-0/partition.metadata', 'r+').truncate(0)
      if (metadata === 'missing') disk.remove('/data/orders-0/partition.metadata')
      const { log: again } = await openTestLog(disk, { durability: 'fsync' })
      const partition = again.create(successor)
      assert.deepEqual([partition.offline, await readAll(partition)], [null, hasRecords ? [[0, 'new']] : []])
      await append(partition, 'newer').durable
      assert.equal((await readAll(partition)).length, hasRecords ? 2 : 1)
    })

test('a power cut that loses the directory of a topic that replaced a deleted one neither loses its records nor takes it offline', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  // More than is put together before it is written again.
  for (let nth = 0; nth < 400; nth++) await append(partitionOf(log), `old ${nth}`).durable
  await log.delete(topicId, 0)
  const successor = { topic: 'orders', topicId: otherId, partition: 0, config: topicConfig() }
  await append(log.create(successor), 'new').durable
  kill()
  await disk.removeDirectory('/data/orders-0')
  const { log: again } = await openTestLog(disk, { durability: 'fsync' })
  const partition = again.create(successor)
  assert.equal(partition.offline, null)
  assert.deepEqual(again.strays(), [])
  assert.deepEqual(await readAll(partition), [[0, 'new']])
})

test('nor does one that takes only the partition.metadata of the successor, while the deleted directory waits for its removal', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  for (let nth = 0; nth < 3; nth++) await append(partitionOf(log), `old ${nth}`).durable
  await log.delete(topicId, 0)
  const successor = { topic: 'orders', topicId: otherId, partition: 0, config: topicConfig() }
  await append(log.create(successor), 'new').durable
  kill()
  disk.remove('/data/orders-0/partition.metadata')
  disk.open(`/data/orders-0/${'0'.repeat(20)}.log`, 'rw').close()
  const { log: again } = await openTestLog(disk, { durability: 'fsync' })
  const partition = again.create(successor)
  assert.deepEqual([partition.offline, await readAll(partition)], [null, [[0, 'new']]])
})

test('a copy of a directory under another name is left alone', async () => {
  for (const name of ['a-0', 'orders-00', 'orders-backup-0', 'orders-0.old-0']) {
    const disk = memoryFileSystem()
    const first = await openTestLog(disk, { durability: 'fsync' })
    await append(partitionOf(first.log), 'a').durable
    await first.log.close()
    disk.makeDirectory(`/data/${name}`)
    for (const file of disk.list('/data/orders-0')) await disk.copyFile(`/data/orders-0/${file.name}`, `/data/${name}/${file.name}`)
    for (let start = 0; start < 2; start++) {
      const told: string[] = []
      const { log } = await openTestLog(disk, { durability: 'fsync' }, what => void told.push(what))
      const partition = partitionOf(log)
      assert.equal(partition.offline, null)
      await append(partition, 'b').durable
      assert.equal((await readAll(partition)).length, 2 + start, name)
      assert.deepEqual(log.strays(), [])
      assert.match(told.join(), new RegExp(`ignoring /data/${name}: it contains the same partition as /data/orders-0`))
      await log.close()
    }
    assert.ok(disk.readFile(`/data/${name}/${'0'.repeat(20)}.log`)!.length < disk.readFile(`/data/orders-0/${'0'.repeat(20)}.log`)!.length)
  }
})

test('a deletion is forgotten only once no power cut can undo it', async () => {
  const disk = memoryFileSystem()
  let renamed = false
  const files: FileSystem = {
    ...disk,
    rename(from, to) {
      disk.rename(from, to)
      renamed = true
    },
    async syncDirectory(path) {
      await disk.syncDirectory(path)
      if (path === '/data') renamed = false
    },
  }
  const { log } = await openTestLog(files, { durability: 'fsync' })
  await append(partitionOf(log), 'old').durable
  await checkpoint(log)
  await log.delete(topicId, 0)
  assert.equal(renamed, true)
  await checkpoint(log)
  assert.equal(renamed, false)
})
