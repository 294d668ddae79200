import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem } from '../base.ts'
import { append, openTestLog, partitionOf, readAll, settings, turn } from './log.testing.ts'

const config = { segmentBytes: 300, durability: 'fsync' } as const
const directory = '/data/orders-0'

function change(disk: FileSystem, path: string, work: (file: ReturnType<FileSystem['open']>) => void): void {
  const file = disk.open(path, 'rw')
  work(file)
  file.close()
}

/** Ten records in segments of three or so, all of them durable and checkpointed. */
async function filled(): Promise<{ disk: FileSystem; segments: string[] }> {
  const disk = memoryFileSystem()
  const { log } = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(log, 0, config)
  for (let nth = 0; nth < 10; nth++) await append(partition, `record ${nth} ${'x'.repeat(20)}`).durable
  await log.close()
  const segments = disk.list(directory).flatMap(({ name }) => (name.endsWith('.log') ? [name] : []))
  assert.ok(segments.length >= 3)
  return { disk, segments }
}

const ask = (disk: FileSystem) => change(disk, `${directory}/millrace.repair`, () => {})
const offsetsOf = async (partition: ReturnType<typeof partitionOf>) => (await readAll(partition)).map(([offset]) => offset)

test('a repair keeps what can be read, gives no offset out twice, and lasts', async () => {
  const { disk, segments } = await filled()
  const [, second, third] = segments.map(name => Number(name.slice(0, 20)))
  // In the middle of the second segment, and the end of the last one.
  change(disk, `${directory}/${segments[1]}`, file => file.writeSync([Buffer.from('damage')], 70))
  change(disk, `${directory}/${segments.at(-1)}`, file => file.truncate(file.size() - 10))
  let { log } = await openTestLog(disk, { durability: 'fsync' })
  const reason = partitionOf(log, 0, config).offline
  assert.notEqual(reason, null)
  await log.close()
  assert.equal(disk.readFile(`${directory}/millrace.offline`)!.toString(), reason)

  ask(disk)
  const told: string[] = []
  ;({ log } = await openTestLog(disk, { durability: 'fsync' }, what => void told.push(what)))
  const partition = partitionOf(log, 0, config)
  assert.equal(partition.offline, null)
  assert.deepEqual([partition.logStartOffset, partition.logEndOffset, partition.leaderEpoch], [0, 10, 1])
  const kept = await offsetsOf(partition)
  assert.deepEqual(
    kept.filter(offset => offset < second!),
    Array.from({ length: second! }, (_, nth) => nth),
  )
  assert.deepEqual(
    kept.filter(offset => offset >= second! && offset < third!),
    [],
  )
  assert.ok(kept.includes(third!) && !kept.includes(9))
  assert.equal(told.length, 4)
  assert.match(told[0]!, new RegExp(`repair of orders-0: .*${segments[1]}: .*from offset ${second} on, is lost`))
  assert.match(told.at(-2)!, /offsets 9 to 9 are lost/)
  assert.equal(append(partition, 'new').baseOffset, 10)
  await append(partition, 'newer').durable
  for (const end of ['close', 'kill'] as const) {
    await turn()
    const next = await openTestLog(disk, { durability: 'fsync' })
    const again = partitionOf(next.log, 0, config)
    assert.equal(again.offline, null)
    assert.deepEqual(await offsetsOf(again), [...kept, 10, 11])
    if (end === 'close') await next.log.close()
    else next.kill()
  }
  for (const name of ['millrace.offline', 'millrace.repair']) assert.equal(disk.exists(`${directory}/${name}`), false)
})

test('a crash right after a repair: the repair is complete, or must be requested again', async () => {
  const { disk, segments } = await filled()
  change(disk, `${directory}/${segments.at(-1)}`, file => file.truncate(5))
  ask(disk)
  const first = await openTestLog(disk, { ...settings, durability: 'fsync' })
  first.kill()
  ask(disk)
  const { log } = await openTestLog(disk, { durability: 'fsync' })
  const partition = partitionOf(log, 0, config)
  assert.deepEqual([partition.offline, partition.logEndOffset], [null, 10])
  assert.equal(append(partition, 'new').baseOffset, 10)
  await log.close()
})

test('a repair of a sound partition, and of one that has lost all its segments', async () => {
  for (const lost of [false, true]) {
    const { disk, segments } = await filled()
    if (lost) for (const name of segments) disk.remove(`${directory}/${name}`)
    ask(disk)
    const { log } = await openTestLog(disk, { durability: 'fsync' })
    const partition = partitionOf(log, 0, config)
    assert.deepEqual([partition.offline, partition.logEndOffset], [null, 10])
    assert.deepEqual(await offsetsOf(partition), lost ? [] : [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.equal(append(partition, 'new').baseOffset, 10)
    await log.close()
    const again = await openTestLog(disk, { durability: 'fsync' })
    assert.equal((await offsetsOf(partitionOf(again.log, 0, config))).at(-1), 10)
  }
})

test('a repair treats an unreadable sector as damage, and loses only what starts there', async () => {
  const disk = memoryFileSystem()
  const first = await openTestLog(disk, { durability: 'fsync' })
  const large = { segmentBytes: 40_000, durability: 'fsync' } as const
  for (let nth = 0; nth < 100; nth++) await append(partitionOf(first.log, 0, large), `${nth}`.padEnd(1000, '.')).durable
  await first.log.close()
  const segments = disk.list(directory).flatMap(({ name }) => (name.endsWith('.log') ? [name] : []))
  const [bad, after] = [segments[1]!, Number(segments[2]!.slice(0, 20))]
  const badByte = disk.readFile(`${directory}/${bad}`)!.indexOf('60......')
  assert.ok(badByte > 5000 && segments.length === 3)
  const files = withHandles(disk, (handle, path) => {
    if (path !== `${directory}/${bad}`) return null
    const readSync = (buffer: Uint8Array, position: number) => {
      if (position <= badByte && badByte < position + buffer.length && handle.size() > badByte) throw new DiskError('read', path, 'EIO')
      return handle.readSync(buffer, position)
    }
    return { readSync, read: async (buffer, position) => readSync(buffer, position) }
  })
  ask(disk)
  const told: string[] = []
  const { log } = await openTestLog(files, { durability: 'fsync' }, what => void told.push(what))
  const partition = partitionOf(log, 0, large)
  assert.equal(partition.offline, null)
  assert.match(told.join(), /EIO at position/)
  const kept = await offsetsOf(partition)
  assert.ok(kept.includes(after) && kept.includes(99))
  const lost = Array.from({ length: 100 }, (_, offset) => offset).filter(offset => !kept.includes(offset))
  assert.deepEqual([lost[0]! >= 59, lost.at(-1)], [true, after - 1])
  await append(partition, 'new').durable
  await log.close()
})
