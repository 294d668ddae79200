import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Uuid } from '../../../protocol.ts'
import { type TestGroups, testGroups } from '../group.testing.ts'
import type { ShareHeartbeatRequest } from './share-groups.ts'
import { assignSimply } from './simple-assignor.ts'

const one = 'one' as Uuid
const two = 'two' as Uuid

async function beat(groups: TestGroups, memberId: string, memberEpoch: number, more: Partial<ShareHeartbeatRequest> = {}) {
  const subscribedTopicNames = memberEpoch === 0 ? ['t'] : null
  const request = { groupId: 's', memberId, memberEpoch, rackId: null, subscribedTopicNames, ...more }
  const answer = groups.coordinator.shareHeartbeat(request, { apiVersion: 1, clientId: 'c', clientHost: '/h' })
  answer.catch(() => {})
  await groups.system.settle()
  const response = await answer
  const partitions = response.assignment?.topicPartitions.flatMap(topic => topic.partitions) ?? null
  return { epoch: response.memberEpoch, partitions, intervalMs: response.heartbeatIntervalMs }
}

test('every member has a partition, and every partition a member', () => {
  const show = (targets: ReturnType<typeof assignSimply>) =>
    Array.from(
      targets,
      ([memberId, target]) => `${memberId} ${[...target].map(([topicId, set]) => `${topicId}:${[...set].join('+')}`).join(' ')}`,
    ).sort()
  assert.deepEqual(show(assignSimply([{ topicId: one, partitionCount: 1, memberIds: ['a', 'b'] }])), ['a one:0', 'b one:0'])
  assert.deepEqual(show(assignSimply([{ topicId: one, partitionCount: 3, memberIds: ['a', 'b'] }])), ['a one:0+2', 'b one:1'])
  const both = [
    { topicId: one, partitionCount: 1, memberIds: ['a'] },
    { topicId: two, partitionCount: 2, memberIds: ['a', 'b', 'c'] },
  ]
  assert.deepEqual(show(assignSimply(both)), ['a one:0 two:0', 'b two:0', 'c two:1'])
})

test('members join, share, leave and time out', async () => {
  const groups = testGroups()
  groups.topics.set('t', 2)
  assert.deepEqual(await beat(groups, 'a', 0), { epoch: 1, partitions: [0, 1], intervalMs: 5_000 })
  // The next assignment is put off for a second; the newcomer is asked to come back then.
  assert.deepEqual(await beat(groups, 'b', 0), { epoch: 1, partitions: [], intervalMs: 1_000 })
  await groups.system.advance(1_000)
  assert.deepEqual((await beat(groups, 'b', 1)).partitions, [1])
  assert.deepEqual((await beat(groups, 'a', 1)).partitions, [0])
  assert.equal((await beat(groups, 'a', 2)).partitions, null)
  const described = await groups.coordinator.describeShareGroup('s')
  assert.deepEqual([described.groupState, described.members.length, described.groupEpoch], ['Stable', 2, 2])
  assert.equal((await beat(groups, 'b', -1)).epoch, -1)
  await groups.system.advance(5_000)
  assert.deepEqual((await beat(groups, 'a', 2)).partitions, [0, 1])
  await groups.system.advance(45_001)
  assert.equal((await groups.coordinator.describeShareGroup('s')).groupState, 'Empty')
})

test('a member that would make the assignment too large to be written is refused, and the others keep theirs', async () => {
  const groups = testGroups()
  const subscribedTopicNames = Array.from({ length: 2_000 }, (_, n) => `t-${n}`)
  for (const name of subscribedTopicNames) groups.topics.set(name, 1)
  for (let n = 0; n < 10; n++) await beat(groups, `m${n}`, 0, { subscribedTopicNames })
  await assert.rejects(beat(groups, 'more', 0, { subscribedTopicNames }), { name: 'GROUP_MAX_SIZE_REACHED', message: /22000.*20000/ })
  assert.equal((await beat(groups, 'small', 0, { subscribedTopicNames: ['none'] })).epoch, 1)
  await groups.system.advance(1_000)
  for (let n = 1; n < 10; n++) assert.equal((await beat(groups, `m${n}`, 1)).partitions?.length, 2_000)
  assert.ok(Math.max(...groups.log.batches.map(batch => batch.length)) < 1_048_588)
})

test('refuses strangers, wrong epochs and other kinds of groups', async () => {
  const groups = testGroups()
  groups.topics.set('t', 1)
  await beat(groups, 'a', 0)
  await assert.rejects(beat(groups, 'x', 3), { name: 'UNKNOWN_MEMBER_ID' })
  await assert.rejects(beat(groups, 'a', 3), { name: 'FENCED_MEMBER_EPOCH' })
  await assert.rejects(beat(groups, 'a', 0, { subscribedTopicNames: [] }), { name: 'INVALID_REQUEST' })
  await assert.rejects(beat(groups, 'a', 1, { groupId: 'none' }), { name: 'GROUP_ID_NOT_FOUND' })
  await assert.rejects(groups.coordinator.describeConsumerGroup('s'), { name: 'GROUP_ID_NOT_FOUND' })
  const joined = groups.join({ groupId: 's' })
  await groups.system.settle()
  assert.equal((await joined).errorCode, 23)
})

test('knows for which topics there is state, and forgets them when empty', async () => {
  const groups = testGroups()
  const topicId = groups.topics.set('t', 2)
  await beat(groups, 'a', 0)
  const again = groups.restart()
  await groups.system.settle()
  assert.deepEqual([...(await again.coordinator.shareGroupTopics('s'))], [[topicId, { name: 't', partitions: new Set([0, 1]) }]])
  await assert.rejects(again.coordinator.forgetShareTopics('s', new Set([topicId])), { name: 'NON_EMPTY_GROUP' })
  await beat(again, 'a', -1)
  const forgetting = again.coordinator.forgetShareTopics('s', new Set([topicId]))
  await groups.system.settle()
  assert.deepEqual([...(await forgetting).keys()], [topicId])
  assert.equal((await again.coordinator.shareGroupTopics('s')).size, 0)
})

test('altering offsets makes the group when there is none', async () => {
  const groups = testGroups()
  const topicId = groups.topics.set('t', 2)
  const topics = new Map([[topicId, { name: 't', partitions: new Set([1]) }]])
  const altering = groups.coordinator.beginAlterShareOffsets('s', topics)
  await groups.system.settle()
  assert.equal(await altering, 1)
  const again = groups.restart()
  await again.system.settle()
  assert.equal((await again.coordinator.describeShareGroup('s')).groupState, 'Empty')
  assert.deepEqual([...(await again.coordinator.shareGroupTopics('s'))], [...topics])
  // Another kind of group stays what it is.
  const joined = again.join({ groupId: 'classic' })
  await again.system.settle()
  await joined
  const refused = again.coordinator.beginAlterShareOffsets('classic', topics)
  refused.catch(() => {})
  await again.system.settle()
  await assert.rejects(refused, { name: 'GROUP_ID_NOT_FOUND' })
})
