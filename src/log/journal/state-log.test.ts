import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c, DiskError, type FileHandle, type FileSystem, memoryFileSystem, realSystem } from '../../base.ts'
import { buildBatch, type Uuid } from '../../protocol.ts'
import type { LogContext } from '../context.ts'
import { FaultyDisk } from '../disk-faults.testing.ts'
import { append, openTestLog, partitionOf, readAll } from '../log.testing.ts'
import { type LoadedState, StateLog } from './state-log.ts'
import { encodePartition, encodeTrimmed, type PartitionState, partitionKey } from './state-record.ts'

const path = '/state.log'
const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q' as Uuid
const keyOf = (partition: number) => partitionKey(topicId, partition)

function state(partition: number, endOffset: number, producerBytes = 0): PartitionState {
  return {
    topic: 'orders',
    topicId,
    partition,
    logStartOffset: endOffset >> 1,
    endOffset,
    synced: true,
    leaderEpoch: 3,
    epochs: [{ epoch: 3, startOffset: 0 }],
    active: null,
    producers: producerBytes === 0 ? null : Buffer.alloc(producerBytes, partition),
  }
}

function open(disk: FileSystem): { log: StateLog; loaded: LoadedState; reports: string[] } {
  const reports: string[] = []
  const log = new StateLog({ files: disk, random: realSystem().random, path, report: what => reports.push(what) })
  return { log, loaded: log.load(), reports }
}

/** End offsets as loaded, and as read one by one. */
function endsIn({ log, loaded }: { log: StateLog; loaded: LoadedState }): Record<number, number> {
  const ends: Record<number, number> = {}
  for (const [key, { partition, endOffset }] of loaded.partitions) {
    assert.equal(log.read(key)?.endOffset, endOffset)
    ends[partition] = endOffset
  }
  return ends
}

/** Three checkpoints of three partitions. */
async function threeCheckpoints(disk: FileSystem): Promise<void> {
  const { log } = open(disk)
  for (let round = 1; round <= 3; round++) {
    await log.append(
      [0, 1, 2].map(partition => state(partition, 10 * round + partition, 20)),
      [],
      null,
    )
    await log.append([], [], { trimmedSequence: round, bootId: 'boot' })
  }
  log.close()
}

function flip(disk: FileSystem, bit: number): void {
  const file = disk.open(path, 'rw')
  const byte = Buffer.alloc(1)
  file.readSync(byte, bit >> 3)
  byte[0]! ^= 1 << (bit & 7)
  file.writeSync([byte], bit >> 3)
  file.close()
}

test('any flipped bit affects only one record: later ones count, and the damage and the affected partitions are reported', async () => {
  const disk = memoryFileSystem()
  await threeCheckpoints(disk)
  const size = disk.readFile(path)!.length
  let told = 0
  for (let bit = 0; bit < 8 * size; bit += bit < 8 * 1024 ? 61 : 3) {
    flip(disk, bit)
    const { log, loaded } = open(disk)
    const ends = endsIn({ log, loaded })
    assert.deepEqual([loaded.trimmedSequence, loaded.bootId], [3, 'boot'], `bit ${bit}`)
    for (const partition of [0, 1, 2]) {
      const lost = ends[partition] !== 30 + partition
      if (lost) assert.ok(loaded.isDoubtful(keyOf(partition)) && loaded.problems.length > 0, `bit ${bit}: partition ${partition}`)
      assert.equal(
        loaded.logStarts.get(keyOf(partition)) === (30 + partition) >> 1 || !lost,
        true,
        `bit ${bit}: two records damaged by one`,
      )
    }
    if (loaded.problems.length > 0) told++
    log.close()
    flip(disk, bit)
  }
  assert.ok(told > 500, `${told}`)
  assert.deepEqual(endsIn(open(disk)), { 0: 30, 1: 31, 2: 32 })
})

test('a torn end is not damage: bytes after the last sync may be there in part', async () => {
  const disk = memoryFileSystem()
  await threeCheckpoints(disk)
  const whole = disk.readFile(path)!
  const { log } = open(disk)
  await log.append([state(0, 100), state(1, 100), state(2, 100)], [], null)
  log.close()
  const torn = disk.readFile(path)!
  // The first of the new records did not arrive, the others did.
  torn.fill(0, whole.length, whole.length + 60)
  disk.open(path, 'rw').writeSync([torn], 0)
  const again = open(disk)
  assert.deepEqual(endsIn(again), { 0: 30, 1: 100, 2: 100 })
  assert.deepEqual([again.loaded.problems, again.loaded.isDoubtful(keyOf(0))], [[], false])
})

test('2.3 GB of zeros behind the end do not prevent the start, and go', async () => {
  const disk = memoryFileSystem()
  await threeCheckpoints(disk)
  const size = disk.readFile(path)!.length
  disk.open(path, 'rw').truncate(2.3e9)
  const before = process.memoryUsage().rss
  const again = open(disk)
  assert.deepEqual(endsIn(again), { 0: 30, 1: 31, 2: 32 })
  assert.ok(process.memoryUsage().rss - before < 100 << 20)
  await again.log.append([state(0, 50)], [], null)
  assert.ok(disk.readFile(path)!.length < size + 1000)
  assert.deepEqual(endsIn(open(disk)), { 0: 50, 1: 31, 2: 32 })
})

/** Counts what is asked of the file at once. */
function watched(disk: FileSystem): { files: FileSystem; most: () => number; calls: () => number } {
  let most = 0
  let calls = 0
  const note = (bytes: number) => {
    calls++
    most = Math.max(most, bytes)
  }
  const files: FileSystem = {
    ...disk,
    readFile: () => assert.fail('a whole file is read'),
    replaceFile: () => assert.fail('a whole file is written'),
    open(at, mode) {
      const handle = disk.open(at, mode)
      const later = <T>(action: () => T): Promise<T> => new Promise(resolve => setImmediate(() => resolve(action())))
      const wrapped: FileHandle = Object.assign(Object.create(handle) as FileHandle, {
        path: at,
        size: () => handle.size(),
        truncate: (size: number) => handle.truncate(size),
        close: () => handle.close(),
        datasync: () => handle.datasync(),
        readSync: (buffer: Uint8Array, position: number) => handle.readSync(buffer, position),
        writeSync: (buffers: readonly Uint8Array[], position: number) => {
          note(buffers.reduce((sum, { length }) => sum + length, 0))
          handle.writeSync(buffers, position)
        },
        write: (buffers: readonly Uint8Array[], position: number) => {
          note(buffers.reduce((sum, { length }) => sum + length, 0))
          return later(() => handle.writeSync(buffers, position))
        },
        read: (buffer: Uint8Array, position: number) => {
          note(buffer.length)
          return later(() => handle.readSync(buffer, position))
        },
      })
      return wrapped
    },
  }
  return { files, most: () => most, calls: () => calls }
}

test('much is written, and rewritten, in slices between which others are served', async () => {
  const disk = memoryFileSystem()
  const { files, most, calls } = watched(disk)
  const { log } = open(files)
  const partitions = 100
  for (let round = 1; round <= 5; round++) {
    const states = Array.from({ length: partitions }, (_, partition) => state(partition, 10 * round, 100_000))
    await log.append(states, [], null)
    await log.append([], round === 5 ? [keyOf(7)] : [], { trimmedSequence: round, bootId: '' })
  }
  assert.ok(most() < (1 << 20) + 110_000, `${most()} bytes at once`)
  assert.ok(calls() > 50, `${calls()} calls`)
  assert.ok(disk.readFile(path)!.length < 2.5 * partitions * 100_000, 'it was compacted')
  log.close()
  const again = open(disk)
  assert.equal(again.loaded.trimmedSequence, 5)
  assert.equal(again.loaded.partitions.size, partitions - 1)
  for (const [key, { partition }] of again.loaded.partitions) assert.deepEqual(again.log.read(key), state(partition, 50, 100_000))
})

/** As releases before format 2 wrote it. */
function format1(bodies: readonly Buffer[]): Buffer {
  const records = bodies.map(body => {
    const start = Buffer.alloc(8)
    start.writeUInt32BE(body.length, 0)
    start.writeUInt32BE(crc32c(body), 4)
    return Buffer.concat([start, body])
  })
  return Buffer.concat(records)
}

test('a file of format 1 is read, past a damaged record by its length, and rewritten at the first checkpoint', async () => {
  const bodies = [state(0, 10), state(1, 11), state(2, 12), state(1, 21)].map(encodePartition)
  const old = format1([...bodies, encodeTrimmed({ trimmedSequence: 8, bootId: 'boot' })])
  for (const damaged of [false, true]) {
    const disk = memoryFileSystem()
    disk.open(path, 'rw').writeSync([old], 0)
    // In the second record.
    if (damaged) flip(disk, 8 * (8 + bodies[0]!.length + 8 + 40))
    const before = disk.readFile(path)!
    const first = open(disk)
    assert.deepEqual(endsIn(first), { 0: 10, 1: 21, 2: 12 })
    assert.equal(first.loaded.trimmedSequence, 8)
    assert.deepEqual(
      [first.loaded.problems.length, first.loaded.isDoubtful(keyOf(0)), first.loaded.isDoubtful(keyOf(2))],
      damaged ? [1, true, false] : [0, false, false],
    )
    assert.ok(disk.readFile(path)!.equals(before), 'loading changes nothing')
    await first.log.append([state(2, 22)], [], null)
    first.log.close()
    const second = open(disk)
    assert.deepEqual(endsIn(second), { 0: 10, 1: 21, 2: 22 })
    assert.equal(second.loaded.trimmedSequence, 8)
  }
})

test('what a failed write left behind is cut off before anything else is appended', async () => {
  const disk = memoryFileSystem()
  let fails = false
  const files: FileSystem = {
    ...disk,
    open(at, mode) {
      const handle = disk.open(at, mode)
      const write = handle.write.bind(handle)
      return Object.assign(handle, {
        write: async (buffers: readonly Uint8Array[], position: number) => {
          await write(buffers, position)
          if (fails) throw new DiskError('write', at, 'ENOSPC')
        },
      })
    },
  }
  const { log } = open(files)
  await log.append([state(0, 10), state(1, 10)], [], null)
  fails = true
  await assert.rejects(log.append([state(0, 20), state(1, 20)], [], null), { code: 'ENOSPC' })
  fails = false
  await log.append([state(1, 30)], [], null)
  log.close()
  assert.deepEqual(endsIn(open(disk)), { 0: 10, 1: 30 })
})

/** What is there before the file is rewritten by the next checkpoint, and why it is. */
const before: Record<string, (disk: FileSystem) => Promise<void>> = {
  'there is none': async () => {},
  'it has format 1': async disk => disk.open(path, 'rw').writeSync([format1([encodePartition(state(0, 1))])], 0),
  'most of it is out of date': async disk => {
    const { log } = open(disk)
    for (let round = 1; round <= 2; round++) await log.append([state(0, round, 600_000)], [], { trimmedSequence: round, bootId: '' })
    log.close()
  },
}

for (const [why, prepare] of Object.entries(before))
  for (const forGood of ['no', 'everything'] as const)
    test(`rewritten because ${why}, any call fails, ${forGood === 'no' ? 'once' : 'for a while'}: the next checkpoint succeeds`, async () => {
      let calls = 0
      for (; ; calls++) {
        const disk = memoryFileSystem()
        await prepare(disk)
        const faulty = new FaultyDisk(disk, () => true)
        const { log } = open(faulty.files)
        faulty.startAt(calls + 1, 'EMFILE', forGood)
        const states = [state(0, 10, 600_000), state(1, 11)]
        const first = await log.append(states, [], { trimmedSequence: 7, bootId: 'boot' }).catch((error: DiskError) => error)
        if (faulty.struck.length === 0) break
        // The process ends then.
        if (first instanceof DiskError && first.isFailedSync) continue
        faulty.fault = null
        const where = faulty.struck[0]
        await log.append(states, [], null)
        await log.append([state(2, 12)], [], { trimmedSequence: 8, bootId: 'boot' })
        assert.equal(log.read(keyOf(0))?.endOffset, 10, where)
        log.close()
        const again = open(disk)
        assert.deepEqual(endsIn(again), { 0: 10, 1: 11, 2: 12 }, where)
        assert.deepEqual([again.loaded.trimmedSequence, again.loaded.problems], [8, []], where)
      }
      assert.ok(calls > 8, `${calls} calls`)
    })

test('a rewritten file whose name could not be synced is not appended to before it is', async () => {
  const disk = memoryFileSystem()
  await before['most of it is out of date']!(disk)
  let syncs = 0
  let fails = true
  const syncDirectory = async (directory: string) => {
    if (fails) throw new DiskError('open', directory, 'EMFILE')
    syncs++
  }
  const { log, reports } = open({ ...disk, syncDirectory })
  await log.append([state(0, 10, 600_000)], [], { trimmedSequence: 7, bootId: '' })
  assert.equal(reports.length, 1)
  const { length } = disk.readFile(path)!
  await assert.rejects(log.append([state(1, 11)], [], null), { code: 'EMFILE' })
  await assert.rejects(log.release(keyOf(1), 9), { code: 'EMFILE' })
  assert.equal(disk.readFile(path)!.length, length)
  fails = false
  await log.append([state(1, 11)], [], null)
  await log.append([state(1, 12)], [], null)
  assert.equal(syncs, 1)
  assert.deepEqual(endsIn(open(disk)), { 0: 10, 1: 12 })
})

test('one flipped bit anywhere in the state log: no partition is offline, no record is missing, no DeleteRecords is undone', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  const partitions = [0, 1, 2].map(partition => partitionOf(first.log, partition))
  // So many rounds that the journal's files have been used again since the records were deleted.
  for (let round = 0; round < 8; round++) {
    for (const partition of partitions) for (let count = 0; count < 2; count++) await append(partition, `${round}/${count}`).durable
    if (round < 3) await partitions[1]!.deleteBefore(round + 1)
    await (first.log as unknown as LogContext).checkpoint()
  }
  await first.log.close()
  const contents = new Map(disk.list('/data/journal').map(({ name }) => [name, disk.readFile(`/data/journal/${name}`)!]))
  const restore = () => {
    for (const [name, content] of contents) {
      const file = disk.open(`/data/journal/${name}`, 'rw')
      file.writeSync([content], 0)
      file.truncate(content.length)
      file.close()
    }
  }
  const size = contents.get('state.log')!.length
  for (let byte = 1024; byte < size; byte += 29) {
    restore()
    const file = disk.open('/data/journal/state.log', 'rw')
    file.writeSync([Buffer.of(contents.get('state.log')![byte]! ^ (1 << (byte % 8)))], byte)
    file.close()
    const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
    for (const [number, start] of [0, 3, 0].entries()) {
      const partition = partitionOf(log, number)
      assert.deepEqual(
        [partition.offline, partition.logStartOffset, (await readAll(partition)).length],
        [null, start, 16 - start],
        `byte ${byte}, ${number}`,
      )
    }
    kill()
  }
})

test('a state log whose beginning is lost: the journal’s old frames are not written over what was compacted or removed since', async () => {
  for (const policy of ['compact', 'delete'] as const) {
    const disk = memoryFileSystem()
    const config = {
      cleanupPolicy: { delete: policy === 'delete', compact: policy === 'compact' },
      minCleanableDirtyRatio: 0.01,
      segmentBytes: 400,
      retentionBytes: policy === 'delete' ? 500 : -1,
      fileDeleteDelayMs: 0,
    }
    const { log, kill } = await openTestLog(disk, { durability: 'fsync', cleanerBackoffMs: 2, retentionCheckIntervalMs: 2 })
    const partition = partitionOf(log, 0, config)
    const batch = (value: number) =>
      buildBatch({
        records: [{ key: Buffer.from(`k${value % 3}`), value: Buffer.from(`${value}`.padEnd(60, '.')) }],
        timestamp: Date.now(),
      })
    for (let value = 0; value < 40; value++) await partition.append(batch(value), { origin: 'client' }).durable
    await (log as unknown as LogContext).checkpoint()
    for (let wait = 0; wait < 1000 && partition.sizeBytes() > 2000; wait++) await new Promise(resolve => setTimeout(resolve, 5))
    assert.ok(partition.sizeBytes() <= 2000, `${policy} left ${partition.sizeBytes()} bytes`)
    await new Promise(resolve => setTimeout(resolve, 20))
    const left = await readAll(partition)
    kill()
    const file = disk.open('/data/journal/state.log', 'rw')
    file.writeSync([Buffer.alloc(4096)], 0)
    file.close()
    const told: string[] = []
    const again = await openTestLog(disk, { durability: 'fsync' }, what => void told.push(what))
    const recovered = partitionOf(again.log, 0, config)
    assert.equal(recovered.offline, null, policy)
    assert.deepEqual((await readAll(recovered)).slice(-left.length), left, policy)
    await recovered.append(batch(40), { origin: 'client' }).durable
    await again.log.close()
    const last = await openTestLog(disk, { durability: 'fsync' })
    assert.deepEqual([partitionOf(last.log, 0, config).offline, partitionOf(last.log, 0, config).logEndOffset], [null, 41])
  }
})

test('a released partition has no state, until it has one again; the release is forgotten when the journal is past it', async () => {
  const disk = memoryFileSystem()
  await threeCheckpoints(disk)
  const { log } = open(disk)
  await log.release(keyOf(1), 77)
  await log.release(keyOf(2), 78)
  assert.equal(log.read(keyOf(1)), null)
  await log.append([state(2, 50)], [], null)
  const released = () => [...open(disk).loaded.released]
  const both = [
    [keyOf(1), 77],
    [keyOf(2), 78],
  ]
  assert.deepEqual([endsIn(open(disk)), released()], [{ 0: 30, 2: 50 }, both])
  // Long enough to be written anew.
  for (let count = 0; count < 3; count++) await log.append([state(0, 60, 600_000)], [], { trimmedSequence: 76, bootId: '' })
  assert.deepEqual([endsIn(open(disk)), released()], [{ 0: 60, 2: 50 }, both])
  await log.append([], [], { trimmedSequence: 77, bootId: '' })
  for (let count = 0; count < 3; count++) await log.append([state(0, 61, 600_000)], [], { trimmedSequence: 77, bootId: '' })
  assert.deepEqual([endsIn(open(disk)), released()], [{ 0: 61, 2: 50 }, [[keyOf(2), 78]]])
})

test('a release that was torn did not happen', async () => {
  const disk = memoryFileSystem()
  await threeCheckpoints(disk)
  const whole = disk.readFile(path)!
  const { log } = open(disk)
  await log.release(keyOf(1), 77)
  log.close()
  const released = disk.readFile(path)!
  for (let length = whole.length; length < released.length; length++) {
    await disk.replaceFile(path, released.subarray(0, length))
    const again = open(disk)
    assert.deepEqual([endsIn(again), again.loaded.released.size, again.loaded.problems], [{ 0: 30, 1: 31, 2: 32 }, 0, []])
  }
})
