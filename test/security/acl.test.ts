import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { handlers } from '../../src/broker.ts'
import { type Api, apis, buildBatch, type ErrorName, errorCode, errorName, type InputOf, type MessageOf } from '../../src/protocol.ts'
import { createTopic, type RawClient } from '../support/client.ts'
import { authorizer, type Secured, startSecured } from './support.ts'

const codes = {
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  literal: 3,
  prefixed: 4,
  deny: 2,
  allow: 3,
}

interface Grant {
  type?: number
  name: string
  pattern?: number
  principal?: string
  host?: string
  operation: number
  permission?: number
}

function creation({
  type = codes.topic,
  name,
  pattern = codes.literal,
  principal = 'User:alice',
  host = '*',
  operation,
  permission = codes.allow,
}: Grant) {
  return { resourceType: type, resourceName: name, resourcePatternType: pattern, principal, host, operation, permissionType: permission }
}

async function grant(admin: RawClient, ...grants: Grant[]): Promise<ErrorName[]> {
  const response = await admin.request(apis.createAcls, 3, { creations: grants.map(creation) })
  return response.results.map(result => errorName(result.errorCode))
}

const everything: MessageOf<typeof apis.describeAcls.request> = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1,
}

async function world(t: TestContext): Promise<{ broker: Secured; admin: RawClient; alice: RawClient }> {
  const broker = await startSecured(t, authorizer)
  return { broker, admin: await broker.connect('PLAINTEXT'), alice: await broker.login('alice', 'alice-pw') }
}

/** Every error code in a response, wherever it is; topics' names and counts do not matter. */
function errorsIn(value: unknown): ErrorName[] {
  if (Array.isArray(value)) return value.flatMap(errorsIn)
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'errorCode' || key === 'error') return inner === 0 ? [] : [errorName(inner as number)]
    return errorsIn(inner)
  })
}

const records = () => buildBatch({ records: [{ key: null, value: Buffer.from('x') }] })
const one = <A extends Api>(api: A, version: number, request: InputOf<A['request']>, refusal: ErrorName) => ({
  api,
  version,
  request: request as object,
  refusal,
})

/** What a client may try with a topic, by name, and what it gets when it may not. */
const aboutTopics = (name: string) => {
  const t = 'TOPIC_AUTHORIZATION_FAILED'
  const partitions = [{ partitionIndex: 0 }]
  return [
    one(
      apis.produce,
      9,
      { transactionalId: null, acks: -1, timeoutMs: 1000, topicData: [{ name, partitionData: [{ index: 0, records: records() }] }] },
      t,
    ),
    one(
      apis.fetch,
      12,
      {
        replicaId: -1,
        maxWaitMs: 0,
        minBytes: 0,
        topics: [{ topic: name, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
        forgottenTopicsData: [],
      } as never,
      t,
    ),
    one(
      apis.listOffsets,
      7,
      { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions: [{ ...partitions[0]!, timestamp: -1 }] }] } as never,
      t,
    ),
    one(apis.metadata, 12, { topics: [{ name }], allowAutoTopicCreation: true, includeTopicAuthorizedOperations: true } as never, t),
    one(apis.describeTopicPartitions, 0, { topics: [{ name }], responsePartitionLimit: 10, cursor: null } as never, t),
    one(apis.createPartitions, 3, { topics: [{ name, count: 9, assignments: null }], timeoutMs: 1, validateOnly: false }, t),
    one(apis.deleteTopics, 5, { topicNames: [name], timeoutMs: 1 }, t),
    one(apis.deleteRecords, 2, { topics: [{ name, partitions: [{ partitionIndex: 0, offset: 0 }] }], timeoutMs: 1 }, t),
    one(
      apis.offsetForLeaderEpoch,
      4,
      { replicaId: -1, topics: [{ topic: name, partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }] }] },
      t,
    ),
    one(apis.describeProducers, 0, { topics: [{ name, partitionIndexes: [0] }] }, t),
    one(
      apis.describeConfigs,
      4,
      {
        resources: [{ resourceType: 2, resourceName: name, configurationKeys: null }],
        includeSynonyms: false,
        includeDocumentation: false,
      },
      t,
    ),
    one(
      apis.incrementalAlterConfigs,
      1,
      {
        resources: [{ resourceType: 2, resourceName: name, configs: [{ name: 'retention.ms', configOperation: 0, value: '1' }] }],
        validateOnly: false,
      },
      t,
    ),
    one(apis.alterConfigs, 2, { resources: [{ resourceType: 2, resourceName: name, configs: [] }], validateOnly: false }, t),
    one(
      apis.createTopics,
      7,
      { topics: [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }], timeoutMs: 1, validateOnly: false },
      t,
    ),
  ]
}

const aboutOthers = () => {
  const g = 'GROUP_AUTHORIZATION_FAILED'
  const c = 'CLUSTER_AUTHORIZATION_FAILED'
  const x = 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  return [
    one(apis.findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] }, g),
    one(apis.findCoordinator, 4, { keyType: 1, coordinatorKeys: ['x'] }, x),
    one(
      apis.joinGroup,
      7,
      {
        groupId: 'g',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 10_000,
        memberId: '',
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      },
      g,
    ),
    one(
      apis.syncGroup,
      5,
      {
        groupId: 'g',
        generationId: 1,
        memberId: 'm',
        groupInstanceId: null,
        protocolType: 'consumer',
        protocolName: 'range',
        assignments: [],
      },
      g,
    ),
    one(apis.heartbeat, 4, { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }, g),
    one(apis.leaveGroup, 5, { groupId: 'g', members: [{ memberId: 'm', groupInstanceId: null, reason: null }] }, g),
    one(
      apis.offsetCommit,
      8,
      {
        groupId: 'g',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        topics: [
          { name: 'there', partitions: [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1, committedMetadata: null }] },
        ],
      } as never,
      g,
    ),
    one(apis.offsetFetch, 7, { groupId: 'g', topics: [], requireStable: false }, g),
    one(apis.describeGroups, 5, { groups: ['g'], includeAuthorizedOperations: true }, g),
    one(apis.deleteGroups, 2, { groupsNames: ['g'] }, g),
    one(apis.offsetDelete, 0, { groupId: 'g', topics: [{ name: 'there', partitions: [{ partitionIndex: 0 }] }] }, g),
    one(apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 }, c),
    one(apis.initProducerId, 4, { transactionalId: 'x', transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 }, x),
    one(apis.describeAcls, 3, everything, c),
    one(apis.createAcls, 3, { creations: [creation({ name: 'there', operation: codes.read })] }, c),
    one(apis.deleteAcls, 3, { filters: [everything] }, c),
    one(apis.describeUserScramCredentials, 0, { users: null }, c),
    one(apis.listConfigResources, 1, { resourceTypes: [] }, c),
    one(
      apis.describeConfigs,
      4,
      { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }], includeSynonyms: false, includeDocumentation: false },
      c,
    ),
    one(
      apis.incrementalAlterConfigs,
      1,
      {
        resources: [{ resourceType: 4, resourceName: '', configs: [{ name: 'super.users', configOperation: 0, value: 'User:alice' }] }],
        validateOnly: false,
      },
      c,
    ),
  ]
}

describe('authorization', () => {
  it('refuses everything by default, with the same answer whether or not there is such a topic', async t => {
    const { admin, alice } = await world(t)
    await createTopic(admin, 'there')
    const missing = aboutTopics('missing')
    for (const [index, { api, version, request, refusal }] of aboutTopics('there').entries()) {
      const there = await alice.request(api, version, request)
      const errors = errorsIn(there)
      assert.ok(errors.length > 0 && errors.every(error => error === refusal), `${api.name}: ${errors}`)
      const elsewhere = await alice.request(api, version, missing[index]!.request)
      assert.equal(JSON.stringify(elsewhere).replaceAll('missing', 'there'), JSON.stringify(there), api.name)
    }
    const topics = await admin.request(apis.metadata, 12, {
      topics: null,
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
    })
    assert.deepEqual(
      topics.topics.map(topic => [topic.name, topic.partitions.length]),
      [['there', 1]],
    )
    for (const { api, version, request, refusal } of aboutOthers()) {
      const errors = errorsIn(await alice.request(api, version, request))
      assert.ok(errors.length > 0 && errors.every(error => error === refusal), `${api.name}: ${errors}`)
    }
  })

  it('shows in lists only what may be described', async t => {
    const { admin, alice } = await world(t)
    for (const name of ['a-1', 'a-2', 'b-1']) await createTopic(admin, name)
    const list = async () => {
      const request = { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: true }
      return (await alice.request(apis.metadata, 12, request)).topics.map(topic => [topic.name, topic.topicAuthorizedOperations])
    }
    assert.deepEqual(await list(), [])
    await grant(
      admin,
      { name: 'a-', pattern: codes.prefixed, operation: codes.read },
      { name: 'a-2', operation: codes.read, permission: codes.deny },
    )
    // A right to read is a right to describe; a prohibition to read is none to describe.
    assert.deepEqual(await list(), [
      ['a-1', (1 << codes.read) | (1 << codes.describe)],
      ['a-2', 1 << codes.describe],
    ])
    const groups = async () => (await alice.request(apis.listGroups, 4, { statesFilter: [] })).groups.length
    assert.equal(await groups(), 0)
    const cluster = await alice.request(apis.describeCluster, 1, { includeClusterAuthorizedOperations: true, endpointType: 1 })
    assert.equal(cluster.clusterAuthorizedOperations, 0)
  })

  it('allows exactly what was granted, immediately', async t => {
    const { admin, alice } = await world(t)
    await createTopic(admin, 'there')
    const produce = async () => {
      const { api, version, request } = aboutTopics('there')[0]!
      return errorsIn(await alice.request(api, version, request))
    }
    assert.deepEqual(await produce(), ['TOPIC_AUTHORIZATION_FAILED'])
    assert.deepEqual(await grant(admin, { name: 'there', operation: codes.write, host: '127.0.0.1' }), ['NONE'])
    assert.deepEqual(await produce(), [])
    assert.deepEqual(
      errorsIn(
        await alice.request(apis.initProducerId, 4, {
          transactionalId: null,
          transactionTimeoutMs: 1000,
          producerId: -1,
          producerEpoch: -1,
        }),
      ),
      [],
    )
    const { api, version, request } = aboutTopics('there')[1]!
    assert.deepEqual(errorsIn(await alice.request(api, version, request)), ['TOPIC_AUTHORIZATION_FAILED'])
    await grant(admin, { name: '*', principal: 'User:*', operation: 2, permission: codes.deny, host: '127.0.0.1' })
    assert.deepEqual(await produce(), ['TOPIC_AUTHORIZATION_FAILED'])
  })

  it('reports a known topic id as forbidden, because a client that took it for unknown would retry for ever', async t => {
    const { admin, alice } = await world(t)
    const topicId = await createTopic(admin, 'there')
    await grant(admin, { name: 'there', operation: codes.describe })
    const fetched = await alice.request(apis.fetch, 13, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
      forgottenTopicsData: [],
    })
    assert.deepEqual(errorsIn(fetched), ['TOPIC_AUTHORIZATION_FAILED'])
    const produced = await alice.request(apis.produce, 13, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ topicId, partitionData: [{ index: 0, records: records() }] }],
    })
    assert.deepEqual(errorsIn(produced), ['TOPIC_AUTHORIZATION_FAILED'])
  })

  it('creates a topic for who may create it', async t => {
    const { admin, alice } = await world(t)
    const ask = async (name: string) =>
      errorsIn(
        await alice.request(apis.metadata, 12, {
          topics: [{ name }],
          allowAutoTopicCreation: true,
          includeTopicAuthorizedOperations: false,
        } as never),
      )
    await grant(admin, { name: 'mine-', pattern: codes.prefixed, operation: codes.describe })
    assert.deepEqual(await ask('mine-1'), ['TOPIC_AUTHORIZATION_FAILED'])
    await grant(admin, { name: 'mine-', pattern: codes.prefixed, operation: codes.create })
    assert.deepEqual(await ask('mine-1'), [])
    assert.deepEqual(await ask('other'), ['TOPIC_AUTHORIZATION_FAILED'])
  })

  it('rejects replica fetches, whatever replica id they claim (CVE-2018-1288)', async t => {
    const { admin } = await world(t)
    await createTopic(admin, 'there')
    const request = aboutTopics('there')[1]!.request as InputOf<typeof apis.fetch.request>
    const errors = errorsIn(await admin.request(apis.fetch, 12, { ...request, replicaId: 2 }))
    assert.deepEqual(errors, ['NOT_LEADER_OR_FOLLOWER'])
  })

  it('audits refusals, and changes of ACLs, with who did it', async t => {
    const { broker, admin, alice } = await world(t)
    await alice.request(apis.describeAcls, 3, everything)
    await grant(admin, { name: 'a', operation: codes.read })
    const denied = broker.lines.find(line => line.message === 'audit: access denied')!
    assert.equal(denied.level, 'info')
    const { rule: _, ...details } = denied.details
    assert.deepEqual(details, {
      principal: 'User:alice',
      host: '127.0.0.1',
      operation: 'DESCRIBE',
      resourceType: 'CLUSTER',
      resource: 'kafka-cluster',
      api: 'DescribeAcls',
    })
    const created = broker.lines.find(line => line.message === 'audit: ACL created')!
    assert.equal(created.details.by, 'User:ANONYMOUS')
    const { resourceType, patternType, operation, permissionType } = created.details.acl as Record<string, unknown>
    assert.deepEqual(
      [resourceType, patternType, operation, permissionType].map(each => typeof each),
      Array(4).fill('string'),
    )
  })

  it('has a line for every API: none forgot to say what it needs', () => {
    const open = handlers.filter(({ access }) => access === 'none').map(({ api }) => api.name)
    for (const name of open)
      assert.ok(
        [
          'ApiVersions',
          'SaslHandshake',
          'SaslAuthenticate',
          'CreateDelegationToken',
          'RenewDelegationToken',
          'ExpireDelegationToken',
          'GetTelemetrySubscriptions',
          'PushTelemetry',
        ].includes(name),
        name,
      )
  })
})

describe('ACLs', () => {
  it('are refused when they mean nothing', async t => {
    const { admin } = await world(t)
    const bad = ['INVALID_REQUEST'] as const
    for (const wrong of [
      { name: '', operation: codes.read },
      { name: 'other', type: codes.cluster, operation: codes.alter },
      { name: 'a', type: 1, operation: codes.read },
      { name: 'a', type: 99, operation: codes.read },
      { name: 'a', pattern: 2, operation: codes.read },
      { name: 'a', operation: 1 },
      { name: 'a', operation: 0 },
      { name: 'a', operation: codes.read, permission: 1 },
      { name: 'a', operation: codes.read, principal: 'alice' },
    ]) {
      assert.deepEqual(await grant(admin, wrong), bad, JSON.stringify(wrong))
    }
    const unknown = await admin.request(apis.describeAcls, 3, { ...everything, operation: 0 })
    assert.equal(unknown.errorCode, errorCode('INVALID_REQUEST'))
  })

  it('are found and deleted by filters, each exists once, and survive in the metadata', async t => {
    const { broker, admin } = await world(t)
    const literal = { name: 'orders', operation: codes.read }
    assert.deepEqual(
      await grant(
        admin,
        literal,
        literal,
        { name: 'ord', pattern: codes.prefixed, operation: codes.read },
        { name: '*', operation: codes.write },
      ),
      ['NONE', 'NONE', 'NONE', 'NONE'],
    )
    const { state } = broker.running.broker.metadata.security
    assert.equal(state.acls.size, 3)
    const find = async (over: Partial<typeof everything>) => {
      const response = await admin.request(apis.describeAcls, 3, { ...everything, ...over })
      return response.resources.map(resource => resource.resourceName).sort()
    }
    assert.deepEqual(await find({}), ['*', 'ord', 'orders'])
    assert.deepEqual(await find({ resourceNameFilter: 'orders', patternTypeFilter: 2 }), ['*', 'ord', 'orders'])
    assert.deepEqual(await find({ resourceNameFilter: 'orders', patternTypeFilter: 3 }), ['orders'])
    assert.deepEqual(await find({ resourceNameFilter: 'ordinary', patternTypeFilter: 2 }), ['*', 'ord'])
    assert.deepEqual(await find({ principalFilter: 'User:bob' }), [])
    assert.deepEqual(await find({ operation: codes.write }), ['*'])
    const filters = [
      { ...everything, operation: codes.write },
      { ...everything, operation: codes.write },
      { ...everything, operation: 0 },
    ]
    const deleted = await admin.request(apis.deleteAcls, 3, { filters })
    assert.deepEqual(
      deleted.filterResults.map(result => [errorName(result.errorCode), result.matchingAcls.length]),
      [
        ['NONE', 1],
        ['NONE', 1],
        ['INVALID_REQUEST', 0],
      ],
    )
    assert.equal(state.acls.size, 2)
  })

  it('need an authorizer', async t => {
    const broker = await startSecured(t)
    const client = await broker.connect('PLAINTEXT')
    assert.equal((await client.request(apis.describeAcls, 3, everything)).errorCode, errorCode('SECURITY_DISABLED'))
    assert.deepEqual(await grant(client, { name: 'a', operation: codes.read }), ['SECURITY_DISABLED'])
  })
})
