import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../../../test/support/processor-time.ts'
import { consumerProtocol, decodeConsumerProtocol, type Uuid } from '../../../protocol.ts'
import { memoryPartitionLog } from '../../runtime.testing.ts'
import { subscription, type TestGroups, testGroups } from '../group.testing.ts'
import type { ConsumerHeartbeatRequest, ConsumerHeartbeatResponse } from './consumer-groups.ts'

type Owned = { topicId: Uuid; partitions: number[] }[]

/** A client of the protocol that says only what matters. */
class Client {
  readonly id: string
  epoch = 0
  owned: Owned = []
  readonly #groups: TestGroups
  readonly #more: Partial<ConsumerHeartbeatRequest>

  constructor(groups: TestGroups, id: string, more: Partial<ConsumerHeartbeatRequest> = {}) {
    this.#groups = groups
    this.id = id
    this.#more = more
  }

  async beat(more: Partial<ConsumerHeartbeatRequest> = {}): Promise<ConsumerHeartbeatResponse> {
    const joins = (more.memberEpoch ?? this.epoch) === 0
    const request: ConsumerHeartbeatRequest = {
      groupId: 'g',
      memberId: this.id,
      memberEpoch: this.epoch,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: joins ? 60_000 : -1,
      subscribedTopicNames: joins ? ['t'] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: joins ? [] : this.owned,
      ...(joins ? this.#more : { instanceId: this.#more.instanceId ?? null }),
      ...more,
    }
    const answer = this.#groups.coordinator.consumerHeartbeat(request, { apiVersion: 1, clientId: 'c', clientHost: '/h' }, () => true)
    answer.catch(() => {})
    await this.#groups.system.settle()
    const response = await answer
    this.epoch = response.memberEpoch
    if (response.assignment != null) this.owned = response.assignment.topicPartitions as Owned
    return response
  }

  get partitions(): number[] {
    return this.owned.flatMap(({ partitions }) => partitions)
  }
}

async function fails(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'NONE'
  } catch (error) {
    return (error as Error).name
  }
}

async function groupOfTwo() {
  const groups = testGroups()
  const topicId = groups.topics.set('t', 4)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  await a.beat()
  await groups.system.advance(2_000)
  await b.beat()
  await a.beat()
  await a.beat()
  await b.beat()
  return { groups, topicId, a, b }
}

test('partitions move to a newcomer only after their owner has given them back', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a')
  await a.beat()
  assert.deepEqual([a.epoch, a.partitions], [1, [0, 1, 2, 3]])
  await groups.system.advance(2_000)
  const b = new Client(groups, 'b')
  await b.beat()
  assert.deepEqual([b.epoch, b.partitions], [2, []])
  const before = a.owned
  await a.beat()
  assert.deepEqual([a.epoch, a.partitions], [1, [0, 1]])
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).groupState, 'Reconciling')
  // Still says that it owns all: nothing moves.
  a.owned = before
  await a.beat()
  await b.beat()
  assert.deepEqual([a.epoch, b.partitions], [1, []])
  a.owned = [{ ...before[0]!, partitions: [0, 1] }]
  await a.beat()
  await b.beat()
  assert.deepEqual([a.epoch, b.epoch, b.partitions], [2, 2, [2, 3]])
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).groupState, 'Stable')
})

test('epochs fence, lost answers are given again, strangers are unknown', async () => {
  const { a, b, groups } = await groupOfTwo()
  assert.equal(await fails(a.beat({ memberEpoch: 9 })), 'FENCED_MEMBER_EPOCH')
  assert.equal(await fails(a.beat({ memberEpoch: 1, topicPartitions: null })), 'FENCED_MEMBER_EPOCH')
  assert.equal((await a.beat({ memberEpoch: 1 })).memberEpoch, 2)
  assert.equal(await fails(new Client(groups, 'x').beat({ memberEpoch: 3 })), 'UNKNOWN_MEMBER_ID')
  assert.equal(await fails(b.beat({ groupId: 'other' })), 'GROUP_ID_NOT_FOUND')
  // Begins anew with what is its own.
  assert.deepEqual(
    (await b.beat({ memberEpoch: 0, rebalanceTimeoutMs: 1, subscribedTopicNames: ['t'], topicPartitions: [] })).memberEpoch,
    2,
  )
  assert.deepEqual(b.partitions, [2, 3])
  const invalid = { memberEpoch: 0, rebalanceTimeoutMs: 1, topicPartitions: [] }
  assert.equal(await fails(b.beat({ ...invalid, subscribedTopicNames: ['t'], serverAssignor: 'odd' })), 'UNSUPPORTED_ASSIGNOR')
  assert.equal(await fails(b.beat({ ...invalid, subscribedTopicNames: null })), 'INVALID_REQUEST')
  assert.equal(await fails(b.beat({ ...invalid, subscribedTopicRegex: '(' })), 'INVALID_REGULAR_EXPRESSION')
  assert.equal(await fails(b.beat({ memberEpoch: -3 })), 'INVALID_REQUEST')
})

test('a member that says all is told all, however it subscribes: it may have missed the answer with its partitions', async () => {
  for (const subscription of [
    { subscribedTopicNames: ['t'] },
    { subscribedTopicNames: null, subscribedTopicRegex: 't' },
    { subscribedTopicNames: [], subscribedTopicRegex: 't' },
  ]) {
    const groups = testGroups()
    const topicId = groups.topics.set('t', 2)
    const a = new Client(groups, 'a', subscription)
    const b = new Client(groups, 'b', subscription)
    await a.beat()
    await groups.system.advance(2_000)
    await b.beat()
    await a.beat()
    await a.beat()
    const given = [{ topicId, partitions: [1] }]
    assert.deepEqual((await b.beat({ topicPartitions: null })).assignment?.topicPartitions, given)
    // As if that answer were lost. The epoch is the same as before.
    b.owned = []
    assert.equal((await b.beat({ topicPartitions: null })).assignment, null)
    assert.equal((await b.beat({ topicPartitions: [] })).assignment, null)
    const full = { rebalanceTimeoutMs: 60_000, ...subscription, topicPartitions: [] }
    assert.deepEqual((await b.beat(full)).assignment?.topicPartitions, given, JSON.stringify(subscription))
    // Another coordinator knows what it has got, and not what it has been told.
    const again = groups.restart()
    again.topics.set('t', 2)
    await groups.system.settle()
    const later = new Client(again, 'b')
    later.epoch = b.epoch
    assert.deepEqual((await later.beat(full)).assignment?.topicPartitions, given)
  }
})

test('who leaves, keeps silent or does not give back is out', async () => {
  const { a, b, groups } = await groupOfTwo()
  await b.beat({ memberEpoch: -1 })
  await groups.system.advance(5_000)
  await a.beat()
  assert.deepEqual([a.epoch, a.partitions], [3, [0, 1, 2, 3]])
  await groups.system.advance(2_000)
  const late = new Client(groups, 'late')
  await late.beat()
  await a.beat()
  assert.deepEqual(a.partitions, [0, 1])
  // It sends heartbeats all the while, but does not say that the partitions are free.
  for (let minute = 0; minute < 7; minute++) {
    await groups.system.advance(10_000)
    await fails(a.beat({ topicPartitions: null }))
    await late.beat()
  }
  assert.deepEqual(late.partitions, [0, 1, 2, 3])
  await groups.system.advance(46_000)
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).groupState, 'Empty')
})

test('a static member keeps its place while it is away', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a', { instanceId: 'i' })
  await a.beat()
  const twin = new Client(groups, 'twin', { instanceId: 'i' })
  assert.equal(await fails(twin.beat()), 'UNRELEASED_INSTANCE_ID')
  assert.equal((await a.beat({ memberEpoch: -2 })).memberEpoch, -2)
  await twin.beat()
  assert.deepEqual([twin.epoch, twin.partitions], [1, [0, 1, 2, 3]])
  assert.equal(await fails(a.beat({ memberEpoch: 1 })), 'FENCED_INSTANCE_ID')
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).members.length, 1)
})

test('the instance id of a static member is free once the member has another', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const a = new Client(groups, 'a', { instanceId: 'i' })
  await a.beat()
  await a.beat({ memberEpoch: 0, instanceId: 'j' })
  const [b, c] = [new Client(groups, 'b', { instanceId: 'i' }), new Client(groups, 'c', { instanceId: 'j' })]
  assert.equal(await fails(b.beat()), 'NONE')
  assert.equal(await fails(c.beat()), 'UNRELEASED_INSTANCE_ID')
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).members.length, 2)
})

test('new partitions, new topics and deleted ones are assigned', async () => {
  const groups = testGroups()
  groups.topics.set('t', 1)
  const a = new Client(groups, 'a', { subscribedTopicRegex: 'r-.*' })
  await a.beat()
  const changes: [string, number, number][] = [
    ['t', 3, 3],
    ['r-1', 2, 5],
    ['other', 7, 5],
    ['t', 0, 2],
  ]
  for (const [name, partitions, expected] of changes) {
    await groups.system.advance(2_000)
    groups.topics.set(name, partitions)
    await a.beat()
    await a.beat()
    assert.equal(a.partitions.length, expected, `${name} with ${partitions}`)
  }
})

test('a regular expression finds topics that may be described, and reveals nothing about others', async () => {
  const groups = testGroups()
  const topicId = groups.topics.set('mine', 1)
  for (let n = 0; n < 100; n++) groups.topics.set(`hidden-${'a'.repeat(240)}-${n}`, 1)
  const request: ConsumerHeartbeatRequest = {
    groupId: 'g',
    memberId: 'm',
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: [],
    // Takes long for long names of this kind.
    subscribedTopicRegex: 'mine|hidden-((a?){100}){50}.*',
    serverAssignor: null,
    topicPartitions: [],
  }
  const beat = async (mayDescribe: (topic: string) => boolean) => {
    const answer = groups.coordinator.consumerHeartbeat(request, { apiVersion: 1, clientId: 'c', clientHost: '/h' }, mayDescribe, 200_000)
    answer.catch(() => {})
    await groups.system.settle()
    return answer
  }
  assert.equal(await fails(beat(() => true)), 'INVALID_REGULAR_EXPRESSION')
  const { assignment } = await beat(topic => topic === 'mine')
  assert.deepEqual(assignment?.topicPartitions, [{ topicId, partitions: [0] }])
})

test('targets are computed no more often than the interval allows', async () => {
  const groups = testGroups()
  groups.topics.set('t', 3)
  const a = new Client(groups, 'a')
  const b = new Client(groups, 'b')
  const c = new Client(groups, 'c')
  await a.beat()
  await b.beat()
  await c.beat()
  let described = await groups.coordinator.describeConsumerGroup('g')
  assert.deepEqual([described.groupEpoch, described.assignmentEpoch, described.groupState], [3, 1, 'Assigning'])
  assert.deepEqual([b.epoch, b.partitions], [1, []])
  await groups.system.advance(1_000)
  described = await groups.coordinator.describeConsumerGroup('g')
  assert.equal(described.assignmentEpoch, 3)
  for (const client of [a, a, b, c]) await client.beat()
  assert.deepEqual(
    [a, b, c].map(client => client.partitions.length),
    [1, 1, 1],
  )
})

test('everything is still there after a restart', async () => {
  const { a, groups, topicId } = await groupOfTwo()
  const before = await groups.coordinator.describeConsumerGroup('g')
  const again = groups.restart()
  again.topics.set('t', 4)
  await groups.system.settle()
  assert.deepEqual(await again.coordinator.describeConsumerGroup('g'), before)
  const later = new Client(again, 'a')
  later.epoch = a.epoch
  later.owned = [{ topicId, partitions: [0, 1] }]
  assert.equal((await later.beat()).memberEpoch, 2)
})

test('offsets are committed and fetched in the epoch of the member', async () => {
  const { a, groups, topicId } = await groupOfTwo()
  const commit = async (generationId: number, partitionIndex: number, version = 9, memberId = 'a') => {
    const partition = { partitionIndex, committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: null, commitTimestamp: -1 }
    const topics = [{ name: 't', topicId, partitions: [partition] }]
    const request = { groupId: 'g', memberId, groupInstanceId: null, generationId, retentionTimeMs: -1, topics }
    const work = fails(groups.coordinator.commitOffsets(request, version))
    await groups.system.settle()
    return work
  }
  assert.equal(a.epoch, 2)
  assert.equal(await commit(2, 0), 'NONE')
  // KIP-1251: held since epoch 1.
  assert.equal(await commit(1, 1), 'NONE')
  assert.equal(await commit(1, 2), 'STALE_MEMBER_EPOCH')
  assert.equal(await commit(3, 0), 'STALE_MEMBER_EPOCH')
  assert.equal(await commit(2, 0, 8), 'UNSUPPORTED_VERSION')
  assert.equal(await commit(2, 0, 9, 'x'), 'UNKNOWN_MEMBER_ID')
  assert.equal(await commit(-1, 0, 9, ''), 'UNKNOWN_MEMBER_ID')
  const fetch = (memberId: string | null, memberEpoch: number) =>
    fails(groups.coordinator.fetchOffsets('g', null, true, { memberId, memberEpoch }))
  assert.equal(await fetch(null, -1), 'NONE')
  assert.equal(await fetch('a', 2), 'NONE')
  assert.equal(await fetch('a', 1), 'STALE_MEMBER_EPOCH')
  assert.equal(await fetch('x', 1), 'UNKNOWN_MEMBER_ID')
})

test('a classic group is upgraded by a member of the new protocol, and goes back when it leaves', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const joining = groups.join({ version: 3, protocols: [{ name: 'range', metadata: subscription('t') }] })
  await groups.system.advance(10_000)
  const old = await joining
  const assignment = Buffer.from([0, 0, 0, 0, 0, 1, 0, 1, 0x74, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0])
  const syncing = groups.sync(old, { [old.memberId]: assignment.toString('latin1') })
  await groups.system.settle()
  await syncing
  const fresh = new Client(groups, 'new')
  await fresh.beat()
  assert.deepEqual([fresh.epoch, fresh.partitions], [2, []])
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).members.length, 2)
  assert.equal(await groups.heartbeat(old), 'REBALANCE_IN_PROGRESS')
  const rejoin = async () => {
    const protocols = [{ name: 'range', metadata: subscription('t') }]
    const again = groups.join({ version: 3, memberId: old.memberId, protocols })
    await groups.system.settle()
    const member = await again
    const sync = groups.sync(member)
    await groups.system.settle()
    const { assignedPartitions } = decodeConsumerProtocol(consumerProtocol.assignment, (await sync).assignment as Buffer)
    return { member, partitions: assignedPartitions.flatMap(({ partitions }) => partitions) }
  }
  const moved = await rejoin()
  assert.deepEqual([moved.member.generationId, moved.partitions], [2, [0, 1]])
  await fresh.beat()
  assert.deepEqual(fresh.partitions, [2, 3])
  assert.equal(await groups.heartbeat(moved.member), 'NONE')
  await fresh.beat({ memberEpoch: -1 })
  const classic = await groups.coordinator.describeGroup('g')
  assert.deepEqual([classic?.protocolType, classic?.members?.length], ['consumer', 1])
  assert.equal(await groups.heartbeat(moved.member), 'REBALANCE_IN_PROGRESS')
  const listed = await groups.coordinator.listGroups(new Set(), new Set(['classic']))
  assert.equal(listed.length, 1)
})

test('a member may subscribe to nothing, as one whose pattern matches no topic yet does; saying nothing is refused', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const client = new Client(groups, 'one')
  assert.equal(await fails(client.beat({ subscribedTopicNames: null })), 'INVALID_REQUEST')
  await client.beat({ subscribedTopicNames: [] })
  assert.deepEqual([client.epoch, client.partitions], [1, []])
  await groups.system.advance(5_000)
  await client.beat({ subscribedTopicNames: ['t'] })
  assert.deepEqual([client.epoch, client.partitions], [2, [0, 1, 2, 3]])
  const other = new Client(groups, 'two', { subscribedTopicNames: null, subscribedTopicRegex: '' })
  await other.beat()
  assert.deepEqual([other.epoch, other.partitions], [2, []])
})

test('LeaveGroup removes members of the new protocol, too: so an administrator removes a static member', async () => {
  const groups = testGroups()
  groups.topics.set('t', 4)
  const one = new Client(groups, 'one', { instanceId: 'i1' })
  const two = new Client(groups, 'two')
  await one.beat()
  await two.beat()
  await one.beat({ memberEpoch: -2 })
  const leave = async (memberId: string, groupInstanceId: string | null) => {
    const left = groups.coordinator.leave('g', [{ memberId, groupInstanceId, reason: null }])
    await groups.system.settle()
    // Clients find their answer by what they have asked with.
    return (await left).map(each => (each.memberId === memberId ? each.errorCode : each.memberId))
  }
  assert.deepEqual(await leave('', 'i2'), [25])
  assert.deepEqual(await leave('two', 'i1'), [82])
  assert.deepEqual(await leave('', 'i1'), [0])
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).members.length, 1)
  assert.deepEqual(await leave('two', null), [0])
  assert.equal((await groups.coordinator.describeConsumerGroup('g')).groupState, 'Empty')
  // Its session has ended with it.
  await groups.system.advance(60_000)
  assert.deepEqual(await leave('two', null), [25])
})

test('500 members settle within 10 s of heartbeats, in bounded processor time', async () => {
  const groups = testGroups()
  groups.topics.set('t', 1_000)
  const clients = Array.from({ length: 500 }, (_, index) => new Client(groups, `m${index}`))
  const started = processorMs()
  // All at once; then every 5 s, or sooner where the coordinator says so.
  await Promise.all(clients.map(client => client.beat()))
  await groups.system.advance(1_000)
  for (let round = 0; round < 3; round++) {
    await Promise.all(clients.map(client => client.beat()))
    if (round < 2) await groups.system.advance(4_000)
  }
  const described = await groups.coordinator.describeConsumerGroup('g')
  assert.equal(described.groupState, 'Stable')
  assert.ok(clients.every(client => client.partitions.length === 2))
  assert.ok(processorMs() - started < 8_000)
})

test('the heartbeat of a member with many topics takes several steps, and each leaves a state from which the group can go on', async () => {
  const names = Array.from({ length: 600 }, (_, n) => `t${n}`)
  const withTopics = (log = memoryPartitionLog()) => {
    const groups = testGroups({}, log)
    for (const name of names) groups.topics.set(name, 2)
    return groups
  }
  const groups = withTopics()
  const one = new Client(groups, 'one', { subscribedTopicNames: names })
  await one.beat()
  assert.deepEqual([one.epoch, one.partitions.length, groups.log.batches.length], [1, 1_200, 3])
  const other = new Client(groups, 'other', { subscribedTopicNames: names })
  for (let round = 0; round < 6; round++) {
    for (const client of [one, other]) await client.beat()
    await groups.system.advance(1_000)
  }
  assert.deepEqual([one.partitions.length, other.partitions.length], [600, 600])
  for (const steps of [1, 2]) {
    const log = memoryPartitionLog()
    for (const batch of groups.log.batches.slice(0, steps)) log.append(Buffer.from(batch), { origin: 'coordinator' })
    const again = withTopics(log)
    await again.system.advance(10)
    const joining = new Client(again, 'one', { subscribedTopicNames: names })
    await joining.beat()
    assert.deepEqual([joining.epoch, joining.partitions.length], [1, 1_200])
  }
})
