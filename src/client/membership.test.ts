import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientError } from '../channel.ts'
import { fakeGroup } from './fake-group.testing.ts'
import { join } from './membership.ts'

async function joined() {
  const { asConsumer, system, ask, ...group } = fakeGroup()
  const membership = await join(asConsumer, { group: 'g', topics: ['t'] }, { system, ask, bootstrap: 'b:1', forget() {} })
  return { ...group, membership }
}

const both = [
  { topic: 't', partition: 0, since: 1 },
  { topic: 't', partition: 1, since: 1 },
]

test('a member that the library gives up joins again, until it can; meanwhile nothing is its own', async () => {
  const { consumer, membership, pass } = await joined()
  assert.deepEqual(membership.assignments(), both)
  consumer.refusal = new ClientError('UNREACHABLE', 'no broker is there')
  consumer.emit('error', consumer.refusal)
  assert.deepEqual(membership.assignments(), [])
  await pass()
  await pass()
  assert.equal(consumer.attempts, 3)
  assert.deepEqual(membership.assignments(), [])
  consumer.refusal = null
  await pass()
  assert.deepEqual(membership.assignments(), both)
  await membership.close()
})

test('a member whom the group refuses says so, and does not try again', async () => {
  const { consumer, membership, pass } = await joined()
  consumer.refusal = new ClientError('GROUP_AUTHORIZATION_FAILED', 'not allowed')
  consumer.emit('error', consumer.refusal)
  await pass()
  await pass()
  assert.equal(consumer.attempts, 2)
  assert.throws(() => membership.assignments(), /not allowed/)
  await membership.close()
})

test('a member that is closed does not join again', async () => {
  const { consumer, membership, pass } = await joined()
  consumer.emit('error', new ClientError('UNREACHABLE', 'no broker is there'))
  await membership.close()
  await pass()
  assert.equal(consumer.attempts, 1)
})

test('offsets are committed of what is its own now, and of nothing while that is not known', async () => {
  const { consumer, membership, committed, pass } = await joined()
  const offsets = both.map(each => ({ ...each, offset: 5n }))
  membership.assignments()
  await membership.commit(offsets)
  // The library has joined again by itself, and then has got less than before.
  consumer.generationId = 2
  await assert.rejects(membership.commit(offsets), { code: 'REBALANCE_IN_PROGRESS' })
  consumer.assignments = [{ topic: 't', partitions: [1] }]
  consumer.emit('consumer:group:join')
  membership.assignments()
  await membership.commit(offsets)
  await membership.commit(offsets.slice(0, 1))
  // It has given up.
  consumer.emit('error', new ClientError('UNREACHABLE', 'no broker is there'))
  await assert.rejects(membership.commit(offsets), { code: 'REBALANCE_IN_PROGRESS' })
  await pass()
  await membership.commit(offsets)
  assert.deepEqual(committed, [
    [1, [0, 1]],
    [2, [1]],
    [2, [1]],
  ])
  await membership.close()
})

test('a partition that others may have read meanwhile is told from one that stayed: nothing is committed of it until that was seen', async () => {
  const { consumer, membership, committed } = await joined()
  const since = () => membership.assignments().map(each => each.since)
  const offsets = both.map(each => ({ ...each, offset: 5n }))
  const joins = (generation: number, partitions = [0, 1]) => {
    consumer.generationId = generation
    consumer.assignments = [{ topic: 't', partitions }]
    consumer.emit('consumer:group:join')
  }
  assert.deepEqual(since(), [1, 1])
  // Of the next generation: nobody else had them.
  joins(2)
  await membership.commit(offsets)
  assert.deepEqual(since(), [1, 1])
  joins(3, [0])
  joins(4)
  await membership.commit(offsets)
  assert.deepEqual(since(), [1, 4])
  await membership.commit(offsets)
  // One generation had gone on without it.
  joins(6)
  await membership.commit(offsets)
  assert.deepEqual(membership.identity(), { generation: 6, memberId: 'm' })
  assert.deepEqual(since(), [5, 5])
  await membership.commit(offsets)
  // Thrown out, and joined anew.
  consumer.memberId = 'n'
  joins(7)
  await membership.commit(offsets)
  assert.deepEqual(since(), [6, 6])
  assert.deepEqual(committed, [
    [2, [0, 1]],
    [4, [0]],
    [4, [0, 1]],
    [6, [0, 1]],
  ])
  await membership.close()
})

test('a generation that goes down, as when the group was lost, follows none; the same one again does', async () => {
  const { consumer, membership, committed } = await joined()
  const since = () => membership.assignments().map(each => each.since)
  const offsets = both.map(each => ({ ...each, offset: 5n }))
  const joins = (generation: number) => {
    consumer.generationId = generation
    consumer.emit('consumer:group:join')
  }
  joins(2)
  joins(2)
  assert.deepEqual(since(), [1, 1])
  // It is also the generation in which it first had them.
  joins(1)
  await membership.commit(offsets)
  assert.deepEqual(committed, [])
  assert.deepEqual(since(), [4, 4])
  await membership.commit(offsets)
  assert.deepEqual(committed, [[1, [0, 1]]])
  await membership.close()
})

test('a group that has gone on without the member is told as a rebalance, whatever it says', async () => {
  const { membership, committed, refusals } = await joined()
  membership.assignments()
  for (const refusal of ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS'] as const) {
    refusals.push(refusal)
    await assert.rejects(membership.commit([{ topic: 't', partition: 0, offset: 5n }]), { code: 'REBALANCE_IN_PROGRESS' }, refusal)
  }
  refusals.push('GROUP_AUTHORIZATION_FAILED')
  await assert.rejects(membership.commit([{ topic: 't', partition: 0, offset: 5n }]), { code: 'GROUP_AUTHORIZATION_FAILED' })
  assert.deepEqual(committed, [])
  await membership.close()
})
