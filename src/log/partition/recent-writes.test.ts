import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem, trustingClock } from '../../base.ts'
import { openLog } from '../../log.ts'
import { append, partitionOf, processOn, settings } from '../log.testing.ts'
import type { Segment } from '../segments/segment.ts'
import { PageCache, RecentWrites } from './recent-writes.ts'

const mebibyte = 1 << 20

function testCache(availableBytes = 80 * mebibyte, limit?: string) {
  const time = { ms: 1000 }
  const clock = trustingClock(
    () => time.ms,
    () => time.ms,
  )
  const files = memoryFileSystem()
  files.makeDirectory('/proc')
  files.open('/proc/meminfo', 'rw').writeSync([Buffer.from(`MemTotal: 1 kB\nMemAvailable:   ${availableBytes / 1024} kB\n`)], 0)
  if (limit !== undefined) {
    files.makeDirectory('/sys/fs/cgroup')
    files.open('/sys/fs/cgroup/memory.max', 'rw').writeSync([Buffer.from(limit)], 0)
  }
  return { cache: new PageCache(clock, files), time }
}

const segment = (baseOffset: number) => ({ baseOffset }) as Segment

test('what was written less than a minute ago is in the page cache, and what is older need not be', () => {
  const { cache, time } = testCache()
  const first = segment(0)
  const writes = new RecentWrites(cache)
  assert.equal(writes.cover(first, 0), false)
  writes.note(first, 100, 50)
  assert.equal(writes.cover(first, 99), false)
  assert.equal(writes.cover(first, 100), true)
  time.ms += 40_000
  writes.note(first, 150, 50)
  assert.equal(writes.cover(first, 100), true)
  time.ms += 30_000
  assert.equal(writes.cover(first, 100), false)
  assert.equal(writes.cover(first, 150), true)
  time.ms += 31_000
  assert.equal(writes.cover(first, 150), false)
})

test('a minute is cut short by writes of an eighth of the memory, whosever they are', () => {
  const { cache } = testCache()
  const one = segment(0)
  const writes = new RecentWrites(cache)
  const others = new RecentWrites(cache)
  writes.note(one, 0, mebibyte)
  others.note(segment(0), 0, 8 * mebibyte)
  assert.equal(writes.cover(one, 0), true)
  others.note(segment(0), 8 * mebibyte, 2 * mebibyte)
  assert.equal(writes.cover(one, 0), false)
})

test('the next segment is as recent as what was written before it', () => {
  const { cache } = testCache()
  const [first, second] = [segment(0), segment(1000)]
  const writes = new RecentWrites(cache)
  writes.note(first, 500, 10)
  writes.note(second, 0, 10)
  assert.deepEqual([writes.cover(first, 499), writes.cover(first, 500), writes.cover(second, 0)], [false, true, true])
})

test('the limit of a container counts, if it is below what the machine has', () => {
  const one = segment(0)
  for (const [limit, covered] of [
    ['max\n', true],
    [`${800 * mebibyte}\n`, true],
    [`${8 * mebibyte}\n`, false],
  ] as const) {
    const { cache } = testCache(80 * mebibyte, limit)
    const writes = new RecentWrites(cache)
    writes.note(one, 0, 2 * mebibyte)
    assert.equal(writes.cover(one, 0), covered, limit)
  }
})

test('old records of a partition whose appends go through the journal do not block the event loop', async () => {
  const time = { ms: realSystem().clock.now() }
  const clock = trustingClock(
    () => time.ms,
    () => time.ms,
  )
  const { system } = processOn(memoryFileSystem())
  const log = await openLog({
    system: { ...system, clock },
    directory: '/data',
    settings: { ...settings, durability: 'fsync', tailBytes: 64 << 10 },
    onFatal: error => assert.fail(error),
    onThisMachine: false,
  })
  const partition = partitionOf(log)
  for (let count = 0; count < 300; count++) await append(partition, 'x'.repeat(4000)).durable
  const read = () => partition.read(0, { maxBytes: 10_000, atLeastOne: true, upTo: 'high-watermark' })
  ;(await read()).release()
  const recent = read()
  assert.ok(!(recent instanceof Promise))
  recent.release()
  time.ms += 61_000
  const old = read()
  assert.ok(old instanceof Promise)
  ;(await old).release()
  await log.close()
})
