import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processorMs } from '../../test/support/processor-time.ts'
import { buildBatch, errorCode, header, KafkaError, type Uuid, zeroUuid } from '../protocol.ts'
import { stableGroup, subscription, type TestGroups, testGroups } from './group/group.testing.ts'
import { groupMetadataRecord } from './group/records.ts'
import { joinError } from './group/requests.ts'
import { offsetsTopicName } from './group.ts'
import { memoryPartitionLog } from './runtime.testing.ts'

test('a member joins in two steps, waits for the initial delay, syncs; the log says so, and a restart knows it', async () => {
  const groups = testGroups()
  const { system } = groups
  const asked = groups.join()
  await system.settle()
  const { memberId, errorCode: code } = await asked
  assert.equal(code, errorCode('MEMBER_ID_REQUIRED'))
  assert.match(memberId, /^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/)
  assert.deepEqual(groups.written(), ['group g v3 generation 0 null []'])

  const joining = groups.join({ memberId })
  await system.advance(2_900)
  assert.equal((await groups.coordinator.describeGroup('g')).groupState, 'PreparingRebalance')
  await system.advance(100)
  const joined = await joining
  assert.deepEqual(
    [joined.errorCode, joined.generationId, joined.leader, joined.protocolName, joined.members.length],
    [0, 1, memberId, 'range', 1],
  )
  assert.equal(await groups.commit(joined, { 0: 5 }), 'REBALANCE_IN_PROGRESS')
  const syncing = groups.sync(joined, { [memberId]: 'mine' })
  await system.settle()
  assert.equal(String((await syncing).assignment), 'mine')
  assert.deepEqual(groups.written(), ['group g v3 generation 1 range [mine]'])
  const commit = groups.commit(joined, { 0: 5, 1: 6 })
  await system.settle()
  assert.equal(await commit, 'NONE')
  assert.deepEqual(groups.written(), ['offset g t-0 v4 5', 'offset g t-1 v4 6'])

  const again = groups.restart()
  assert.equal(await again.heartbeat(joined), 'NONE') // while loading
  await system.settle()
  assert.equal(await again.heartbeat(joined), 'NONE')
  assert.equal(await again.fetch(), 't 0:5 1:6')
  const described = await again.coordinator.describeGroup('g')
  assert.equal(described?.groupState, 'Stable')
  assert.equal(String(described?.members[0]?.memberAssignment), 'mine')
  assert.equal(described?.members[0]?.clientHost, '/127.0.0.1')
})

test('followers get their assignment only when it is durable', async () => {
  const groups = testGroups()
  const joins = [groups.join({ version: 3 }), groups.join({ version: 3 })]
  await groups.system.advance(9_000)
  const [leader, follower] = await Promise.all(joins)
  assert.deepEqual([leader!.members.length, follower!.members.length], [2, 0])
  groups.log.durable = false
  let answered = false
  const waiting = groups.sync(follower!).then(response => {
    answered = true
    return String(response.assignment)
  })
  void groups.sync(leader!, { [follower!.memberId]: 'f', [leader!.memberId]: 'l' })
  await groups.system.settle()
  assert.equal(answered, false)
  groups.log.sync()
  await groups.system.settle()
  assert.equal(await waiting, 'f')
})

test('a new member makes all members rejoin; those that do not rejoin in time are removed', async () => {
  const groups = testGroups()
  const [leader, other] = await stableGroup(groups, 2)
  const joining = groups.join({ version: 3 })
  await groups.system.settle()
  assert.equal(await groups.heartbeat(leader!), 'REBALANCE_IN_PROGRESS')
  const rejoining = groups.join({ memberId: leader!.memberId, version: 3 })
  for (let beat = 0; beat < 11; beat++) {
    await groups.system.advance(5_000)
    assert.equal(await groups.heartbeat(other!), 'REBALANCE_IN_PROGRESS')
  }
  await groups.system.advance(6_000)
  const [rejoined, joined] = await Promise.all([rejoining, joining])
  assert.deepEqual([rejoined.generationId, rejoined.members.length, joined.leader], [2, 2, leader!.memberId])
  assert.equal(await groups.heartbeat(other!), 'UNKNOWN_MEMBER_ID')
  assert.equal(await groups.heartbeat(leader!), 'ILLEGAL_GENERATION')
})

test('sessions end: the last member out leaves an empty group in the log', async () => {
  const groups = testGroups()
  const [member] = await stableGroup(groups, 1)
  groups.written()
  await groups.system.advance(9_000)
  assert.equal(await groups.heartbeat(member!), 'NONE')
  await groups.system.advance(9_999)
  assert.equal((await groups.coordinator.describeGroup('g')).groupState, 'Stable')
  await groups.system.advance(2)
  assert.deepEqual(groups.written(), ['group g v3 generation 2 null []'])
  assert.equal((await groups.coordinator.describeGroup('g')).groupState, 'Empty')
})

test('members that never sync are removed after the rebalance timeout', async () => {
  const groups = testGroups()
  const joins = [groups.join({ version: 3 }), groups.join({ version: 3 })]
  await groups.system.advance(9_000)
  const [leader, follower] = await Promise.all(joins)
  const syncing = groups.sync(leader!, {})
  await groups.system.settle()
  assert.equal((await syncing).errorCode, 0)
  for (let beat = 0; beat < 10; beat++) {
    await groups.system.advance(6_000)
    await Promise.all([groups.heartbeat(leader!), groups.heartbeat(follower!)])
  }
  assert.equal(await groups.heartbeat(follower!), 'UNKNOWN_MEMBER_ID')
  assert.equal(await groups.heartbeat(leader!), 'REBALANCE_IN_PROGRESS')
})

test('leaving: unknown members are errors one by one; the rest rebalances', async () => {
  const groups = testGroups()
  const [leader, other] = await stableGroup(groups, 2)
  const left = await groups.coordinator.leave('g', [
    { memberId: other!.memberId, groupInstanceId: null, reason: null },
    { memberId: 'nobody', groupInstanceId: null, reason: null },
    { memberId: '', groupInstanceId: 'static', reason: null },
  ])
  assert.deepEqual(
    left.map(member => member.errorCode),
    [0, errorCode('UNKNOWN_MEMBER_ID'), errorCode('UNKNOWN_MEMBER_ID')],
  )
  assert.equal(await groups.heartbeat(leader!), 'REBALANCE_IN_PROGRESS')
  const [unknown] = await groups.coordinator.leave('nothing', [{ memberId: 'm', groupInstanceId: null, reason: null }])
  assert.equal(unknown?.errorCode, errorCode('UNKNOWN_MEMBER_ID'))
})

test('a static member returns with a new id without a rebalance, and its predecessor is fenced', async () => {
  const groups = testGroups()
  const joining = groups.join({ groupInstanceId: 's1' })
  await groups.system.advance(3_000)
  const first = await joining
  const syncing = groups.sync(first, { [first.memberId]: 'a' })
  await groups.system.settle()
  await syncing
  groups.written()
  const returning = groups.join({ groupInstanceId: 's1' })
  await groups.system.settle()
  const second = await returning
  assert.notEqual(second.memberId, first.memberId)
  assert.deepEqual([second.errorCode, second.generationId, second.leader, second.skipAssignment], [0, 1, second.memberId, true])
  assert.deepEqual(groups.written(), ['group g v3 generation 1 range [a]'])
  const resync = await groups.sync(second)
  assert.equal(String(resync.assignment), 'a')
  const old = { groupId: 'g', memberId: first.memberId, groupInstanceId: 's1', generationId: 1 }
  await assert.rejects(groups.coordinator.heartbeat(old), { name: 'FENCED_INSTANCE_ID' })
  const older = groups.join({ groupInstanceId: 's1', version: 8 })
  await groups.system.settle()
  assert.deepEqual([(await older).leader, (await older).members.length], [second.memberId, 0])
  // Static members may stay away as long as their session lasts, and leave by instance id.
  const leaving = groups.coordinator.leave('g', [{ memberId: '', groupInstanceId: 's1', reason: null }])
  await groups.system.settle()
  assert.equal((await leaving)[0]?.errorCode, 0)
})

test('the protocol with most votes wins among those that all support', async () => {
  const groups = testGroups()
  const protocols = (...names: string[]) => names.map(name => ({ name, metadata: subscription('t') }))
  const joins = [
    groups.join({ version: 3, protocols: protocols('a', 'b', 'c') }),
    groups.join({ version: 3, protocols: protocols('c', 'b') }),
    groups.join({ version: 3, protocols: protocols('c', 'b', 'a') }),
  ]
  await groups.system.advance(9_000)
  assert.equal((await joins[0]!).protocolName, 'c')
  const odd = await groups.join({ version: 3, protocols: protocols('x') })
  assert.deepEqual(odd, joinError('INCONSISTENT_GROUP_PROTOCOL', ''))
  const connect = await groups.join({ version: 3, protocolType: 'connect' })
  assert.equal(connect.errorCode, errorCode('INCONSISTENT_GROUP_PROTOCOL'))
})

test('bounds: session timeouts, group size, empty group ids', async () => {
  const groups = testGroups({ groupMaxSize: 2 })
  await assert.rejects(groups.join({ sessionTimeoutMs: 5_999 }), { name: 'INVALID_SESSION_TIMEOUT' })
  await assert.rejects(groups.join({ sessionTimeoutMs: 1_800_001 }), { name: 'INVALID_SESSION_TIMEOUT' })
  await assert.rejects(groups.join({ groupId: '' }), { name: 'INVALID_GROUP_ID' })
  await stableGroup(groups, 2)
  assert.equal((await groups.join({ version: 3 })).errorCode, errorCode('GROUP_MAX_SIZE_REACHED'))
  assert.equal((await groups.join({ memberId: 'x', groupId: 'other' })).errorCode, errorCode('UNKNOWN_MEMBER_ID'))
})

test('a client with the longest possible id gets a member id that fits the protocol', async () => {
  const groups = testGroups()
  for (const clientId of ['x'.repeat(32_767), '\u20ac'.repeat(10_922)]) {
    const joining = groups.join({ clientId })
    await groups.system.settle()
    const { memberId, errorCode: code } = await joining
    assert.equal(code, errorCode('MEMBER_ID_REQUIRED'))
    assert.ok(memberId.startsWith(clientId.slice(0, 1_000)))
    assert.ok(Buffer.byteLength(memberId) < 32_767)
  }
})

test('bounds: groups of all kinds, ids handed out, and what members tell', async () => {
  const groups = testGroups({ maxGroups: 2, groupMaxSize: 3, groupMaxMetadataBytes: 1000, groupInitialRebalanceDelayMs: 0 })
  const run = async <R>(operation: Promise<R>) => {
    operation.catch(() => {})
    await groups.system.settle()
    return operation
  }
  const metadata = (length: number) => [{ name: 'range', metadata: Buffer.alloc(length) }]
  const tooMany = errorCode('GROUP_MAX_SIZE_REACHED')
  const ids = []
  for (let count = 0; count < 3; count++) ids.push((await run(groups.join())).memberId)
  assert.equal((await run(groups.join())).errorCode, tooMany, 'an id for a fourth')
  assert.equal((await run(groups.join({ version: 3, protocols: metadata(1000) }))).errorCode, tooMany)
  const first = groups.join({ memberId: ids[0]!, protocols: metadata(600) })
  assert.equal((await run(groups.join({ memberId: ids[1]!, protocols: metadata(600) }))).errorCode, tooMany)
  await groups.system.advance(11_000)
  assert.equal((await first).errorCode, 0)
  assert.equal((await run(groups.join())).errorCode, errorCode('MEMBER_ID_REQUIRED'), 'ids that were not used are free again')
  // The second group is one that only commits; a third cannot begin, by whatever request.
  const offsets = { memberId: '', groupInstanceId: null, generationId: -1, retentionTimeMs: -1, topics: [] }
  const topic = {
    name: 't',
    topicId: zeroUuid,
    partitions: [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: null, commitTimestamp: -1 }],
  }
  const commit = (groupId: string) => run(groups.coordinator.commitOffsets({ ...offsets, groupId, topics: [topic] }, 8))
  await commit('simple')
  const refusal = { name: 'POLICY_VIOLATION', message: /max.groups=2/ }
  await assert.rejects(commit('another'), refusal)
  await assert.rejects(groups.join({ groupId: 'another' }), refusal)
  const caller = { apiVersion: 1, clientId: 'c', clientHost: '/127.0.0.1' }
  const heartbeat = {
    groupId: 'another',
    memberId: 'm',
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ['t'],
  }
  const consumer = { ...heartbeat, subscribedTopicRegex: null, serverAssignor: null, topicPartitions: [] }
  await assert.rejects(
    groups.coordinator.consumerHeartbeat(consumer, caller, () => true),
    refusal,
  )
  await assert.rejects(groups.coordinator.shareHeartbeat(heartbeat, caller), refusal)
  await commit('simple')
  await run(groups.coordinator.deleteGroups(['simple']))
  await commit('another')
  groups.coordinator.close()
})

test('an assignment too large for the log fails all syncs and starts the rebalance again', async () => {
  const groups = testGroups({}, memoryPartitionLog(2_000))
  const joins = [groups.join({ version: 3 }), groups.join({ version: 3 })]
  await groups.system.advance(9_000)
  const [leader, follower] = await Promise.all(joins)
  const waiting = groups.sync(follower!)
  await assert.rejects(groups.sync(leader!, { [leader!.memberId]: 'x'.repeat(3_000) }), { name: 'UNKNOWN_SERVER_ERROR' })
  assert.equal((await waiting).errorCode, errorCode('UNKNOWN_SERVER_ERROR'))
  assert.equal(await groups.heartbeat(follower!), 'REBALANCE_IN_PROGRESS')
})

test('a failed append fails what is parked, and the group is as the log says', async () => {
  const groups = testGroups()
  const [member] = await stableGroup(groups, 1)
  const joining = groups.join({ version: 3 })
  await groups.system.settle()
  groups.log.failNext = new KafkaError('KAFKA_STORAGE_ERROR', 'no space')
  const commit = groups.commit(member!, { 0: 1 })
  await groups.system.settle()
  assert.equal(await commit, 'NOT_COORDINATOR')
  assert.equal((await joining).errorCode, errorCode('NOT_COORDINATOR'))
  assert.equal(await groups.heartbeat(member!), 'NONE')
  assert.equal(await groups.fetch(), '')
})

test('offsets without membership make a simple group; offsets expire, then the group', async () => {
  const groups = testGroups({ offsetsRetentionMinutes: 10, offsetsRetentionCheckIntervalMs: 60_000 })
  const { coordinator, system } = groups
  const commits = [groups.commit(null, { 0: 1 }), groups.commit(null, { 1: 2 }, { version: 2, retentionTimeMs: 120_000 })]
  await system.settle()
  assert.deepEqual(await Promise.all(commits), ['NONE', 'NONE'])
  assert.deepEqual(groups.written(), ['offset g t-0 v4 1', 'offset g t-1 v1 2'])
  assert.deepEqual(await coordinator.listGroups(new Set(['empty']), new Set(['classic'])), [
    { groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' },
  ])
  assert.deepEqual(await coordinator.listGroups(new Set(['stable']), new Set()), [])
  await system.advance(120_000)
  assert.deepEqual(groups.written(), ['offset g t-1 gone'])
  await system.advance(600_000)
  assert.deepEqual(groups.written(), ['offset g t-0 gone', 'group g gone'])
  assert.deepEqual(await coordinator.listGroups(new Set(), new Set()), [])
  await assert.rejects(coordinator.describeGroup('g'), { name: 'GROUP_ID_NOT_FOUND' })
})

test('commits are checked: generation, member, metadata, unknown group by version', async () => {
  const groups = testGroups({ offsetMetadataMaxBytes: 3 })
  const [member] = await stableGroup(groups, 1)
  assert.equal(await groups.commit({ ...member!, generationId: 9 }, { 0: 1 }), 'ILLEGAL_GENERATION')
  assert.equal(await groups.commit({ ...member!, memberId: 'x' }, { 0: 1 }), 'UNKNOWN_MEMBER_ID')
  assert.equal(await groups.commit(null, { 0: 1 }), 'UNKNOWN_MEMBER_ID')
  const commit = { groupId: 'new', memberId: 'm', groupInstanceId: null, generationId: 1, retentionTimeMs: -1, topics: [] }
  await assert.rejects(groups.coordinator.commitOffsets(commit, 8), { name: 'ILLEGAL_GENERATION' })
  await assert.rejects(groups.coordinator.commitOffsets(commit, 9), { name: 'GROUP_ID_NOT_FOUND' })
})

test('offsets in a transaction are pending until it ends; the member and its generation are checked', async () => {
  const groups = testGroups()
  const [member] = await stableGroup(groups, 1)
  const producer = { producerId: 7, producerEpoch: 0 }
  const commit = async (committedOffset: number, more = {}) => {
    const partition = { partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: null, commitTimestamp: -1 }
    const topics = [{ name: 't', topicId: zeroUuid, partitions: [partition] }]
    const { memberId, generationId } = member!
    const request = {
      groupId: 'g',
      memberId,
      groupInstanceId: null,
      generationId: generationId ?? -1,
      retentionTimeMs: -1,
      topics,
      ...more,
    }
    const committing = groups.coordinator.commitTransactionalOffsets(producer, request)
    committing.catch(() => {})
    await groups.system.settle()
    return committing
  }
  const end = async (committed: boolean) => {
    await groups.coordinator.endTransaction(0, { ...producer, committed, coordinatorEpoch: 0 })
  }
  const stable = async (requireStable: boolean) => {
    const [topic] = await groups.coordinator.fetchOffsets('g', [{ name: 't', topicId: zeroUuid, partitionIndexes: [0] }], requireStable)
    const { errorCode: code, committedOffset } = topic!.partitions[0]!
    return code === 0 ? committedOffset : code
  }
  await assert.rejects(commit(1, { generationId: 9 }), { name: 'ILLEGAL_GENERATION' })
  await assert.rejects(commit(1, { memberId: 'x' }), { name: 'UNKNOWN_MEMBER_ID' })
  await assert.rejects(commit(1, { groupId: 'new' }), { name: 'ILLEGAL_GENERATION' })
  assert.equal((await commit(1))[0]?.partitions[0]?.errorCode, 0)
  assert.deepEqual([await stable(true), await stable(false)], [errorCode('UNSTABLE_OFFSET_COMMIT'), -1])
  await end(true)
  assert.deepEqual([await stable(true), await stable(false)], [1, 1])
  await commit(2, { memberId: '', generationId: -1 })
  await end(false)
  assert.equal(await stable(true), 1)
  const again = groups.restart()
  await again.system.settle()
  assert.equal(await again.fetch(), 't 0:1')
})

test('tens of thousands of offsets are deleted in steps, and nobody sees a group of which a part is gone', async () => {
  const offsets = Object.fromEntries(Array.from({ length: 12_000 }, (_, partition) => [partition, 1]))
  const stored = async (groups: TestGroups) => {
    const commit = groups.commit(null, offsets)
    await groups.system.settle()
    assert.equal(await commit, 'NONE')
    return groups.log.batches.length
  }
  const largest = ({ log }: TestGroups, from: number) => Math.max(...log.batches.slice(from).map(batch => header.recordCount(batch, 0)))
  const partitionIndexes = Object.keys(offsets).map(Number)
  const deletions: [name: string, run: (groups: TestGroups) => Promise<unknown>][] = [
    ['OffsetDelete', ({ coordinator }) => coordinator.deleteOffsets('g', [{ name: 't', partitionIndexes }])],
    ['a deleted topic', ({ coordinator }) => coordinator.onTopicDeleted({ name: 't', id: zeroUuid })],
    ['expiry', ({ system, settings }) => system.advance(2 * settings.offsetsRetentionMinutes * 60_000)],
    ['DeleteGroups', ({ coordinator }) => coordinator.deleteGroups(['g'])],
  ]
  for (const [name, remove] of deletions) {
    const groups = testGroups({ offsetsRetentionMinutes: 15 })
    const before = await stored(groups)
    const asked = [{ name: 't', topicId: zeroUuid, partitionIndexes }]
    const fetched = groups.coordinator.fetchOffsets('g', asked, false).catch(error => error.name)
    const work = remove(groups)
    const described = groups.coordinator.describeGroup('g').catch(error => error.name)
    await groups.system.settle()
    await groups.system.settle()
    await work
    if (name === 'DeleteGroups')
      assert.deepEqual([await fetched, await described], ['COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_LOAD_IN_PROGRESS'])
    assert.ok(largest(groups, before) <= 5_001, `${name}: ${largest(groups, before)} records in one step`)
    assert.equal(await groups.fetch(), '', name)
  }
})

test('deleting: offsets of topics that are not consumed, empty groups, deleted topics', async () => {
  const groups = testGroups()
  const { coordinator, system } = groups
  const [member] = await stableGroup(groups, 1)
  const commit = groups.commit(member!, { 0: 1 })
  await system.settle()
  await commit
  groups.written()
  const [subscribed] = await coordinator.deleteOffsets('g', [{ name: 't', partitionIndexes: [0] }])
  assert.equal(subscribed?.partitions[0]?.errorCode, errorCode('GROUP_SUBSCRIBED_TO_TOPIC'))
  const results = await coordinator.deleteGroups(['g', 'none'])
  assert.deepEqual(
    results.map(result => result.errorCode),
    [errorCode('NON_EMPTY_GROUP'), errorCode('GROUP_ID_NOT_FOUND')],
  )
  const topicDeleted = coordinator.onTopicDeleted({ name: 't', id: zeroUuid })
  await system.settle()
  await topicDeleted
  assert.deepEqual(groups.written(), ['offset g t-0 gone'])
  const leaving = coordinator.leave('g', [{ memberId: member!.memberId, groupInstanceId: null, reason: null }])
  await system.settle()
  await leaving
  const deleting = coordinator.deleteGroups(['g'])
  await system.settle()
  assert.deepEqual(await deleting, [{ groupId: 'g', errorCode: 0, errorMessage: null }])
  assert.deepEqual(groups.written(), ['group g v3 generation 2 null []', 'group g gone'])
})

test('offsets committed for a deleted topic do not apply to a new one of the same name', async () => {
  const { coordinator, system } = testGroups()
  const [before, now] = ['000000000000000000000A', '000000000000000000000B'] as Uuid[]
  const partition = { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: '', commitTimestamp: -1 }
  const commit = { groupId: 'g', memberId: '', groupInstanceId: null, generationId: -1, retentionTimeMs: -1 }
  const topics = [{ name: 't', topicId: before!, partitions: [partition] }]
  const committing = coordinator.commitOffsets({ ...commit, topics }, 10)
  await system.settle()
  await committing
  const found = async (topicId: Uuid) => {
    const [topic] = await coordinator.fetchOffsets('g', [{ name: 't', topicId, partitionIndexes: [0] }], false)
    return topic!.partitions[0]!.committedOffset
  }
  assert.deepEqual([await found(before!), await found(zeroUuid), await found(now!)], [5, 5, -1])
})

test('the offsets of a deleted topic go, pending ones too; those of a new topic of its name stay', async () => {
  const { coordinator, system } = testGroups()
  const [deleted, created] = ['000000000000000000000A', '000000000000000000000Q'] as [Uuid, Uuid]
  const producer = { producerId: 7, producerEpoch: 0 }
  const partition = { partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: '', commitTimestamp: -1 }
  const request = (groupId: string, topicId: Uuid) => ({
    groupId,
    memberId: '',
    groupInstanceId: null,
    generationId: -1,
    retentionTimeMs: -1,
    topics: [{ name: 't', topicId, partitions: [partition] }],
  })
  const run = async (work: Promise<unknown>) => {
    await system.settle()
    await work
  }
  await run(coordinator.commitOffsets(request('stored', deleted), 9))
  await run(coordinator.commitTransactionalOffsets(producer, request('pending', deleted)))
  await run(coordinator.commitTransactionalOffsets(producer, request('pending, new', created)))
  await run(coordinator.onTopicDeleted({ name: 't', id: deleted }))
  await run(coordinator.endTransaction(0, { ...producer, committed: true, coordinatorEpoch: 0 }))
  const left = async (groupId: string) => (await coordinator.fetchOffsets(groupId, null, false)).length
  assert.deepEqual([await left('stored'), await left('pending'), await left('pending, new')], [0, 0, 1])
})

test('a record that names a member twice is skipped, like any invalid one', async () => {
  const groups = testGroups()
  const empty = Buffer.alloc(0)
  const timeouts = { rebalanceTimeout: 10_000, sessionTimeout: 10_000 }
  const member = { memberId: 'm', groupInstanceId: null, clientId: '', clientHost: '', ...timeouts, subscription: empty, assignment: empty }
  const group = { protocolType: 'consumer', generation: 1, protocol: 'range', leader: 'm', currentStateTimestamp: 1 }
  const records = [
    groupMetadataRecord('g', { ...group, members: [member, member] }),
    groupMetadataRecord('h', { ...group, members: [member] }),
  ]
  groups.log.append(buildBatch({ records }), { origin: 'coordinator' })
  const { coordinator, system } = groups.restart()
  await system.settle()
  await assert.rejects(coordinator.describeGroup('g'), { name: 'GROUP_ID_NOT_FOUND' })
  assert.equal((await coordinator.describeGroup('h')).members.length, 1)
})

test('groups are found where Kafka would put them', () => {
  const groups = testGroups()
  const place = (count: number, groupId: string) => {
    const topic = { name: offsetsTopicName, partitionCount: () => count, partitionLog: () => groups.log, ensure: async () => {} }
    return new (groups.coordinator.constructor as typeof import('./group.ts').GroupCoordinator)({ ...groups, topic }).partitionFor(groupId)
  }
  // From Java: Math.abs("console-consumer-12345".hashCode()) and a string whose hash is Integer.MIN_VALUE.
  assert.equal(place(50, ''), 0)
  assert.equal(place(50, 'a'), 97 % 50)
  assert.equal(place(2 ** 30, 'hello'), 99_162_322)
  assert.equal(place(50, 'polygenelubricants'), 0)
})

test('100 members join and sync quickly', async () => {
  const groups = testGroups()
  const started = processorMs()
  const members = await stableGroup(groups, 100)
  assert.equal(new Set(members.map(({ memberId }) => memberId)).size, 100)
  assert.ok(members.every(member => member.generationId === 1))
  assert.ok(processorMs() - started < 1_000)
})
