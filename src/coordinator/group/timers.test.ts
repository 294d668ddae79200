import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { joinedKey } from '../../base.ts'
import { type TestGroups, testGroups } from './group.testing.ts'
import { joining, stateless } from './streams/streams.testing.ts'

const caller = { apiVersion: 1, clientId: 'c', clientHost: '/h' }
const joins = 0
const leaves = -1

const protocols: Record<string, (groups: TestGroups, groupId: string, memberId: string, memberEpoch: number) => Promise<unknown>> = {
  consumer: (groups, groupId, memberId, memberEpoch) => {
    const said = { instanceId: null, rackId: null, rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['t'], subscribedTopicRegex: null }
    const request = { groupId, memberId, memberEpoch, ...said, serverAssignor: null, topicPartitions: [] }
    return groups.coordinator.consumerHeartbeat(request, caller, () => true)
  },
  share: (groups, groupId, memberId, memberEpoch) =>
    groups.coordinator.shareHeartbeat({ groupId, memberId, memberEpoch, rackId: null, subscribedTopicNames: ['t'] }, caller),
  streams: (groups, groupId, memberId, memberEpoch) => {
    const tasks = memberEpoch === joins ? [] : null
    return groups.coordinator.streamsHeartbeat(
      {
        ...joining,
        groupId,
        memberId,
        memberEpoch,
        topology: memberEpoch === joins ? stateless : null,
        activeTasks: tasks,
        standbyTasks: tasks,
        warmupTasks: tasks,
      },
      caller,
    )
  },
}

describe('timers', () => {
  for (const [protocol, heartbeat] of Object.entries(protocols)) {
    it(`of a ${protocol} group: a member of another group does not stop them, whatever their names`, async () => {
      const groups = testGroups()
      groups.topics.set('t', 1)
      const beat = async (groupId: string, memberId: string, memberEpoch: number) => {
        const answer = heartbeat(groups, groupId, memberId, memberEpoch)
        answer.catch(() => {})
        await groups.system.settle()
        await answer
      }
      await beat('a', 'b-c', joins)
      await beat('a-b', 'c', joins)
      await beat('a-b', 'c', leaves)
      assert.equal(await groups.coordinator.memberCount('a'), 1)
      await groups.system.advance(24 * 3_600_000)
      assert.equal(await groups.coordinator.memberCount('a'), 0, 'its session ended long ago')
    })
  }

  it('have keys that no two lists of names share', () => {
    const lists = [
      ['a', 'b-c'],
      ['a-b', 'c'],
      ['a-b-c'],
      ['a,b', 'c'],
      ['a","b', 'c'],
      ['a', 'b","c'],
      ['a', '', 'b'],
      ['a', 'b'],
      ['\ud800', 'a'],
      ['\ud801', 'a'],
    ]
    assert.equal(new Set(lists.map(names => joinedKey(...names))).size, lists.length)
  })
})
