import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Api, apis, errorCode, type InputOf, zeroUuid } from '../../../protocol.ts'
import type { Handler } from '../../dispatch/handler.ts'
import { startTestBroker, type TestBroker } from '../cluster/cluster-apis.testing.ts'
import { deleteGroups } from './delete-groups.ts'
import { describeGroups } from './describe-groups.ts'
import { findCoordinator } from './find-coordinator.ts'
import { heartbeat } from './heartbeat.ts'
import { joinGroup } from './join-group.ts'
import { leaveGroup } from './leave-group.ts'
import { listGroups } from './list-groups.ts'
import { offsetCommit } from './offset-commit.ts'
import { offsetDelete } from './offset-delete.ts'
import { offsetFetch } from './offset-fetch.ts'
import { syncGroup } from './sync-group.ts'

/** Calls each API in the version `at`, or its newest. */
function caller(broker: TestBroker, at: number) {
  return <A extends Api>(api: A, handler: Handler, request: InputOf<A['request']>) =>
    broker.call(api, handler, Math.min(at, handler.versions[1]), request)
}

type Call = ReturnType<typeof caller>

function find(call: Call, at: number, key: string, keyType = 0) {
  const version = Math.min(at, 6)
  return call(apis.findCoordinator, findCoordinator, {
    key: version < 4 ? key : '',
    ...(version >= 1 && { keyType }),
    coordinatorKeys: version < 4 ? [] : [key],
  })
}

function commitRequest(at: number, topicId: typeof zeroUuid, more: object = {}) {
  const partitions = [0, 9].map(partitionIndex => ({ partitionIndex, committedOffset: 42, committedMetadata: 'm' }))
  return { groupId: 'g', memberId: '', ...more, topics: [{ name: at < 10 ? 't' : '', topicId, partitions }] }
}

function fetchRequest(at: number, topicId: typeof zeroUuid, all = false) {
  const version = Math.min(at, 10)
  const topics = [{ name: version < 10 ? 't' : '', topicId, partitionIndexes: [0, 1] }]
  return version < 8
    ? { groupId: 'g', topics: all ? null : topics.map(({ name, partitionIndexes }) => ({ name, partitionIndexes })), groups: [] }
    : { groupId: '', topics: [], groups: [{ groupId: 'g', topics: all ? null : topics }] }
}

for (let at = 0; at <= 10; at++) {
  test(`the life of a group in version ${at} of each API, or the newest below`, async () => {
    const broker = await startTestBroker()
    await broker.createTopic('t', 2)
    const call = caller(broker, at)
    const topicId = at < 10 ? zeroUuid : broker.metadata.topicId('t')!

    const found = await find(call, at, 'g')
    assert.deepEqual(
      (at < 4 ? [found] : found.coordinators).map(({ nodeId, host, port, errorCode }) => [nodeId, host, port, errorCode]),
      [[7, 'example', 9092, 0]],
    )

    const joining = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }],
    }
    let joined = await call(apis.joinGroup, joinGroup, joining)
    if (at >= 4) {
      assert.equal(joined.errorCode, errorCode('MEMBER_ID_REQUIRED'))
      joined = await call(apis.joinGroup, joinGroup, { ...joining, memberId: joined.memberId })
    }
    const { memberId, generationId } = joined
    assert.deepEqual([joined.errorCode, generationId, joined.protocolName, joined.members.length], [0, 1, 'range', 1])

    const identity = { groupId: 'g', generationId, memberId }
    const synced = await call(apis.syncGroup, syncGroup, {
      ...identity,
      ...(at >= 5 && { protocolType: 'consumer', protocolName: 'range' }),
      assignments: [{ memberId, assignment: Buffer.from('all') }],
    })
    assert.equal(String(synced.assignment), 'all')
    assert.equal((await call(apis.heartbeat, heartbeat, identity)).errorCode, 0)

    const more = at >= 1 ? { memberId, generationIdOrMemberEpoch: generationId } : {}
    const committed = await call(apis.offsetCommit, offsetCommit, commitRequest(at, topicId, more))
    const codes = new Map(committed.topics[0]!.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]))
    // v0 names no member, and a group with members takes commits from nobody else.
    assert.equal(codes.get(0), at === 0 ? errorCode('UNKNOWN_MEMBER_ID') : 0)
    if (at > 0) assert.equal(codes.get(9), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))

    for (const all of at < 2 ? [false] : [false, true]) {
      const fetched = await call(apis.offsetFetch, offsetFetch, fetchRequest(at, topicId, all))
      const topics = at < 8 ? fetched.topics : fetched.groups[0]!.topics
      const none = at === 0 ? errorCode('UNKNOWN_TOPIC_OR_PARTITION') : 0
      assert.deepEqual(
        topics[0]!.partitions.map(p => [p.partitionIndex, p.committedOffset, p.metadata, p.errorCode]),
        [at === 0 ? [0, -1, '', none] : [0, 42, 'm', 0], ...(all ? [] : [[1, -1, '', none]])],
      )
    }

    const { groups } = await call(apis.describeGroups, describeGroups, {
      groups: ['g', 'none'],
      includeAuthorizedOperations: at >= 3,
    })
    assert.deepEqual([groups[0]!.groupState, groups[1]!.groupState, groups[0]!.members.length], ['Stable', 'Dead', 1])
    assert.equal(groups[1]!.errorCode, at >= 6 ? errorCode('GROUP_ID_NOT_FOUND') : 0)
    assert.equal(groups[0]!.authorizedOperations, at >= 3 ? (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11) : -(2 ** 31))

    const listed = await call(apis.listGroups, listGroups, {
      statesFilter: at >= 4 ? ['Stable'] : [],
      typesFilter: at >= 5 ? ['Classic'] : [],
    })
    assert.deepEqual(
      listed.groups.map(({ groupId, protocolType }) => [groupId, protocolType]),
      [['g', 'consumer']],
    )

    const refused = await call(apis.deleteGroups, deleteGroups, { groupsNames: ['g', 'g'] })
    assert.deepEqual(
      refused.results.map(result => result.errorCode),
      [errorCode('NON_EMPTY_GROUP')],
    )
    const left = await call(apis.leaveGroup, leaveGroup, {
      groupId: 'g',
      memberId: at < 3 ? memberId : '',
      members: at < 3 ? [] : [{ memberId }],
    })
    assert.equal(left.errorCode, 0)
    const deleted = await call(apis.offsetDelete, offsetDelete, {
      groupId: 'g',
      topics: [{ name: 't', partitions: [{ partitionIndex: 0 }, { partitionIndex: 5 }] }],
    })
    assert.deepEqual(
      deleted.topics[0]!.partitions.map(each => each.errorCode),
      [errorCode('UNKNOWN_TOPIC_OR_PARTITION'), 0],
    )
    const gone = await call(apis.deleteGroups, deleteGroups, { groupsNames: ['g'] })
    assert.equal(gone.results[0]!.errorCode, 0)
  })

  test(`what is not authorized is said as version ${at} can say it`, async () => {
    const broker = await startTestBroker()
    await broker.createTopic('t')
    const call = caller(broker, at)
    const topicId = at < 10 ? zeroUuid : broker.metadata.topicId('t')!
    for (const operation of ['READ', 'DESCRIBE', 'DELETE']) broker.denied.add(`${operation} GROUP g`)
    broker.denied.add('DESCRIBE TRANSACTIONAL_ID tx')
    const code = errorCode('GROUP_AUTHORIZATION_FAILED')
    const found = await find(call, at, 'g')
    assert.equal((at < 4 ? found : found.coordinators[0]!).errorCode, code)
    const committed = await call(apis.offsetCommit, offsetCommit, commitRequest(at, topicId))
    assert.equal(committed.topics[0]!.partitions[0]!.errorCode, code)
    const fetched = await call(apis.offsetFetch, offsetFetch, fetchRequest(at, topicId))
    const place = at < 2 ? fetched.topics[0]!.partitions[0]! : at < 8 ? fetched : fetched.groups[0]!
    assert.equal(place.errorCode, code)
    const { groups } = await call(apis.describeGroups, describeGroups, { groups: ['g'], includeAuthorizedOperations: false })
    assert.equal(groups[0]!.errorCode, code)
    assert.equal((await call(apis.deleteGroups, deleteGroups, { groupsNames: ['g'] })).results[0]!.errorCode, code)
    if (at >= 1) {
      const transactional = await find(call, at, 'tx', 1)
      const refused = errorCode('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
      assert.equal((at < 4 ? transactional : transactional.coordinators[0]!).errorCode, refused)
    }
  })
}

test('before the topic of offsets exists, members are sent to look up their coordinator', async () => {
  const broker = await startTestBroker()
  const request = { groupId: 'g', generationId: 1, memberId: 'm' }
  assert.equal((await broker.call(apis.heartbeat, heartbeat, 4, request)).errorCode, errorCode('NOT_COORDINATOR'))
})

test('topics unknown by id are errors one by one', async () => {
  const broker = await startTestBroker()
  await find(caller(broker, 6), 6, 'g')
  const unknown = 'AAAAAAAAAAAAAAAAAAAABQ' as typeof zeroUuid
  const committed = await broker.call(apis.offsetCommit, offsetCommit, 10, commitRequest(10, unknown))
  assert.equal(committed.topics[0]!.partitions[0]!.errorCode, errorCode('UNKNOWN_TOPIC_ID'))
  const fetched = await broker.call(apis.offsetFetch, offsetFetch, 10, fetchRequest(10, unknown))
  assert.equal(fetched.groups[0]!.topics[0]!.partitions[0]!.errorCode, errorCode('UNKNOWN_TOPIC_ID'))
})
