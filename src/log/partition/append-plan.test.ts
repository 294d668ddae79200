import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../../base.ts'
import { buildBatch } from '../../protocol.ts'
import { append, batchOf, openTestLog, partitionOf, readAll } from '../log.testing.ts'

/** A disk on which reading files of a kind fails as long as it is named. */
function unreadable(disk: FileSystem) {
  const broken = { ending: 'nothing' }
  const files = withHandles(disk, (handle, path) => ({
    readSync(buffer, position) {
      if (path.endsWith(broken.ending)) throw new DiskError('read', path, 'EIO')
      return handle.readSync(buffer, position)
    },
  }))
  return { files, broken }
}

const durability = 'fsync'

test('an index that cannot be read refuses the append before a byte is written', async () => {
  const disk = memoryFileSystem()
  const config = { indexIntervalBytes: 0 }
  const first = await openTestLog(disk, { durability })
  for (const value of ['a', 'b', 'c']) await append(partitionOf(first.log, 0, config), value).durable
  await first.log.close()

  const { files, broken } = unreadable(disk)
  const second = await openTestLog(files, { durability })
  const partition = partitionOf(second.log, 0, config)
  broken.ending = '.timeindex'
  assert.throws(() => append(partition, 'refused'), { name: 'KAFKA_STORAGE_ERROR' })
  assert.throws(() => append(partition, 'refused'.repeat(20_000)), { name: 'KAFKA_STORAGE_ERROR' })
  assert.equal(partition.logEndOffset, 3)
  broken.ending = 'nothing'
  assert.equal(append(partition, 'd').baseOffset, 3)
  await append(partition, 'e').durable
  second.kill()

  const third = await openTestLog(disk, { durability })
  const again = partitionOf(third.log, 0, config)
  assert.equal(again.offline, null)
  assert.deepEqual(
    (await readAll(again)).map(([, value]) => value),
    ['a', 'b', 'c', 'd', 'e'],
  )
  await third.log.close()
})

test('a control batch that is none is refused before a byte is written', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk)
  const partition = partitionOf(log)
  await append(partition, 'a').durable
  const control = { producerId: -1, producerEpoch: -1, isControl: true, isTransactional: true, timestamp: 1 }
  const broken = buildBatch({ records: [{ key: Buffer.alloc(1), value: null }], ...control })
  const plain = batchOf({ values: ['b'] })
  assert.throws(() => partition.append(Buffer.concat([plain, broken]), { origin: 'coordinator' }), { name: 'INVALID_RECORD' })
  assert.equal(partition.logEndOffset, 1)
  assert.equal(append(partition, 'c').baseOffset, 1)
  await append(partition, 'd'.repeat(20_000)).durable
  kill()
  const second = await openTestLog(disk)
  const again = partitionOf(second.log)
  assert.equal(again.offline, null)
  assert.deepEqual(
    (await readAll(again)).map(([, value]) => value[0]),
    ['a', 'c', 'd'],
  )
  await second.log.close()
})
