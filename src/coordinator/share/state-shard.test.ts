import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../protocol.ts'
import { memoryPartitionLog, testSystem } from '../runtime.testing.ts'
import { ShareCoordinator, shareStateTopicName } from '../share.ts'
import { deliveryStates, type StateBatch } from './in-flight.ts'
import type { ShareState } from './state-shard.ts'

const key = { groupId: 'g', topicId: '000000000000000000000A' as Uuid, partition: 0 }

function setUp(updatesPerSnapshot: number, log = memoryPartitionLog(), mostStates = 10) {
  const system = testSystem()
  const topic = { name: shareStateTopicName, partitionCount: () => 1, partitionLog: () => log, ensure: async () => {} }
  const settings = { stateTopicNumPartitions: 1, updatesPerSnapshot, pruneIntervalMs: 1_000, coldSnapshotIntervalMs: 10_000 }
  const deleted: number[] = []
  log.deleteBefore = async offset => void deleted.push(offset)
  const shares = new ShareCoordinator({ system, settings, topic, mostStates })
  void shares.start()
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => {})
    await system.settle()
    return work
  }
  const write = (startOffset: number, stateBatches: StateBatch[], change: Partial<ShareState> = {}) =>
    settled(shares.write(key, { stateEpoch: 0, leaderEpoch: 0, startOffset, deliveryCompleteCount: 0, stateBatches, ...change }))
  return { system, shares, settled, write, log, deleted }
}

const batch = (firstOffset: number, lastOffset: number, deliveryState: number = deliveryStates.acknowledged, deliveryCount = 1) => ({
  firstOffset,
  lastOffset,
  deliveryState,
  deliveryCount,
})

test('updates are merged, and the result is the same after a restart', async () => {
  const { shares, settled, write, log } = setUp(2)
  assert.equal(await settled(shares.read(key)), null)
  await settled(shares.initialize(key, 0, 10))
  await write(10, [batch(10, 19)])
  await write(12, [batch(14, 16, deliveryStates.archived, 2)])
  await write(-1, [batch(20, 21), batch(30, 31)])
  await write(-1, [batch(15, 15, deliveryStates.available, 3)])
  const again = setUp(2, log)
  for (const each of [{ shares, settled }, again]) {
    const state = await each.settled(each.shares.read(key))
    assert.equal(state?.startOffset, 12)
    assert.deepEqual(state?.stateBatches, [
      batch(12, 13),
      batch(14, 14, deliveryStates.archived, 2),
      batch(15, 15, deliveryStates.available, 3),
      batch(16, 16, deliveryStates.archived, 2),
      batch(17, 21),
      batch(30, 31),
    ])
  }
})

test('the state of all groups together is limited, and deletions free space', async () => {
  const first = setUp(10, memoryPartitionLog(), 2)
  const keys = [0, 1, 2].map(partition => ({ ...key, groupId: `g${partition}`, partition }))
  const initialize = ({ shares, settled }: typeof first, at: number, epoch = 0) => settled(shares.initialize(keys[at]!, epoch, 0))
  await initialize(first, 0)
  await initialize(first, 1)
  await initialize(first, 1, 1)
  await assert.rejects(initialize(first, 2), { name: 'POLICY_VIOLATION' })
  const again = setUp(10, first.log, 2)
  await assert.rejects(initialize(again, 2), { name: 'POLICY_VIOLATION' })
  await again.settled(again.shares.delete(keys[0]!))
  await initialize(again, 2)
  await assert.rejects(initialize(again, 0), { name: 'POLICY_VIOLATION' })
})

test('older epochs are fenced, unknown partitions refused, deleted state is gone', async () => {
  const { shares, settled, write } = setUp(10)
  await assert.rejects(write(0, []), { name: 'INVALID_REQUEST' })
  await settled(shares.initialize(key, 5, 0))
  await assert.rejects(write(1, [], { stateEpoch: 4 }), { name: 'FENCED_STATE_EPOCH' })
  await assert.rejects(settled(shares.initialize(key, 4, 0)), { name: 'FENCED_STATE_EPOCH' })
  await write(1, [], { stateEpoch: 5, leaderEpoch: 3 })
  await assert.rejects(write(2, [], { stateEpoch: 5, leaderEpoch: 2 }), { name: 'FENCED_LEADER_EPOCH' })
  await settled(shares.delete(key))
  assert.equal(await settled(shares.read(key)), null)
})

for (const updatesPerSnapshot of [1, 10])
  test(`once a leader has read the state, changes of earlier leaders are refused, with ${updatesPerSnapshot} updates for a snapshot`, async () => {
    const { shares, settled, write, log } = setUp(updatesPerSnapshot)
    await settled(shares.initialize(key, 0, 10))
    await write(11, [batch(14, 15)], { leaderEpoch: 3, deliveryCompleteCount: 2 })
    const read = await settled(shares.read(key, 4))
    assert.deepEqual([read?.startOffset, read?.stateBatches], [11, [batch(14, 15)]])
    await assert.rejects(write(12, [], { leaderEpoch: 3 }), { name: 'FENCED_LEADER_EPOCH' })
    await assert.rejects(settled(shares.read(key, 3)), { name: 'FENCED_LEADER_EPOCH' })
    // It is kept, and nothing else has changed.
    const again = setUp(updatesPerSnapshot, log)
    await assert.rejects(again.write(12, [], { leaderEpoch: 3 }), { name: 'FENCED_LEADER_EPOCH' })
    const { startOffset, deliveryCompleteCount, stateBatches } = (await again.settled(again.shares.read(key)))!
    assert.deepEqual([startOffset, deliveryCompleteCount, stateBatches], [11, 2, [batch(14, 15)]])
  })

test('what one leader has begun, the next one does not begin again', async () => {
  const { shares, settled, write } = setUp(10)
  await settled(shares.initialize(key, 0, 10))
  await write(12, [])
  await settled(shares.initialize(key, 0, 10))
  assert.equal((await settled(shares.read(key)))?.startOffset, 12)
  await settled(shares.initialize(key, 1, 10))
  assert.equal((await settled(shares.read(key)))?.startOffset, 10)
})

test('records before the oldest snapshot in use are deleted', async () => {
  const { shares, settled, write, system, deleted } = setUp(1)
  await settled(shares.initialize(key, 0, 0))
  await settled(shares.initialize({ ...key, partition: 1 }, 0, 0))
  for (let offset = 1; offset <= 3; offset++) await write(offset, [])
  await system.advance(1_000)
  assert.deepEqual(deleted, [1])
})

test('a partition without traffic does not prevent pruning: its snapshot is repeated, but only while others write', async () => {
  const { shares, settled, write, system, log, deleted } = setUp(1)
  const idle = { ...key, partition: 1 }
  await settled(shares.initialize(idle, 3, 7))
  await settled(shares.initialize(key, 0, 0))
  for (let round = 0; round < 3; round++) {
    for (let offset = 1; offset <= 4; offset++) await write(4 * round + offset, [])
    await system.advance(10_000)
  }
  await system.advance(1_000)
  const end = log.logEndOffset
  assert.ok(deleted.at(-1)! >= end - 7, `of ${end} offsets those before ${deleted.at(-1)} are deleted`)
  await system.advance(100_000)
  assert.equal(log.logEndOffset, end)
  const again = setUp(1, log)
  const state = await again.settled(again.shares.read(idle))
  assert.deepEqual([state?.stateEpoch, state?.startOffset], [3, 7])
})

test('if no state is stored any more, no records are needed', async () => {
  const { shares, settled, write, system, log, deleted } = setUp(10)
  await settled(shares.initialize(key, 0, 0))
  await write(1, [])
  await settled(shares.delete(key))
  await system.advance(1_000)
  assert.equal(deleted.at(-1), log.logEndOffset)
})

test('the state of a deleted topic is removed, that of others stays', async () => {
  const { shares, settled, log } = setUp(10)
  const other = { ...key, topicId: '000000000000000000000Q' as Uuid }
  for (const place of [key, { ...key, partition: 1 }, { ...key, groupId: 'h' }, other]) await settled(shares.initialize(place, 0, 5))
  await settled(shares.onTopicDeleted({ name: 't', id: key.topicId }))
  const again = setUp(10, log)
  for (const each of [{ shares, settled }, again]) {
    assert.equal(await each.settled(each.shares.read(key)), null)
    assert.equal(await each.settled(each.shares.read({ ...key, groupId: 'h' })), null)
    assert.equal((await each.settled(each.shares.read(other)))?.startOffset, 5)
  }
})

test('overlapping changes have the same result as changes of single offsets', async () => {
  let seed = 1
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % below
  }
  const { shares, settled, write } = setUp(5)
  await settled(shares.initialize(key, 0, 0))
  const byOffset: (string | undefined)[] = []
  let start = 0
  for (let round = 0; round < 200; round++) {
    start += random(4)
    const batches = Array.from({ length: random(4) }, () => {
      const first = start + random(60)
      return batch(first, first + random(20), random(3), 1 + random(2))
    })
    for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of batches)
      for (let offset = firstOffset; offset <= lastOffset; offset++) byOffset[offset] = `${deliveryState} ${deliveryCount}`
    await write(start, batches)
    const stored = await settled(shares.read(key))
    const found: (string | undefined)[] = []
    let last = -1
    for (const each of stored!.stateBatches) {
      assert.ok(Number(each.firstOffset) > last, 'in the order of their offsets')
      last = Number(each.lastOffset)
      for (let offset = Number(each.firstOffset); offset <= last; offset++) found[offset] = `${each.deliveryState} ${each.deliveryCount}`
    }
    assert.deepEqual(found.slice(start), byOffset.slice(start))
  }
})

test('however many batches come in whatever order, the state has a bound', async () => {
  const { shares, settled, write } = setUp(2)
  await settled(shares.initialize(key, 0, 0))
  const alternating = (count: number, from = 0) =>
    Array.from({ length: count }, (_, nth) => batch(from + 2 * nth, from + 2 * nth, deliveryStates.acknowledged, 1 + (nth % 2)))
  const refused = (batches: StateBatch[], why: RegExp) => assert.rejects(write(-1, batches), { name: 'INVALID_REQUEST', message: why })
  await refused(alternating(50_000).reverse(), /at most 25000 batches, not 50000/)
  await write(-1, alternating(25_000).reverse())
  assert.deepEqual((await settled(shares.read(key)))!.stateBatches, alternating(25_000))
  await refused(alternating(1, 1_000_001), /at most 25000 batches, not 25001/)
  await write(49_000, alternating(1, 1_000_001))
  for (const deliveryState of [5, 127, -1]) await refused([batch(50_000, 50_001, deliveryState)], /is not one of 0, 1, 2, 3, 4/)
})
