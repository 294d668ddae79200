/** `durability` may change while the broker runs: records acknowledged with `fsync` are worthless without the records before them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log } from '../log.ts'
import { cachedDisk } from './cached-disk.testing.ts'
import type { LogContext } from './context.ts'
import { allSynced } from './failed-sync.ts'
import { append, openTestLog, partitionOf, readAll, topicConfig } from './log.testing.ts'

const config = (durability: 'os' | 'fsync') => topicConfig({ durability, segmentBytes: 100_000 })
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()
const values = [20_000, 100, 20_000, 20_000, 100].map(size => 'x'.repeat(size))

for (const restart of [false, true])
  test(`os, ${restart ? 'a kill, ' : ''}then fsync: a power cut takes nothing that was there when an append was acknowledged`, async () => {
    const { files, survivors } = cachedDisk()
    let { log, kill } = await openTestLog(files, { durability: 'os' })
    let partition = partitionOf(log)
    partition.config = config('os')
    for (const value of values) await append(partition, value).durable
    if (restart) {
      kill()
      ;({ log, kill } = await openTestLog(files, { durability: 'os' }))
      partition = log.create({ topic: partition.topic, topicId: partition.topicId, partition: 0, config: config('os') })
    }
    partition.config = config('fsync')
    await append(partition, 'small').durable
    await append(partition, 'y'.repeat(60_000)).durable
    kill()
    const again = await openTestLog(survivors(), { durability: 'fsync' })
    const left = partitionOf(again.log, 0, config('fsync'))
    assert.equal(left.offline, null)
    assert.equal((await readAll(left)).length, values.length + 2)
  })

test('fsync, then os, then a checkpoint: a power cut takes nothing that was acknowledged with fsync', async () => {
  const { files, survivors } = cachedDisk()
  const { log, kill } = await openTestLog(files, { durability: 'os' })
  const partition = partitionOf(log, 0, config('fsync'))
  await append(partition, 'a').durable
  partition.config = config('os')
  await checkpoint(log)
  kill()
  const left = partitionOf((await openTestLog(survivors(), { durability: 'os' })).log, 0, config('os'))
  assert.deepEqual(await readAll(left), [[0, 'a']])
})

test('os after a checkpoint, a kill, then fsync: a power cut takes nothing that was there when an append was acknowledged', async () => {
  const { files, survivors } = cachedDisk()
  const first = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(first.log, 0, config('fsync'))
  await append(partition, 'a').durable
  await checkpoint(first.log)
  partition.config = config('os')
  await append(partition, 'x'.repeat(20_000)).durable
  first.kill()
  // No checkpoint is made any more.
  const second = await openTestLog(
    withHandles(files, (_, path) => (path.endsWith('state.log') ? { write: () => new Promise(() => {}) } : null)),
    { durability: 'fsync' },
  )
  await append(partitionOf(second.log, 0, config('fsync')), 'small').durable
  second.kill()
  const left = partitionOf((await openTestLog(survivors(), { durability: 'fsync' })).log, 0, config('fsync'))
  assert.deepEqual([left.offline, (await readAll(left)).length], [null, 3])
})

for (const code of ['EMFILE', 'EIO'])
  test(`os, then fsync, and what is to be synced cannot be opened (${code}): that is no failed sync`, async () => {
    const disk = memoryFileSystem()
    let left = 0
    const files: FileSystem = {
      ...disk,
      async syncDirectory(path) {
        if (path === '/data/orders-0' && left-- > 0) throw new DiskError('open', path, code)
        await disk.syncDirectory(path)
      },
    }
    const { log, failures } = await openTestLog(files, { durability: 'os' })
    const [partition, other] = [partitionOf(log, 0, config('os')), partitionOf(log, 1, config('fsync'))]
    await append(partition, 'a').durable
    partition.config = config('fsync')
    left = 1
    const { durable } = append(partition, 'b')
    if (code === 'EMFILE') await durable
    else await assert.rejects(durable!, { name: 'KAFKA_STORAGE_ERROR' })
    assert.equal(partition.offline !== null, code === 'EIO')
    await append(other, 'c').durable
    assert.deepEqual(failures, [])
  })

test('a failed sync is not hidden by a file that could not be opened', async () => {
  const refused = Promise.reject(new DiskError('open', '/a', 'EMFILE'))
  const failed = new Promise<void>((_, reject) => setTimeout(() => reject(new DiskError('fdatasync', '/b', 'EIO')), 1))
  await assert.rejects(allSynced([refused, failed]), { operation: 'fdatasync' })
  await assert.rejects(allSynced([Promise.reject(new DiskError('open', '/a', 'EMFILE')), Promise.resolve()]), { operation: 'open' })
})

for (const durability of ['inline', 'object'] as const)
  test(`${durability} is a choice of a cluster: on one machine it means fsync`, async () => {
    const { files, survivors } = cachedDisk()
    const { log, kill } = await openTestLog(files, { durability: 'os' })
    await append(partitionOf(log, 0, topicConfig({ durability })), 'value').durable
    kill()
    const again = await openTestLog(survivors(), { durability: 'os' })
    assert.deepEqual(await readAll(partitionOf(again.log)), [[0, 'value']])
  })
