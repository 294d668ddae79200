import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../base.ts'
import { openLog, type PartitionLog } from '../log.ts'
import { buildBatch, forEachRecord } from '../protocol.ts'
import type { LogContext } from './context.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, settings, topicId, turn } from './log.testing.ts'

for (const durability of ['os', 'fsync'] as const) {
  test(`${durability}: what was written is read back, from memory, after a kill and after a clean close`, async () => {
    const disk = memoryFileSystem()
    const first = await openTestLog(disk, { durability })
    const partition = partitionOf(first.log)
    const appended = append(partition, 'a', 'b')
    assert.equal(appended.baseOffset, 0)
    assert.equal(appended.lastOffset, 1)
    assert.equal(partition.highWatermark, 0)
    await appended.durable
    assert.equal(partition.highWatermark, 2)
    await append(partition, 'c').durable
    const large = 'x'.repeat(100_000)
    await append(partition, large).durable
    await append(partition, 'd').durable
    const expected = [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
      [3, large],
      [4, 'd'],
    ]
    assert.deepEqual(await readAll(partition), expected)
    first.kill()

    const second = await openTestLog(disk, { durability })
    const again = partitionOf(second.log)
    assert.equal(again.logEndOffset, 5)
    assert.deepEqual(await readAll(again), expected)
    await append(again, 'e').durable
    await second.log.close()

    const third = await openTestLog(disk, { durability })
    assert.deepEqual(await readAll(partitionOf(third.log)), [...expected, [5, 'e']])
    assert.deepEqual(third.log.strays(), [])
    await third.log.close()
  })

  test(`${durability}: many partitions, many kills, small journal files that are used again`, async () => {
    const disk = memoryFileSystem()
    const expected: [number, string][][] = Array.from({ length: 20 }, () => [])
    for (let round = 0; round < 6; round++) {
      const { log, kill, failures } = await openTestLog(disk, { durability })
      for (let turnNumber = 0; turnNumber < 30; turnNumber++) {
        const waiting: (Promise<void> | null)[] = []
        for (let number = 0; number < 20; number++) {
          const partition = partitionOf(log, number, { segmentBytes: 40_000 })
          const value = `${round}/${turnNumber}/${number}/`.padEnd((number * 137 + turnNumber * 991) % 12_000, '.')
          const { baseOffset, durable } = append(partition, value)
          expected[number]!.push([baseOffset, value])
          waiting.push(durable)
        }
        await Promise.all(waiting)
      }
      assert.deepEqual(failures, [])
      kill()
    }
    const { log } = await openTestLog(disk, { durability })
    for (let number = 0; number < 20; number++) {
      const partition = partitionOf(log, number)
      assert.equal(partition.offline, null)
      assert.deepEqual(await readAll(partition), expected[number])
    }
    await log.close()
  })
}

test('the active segment of the last checkpoint is compacted only after a checkpoint with another one', async () => {
  const disk = memoryFileSystem()
  const compacted = { cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0.01, segmentBytes: 400 }
  const append = (partition: PartitionLog, value: string) =>
    partition.append(buildBatch({ records: [{ key: Buffer.from('k'), value: Buffer.from(value) }], timestamp: 1 }), { origin: 'client' })
  const first = await openTestLog(disk, { durability: 'fsync' })
  for (let value = 0; value < 5; value++) await append(partitionOf(first.log, 0, compacted), String(value)).durable
  await first.log.close()
  const second = await openTestLog(disk, { durability: 'fsync', cleanerBackoffMs: 1 })
  const partition = partitionOf(second.log, 0, compacted)
  await append(partition, 'next segment').durable
  const before = partition.sizeBytes()
  while (partition.sizeBytes() === before) await new Promise(resolve => setTimeout(resolve, 2))
  second.kill()
  const third = await openTestLog(disk, { durability: 'fsync' })
  const again = partitionOf(third.log, 0, compacted)
  assert.equal(again.offline, null)
  assert.deepEqual(
    (await readAll(again)).map(([offset]) => offset),
    [4, 5],
  )
  await third.log.close()
})

test('readers see what compaction left, also where the tail still held more', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { cleanerBackoffMs: 1 })
  const compacted = { cleanupPolicy: { delete: false, compact: true }, minCleanableDirtyRatio: 0.01, segmentBytes: 300 }
  const partition = partitionOf(log, 0, compacted)
  for (let nth = 0; nth < 10; nth++) {
    const records = [{ key: Buffer.from('a'), value: Buffer.from(`${nth}`) }]
    await partition.append(buildBatch({ timestamp: 1, records }), { origin: 'client' }).durable
  }
  const inActive = partition.logEndOffset - 1
  let seen = await readAll(partition)
  for (let round = 0; round < 400 && seen.length > 3; round++) {
    await turn()
    seen = await readAll(partition)
  }
  assert.ok(seen.length <= 3, `${seen.length} records of one key`)
  assert.deepEqual(seen.at(-1), [inActive, '9'])
  await log.close()
})

test('on a real disk: kill, reopen, close, reopen', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  try {
    for (let round = 0; round < 3; round++) {
      const system = realSystem()
      const log = await openLog({ system, directory, settings: { ...settings, durability: 'fsync' }, onFatal: assert.fail })
      const partition = partitionOf(log)
      assert.equal(partition.logEndOffset, round * 2)
      await append(partition, `${round}`).durable
      await append(partition, 'y'.repeat(70_000)).durable
      assert.equal((await readAll(partition)).length, round * 2 + 2)
      await log.close()
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('on a real disk: a partition whose directory was moved to another volume and symlinked', async () => {
  const [directory, elsewhere] = [mkdtempSync(join(tmpdir(), 'millrace-log-')), mkdtempSync(join(tmpdir(), 'millrace-log-'))]
  const open = () => openLog({ system: realSystem(), directory, settings: { ...settings, durability: 'fsync' }, onFatal: assert.fail })
  try {
    let log = await open()
    await append(partitionOf(log), 'a').durable
    await log.close()
    renameSync(join(directory, 'orders-0'), join(elsewhere, 'moved'))
    symlinkSync(join(elsewhere, 'moved'), join(directory, 'orders-0'))
    log = await open()
    assert.equal(partitionOf(log).offline, null)
    await append(partitionOf(log), 'b').durable
    assert.equal((await readAll(partitionOf(log))).length, 2)
    await log.close()
    // The other volume is not there.
    renameSync(elsewhere, `${elsewhere}-unmounted`)
    log = await open()
    assert.match(partitionOf(log).offline!, /ENOENT/)
    await log.close()
    renameSync(`${elsewhere}-unmounted`, elsewhere)
    log = await open()
    assert.equal((await readAll(partitionOf(log))).length, 2)
    partitionOf(log, 0, { fileDeleteDelayMs: 0 })
    await log.delete(topicId, 0)
    for (let wait = 0; wait < 200 && readdirSync(directory).some(name => name.startsWith('orders')); wait++)
      await new Promise(resolve => setTimeout(resolve, 5))
    assert.deepEqual(
      readdirSync(directory).filter(name => name.startsWith('orders')),
      [],
    )
    assert.deepEqual(existsSync(join(elsewhere, 'moved')) ? readdirSync(join(elsewhere, 'moved')) : [], [])
    await log.close()
  } finally {
    for (const each of [directory, elsewhere]) rmSync(each, { recursive: true, force: true })
  }
})

test('an idempotent producer continues after a kill, and retries are recognized', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk)
  const send = (log: typeof first.log, baseSequence: number) =>
    partitionOf(log).append(batchOf({ values: [`${baseSequence}`], producerId: 7, producerEpoch: 0, baseSequence }), { origin: 'client' })
  send(first.log, 0)
  const second = send(first.log, 1)
  assert.equal(send(first.log, 1).duplicate, true)
  await second.durable
  await turn()
  first.kill()
  const { log } = await openTestLog(disk)
  const repeated = send(log, 1)
  assert.deepEqual([repeated.duplicate, repeated.baseOffset, repeated.durable], [true, 1, null])
  assert.throws(() => send(log, 3), { name: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
  assert.equal(send(log, 2).baseOffset, 2)
  await log.close()
})

test('idle producers are forgotten while the log is open', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { retentionCheckIntervalMs: 20, producerIdExpirationMs: 60_000 })
  const partition = partitionOf(log)
  const send = (producerId: number, timestamp: number) =>
    partition.append(batchOf({ values: ['x'], producerId, producerEpoch: 0, baseSequence: 0, timestamp }), { origin: 'client' }).durable
  await send(1, Date.now() - 100_000)
  await send(2, Date.now())
  assert.equal(partition.producers().length, 2)
  const deadline = Date.now() + 5_000
  while (partition.producers().length > 1 && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
  assert.deepEqual(
    partition.producers().map(({ producerId }) => producerId),
    [2],
  )
  await log.close()
})

for (const end of ['a kill', 'a clean close'] as const)
  test(`all five batches that may be in flight are recognized as retries after ${end}`, async () => {
    const disk = memoryFileSystem()
    const first = await openTestLog(disk)
    const send = (log: typeof first.log, nth: number) =>
      partitionOf(log).append(batchOf({ values: ['a', 'b'], producerId: 7, producerEpoch: 0, baseSequence: 2 * nth }), { origin: 'client' })
    for (let nth = 0; nth < 5; nth++) {
      await send(first.log, nth).durable
      // The first of them are known by the checkpoint, the others by the journal.
      if (nth === 3) await (first.log as unknown as LogContext).checkpoint()
    }
    if (end === 'a kill') first.kill()
    else await first.log.close()
    const { log } = await openTestLog(disk)
    for (let nth = 0; nth < 5; nth++) {
      const { duplicate, baseOffset, lastOffset, durable } = send(log, nth)
      assert.deepEqual([duplicate, baseOffset, lastOffset, durable], [true, 2 * nth, 2 * nth + 1, null])
    }
    assert.equal(send(log, 5).baseOffset, 10)
    await log.close()
  })

test('leader-epoch-checkpoint is there, in the format of Kafka, once there is more than the first epoch', async () => {
  const disk = memoryFileSystem()
  const stored = () => disk.readFile('/data/orders-0/leader-epoch-checkpoint')?.toString() ?? null
  const first = await openTestLog(disk)
  const partition = partitionOf(first.log)
  await append(partition, 'a', 'b').durable
  await (first.log as unknown as LogContext).checkpoint()
  assert.equal(stored(), null)
  await partition.append(batchOf({ values: ['c'] }), { origin: 'client', leaderEpoch: 4 }).durable
  await (first.log as unknown as LogContext).checkpoint()
  assert.equal(stored(), '0\n2\n0 0\n4 2\n')
  await partition.deleteBefore(3)
  await first.log.close()
  assert.equal(stored(), '0\n1\n4 3\n')
  const { log } = await openTestLog(disk)
  assert.deepEqual(partitionOf(log).endOffsetForEpoch(4), { leaderEpoch: 4, endOffset: 3 })
})

test('the journal counts its frames, bytes and syncs', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { durability: 'fsync' })
  const { frames, bytes } = log.journal
  const both = [append(partitionOf(log, 0), 'a'), append(partitionOf(log, 1), 'b')]
  for (const { durable } of both) await durable
  assert.equal(log.journal.frames, frames + 1, 'one group')
  assert.ok(log.journal.bytes > bytes + 100)
  assert.equal(log.journal.syncs.count, 1)
  await log.close()
})

test('a leader epoch that is the last there is, as another broker may leave it', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk)
  await append(partitionOf(first.log), 'a').durable
  await first.log.close()
  const epoch = Buffer.alloc(4)
  epoch.writeInt32BE(2 ** 31 - 1)
  disk.open('/data/orders-0/00000000000000000000.log', 'rw').writeSync([epoch], 12)
  await disk.removeDirectory('/data/journal')
  for (let run = 1; run < 4; run++) {
    const { log, kill } = await openTestLog(disk)
    const partition = partitionOf(log)
    assert.equal(partition.leaderEpoch, 2 ** 31 - 1)
    await append(partition, `${run}`).durable
    assert.equal((await readAll(partition)).length, run + 1)
    kill()
  }
})

test('a segment whose name is beyond every log takes only its own partition offline', async () => {
  for (const name of ['00009007199254740991', '09223372036854775807', '99999999999999999999']) {
    const disk = memoryFileSystem()
    const first = await openTestLog(disk)
    for (const partition of [0, 1]) await append(partitionOf(first.log, partition), 'a').durable
    await first.log.close()
    disk.open(`/data/orders-0/${name}.log`, 'rw').close()
    await disk.removeDirectory('/data/journal')
    for (let run = 1; run < 3; run++) {
      const { log, failures } = await openTestLog(disk)
      assert.match(partitionOf(log).offline ?? '', /the largest that is supported/)
      assert.throws(() => append(partitionOf(log), 'b'), { name: 'KAFKA_STORAGE_ERROR' })
      assert.equal(append(partitionOf(log, 1), 'b').baseOffset, run)
      await log.close()
      assert.deepEqual(failures, [])
    }
  }
})

test('readers that continue, start elsewhere, or want little find the same batches in the tail, also after appends', async () => {
  const { log } = await openTestLog(memoryFileSystem(), { durability: 'os' })
  const partition = partitionOf(log)
  let end = 0
  let seed = 7
  const below = (bound: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff
    return (seed >>> 8) % bound
  }
  for (let round = 0; round < 400; round++) {
    if (round % 2 === 0)
      for (let count = below(8) + 1; count > 0; count--) {
        const values = Array.from({ length: 1 + below(3) }, () => `${end++}`)
        append(partition, ...values)
      }
    // Some look before the group is written: then they see less.
    if (below(3) > 0) await turn()
    const from = below(partition.highWatermark + 1)
    const goesOn = below(2) === 0
    for (let next = from, reads = 0; next < partition.highWatermark && reads < (goesOn ? 20 : 1); reads++) {
      const maxBytes = below(3) === 0 ? 100_000 : 1 + below(400)
      const slice = await partition.read(next, { maxBytes, atLeastOne: true, upTo: 'high-watermark' })
      let expected = next
      for (const chunk of slice.chunks)
        forEachRecord(chunk, ({ offset, value }) => {
          if (offset < next) return true
          assert.deepEqual([offset, value?.toString()], [expected, String(expected)])
          expected++
          return true
        })
      slice.release()
      assert.ok(expected > next && expected <= partition.highWatermark, `from ${next} to ${expected}`)
      assert.ok(slice.bytes <= maxBytes || slice.chunks.length === 1)
      next = expected
    }
  }
})
