/** With `durability=fsync`, data that bypasses the journal is durable after the sync of its segment; the journal's entry for it follows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cachedDisk } from '../cached-disk.testing.ts'
import { append, openTestLog, partitionOf, readAll, turn } from '../log.testing.ts'

const fsync = { durability: 'fsync' } as const
const large = 'x'.repeat(50_000)

test('a power cut before the journal is synced loses no acknowledged records', async () => {
  const { files, survivors } = cachedDisk()
  const { log } = await openTestLog(files, fsync)
  const partition = partitionOf(log, 0, { segmentBytes: 160_000 })
  await append(partition, large).durable
  await turn()
  await append(partition, 'small').durable
  for (let count = 0; count < 8; count++) {
    await append(partition, large).durable
    const again = await openTestLog(survivors(), fsync)
    const left = partitionOf(again.log)
    assert.deepEqual([left.offline, left.logEndOffset, (await readAll(left)).length], [null, 3 + count, 3 + count])
    again.kill()
  }
})

test('a frame whose write failed, but that reached the disk, does not overwrite data that bypassed the journal', async () => {
  const { files, faults, survivors } = cachedDisk()
  const { log } = await openTestLog(files, fsync)
  const partition = partitionOf(log)
  await append(partition, large).durable
  await turn()
  await append(partition, large).durable
  faults.write = /\.journal$/
  await assert.rejects(append(partition, 'refused').durable!, { name: 'KAFKA_STORAGE_ERROR' })
  await append(partition, large).durable
  const again = await openTestLog(survivors(), fsync)
  assert.deepEqual(
    (await readAll(partitionOf(again.log))).map(([offset, value]) => [offset, value.length]),
    [0, 1, 2].map(offset => [offset, large.length]),
  )
})
