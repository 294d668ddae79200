import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileSystem, memoryFileSystem, realSystem } from '../base.ts'
import type { Log, PartitionLog, PartitionSpec } from '../log.ts'
import { buildMarkerBatch, type Uuid } from '../protocol.ts'
import { append, batchOf, openTestLog, partitionOf, readAll, topicConfig, topicId, turn } from './log.testing.ts'
import { releasedFile } from './partition/released-state.ts'

const small = { journalFileBytes: 64 << 10, journalFiles: 2 } as const
const spec: PartitionSpec = { topic: 'orders', topicId, partition: 0, config: topicConfig() }
const notLeader = { name: 'NOT_LEADER_OR_FOLLOWER' }
const storageError = { name: 'KAFKA_STORAGE_ERROR' }
const otherId = 'AAAAAAAAAAAAAAAAAAAB1Q' as Uuid

const openIn = (disk: FileSystem, directory: string, durability: 'os' | 'fsync' = 'fsync') =>
  openTestLog(disk, { ...small, durability }, () => {}, directory)
const bring = (disk: FileSystem, from: string, to: string, name = 'orders-0') => disk.rename(`${from}/${name}`, `${to}/${name}`)

/** The disk with a call before each change of a file or a name. */
function stepping(disk: FileSystem, step: () => void): FileSystem {
  const after = <T>(change: () => T): T => {
    step()
    return change()
  }
  const files = withHandles(disk, handle => ({
    writeSync: (buffers, at) => after(() => handle.writeSync(buffers, at)),
    write: async (buffers, at) => await after(() => handle.write(buffers, at)),
    truncate: size => after(() => handle.truncate(size)),
    datasync: async () => await after(() => handle.datasync()),
  }))
  return {
    ...files,
    open: (path, mode) => (disk.exists(path) ? files.open(path, mode) : after(() => files.open(path, mode))),
    makeDirectory: path => (disk.exists(path) ? undefined : after(() => disk.makeDirectory(path))),
    rename: (from, to) => after(() => disk.rename(from, to)),
    remove: path => after(() => disk.remove(path)),
    removeFile: async path => await after(() => disk.removeFile(path)),
    syncDirectory: async path => await after(() => disk.syncDirectory(path)),
    replaceFile: async (path, content) => {
      await after(() => disk.replaceFile(`${path}.tmp`, content))
      after(() => disk.rename(`${path}.tmp`, path))
      step()
    },
  }
}

/** Records, a producer, an aborted and an open transaction, and a log start above 0. */
async function fill(partition: PartitionLog): Promise<void> {
  for (let nth = 0; nth < 6; nth++) await append(partition, `${nth}`, 'x'.repeat(40_000)).durable
  const send = (producerId: number, baseSequence: number, isTransactional: boolean) =>
    partition.append(batchOf({ values: [`of ${producerId}`], producerId, producerEpoch: 0, baseSequence, isTransactional }), {
      origin: 'client',
    })
  send(7, 0, false)
  send(8, 0, true)
  const marker = { producerId: 8, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: realSystem().clock.now() }
  partition.append(buildMarkerBatch(marker), { origin: 'coordinator' })
  await send(9, 0, true).durable
  await partition.deleteBefore(3)
}

/**
 * All that clients can learn of it. Not the epochs: with `os` a start raises them, where it cannot know whether the machine had run on since.
 */
async function face(partition: PartitionLog): Promise<unknown> {
  const { logStartOffset, logEndOffset, highWatermark, lastStableOffset, offline } = partition
  const aborted = new Map<number, unknown>()
  for (let next = logStartOffset; next < lastStableOffset; next++) {
    const slice = await partition.read(next, { maxBytes: 1, atLeastOne: true, upTo: 'last-stable' })
    slice.release()
    for (const each of slice.abortedTransactions!) aborted.set(each.firstOffset, each.producerId)
  }
  return {
    marks: [logStartOffset, logEndOffset, highWatermark, lastStableOffset, offline],
    records: (await readAll(partition)).map(([offset, value]) => [offset, value.slice(0, 9)]),
    aborted: [...aborted],
    producers: partition.producers(),
  }
}

const epochsOf = (partition: PartitionLog) => [partition.leaderEpoch, ...[0, 1, 2, 3].map(epoch => partition.endOffsetForEpoch(epoch))]

for (const durability of ['os', 'fsync'] as const) {
  test(`${durability}: a partition moves with all that is known of it, and back, and survives kills of either process`, async () => {
    const disk = memoryFileSystem()
    const logs = new Map<string, { log: Log; kill(): void }>()
    for (const directory of ['/a', '/b']) logs.set(directory, await openIn(disk, directory, durability))
    let partition = partitionOf(logs.get('/a')!.log, 0, { segmentBytes: 100_000 })
    await fill(partition)
    for (const [from, to] of [
      ['/a', '/b'],
      ['/b', '/a'],
      ['/a', '/b'],
    ] as const) {
      partition.raiseLeaderEpoch(partition.leaderEpoch + 1)
      await append(partition, `in ${from}`).durable
      const before = [await face(partition), epochsOf(partition)]
      await logs.get(from)!.log.release(topicId, 0)
      bring(disk, from, to)
      partition = await logs.get(to)!.log.adopt('orders-0', spec)
      assert.deepEqual([await face(partition), epochsOf(partition)], before)
      await append(partition, `in ${to}`).durable
      const after = await face(partition)
      for (const directory of [from, to]) {
        logs.get(directory)!.kill()
        logs.set(directory, await openIn(disk, directory, durability))
      }
      assert.deepEqual([logs.get(from)!.log.partitions.size, logs.get(from)!.log.released()], [0, []])
      assert.equal(disk.exists(`${from}/orders-0`), false)
      partition = logs.get(to)!.log.create(spec)
      assert.deepEqual(await face(partition), after)
    }
  })

  test(`${durability}: a kill at any change of the disk leaves the partition with one log, or released`, async () => {
    let outcomes = ''
    for (let at = 0; outcomes.at(-1) !== 'R'; at++) {
      const disk = memoryFileSystem()
      let left = Number.POSITIVE_INFINITY
      const files = stepping(disk, () => {
        if (left-- > 0) return
        owner.kill()
        throw new Error('killed')
      })
      const owner = await openIn(files, '/a', durability)
      const partition = partitionOf(owner.log, 0, { segmentBytes: 100_000 })
      await fill(partition)
      const before = await face(partition)
      left = at
      const released = await Promise.race([owner.log.release(topicId, 0).catch(() => null), pause()])
      left = Number.POSITIVE_INFINITY
      owner.kill()
      const { log } = await openIn(disk, '/a', durability)
      const isReleased = log.released().length > 0
      assert.equal(log.get(topicId, 0) !== undefined, !isReleased, `step ${at}`)
      if (released) assert.ok(isReleased, `step ${at}`)
      outcomes += released ? 'R' : isReleased ? 'r' : 'o'
      const again = isReleased ? await log.adopt('orders-0', spec) : log.create(spec)
      assert.deepEqual(await face(again), before, `step ${at}`)
      await append(again, 'later').durable
    }
    assert.match(outcomes, /^o{5,}r*R$/)
  })

  test(`${durability}: a kill at any change of the disk by an adoption loses nothing`, async () => {
    let isDone = false
    for (let at = 0; !isDone; at++) {
      const disk = memoryFileSystem()
      let left = Number.POSITIVE_INFINITY
      const files = stepping(disk, () => {
        if (left-- > 0) return
        heir.kill()
        throw new Error('killed')
      })
      const owner = await openIn(disk, '/a', durability)
      const heir = await openIn(files, '/b', durability)
      const partition = partitionOf(owner.log, 0, { segmentBytes: 100_000 })
      await fill(partition)
      const before = await face(partition)
      await owner.log.release(topicId, 0)
      bring(disk, '/a', '/b')
      left = at
      const values: string[] = []
      const use = async () => {
        const adopted = await heir.log.adopt('orders-0', spec)
        for (let nth = 0; nth < 5; nth++) {
          await append(adopted, `${nth}`.repeat(50_000)).durable
          values.push(`${nth}`)
        }
        return true
      }
      isDone = (await Promise.race([use().catch(() => null), pause()])) === true
      left = Number.POSITIVE_INFINITY
      heir.kill()
      const { log } = await openIn(disk, '/b', durability)
      const again = log.released().length > 0 ? await log.adopt('orders-0', spec) : log.create(spec)
      const { records, producers } = (await face(again)) as { records: [number, string][]; producers: unknown }
      const expected = before as { records: [number, string][]; producers: unknown }
      assert.deepEqual(records.slice(0, expected.records.length), expected.records, `step ${at}`)
      assert.deepEqual(producers, expected.producers, `step ${at}`)
      const later = records.slice(expected.records.length).map(([, value]) => value[0])
      assert.deepEqual(later.slice(0, values.length), values, `step ${at}`)
    }
  })
}

test('whoever leads a partition finds it: new, open, or released by this log or another one; and with the epoch of the metadata', async () => {
  const disk = memoryFileSystem()
  const [a, b, c] = [await openIn(disk, '/a', 'os'), await openIn(disk, '/b', 'os'), await openIn(disk, '/c', 'os')]
  const first = await a.log.lead(spec, 0)
  await append(first, 'one').durable
  assert.equal(await a.log.lead(spec, 2), first)
  assert.equal(first.leaderEpoch, 2)
  await a.log.release(topicId, 0)
  const again = await a.log.lead(spec, 3)
  await append(again, 'two').durable
  await a.log.release(topicId, 0)
  bring(disk, '/a', '/c')
  assert.match((await c.log.lead({ ...spec, topicId: otherId }, 0)).offline!, /was released and not adopted since/)
  bring(disk, '/c', '/b')
  const moved = await b.log.lead(spec, 5)
  assert.deepEqual([moved.leaderEpoch, (await readAll(moved)).map(([, value]) => value)], [5, ['one', 'two']])
  assert.equal(moved.endOffsetForEpoch(4).endOffset, 2)
})

/** Long enough for a process that was killed to do nothing more. */
async function pause(): Promise<null> {
  for (let count = 0; count < 300; count++) await turn()
  return null
}

test('waiters are told, readers under way finish, and later ones are told to go elsewhere', async () => {
  const disk = memoryFileSystem()
  let resume = () => {}
  const files = withHandles(disk, (handle, path) => ({
    read: async (buffer, at) => {
      if (isSlow && path.endsWith('.log'))
        await new Promise<void>(resolve => {
          resume = resolve
        })
      return await handle.read(buffer, at)
    },
  }))
  let isSlow = false
  const first = await openIn(files, '/a')
  for (let nth = 0; nth < 8; nth++) await append(partitionOf(first.log, 0, { segmentBytes: 60_000 }), `${nth}`.repeat(30_000)).durable
  await first.log.close()
  isSlow = true
  const { log } = await openIn(files, '/a')
  const partition = partitionOf(log)
  const limit = { maxBytes: 100_000, atLeastOne: true, upTo: 'high-watermark' } as const
  const reading = partition.read(0, limit)
  assert.ok(reading instanceof Promise)
  let told = 0
  partition.whenPast(partition.logEndOffset, 'high-watermark', () => told++)
  let isReleased = false
  const releasing = log.release(topicId, 0).finally(() => {
    isReleased = true
  })
  await pause()
  assert.deepEqual([told, isReleased], [1, false])
  assert.throws(() => partition.read(0, limit), notLeader)
  assert.throws(() => append(partition, 'late'), notLeader)
  await assert.rejects(partition.deleteBefore(1), notLeader)
  await assert.rejects(partition.offsetOfMaxTimestamp(), notLeader)
  for (let count = 0; count < 20 && !isReleased; count++) {
    resume()
    await pause()
  }
  const slice = await reading
  assert.ok(slice.bytes > 0)
  slice.release()
  await releasing
})

test('what a release accepted before is acknowledged, and from a moment on all is refused', async () => {
  const { log } = await openIn(memoryFileSystem(), '/a')
  const partition = partitionOf(log)
  const acknowledged: Promise<unknown>[] = []
  let refused = 0
  const releasing = log.release(topicId, 0)
  let isOver = false
  void releasing.then(() => {
    isOver = true
  })
  while (!isOver) {
    try {
      const { baseOffset, durable } = append(partition, 'x')
      assert.deepEqual([baseOffset, refused], [acknowledged.length, 0])
      acknowledged.push(durable!)
    } catch (error) {
      assert.equal((error as Error).name, 'NOT_LEADER_OR_FOLLOWER')
      refused++
    }
    await turn()
  }
  await Promise.all(acknowledged)
  assert.ok(acknowledged.length > 0)
  assert.equal((await log.adopt('orders-0', spec)).logEndOffset, acknowledged.length)
})

test('a release that the disk refuses changes nothing, also not for the next start', async () => {
  for (const path of ['state.log', releasedFile, '.journal', '0000.log']) {
    const disk = memoryFileSystem()
    let isFull = false
    const refuse = (name: string) => {
      if (isFull && name.includes(path)) throw new DiskError('write', name, 'ENOSPC')
    }
    const files: FileSystem = {
      ...withHandles(disk, (handle, name) => ({
        writeSync: (buffers, at) => {
          refuse(name)
          handle.writeSync(buffers, at)
        },
        write: async (buffers, at) => {
          refuse(name)
          await handle.write(buffers, at)
        },
      })),
      replaceFile: async (name, content) => {
        refuse(name)
        await disk.replaceFile(name, content)
      },
    }
    const { log, kill } = await openIn(files, '/a')
    const partition = partitionOf(log)
    await append(partition, 'before').durable
    isFull = true
    await assert.rejects(log.release(topicId, 0), storageError, path)
    isFull = false
    assert.equal(log.get(topicId, 0), partition)
    await append(partition, 'after').durable
    kill()
    const again = await openIn(disk, '/a')
    assert.deepEqual(again.log.released(), [], path)
    assert.deepEqual(
      (await readAll(partitionOf(again.log))).map(([, value]) => value),
      ['before', 'after'],
      path,
    )
    await again.log.release(topicId, 0)
    assert.equal(again.log.released().length, 1)
  }
})

test('a released partition is neither opened nor overwritten nor deleted until it is adopted', async () => {
  const disk = memoryFileSystem()
  let { log } = await openIn(disk, '/a')
  await append(partitionOf(log), 'kept').durable
  await log.release(topicId, 0)
  await log.close()
  for (let start = 0; start < 2; start++) {
    log = (await openIn(disk, '/a')).log
    assert.deepEqual(log.released(), [{ topic: 'orders', topicId, partition: 0, directory: 'orders-0' }])
    assert.deepEqual(log.strays(), [])
    assert.match(log.create(spec).offline!, /was released/)
    assert.match(log.create({ ...spec, topicId: otherId }).offline!, /was released/)
    await log.close()
  }
  log = (await openIn(disk, '/a')).log
  await assert.rejects(log.adopt('orders-0', { ...spec, topicId: otherId }), storageError)
  await assert.rejects(log.adopt('nothing-0', spec), storageError)
  assert.deepEqual(await readAll(await log.adopt('orders-0', spec)), [[0, 'kept']])
  await log.delete(topicId, 0)
  assert.equal(disk.exists('/a/orders-0'), false)
})

test('later frames of the journal do not say again whose slot was that of a released partition', async () => {
  const disk = memoryFileSystem()
  const { log, kill } = await openIn(disk, '/a')
  const other = partitionOf(log, 1)
  await append(other, 'first').durable
  await append(partitionOf(log), 'gone').durable
  await log.release(topicId, 0)
  disk.makeDirectory('/b')
  bring(disk, '/a', '/b')
  for (let nth = 0; nth < 4; nth++) await append(other, 'x'.repeat(10_000)).durable
  kill()
  const again = await openIn(disk, '/a')
  assert.deepEqual([again.log.get(topicId, 0), disk.exists('/a/orders-0')], [undefined, false])
})

test('an empty partition moves, with its epoch and its log start', async () => {
  const disk = memoryFileSystem()
  const [a, b] = [await openIn(disk, '/a'), await openIn(disk, '/b')]
  const partition = partitionOf(a.log)
  partition.raiseLeaderEpoch(4)
  await a.log.release(topicId, 0)
  bring(disk, '/a', '/b')
  const adopted = await b.log.adopt('orders-0', spec)
  assert.deepEqual([adopted.leaderEpoch, adopted.logEndOffset, adopted.offline], [4, 0, null])
  await append(adopted, 'first').durable
  b.kill()
  assert.deepEqual(await readAll(partitionOf((await openIn(disk, '/b')).log)), [[0, 'first']])
})

test('a directory under another name is adopted under its own', async () => {
  const disk = memoryFileSystem()
  const [a, b] = [await openIn(disk, '/a'), await openIn(disk, '/b')]
  await append(partitionOf(a.log), 'x').durable
  await a.log.release(topicId, 0)
  disk.rename('/a/orders-0', '/b/.coming')
  await append(await b.log.adopt('.coming', spec), 'y').durable
  b.kill()
  assert.equal(partitionOf((await openIn(disk, '/b')).log).logEndOffset, 2)
})

test('a damaged state is not believed', async () => {
  const disk = memoryFileSystem()
  const { log } = await openIn(disk, '/a')
  await append(partitionOf(log), 'x').durable
  await log.release(topicId, 0)
  const path = `/a/orders-0/${releasedFile}`
  const content = disk.readFile(path)!
  for (const at of [0, 9, 40, content.length - 1]) {
    const bad = Buffer.from(content)
    bad[at]! ^= 1
    await disk.replaceFile(path, bad)
    await assert.rejects(log.adopt('orders-0', spec), /is damaged/)
  }
  await disk.replaceFile(path, content.subarray(0, 5))
  await assert.rejects(log.adopt('orders-0', spec), /is damaged/)
  disk.remove(path)
  assert.deepEqual(await readAll(await log.adopt('orders-0', spec)), [[0, 'x']])
})

test('a directory without a state keeps its gaps, also after appends and a kill', async () => {
  const disk = memoryFileSystem()
  const first = await openIn(disk, '/other')
  const partition = partitionOf(first.log, 0, { segmentBytes: 3000 })
  for (let nth = 0; nth < 4; nth++) await append(partition, `${nth}`.repeat(2000)).durable
  await first.log.close()
  const { log, kill } = await openIn(disk, '/a')
  disk.rename('/other/orders-0', '/a/orders-0')
  // As compaction leaves it.
  disk.remove('/a/orders-0/00000000000000000001.log')
  const adopted = await log.adopt('orders-0', spec)
  await append(adopted, 'new').durable
  kill()
  const again = partitionOf((await openIn(disk, '/a')).log)
  const brief = (await readAll(again)).map(([offset, value]) => `${offset} ${value.slice(0, 3)}`)
  assert.deepEqual(brief, ['0 000', '2 222', '3 333', '4 new'])
})

test('deletions, closings and releases of one partition wait for each other', async () => {
  const disk = memoryFileSystem()
  const { log } = await openIn(disk, '/a')
  await append(partitionOf(log), 'x').durable
  const [released, again] = await Promise.allSettled([log.release(topicId, 0), log.release(topicId, 0), log.delete(topicId, 0)])
  assert.deepEqual([released!.status, again!.status], ['fulfilled', 'rejected'])
  const results = await Promise.allSettled([log.adopt('orders-0', spec), log.adopt('orders-0', spec), log.close()])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await assert.rejects(log.release(topicId, 0), storageError)
  assert.deepEqual(await readAll(partitionOf((await openIn(disk, '/a')).log)), [[0, 'x']])
})

test('partitions move while checkpoints run all the time', async () => {
  const disk = memoryFileSystem()
  const logs = [await openIn(disk, '/a'), await openIn(disk, '/b')] as const
  const other = (nth: 0 | 1) => partitionOf(logs[nth].log, 1 + nth)
  let partition = partitionOf(logs[0].log)
  let expected = 0
  for (let round = 0; round < 12; round++) {
    const [from, to] = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)
    for (let nth = 0; nth < 5; nth++) {
      append(partition, 'x'.repeat(20_000))
      append(other(0), 'y'.repeat(40_000))
      append(other(1), 'y'.repeat(40_000))
      expected++
      for (const { log } of logs) if (log.pressure.on) await new Promise<void>(resolve => log.pressure.whenOff(resolve))
      await turn()
    }
    await logs[from].log.release(topicId, 0)
    bring(disk, ['/a', '/b'][from]!, ['/a', '/b'][to]!)
    partition = await logs[to].log.adopt('orders-0', spec)
    assert.equal(partition.logEndOffset, expected)
  }
  for (const { log, failures } of logs) {
    await log.close()
    assert.deepEqual(failures, [])
  }
  assert.equal((await readAll(partitionOf((await openIn(disk, '/a')).log))).length, expected)
})
