import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem, realSystem } from '../../base.ts'
import { append, openTestLog, partitionOf, readAll, turn } from '../log.testing.ts'

const settings = { durability: 'fsync', journalFileBytes: 64 << 10, journalFiles: 2 } as const
const bound = 2 * settings.journalFiles * settings.journalFileBytes
const value = 'x'.repeat(8000)

/** A disk on which the syncs of segments wait until they are let go, or writes to segments fail. */
function troubledDisk() {
  const disk = memoryFileSystem()
  const waiting: (() => void)[] = []
  const trouble = { slow: false, full: false }
  const files = withHandles(disk, (handle, path) => {
    if (!path.endsWith('.log') || path.includes('/journal/')) return null
    return {
      datasync: async () => {
        if (trouble.slow) await new Promise<void>(resolve => waiting.push(resolve))
        await handle.datasync()
      },
      writeSync: (buffers, position) => {
        if (trouble.full) throw new DiskError('write', path, 'ENOSPC')
        handle.writeSync(buffers, position)
      },
    }
  })
  const letGo = () => {
    trouble.slow = false
    for (const resume of waiting.splice(0)) resume()
  }
  return { files, disk, trouble, letGo }
}

function journalBytes(disk: FileSystem): number {
  const sizes = disk.list('/data/journal').map(({ name }) => disk.readFile(`/data/journal/${name}`)!.length)
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('checkpoints that fall behind raise the pressure, and the journal stays bounded', async () => {
  const { files, disk, trouble, letGo } = troubledDisk()
  const { log, failures, kill } = await openTestLog(files, settings)
  const partition = partitionOf(log)
  trouble.slow = true
  let count = 0
  for (; !log.pressure.on && count < 1000; count++) await append(partition, value).durable
  assert.ok(count > 20 && count < 60, `${count} appends until the pressure`)
  assert.ok(journalBytes(disk) < bound + 2 * settings.journalFileBytes, `${journalBytes(disk)} bytes`)
  let off = 0
  log.pressure.whenOff(() => off++)
  await turn()
  assert.equal(off, 0)
  letGo()
  await new Promise<void>(resolve => log.pressure.whenOff(resolve))
  assert.equal(off, 1)
  for (let more = 0; more < 100; more++) await append(partition, value).durable
  assert.ok(journalBytes(disk) <= bound, `${journalBytes(disk)} bytes`)
  assert.deepEqual(failures, [])
  kill()
  const again = await openTestLog(disk, settings)
  assert.equal((await readAll(partitionOf(again.log))).length, count + 100)
})

test('appends that heed no pressure are refused at twice the bound', async () => {
  const { files, disk, trouble, letGo } = troubledDisk()
  const { log } = await openTestLog(files, settings)
  const partition = partitionOf(log)
  trouble.slow = true
  let count = 0
  const fill = async () => {
    for (; count < 1000; count++) await append(partition, value).durable
  }
  await assert.rejects(fill(), { name: 'KAFKA_STORAGE_ERROR', message: /checkpoints fall behind/ })
  assert.ok(journalBytes(disk) < 2 * bound + 2 * settings.journalFileBytes, `${journalBytes(disk)} bytes`)
  letGo()
  await new Promise<void>(resolve => log.pressure.whenOff(resolve))
  await append(partition, value).durable
  assert.equal((await readAll(partition)).length, count + 1)
})

test('while checkpoints fail, clients above the bound are rejected, reads continue, and everything recovers when there is space', async () => {
  const { files, disk, trouble } = troubledDisk()
  const { log, failures } = await openTestLog(files, settings)
  const partition = partitionOf(log)
  await append(partition, value).durable
  trouble.full = true
  let count = 1
  const fill = async () => {
    for (; count < 1000; count++) await append(partition, value).durable
  }
  await assert.rejects(fill(), { name: 'KAFKA_STORAGE_ERROR', message: /The journal is full, and write .*ENOSPC/ })
  assert.equal(log.pressure.on, false)
  assert.ok(journalBytes(disk) < bound + 2 * settings.journalFileBytes, `${journalBytes(disk)} bytes`)
  assert.equal((await readAll(partition)).length, count)
  await partition.deleteBefore(5)
  assert.equal(partition.logStartOffset, 5)
  trouble.full = false
  const deadline = realSystem().clock.monotonic() + 5000
  for (;;)
    try {
      await append(partition, value).durable
      break
    } catch (error) {
      assert.ok(realSystem().clock.monotonic() < deadline, String(error))
      await new Promise<void>(resolve => void setTimeout(resolve, 50))
    }
  assert.deepEqual(failures, [])
  assert.equal(partition.logEndOffset, count + 1)
  await log.close()
  assert.equal((await readAll(partitionOf((await openTestLog(disk, settings)).log))).length, count + 1 - 5)
})

test('a journal above a bound that was lowered is checkpointed before the first append', async () => {
  const { files, disk, trouble } = troubledDisk()
  const first = await openTestLog(files, { ...settings, journalFiles: 20 })
  trouble.slow = true
  for (let count = 0; count < 200; count++) await append(partitionOf(first.log), value).durable
  assert.ok(journalBytes(disk) > 2 * bound)
  first.kill()
  const { log } = await openTestLog(disk, settings)
  assert.equal(log.pressure.on, false)
  assert.equal(append(partitionOf(log), value).baseOffset, 200)
  assert.ok(journalBytes(disk) <= bound, `${journalBytes(disk)} bytes`)
})
