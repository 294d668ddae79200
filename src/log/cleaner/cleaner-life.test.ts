/** Compaction against what happens to its partition and to the disk meanwhile, with a whole log. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withHandles } from '../../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem, realSystem } from '../../base.ts'
import { type Log, openLog, type PartitionLog } from '../../log.ts'
import { buildBatch, randomUuid } from '../../protocol.ts'
import { openTestLog, readAll, settings, topicConfig, topicId, turn } from '../log.testing.ts'

const compacted = {
  cleanupPolicy: { delete: false, compact: true },
  minCleanableDirtyRatio: 0.01,
  segmentBytes: 20_000,
  fileDeleteDelayMs: 0,
}

function create(log: Log, id = topicId): PartitionLog {
  return log.create({ topic: 'orders', topicId: id, partition: 0, config: topicConfig(compacted) })
}

async function fill(partition: PartitionLog, count: number, bytes = 1000): Promise<void> {
  for (let nth = 0; nth < count; nth++) {
    const records = [{ key: Buffer.from(`k${nth % 7}`), value: Buffer.from(`${partition.topicId} ${nth} `.padEnd(bytes, '.')) }]
    const { durable } = partition.append(buildBatch({ timestamp: Date.now(), records }), { origin: 'client' })
    if (nth % 20 === 19) await durable
  }
  await turn()
}

const until = async (what: () => boolean | Promise<boolean>) => {
  for (let round = 0; round < 1000; round++) {
    if (await what()) return
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  assert.fail(`not so: ${what}`)
}

test('a topic is deleted and recreated again and again while a thread compacts it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-cleaner-'))
  const reports: string[] = []
  const options = {
    system: realSystem(),
    directory,
    settings: { ...settings, cleanerBackoffMs: 1 },
    onFatal: assert.fail,
    report: (what: string, error: unknown) => void reports.push(`${what}: ${error}`),
  }
  try {
    const log = await openLog(options)
    let id = randomUuid(realSystem().random)
    for (let round = 0; round < 12; round++) {
      const partition = create(log, id)
      await fill(partition, 200)
      // Some are deleted before the thread begins, some while it reads or writes, some while it asks.
      await new Promise(resolve => setTimeout(resolve, round * 3))
      await log.delete(id, 0)
      id = randomUuid(realSystem().random)
    }
    const last = create(log, id)
    await fill(last, 30)
    await log.close()
    assert.deepEqual(reports, [])
    const again = await openLog({ ...options, settings })
    const partition = create(again, id)
    assert.equal(partition.offline, null)
    const values = (await readAll(partition)).map(([, value]) => value)
    assert.ok(values.length >= 7 && values.every(value => value.startsWith(id)))
    await again.close()
    assert.deepEqual(
      readdirSync(join(directory, 'orders-0')).filter(name => /cleaned|swap/.test(name)),
      [],
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a job that outlives its topic leaves nothing in the directory of the next one of that name', async () => {
  const disk = memoryFileSystem()
  let release = () => {}
  let reading = false
  const gate = new Promise<void>(resolve => (release = resolve))
  const files = withHandles(disk, (handle, path) => ({
    read: async (buffer, position) => {
      if (path.includes('/orders-0/') && !reading) {
        reading = true
        await gate
      }
      return await handle.read(buffer, position)
    },
  }))
  const { log, kill } = await openTestLog(files, { cleanerBackoffMs: 1 })
  await fill(create(log), 100)
  await until(() => reading)
  const deleting = log.delete(topicId, 0)
  const id = randomUuid(realSystem().random)
  const successor = create(log, id)
  // It has to wait, or it has its own directory.
  await fill(successor, 1).catch(error => assert.match(error.message, /EBUSY/))
  release()
  await deleting
  await fill(successor, 5)
  for (let round = 0; round < 100; round++) await turn()
  const names = disk.list('/data/orders-0').map(({ name }) => name.replace(/^0+/, '0'))
  assert.ok(
    names.every(name => /^(0\.(log|index|timeindex)|partition\.metadata)$/.test(name)),
    names.join(),
  )
  kill()
  const again = await openTestLog(disk)
  assert.equal(create(again.log, id).offline, null)
  assert.ok((await readAll(create(again.log, id))).every(([, value]) => value.startsWith(id)))
  await again.log.close()
})

/** A disk on which chosen calls fail while it is said to be full. */
function fullable(isHit: (operation: string, path: string) => boolean) {
  const disk = memoryFileSystem()
  const state = { full: false, refused: 0 }
  const check = (operation: string, path: string) => {
    if (!state.full || !isHit(operation, path)) return
    state.refused++
    throw new DiskError(operation, path, 'ENOSPC')
  }
  const files: FileSystem = {
    ...disk,
    open(path, mode) {
      if (mode === 'rw' && !disk.exists(path)) check('open', path)
      const handle = disk.open(path, mode)
      const { write, writeSync } = { write: handle.write.bind(handle), writeSync: handle.writeSync.bind(handle) }
      return Object.assign(handle, {
        write: async (buffers: Uint8Array[], position: number) => {
          check('write', path)
          await write(buffers, position)
        },
        writeSync(buffers: Uint8Array[], position: number) {
          check('write', path)
          writeSync(buffers, position)
        },
      })
    },
    rename(from, to) {
      check('rename', from)
      disk.rename(from, to)
    },
    async replaceFile(path, content) {
      check('replace', path)
      await disk.replaceFile(path, content)
    },
  }
  return { files, state, disk }
}

const places: Record<string, (operation: string, path: string) => boolean> = {
  'for what is cleaned': (_, path) => path.endsWith('.cleaned'),
  'for the journal and its state': (_, path) => path.includes('/journal/'),
  'for names': operation => operation === 'rename',
  'for everything': () => true,
}

for (const [place, isHit] of Object.entries(places))
  test(`no space ${place} during compaction: others are served, and it continues when there is space`, async () => {
    const { files, state, disk } = fullable(isHit)
    const { log, failures, kill } = await openTestLog(files, { cleanerBackoffMs: 2, journalFileBytes: 1 << 20 })
    const partition = create(log)
    await fill(partition, 60)
    state.full = true
    // Appends may be refused as well; what counts is that time goes on.
    await fill(partition, 100).catch(error => assert.equal(error.name, 'KAFKA_STORAGE_ERROR'))
    await until(() => state.refused > 0)
    for (let round = 0; round < 50; round++) await new Promise(resolve => setTimeout(resolve, 1))
    assert.ok((await readAll(partition)).length > 0)
    state.full = false
    await until(() => {
      // The journal is tried again after a second.
      try {
        partition.append(buildBatch({ records: [{ key: Buffer.from('k'), value: Buffer.from('again') }] }), { origin: 'client' })
        return true
      } catch {
        return false
      }
    })
    await fill(partition, 100)
    // Of seven keys, all but those in the active segment.
    await until(async () => (await readAll(partition)).length < 40)
    assert.deepEqual(failures, [])
    const before = await readAll(partition)
    kill()
    const again = await openTestLog(disk)
    assert.equal(create(again.log).offline, null)
    assert.deepEqual((await readAll(create(again.log))).slice(-20), before.slice(-20))
    await again.log.close()
  })

test('the pause of the cleaner can change while the broker runs', { timeout: 20_000 }, async () => {
  const real = realSystem(memoryFileSystem())
  const delays = new Set<number>()
  const after = (ms: number, callback: () => void) => {
    delays.add(ms)
    return real.timers.after(ms, callback)
  }
  const live = { ...settings, cleanerBackoffMs: 3 }
  const system = { ...real, timers: { ...real.timers, after } }
  const log = await openLog({ system, directory: '/data', settings: live, onFatal: assert.fail, onThisMachine: false })
  while (!delays.has(3)) await turn()
  live.cleanerBackoffMs = 7
  while (!delays.has(7)) await turn()
  await log.close()
})
