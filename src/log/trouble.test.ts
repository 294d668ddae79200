/** Disk errors that are temporary or affect one partition: nothing fails that need not fail, and nothing grows or spins meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import type { Log, PartitionLog } from '../log.ts'
import { buildBatch, buildMarkerBatch } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { FaultyDisk } from './disk-faults.testing.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, refusable, topicConfig, topicId, turn } from './log.testing.ts'
import type { Partition } from './partition/partition.ts'

const storageError = { name: 'KAFKA_STORAGE_ERROR' }
const checkpoint = (log: Log) => (log as unknown as LogContext).checkpoint()

/** Writes to what matches, and making it, fail with this code. */
function refusingDisk(disk = memoryFileSystem()) {
  const faults = { path: null as RegExp | null, code: 'EIO', once: false }
  const check = (operation: string, path: string) => {
    if (!faults.path?.test(path)) return
    if (faults.once) faults.path = null
    throw new DiskError(operation, path, faults.code)
  }
  const files: FileSystem = {
    ...disk,
    open(path, mode) {
      if (!disk.exists(path)) check('open', path)
      const handle = disk.open(path, mode)
      const writeSync = handle.writeSync.bind(handle)
      const checked = (buffers: readonly Uint8Array[], position: number) => {
        check('write', path)
        writeSync(buffers, position)
      }
      return Object.assign(handle, { writeSync: checked, write: async (...args: Parameters<typeof checked>) => checked(...args) })
    },
  }
  return { disk, files, faults }
}

test('a file system that is read-only for a while: partitions stay readable, and everything continues afterwards', async () => {
  const { files, faults } = refusingDisk()
  const { log, failures } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log)
  await append(partition, 'a').durable
  Object.assign(faults, { path: /orders-0/, code: 'EROFS' })
  for (let count = 0; count < 8; count++) await assert.rejects(checkpoint(log), /EROFS/)
  assert.equal(partition.offline, null)
  assert.deepEqual(await readAll(partition), [[0, 'a']])
  faults.path = null
  await checkpoint(log)
  await append(partition, 'b').durable
  assert.equal((await readAll(partition)).length, 2)
  assert.deepEqual(failures, [])
})

test('a start on a full volume: only what cannot be written is offline, topics can be deleted, and the next start has all', async () => {
  const { disk, files, faults } = refusingDisk()
  const first = await openTestLog(disk, { durability: 'fsync' })
  for (const number of [0, 1, 2]) await append(partitionOf(first.log, number), `${number}`).durable
  await checkpoint(first.log)
  for (const number of [1, 2]) await append(partitionOf(first.log, number), 'only in the journal').durable
  first.kill()
  Object.assign(faults, { path: /orders.*\.log$/, code: 'ENOSPC' })
  const { log, failures } = await openTestLog(files, { durability: 'fsync' })
  assert.deepEqual(
    [0, 1, 2].map(number => partitionOf(log, number).offline?.includes('ENOSPC') ?? false),
    [false, true, true],
  )
  assert.deepEqual(await readAll(partitionOf(log, 0)), [[0, '0']])
  await log.delete(topicId, 2)
  assert.equal(disk.exists('/data/orders-2'), false)
  faults.path = null
  await log.close()
  assert.deepEqual(failures, [])
  const again = await openTestLog(disk, { durability: 'fsync' })
  assert.equal((await readAll(partitionOf(again.log, 1))).length, 2)
  assert.equal(partitionOf(again.log, 2).logEndOffset, 0)
})

test('a volume that does not say how much is free', async () => {
  const disk = memoryFileSystem()
  const freeBytes = () => {
    throw new DiskError('statfs', '/data', 'ENOSYS')
  }
  for (let start = 0; start < 2; start++) {
    const { log } = await openTestLog({ ...disk, freeBytes }, { durability: 'fsync' })
    await append(partitionOf(log), 'a').durable
    await log.close()
  }
})

test('a start on a volume without a free byte: the journal gives room back, and all is online', async () => {
  const disk = memoryFileSystem({ capacityBytes: 2 << 20 })
  const options = { durability: 'fsync', journalFileBytes: 128 << 10 } as const
  const first = await openTestLog(disk, options)
  for (let count = 0; count < 400; count++) await append(partitionOf(first.log, count % 2), 'x'.repeat(1000)).durable
  await checkpoint(first.log)
  await checkpoint(first.log)
  for (let count = 0; count < 30; count++) await append(partitionOf(first.log, count % 3), 'x'.repeat(1000)).durable
  first.kill()
  assert.throws(() => {
    for (let nth = 0; ; nth++) disk.open(`/filler${nth}`, 'rw').writeSync([Buffer.alloc(1024)], 0)
  }, /ENOSPC/)
  const { log, failures } = await openTestLog(disk, options)
  for (const [number, count] of [210, 210, 10].entries()) {
    const partition = partitionOf(log, number)
    assert.deepEqual([partition.offline, (await readAll(partition)).length], [null, count])
  }
  await log.delete(topicId, 0)
  await log.close()
  assert.deepEqual(failures, [])
})

test("the journal's records of a partition that cannot be written may exceed a journal file, and are not copied again and again", async () => {
  const { files, faults } = refusingDisk()
  const { log } = await openTestLog(files, { durability: 'fsync', journalFileBytes: 8 << 10, tailBytes: 4 << 20 })
  const [dead, other] = [partitionOf(log, 0), partitionOf(log, 1)]
  await append(dead, 'a').durable
  faults.path = /orders-0.*\.log$/
  for (let count = 0; count < 60 && dead.offline === null; count++) {
    for (const _ of [1, 2, 3, 4]) if (dead.offline === null) await append(dead, 'x'.repeat(1000)).durable
    await append(other, 'x'.repeat(100)).durable
    await checkpoint(log)
  }
  assert.notEqual(dead.offline, null)
  for (let count = 0; count < 100; count++) await append(other, 'y'.repeat(1000)).durable
  for (let count = 0; count < 50; count++) await turn()
  const { frames } = log.journal
  for (let count = 0; count < 200; count++) await turn()
  assert.equal(log.journal.frames, frames)
})

test('compaction is retried after a failed checkpoint', async () => {
  const { files, faults } = refusingDisk()
  const { log } = await openTestLog(files, { durability: 'fsync', cleanerBackoffMs: 1 })
  const partition = partitionOf(log, 0, { segmentBytes: 300 })
  const record = (value: string) => buildBatch({ records: [{ key: Buffer.from('k'), value: Buffer.from(value) }], timestamp: 1 })
  for (let value = 0; value < 10; value++) await partition.append(record(`${value}`), { origin: 'client' }).durable
  // What the active segment lacks still is written at the checkpoint that compaction asks for.
  Object.assign(faults, { path: /orders-0.*\d\.log$/, once: true })
  const before = partition.sizeBytes()
  partition.config = topicConfig({ segmentBytes: 300, cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0.01 })
  for (let wait = 0; wait < 1000 && partition.sizeBytes() === before; wait++) await new Promise(resolve => setTimeout(resolve, 2))
  assert.equal(faults.path, null)
  assert.ok(partition.sizeBytes() < before, 'it is compacted')
})

const transactional = (producerId: number, baseSequence: number) =>
  batchOf({ values: ['t'], producerId, producerEpoch: 0, baseSequence, isTransactional: true })
const abort = (producerId: number) =>
  buildMarkerBatch({ producerId, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: 1 })

async function abortedOf(partition: PartitionLog) {
  const limit = { maxBytes: 100_000, atLeastOne: true, upTo: 'last-stable' } as const
  const slice = await partition.read(0, limit)
  slice.release()
  return slice.abortedTransactions!.map(({ producerId, firstOffset }) => [producerId, firstOffset])
}

test('a segment that could not be rolled stays in use, with all its transactions', async () => {
  const { files, faults } = refusingDisk()
  const { log } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log, 0, { segmentBytes: 2000 })
  await partition.append(transactional(1, 0), { origin: 'client' }).durable
  await partition.append(abort(1), { origin: 'coordinator' }).durable
  Object.assign(faults, { path: /\.txnindex$/, code: 'ENOSPC' })
  assert.throws(() => append(partition, 'x'.repeat(1900)), storageError)
  faults.path = null
  // As the bound on what indexes have in memory does it.
  ;(partition as Partition).segments.active!.transactions.unload()
  await partition.append(transactional(2, 0), { origin: 'client' }).durable
  await partition.append(abort(2), { origin: 'coordinator' }).durable
  assert.deepEqual(await abortedOf(partition), [
    [1, 0],
    [2, 2],
  ])
})

test('a disk on which everything fails from some call on: all appends are answered, and acknowledged records are there when it works again', async () => {
  for (let nth = 1, struck = true; struck; nth += 5) {
    const faulty = new FaultyDisk(memoryFileSystem(), () => true)
    const { log, kill, failures } = await openTestLog(faulty.files, { durability: 'fsync', journalFileBytes: 16 << 10, tailBytes: 1 << 20 })
    const partitions = [0, 1, 2].map(number => partitionOf(log, number, { segmentBytes: 100_000, durability: number === 2 ? 'os' : null }))
    const acknowledged = [0, 0, 0]
    const send = (number: number, records: Buffer, origin: 'client' | 'coordinator' = 'client') =>
      refusable(async () => {
        const { durable, lastOffset } = partitions[number]!.append(records, { origin })
        await durable
        acknowledged[number] = lastOffset + 1
      })
    const some = async (round: number) => {
      const sent = [0, 1, 2].map(number => send(number, batchOf({ values: [`${round}`.padEnd(round % 3 === 0 ? 60_000 : 500, '.')] })))
      if (round % 4 === 1) sent.push(send(0, transactional(round, 0)))
      await Promise.all(sent)
      if (round % 4 === 1) await send(0, abort(round), 'coordinator')
    }
    for (let round = 0; round < 3; round++) await some(round)
    faulty.startAt(nth, 'EIO')
    for (let round = 3; round < 9; round++) await some(round)
    await checkpoint(log).catch(() => {})
    await refusable(() => partitions[0]!.deleteBefore(1))
    struck = faulty.struck.length > 0
    if (failures.length === 0 && struck && nth % 2 === 0) await log.close()
    kill()
    faulty.fault = null
    const again = await openTestLog(faulty.files, { durability: 'fsync' })
    for (const [number, end] of acknowledged.entries()) {
      const partition = partitionOf(again.log, number)
      assert.equal(partition.offline, null, `call ${nth}`)
      assert.ok(partition.logEndOffset >= end, `call ${nth}: acknowledged up to ${end}, but ${number} ends at ${partition.logEndOffset}`)
    }
    again.kill()
  }
})

test('a segment that was written past the journal and cannot be opened for its sync: only its partition is offline, and nothing of it is acknowledged', async () => {
  const disk = memoryFileSystem()
  let fails = false
  const files = withHandles(disk, (handle, path) => {
    if (!/orders-0.*\.log$/.test(path)) return null
    return {
      datasync() {
        if (fails) return Promise.reject(new DiskError('open', path, 'EACCES'))
        return handle.datasync()
      },
    }
  })
  const { log, failures, kill } = await openTestLog(files, { durability: 'fsync' })
  const [dead, other] = [partitionOf(log, 0), partitionOf(log, 1)]
  const large = 'x'.repeat(60_000)
  // Their names are synced after the first one: then the next goes past the journal.
  for (const partition of [dead, other]) await append(partition, large).durable
  for (let count = 0; count < 5; count++) await turn()
  const { bytes } = log.journal
  await append(dead, large).durable
  assert.ok(log.journal.bytes - bytes < 10_000, 'it goes past the journal')
  fails = true
  const refused = append(dead, large)
  await assert.rejects(refused.durable!, storageError)
  assert.match(dead.offline ?? '', /EACCES/)
  assert.equal(dead.highWatermark, 2)
  assert.throws(() => append(dead, 'more'), storageError)
  for (const value of [large, 'small']) await append(other, value).durable
  assert.deepEqual([other.highWatermark, (await readAll(other)).length, failures], [3, 3, []])
  kill()
  fails = false
  const again = await openTestLog(disk, { durability: 'fsync' })
  assert.deepEqual([partitionOf(again.log, 0).offline, partitionOf(again.log, 0).logEndOffset], [null, 3])
  assert.equal((await readAll(partitionOf(again.log, 1))).length, 3)
})

test('the same for want of descriptors: it is tried again, and nothing is offline', async () => {
  const disk = memoryFileSystem()
  let failures = 0
  const files = withHandles(disk, (handle, path) => {
    if (!/orders-0.*\.log$/.test(path)) return null
    return { datasync: () => (failures-- > 0 ? Promise.reject(new DiskError('open', path, 'EMFILE')) : handle.datasync()) }
  })
  const { log } = await openTestLog(files, { durability: 'fsync' })
  const large = 'x'.repeat(60_000)
  await append(partitionOf(log), large).durable
  for (let count = 0; count < 5; count++) await turn()
  failures = 2
  await append(partitionOf(log), large).durable
  assert.deepEqual([partitionOf(log).offline, failures <= 0], [null, true])
})

for (const [what, path] of [
  ['leader epochs', /leader-epoch-checkpoint$/],
  ['offset index', /\.index$/],
  ['time index', /\.timeindex$/],
] as const)
  for (const code of ['EMFILE', 'EIO'])
    test(`${code} for the file of the ${what}, which is derived: checkpoints and clients go on, and it is written later`, async () => {
      const { disk, files, faults } = refusingDisk()
      const reports: string[] = []
      const { log } = await openTestLog(files, { durability: 'fsync' }, report => reports.push(report))
      const partition = partitionOf(log, 0, { indexIntervalBytes: 100 })
      Object.assign(faults, { path, code })
      for (let count = 0; count < 80; count++) await append(partition, 'x'.repeat(200)).durable
      ;(partition as Partition).raiseLeaderEpoch(3)
      await append(partition, 'y').durable
      for (let count = 0; count < 7; count++) {
        await checkpoint(log)
        await append(partition, 'z').durable
      }
      assert.equal(partition.offline, null)
      assert.ok(reports.length <= 1, reports.join())
      faults.path = null
      const written = () => disk.list('/data/orders-0').some(({ name }) => path.test(name))
      for (let wait = 0; wait < 1000 && !written(); wait++) {
        await new Promise(resolve => setTimeout(resolve, 10))
        await append(partition, 'z').durable
        await checkpoint(log)
      }
      assert.ok(written())
      if (what === 'leader epochs') assert.match(String(disk.readFile('/data/orders-0/leader-epoch-checkpoint')), /^3 80$/m)
      await log.close()
    })

test('a snapshot of the producers that cannot be written does not prevent a roll, and none of another past is left in its place', async () => {
  const { disk, files, faults } = refusingDisk()
  const reports: string[] = []
  const { log, kill } = await openTestLog(files, { durability: 'fsync' }, report => reports.push(report))
  const partition = partitionOf(log)
  await partition.append(transactional(1, 0), { origin: 'client' }).durable
  const path = '/data/orders-0/00000000000000000001.snapshot'
  disk.open(path, 'rw').writeSync([Buffer.from('of another past')], 0)
  Object.assign(faults, { path: /\.snapshot$/, code: 'EIO' })
  ;(partition as Partition).roll(1)
  assert.deepEqual([disk.exists(path), reports.length], [false, 1])
  await partition.append(transactional(2, 0), { origin: 'client' }).durable
  kill()
  const again = partitionOf((await openTestLog(disk, { durability: 'fsync' })).log)
  assert.deepEqual([again.offline, again.lastStableOffset, again.logEndOffset, again.producers().length], [null, 0, 2, 2])
})
