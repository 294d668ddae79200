import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type TestGroups, testGroups } from '../group.testing.ts'
import { defaultGroupSettings } from '../settings.ts'
import type { StreamsHeartbeatRequest } from './heartbeat-request.ts'
import { statusCodes } from './progress.ts'
import { Client, fails, groupsWith, info, parse, settled, stateless, statuses, subtopology, wordCount, written } from './streams.testing.ts'
import type { Topology } from './streams-records.ts'

test('the first member brings the topology and gets all tasks: response and records', async () => {
  const groups = groupsWith()
  const seen = { count: 0 }
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  const response = await a.beat()
  assert.deepEqual(
    { ...response, status: statuses(response) },
    {
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: null,
      memberId: 'a',
      memberEpoch: 2,
      heartbeatIntervalMs: 5_000,
      acceptableRecoveryLagLegacy: 0,
      taskOffsetIntervalMs: 60_000,
      acceptableRecoveryLag: 10_000,
      status: [],
      activeTasks: [{ subtopologyId: '0', partitions: [0, 1] }],
      standbyTasks: [],
      warmupTasks: [],
      endpointInformationEpoch: 0,
      partitionsByUserEndpoint: null,
    },
  )
  assert.deepEqual(written(groups, seen), [
    'member a p-a topology 0',
    'topology 0 [0]',
    'metadata 2 validated 0 num.standby.replicas,0',
    'target a [0_0,0_1|]',
    'target-epoch 2',
    'current a 0>2 STABLE [0_0,0_1|] revokes [|]',
  ])
  assert.equal((await a.beat()).activeTasks, null)
  assert.deepEqual(written(groups, seen), [])
  const [listed] = await groups.coordinator.listGroups(new Set(), new Set(['streams']))
  assert.deepEqual(listed, { groupId: 'g', protocolType: 'streams', groupState: 'Stable', groupType: 'streams' })
})

test('tasks move to a newcomer only after their owner has given them back', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat()
  await groups.system.advance(2_000)
  const seen = { count: groups.log.records().length }
  await b.beat()
  assert.deepEqual([b.epoch, b.active], [3, []])
  const before = a.active
  await a.beat()
  assert.deepEqual([a.epoch, a.active], [2, ['0_0', '0_1']])
  assert.equal((await groups.coordinator.describeStreamsGroup('g')).groupState, 'Reconciling')
  // Still says that it runs all: nothing moves.
  await a.beat({ activeTasks: parse(before) })
  await b.beat()
  assert.deepEqual([a.epoch, b.active], [2, []])
  await a.beat()
  await b.beat()
  assert.deepEqual([a.epoch, b.epoch, b.active], [3, 3, ['0_2', '0_3']])
  assert.deepEqual(written(groups, seen), [
    'member b p-b topology 0',
    'metadata 3 validated 0 num.standby.replicas,0',
    'target a [0_0,0_1|]',
    'target b [0_2,0_3|]',
    'target-epoch 3',
    'current b 0>3 UNRELEASED_TASKS [|] revokes [|]',
    'current a 2>2 UNREVOKED_TASKS [0_0,0_1|] revokes [0_2,0_3|]',
    'current b 3>3 UNRELEASED_TASKS [|] revokes [|]',
    'current a 2>3 STABLE [0_0,0_1|] revokes [|]',
    'current b 3>3 STABLE [0_2,0_3|] revokes [|]',
  ])
  await b.leave()
  assert.deepEqual(written(groups, seen), [
    'current b gone',
    'target b gone',
    'member b gone',
    'metadata 4 validated 0 num.standby.replicas,0',
  ])
  await groups.system.advance(2_000)
  await a.beat()
  assert.deepEqual([a.epoch, a.active.length], [4, 4])
  await a.leave()
  assert.deepEqual(written(groups, seen).at(-1), 'target-epoch 5')
  assert.equal((await groups.coordinator.describeStreamsGroup('g')).groupState, 'Empty')
})

test('an empty group waits for more members before it assigns anything', async () => {
  const groups = groupsWith({ initialRebalanceDelayMs: 3_000 })
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  const first = await a.beat()
  assert.deepEqual([first.memberEpoch, a.active, statuses(first)], [1, [], [statusCodes.ASSIGNMENT_DELAYED]])
  // Asks again when the assignment is there, not a whole interval later.
  assert.equal(first.heartbeatIntervalMs, 3_000)
  await groups.system.advance(1_000)
  assert.equal((await b.beat()).heartbeatIntervalMs, 2_000)
  await groups.system.advance(2_000)
  assert.deepEqual(statuses(await a.beat()), [])
  await b.beat()
  assert.deepEqual([a.epoch, a.active, b.epoch, b.active], [3, ['0_0', '0_2'], 3, ['0_1', '0_3']])
})

test('a changed membership waits for the assignment interval', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat()
  const response = await b.beat()
  assert.deepEqual([response.memberEpoch, statuses(response), response.heartbeatIntervalMs], [2, [statusCodes.ASSIGNMENT_DELAYED], 1_000])
  await groups.system.advance(1_000)
  await a.beat()
  await a.beat()
  await b.beat()
  assert.deepEqual([a.active, b.active], [['0_0'], ['0_1']])
})

test('topics are looked at: missing sources, internal topics to create, wrong partition counts', async () => {
  const groups = groupsWith({ assignmentIntervalMs: 0 })
  const a = new Client(groups, 'a', { topology: wordCount })
  assert.deepEqual(statuses(await a.beat()), [statusCodes.MISSING_SOURCE_TOPICS])
  assert.deepEqual([a.epoch, a.active, a.missing], [2, [], []])
  assert.equal((await groups.coordinator.describeStreamsGroup('g')).groupState, 'NotReady')
  groups.topics.set('t', 2)
  const missing = await a.beat()
  assert.deepEqual(statuses(missing), [statusCodes.MISSING_INTERNAL_TOPICS])
  assert.equal(missing.status?.[0]?.statusDetail, 'Internal topics are missing: rep, log')
  assert.deepEqual(a.missing, ['rep:2', 'log:2'])
  groups.topics.set('rep', 2)
  groups.topics.set('log', 3)
  assert.deepEqual(statuses(await a.beat()), [statusCodes.INCORRECTLY_PARTITIONED_TOPICS])
  groups.topics.set('log', 0)
  groups.topics.set('log', 2)
  assert.deepEqual(statuses(await a.beat()), [])
  assert.deepEqual(a.active, ['0_0', '0_1', '1_0', '1_1'])
  const { topology, groupState } = await groups.coordinator.describeStreamsGroup('g')
  assert.deepEqual([groupState, topology?.subtopologies?.[1]?.repartitionSourceTopics[0]?.partitions], ['Stable', 2])
  // The source grows: its tasks, and what depends on it, no longer fit.
  groups.topics.set('t', 3)
  assert.deepEqual(statuses(await a.beat()), [statusCodes.INCORRECTLY_PARTITIONED_TOPICS])
})

test('standby tasks go to other processes, and become active when the active one goes', async () => {
  const groups = groupsWith({ assignmentIntervalMs: 0, numStandbyReplicas: 1 })
  for (const name of ['t', 'rep', 'log']) groups.topics.set(name, 2)
  const a = new Client(groups, 'a', { topology: wordCount })
  const b = new Client(groups, 'b', { topology: wordCount })
  await a.beat()
  assert.deepEqual([a.active.length, a.standby], [4, []])
  await b.beat()
  for (let round = 0; round < 3; round++) {
    await a.beat()
    await b.beat()
  }
  assert.deepEqual([...a.active, ...b.active].sort(), ['0_0', '0_1', '1_0', '1_1'])
  const stateful = (tasks: string[]) => tasks.filter(task => task.startsWith('1'))
  assert.deepEqual([stateful(a.active), stateful(b.active)], [b.standby, a.standby])
  const kept = b.standby
  await a.leave()
  await b.beat()
  await b.beat()
  assert.deepEqual([b.active.length, b.standby, b.active.filter(task => kept.includes(task))], [4, [], kept])
})

test('epochs fence, lost answers are given again, strangers are unknown', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  await a.beat()
  assert.equal(await fails(a.beat({ memberEpoch: 9 })), 'FENCED_MEMBER_EPOCH')
  assert.equal(await fails(new Client(groups, 'x').beat({ memberEpoch: 3 })), 'UNKNOWN_MEMBER_ID')
  assert.equal(await fails(a.beat({ groupId: 'other' })), 'GROUP_ID_NOT_FOUND')
  assert.equal(await fails(new Client(groups, 'x').leave()), 'UNKNOWN_MEMBER_ID')
  // Begins anew with what is its own.
  a.epoch = 0
  await a.beat()
  assert.deepEqual([a.epoch, a.active], [2, ['0_0', '0_1']])
  await groups.system.advance(2_000)
  const b = new Client(groups, 'b')
  await b.beat()
  await a.beat()
  await a.beat()
  assert.equal(a.epoch, 3)
  assert.equal((await a.beat({ memberEpoch: 2 })).memberEpoch, 3)
  assert.equal(await fails(a.beat({ memberEpoch: 2, activeTasks: parse(['0_1']) })), 'FENCED_MEMBER_EPOCH')
})

test('what a request must have right', async () => {
  const groups = groupsWith({}, 1)
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  const bad = (more: Partial<StreamsHeartbeatRequest>) => fails(a.beat(more))
  const told = (...subtopologies: Topology['subtopologies']) => ({ topology: { epoch: 0, subtopologies } })
  assert.equal(await bad({ memberId: ' ' }), 'INVALID_REQUEST')
  assert.equal(await bad({ rackId: '' }), 'INVALID_REQUEST')
  assert.equal(await bad({ rebalanceTimeoutMs: -1 }), 'INVALID_REQUEST')
  assert.equal(await bad({ activeTasks: parse(['0_1']) }), 'INVALID_REQUEST')
  assert.equal(await bad({ topology: null }), 'INVALID_REQUEST')
  assert.equal(await bad({ memberEpoch: -3 }), 'INVALID_REQUEST')
  assert.equal(await bad({ memberEpoch: -2 }), 'INVALID_REQUEST')
  assert.equal(await bad({ activeTasks: null }), 'INVALID_REQUEST')
  assert.equal(await bad(told(subtopology('0', ['t'], { sourceTopicRegex: ['x.*'] }))), 'INVALID_REQUEST')
  assert.equal(await bad(told(subtopology('0', ['t'], { stateChangelogTopics: [info('log', 3)] }))), 'STREAMS_INVALID_TOPOLOGY')
  assert.equal(await bad(told(subtopology('0', []))), 'STREAMS_INVALID_TOPOLOGY')
  assert.equal(await bad(told(subtopology('0', ['t']), subtopology('0', ['u']))), 'STREAMS_INVALID_TOPOLOGY')
  const groupOf = (...sourceTopics: number[]) => [{ sourceTopics, sourceTopicRegex: [], repartitionSourceTopics: [] }]
  assert.equal(await bad(told(subtopology('0', ['t'], { copartitionGroups: groupOf(0, 1) }))), 'STREAMS_INVALID_TOPOLOGY')
  assert.equal(await bad(told(subtopology('0', ['t'], { repartitionSourceTopics: [info('rep')] }))), 'STREAMS_INVALID_TOPOLOGY')
  await a.beat()
  assert.equal(await bad({ topology: stateless }), 'INVALID_REQUEST')
  assert.equal(await bad({ activeTasks: parse(['0_2']) }), 'INVALID_REQUEST')
  assert.equal(await bad({ activeTasks: parse(['9_0']) }), 'INVALID_REQUEST')
  assert.equal(await bad({ taskOffsets: [1, 2].map(offset => ({ subtopologyId: '0', partition: 0, offset })) }), 'INVALID_REQUEST')
  const b = new Client(groups, 'b')
  assert.equal(await fails(b.beat()), 'GROUP_MAX_SIZE_REACHED')
  assert.equal(
    await fails(a.beat({ memberEpoch: 0, rebalanceTimeoutMs: 1, activeTasks: [], ...told(subtopology('0', ['u'])) })),
    'INVALID_REQUEST',
  )
})

test('a member with an older topology gets a status', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const newer = { ...stateless, epoch: 1 }
  await new Client(groups, 'a', { topology: newer }).beat()
  assert.deepEqual(statuses(await new Client(groups, 'b').beat()), [statusCodes.STALE_TOPOLOGY, statusCodes.ASSIGNMENT_DELAYED])
})

test('silence, and tasks that are not given back, end a membership', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat({ rebalanceTimeoutMs: 20_000 })
  await groups.system.advance(2_000)
  await b.beat()
  const before = a.active
  await a.beat()
  for (let spent = 0; spent < 20_000; spent += 5_000) {
    assert.equal((await a.beat({ activeTasks: parse(before) })).memberEpoch, 2)
    await b.beat()
    await groups.system.advance(5_000)
  }
  assert.equal(await fails(a.beat()), 'UNKNOWN_MEMBER_ID')
  await b.beat()
  assert.deepEqual(b.active, ['0_0', '0_1'])
  await groups.system.advance(45_000)
  assert.equal(await fails(b.beat()), 'UNKNOWN_MEMBER_ID')
  assert.equal((await groups.coordinator.describeStreamsGroup('g')).groupState, 'Empty')
})

test('a static member returns to its tasks with another id', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a', { instanceId: 'one', processId: 'p1' })
  const b = new Client(groups, 'b', { instanceId: 'two', processId: 'p2' })
  await a.beat()
  await groups.system.advance(2_000)
  await b.beat()
  await a.beat()
  await a.beat()
  await b.beat()
  const seen = { count: groups.log.records().length }
  const successor = new Client(groups, 'b2', { instanceId: 'two', processId: 'p2' })
  assert.equal(await fails(successor.beat()), 'UNRELEASED_INSTANCE_ID')
  assert.equal((await b.leave(-2)).memberEpoch, -2)
  await successor.beat()
  assert.deepEqual([successor.epoch, successor.active], [3, b.active.length === 0 ? ['0_2', '0_3'] : b.active])
  assert.deepEqual(written(groups, seen), [
    'current b 3>-2 STABLE [0_2,0_3|] revokes [|]',
    'current b gone',
    'target b gone',
    'member b gone',
    'member b2 p2 topology 0',
    'target b2 [0_2,0_3|]',
    'current b2 0>0 STABLE [0_2,0_3|] revokes [|]',
    'current b2 0>3 STABLE [0_2,0_3|] revokes [|]',
  ])
  b.epoch = 3
  assert.equal(await fails(b.beat()), 'FENCED_INSTANCE_ID')
  assert.equal((await groups.coordinator.describeStreamsGroup('g')).groupState, 'Stable')
})

test('a member can shut the application down; all members get the status until all have left', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  await a.beat()
  const b = new Client(groups, 'b')
  await b.beat()
  await b.beat({ shutdownApplication: true })
  const told = (await a.beat()).status!.at(-1)!
  assert.equal(told.statusCode, statusCodes.SHUTDOWN_APPLICATION)
  assert.match(told.statusDetail, /^Streams group member b encountered a fatal error/)
  await a.leave()
  await b.leave()
  a.epoch = 0
  assert.deepEqual(statuses(await a.beat()), [])
})

test('members learn who answers queries for which partitions', async () => {
  const groups = groupsWith({ assignmentIntervalMs: 0 })
  for (const name of ['t', 'rep', 'log']) groups.topics.set(name, 2)
  const a = new Client(groups, 'a', { topology: wordCount, userEndpoint: { host: 'one', port: 1 } })
  const response = await a.beat()
  const all = [
    { topic: 't', partitions: [0, 1] },
    { topic: 'rep', partitions: [0, 1] },
  ]
  assert.deepEqual(response.partitionsByUserEndpoint, [
    { userEndpoint: { host: 'one', port: 1 }, activePartitions: all, standbyPartitions: [] },
  ])
  const b = new Client(groups, 'b', { topology: wordCount })
  await b.beat()
  const changed = await a.beat()
  assert.equal(changed.partitionsByUserEndpoint?.length, 1)
  assert.equal((await a.beat()).partitionsByUserEndpoint, null)
  assert.equal((await b.beat()).partitionsByUserEndpoint?.length, 1)
})

test('reported offsets are kept for the tasks that exist', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  await a.beat()
  const at = (subtopologyId: string, partition: number) => ({ subtopologyId, partition, offset: 5 })
  await a.beat({ taskOffsets: [at('0', 1), at('0', 2), at('0', -1), at('x', 0)] })
  await a.beat({ taskEndOffsets: [at('0', 0)] })
  const [member] = (await groups.coordinator.describeStreamsGroup('g')).members
  assert.deepEqual([member?.taskOffsets, member?.taskEndOffsets], [[at('0', 1)], [at('0', 0)]])
})

test('rack-aware tags that a member lacks are named', async () => {
  const groups = groupsWith({ rackAwareAssignmentTags: ['zone', 'cluster'] })
  groups.topics.set('t', 2)
  const seen = { count: 0 }
  const a = new Client(groups, 'a', { clientTags: [{ key: 'zone', value: 'z' }] })
  const [status] = (await a.beat()).status!
  assert.equal(status?.statusCode, statusCodes.MISSING_CLIENT_TAGS)
  assert.match(status?.statusDetail ?? '', /\[cluster\]/)
  assert.deepEqual(statuses(await a.beat({}, 0)), [])
  assert.equal(written(groups, seen)[2], 'metadata 2 validated 0 num.standby.replicas,0,rack.aware.assignment.tags,zone,cluster')
})

test('a config of the group that matters to assignments brings a new one', async () => {
  const config = { ...defaultGroupSettings.streams.of('g'), initialRebalanceDelayMs: 0, assignmentIntervalMs: 0 }
  const groups = testGroups({ streams: { maxSize: 10, of: () => config } })
  groups.topics.set('t', 1)
  const a = new Client(groups, 'a')
  await a.beat()
  config.numStandbyReplicas = 1
  await a.beat()
  assert.equal(a.epoch, 3)
})

test('everything is there again after a restart', async () => {
  const groups = groupsWith({ assignmentIntervalMs: 0 })
  const topics = ['t', 'rep', 'log']
  for (const name of topics) groups.topics.set(name, 2)
  const a = new Client(groups, 'a', { topology: wordCount })
  const b = new Client(groups, 'b', { topology: wordCount })
  await a.beat()
  await b.beat()
  await a.beat()
  const restarted = groups.restart()
  for (const name of topics) restarted.topics.set(name, 2)
  await restarted.system.settle()
  const described = async (of: TestGroups) => {
    const { topology: _topology, ...rest } = await of.coordinator.describeStreamsGroup('g')
    return rest
  }
  assert.deepEqual(await described(restarted), await described(groups))
  const again = new Client(restarted, 'a')
  again.epoch = a.epoch
  again.active = a.active
  await again.beat()
  assert.equal(again.epoch, 3)
})

test('empty groups change their protocol: classic to streams and back', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  assert.equal(await settled(groups, groups.commit(null, { 0: 5 })), 'NONE')
  const a = new Client(groups, 'a')
  await a.beat()
  assert.equal(await groups.fetch(), 't 0:5')
  assert.notEqual((await settled(groups, groups.join({ version: 3 }))).errorCode, 0)
  await a.leave()
  const joined = groups.join({ version: 3 })
  await groups.system.advance(10_000)
  assert.equal((await joined).errorCode, 0)
  assert.equal(await fails(a.beat({ memberEpoch: 0, rebalanceTimeoutMs: 1, topology: stateless })), 'GROUP_ID_NOT_FOUND')
  assert.equal((await groups.coordinator.listGroups(new Set(), new Set()))[0]?.groupType, 'classic')
  assert.equal(await groups.fetch(), 't 0:5')
})

test('offsets are committed by those that hold the task, in their epoch', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 2)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat()
  await groups.system.advance(2_000)
  await b.beat()
  await a.beat()
  const commit = (memberId: string, generationId: number, partitionIndex: number, version = 9) =>
    fails(
      settled(
        groups,
        groups.coordinator.commitOffsets(
          {
            groupId: 'g',
            memberId,
            groupInstanceId: null,
            generationId,
            retentionTimeMs: -1,
            topics: [
              {
                name: 't',
                topicId: groups.topics.topic('t')!.id,
                partitions: [
                  { partitionIndex, committedOffset: 7, committedLeaderEpoch: -1, committedMetadata: null, commitTimestamp: -1 },
                ],
              },
            ],
          },
          version,
        ),
      ),
    )
  assert.equal(await commit('a', 2, 1), 'NONE')
  assert.equal(await commit('a', 2, 0, 8), 'UNSUPPORTED_VERSION')
  assert.equal(await commit('a', 9, 0), 'STALE_MEMBER_EPOCH')
  assert.equal(await commit('x', 2, 0), 'UNKNOWN_MEMBER_ID')
  await a.beat()
  // Held since epoch 2, and still: an older epoch may commit it; what was given back it may not.
  assert.deepEqual([a.epoch, a.active], [3, ['0_0']])
  assert.equal(await commit('a', 2, 0), 'NONE')
  assert.equal(await commit('a', 2, 1), 'STALE_MEMBER_EPOCH')
  assert.equal(await commit('a', 1, 0), 'STALE_MEMBER_EPOCH')
  const fetchAs = (memberId: string | null, memberEpoch: number) =>
    fails(groups.coordinator.fetchOffsets('g', null, false, { memberId, memberEpoch }))
  assert.deepEqual(
    [await fetchAs('a', 3), await fetchAs('a', 2), await fetchAs('x', 3), await fetchAs(null, -1)],
    ['NONE', 'STALE_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID', 'NONE'],
  )
  const [deleted] = await settled(groups, groups.coordinator.deleteOffsets('g', [{ name: 't', partitionIndexes: [0] }]))
  assert.notEqual(deleted!.partitions[0]!.errorCode, 0)
})

test('a group goes when it is deleted, or when its offsets have expired: tombstones in an order that replays', async () => {
  const groups = groupsWith()
  groups.topics.set('t', 1)
  const a = new Client(groups, 'a')
  await a.beat()
  const [refused] = await settled(groups, groups.coordinator.deleteGroups(['g']))
  assert.notEqual(refused?.errorCode, 0)
  await a.leave()
  const seen = { count: groups.log.records().length }
  const [deleted] = await settled(groups, groups.coordinator.deleteGroups(['g']))
  assert.equal(deleted?.errorCode, 0)
  assert.deepEqual(written(groups, seen), ['target-epoch gone', 'metadata gone', 'topology gone'])
  assert.deepEqual(await groups.coordinator.listGroups(new Set(), new Set()), [])
  a.epoch = 0
  await a.beat()
  await a.leave()
  await groups.system.advance(groups.settings.offsetsRetentionCheckIntervalMs + 1)
  assert.deepEqual(await groups.coordinator.listGroups(new Set(), new Set()), [])
  const restarted = groups.restart()
  await restarted.system.settle()
  assert.deepEqual(await restarted.coordinator.listGroups(new Set(), new Set()), [])
})
