/**
 * What a start recovered differs from what state log and journal say until the first checkpoint. A kill before that, or a partition that is in
 * no checkpoint, must not have the next start take the one for the other.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log } from '../log.ts'
import { cachedDisk } from './cached-disk.testing.ts'
import type { LogContext } from './context.ts'
import { append, openTestLog, partitionOf, readAll, turn } from './log.testing.ts'
import type { Partition } from './partition/partition.ts'

const os = { durability: 'os' } as const
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()

async function turns(count: number): Promise<void> {
  for (let nth = 0; nth < count; nth++) await turn()
}

function put(files: FileSystem, path: string, content: string): void {
  files.makeDirectory(path.slice(0, path.lastIndexOf('/')))
  const file = files.open(path, 'rw')
  file.writeSync([Buffer.from(content)], 0)
  file.close()
}

/** Checkpoints take their time on it, and none is complete that was not before `stop`. */
function slowDisk(disk: FileSystem): { files: FileSystem; stop(): void } {
  let isStopped = false
  const files = withHandles(disk, (handle, path) => {
    if (!path.endsWith('state.log')) return null
    return {
      async write(buffers, position) {
        await turns(20)
        if (!isStopped) await handle.write(buffers, position)
      },
    }
  })
  return {
    files,
    stop() {
      isStopped = true
    },
  }
}

/** The state log says of a partition that it ends at 2. Of its directory a power cut left the first record, or nothing. */
async function afterPowerCut(left: 'a record' | 'nothing'): Promise<FileSystem> {
  const { files, survivors } = cachedDisk()
  const { log, kill } = await openTestLog(files)
  append(partitionOf(log, 0, os), 'x'.repeat(9000))
  if (left === 'a record')
    for (const name of ['partition.metadata', '00000000000000000000.log']) await files.open(`/data/orders-0/${name}`, 'r+').datasync()
  append(partitionOf(log, 0, os), 'y'.repeat(9000))
  await checkpoint(log)
  kill()
  const disk = survivors()
  assert.equal(disk.exists('/data/orders-0'), left === 'a record')
  put(disk, '/proc/sys/kernel/random/boot_id', 'second')
  return disk
}

for (const left of ['a record', 'nothing'] as const)
  test(`durability=os, a power cut that leaves ${left}: what is appended then survives a kill before the first checkpoint is complete`, async () => {
    const disk = await afterPowerCut(left)
    const { files, stop } = slowDisk(disk)
    const { log, kill } = await openTestLog(files)
    const partition = partitionOf(log, 0, os)
    const end = left === 'nothing' ? 0 : 1
    assert.equal(partition.logEndOffset, end)
    await append(partition, 'z').written
    stop()
    kill()
    const again = partitionOf((await openTestLog(disk)).log, 0, os)
    assert.equal(again.offline, null)
    assert.deepEqual((await readAll(again, end))[0], [end, 'z'])
  })

test('the same after a checkpoint and another kill, if the first start could not read the partition', async () => {
  const disk = await afterPowerCut('a record')
  let refuses = true
  const refusing: FileSystem = {
    ...disk,
    open(path, mode) {
      if (refuses && /orders-0\/.*\.log$/.test(path)) throw new DiskError('open', path, 'EIO')
      return disk.open(path, mode)
    },
  }
  const { log, kill } = await openTestLog(refusing)
  assert.match(partitionOf(log, 0, os).offline!, /EIO/)
  await append(partitionOf(log, 1, os), 'a').written
  await checkpoint(log)
  kill()
  refuses = false
  const again = partitionOf((await openTestLog(refusing)).log, 0, os)
  assert.deepEqual([again.offline, again.logEndOffset, again.leaderEpoch], [null, 1, 1])
})

test('a partition whose files the disk refuses at the first checkpoint is offline at once, others are served, and the next start has all', async () => {
  const disk = await afterPowerCut('a record')
  let refuses = true
  const refusing = withHandles(disk, (handle, path) => {
    if (!/orders-0\/.*\.log$/.test(path)) return null
    return { datasync: () => (refuses ? Promise.reject(new DiskError('open', path, 'EIO')) : handle.datasync()) }
  })
  const { log, kill, failures } = await openTestLog(refusing)
  assert.match(partitionOf(log, 0, os).offline ?? 'online', /EIO/)
  await append(partitionOf(log, 1, os), 'a').written
  await checkpoint(log)
  assert.deepEqual(failures, [])
  kill()
  refuses = false
  const again = partitionOf((await openTestLog(refusing)).log, 0, os)
  assert.deepEqual([again.offline, again.logEndOffset], [null, 1])
  await append(again, 'z').written
})

test('a foreign log with gaps that compaction left: what is appended survives a kill before the first checkpoint is complete', async () => {
  const disk = memoryFileSystem()
  const { log } = await openTestLog(disk)
  const foreign = partitionOf(log) as Partition
  for (const value of ['a', 'b', 'c']) {
    append(foreign, value)
    foreign.roll(1)
  }
  await log.close()
  for (const name of disk.list('/data/journal')) disk.remove(`/data/journal/${name.name}`)
  for (const { name } of disk.list('/data/orders-0')) if (name.startsWith('00000000000000000001')) disk.remove(`/data/orders-0/${name}`)
  const { files, stop } = slowDisk(disk)
  const second = await openTestLog(files)
  await append(partitionOf(second.log), 'd').written
  stop()
  second.kill()
  const again = partitionOf((await openTestLog(disk)).log)
  assert.deepEqual(await readAll(again), [
    [0, 'a'],
    [2, 'c'],
    [3, 'd'],
  ])
})

test('a disk that refuses the first checkpoint: the start is not held up, and clients append when the checkpoint succeeds', async () => {
  const disk = await afterPowerCut('a record')
  let isFull = true
  const full = withHandles(disk, (handle, path) => {
    if (!path.endsWith('state.log')) return null
    return {
      write: async (buffers, position) => {
        if (isFull) throw new DiskError('write', path, 'ENOSPC')
        await handle.write(buffers, position)
      },
    }
  })
  const { log, failures } = await openTestLog(full)
  const partition = partitionOf(log, 0, os)
  assert.equal((await readAll(partition)).length, 1)
  assert.throws(() => append(partition, 'z'), { name: 'KAFKA_STORAGE_ERROR', message: /not recorded yet.*ENOSPC/ })
  isFull = false
  await checkpoint(log)
  await append(partition, 'z').written
  assert.deepEqual(failures, [])
})
