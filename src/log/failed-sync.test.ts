/** After a failed sync the content of the disk is unknown: the sync is never repeated as if it could succeed, in this process or the next. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log } from '../log.ts'
import { buildMarkerBatch } from '../protocol.ts'
import { cachedDisk } from './cached-disk.testing.ts'
import type { LogContext } from './context.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicConfig, topicId, turn } from './log.testing.ts'

const otherId = 'AAAAAAAAAAAAAAAAAAAB1Q' as typeof topicId
const fsync = { durability: 'fsync' } as const
const large = 'x'.repeat(60_000)
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()

async function turns(count: number): Promise<void> {
  for (let nth = 0; nth < count; nth++) await turn()
}

test('data that a failed sync did not write is rewritten at the next start, before it is visible', async () => {
  const { files, faults, survivors } = cachedDisk()
  const first = await openTestLog(files, fsync)
  await append(partitionOf(first.log), large).durable
  await turns(3)
  faults.sync = /orders-0.*\.log$/
  await assert.rejects(append(partitionOf(first.log), large).durable!, { name: 'KAFKA_STORAGE_ERROR' })
  assert.equal(first.failures.length, 1)
  first.kill()
  const told: string[] = []
  const second = await openTestLog(files, fsync, what => void told.push(what))
  assert.match(told.join(), /a sync failed before this start/)
  assert.equal(partitionOf(second.log).highWatermark, 2)
  await second.log.close()
  const { log } = await openTestLog(survivors(), fsync)
  assert.deepEqual([partitionOf(log).offline, (await readAll(partitionOf(log))).length], [null, 2])
})

for (const what of ['journal', 'state.log'])
  test(`the same for the ${what}`, async () => {
    const { files, faults, survivors } = cachedDisk()
    const first = await openTestLog(files, fsync)
    await append(partitionOf(first.log), 'a').durable
    await checkpoint(first.log)
    faults.sync = what === 'journal' ? /\.journal$/ : /state\.log/
    append(partitionOf(first.log), 'b').durable?.catch(() => {})
    await checkpoint(first.log).catch(() => {})
    assert.equal(first.failures.length, 1)
    first.kill()
    const second = await openTestLog(files, fsync)
    const end = partitionOf(second.log).highWatermark
    assert.equal(end, 2)
    second.kill()
    const { log } = await openTestLog(survivors(), fsync)
    assert.deepEqual([partitionOf(log).offline, partitionOf(log).logEndOffset], [null, 2])
  })

test('after a reboot nothing needs to be rewritten', async () => {
  const { disk, files, faults, boot } = cachedDisk()
  const first = await openTestLog(files, fsync)
  faults.sync = /\.journal$/
  await assert.rejects(append(partitionOf(first.log), 'a').durable!)
  first.kill()
  assert.equal(disk.exists('/data/journal/failed-sync'), true)
  boot('second')
  const told: string[] = []
  const { log } = await openTestLog(files, fsync, what => void told.push(what))
  assert.deepEqual(told, [])
  assert.equal(disk.exists('/data/journal/failed-sync'), false)
  await log.close()
})

test('if the disk fails to sync again, the start fails, and the next start rewrites, too', async () => {
  const { files, faults } = cachedDisk()
  const first = await openTestLog(files, fsync)
  await append(partitionOf(first.log), large).durable
  await turns(3)
  faults.sync = /orders-0.*\.log$/
  await assert.rejects(append(partitionOf(first.log), large).durable!)
  first.kill()
  faults.sync = /orders-0.*\.log$/
  await assert.rejects(openTestLog(files, fsync), { code: 'EIO', operation: 'fdatasync' })
  const told: string[] = []
  await openTestLog(files, fsync, what => void told.push(what))
  assert.match(told.join(), /a sync failed before this start/)
})

test('a directory whose sync failed is not synced again: the process stops', async () => {
  const disk = memoryFileSystem()
  let fails = true
  const files: FileSystem = {
    ...disk,
    async syncDirectory(path) {
      if (path !== '/data/orders-0' || !fails) return
      fails = false
      throw new DiskError('fsync', path, 'EIO')
    },
  }
  const { log, failures } = await openTestLog(files, fsync)
  append(partitionOf(log), large)
  await turns(5)
  assert.equal(fails, false)
  assert.equal(failures.length, 1)
  assert.throws(() => append(partitionOf(log), large), { name: 'KAFKA_STORAGE_ERROR' })
})

test('the same for the directory of the journal, when a file is started', async () => {
  const disk = memoryFileSystem()
  let left = 1
  const files: FileSystem = {
    ...disk,
    syncDirectorySync(path) {
      if (left-- === 0) throw new DiskError('fsync', path, 'EIO')
    },
  }
  const { log, failures } = await openTestLog(files, { ...fsync, journalFileBytes: 16 << 10 })
  for (let nth = 0; nth < 30 && failures.length === 0; nth++) {
    append(partitionOf(log), 'y'.repeat(2000)).durable?.catch(() => {})
    await turns(2)
  }
  assert.equal(failures.length, 1)
  assert.ok(left < 0)
})

test('a topic that is deleted while its directory is being synced stops nothing, and does not come back', async () => {
  const disk = memoryFileSystem()
  let reached = () => {}
  let go: Promise<void> | null = null
  const files: FileSystem = {
    ...disk,
    async syncDirectory(path) {
      if (path === '/data/orders-0' && go !== null) {
        reached()
        await go
      }
      await disk.syncDirectory(path)
    },
  }
  const { log, kill, failures } = await openTestLog(files, fsync)
  const other = () => log.create({ topic: 'other', topicId: otherId, partition: 0, config: topicConfig() })
  await append(partitionOf(log), 'a').durable
  await append(other(), 'a').durable
  const { promise, resolve } = Promise.withResolvers<void>()
  go = promise
  const arrived = new Promise<void>(resolve => {
    reached = resolve
  })
  const done = checkpoint(log)
  await arrived
  await log.delete(topicId, 0)
  resolve()
  await done
  assert.deepEqual(failures, [])
  await append(other(), 'b').durable
  kill()
  const again = await openTestLog(disk, fsync)
  assert.deepEqual(again.log.strays(), [{ topic: 'other', topicId: otherId, partition: 0 }])
})

test('what a killed process had not synced of the state log is synced before journal files are used again', async () => {
  const { files, isDirty } = cachedDisk()
  const stateLog = '/data/journal/state.log'
  let syncs = Number.POSITIVE_INFINITY
  const begun: boolean[] = []
  const watched = withHandles(files, (handle, path) => {
    // It was written under another name at first.
    if (path.startsWith(stateLog)) return { datasync: () => (syncs-- > 0 ? handle.datasync() : new Promise(() => {})) }
    if (!path.endsWith('.journal')) return null
    return {
      writeSync(buffers, position) {
        if (position === 0) begun.push(isDirty(stateLog))
        handle.writeSync(buffers, position)
      },
    }
  })
  const first = await openTestLog(watched, fsync)
  await append(partitionOf(first.log), 'a').durable
  await checkpoint(first.log)
  await append(partitionOf(first.log), 'b').durable
  // The sync of the records that end the checkpoint never comes to its end.
  syncs = 1
  void checkpoint(first.log).catch(() => {})
  await turns(10)
  assert.deepEqual([syncs, isDirty(stateLog)], [-1, true])
  first.kill()
  syncs = Number.POSITIVE_INFINITY
  begun.length = 0
  const second = await openTestLog(watched, fsync)
  assert.equal(partitionOf(second.log).logEndOffset, 2)
  assert.ok(begun.length > 0 && !begun.includes(true))
})

test('a checkpoint that fails before it syncs a segment leaves that to the next one', async () => {
  const { files, faults, isDirty } = cachedDisk()
  const { log } = await openTestLog(files, fsync)
  const partition = partitionOf(log)
  const batch = batchOf({ values: ['a'], producerId: 7, producerEpoch: 0, baseSequence: 0, isTransactional: true })
  await partition.append(batch, { origin: 'client' }).durable
  const abort = buildMarkerBatch({ producerId: 7, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })
  await partition.append(abort, { origin: 'coordinator' }).durable
  faults.write = /\.txnindex$/
  await assert.rejects(checkpoint(log), /txnindex: ENOSPC/)
  const segment = '/data/orders-0/00000000000000000000'
  assert.equal(isDirty(`${segment}.log`), true)
  await checkpoint(log)
  assert.deepEqual([isDirty(`${segment}.log`), isDirty(`${segment}.txnindex`)], [false, false])
})
