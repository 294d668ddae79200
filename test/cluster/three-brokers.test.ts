/**
 * One broker of three: what it answers about partitions and coordinators that are on the others. The others are registered in the metadata,
 * but do not run.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, type RunningBroker, startBroker } from '../../src/broker.ts'
import { silentLogger } from '../../src/logger.ts'
import { apis, errorName, type Uuid, zeroUuid } from '../../src/protocol.ts'
import { connect, coordinates, createTopic, produce, type RawClient } from '../support/client.ts'

const self = 7
const other = { host: 'host-8', port: 9008 }

interface World {
  running: RunningBroker
  client: RawClient
  topicId: Uuid
  /** A partition of the topic t that this broker leads, and one that broker 8 leads. */
  here: number
  there: number
}

async function register({ broker }: RunningBroker, id: number, listeners = ['PLAINTEXT']): Promise<void> {
  const endpoints = new Map(listeners.map(name => [name, { host: `host-${id}`, port: 9000 + id }]))
  await broker.metadata.registerBroker({ id, incarnation: zeroUuid, rack: null, fenced: false, endpoints })
}

async function world(t: TestContext): Promise<World> {
  const set = { listeners: 'PLAINTEXT://127.0.0.1:0', 'http.listen': 'none', 'log.dirs': '/data', 'node.id': self }
  const running = await startBroker({
    system: realSystem(memoryFileSystem()),
    config: loadBrokerConfig({ set }),
    logger: silentLogger,
    onFatal: assert.fail,
    onThisMachine: false,
  })
  t.after(() => running.close())
  for (const id of [self, 8, 9]) await register(running, id)
  const client = await connect(running.ports.get('PLAINTEXT')!)
  t.after(() => client.close())
  const topicId = await createTopic(client, 't', 3)
  const leaders = running.broker.metadata.topic('t')!.partitions.map(({ leader }) => leader)
  assert.deepEqual([...leaders].sort(), [7, 8, 9])
  return { running, client, topicId, here: leaders.indexOf(self), there: leaders.indexOf(8) }
}

const batch = () => buildBatch({ values: ['x'] })
const topicsOnly = { allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false, includeClusterAuthorizedOperations: false }

async function describe(client: RawClient, version = 12) {
  const { brokers, controllerId, topics } = await client.request(apis.metadata, version, { topics: [{ name: 't' }], ...topicsOnly })
  const partitions = topics[0]!.partitions.map(each => {
    const { errorCode, partitionIndex, leaderId, leaderEpoch, replicaNodes, isrNodes, offlineReplicas } = each
    const replicas = `of ${replicaNodes}, in sync ${isrNodes}, offline ${offlineReplicas}`
    return { partition: partitionIndex, told: `${errorName(errorCode)} ${leaderId} epoch ${leaderEpoch} ${replicas}` }
  })
  return { brokers, controllerId, told: (partition: number) => partitions.find(each => each.partition === partition)!.told }
}

test('Metadata, DescribeTopicPartitions and DescribeCluster show the brokers that are alive, and who leads', async t => {
  const { running, client, there } = await world(t)
  const { brokers, controllerId, told } = await describe(client)
  const own = { nodeId: self, host: '127.0.0.1', port: running.ports.get('PLAINTEXT'), rack: null }
  const registered = [8, 9].map(id => ({ nodeId: id, host: `host-${id}`, port: 9000 + id, rack: null }))
  assert.deepEqual([brokers, controllerId], [[own, ...registered], self])
  assert.equal(told(there), 'NONE 8 epoch 0 of 8, in sync 8, offline ')
  const ofTopic = async () =>
    (await client.request(apis.describeTopicPartitions, 0, { topics: [{ name: 't' }], responsePartitionLimit: 10, cursor: null }))
      .topics[0]!
  assert.equal((await ofTopic()).partitions[there]!.leaderId, 8)

  await running.broker.metadata.fenceBroker(8, true)
  const fenced = await describe(client)
  assert.deepEqual(fenced.brokers, [own, registered[1]])
  assert.equal(fenced.told(there), 'LEADER_NOT_AVAILABLE -1 epoch 0 of 8, in sync , offline 8')
  assert.deepEqual([(await ofTopic()).partitions[there]!.leaderId, (await ofTopic()).partitions[there]!.offlineReplicas], [-1, [8]])
  const cluster = async (includeFencedBrokers: boolean) => {
    const answer = await client.request(apis.describeCluster, 2, {
      includeClusterAuthorizedOperations: false,
      endpointType: 1,
      includeFencedBrokers,
    })
    return answer.brokers.map(({ brokerId, isFenced }) => `${brokerId} ${isFenced}`)
  }
  assert.deepEqual(await cluster(false), ['7 false', '9 false'])
  assert.deepEqual(await cluster(true), ['7 false', '9 false', '8 true'])
})

test('a leader without this listener has no endpoint; clients from Metadata v6 on are told why', async t => {
  const { running, client, there } = await world(t)
  await register(running, 8, ['INTERNAL'])
  const { brokers, told } = await describe(client)
  assert.deepEqual(
    brokers.map(({ nodeId }) => nodeId),
    [7, 9],
  )
  assert.match(told(there), /^LISTENER_NOT_FOUND -1 /)
  assert.match((await describe(client, 5)).told(there), /^LEADER_NOT_AVAILABLE -1 /)
})

test('Produce elsewhere is refused, from v10 on with the leader and its endpoint', async t => {
  const { running, client, topicId, here, there } = await world(t)
  const send = async (version: number, partition: number) => {
    const topic = version >= 13 ? { topicId } : { name: 't' }
    const partitionData = [{ index: partition, records: batch() }]
    const request = { transactionalId: null, acks: -1, timeoutMs: 10_000, topicData: [{ ...topic, partitionData }] }
    const { responses, nodeEndpoints } = await client.request(apis.produce, version, request)
    const { errorCode, currentLeader } = responses[0]!.partitionResponses[0]!
    return { error: errorName(errorCode), leader: currentLeader, nodes: nodeEndpoints }
  }
  const nobody = { leaderId: -1, leaderEpoch: -1 }
  for (let version = 3; version <= 13; version++) {
    assert.deepEqual(await send(version, here), { error: 'NONE', leader: nobody, nodes: [] })
    assert.equal((await send(version, 3)).error, 'UNKNOWN_TOPIC_OR_PARTITION')
    const { error, leader, nodes } = await send(version, there)
    assert.equal(error, 'NOT_LEADER_OR_FOLLOWER')
    assert.deepEqual(leader, version >= 10 ? { leaderId: 8, leaderEpoch: 0 } : nobody)
    assert.deepEqual(nodes, version >= 10 ? [{ nodeId: 8, ...other, rack: null }] : [])
  }
  const change = { topicId, partition: here, leader: 8 }
  assert.deepEqual(await running.broker.metadata.changePartitions([change]), [null])
  const moved = await send(12, here)
  assert.deepEqual([moved.error, moved.leader], ['NOT_LEADER_OR_FOLLOWER', { leaderId: 8, leaderEpoch: 1 }])
  await running.broker.metadata.changePartitions([{ ...change, leader: self }])
  assert.equal((await send(12, here)).error, 'NONE')
  // All of versions 3 to 13, and this one: nothing was lost on the way.
  assert.equal((await produce(client, 't', batch(), { partition: here })).baseOffset, 12)
  assert.equal((await describe(client)).told(here), 'NONE 7 epoch 2 of 7, in sync 7, offline ')
})

test('Fetch elsewhere is refused, from v16 on with the leader and its endpoint, in sessions too', async t => {
  const { client, topicId, here, there } = await world(t)
  await produce(client, 't', batch(), { partition: here })
  let session = { sessionId: 0, sessionEpoch: -1 }
  const fetch = async (version: number, partition: number) => {
    const topic = version >= 13 ? { topicId } : { topic: 't' }
    const partitions = [{ partition, fetchOffset: 0, partitionMaxBytes: 1000 }]
    const request = { maxWaitMs: 0, minBytes: 0, maxBytes: 1000, forgottenTopicsData: [], ...session, topics: [{ ...topic, partitions }] }
    const { responses, nodeEndpoints, sessionId } = await client.request(apis.fetch, version, request)
    const { errorCode, currentLeader } = responses[0]!.partitions.find(({ partitionIndex }) => partitionIndex === partition)!
    return { error: errorName(errorCode), leader: currentLeader.leaderId, nodes: nodeEndpoints, sessionId }
  }
  for (let version = 4; version <= 18; version++) {
    assert.equal((await fetch(version, here)).error, 'NONE')
    assert.equal((await fetch(version, 3)).error, 'UNKNOWN_TOPIC_OR_PARTITION')
    const { error, leader, nodes } = await fetch(version, there)
    assert.equal(error, 'NOT_LEADER_OR_FOLLOWER')
    assert.deepEqual([leader, nodes], version >= 16 ? [8, [{ nodeId: 8, ...other, rack: null }]] : [-1, []])
  }
  session = { sessionId: 0, sessionEpoch: 0 }
  const { sessionId } = await fetch(17, here)
  session = { sessionId, sessionEpoch: 1 }
  assert.deepEqual((await fetch(17, there)).leader, 8)
})

test('what only the leader can tell or do is refused elsewhere', async t => {
  const { client, topicId, here, there } = await world(t)
  const asks: [string, (partition: number) => Promise<number>][] = [
    [
      'ListOffsets',
      async partitionIndex => {
        const topics = [{ name: 't', partitions: [{ partitionIndex, timestamp: -1 }] }]
        return (await client.request(apis.listOffsets, 7, { replicaId: -1, isolationLevel: 0, topics })).topics[0]!.partitions[0]!.errorCode
      },
    ],
    [
      'OffsetForLeaderEpoch',
      async partition => {
        const topics = [{ topic: 't', partitions: [{ partition, leaderEpoch: 0 }] }]
        return (await client.request(apis.offsetForLeaderEpoch, 4, { topics })).topics[0]!.partitions[0]!.errorCode
      },
    ],
    [
      'DeleteRecords',
      async partitionIndex => {
        const topics = [{ name: 't', partitions: [{ partitionIndex, offset: -1 }] }]
        return (await client.request(apis.deleteRecords, 2, { topics, timeoutMs: 1000 })).topics[0]!.partitions[0]!.errorCode
      },
    ],
    [
      'DescribeProducers',
      async partition => {
        const topics = [{ name: 't', partitionIndexes: [partition] }]
        return (await client.request(apis.describeProducers, 0, { topics })).topics[0]!.partitions[0]!.errorCode
      },
    ],
    [
      'WriteTxnMarkers',
      async partition => {
        const topics = [{ name: 't', partitionIndexes: [partition] }]
        const marker = { producerId: 1, producerEpoch: 0, transactionResult: true, topics, coordinatorEpoch: 0 }
        return (await client.request(apis.writeTxnMarkers, 1, { markers: [marker] })).markers[0]!.topics[0]!.partitions[0]!.errorCode
      },
    ],
  ]
  for (const [name, ask] of asks) {
    assert.equal(errorName(await ask(here)), 'NONE', name)
    assert.equal(errorName(await ask(there)), 'NOT_LEADER_OR_FOLLOWER', name)
    assert.equal(errorName(await ask(3)), 'UNKNOWN_TOPIC_OR_PARTITION', name)
  }
  const shared = await client.request(apis.shareFetch, 1, {
    groupId: 'g',
    memberId: 'm',
    shareSessionEpoch: 0,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1000,
    maxRecords: 10,
    batchSize: 10,
    topics: [{ topicId, partitions: [{ partitionIndex: there, acknowledgementBatches: [] }] }],
    forgottenTopicsData: [],
  })
  const { errorCode, currentLeader } = shared.responses[0]!.partitions[0]!
  assert.deepEqual([errorName(errorCode), currentLeader.leaderId], ['NOT_LEADER_OR_FOLLOWER', 8])
  assert.deepEqual(shared.nodeEndpoints, [{ nodeId: 8, ...other, rack: null }])
})

test('DescribeLogDirs shows the partitions that are here', async t => {
  const { client, here } = await world(t)
  const { results } = await client.request(apis.describeLogDirs, 4, { topics: null })
  assert.deepEqual(
    results[0]!.topics.map(({ name, partitions }) => [name, partitions.map(({ partitionIndex }) => partitionIndex)]),
    [['t', [here]]],
  )
})

test('FindCoordinator names the leader of the partition; elsewhere coordinators refuse', async t => {
  const { running, client } = await world(t)
  const keys = Array.from({ length: 30 }, (_, nth) => `g${nth}`)
  for (const [keyType, topic, partitionOf] of [
    [coordinates.group, '__consumer_offsets', (key: string) => running.broker.groups.partitionFor(key)],
    [coordinates.transaction, '__transaction_state', null],
  ] as const) {
    const { coordinators } = await client.request(apis.findCoordinator, 4, { keyType, coordinatorKeys: keys })
    assert.deepEqual(new Set(coordinators.map(({ errorCode }) => errorCode)), new Set([0]))
    assert.deepEqual(
      new Set(coordinators.map(({ nodeId, host }) => (nodeId === self ? 'self' : host))),
      new Set(['self', 'host-8', 'host-9']),
    )
    if (partitionOf === null) continue
    const { partitions } = running.broker.metadata.topic(topic)!
    for (const { key, nodeId } of coordinators) {
      assert.equal(nodeId, partitions[partitionOf(key)]!.leader)
      const heartbeat = { groupId: key, generationId: 0, memberId: 'm' }
      const { errorCode } = await client.request(apis.heartbeat, 3, heartbeat)
      assert.equal(errorName(errorCode), nodeId === self ? 'UNKNOWN_MEMBER_ID' : 'NOT_COORDINATOR')
    }
  }
  const own = keys.find(
    key => running.broker.metadata.topic('__consumer_offsets')!.partitions[running.broker.groups.partitionFor(key)]!.leader === self,
  )!
  const commit = {
    groupId: own,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: null }] }],
  }
  assert.equal((await client.request(apis.offsetCommit, 8, commit)).topics[0]!.partitions[0]!.errorCode, 0)
  const listed = async () => (await client.request(apis.listGroups, 4, { statesFilter: [] })).groups.map(({ groupId }) => groupId)
  assert.deepEqual(await listed(), [own])
  // The coordinator goes, and comes back with what it had.
  const { id: topicId } = running.broker.metadata.topic('__consumer_offsets')!
  const partition = running.broker.groups.partitionFor(own)
  await running.broker.metadata.changePartitions([{ topicId, partition, leader: 8 }])
  assert.equal(errorName((await client.request(apis.offsetCommit, 8, commit)).topics[0]!.partitions[0]!.errorCode), 'NOT_COORDINATOR')
  assert.deepEqual(await listed(), [])
  await running.broker.metadata.changePartitions([{ topicId, partition, leader: self }])
  for (let attempt = 0; attempt < 500 && (await listed()).length === 0; attempt++) await sleep(10)
  assert.deepEqual(await listed(), [own])
})

test('a transaction with a partition elsewhere keeps its marker to write', async t => {
  const { running, client, there } = await world(t)
  await client.request(apis.findCoordinator, 4, { keyType: coordinates.transaction, coordinatorKeys: ['x'] })
  const { partitions, id: topicId } = running.broker.metadata.topic('__transaction_state')!
  const changes = partitions.flatMap(({ index, leader }) => (leader === self ? [] : [{ topicId, partition: index, leader: self }]))
  await running.broker.metadata.changePartitions(changes)
  const producer = { transactionalId: 'x', transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  const { producerId, producerEpoch, errorCode } = await client.request(apis.initProducerId, 4, producer)
  assert.equal(errorCode, 0)
  const session = { producerId, producerEpoch }
  await client.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'x',
    v3AndBelowProducerId: producerId,
    v3AndBelowProducerEpoch: producerEpoch,
    v3AndBelowTopics: [{ name: 't', partitions: [there] }],
  })
  assert.equal((await client.request(apis.endTxn, 3, { transactionalId: 'x', ...session, committed: true })).errorCode, 0)
  const state = async () => {
    const { transactionStates } = await client.request(apis.describeTransactions, 0, { transactionalIds: ['x'] })
    return transactionStates[0]!.transactionState
  }
  assert.equal(await state(), 'PrepareCommit')
  // Where it can be written, it is, and the transaction ends.
  await running.broker.metadata.changePartitions([{ topicId: running.broker.metadata.topicId('t')!, partition: there, leader: self }])
  for (let attempt = 0; attempt < 500 && (await state()) !== 'CompleteCommit'; attempt++) await sleep(10)
  assert.equal(await state(), 'CompleteCommit')
})

test('what operators ask about leaders and replicas', async t => {
  const { running, client, here, there } = await world(t)
  const quorum = await client.request(apis.describeQuorum, 2, {
    topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
  })
  const { leaderId, currentVoters, observers } = quorum.topics[0]!.partitions[0]!
  const ids = (states: readonly { replicaId: number }[]) => states.map(({ replicaId }) => replicaId)
  assert.deepEqual([leaderId, ids(currentVoters), ids(observers)], [self, [self], [8, 9]])
  assert.deepEqual(
    quorum.nodes.map(({ nodeId }) => nodeId),
    [7, 8, 9],
  )
  const reassign = async (partitionIndex: number, replicas: number[] | null) => {
    const topics = [{ name: 't', partitions: [{ partitionIndex, replicas }] }]
    const { responses } = await client.request(apis.alterPartitionReassignments, 1, {
      timeoutMs: 1000,
      allowReplicationFactorChange: true,
      topics,
    })
    return errorName(responses[0]!.partitions[0]!.errorCode)
  }
  const elect = async (partition: number) => {
    const topicPartitions = [{ topic: 't', partitions: [partition] }]
    const { replicaElectionResults } = await client.request(apis.electLeaders, 2, { electionType: 0, topicPartitions, timeoutMs: 1000 })
    return errorName(replicaElectionResults[0]!.partitionResult[0]!.errorCode)
  }
  assert.equal(await elect(there), 'ELECTION_NOT_NEEDED')
  assert.equal(await reassign(here, [9, self]), 'NONE')
  assert.equal((await describe(client)).told(here), 'NONE 7 epoch 0 of 9,7, in sync 9,7, offline ')
  await running.broker.metadata.fenceBroker(9, true)
  assert.equal((await describe(client)).told(here), 'NONE 7 epoch 0 of 9,7, in sync 7, offline 9')
  await running.broker.metadata.fenceBroker(9, false)
  assert.equal(await elect(here), 'PREFERRED_LEADER_NOT_AVAILABLE')
  assert.equal(await reassign(here, [self]), 'NONE')
  assert.equal(await elect(here), 'ELECTION_NOT_NEEDED')
  assert.equal(await reassign(here, [8, 10]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(await reassign(here, [8]), 'INVALID_REPLICA_ASSIGNMENT')
  assert.equal(await reassign(here, null), 'NO_REASSIGNMENT_IN_PROGRESS')
  const unregister = async (brokerId: number) => errorName((await client.request(apis.unregisterBroker, 0, { brokerId })).errorCode)
  assert.equal(await unregister(10), 'BROKER_ID_NOT_REGISTERED')
  assert.equal(await unregister(self), 'INVALID_REQUEST')
  assert.equal(await unregister(8), 'INVALID_REQUEST')
  await register(running, 10)
  await running.broker.metadata.fenceBroker(10, true)
  assert.equal(await unregister(10), 'NONE')
})

test('DescribeConfigs of another broker must be asked there; all brokers are listed', async t => {
  const { client } = await world(t)
  const resources = ['7', '8'].map(resourceName => ({ resourceType: 4, resourceName, configurationKeys: ['log.dirs'] }))
  const request = { resources, includeSynonyms: false, includeDocumentation: false }
  const { results } = await client.request(apis.describeConfigs, 4, request)
  assert.deepEqual(
    results.map(({ errorCode }) => errorName(errorCode)),
    ['NONE', 'INVALID_REQUEST'],
  )
  const listed = await client.request(apis.listConfigResources, 1, { resourceTypes: [4] })
  assert.deepEqual(
    listed.configResources.map(({ resourceName }) => resourceName),
    ['7', '8', '9'],
  )
})
