/** Internal topics and a client with all permissions: nothing is lost, and the broker keeps working, also after a restart. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type FileSystem, memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, startBroker } from '../../src/broker.ts'
import { apis, batchesIn, buildBatch, errorName, type NewRecord, type Uuid, zeroUuid } from '../../src/protocol.ts'
import { connect, coordinates, createTopic, fetchRecords, findCoordinator, type RawClient } from '../support/client.ts'

const metadataTopic = '__cluster_metadata'
const stateTopics = ['__consumer_offsets', '__transaction_state', '__share_group_state']

interface Running {
  client: RawClient
  connect(clientId: string): Promise<RawClient>
  lines: { level: string; message: string }[]
  metrics(): Promise<string>
  close(): Promise<void>
}

async function start(t: TestContext, files: FileSystem): Promise<Running> {
  const lines: Running['lines'] = []
  const at = (level: string) => (_details: object, message: string) => void lines.push({ level, message })
  const running = await startBroker({
    system: realSystem(files),
    config: loadBrokerConfig({
      set: {
        listeners: 'PLAINTEXT://127.0.0.1:0',
        'http.listen': '127.0.0.1:0',
        'offsets.topic.num.partitions': '2',
        'transaction.state.log.num.partitions': '2',
        'share.coordinator.state.topic.num.partitions': '2',
      },
    }),
    logger: { level: 'debug', debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    onFatal: error => assert.fail(error),
  })
  const clients: RawClient[] = []
  const connectAs = async (clientId: string) => {
    const client = await connect([...running.ports.values()][0]!, clientId)
    clients.push(client)
    return client
  }
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    for (const client of clients) client.close()
    await running.close()
  }
  t.after(close)
  const metrics = async () => (await fetch(`http://127.0.0.1:${running.httpPort}/metrics`)).text()
  return { client: await connectAs('test'), connect: connectAs, lines, metrics, close }
}

/** A topic, a group with an offset, and a transactional id: what the internal topics are there for. */
async function populate(client: RawClient): Promise<void> {
  await createTopic(client, 't')
  await findCoordinator(client, 'g')
  await findCoordinator(client, 'tx', coordinates.transaction)
  await findCoordinator(client, `g:${zeroUuid}:0`, coordinates.share)
  await commit(client, 7)
}

async function commit(client: RawClient, committedOffset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1, committedMetadata: '' }]
  const request = { groupId: 'g', generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, topics: [{ name: 't', partitions }] }
  const { topics } = await client.request(apis.offsetCommit, 8, request)
  assert.equal(errorName(topics[0]!.partitions[0]!.errorCode), 'NONE')
}

async function committed(client: RawClient): Promise<number> {
  const topics = [{ name: 't', partitionIndexes: [0] }]
  const { groups } = await client.request(apis.offsetFetch, 8, { groups: [{ groupId: 'g', topics }], requireStable: true })
  assert.equal(errorName(groups[0]!.errorCode), 'NONE')
  return Number(groups[0]!.topics[0]!.partitions[0]!.committedOffset)
}

async function beginTransaction(client: RawClient) {
  const request = { transactionalId: 'tx', transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
  const { errorCode, producerId, producerEpoch } = await client.request(apis.initProducerId, 5, request)
  assert.equal(errorName(errorCode), 'NONE')
  return { producerId, producerEpoch }
}

/** As clients do, when records of somebody else made the coordinator load its partition again. */
async function again<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

async function topicNames(client: RawClient): Promise<string[]> {
  const { topics } = await client.request(apis.metadata, 12, { ...plainMetadata, topics: null })
  return topics.map(({ name }) => name!).sort()
}

const plainMetadata = { allowAutoTopicCreation: true, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }

async function produceTo(client: RawClient, topic: string, records: NewRecord[], more: Partial<Parameters<typeof buildBatch>[0]> = {}) {
  const request = (version: number, topicId: Uuid = zeroUuid) => ({
    transactionalId: more.isTransactional ? 'tx' : null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [
      {
        ...(version >= 13 ? { topicId } : { name: topic }),
        partitionData: [{ index: 0, records: buildBatch({ records, timestamp: Date.now(), ...more }) }],
      },
    ],
  })
  const { topics } = await client.request(apis.metadata, 12, { ...plainMetadata, allowAutoTopicCreation: false, topics: [{ name: topic }] })
  const errors: string[] = []
  for (const version of [3, 9, 12, 13]) {
    const { responses } = await client.request(apis.produce, version, request(version, topics[0]!.topicId))
    errors.push(errorName(responses[0]!.partitionResponses[0]!.errorCode))
  }
  return errors
}

test('no request can create the metadata topic', async t => {
  const { client } = await start(t, memoryFileSystem())
  await populate(client)
  const before = await topicNames(client)
  const spec = { name: metadataTopic, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  for (const version of [0, 4, 7]) {
    const { topics } = await client.request(apis.createTopics, version, { topics: [spec], timeoutMs: 1_000, validateOnly: false })
    assert.equal(errorName(topics[0]!.errorCode), 'INVALID_REQUEST')
  }
  for (const version of [0, 4, 9, 13]) {
    const { topics } = await client.request(apis.metadata, version, { ...plainMetadata, topics: [{ name: metadataTopic }] })
    assert.equal(errorName(topics[0]!.errorCode), 'UNKNOWN_TOPIC_OR_PARTITION')
  }
  const subtopology = (more: object) => ({
    subtopologyId: '0',
    sourceTopics: ['t'],
    sourceTopicRegex: [],
    repartitionSinkTopics: [],
    stateChangelogTopics: [],
    repartitionSourceTopics: [],
    copartitionGroups: [],
    ...more,
  })
  const info = { name: metadataTopic, partitions: 0, replicationFactor: 0, topicConfigs: [] }
  for (const more of [
    { stateChangelogTopics: [info] },
    { repartitionSourceTopics: [{ ...info, partitions: 1 }], repartitionSinkTopics: [metadataTopic] },
    { sourceTopics: [metadataTopic] },
  ]) {
    const { errorCode } = await client.request(apis.streamsGroupHeartbeat, 0, {
      groupId: 'app',
      memberId: 'member',
      memberEpoch: 0,
      endpointInformationEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      topology: { epoch: 0, subtopologies: [subtopology(more)] },
      activeTasks: [],
      standbyTasks: [],
      warmupTasks: [],
      processId: 'process',
      userEndpoint: null,
      clientTags: [],
      taskOffsets: null,
      taskEndOffsets: null,
    })
    assert.equal(errorName(errorCode), 'STREAMS_INVALID_TOPOLOGY')
  }
  assert.deepEqual(await topicNames(client), before)
})

test('internal topics cannot be deleted, get no more partitions and keep what their coordinators need', async t => {
  const files = memoryFileSystem()
  let broker = await start(t, files)
  await populate(broker.client)
  const before = await topicNames(broker.client)
  const { topics: described } = await broker.client.request(apis.metadata, 12, {
    ...plainMetadata,
    topics: stateTopics.map(name => ({ name })),
  })
  for (const { name, topicId } of described) {
    for (const topic of [
      { name, topicId: zeroUuid },
      { name: null, topicId },
    ]) {
      const { responses } = await broker.client.request(apis.deleteTopics, 6, { topics: [topic], timeoutMs: 1_000 })
      assert.equal(errorName(responses[0]!.errorCode), 'POLICY_VIOLATION')
    }
    const { results } = await broker.client.request(apis.createPartitions, 3, {
      topics: [{ name: name!, count: 5, assignments: null }],
      timeoutMs: 1_000,
      validateOnly: false,
    })
    assert.equal(errorName(results[0]!.errorCode), 'POLICY_VIOLATION')
    const records = await broker.client.request(apis.deleteRecords, 2, {
      topics: [{ name: name!, partitions: [{ partitionIndex: 0, offset: -1 }] }],
      timeoutMs: 1_000,
    })
    assert.equal(errorName(records.topics[0]!.partitions[0]!.errorCode), 'INVALID_TOPIC_EXCEPTION')
  }
  assert.deepEqual(await topicNames(broker.client), before)
  await commit(broker.client, 8)
  await broker.close()
  broker = await start(t, files)
  assert.equal(await committed(broker.client), 8)
})

test('configs of internal topics: what does no harm may be altered', async t => {
  const { client } = await start(t, memoryFileSystem())
  await populate(client)
  const alter = async (resourceName: string, configOperation: number, name: string, value: string | null) => {
    const resources = [{ resourceType: 2, resourceName, configs: [{ name, configOperation, value }] }]
    const { responses } = await client.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
    return { error: errorName(responses[0]!.errorCode), message: responses[0]!.errorMessage }
  }
  const [set, remove, append] = [0, 1, 2]
  for (const topic of ['__consumer_offsets', '__transaction_state']) {
    for (const [operation, key, value] of [
      [set, 'cleanup.policy', 'delete'],
      [set, 'cleanup.policy', 'compact,delete'],
      [append, 'cleanup.policy', 'delete'],
      [remove, 'cleanup.policy', null],
      [set, 'max.message.bytes', '1'],
      [set, 'max.message.bytes', '1000000'],
      [set, 'internal.segment.bytes', '1'],
    ] as const) {
      const { error, message } = await alter(topic, operation, key, value)
      assert.equal(error, 'POLICY_VIOLATION', `${key}=${value}`)
      assert.ok(message?.includes(key) && message.includes(topic), `${message}`)
    }
    assert.equal((await alter(topic, set, 'segment.bytes', '2000000')).error, 'NONE')
    assert.equal((await alter(topic, set, 'max.message.bytes', '10000000')).error, 'NONE')
    assert.equal((await alter(topic, remove, 'max.message.bytes', null)).error, 'NONE')
    assert.equal((await alter(topic, set, 'retention.ms', '1')).error, 'NONE', 'without effect, since nothing is deleted by age')
  }
  for (const [operation, key, value] of [
    [set, 'cleanup.policy', 'compact'],
    [set, 'retention.ms', '1000'],
    [remove, 'retention.ms', null],
    [set, 'retention.bytes', '1'],
    [set, 'max.message.bytes', '1'],
    [set, 'internal.segment.bytes', '1000'],
  ] as const) {
    assert.equal((await alter('__share_group_state', operation, key, value)).error, 'POLICY_VIOLATION', `${key}=${value}`)
  }
  // AlterConfigs takes back what it does not name.
  const resources = stateTopics.map(resourceName => ({ resourceType: 2, resourceName, configs: [{ name: 'segment.ms', value: '1000' }] }))
  const { responses } = await client.request(apis.alterConfigs, 2, { resources, validateOnly: false })
  assert.deepEqual(
    responses.map(({ errorCode }) => errorName(errorCode)),
    stateTopics.map(() => 'POLICY_VIOLATION'),
  )
})

test("a broker's default does not reach the internal topics where it would do harm", async t => {
  const files = memoryFileSystem()
  let broker = await start(t, files)
  await populate(broker.client)
  const configs = ['message.max.bytes', 'log.retention.ms', 'log.retention.bytes'].map(name => ({ name, configOperation: 0, value: '1' }))
  const request = { resources: [{ resourceType: 4, resourceName: '', configs }], validateOnly: false }
  const { responses } = await broker.client.request(apis.incrementalAlterConfigs, 1, request)
  assert.equal(errorName(responses[0]!.errorCode), 'NONE')
  await commit(broker.client, 9)
  await beginTransaction(broker.client)
  await broker.close()
  broker = await start(t, files)
  assert.equal(await committed(broker.client), 9)
})

test('an internal topic that a client creates before the broker has the configuration of the broker', async t => {
  const { client } = await start(t, memoryFileSystem())
  const create = async (configs: { name: string; value: string }[]) => {
    const topic = { name: '__consumer_offsets', numPartitions: 3, replicationFactor: 1, assignments: [], configs }
    return (await client.request(apis.createTopics, 7, { topics: [topic], timeoutMs: 1_000, validateOnly: false })).topics[0]!
  }
  const refused = await create([{ name: 'cleanup.policy', value: 'delete' }])
  assert.equal(errorName(refused.errorCode), 'POLICY_VIOLATION')
  const created = await create([])
  assert.equal(errorName(created.errorCode), 'NONE')
  assert.equal(created.configs!.find(({ name }) => name === 'cleanup.policy')?.value, 'compact')
})

test('only the client id __admin_client writes to internal topics; undecodable records are skipped, logged and counted', async t => {
  const files = memoryFileSystem()
  let broker = await start(t, files)
  await populate(broker.client)
  const key = Buffer.from([0, 1, 0])
  const garbage: NewRecord[] = [
    { key, value: Buffer.from('x') },
    { key: Buffer.alloc(0), value: null },
    { key: Buffer.from([0, 0, 0, 1]), value: Buffer.from([0]) },
  ]
  for (const topic of stateTopics) {
    const refused = 'INVALID_TOPIC_EXCEPTION'
    assert.deepEqual(await produceTo(broker.client, topic, garbage), [refused, refused, refused, refused], topic)
  }
  const admin = await broker.connect('__admin_client')
  for (const topic of stateTopics) assert.deepEqual(await produceTo(admin, topic, garbage), ['NONE', 'NONE', 'NONE', 'NONE'], topic)
  const coordinates = async () => {
    await again(() => commit(broker.client, 11))
    assert.equal(await committed(broker.client), 11)
    await again(() => beginTransaction(broker.client))
  }
  await coordinates()
  await broker.close()
  broker = await start(t, files)
  assert.equal(await committed(broker.client), 11)
  await coordinates()
  assert.ok(
    broker.lines.some(({ level, message }) => level === 'warn' && /__consumer_offsets-0: skipping the record at offset \d+/.test(message)),
  )
  const page = await broker.metrics()
  for (const topic of stateTopics) {
    const count = Number(new RegExp(`^millrace_internal_records_skipped_total\\{topic="${topic}"\\} (\\d+)$`, 'm').exec(page)?.[1])
    assert.ok(count >= 4, `${topic}: ${count}`)
  }
})

test('no transaction enters an internal topic, and no marker is written there', async t => {
  const files = memoryFileSystem()
  let broker = await start(t, files)
  await populate(broker.client)
  const session = await beginTransaction(broker.client)
  const admin = await broker.connect('__admin_client')
  const refused = 'INVALID_TOPIC_EXCEPTION'
  for (const client of [broker.client, admin]) {
    const errors = await produceTo(client, '__transaction_state', [{ key: null, value: null }], {
      ...session,
      baseSequence: 0,
      isTransactional: true,
    })
    assert.deepEqual(errors, [refused, refused, refused, refused])
  }
  const topics = [
    { name: 't', partitions: [0] },
    { name: '__transaction_state', partitions: [0, 1] },
  ]
  const added = [
    't OPERATION_NOT_ATTEMPTED',
    '__transaction_state TOPIC_AUTHORIZATION_FAILED',
    '__transaction_state TOPIC_AUTHORIZATION_FAILED',
  ]
  type Results = { name: string; resultsByPartition: { partitionErrorCode: number }[] }[]
  const errorsOf = (results: Results) =>
    results.flatMap(({ name, resultsByPartition }) => resultsByPartition.map(each => `${name} ${errorName(each.partitionErrorCode)}`))
  const old = await broker.client.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'tx',
    v3AndBelowProducerId: session.producerId,
    v3AndBelowProducerEpoch: session.producerEpoch,
    v3AndBelowTopics: topics,
  })
  assert.deepEqual(errorsOf(old.resultsByTopicV3AndBelow), added)
  for (const version of [4, 5]) {
    const transactions = [{ transactionalId: 'tx', ...session, verifyOnly: false, topics }]
    const { resultsByTransaction } = await broker.client.request(apis.addPartitionsToTxn, version, { transactions })
    assert.deepEqual(errorsOf(resultsByTransaction[0]!.topicResults), added)
  }
  const marker = { ...session, transactionResult: true, coordinatorEpoch: 0, transactionVersion: 0 }
  const written = await broker.client.request(apis.writeTxnMarkers, 1, {
    markers: [{ ...marker, topics: [{ name: '__transaction_state', partitionIndexes: [0, 1] }] }],
  })
  assert.deepEqual(
    written.markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorName(errorCode)),
    [refused, refused],
  )
  await broker.close()
  broker = await start(t, files)
  await beginTransaction(broker.client)
})

test('other topics in a request with an internal topic are not affected: they are written, and the transaction ends only there', async t => {
  const { client } = await start(t, memoryFileSystem())
  await populate(client)
  const session = await beginTransaction(client)
  const records = () =>
    buildBatch({
      records: [{ key: null, value: Buffer.from('x') }],
      timestamp: Date.now(),
      ...session,
      baseSequence: 0,
      isTransactional: true,
    })
  const names = ['__transaction_state', 't', '__consumer_offsets']
  const { responses } = await client.request(apis.produce, 12, {
    transactionalId: 'tx',
    acks: -1,
    timeoutMs: 1_000,
    topicData: names.map(name => ({ name, partitionData: [{ index: 0, records: records() }] })),
  })
  assert.deepEqual(
    responses.map(({ name, partitionResponses }) => `${name} ${errorName(partitionResponses[0]!.errorCode)}`),
    ['__transaction_state INVALID_TOPIC_EXCEPTION', 't NONE', '__consumer_offsets INVALID_TOPIC_EXCEPTION'],
  )
  const { transactionStates } = await client.request(apis.describeTransactions, 0, { transactionalIds: ['tx'] })
  assert.deepEqual(transactionStates[0]!.topics, [{ topic: 't', partitions: [0] }])
  const ended = await client.request(apis.endTxn, 5, { transactionalId: 'tx', ...session, committed: true })
  assert.equal(errorName(ended.errorCode), 'NONE')
  const controlBatches = async (topic: string, partition = 0) => {
    const answer = await fetchRecords(client, topic, 0, { partition })
    return [...batchesIn(answer.records)].filter(({ header }) => header.isControl).length
  }
  assert.equal(await controlBatches('t'), 1)
  for (const topic of ['__transaction_state', '__consumer_offsets']) {
    for (const partition of [0, 1]) assert.equal(await controlBatches(topic, partition), 0, `${topic}-${partition}`)
  }
})
