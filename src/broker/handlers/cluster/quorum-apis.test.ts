import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, errorCode, metadataTopicUuid, type Uuid, zeroUuid } from '../../../protocol.ts'
import { alterPartitionReassignments } from '../topics/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from '../topics/alter-replica-log-dirs.ts'
import { electLeaders } from '../topics/elect-leaders.ts'
import { listPartitionReassignments } from '../topics/list-partition-reassignments.ts'
import { addRaftVoter } from './add-raft-voter.ts'
import { inEveryVersion, startTestBroker } from './cluster-apis.testing.ts'
import { describeQuorum } from './describe-quorum.ts'
import { removeRaftVoter } from './remove-raft-voter.ts'
import { unregisterBroker } from './unregister-broker.ts'
import { unregisterController } from './unregister-controller.ts'
import { updateFeatures } from './update-features.ts'

const someId = metadataTopicUuid as Uuid

test('DescribeQuorum: this broker leads alone; anything but the metadata partition is unknown', () =>
  inEveryVersion(apis.describeQuorum, describeQuorum, async (version, call) => {
    const ask = (topicName: string, partitionIndex: number) => call({ topics: [{ topicName, partitions: [{ partitionIndex }] }] })
    const { topics, nodes } = await ask('__cluster_metadata', 0)
    const partition = topics[0]!.partitions[0]!
    assert.equal(partition.errorCode, 0)
    assert.equal(partition.leaderId, 7)
    assert.ok(partition.highWatermark > 0)
    assert.deepEqual(
      partition.currentVoters.map(voter => [voter.replicaId, voter.logEndOffset]),
      [[7, partition.highWatermark]],
    )
    assert.equal(nodes.length, version >= 2 ? 1 : 0)
    for (const [topic, index] of [
      ['__cluster_metadata', 1],
      ['other', 0],
    ] as const) {
      const refused = await ask(topic, index)
      assert.equal(refused.topics[0]!.partitions[0]!.errorCode, errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    }
  }))

test('ElectLeaders: not needed, unknown, or impossible', () =>
  inEveryVersion(apis.electLeaders, electLeaders, async (version, call, broker) => {
    const log = await broker.createTopic('t')
    const codes = async (topic: string, partition: number) => {
      const { replicaElectionResults } = await call({ electionType: 0, topicPartitions: [{ topic, partitions: [partition] }] })
      return replicaElectionResults[0]!.partitionResult[0]!.errorCode
    }
    assert.equal(await codes('t', 0), errorCode('ELECTION_NOT_NEEDED'))
    assert.equal(await codes('t', 1), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(await codes('u', 0), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.deepEqual((await call({ electionType: 0, topicPartitions: null })).replicaElectionResults, [{ topic: 't', partitionResult: [] }])
    log.offline = 'EIO'
    assert.equal(await codes('t', 0), errorCode('PREFERRED_LEADER_NOT_AVAILABLE'))
    if (version === 0) return
    const request = { topicPartitions: [{ topic: 't', partitions: [0] }] }
    const unclean = await call({ ...request, electionType: 1 })
    assert.equal(unclean.replicaElectionResults[0]!.partitionResult[0]!.errorCode, errorCode('ELIGIBLE_LEADERS_NOT_AVAILABLE'))
    assert.equal((await call({ ...request, electionType: 2 })).errorCode, errorCode('INVALID_REQUEST'))
    assert.equal((await call({ ...request, electionType: 0, timeoutMs: 0 })).errorCode, errorCode('REQUEST_TIMED_OUT'))
  }))

test('ElectLeaders of another broker needs CLUSTER_ACTION, of everybody else ALTER', async () => {
  const broker = await startTestBroker()
  await broker.createTopic('t')
  const ask = async (clientId: string, ...denied: string[]) => {
    broker.denied.clear()
    for (const operation of denied) broker.denied.add(`${operation} CLUSTER kafka-cluster`)
    broker.clientId = clientId
    return (await broker.call(apis.electLeaders, electLeaders, 2, { electionType: 0, topicPartitions: null })).errorCode
  }
  const refused = errorCode('CLUSTER_AUTHORIZATION_FAILED')
  assert.deepEqual([await ask('broker-2', 'ALTER'), await ask('broker-2', 'CLUSTER_ACTION')], [0, 0])
  assert.deepEqual([await ask('admin', 'ALTER'), await ask('admin', 'CLUSTER_ACTION')], [refused, 0])
  assert.equal(await ask('broker-2', 'ALTER', 'CLUSTER_ACTION'), refused)
})

test('AlterPartitionReassignments: only where the partition is already; nothing to cancel, nothing to list', async () => {
  await inEveryVersion(apis.alterPartitionReassignments, alterPartitionReassignments, async (_version, call, broker) => {
    await broker.createTopic('t')
    const code = async (name: string, partitionIndex: number, replicas: number[] | null) => {
      const { responses } = await call({ topics: [{ name, partitions: [{ partitionIndex, replicas }] }] })
      return responses[0]!.partitions[0]!.errorCode
    }
    assert.equal(await code('t', 0, [7]), 0)
    for (const bad of [[], [8], [7, 8], [7, 7]]) assert.equal(await code('t', 0, bad), errorCode('INVALID_REPLICA_ASSIGNMENT'))
    assert.equal(await code('t', 0, null), errorCode('NO_REASSIGNMENT_IN_PROGRESS'))
    assert.equal(await code('t', 1, [7]), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(await code('u', 0, [7]), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    // As Kafka answers: all that was named has failed, too.
    const late = await call({ timeoutMs: 0, topics: [{ name: 't', partitions: [{ partitionIndex: 0, replicas: null }] }] })
    const timedOut = errorCode('REQUEST_TIMED_OUT')
    assert.deepEqual([late.errorCode, late.responses[0]!.partitions[0]!.errorCode], [timedOut, timedOut])
  })
  const broker = await startTestBroker()
  assert.deepEqual((await broker.call(apis.listPartitionReassignments, listPartitionReassignments, 0, {})).topics, [])
})

test('AlterReplicaLogDirs: there is one directory', () =>
  inEveryVersion(apis.alterReplicaLogDirs, alterReplicaLogDirs, async (_version, call, broker) => {
    await broker.createTopic('t')
    const long = 'x'.repeat(240)
    const code = async (path: string, name: string) =>
      (await call({ dirs: [{ path, topics: [{ name, partitions: [0] }] }] })).results[0]!.partitions[0]!.errorCode
    assert.equal(await code('/data', 't'), 0)
    assert.equal(await code('/data', 'u'), errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(await code('/other', 't'), errorCode('LOG_DIR_NOT_FOUND'))
    assert.equal(await code('/data', long), errorCode('INVALID_TOPIC_EXCEPTION'))
  }))

test('UpdateFeatures: Kafka’s rules, all or none, durable', () =>
  inEveryVersion(apis.updateFeatures, updateFeatures, async (version, call, broker) => {
    const level = () => broker.metadata.finalizedFeatures().levels.get('metadata.version')
    const top = level()!
    const update = (feature: string, maxVersionLevel: number, down: boolean) =>
      call({
        featureUpdates: [
          version === 0
            ? { feature, maxVersionLevel, allowDowngrade: down }
            : { feature, maxVersionLevel, allowDowngrade: false, upgradeType: down ? 2 : 1 },
        ],
      })
    const invalid = errorCode('INVALID_UPDATE_VERSION')
    assert.equal((await update('metadata.version', top - 1, false)).errorCode, invalid)
    assert.equal((await update('metadata.version', top + 1, false)).errorCode, invalid)
    assert.equal((await update('metadata.version', 14, true)).errorCode, invalid, 'records changed since')
    assert.equal((await update('no.such', 1, false)).errorCode, invalid)
    assert.equal(level(), top)
    const done = await update('metadata.version', top - 1, true)
    assert.equal(done.errorCode, 0)
    assert.equal(done.results.length, version <= 1 ? 1 : 0)
    assert.equal(level(), top - 1)
    if (version === 0) return
    const featureUpdates = [{ feature: 'metadata.version', maxVersionLevel: top, allowDowngrade: false }]
    assert.equal((await call({ featureUpdates, validateOnly: true })).errorCode, 0)
    assert.equal(level(), top - 1)
  }))

test('the only broker, controller and voter stays', async () => {
  const broker = await startTestBroker()
  const unregister = async (brokerId: number) => (await broker.call(apis.unregisterBroker, unregisterBroker, 0, { brokerId })).errorCode
  assert.equal(await unregister(7), errorCode('INVALID_REQUEST'))
  assert.equal(await unregister(8), errorCode('BROKER_ID_NOT_REGISTERED'))
  const controller = async (controllerId: number) =>
    (await broker.call(apis.unregisterController, unregisterController, 0, { controllerId })).errorCode
  assert.equal(await controller(7), errorCode('INVALID_REQUEST'))
  assert.equal(await controller(8), errorCode('CONTROLLER_ID_NOT_REGISTERED'))
  const voter = (clusterId: string | null, voterDirectoryId: Uuid) => ({
    clusterId,
    voterId: 8,
    voterDirectoryId,
    timeoutMs: 1,
    listeners: [],
  })
  const add = async (clusterId: string | null, id: Uuid) =>
    (await broker.call(apis.addRaftVoter, addRaftVoter, 1, voter(clusterId, id))).errorCode
  assert.equal(await add('other', someId), errorCode('INCONSISTENT_CLUSTER_ID'))
  assert.equal(await add('cluster', zeroUuid), errorCode('INVALID_REQUEST'))
  assert.equal(await add(null, someId), errorCode('UNSUPPORTED_VERSION'))
  const removed = await broker.call(apis.removeRaftVoter, removeRaftVoter, 0, { clusterId: null, voterId: 7, voterDirectoryId: someId })
  assert.equal(removed.errorCode, errorCode('UNSUPPORTED_VERSION'))
})

test('without the right on the cluster all are refused', async () => {
  const broker = await startTestBroker()
  broker.denied.add('ALTER CLUSTER kafka-cluster').add('DESCRIBE CLUSTER kafka-cluster')
  const refused = errorCode('CLUSTER_AUTHORIZATION_FAILED')
  assert.equal((await broker.call(apis.describeQuorum, describeQuorum, 2, { topics: [] })).errorCode, refused)
  assert.equal((await broker.call(apis.updateFeatures, updateFeatures, 2, { featureUpdates: [] })).errorCode, refused)
  assert.equal((await broker.call(apis.electLeaders, electLeaders, 2, { electionType: 0, topicPartitions: [] })).errorCode, refused)
  assert.equal((await broker.call(apis.alterPartitionReassignments, alterPartitionReassignments, 1, { topics: [] })).errorCode, refused)
  assert.equal((await broker.call(apis.listPartitionReassignments, listPartitionReassignments, 0, {})).errorCode, refused)
  assert.equal((await broker.call(apis.unregisterBroker, unregisterBroker, 0, { brokerId: 1 })).errorCode, refused)
  assert.equal((await broker.call(apis.unregisterController, unregisterController, 0, { controllerId: 1 })).errorCode, refused)
  const voter = { clusterId: null, voterId: 8, voterDirectoryId: someId, timeoutMs: 1, listeners: [] }
  assert.equal((await broker.call(apis.addRaftVoter, addRaftVoter, 1, voter)).errorCode, refused)
  const dirs = [{ path: '/data', topics: [{ name: 't', partitions: [0] }] }]
  const moved = await broker.call(apis.alterReplicaLogDirs, alterReplicaLogDirs, 2, { dirs })
  assert.equal(moved.results[0]!.partitions[0]!.errorCode, refused)
})
