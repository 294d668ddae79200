import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { apis, errorCode, type InputOf, type MessageOf, type Uuid, zeroUuid } from '../../../protocol.ts'
import { inEveryVersion, startTestBroker, type TestBroker } from '../cluster/cluster-apis.testing.ts'
import { describeCluster } from '../cluster/describe-cluster.ts'
import { createPartitions } from './create-partitions.ts'
import { createTopics } from './create-topics.ts'
import { deleteTopics } from './delete-topics.ts'
import { describeTopicPartitions } from './describe-topic-partitions.ts'
import { metadata } from './metadata.ts'

describe('Metadata', () => {
  const plain = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }
  const ask = (broker: TestBroker, version: number, names: string[] | null, more = {}) =>
    broker.call(apis.metadata, metadata, version, { topics: names?.map(name => ({ name })) ?? null, ...plain, ...more })

  it('describes one topic in every version', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a', 2)
    for (let version = 0; version <= 13; version++) {
      const { brokers, topics, controllerId } = await ask(broker, version, ['a'])
      assert.deepEqual(brokers, [{ nodeId: 7, host: 'example', port: 9092, rack: version >= 1 ? 'r1' : null }])
      assert.equal(controllerId, version >= 1 ? 7 : -1)
      assert.equal(topics[0]!.topicId, version >= 10 ? broker.metadata.topicId('a') : zeroUuid)
      assert.deepEqual(topics[0]!.partitions[1], {
        errorCode: 0,
        partitionIndex: 1,
        leaderId: 7,
        leaderEpoch: version >= 7 ? 0 : -1,
        replicaNodes: [7],
        isrNodes: [7],
        offlineReplicas: [],
      })
    }
  })

  it('returns all topics for null, and in v0 for an empty list', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    assert.equal((await ask(broker, 0, [])).topics.length, 1)
    assert.equal((await ask(broker, 1, [])).topics.length, 0)
    assert.equal((await ask(broker, 1, null)).topics.length, 1)
  })

  it('creates what is missing where both sides allow it', async () => {
    const broker = await startTestBroker()
    const { topics } = await ask(broker, 9, ['new', 'bad name'])
    const byName = new Map(topics.map(topic => [topic.name, topic]))
    assert.equal(byName.get('new')!.partitions.length, 1)
    assert.equal(byName.get('bad name')!.errorCode, errorCode('INVALID_TOPIC_EXCEPTION'))
    const forbidden = await ask(broker, 9, ['other'], { allowAutoTopicCreation: false })
    assert.equal(forbidden.topics[0]!.errorCode, errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(broker.metadata.topic('other'), undefined)
    const strict = await startTestBroker({ 'auto.create.topics.enable': 'false' })
    assert.equal((await ask(strict, 0, ['other'])).topics[0]!.errorCode, errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(strict.metadata.topic('other'), undefined)
  })

  it('creates an internal topic as such', async () => {
    const broker = await startTestBroker()
    const { topics } = await ask(broker, 9, ['__consumer_offsets'])
    assert.equal(topics[0]!.isInternal, true)
    assert.equal(topics[0]!.partitions.length, 50)
  })

  it('finds topics by id from v12 on', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    const topicId = broker.metadata.topicId('a')!
    const unknown = 'BBBBBBBBBBBBBBBBBBBBBA' as Uuid
    const topics = [
      { topicId, name: null },
      { topicId: unknown, name: null },
    ]
    const response = await broker.call(apis.metadata, metadata, 12, { topics, ...plain })
    assert.deepEqual(
      response.topics.map(topic => [topic.name, topic.topicId, topic.errorCode]),
      [
        ['a', topicId, 0],
        [null, unknown, errorCode('UNKNOWN_TOPIC_ID')],
      ],
    )
  })

  it('does not mention what may not be described', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    broker.denied.add('DESCRIBE TOPIC a')
    assert.deepEqual((await ask(broker, 9, null)).topics, [])
    const { topics } = await ask(broker, 10, ['a'])
    assert.deepEqual([topics[0]!.errorCode, topics[0]!.topicId], [errorCode('TOPIC_AUTHORIZATION_FAILED'), zeroUuid])
  })

  it('returns authorized operations on request', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    broker.denied.add('WRITE TOPIC a')
    const wanted = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true }
    const response = await ask(broker, 8, ['a'], wanted)
    assert.equal(response.topics[0]!.topicAuthorizedOperations, 0b1101_1110_1000)
    assert.equal(response.clusterAuthorizedOperations, 0b1_1111_1010_0000)
    assert.equal((await ask(broker, 8, ['a'])).topics[0]!.topicAuthorizedOperations, -2147483648)
  })

  it('distinguishes an offline partition from a missing one', async () => {
    const broker = await startTestBroker()
    const log = await broker.createTopic('a')
    log.offline = 'EIO'
    const [partition] = (await ask(broker, 9, ['a'])).topics[0]!.partitions
    assert.deepEqual([partition!.errorCode, partition!.leaderId, partition!.offlineReplicas], [errorCode('LEADER_NOT_AVAILABLE'), -1, [7]])
  })
})

describe('CreateTopics', () => {
  const topic = (name: string) => ({ name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] })

  it('creates in every version', async () => {
    await inEveryVersion(apis.createTopics, createTopics, async (version, call, broker) => {
      const { topics } = (await call({ topics: [topic('a')] })) as { topics: Record<string, unknown>[] }
      assert.equal(topics[0]!['errorCode'], 0)
      assert.equal(topics[0]!['numPartitions'], version >= 5 ? 2 : -1)
      const retention = (topics[0]!['configs'] as { name: string; value: string }[]).find(config => config.name === 'retention.ms')
      assert.equal(retention?.value, version >= 5 ? '604800000' : undefined)
      assert.equal(topics[0]!['topicId'], version >= 7 ? broker.metadata.topicId('a') : zeroUuid)
    })
  })

  it('refuses duplicates, the metadata topic and what is not allowed, topic by topic', async () => {
    const broker = await startTestBroker()
    broker.denied.add('CREATE CLUSTER kafka-cluster').add('CREATE TOPIC secret').add('DESCRIBE_CONFIGS TOPIC good')
    const names = ['twice', 'twice', '__cluster_metadata', 'secret', 'good']
    const { topics } = await broker.call(apis.createTopics, createTopics, 7, { topics: names.map(topic) })
    assert.deepEqual(
      topics.map(each => [each.name, each.errorCode]),
      [
        ['__cluster_metadata', errorCode('INVALID_REQUEST')],
        ['good', 0],
        ['twice', errorCode('INVALID_REQUEST')],
        ['secret', errorCode('TOPIC_AUTHORIZATION_FAILED')],
      ],
    )
    assert.equal(topics[1]!.topicConfigErrorCode, errorCode('TOPIC_AUTHORIZATION_FAILED'))
    assert.equal(topics[1]!.numPartitions, -1)
  })

  it('only validates when asked to', async () => {
    const broker = await startTestBroker()
    const { topics } = await broker.call(apis.createTopics, createTopics, 7, { topics: [topic('a')], validateOnly: true })
    assert.equal(topics[0]!.errorCode, 0)
    assert.equal(broker.metadata.topic('a'), undefined)
  })
})

describe('DeleteTopics', () => {
  it('deletes in every version', async () => {
    await inEveryVersion(apis.deleteTopics, deleteTopics, async (version, call, broker) => {
      await broker.createTopic('a')
      const byName = version >= 6 ? { topics: [{ name: 'a', topicId: zeroUuid }] } : { topics: [], topicNames: ['a'] }
      const { responses } = (await call({ timeoutMs: 1, ...byName })) as { responses: { errorCode: number }[] }
      assert.deepEqual(
        responses.map(each => each.errorCode),
        [0],
      )
      assert.equal(broker.metadata.topic('a'), undefined)
    })
  })

  it('answers mistakes one by one', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    await broker.createTopic('kept')
    const kept = broker.metadata.topicId('kept')!
    const unknown = 'BBBBBBBBBBBBBBBBBBBBBA' as Uuid
    const topics = [
      { name: 'a', topicId: zeroUuid },
      { name: 'a', topicId: zeroUuid },
      { name: 'none', topicId: zeroUuid },
      { name: null, topicId: zeroUuid },
      { name: 'a', topicId: unknown },
      { name: null, topicId: unknown },
      { name: 'kept', topicId: zeroUuid },
      { name: null, topicId: kept },
    ]
    const { responses } = await broker.call(apis.deleteTopics, deleteTopics, 6, { topics, timeoutMs: 1 })
    assert.deepEqual(
      responses.map(each => `${each.name} ${each.errorMessage}`).sort(),
      [
        'a Duplicate topic name.',
        'a You may not specify both topic name and topic id.',
        'kept The provided topic name maps to an ID that was already supplied.',
        `none ${responses.find(each => each.name === 'none')!.errorMessage}`,
        'null Neither topic name nor id were specified.',
        `null ${responses.find(each => each.topicId === unknown && each.name === null)!.errorMessage}`,
      ].sort(),
    )
    assert.equal(responses.find(each => each.name === 'none')!.errorCode, errorCode('UNKNOWN_TOPIC_OR_PARTITION'))
    assert.equal(responses.find(each => each.topicId === unknown && each.name === null)!.errorCode, errorCode('UNKNOWN_TOPIC_ID'))
    assert.ok(broker.metadata.topic('a') && broker.metadata.topic('kept'))
  })

  it('can be switched off', async () => {
    const broker = await startTestBroker({ 'delete.topic.enable': 'false' })
    await broker.createTopic('a')
    const ask = (version: number) => broker.call(apis.deleteTopics, deleteTopics, version, { topics: [], topicNames: ['a'], timeoutMs: 1 })
    assert.equal((await ask(2)).responses[0]!.errorCode, errorCode('INVALID_REQUEST'))
    assert.equal((await ask(3)).responses[0]!.errorCode, errorCode('TOPIC_DELETION_DISABLED'))
    assert.ok(broker.metadata.topic('a'))
  })
})

describe('CreatePartitions', () => {
  it('adds in every version, and refuses duplicates', async () => {
    await inEveryVersion(apis.createPartitions, createPartitions, async (_version, call, broker) => {
      await broker.createTopic('a')
      const topic = (name: string) => ({ name, count: 3, assignments: null })
      const request = { topics: [topic('a'), topic('b'), topic('b')], timeoutMs: 1, validateOnly: false }
      const { results } = (await call(request)) as { results: { name: string; errorCode: number }[] }
      assert.deepEqual(
        results.map(each => [each.name, each.errorCode]),
        [
          ['b', errorCode('INVALID_REQUEST')],
          ['a', 0],
        ],
      )
      assert.equal(broker.metadata.topic('a')!.partitions.length, 3)
    })
  })
})

describe('DescribeCluster', () => {
  it('returns the broker in every version', async () => {
    await inEveryVersion(apis.describeCluster, describeCluster, async (_version, call) => {
      const response = (await call({ includeClusterAuthorizedOperations: true, includeFencedBrokers: false })) as Record<string, unknown>
      assert.equal(response['clusterId'], 'cluster')
      assert.equal(response['controllerId'], 7)
      assert.deepEqual(response['brokers'], [{ brokerId: 7, host: 'example', port: 9092, rack: 'r1', isFenced: false }])
      assert.equal(response['clusterAuthorizedOperations'], 0b1_1111_1010_0000)
    })
  })

  it('is not a controller', async () => {
    const broker = await startTestBroker()
    const request = { includeClusterAuthorizedOperations: false, includeFencedBrokers: false, endpointType: 2 }
    const { errorCode: code } = await broker.call(apis.describeCluster, describeCluster, 1, request)
    assert.equal(code, errorCode('MISMATCHED_ENDPOINT_TYPE'))
  })
})

describe('DescribeTopicPartitions', () => {
  it('pages through everything', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('b', 3)
    await broker.createTopic('a', 2)
    const seen: string[] = []
    type Page = MessageOf<typeof apis.describeTopicPartitions.response>
    let cursor: Page['nextCursor'] = null
    for (let pages = 0; pages < 9; pages++) {
      const request: InputOf<typeof apis.describeTopicPartitions.request> = { topics: [], responsePartitionLimit: 2, cursor }
      const response: Page = await broker.call(apis.describeTopicPartitions, describeTopicPartitions, 0, request)
      for (const topic of response.topics) for (const each of topic.partitions) seen.push(`${topic.name}-${each.partitionIndex}`)
      cursor = response.nextCursor
      if (cursor === null) break
    }
    assert.deepEqual(seen, ['a-0', 'a-1', 'b-0', 'b-1', 'b-2'])
  })

  it('answers for each topic that was named', async () => {
    const broker = await startTestBroker()
    await broker.createTopic('a')
    broker.denied.add('DESCRIBE TOPIC secret')
    const topics = ['secret', 'none', 'a', 'bad name'].map(name => ({ name }))
    const response = await broker.call(apis.describeTopicPartitions, describeTopicPartitions, 0, { topics })
    assert.deepEqual(
      response.topics.map(topic => [topic.name, topic.errorCode]),
      [
        ['a', 0],
        ['bad name', errorCode('INVALID_TOPIC_EXCEPTION')],
        ['none', errorCode('UNKNOWN_TOPIC_OR_PARTITION')],
        ['secret', errorCode('TOPIC_AUTHORIZATION_FAILED')],
      ],
    )
  })
})
