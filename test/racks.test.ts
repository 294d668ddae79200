/** Racks on one broker, as a one-node Kafka answers: racks are accepted and returned, but do not influence anything (KIP-392, KIP-848, KIP-932). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildBatch } from '../sim/world/batches.ts'
import { startBroker } from '../src/millrace.ts'
import { apis } from '../src/protocol.ts'
import { connect, createTopic, findCoordinator, produce } from './support/client.ts'

const selector = 'org.apache.kafka.common.replica.RackAwareReplicaSelector'

test('a consumer with a rack reads from the leader: there is no replica nearer to it', async t => {
  const config = { 'broker.rack': 'west', 'replica.selector.class': selector }
  const broker = await startBroker({ memory: true, config })
  t.after(() => broker.close())
  const client = await connect(broker.port)
  t.after(() => client.close())
  const topicId = await createTopic(client, 't')
  await produce(client, 't', buildBatch({ values: ['x'] }))
  for (const rackId of ['west', 'east', '']) {
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }
    const request = { maxWaitMs: 0, minBytes: 0, maxBytes: 1000, isolationLevel: 0, forgottenTopicsData: [], rackId }
    for (const [version, topic] of [
      [11, { topic: 't', partitions: [partition] }],
      [17, { topicId, partitions: [partition] }],
    ] as const) {
      const { responses } = await client.request(apis.fetch, version, { ...request, topics: [topic] })
      const [answer] = responses[0]!.partitions
      assert.deepEqual([answer!.errorCode, answer!.preferredReadReplica], [0, -1])
      assert.ok((answer!.records as Buffer).length > 0)
    }
  }
  const metadata = await client.request(apis.metadata, 12, {
    topics: null,
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  })
  assert.deepEqual(
    metadata.brokers.map(({ rack }) => rack),
    ['west'],
  )
})

test('racks of members are remembered and described; who joins from elsewhere gets the same', async t => {
  const broker = await startBroker({ memory: true, config: { 'broker.rack': 'west', 'group.consumer.assignment.interval.ms': '0' } })
  t.after(() => broker.close())
  const client = await connect(broker.port)
  t.after(() => client.close())
  await createTopic(client, 't', 4)
  await findCoordinator(client, 'g')
  const member = {
    instanceId: null,
    rebalanceTimeoutMs: 1000,
    subscribedTopicNames: ['t'],
    subscribedTopicRegex: null,
    serverAssignor: null,
  }
  for (const rackId of ['west', 'east']) {
    const heartbeat = { ...member, groupId: 'g', memberId: rackId, memberEpoch: 0, rackId, topicPartitions: [] }
    assert.equal((await client.request(apis.consumerGroupHeartbeat, 1, heartbeat)).errorCode, 0)
    const sharing = { groupId: 's', memberId: rackId, memberEpoch: 0, rackId, subscribedTopicNames: ['t'] }
    assert.equal((await client.request(apis.shareGroupHeartbeat, 1, sharing)).errorCode, 0)
  }
  const [group] = (await client.request(apis.consumerGroupDescribe, 1, { groupIds: ['g'], includeAuthorizedOperations: false })).groups
  const targets = group!.members.map(({ rackId, targetAssignment }) => [rackId, targetAssignment.topicPartitions[0]!.partitions.length])
  assert.deepEqual(
    targets.sort((one, other) => (String(one[0]) < String(other[0]) ? -1 : 1)),
    [
      ['east', 2],
      ['west', 2],
    ],
  )
  const [shares] = (await client.request(apis.shareGroupDescribe, 1, { groupIds: ['s'], includeAuthorizedOperations: false })).groups
  assert.deepEqual(shares!.members.map(({ rackId }) => rackId).sort(), ['east', 'west'])
})
