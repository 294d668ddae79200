import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../test/support/processor-time.ts'
import { zeroUuid } from '../../protocol.ts'
import { testGroups } from './group.testing.ts'
import { Offsets } from './offsets.ts'

function offset(recordOffset: number) {
  return {
    recordOffset,
    committedOffset: recordOffset,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: 0,
    expireTimestampMs: -1,
    topicId: zeroUuid,
  }
}

test('whether an offset is pending is one look, however many transactions the group has', () => {
  const offsets = new Offsets()
  const count = 10_000
  for (let producerId = 0; producerId < count; producerId++) offsets.put('g', 't', 0, offset(producerId), producerId)
  const started = processorMs()
  for (let partition = 1; partition <= count; partition++) assert.equal(offsets.hasPending('g', 't', partition), false)
  assert.ok(processorMs() - started < 500)
  for (let producerId = 0; producerId < count; producerId++) {
    assert.equal(offsets.hasPending('g', 't', 0), true)
    offsets.endTransaction(producerId, producerId % 2 === 0)
  }
  assert.equal(offsets.hasOpenTransaction('g'), false)
  assert.equal(offsets.get('g', 't', 0)?.committedOffset, count - 2)
})

test('a tombstone takes what transactions hold; what they hold besides stays', () => {
  const offsets = new Offsets()
  for (const producerId of [1, 2]) for (const partition of [0, 1]) offsets.put('g', 't', partition, offset(producerId), producerId)
  offsets.put('g', 't', 1, offset(0), -1)
  assert.deepEqual(
    [...offsets.partitionsOf('g')],
    [
      ['t', 1],
      ['t', 0],
    ],
  )
  offsets.remove('g', 't', 0)
  assert.equal(offsets.hasPending('g', 't', 0), false)
  assert.equal(offsets.hasPending('g', 't', 1), true)
  for (const producerId of [1, 2]) offsets.endTransaction(producerId, true)
  assert.equal(offsets.get('g', 't', 0), undefined)
  assert.equal(offsets.get('g', 't', 1)?.committedOffset, 2)
})

test('the end of a large transaction is applied in steps, and nobody sees a difference', () => {
  const groups = Array.from({ length: 10 }, (_, n) => `g${n}`)
  const topics = Array.from({ length: 4 }, (_, n) => `t${n}`)
  const partitions = Array.from({ length: 500 }, (_, n) => n)
  for (const committed of [true, false]) {
    const offsets = new Offsets()
    for (const group of groups) for (const topic of topics) for (const each of partitions) offsets.put(group, topic, each, offset(each), 1)
    offsets.endTransaction(1, committed)
    let steps = 1
    assert.equal(offsets.settle(1_000), true)
    // These have not been reached yet.
    assert.equal(offsets.hasPending('g9', 't3', 499), false)
    assert.equal(offsets.hasOpenTransaction('g8'), false)
    assert.equal(offsets.get('g7', 't0', 3)?.committedOffset, committed ? 3 : undefined)
    assert.equal(offsets.ofGroup('g6').size, committed ? topics.length : 0)
    assert.equal([...offsets.partitionsOf('g5')].length, committed ? 2_000 : 0)
    while (offsets.settle(1_000)) steps++
    assert.equal(steps, 9, 'of 20,000 offsets, five groups with 2,000 each were looked at')
    assert.equal([...offsets.partitionsOfTopic('t1')].length, committed ? 5_000 : 0)
  }
})

test('a transaction that has ended loses against later commits and tombstones, also if it has yet to be applied', () => {
  const offsets = new Offsets()
  for (const partition of [0, 1, 2]) offsets.put('g', 't', partition, offset(5), 1)
  offsets.endTransaction(1, true)
  offsets.put('g', 't', 0, offset(6), -1)
  offsets.remove('g', 't', 1)
  offsets.put('g', 't', 2, offset(7), 1)
  assert.equal(offsets.hasPending('g', 't', 2), true, 'the next transaction of the producer')
  offsets.endTransaction(1, false)
  const stored = [0, 1, 2].map(partition => offsets.get('g', 't', partition)?.committedOffset)
  assert.deepEqual(stored, [6, undefined, 5])
})

test('a shard applies the end of a large transaction in steps; after a restart everything is the same', async () => {
  const groups = testGroups()
  const { coordinator, system } = groups
  const run = async (work: Promise<unknown>) => {
    await system.settle()
    await work
  }
  const producer = { producerId: 7, producerEpoch: 0 }
  const names = Array.from({ length: 12 }, (_, n) => `g${n}`)
  const partitions = Array.from({ length: 1_000 }, (_, partitionIndex) => ({
    partitionIndex,
    committedOffset: partitionIndex,
    committedLeaderEpoch: -1,
    committedMetadata: null,
    commitTimestamp: -1,
  }))
  const request = { memberId: '', groupInstanceId: null, generationId: -1, retentionTimeMs: -1 }
  const topics = [{ name: 't', topicId: zeroUuid, partitions }]
  for (const groupId of names) await run(coordinator.commitTransactionalOffsets(producer, { ...request, groupId, topics }))
  const timers = system.pendingTimers
  await run(coordinator.endTransaction(0, { ...producer, committed: true, coordinatorEpoch: 0 }))
  assert.equal(system.pendingTimers, timers + 1, 'some are left for later steps')
  const expected = `t ${partitions.map(({ partitionIndex }) => `${partitionIndex}:${partitionIndex}`).join(' ')}`
  assert.equal(await groups.fetch('g11'), expected)
  await system.advance(10)
  assert.equal(system.pendingTimers, timers)
  for (const groupId of names) assert.equal(await groups.fetch(groupId), expected)
  const again = groups.restart()
  await system.settle()
  for (const groupId of names) assert.equal(await again.fetch(groupId), expected)
})
