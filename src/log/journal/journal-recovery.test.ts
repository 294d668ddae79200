import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { crc32c, type FileSystem, memoryFileSystem } from '../../base.ts'
import { buildBatch, type Uuid, uuidToBytes } from '../../protocol.ts'
import type { LogContext } from '../context.ts'
import { copyOf } from '../disk-faults.testing.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicConfig, turn } from '../log.testing.ts'
import { decodeHead } from './file-life.ts'
import { FileWindow } from './file-window.ts'
import { visitFrame } from './journal-format.ts'
import { framesOf } from './journal-recovery.ts'

const settings = { durability: 'fsync', journalFileBytes: 64 << 10, journalFiles: 2 } as const
const victimId = 'AAAAAAAAAAAAAAAAAAAC0Q' as Uuid
const first = '/data/journal/00000001.journal'

/** A frame as format 1 had it, which says that the victim is deleted. */
function forgedFrame(sequence: number, token: Buffer): Buffer {
  const frame = Buffer.alloc(48 * 3 + 8)
  frame.writeUInt32BE(0x4d52_4a31, 0)
  frame.writeBigInt64BE(BigInt(sequence), 8)
  frame.writeBigInt64BE(2n ** 50n, 16)
  frame.writeUInt32BE(frame.length - 48, 24)
  token.copy(frame, 40)
  frame[48] = 1
  frame.writeUInt32BE('victim'.length, 60)
  uuidToBytes(victimId).copy(frame, 64)
  frame.write('victim', 96)
  frame[104] = 5
  frame.writeUInt32BE(crc32c(frame.subarray(8)), 4)
  return frame
}

/** Frames with all numbers that the journal may come to, at every alignment. */
function forgery(token: Buffer): Buffer {
  const frames = Array.from({ length: 12 }, (_, nth) => [forgedFrame(2 ** 40 + nth, token), forgedFrame(nth, token)]).flat()
  return Buffer.concat(Array.from({ length: 8 }, () => [...frames, Buffer.alloc(1)]).flat())
}

function patch(disk: FileSystem, path: string, change: (bytes: Buffer) => void): void {
  const bytes = disk.readFile(path)!
  change(bytes)
  const file = disk.open(path, 'rw')
  file.writeSync([bytes], 0)
  file.close()
}

for (const end of ['clean restarts', 'kills'] as const)
  test(`forged frames in record values are ignored after ${end}, in this life of a file and in later ones`, async () => {
    const disk = memoryFileSystem()
    let { log, kill } = await openTestLog(disk, settings)
    await append(log.create({ topic: 'victim', topicId: victimId, partition: 0, config: topicConfig() }), 'precious').durable
    for (const token of [Buffer.alloc(8), Buffer.alloc(8, 7)])
      for (let count = 0; count < 20; count++) {
        const records = buildBatch({ timestamp: 0, records: [{ key: null, value: forgery(token) }] })
        await partitionOf(log).append(records, { origin: 'client' }).durable
      }
    // Short lives of the files: what is looked for behind their few frames lies in the middle of an old payload.
    for (let start = 0; start < 4; start++) {
      await append(partitionOf(log), 'small').durable
      if (end === 'kills') kill()
      else await log.close()
      const again = await openTestLog(disk, settings)
      log = again.log
      kill = again.kill
      const victim = log.get(victimId, 0)
      assert.ok(victim !== undefined, 'the topic is gone')
      assert.deepEqual([victim.offline, partitionOf(log).offline], [null, null])
      assert.deepEqual(await readAll(victim), [[0, 'precious']])
    }
  })

test('a payload that was torn is not made whole by an old one with the same offsets', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, settings)
  await append(partitionOf(log), 'theirs').durable
  kill()
  const other = batchOf({ values: ['forged'] })
  patch(disk, first, bytes => void other.copy(bytes, bytes.indexOf('theirs') - other.indexOf('forged')))
  const partition = partitionOf((await openTestLog(disk, settings)).log)
  assert.deepEqual(partition.offline === null ? await readAll(partition) : [], [])
})

test('one damaged copy of a file’s head costs nothing', async () => {
  for (const at of [0, 5, 33, 512, 520, 545]) {
    const disk = memoryFileSystem()
    const { log, kill } = await openTestLog(disk, settings)
    await append(partitionOf(log), 'kept').durable
    kill()
    patch(disk, first, bytes => {
      bytes[at]! ^= 4
    })
    const again = await openTestLog(disk, settings)
    assert.deepEqual(await readAll(partitionOf(again.log)), [[0, 'kept']], `byte ${at}`)
  }
})

test('frames behind a damaged one are found, and the partition that may have lost something is offline', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, settings)
  for (const value of ['first', 'second', 'third']) await append(partitionOf(log, 0), value).durable
  await append(partitionOf(log, 1), 'other').durable
  await turn()
  kill()
  patch(disk, first, bytes => {
    // In the header of the second frame.
    bytes[bytes.indexOf('second') - 150]! ^= 1
  })
  const again = (await openTestLog(disk, settings)).log
  assert.deepEqual(await readAll(partitionOf(again, 1)), [[0, 'other']])
  assert.notEqual(partitionOf(again, 0).offline, null)
})

test('damage anywhere in a frame does not hide whose records it contained, not even for a partition that it names first', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, settings)
  await append(partitionOf(log, 0), 'only').durable
  await append(partitionOf(log, 1), 'other').durable
  await turn()
  await turn()
  kill()
  const end = disk.readFile(first)!.indexOf('only') + 4
  for (let at = 1024; at < end; at += 3) {
    const damaged = copyOf(disk)
    patch(damaged, first, bytes => {
      bytes[at]! ^= 16
    })
    const again = await openTestLog(damaged, settings)
    const partition = partitionOf(again.log, 0)
    assert.ok(partition.offline !== null || partition.logEndOffset === 1, `byte ${at}: its records are gone, and nobody is told`)
    assert.deepEqual([partitionOf(again.log, 1).offline, partitionOf(again.log, 1).logEndOffset], [null, 1], `byte ${at}`)
    again.kill()
  }
})

test('nor do several kilobytes of damage', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, { ...settings, journalFileBytes: 256 << 10 })
  await append(partitionOf(log, 0), 'only').durable
  for (let count = 0; count < 100; count++) await append(partitionOf(log, 1), `${count}`.padEnd(500, '.')).durable
  kill()
  patch(disk, first, bytes => void bytes.fill(0, 1024, 1024 + 4096))
  const again = await openTestLog(disk, settings)
  assert.notEqual(partitionOf(again.log, 0).offline, null)
  assert.notEqual(partitionOf(again.log, 1).offline, null)
})

interface SeenFrame {
  path: string
  at: number
  end: number
  /** Partitions of which it has records. */
  named: Set<number>
}

/** All frames on the disk, in their order. */
function framesOn(disk: FileSystem): SeenFrame[] {
  const frames: (SeenFrame & { sequence: number })[] = []
  for (const { name } of disk.list('/data/journal').filter(({ name }) => name.endsWith('.journal'))) {
    const path = `/data/journal/${name}`
    const window = new FileWindow(disk.open(path, 'r'), 1 << 20)
    const life = decodeHead('journal', window.view(0, 1024), path)
    const slots = new Map<number, number>()
    for (const frame of life === null ? [] : framesOf(window, life)) {
      const named = new Set<number>()
      visitFrame(frame, {
        bind: (slot, _, __, partition) => void slots.set(slot, partition),
        share: ({ slot }) => void named.add(slots.get(slot)!),
        logStart: () => {},
        deleted: () => {},
      })
      frames.push({ path, at: frame.at, end: frame.end, named, sequence: frame.sequence })
    }
  }
  return frames.sort((a, b) => a.sequence - b.sequence)
}

/** Seven partitions, of which some have nothing more after a while, in several files; no checkpoint succeeds. Answers how many records each has. */
async function severalFiles(disk: FileSystem): Promise<number[]> {
  const files = withHandles(disk, (_, path) => (path.includes('state.log') ? { write: () => new Promise(() => {}) } : null))
  const { log, kill } = await openTestLog(files, { durability: 'fsync', journalFileBytes: 6 << 10, journalFiles: 20 })
  const counts = Array.from({ length: 7 }, () => 0)
  for (let round = 0; round < 80; round++) {
    const chosen = new Set([round % 7, (round * round) % 7].filter(partition => round < 12 * (partition + 1)))
    const appended = [...chosen].map(partition => append(partitionOf(log, partition), `${round}`.padEnd(round % 11 === 0 ? 3000 : 20, '.')))
    for (const partition of chosen) counts[partition]!++
    await Promise.all(appended.map(({ durable }) => durable))
    if (round % 5 === 0) await turn()
  }
  await turn()
  await turn()
  kill()
  return counts
}

test('each frame of a journal is damaged in turn: no other partitions are offline than those it named, and these end no earlier than acknowledged', async () => {
  const disk = memoryFileSystem()
  const counts = await severalFiles(disk)
  const frames = framesOn(disk)
  assert.ok(frames.length > 60 && new Set(frames.map(({ path }) => path)).size > 3, `${frames.length} frames`)
  assert.ok(frames.some(({ named }) => named.size === 0) && frames.some(({ named }) => named.size === 2))
  let offline = 0
  for (const { path, at, end, named } of frames)
    for (const place of [at + 13, Math.min(at + 70, end - 3)]) {
      const damaged = copyOf(disk)
      patch(damaged, path, bytes => {
        bytes[place]! ^= 16
      })
      const { log, kill } = await openTestLog(damaged, settings)
      for (const [number, count] of counts.entries()) {
        const partition = partitionOf(log, number)
        const where = `partition ${number} after damage at ${place} of ${path}`
        if (partition.offline === null) assert.equal((await readAll(partition)).length, count, `${where}: records are missing`)
        else assert.ok(named.has(number), `${where}: ${partition.offline}`)
        if (partition.offline !== null) offline++
      }
      kill()
    }
  assert.ok(offline > 20, `${offline}`)
})

test('kilobytes of damage: a partition that had nothing for longer than that stays online, unless an earlier release wrote the journal', async () => {
  for (const release of ['this', 'an earlier']) {
    const disk = memoryFileSystem()
    const { log, kill } = await openTestLog(disk, { ...settings, journalFileBytes: 256 << 10 })
    for (const partition of [0, 1, 2]) await append(partitionOf(log, partition), 'old').durable
    for (let count = 0; count < 60; count++) await append(partitionOf(log, 0), `${count}`.padEnd(500, '.')).durable
    await append(partitionOf(log, 1), 'late').durable
    for (let count = 0; count < 40; count++) await append(partitionOf(log, 0), `${count}`.padEnd(500, '.')).durable
    await turn()
    kill()
    const frames = framesOn(disk)
    patch(disk, first, bytes => {
      for (const { at, end } of release === 'this' ? [] : frames) {
        const entries = bytes.subarray(at, Math.min(end, at + 48 + bytes.readUInt32BE(at + 24)))
        entries.writeUInt32BE(3, 32)
        entries.writeUInt32BE(0, 36)
        entries.writeUInt32BE(crc32c(entries.subarray(8)), 4)
      }
      const late = bytes.indexOf('late')
      bytes.fill(0, late - 1000, late + 1000)
    })
    const again = await openTestLog(disk, settings)
    const isOffline = [0, 1, 2].map(partition => partitionOf(again.log, partition).offline !== null)
    assert.deepEqual(isOffline, [true, true, release === 'an earlier'], release)
    again.kill()
  }
})

test('a frame behind damage, itself not known to be durable, shows that its partition has lost acknowledged records', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, settings)
  for (const value of ['first', 'second']) await append(partitionOf(log), value).durable
  void append(partitionOf(log), 'third').durable?.catch(() => {})
  ;(log as unknown as LogContext).commit.commit()
  kill()
  patch(disk, first, bytes => {
    bytes[bytes.indexOf('second') - 150]! ^= 1
  })
  assert.notEqual(partitionOf((await openTestLog(disk, settings)).log).offline, null)
})

/** Written by the release before format 2: `one` and `two`, durable, then an empty frame. */
const format1 = Buffer.from(
  'TVJKRj+a9ysAAAABAAAAAAAAAAAAAAABAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE1SSjEeTgQbAAAAAAAAAAEAAAAAAAAAAQAAAGgAAABHAA' +
    'AAAgAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAHRAAAAAAAAAAAAAAAAAAAAAG9yZGVycwAAAgEAAAAAAAAAAAAAAAAARwAAAAAAAAAAAAAA' +
    'AAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAA7AAAAAAKHmbqyAAAAAAAAAAAAAAAAA+gAAAAAAAAD6P//////////////////AAAAARIAAAABBm9uZQAATVJKMV' +
    'cTv7IAAAAAAAAAAgAAAAAAAAACAAAAMAAAAEcAAAABAAAAAAAAAAAAAAAAAgEAAAAAAAAAAAAAAAAARwAAAAAAAAAAAAAARwAAAAAAAAAAAAAAAQAAAAAAAAACAAAAAAAA' +
    'AAEAAAA7AAAAAAIsYms7AAAAAAAAAAAAAAAAB9AAAAAAAAAH0P//////////////////AAAAARIAAAABBnR3bwAATVJKMcVJlgsAAAAAAAAAAwAAAAAAAAAD',
  'base64',
)

/** A disk as a release before format 2 left it, with this in the journal's first file. */
function oldDisk(journal: Buffer): FileSystem {
  const disk = memoryFileSystem()
  disk.makeDirectory('/data/journal')
  const file = disk.open(first, 'rw')
  file.writeSync([journal], 0)
  file.truncate(64 << 10)
  file.close()
  return disk
}

test('a journal of format 1 is read; bytes after its frames are ignored', async () => {
  const forged = Buffer.concat([format1, Buffer.alloc(40), forgedFrame(2, Buffer.alloc(8)), forgedFrame(5, Buffer.alloc(8))])
  for (const journal of [format1, forged]) {
    const disk = oldDisk(journal)
    for (let start = 0; start < 3; start++) {
      const { log, kill } = await openTestLog(disk, settings)
      const partition = partitionOf(log)
      assert.deepEqual(
        [partition.offline, (await readAll(partition)).map(([, value]) => value)],
        [null, ['one', 'two', 'three'].slice(0, 2 + start)],
      )
      assert.equal(log.get(victimId, 0), undefined)
      if (start < 1) await append(partition, 'three').durable
      kill()
    }
  }
})

test('a journal of a newer format refuses the start, and no file is changed', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openTestLog(disk, settings)
  await append(partitionOf(log), 'kept').durable
  kill()
  patch(disk, first, bytes => {
    for (const at of [0, 512]) {
      bytes.writeUInt32BE(3, at + 8)
      bytes.writeUInt32BE(crc32c(bytes.subarray(at + 8, at + 64)), at + 4)
    }
  })
  const content = () => disk.list('/data/journal').map(({ name }) => [name, disk.readFile(`/data/journal/${name}`)!.toString('base64')])
  const before = content()
  await assert.rejects(openTestLog(disk, settings), { name: 'NewerFormat', message: /has format 3, which .*newer/ })
  assert.deepEqual(content(), before)
})

test('a file is read through a window: little memory for any size, and data across two windows is found', () => {
  const disk = memoryFileSystem()
  const file = disk.open('/large', 'rw')
  file.truncate(300 << 20)
  file.writeSync([Buffer.from('needle')], 4095)
  file.writeSync([Buffer.from('needle')], (300 << 20) - 6)
  let moves = 0
  const window = new FileWindow(file, 4096, () => moves++)
  assert.equal(window.find(Buffer.from('needle'), 0), 4095)
  assert.equal(window.find(Buffer.from('needle'), 4096), (300 << 20) - 6)
  assert.equal(window.find(Buffer.from('noodle'), 0), -1)
  assert.equal(window.view(4090, 20).toString('latin1', 5, 11), 'needle')
  assert.equal(window.view((300 << 20) - 3, 20).toString(), 'dle')
  assert.ok(window.memory.length <= 4096 && moves > 1000)
})
