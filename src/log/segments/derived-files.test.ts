/** A power cut may leave the files that are derived from a log cut, full of zeros, or not at all. Nothing that they are asked may be wrong then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { type FileSystem, memoryFileSystem, type System } from '../../base.ts'
import { openLog } from '../../log.ts'
import { batchOf, openTestLog, partitionOf, processOn, settings, turn } from '../log.testing.ts'

const directory = '/data/orders-0'
const count = 400
const stamp = (offset: number) => 1_700_000_000_000 + 1000 * offset

/** One record of 1,000 bytes at each offset, a second apart, in several segments; then the power goes. */
async function fill(disk: FileSystem, end: 'kill' | 'close'): Promise<void> {
  const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(log, 0, { segmentBytes: 60_000, indexIntervalBytes: 200 })
  for (let offset = 0; offset < count; offset++) {
    const { durable } = partition.append(batchOf({ values: ['x'.repeat(1000)], timestamp: stamp(offset) }), { origin: 'client' })
    if (offset % 20 === 19) await durable
  }
  await (log as unknown as { checkpoint(): Promise<void> }).checkpoint()
  for (let nth = 0; nth < 5; nth++) await turn()
  if (end === 'close') await log.close()
  else kill()
}

const damages: Record<string, (disk: FileSystem, path: string) => void> = {
  missing: (disk, path) => disk.remove(path),
  empty: (disk, path) => change(disk, path, file => file.subarray(0, 0)),
  'cut in half': (disk, path) => change(disk, path, file => file.subarray(0, file.length >> 1)),
  'cut inside an entry': (disk, path) => change(disk, path, file => file.subarray(0, file.length - 5)),
  'of zeros': (disk, path) => change(disk, path, file => file.fill(0)),
  'zeros in the second half': (disk, path) => change(disk, path, file => file.fill(0, file.length >> 1)),
  'zeros in the first half': (disk, path) => change(disk, path, file => file.fill(0, 0, file.length >> 1)),
  'zeros in the middle': (disk, path) => change(disk, path, file => file.fill(0, file.length >> 2, file.length >> 1)),
  garbage: (disk, path) => change(disk, path, file => file.map((_, at) => (at * 37 + 11) & 255) as Buffer),
}

function change(disk: FileSystem, path: string, damage: (content: Buffer) => Buffer): void {
  const content = damage(disk.readFile(path)!)
  const file = disk.open(path, 'rw')
  file.truncate(0)
  file.writeSync([content], 0)
  file.close()
}

for (const kind of ['.timeindex', '.index'])
  for (const [name, damage] of Object.entries(damages))
    for (const end of ['kill', 'close'] as const)
      test(`${kind} ${name} after a ${end}: look-ups by time and by offset are right`, async () => {
        const disk = memoryFileSystem()
        await fill(disk, end)
        const paths = disk.list(directory).filter(file => file.name.endsWith(kind))
        assert.ok(paths.length > 5)
        for (const file of paths) damage(disk, `${directory}/${file.name}`)
        for (let start = 0; start < 2; start++) {
          const { log, kill } = await openTestLog(disk, { durability: 'fsync' })
          const partition = partitionOf(log)
          assert.equal(partition.offline, null)
          for (let offset = 0; offset < count; offset += 7) {
            const found = await partition.offsetForTimestamp(stamp(offset) - 1, 'high-watermark')
            assert.deepEqual([found?.offset, found?.timestampMs], [offset, stamp(offset)])
            const slice = await partition.read(offset, { maxBytes: 1, atLeastOne: true, upTo: 'high-watermark' })
            assert.equal(slice.chunks[0]!.readBigInt64BE(0), BigInt(offset))
            slice.release()
          }
          assert.equal(await partition.offsetForTimestamp(stamp(count), 'high-watermark'), null)
          assert.equal((await partition.offsetOfMaxTimestamp())?.offset, count - 1)
          kill()
        }
      })

/** The log with a wall clock of our own, so that retention finds some segments old. */
async function openAt(disk: FileSystem, nowMs: number) {
  const { system, kill } = processOn(disk)
  const began = system.clock.monotonic()
  const now = () => nowMs + Math.floor(system.clock.monotonic() - began)
  const clock: System['clock'] = { ...system.clock, now, history: () => [{ from: Number.NEGATIVE_INFINITY, to: now() }] }
  const reports: string[] = []
  const log = await openLog({
    system: { ...system, clock },
    directory: '/data',
    settings: { ...settings, durability: 'fsync', retentionCheckIntervalMs: 5 },
    onFatal: assert.fail,
    report: (what, error) => void reports.push(`${what}: ${error}`),
    onThisMachine: false,
  })
  return { log, kill, reports }
}

for (const [name, damage] of Object.entries(damages))
  test(`.timeindex ${name}: retention removes what is too old, all of it, and nothing that has a young record`, async () => {
    const disk = memoryFileSystem()
    await fill(disk, 'kill')
    const bases = () =>
      disk
        .list(directory)
        .filter(file => file.name.endsWith('.log'))
        .map(file => Number(file.name.slice(0, 20)))
    for (const file of disk.list(directory)) if (file.name.endsWith('.timeindex')) damage(disk, `${directory}/${file.name}`)
    const before = bases()
    const youngest = 217
    const expected = before.filter((_, nth) => (before[nth + 1] ?? count) > youngest)
    assert.ok(expected.length > 2 && expected.length < before.length - 2)
    const { log, kill, reports } = await openAt(disk, stamp(youngest) + 100_000)
    partitionOf(log, 0, { retentionMs: 100_000 + 500 })
    for (let round = 0; round < 400 && bases().length > expected.length; round++) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 30))
    assert.deepEqual(bases(), expected)
    assert.deepEqual(reports, [])
    kill()
  })

test('a time index is not read whole to find a timestamp', async () => {
  const disk = memoryFileSystem()
  const { log } = await openTestLog(disk, { journalFileBytes: 64 << 20 })
  const partition = partitionOf(log, 0, { indexIntervalBytes: 0, segmentBytes: 3 << 20 })
  for (let offset = 0; offset < 60_000; offset++) {
    partition.append(batchOf({ values: ['x'.repeat(60)], timestamp: stamp(offset) }), { origin: 'client' })
    if (offset % 1000 === 0) await turn()
  }
  await log.close()
  let bytes = 0
  const counting = withHandles(disk, (handle, path) => {
    const count = (length: number) => {
      if (path.includes('index')) bytes += length
    }
    return {
      read: (buffer, position) => {
        count(buffer.length)
        return handle.read(buffer, position)
      },
      readSync: (buffer, position) => {
        count(buffer.length)
        return handle.readSync(buffer, position)
      },
    }
  })
  const again = await openTestLog(counting)
  const opened = partitionOf(again.log)
  bytes = 0
  assert.equal((await opened.offsetForTimestamp(stamp(59_000), 'high-watermark'))?.offset, 59_000)
  const stored = disk.list(directory).flatMap(({ name }) => (name.includes('index') ? [disk.readFile(`${directory}/${name}`)!.length] : []))
  const total = stored.reduce((sum, size) => sum + size, 0)
  assert.ok(bytes < total / 4, `${bytes} of ${total} bytes of the indexes were read`)
  await again.log.close()
})
