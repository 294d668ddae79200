/** Fills a cluster with one of everything that an import must include, with the raw protocol, so that the result is exact and repeatable. */
import assert from 'node:assert/strict'
import { pbkdf2Sync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Int64 } from '../../src/base.ts'
import { apis, buildBatch, errorName, type NewBatch, type Uuid } from '../../src/protocol.ts'
import { connect, createTopic, findCoordinator, type RawClient } from '../../test/support/client.ts'

export interface Producer {
  producerId: number
  producerEpoch: number
}

/** What somebody who was interrupted by the import needs to go on. */
export interface Population {
  idempotent: Producer
  /** Of the transaction `open`, which began with a record in `ledger`. */
  open: Producer
}

const value = (text: string) => ({ key: null, value: Buffer.from(text) })
const pair = (key: string, text: string | null) => ({ key: Buffer.from(key), value: text === null ? null : Buffer.from(text) })

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export async function send(
  client: RawClient,
  topic: string,
  batch: Omit<NewBatch, 'timestamp'> & { timestamp?: number },
  partition = 0,
  transactionalId: string | null = null,
): Promise<string> {
  const records = buildBatch({ timestamp: Date.now(), ...batch })
  const data = [{ name: topic, partitionData: [{ index: partition, records }] }]
  const answer = await client.request(apis.produce, 9, { transactionalId, acks: -1, timeoutMs: 10_000, topicData: data })
  return errorName(answer.responses[0]!.partitionResponses[0]!.errorCode)
}

async function mustSend(...args: Parameters<typeof send>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const error = await send(...args)
    if (error === 'NONE') return
    assert.ok(attempt < 100 && /LEADER|UNKNOWN_TOPIC|CONCURRENT/.test(error), `${args[1]}: ${error}`)
    await sleep(50)
  }
}

/** Repeats while coordinators wake up. */
async function settle<T extends { errorCode: number }>(what: string, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const answer = await ask()
    if (answer.errorCode === 0) return answer
    const error = errorName(answer.errorCode)
    assert.ok(attempt < 200 && /COORDINATOR|CONCURRENT/.test(error), `${what}: ${error}`)
    await sleep(50)
  }
}

async function newProducer(client: RawClient, transactionalId: string | null): Promise<Producer> {
  if (transactionalId !== null)
    await settle(`coordinator of ${transactionalId}`, () => client.request(apis.findCoordinator, 2, { key: transactionalId, keyType: 1 }))
  const request = { transactionalId, transactionTimeoutMs: 900_000 }
  const { producerId, producerEpoch } = await settle('InitProducerId', () => client.request(apis.initProducerId, 4, request))
  return { producerId: Number(producerId), producerEpoch }
}

async function begin(client: RawClient, transactionalId: string, topic: string, texts: string[]): Promise<Producer> {
  const producer = await newProducer(client, transactionalId)
  const request = {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions: [0] }],
  }
  await settle('AddPartitionsToTxn', async () => {
    const answer = await client.request(apis.addPartitionsToTxn, 3, request)
    return { errorCode: answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode }
  })
  for (const [nth, text] of texts.entries())
    await mustSend(client, topic, { records: [value(text)], ...producer, baseSequence: nth, isTransactional: true }, 0, transactionalId)
  return producer
}

export function endTransaction(
  client: RawClient,
  transactionalId: string,
  producer: Producer,
  committed: boolean,
): Promise<{ errorCode: number }> {
  return settle('EndTxn', () => client.request(apis.endTxn, 3, { transactionalId, ...producer, committed }))
}

const offsets = (name: string, committedOffset: number) => [
  { name, partitions: [{ partitionIndex: 0, committedOffset, committedLeaderEpoch: 0, committedMetadata: `at ${committedOffset}` }] },
]

async function commit(client: RawClient, groupId: string, topic: string, offset: number): Promise<void> {
  await findCoordinator(client, groupId)
  const member = { groupId, generationIdOrMemberEpoch: -1, memberId: '' }
  await settle(`OffsetCommit ${groupId}`, async () => {
    const answer = await client.request(apis.offsetCommit, 8, { ...member, topics: offsets(topic, offset) })
    return { errorCode: answer.topics[0]!.partitions[0]!.errorCode }
  })
}

async function topics(client: RawClient): Promise<{ plain: Uuid }> {
  const plain = await createTopic(client, 'plain', 3, { 'retention.ms': '-1', 'segment.bytes': '1048576' })
  await createTopic(client, 'compacted', 1, {
    'cleanup.policy': 'compact',
    'segment.ms': '100',
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': '86400000',
  })
  await createTopic(client, 'trimmed')
  await createTopic(client, 'empty', 2, { 'max.message.bytes': '4000000', 'min.insync.replicas': '1' })
  await createTopic(client, 'ledger')
  await createTopic(client, 'a.topic_with-signs')
  const gone = await createTopic(client, 'again')
  await mustSend(client, 'again', { records: [value('of the first topic of this name')] })
  await client.request(apis.deleteTopics, 6, { topics: [{ name: null, topicId: gone }], timeoutMs: 10_000 })
  await sleep(500)
  await createTopic(client, 'again')
  await mustSend(client, 'again', { records: [value('of the second')] })

  const filler = 'x'.repeat(40_000)
  for (let nth = 0; nth < 60; nth++) {
    const compression = codecs[nth % codecs.length]!
    const records = [
      value(`${nth} ${filler}`),
      { ...pair(`key ${nth}`, 'with a header'), headers: [{ key: 'h', value: Buffer.from('v') }] },
    ]
    await mustSend(client, 'plain', { records, compression }, nth % 3)
  }
  for (let round = 0; round < 12; round++) {
    const records = Array.from({ length: 20 }, (_, key) => pair(`key ${key}`, round % 4 === 3 && key % 5 === 0 ? null : `${round}`))
    await mustSend(client, 'compacted', { records })
    await sleep(150)
  }
  for (let nth = 0; nth < 10; nth++) await mustSend(client, 'trimmed', { records: [value(`${nth}`)] })
  const trim = { topics: [{ name: 'trimmed', partitions: [{ partitionIndex: 0, offset: 4 }] }], timeoutMs: 10_000 }
  const trimmed = await client.request(apis.deleteRecords, 2, trim)
  assert.equal(trimmed.topics[0]!.partitions[0]!.errorCode, 0)
  return { plain }
}

async function transactions(client: RawClient): Promise<Population> {
  await endTransaction(client, 'committed', await begin(client, 'committed', 'ledger', ['committed 1', 'committed 2']), true)
  await endTransaction(client, 'aborted', await begin(client, 'aborted', 'ledger', ['aborted 1', 'aborted 2']), false)
  await newProducer(client, 'idle')
  const withOffsets = await begin(client, 'with-offsets', 'ledger', ['with offsets'])
  await findCoordinator(client, 'transactional')
  await settle('AddOffsetsToTxn', () =>
    client.request(apis.addOffsetsToTxn, 3, { transactionalId: 'with-offsets', ...withOffsets, groupId: 'transactional' }),
  )
  const txnCommit = { transactionalId: 'with-offsets', groupId: 'transactional', ...withOffsets, topics: offsets('plain', 7) }
  await settle('TxnOffsetCommit', async () => {
    const answer = await client.request(apis.txnOffsetCommit, 3, txnCommit)
    return { errorCode: answer.topics[0]!.partitions[0]!.errorCode }
  })
  await endTransaction(client, 'with-offsets', withOffsets, true)
  const open = await begin(client, 'open', 'ledger', ['open 1'])
  await mustSend(client, 'ledger', { records: [value('behind the open transaction')] })
  const idempotent = await newProducer(client, null)
  await mustSend(client, 'plain', { records: [value('idempotent 0'), value('idempotent 1')], ...idempotent, baseSequence: 0 })
  return { idempotent, open }
}

async function groups(client: RawClient, ids: { plain: Uuid }): Promise<void> {
  await commit(client, 'simple', 'plain', 3)
  await commit(client, 'simple', 'ledger', 2)
  await commit(client, 'of-a-deleted-topic', 'again', 1)
  await findCoordinator(client, 'modern')
  const joining = {
    groupId: 'modern',
    memberId: 'AAAAAAAAAAAAAAAAAAAAAA',
    memberEpoch: 0,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ['plain'],
    topicPartitions: [],
  }
  const joined = await settle('ConsumerGroupHeartbeat', () => client.request(apis.consumerGroupHeartbeat, 1, joining))
  const member = { groupId: 'modern', memberId: joining.memberId, generationIdOrMemberEpoch: joined.memberEpoch }
  const committed = await client.request(apis.offsetCommit, 9, { ...member, topics: offsets('plain', 5) })
  assert.equal(committed.topics[0]!.partitions[0]!.errorCode, 0)
  await settle('leaving', () => client.request(apis.consumerGroupHeartbeat, 1, { ...joining, memberEpoch: -1 }))
  await share(client, ids.plain)
}

/** Two records acknowledged, so that the group's start offset moves. */
async function share(client: RawClient, plain: Uuid): Promise<void> {
  const config = { name: 'share.auto.offset.reset', configOperation: 0, value: 'earliest' }
  await alterConfigs(client, 32, 'sharing', [config])
  await findCoordinator(client, 'sharing')
  const memberId = 'BAAAAAAAAAAAAAAAAAAAAA'
  const joining = { groupId: 'sharing', memberId, memberEpoch: 0, subscribedTopicNames: ['plain'] }
  let { memberEpoch } = await settle('ShareGroupHeartbeat', () => client.request(apis.shareGroupHeartbeat, 1, joining))
  const topic = (batches: { firstOffset: Int64; lastOffset: Int64; acknowledgeTypes: number[] }[]) => [
    { topicId: plain, partitions: [{ partitionIndex: 0, acknowledgementBatches: batches }] },
  ]
  for (let epoch = 0; ; epoch++) {
    assert.ok(epoch < 100, 'nothing to share')
    const fetched = await client.request(apis.shareFetch, 1, {
      groupId: 'sharing',
      memberId,
      shareSessionEpoch: epoch,
      maxWaitMs: 200,
      minBytes: 1,
      maxRecords: 2,
      batchSize: 2,
      topics: topic([]),
      forgottenTopicsData: [],
    })
    const acquired = fetched.responses[0]?.partitions[0]?.acquiredRecords ?? []
    if (acquired.length === 0) {
      const beat = await client.request(apis.shareGroupHeartbeat, 1, {
        groupId: 'sharing',
        memberId,
        memberEpoch,
        subscribedTopicNames: null,
      })
      if (beat.errorCode === 0) memberEpoch = beat.memberEpoch
      await sleep(100)
      continue
    }
    const acknowledged = { firstOffset: acquired[0]!.firstOffset, lastOffset: acquired[0]!.lastOffset, acknowledgeTypes: [1] }
    const answer = await client.request(apis.shareAcknowledge, 1, {
      groupId: 'sharing',
      memberId,
      shareSessionEpoch: epoch + 1,
      topics: topic([acknowledged]),
    })
    assert.equal(answer.responses[0]!.partitions[0]!.errorCode, 0)
    break
  }
  await settle('leaving', () => client.request(apis.shareGroupHeartbeat, 1, { ...joining, memberEpoch: -1 }))
}

type ConfigOperation = { name: string; configOperation: number; value: string | null }

async function alterConfigs(client: RawClient, resourceType: number, resourceName: string, configs: ConfigOperation[]): Promise<void> {
  const answer = await client.request(apis.incrementalAlterConfigs, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false,
  })
  assert.deepEqual([answer.responses[0]!.errorMessage, answer.responses[0]!.errorCode], [null, 0])
}

async function administration(client: RawClient, nodeId: string): Promise<void> {
  const set = (name: string, text: string) => [{ name, configOperation: 0, value: text }]
  await alterConfigs(client, 2, 'plain', set('retention.bytes', '5000000000'))
  await alterConfigs(client, 2, 'trimmed', set('segment.bytes', '2097152'))
  await alterConfigs(client, 2, 'trimmed', [{ name: 'segment.bytes', configOperation: 1, value: null }])
  await alterConfigs(client, 4, '', set('log.retention.ms', '777600000'))
  await alterConfigs(client, 4, nodeId, set('log.cleaner.threads', '2'))
  await alterConfigs(client, 16, 'telemetry', set('interval.ms', '60000'))
  await alterConfigs(client, 32, 'modern', set('consumer.session.timeout.ms', '50000'))
  const acl = (over: object) => ({
    resourceType: 2,
    resourceName: 'plain',
    resourcePatternType: 3,
    principal: 'User:alice',
    host: '*',
    operation: 3,
    permissionType: 3,
    ...over,
  })
  const creations = [
    acl({}),
    acl({ resourceName: 'led', resourcePatternType: 4, operation: 4 }),
    acl({ resourceType: 3, resourceName: 'simple' }),
    acl({ principal: 'User:mallory', permissionType: 2, operation: 2, host: '10.0.0.7' }),
  ]
  const created = await client.request(apis.createAcls, 3, { creations })
  for (const { errorCode } of created.results) assert.equal(errorCode, 0)
  const scram = (name: string, mechanism: number, iterations: number) => ({
    name,
    mechanism,
    iterations,
    salt: Buffer.from(`salt of ${name}`),
    saltedPassword: pbkdf2Sync(
      passwordOf(name),
      `salt of ${name}`,
      iterations,
      mechanism === 2 ? 64 : 32,
      mechanism === 2 ? 'sha512' : 'sha256',
    ),
  })
  for (const upsertion of [scram('alice', 2, 4096), scram('alice', 1, 8192), scram('bob', 1, 4096)]) {
    const users = await client.request(apis.alterUserScramCredentials, 0, { deletions: [], upsertions: [upsertion] })
    assert.equal(users.results[0]!.errorCode, 0)
  }
  const quota = (entity: [string, string | null][], key: string, amount: number) => ({
    entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: [{ key, value: amount, remove: false }],
  })
  const entries = [
    quota([['user', 'alice']], 'producer_byte_rate', 1e6),
    quota([['user', null]], 'consumer_byte_rate', 2e6),
    quota([['client-id', 'shipper']], 'request_percentage', 40),
    quota([['ip', '10.0.0.9']], 'connection_creation_rate', 12),
  ]
  const quotas = await client.request(apis.alterClientQuotas, 1, { entries, validateOnly: false })
  for (const { errorCode, errorMessage } of quotas.entries) assert.deepEqual([errorMessage, errorCode], [null, 0])
}

export function passwordOf(user: string): string {
  return `the password of ${user}`
}

export async function populate(port: number, nodeId: string): Promise<Population> {
  const client = await connect(port)
  const ids = await topics(client)
  const population = await transactions(client)
  await groups(client, ids)
  await administration(client, nodeId)
  client.close()
  return population
}
