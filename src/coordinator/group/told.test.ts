import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestGroups, testGroups } from './group.testing.ts'
import { Client as StreamsClient } from './streams/streams.testing.ts'

const caller = { apiVersion: 1, clientId: 'c', clientHost: '/h' }
/** Room for fifteen names of topics. */
const limits = { groupMaxMetadataBytes: 15 * 64 }
const refusal = { name: 'GROUP_MAX_SIZE_REACHED', message: /group\.max\.metadata\.bytes=960/ }

const names = (count: number) => Array.from({ length: count }, (_, n) => `t${n}`)

async function run<T>(groups: TestGroups, work: Promise<T>): Promise<T> {
  work.catch(() => {})
  await groups.system.settle()
  return work
}

const kinds = {
  consumer: (groups: TestGroups, memberId: string, memberEpoch: number, count: number) => {
    const more = { instanceId: null, serverAssignor: null, subscribedTopicRegex: null, topicPartitions: [] }
    const request = { ...beat(memberId, memberEpoch, count), ...more, rebalanceTimeoutMs: 60_000 }
    return run(
      groups,
      groups.coordinator.consumerHeartbeat(request, caller, () => true),
    )
  },
  share: (groups: TestGroups, memberId: string, memberEpoch: number, count: number) =>
    run(groups, groups.coordinator.shareHeartbeat(beat(memberId, memberEpoch, count), caller)),
}

function beat(memberId: string, memberEpoch: number, count: number) {
  return { groupId: 'g', memberId, memberEpoch, rackId: null, subscribedTopicNames: names(count) }
}

for (const [kind, send] of Object.entries(kinds)) {
  test(`what the members of a ${kind} group subscribe to has a bound, also after a restart`, async () => {
    let groups = testGroups(limits)
    const { memberEpoch } = await send(groups, 'a', 0, 10)
    await assert.rejects(send(groups, 'b', 0, 10), refusal)
    await send(groups, 'b', 0, 5)
    await assert.rejects(send(groups, 'a', memberEpoch, 11), refusal)
    groups = groups.restart()
    await groups.system.settle()
    await assert.rejects(send(groups, 'c', 0, 1), refusal)
    await send(groups, 'b', 0, 4)
    await send(groups, 'c', 0, 1)
    await send(groups, 'b', -1, 0)
    await send(groups, 'c', 0, 5)
  })
}

test('the metadata of the members of a streams group is limited', async () => {
  const groups = testGroups(limits)
  groups.topics.set('t', 1)
  const clientTags = names(6).map(key => ({ key, value: 'v' }))
  const one = new StreamsClient(groups, 'a', { clientTags })
  await one.beat()
  const two = new StreamsClient(groups, 'b', { clientTags })
  await assert.rejects(two.beat(), refusal)
  await one.leave()
  await two.beat()
})
