import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, memoryFileSystem, realSystem } from '../base.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicId, turn } from './log.testing.ts'
import type { Tail } from './tail/tail.ts'

const otherId = 'AAAAAAAAAAAAAAAAAAAB1Q' as typeof topicId
const storageError = { name: 'KAFKA_STORAGE_ERROR' }
const idempotent = (value: string, baseSequence: number) => batchOf({ values: [value], producerId: 5, producerEpoch: 0, baseSequence })

/** A disk whose operations can be made to fail. */
function faultyDisk(disk = memoryFileSystem()) {
  const faults = { write: null as string | null, sync: false, slowSync: false }
  const files = withHandles(disk, (handle, path) => ({
    writeSync(buffers, position) {
      if (faults.write === null || !path.includes(faults.write)) return handle.writeSync(buffers, position)
      handle.writeSync([buffers[0]!.subarray(0, 7)], position)
      throw new DiskError('write', path, 'ENOSPC')
    },
    datasync: () => {
      if (faults.slowSync) return new Promise<void>(() => {})
      return faults.sync ? Promise.reject(new DiskError('fdatasync', path, 'EIO')) : handle.datasync()
    },
  }))
  return { files, faults, disk }
}

for (const durability of ['os', 'fsync'] as const)
  test(`${durability}: a group that the journal cannot write is undone, and everything continues when there is space again`, async () => {
    const { files, faults } = faultyDisk()
    const { log } = await openTestLog(files, { durability })
    const partition = partitionOf(log)
    await partition.append(idempotent('first', 0), { origin: 'client' }).durable
    faults.write = '.journal'
    const failed = [partition.append(idempotent('lost', 1), { origin: 'client' }), append(partition, 'lost too')]
    assert.equal(partition.logEndOffset, 3)
    for (const { written, durable } of failed) {
      await assert.rejects(written!, storageError)
      await assert.rejects(durable!, storageError)
    }
    assert.deepEqual([partition.logEndOffset, partition.highWatermark], [1, 1])
    assert.deepEqual(partition.producers()[0]?.lastSequence, 0)
    faults.write = null
    const again = partition.append(idempotent('second', 1), { origin: 'client' })
    assert.deepEqual([again.baseOffset, again.duplicate], [1, false])
    await again.durable
    const expected = [
      [0, 'first'],
      [1, 'second'],
    ]
    assert.deepEqual(await readAll(partition), expected)
    await log.close()
    const reopened = await openTestLog(files, { durability })
    assert.deepEqual(await readAll(partitionOf(reopened.log)), expected)
  })

test('an append that the segment file cannot take throws, and leaves nothing', async () => {
  const { files, faults } = faultyDisk()
  const { log } = await openTestLog(files)
  const partition = partitionOf(log)
  await append(partition, 'first').durable
  faults.write = '.log'
  assert.throws(() => append(partition, 'x'.repeat(50_000)), storageError)
  assert.equal(partition.logEndOffset, 1)
  faults.write = null
  await append(partition, 'y'.repeat(50_000)).durable
  assert.deepEqual(
    (await readAll(partition)).map(([offset, value]) => [offset, value[0]]),
    [
      [0, 'f'],
      [1, 'y'],
    ],
  )
})

test('a failed sync is fatal, once, and nothing is acknowledged as durable', async () => {
  const { files, faults } = faultyDisk()
  const { log, failures } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log)
  await append(partition, 'safe').durable
  faults.sync = true
  const { written, durable } = append(partition, 'unsafe')
  await written
  await assert.rejects(durable!, storageError)
  assert.equal(partition.highWatermark, 1)
  assert.equal(failures.length, 1)
  assert.throws(() => append(partition, 'more'), storageError)
})

test('deleting a topic whose large append is not synced yet stops nothing', async () => {
  const { log, failures } = await openTestLog(memoryFileSystem(), { durability: 'fsync' })
  const [deleted, other] = [
    partitionOf(log),
    log.create({ topic: 'other', topicId: otherId, partition: 0, config: partitionOf(log).config }),
  ]
  const large = 'x'.repeat(50_000)
  await append(deleted, large).durable
  await turn()
  append(deleted, large)
  await log.delete(topicId, 0)
  await append(other, 'goes on').durable
  assert.deepEqual(failures, [])
  assert.equal(other.highWatermark, 1)
})

test('a retry of a batch on its way to the disk, when the topic is deleted, is rejected without an unhandled rejection', async () => {
  const { files, faults } = faultyDisk()
  const { log } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log)
  faults.slowSync = true
  await partition.append(idempotent('once', 0), { origin: 'client' }).written
  const again = partition.append(idempotent('once', 0), { origin: 'client' })
  assert.deepEqual([again.duplicate, again.written], [true, null])
  await log.delete(topicId, 0)
  // Unhandled rejections would have ended the process by now.
  await turn()
  await assert.rejects(again.durable!, storageError)
})

test('damage below the durable mark takes the partition offline, also at the next start; others serve', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  const [good, bad] = [partitionOf(first.log, 0), partitionOf(first.log, 1)]
  await append(good, 'good').durable
  await append(bad, 'damaged').durable
  await append(good, 'good as well').durable
  await turn()
  first.kill()
  const journal = disk.open('/data/journal/00000001.journal', 'rw')
  const bytes = Buffer.alloc(journal.size())
  journal.readSync(bytes, 0)
  const at = bytes.indexOf('damaged')
  assert.ok(at > 0)
  journal.writeSync([Buffer.from('D')], at)
  for (let start = 0; start < 2; start++) {
    const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
    assert.match(partitionOf(log, 1).offline!, /durable up to 1/)
    assert.throws(() => append(partitionOf(log, 1), 'x'), storageError)
    assert.throws(() => partitionOf(log, 1).read(0, { maxBytes: 1, atLeastOne: true, upTo: 'high-watermark' }), storageError)
    assert.equal((await readAll(partitionOf(log, 0))).length, 2)
    if (start === 0) await log.close()
    else kill()
  }
})

test('large appends are durable after the sync of their segment; the journal follows from time to time and at the end', async () => {
  const disk = memoryFileSystem()
  const syncs = { journal: 0, segment: 0 }
  const files = withHandles(disk, (handle, path) => {
    const kind = path.endsWith('.journal') ? 'journal' : path.includes('/orders-') && path.endsWith('.log') ? 'segment' : null
    const datasync = () => {
      if (kind !== null) syncs[kind]++
      return handle.datasync()
    }
    return { datasync }
  })
  const { log } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log)
  const large = 'x'.repeat(50_000)
  await append(partition, large).durable
  await turn()
  const before = { ...syncs }
  for (let count = 0; count < 40; count++) await append(partition, large).durable
  assert.equal(syncs.segment - before.segment, 40)
  assert.ok(syncs.journal - before.journal < 20, `${syncs.journal - before.journal} syncs of the journal`)
  const journaled = syncs.journal
  await append(partition, 'small').durable
  assert.equal(syncs.journal, journaled + 1)
  await append(partition, large).durable
  const deadline = realSystem().clock.monotonic() + 10_000
  while (syncs.journal < journaled + 2 && realSystem().clock.monotonic() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(syncs.journal, journaled + 2)
})

test('damage to the last frame is not taken for a torn end', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  await append(partitionOf(first.log), 'the last').durable
  await turn()
  await turn()
  first.kill()
  const journal = disk.open('/data/journal/00000001.journal', 'rw')
  const bytes = Buffer.alloc(journal.size())
  journal.readSync(bytes, 0)
  journal.writeSync([Buffer.from('T')], bytes.indexOf('the last'))
  const { log } = await openTestLog(disk, { durability: 'fsync' })
  assert.match(partitionOf(log).offline!, /durable up to 1/)
})

test('free space below the floor refuses clients only', async () => {
  const { log } = await openTestLog(memoryFileSystem({ capacityBytes: 4 << 20 }), { freeBytesFloor: 8 << 20 })
  const partition = partitionOf(log)
  assert.throws(() => append(partition, 'x'), storageError)
  await partition.append(batchOf({ values: ['x'] }), { origin: 'coordinator' }).durable
  assert.equal(partition.highWatermark, 1)
})

test('a coordinator that was deposed is fenced by the offset it expects', async () => {
  const { log } = await openTestLog()
  const partition = partitionOf(log)
  await partition.append(batchOf({ values: ['a'] }), { origin: 'coordinator', expectedOffset: 0 }).durable
  assert.throws(() => partition.append(batchOf({ values: ['b'] }), { origin: 'coordinator', expectedOffset: 0 }), {
    name: 'NOT_LEADER_OR_FOLLOWER',
  })
  assert.equal(partition.logEndOffset, 1)
})

test('deleting wakes readers, and a topic of the same name starts empty', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk)
  const partition = partitionOf(log)
  await append(partition, 'old').durable
  let woken = 0
  partition.whenPast(1, 'high-watermark', () => assert.fail('it was cancelled')).cancel()
  partition.whenPast(1, 'high-watermark', () => woken++)
  await log.delete(topicId, 0)
  assert.equal(woken, 1)
  assert.equal(log.get(topicId, 0), undefined)
  assert.throws(() => append(partition, 'x'), { name: 'UNKNOWN_TOPIC_OR_PARTITION' })
  const { config } = partition
  await append(log.create({ topic: 'orders', topicId: otherId, partition: 0, config }), 'new').durable
  kill()
  const again = await openTestLog(disk)
  assert.deepEqual(again.log.strays(), [{ topic: 'orders', topicId: otherId, partition: 0 }])
  assert.deepEqual(await readAll(again.log.create({ topic: 'orders', topicId: otherId, partition: 0, config })), [[0, 'new']])
  assert.deepEqual(again.log.strays(), [])
})

test('readers that return no memory block nobody: after some chunks readers get copies', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { tailBytes: 1 << 20 })
  const { tail } = log as unknown as { tail: Tail }
  const partition = partitionOf(log)
  const slices = []
  for (let count = 0; count < 600; count++) {
    const { baseOffset, durable } = append(partition, `${count}/`.padEnd(4000, 'z'))
    await durable
    slices.push(await partition.read(baseOffset, { maxBytes: 1, atLeastOne: true, upTo: 'high-watermark' }))
    assert.equal(log.pressure.on, false)
    assert.ok(tail.bytes <= 1 << 20, `${tail.bytes} bytes`)
  }
  assert.equal(tail.lends, false)
  const lent = new Set(slices.map(({ chunks }) => chunks[0]!.buffer).filter(({ byteLength }) => byteLength === 256 << 10))
  assert.ok(lent.size > 1 && lent.size < 8, `${lent.size} chunks were lent`)
  for (const [count, slice] of slices.entries()) {
    assert.equal(slice.bytes, slice.chunks[0]!.length)
    assert.ok(slice.chunks[0]!.includes(`${count}/z`))
    slice.release()
  }
  assert.equal(tail.lends, true)
})
