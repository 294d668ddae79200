/** A damaged `.txnindex` of a sealed segment is rebuilt from the log: a reader must see neither aborted records nor an error. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskError, type FileSystem, memoryFileSystem } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import { buildMarkerBatch } from '../../protocol.ts'
import { copyOf } from '../disk-faults.testing.ts'
import { batchOf, openTestLog, partitionOf } from '../log.testing.ts'

const directory = '/data/orders-0'
const config = { segmentBytes: 2000, durability: 'fsync' as const }

/** Transactions of three producers that overlap, half of them aborted, over several segments; then a clean end. */
async function filled(segmentBytes = config.segmentBytes): Promise<FileSystem> {
  const disk = memoryFileSystem()
  const { log } = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(log, 0, { ...config, segmentBytes })
  const sequences = [0, 0, 0]
  for (let round = 0; round < 60; round++) {
    const producerId = round % 3
    const values = [`${round}`.padEnd(80, '.')]
    const baseSequence = sequences[producerId]!++
    await partition.append(batchOf({ values, producerId, producerEpoch: 0, baseSequence, isTransactional: true }), { origin: 'client' })
      .durable
    if (round % 4 !== 3) continue
    const committed = round % 8 === 3
    const marker = buildMarkerBatch({ producerId: (round >> 2) % 3, producerEpoch: 0, committed, coordinatorEpoch: 0, timestamp: 1 })
    await partition.append(marker, { origin: 'coordinator' }).durable
  }
  await log.close()
  return disk
}

async function abortedOf(partition: PartitionLog) {
  const all = []
  for (let next = 0; next < partition.lastStableOffset; next += 3) {
    const slice = await partition.read(next, { maxBytes: 500, atLeastOne: true, upTo: 'last-stable' })
    all.push(slice.abortedTransactions)
    slice.release()
  }
  return all
}

function indexesOf(disk: FileSystem): string[] {
  return disk.list(directory).flatMap(({ name }) => (name.endsWith('.txnindex') ? [`${directory}/${name}`] : []))
}

function rewrite(disk: FileSystem, path: string, change: (content: Buffer) => Buffer): void {
  const content = change(disk.readFile(path)!)
  const file = disk.open(path, 'rw')
  file.truncate(0)
  file.writeSync([content], 0)
  file.close()
}

const damages: Record<string, (content: Buffer) => Buffer> = {
  'cut inside an entry': content => content.subarray(0, content.length - 3),
  'of zeros': content => Buffer.alloc(content.length),
  'of another version': content => Buffer.from(content.map((byte, at) => (at === 0 ? byte ^ 128 : byte))),
  'with an end before its beginning': content => Buffer.from(content.map((byte, at) => (at === 16 ? byte ^ 64 : byte))),
  'with another producer': content => Buffer.from(content.map((byte, at) => (at === 9 ? byte ^ 1 : byte))),
  'with another beginning': content => Buffer.from(content.map((byte, at) => (at === 17 ? byte ^ 1 : byte))),
  'without its first entry': content => content.subarray(34),
  garbage: content => Buffer.from(content.map((_, at) => (at * 37 + 11) & 255)),
}

for (const [name, damage] of Object.entries(damages))
  for (const snapshots of ['with snapshots', 'without snapshots'])
    test(`a transaction index ${name}, ${snapshots}: readers are told of all aborted transactions, and the file is sound again`, async () => {
      const disk = await filled()
      const sound = indexesOf(disk).map(path => disk.readFile(path)!)
      assert.ok(sound.length > 3)
      const intact = await openTestLog(disk, { durability: 'fsync' })
      const expected = await abortedOf(partitionOf(intact.log, 0, config))
      await intact.log.close()
      if (snapshots === 'without snapshots')
        for (const file of disk.list(directory)) if (file.name.endsWith('.snapshot')) disk.remove(`${directory}/${file.name}`)
      const sealed = indexesOf(disk).slice(0, -1)
      for (const path of sealed) rewrite(disk, path, damage)
      const { log } = await openTestLog(disk, { durability: 'fsync' })
      assert.deepEqual(await abortedOf(partitionOf(log, 0, config)), expected)
      await log.close()
      assert.deepEqual(
        indexesOf(disk).map(path => disk.readFile(path)!),
        sound,
      )
    })

test('any flipped bit in the index of the active segment is noticed at the next start, too', async () => {
  const disk = await filled(1 << 20)
  const intact = await openTestLog(disk, { durability: 'fsync' })
  const expected = await abortedOf(partitionOf(intact.log, 0, config))
  await intact.log.close()
  const [active] = indexesOf(disk)
  const { length } = disk.readFile(active!)!
  for (let bit = 0; bit < 8 * length; bit += 5) {
    const damaged = copyOf(disk)
    rewrite(damaged, active!, content => Buffer.from(content.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))))
    const { log, kill } = await openTestLog(damaged, { durability: 'fsync' })
    assert.deepEqual([partitionOf(log, 0, config).offline, await abortedOf(partitionOf(log, 0, config))], [null, expected], `bit ${bit}`)
    kill()
  }
})

test('readers are served even if there is no space for the new file; a deleted topic gets none', async () => {
  const disk = await filled()
  let fails = true
  const files: FileSystem = {
    ...disk,
    open(path, mode) {
      if (fails && path.endsWith('.remade')) throw new DiskError('open', path, 'ENOSPC')
      return disk.open(path, mode)
    },
  }
  const intact = await openTestLog(disk, { durability: 'fsync' })
  const expected = await abortedOf(partitionOf(intact.log, 0, config))
  await intact.log.close()
  for (const path of indexesOf(disk).slice(0, -1)) rewrite(disk, path, damages['of zeros']!)
  const { log } = await openTestLog(files, { durability: 'fsync' })
  const partition = partitionOf(log, 0, config)
  assert.deepEqual(await abortedOf(partition), expected)
  await log.close()
  fails = false
  const again = await openTestLog(files, { durability: 'fsync' })
  const reading = abortedOf(partitionOf(again.log, 0, config)).catch(() => {})
  await again.log.delete(partition.topicId, 0)
  await reading
  assert.equal(disk.exists(directory), false)
})
