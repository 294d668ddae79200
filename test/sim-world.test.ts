import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch, readBatches, zigzag } from '../sim/world/batches.ts'
import { cuts } from '../sim/world/power-cut.ts'
import { seededRandom } from '../sim/world/random.ts'
import { simulatedWorld } from '../sim/world/world.ts'
import { DiskError, type FileSystem } from '../src/base.ts'

const text = (files: FileSystem, path: string) => files.readFile(path)?.toString('latin1')
const code = (expected: string) => (error: unknown) => error instanceof DiskError && error.code === expected

test('a power cut keeps what was synced and nothing that it must not', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { files } = world.system
  files.makeDirectory('/data')
  files.syncDirectorySync('/')
  const file = files.open('/data/a', 'rw')
  file.writeSync([Buffer.from('synced')], 0)
  await world.run(file.datasync())
  file.writeSync([Buffer.from('-rest')], 6)
  const cut = () => world.disk.image('synced', seededRandom(1))
  assert.deepEqual(cut().list('/data'), [], 'the name was not synced')
  await world.run(files.syncDirectory('/data'))
  assert.equal(text(cut(), '/data/a'), 'synced')
  assert.equal(text(world.disk.image('process', seededRandom(1)), '/data/a'), 'synced-rest')
  files.rename('/data/a', '/data/b')
  assert.equal(text(cut(), '/data/a'), 'synced')
  assert.equal(text(world.disk.image('process', seededRandom(1)), '/data/b'), 'synced-rest')
  files.syncDirectorySync('/data')
  assert.equal(text(cut(), '/data/a'), undefined)
  assert.equal(text(cut(), '/data/b'), 'synced')
})

test('a sync covers what was written before it began', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { files } = world.system
  const file = files.open('/a', 'rw')
  files.syncDirectorySync('/')
  file.writeSync([Buffer.from('one')], 0)
  const synced = file.datasync()
  file.writeSync([Buffer.from('two')], 3)
  await world.run(synced)
  assert.equal(text(world.disk.image('synced', seededRandom(1)), '/a'), 'one')
})

test('unsynced writes survive in part, torn at sectors, in many ways', () => {
  const world = simulatedWorld({ seed: 1 })
  const file = world.system.files.open('/a', 'rw')
  world.system.files.syncDirectorySync('/')
  file.writeSync([Buffer.alloc(3000, 'a')], 0)
  file.writeSync([Buffer.alloc(3000, 'b')], 3000)
  for (const cut of ['prefix', 'torn'] as const) {
    const random = seededRandom(7)
    const states = new Set<string>()
    for (let index = 0; index < 200; index++) states.add(text(world.disk.image(cut, random), '/a')!)
    assert.ok(states.size > 20, `${cut}: ${states.size} states`)
    assert.ok(states.has('a'.repeat(3000) + 'b'.repeat(3000)), cut)
    assert.ok(states.has(''), cut)
    for (const state of states)
      for (let at = 0; at < state.length; at += 512)
        assert.match(state.slice(at, at + 512), at === 2560 ? /^[ab\0]*$/ : /^(?:a*|b*|\0*|\0*b*|a*\0*)$/)
  }
})

test('a rename is atomic: one of the names, never both or none', async () => {
  const world = simulatedWorld({ seed: 3 })
  const { files } = world.system
  await world.run(files.replaceFile('/a', Buffer.from('old')))
  let boundaries = 0
  const random = seededRandom(5)
  world.disk.onSync = () => {
    boundaries++
    for (const cut of cuts) assert.match(String(text(world.disk.image(cut, random), '/a')), /^(?:old|new)$/)
  }
  await world.run(files.replaceFile('/a', Buffer.from('new')))
  assert.equal(boundaries, 4)
  assert.equal(text(world.disk.image('synced', random), '/a'), 'new')
})

test('planted faults strike once, where and when they should', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { files } = world.system
  const { faults } = world.disk
  const file = files.open('/journal', 'rw')
  files.syncDirectorySync('/')
  faults.fail('write', 'EIO', { nth: 2, path: /journal/ })
  file.writeSync([Buffer.from('first')], 0)
  assert.throws(() => file.writeSync([Buffer.from('second')], 5), code('EIO'))
  file.truncate(5)
  faults.space = 4
  assert.throws(() => file.writeSync([Buffer.from('123456')], 0), code('ENOSPC'))
  assert.equal(text(files, '/journal'), '1234t')
  assert.equal(files.freeBytes('/'), 0)
  faults.space = null
  world.disk.flipBit('/journal', 8)
  assert.equal(text(files, '/journal'), '1334t')
  assert.equal(faults.struck, 2)
})

test('after a failed sync the next one proves nothing', async () => {
  const found = new Set<string | undefined>()
  for (let seed = 1; seed <= 10; seed++) {
    const world = simulatedWorld({ seed })
    const file = world.system.files.open('/a', 'rw')
    world.system.files.syncDirectorySync('/')
    file.writeSync([Buffer.from('lost?')], 0)
    world.disk.faults.fail('datasync', 'EIO')
    await world.run(assert.rejects(file.datasync(), code('EIO')))
    await world.run(file.datasync())
    found.add(text(world.disk.image('synced', seededRandom(1)), '/a'))
  }
  assert.deepEqual([...found].sort(), ['', 'lost?'])
})

test('a disk that ignores syncs loses data; a new world starts from an image', async () => {
  const world = simulatedWorld({ seed: 1 })
  await world.run(world.system.files.replaceFile('/a', Buffer.from('old')))
  world.disk.lieAboutSyncs = true
  await world.run(world.system.files.replaceFile('/a', Buffer.from('new')))
  const image = world.disk.image('synced', seededRandom(1))
  assert.equal(text(image, '/a'), 'old')
  const bootId = (files: FileSystem) => text(files, '/proc/sys/kernel/random/boot_id')
  assert.notEqual(bootId(image), bootId(world.system.files), 'after a power cut the machine starts anew')
  assert.equal(bootId(world.disk.image('process', seededRandom(1))), bootId(world.system.files))
  const next = simulatedWorld({ seed: 2, image })
  assert.deepEqual(next.disk.paths(), ['/a'])
  await world.run(Promise.resolve())
  next.system.files.open('/a', 'rw').writeSync([Buffer.from('x')], 0)
  assert.equal(text(next.disk.image('synced', seededRandom(1)), '/a'), 'old')
})

test('unsynced data of a killed process is there for the next one, and gone after a power cut', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { files } = world.system
  await world.run(files.replaceFile('/a', Buffer.from('synced')))
  files.open('/a', 'rw').writeSync([Buffer.from('cached')], 0)
  files.open('/new', 'rw')
  const next = simulatedWorld({ seed: 2, image: world.disk.image('process', seededRandom(1)) })
  assert.deepEqual([next.disk.paths(), text(next.system.files, '/a')], [['/a', '/new'], 'cached'])
  const cut = next.disk.image('synced', seededRandom(1))
  assert.deepEqual([cut.exists('/new'), text(cut, '/a')], [false, 'synced'])
  await next.run(next.system.files.open('/a', 'r+').datasync())
  assert.equal(text(next.disk.image('synced', seededRandom(1)), '/a'), 'cached')
})

test('time passes only when nothing else is left to do', async () => {
  const world = simulatedWorld({ seed: 1 })
  const { clock, timers } = world.system
  const seen: string[] = []
  timers.after(1000, () => seen.push(`second ${clock.monotonic()}`))
  timers.after(10, () => seen.push('cancelled')).cancel()
  timers.soon(() => seen.push('soon'))
  const wall = clock.now()
  world.jumpClock(-5000)
  await world.pass(3_600_000)
  assert.deepEqual(seen, ['soon', 'second 1000'])
  assert.equal(clock.now() - wall, 3_595_000)
  await assert.rejects(world.run(new Promise(() => {})), /stands still/)
})

test('batches: what is built is read back', () => {
  const batch = buildBatch({ values: ['a', 'bb'], keys: ['k', null], producerId: 7, producerEpoch: 1, baseSequence: 5 })
  batch.writeBigInt64BE(40n, 0)
  const [read] = readBatches(batch)
  assert.deepEqual(read?.records, [
    { offset: 40, key: 'k', value: 'a' },
    { offset: 41, key: null, value: 'bb' },
  ])
  assert.equal(read?.baseSequence, 5)
  batch[70]! ^= 1
  assert.throws(() => readBatches(batch), /checksum/)
  assert.deepEqual([...zigzag(-1), ...zigzag(300)], [1, 0xd8, 4])
})
