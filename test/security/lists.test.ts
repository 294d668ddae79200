/**
 * Every API with a list of resources, with an entry that the client may use and one that it may not, in both orders: the second is
 * refused by itself, and nothing happens to it. The lists are found in the handlers' own definitions, so that a new one has to be told here.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { includes } from '../../sim/fuzzers/grammar.ts'
import type { Int64 } from '../../src/base.ts'
import { handlers } from '../../src/broker.ts'
import { type Api, apis, buildBatch, type ErrorName, errorName, type Fields, type Uuid, zeroUuid } from '../../src/protocol.ts'
import { coordinates, createTopic, findCoordinator, type RawClient } from '../support/client.ts'
import { authorizer, startSecured } from './support.ts'

type Field = Fields[string]
type Message = Record<string, unknown>

/** A list in a request, whose entries are authorized one by one. */
interface ListOfResources {
  api: string
  /** Fields from the request to the list. */
  path: string
  versions?: readonly [number, number]
  /** What the rest of the request, or of an entry, has to say; by the name of the field. */
  more?: Message
  /** What has to be there before each request. */
  before?: (world: World) => Promise<unknown>
}

const groupWithOffset = ({ admin }: World) => {
  const partitions = [{ partitionIndex: 0, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: '' }]
  const request = {
    groupId: 'mine',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [{ name: 'mine', partitions }],
  }
  return admin.request(apis.offsetCommit, 8, request)
}
const shareGroup = async ({ admin }: World) => {
  const member = { groupId: 'mine', memberId: 'member', rackId: null, subscribedTopicNames: ['mine'] }
  await admin.request(apis.shareGroupHeartbeat, 1, { ...member, memberEpoch: 0 })
  await admin.request(apis.shareGroupHeartbeat, 1, { ...member, memberEpoch: -1 })
}
const shareSession = ({ alice }: World) =>
  alice.request(apis.shareFetch, 1, {
    groupId: 'mine',
    memberId: 'member',
    shareSessionEpoch: 0,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1,
    maxRecords: 1,
    batchSize: 1,
    topics: [],
    forgottenTopicsData: [],
  })

const lists: readonly ListOfResources[] = [
  { api: 'Produce', path: 'topicData', more: { acks: -1, timeoutMs: 1_000 } },
  { api: 'Produce', path: 'topicData', versions: [12, 13], more: { acks: -1, timeoutMs: 1_000, transactionalId: 'mine' } },
  { api: 'Fetch', path: 'topics', versions: [4, 17], more: { partitionMaxBytes: 1, sessionEpoch: -1 } },
  { api: 'ListOffsets', path: 'topics', more: { timestamp: -1, replicaId: -1 } },
  { api: 'Metadata', path: 'topics' },
  { api: 'OffsetCommit', path: 'topics', more: { generationIdOrMemberEpoch: -1 } },
  { api: 'OffsetFetch', path: 'topics', versions: [0, 7] },
  { api: 'OffsetFetch', path: 'groups', more: { memberEpoch: -1 } },
  { api: 'OffsetFetch', path: 'groups.topics', more: { memberEpoch: -1 } },
  { api: 'FindCoordinator', path: 'coordinatorKeys', more: { keyType: 0 } },
  { api: 'FindCoordinator', path: 'coordinatorKeys', more: { keyType: 1 } },
  { api: 'DescribeGroups', path: 'groups' },
  { api: 'ConsumerGroupHeartbeat', path: 'subscribedTopicNames', more: { memberId: 'member', rebalanceTimeoutMs: 1_000 } },
  { api: 'ConsumerGroupDescribe', path: 'groupIds' },
  { api: 'AlterShareGroupOffsets', path: 'topics' },
  { api: 'DeleteShareGroupOffsets', path: 'topics', before: shareGroup },
  { api: 'DescribeShareGroupOffsets', path: 'groups' },
  { api: 'DescribeShareGroupOffsets', path: 'groups.topics', before: shareGroup },
  { api: 'ShareAcknowledge', path: 'topics', more: { memberId: 'member', shareSessionEpoch: 1 }, before: shareSession },
  { api: 'ShareFetch', path: 'topics', more: { memberId: 'member', maxBytes: 1, maxRecords: 1 } },
  { api: 'ShareGroupDescribe', path: 'groupIds' },
  { api: 'ShareGroupHeartbeat', path: 'subscribedTopicNames', more: { memberId: 'member' } },
  { api: 'StreamsGroupDescribe', path: 'groupIds' },
  ...['sourceTopics', 'stateChangelogTopics', 'repartitionSinkTopics', 'repartitionSourceTopics'].map(list => ({
    api: 'StreamsGroupHeartbeat',
    path: `topology.subtopologies.${list}`,
    more: { memberId: 'member', processId: 'process', rebalanceTimeoutMs: 1_000 },
  })),
  { api: 'CreateTopics', path: 'topics', more: { numPartitions: 1, replicationFactor: 1 } },
  { api: 'DeleteTopics', path: 'topics' },
  { api: 'DeleteTopics', path: 'topicNames' },
  { api: 'DeleteRecords', path: 'topics' },
  { api: 'OffsetForLeaderEpoch', path: 'topics', more: { replicaId: -1 } },
  { api: 'AddPartitionsToTxn', path: 'v3AndBelowTopics' },
  { api: 'TxnOffsetCommit', path: 'topics', more: { generationIdOrMemberEpoch: -1 } },
  { api: 'DescribeConfigs', path: 'resources', more: { resourceType: 2 } },
  { api: 'DescribeConfigs', path: 'resources', more: { resourceType: 32 } },
  { api: 'AlterConfigs', path: 'resources', more: { resourceType: 2 } },
  { api: 'AlterConfigs', path: 'resources', more: { resourceType: 32 } },
  { api: 'IncrementalAlterConfigs', path: 'resources', more: { resourceType: 2 } },
  { api: 'IncrementalAlterConfigs', path: 'resources', more: { resourceType: 32 } },
  { api: 'CreatePartitions', path: 'topics', more: { count: 3 } },
  { api: 'DeleteGroups', path: 'groupsNames' },
  { api: 'OffsetDelete', path: 'topics', before: groupWithOffset },
  { api: 'DescribeProducers', path: 'topics' },
  { api: 'DescribeTransactions', path: 'transactionalIds' },
  { api: 'DescribeTopicPartitions', path: 'topics' },
]

/** Lists of names that are no resources of their own, or that one right on the cluster, or on the group, opens as a whole. */
const otherLists: Record<string, readonly string[]> = {
  'one right on the cluster': [
    'AddPartitionsToTxn transactions',
    'AddPartitionsToTxn transactions.topics',
    'WriteTxnMarkers markers.topics',
    'DescribeLogDirs topics',
    'AlterReplicaLogDirs dirs',
    'AlterReplicaLogDirs dirs.topics',
    'ElectLeaders topicPartitions',
    'AlterPartitionReassignments topics',
    'ListPartitionReassignments topics',
    'DescribeQuorum topics',
    'UpdateFeatures featureUpdates',
    'AddRaftVoter listeners',
    'DescribeClientQuotas components',
    'AlterClientQuotas entries.entity',
    'AlterClientQuotas entries.ops',
    'CreateAcls creations',
    'DeleteAcls filters',
    'DescribeUserScramCredentials users',
    'AlterUserScramCredentials deletions',
    'AlterUserScramCredentials upsertions',
    'DeleteShareGroupState topics',
    'InitializeShareGroupState topics',
    'ReadShareGroupState topics',
    'ReadShareGroupStateSummary topics',
    'WriteShareGroupState topics',
  ],
  'the group, or the fetch session, knows them': [
    'Fetch forgottenTopicsData',
    'ShareFetch forgottenTopicsData',
    'ConsumerGroupHeartbeat topicPartitions',
    'LeaveGroup members',
    'SyncGroup assignments',
    'StreamsGroupHeartbeat activeTasks',
    'StreamsGroupHeartbeat standbyTasks',
    'StreamsGroupHeartbeat warmupTasks',
    'StreamsGroupHeartbeat taskOffsets',
    'StreamsGroupHeartbeat taskEndOffsets',
  ],
  'no names of resources': [
    'Fetch topics.partitions',
    'OffsetCommit topics.partitions',
    'TxnOffsetCommit topics.partitions',
    'JoinGroup protocols',
    'ListGroups statesFilter',
    'ListGroups typesFilter',
    'ListTransactions stateFilters',
    'StreamsGroupHeartbeat clientTags',
    'StreamsGroupHeartbeat topology.subtopologies',
    'StreamsGroupHeartbeat topology.subtopologies.sourceTopicRegex',
    'StreamsGroupHeartbeat topology.subtopologies.stateChangelogTopics.topicConfigs',
    'StreamsGroupHeartbeat topology.subtopologies.repartitionSourceTopics.topicConfigs',
    'CreateTopics topics.configs',
    'DescribeConfigs resources.configurationKeys',
    'AlterConfigs resources.configs',
    'IncrementalAlterConfigs resources.configs',
    'CreateDelegationToken renewers',
    'DescribeDelegationToken owners',
  ],
  'always refused as not supported': [
    'subtopologies',
    'subtopologies.nodes',
    'subtopologies.nodes.sourceTopics',
    'subtopologies.nodes.stores',
    'subtopologies.nodes.successors',
    ...['source', 'processor'].flatMap(node => ['sourceTopics', 'stores', 'successors'].map(list => `globalStores.${node}.${list}`)),
  ].map(path => `StreamsGroupTopologyDescriptionUpdate topologyDescription.${path}`),
}

function holdsNames({ type, fields }: Field): boolean {
  const isName = (field: Field) => field.type === 'string' || field.type === 'uuid'
  return type === 'string' || type === 'uuid' || (fields !== undefined && Object.values(fields).some(isName))
}

function listsOf(fields: Fields, prefix = ''): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const inner = field.type === 'array' ? field.of! : field
    const own = field.type === 'array' && holdsNames(inner) ? [`${prefix}${name}`] : []
    return inner.fields === undefined ? own : [...own, ...listsOf(inner.fields, `${prefix}${name}.`)]
  })
}

test('every list of names in a request is known here', () => {
  const found = handlers.flatMap(({ api }) => listsOf(api.request).map(path => `${api.name} ${path}`))
  const told = [...lists.map(({ api, path }) => `${api} ${path}`), ...Object.values(otherLists).flat()]
  assert.deepEqual([...new Set(found)].sort(), [...new Set(told)].sort())
})

const [mine, theirs] = ['mine', 'theirs']
const idFields = new Set(['topicId'])
const nameFields = new Set(['name', 'topic', 'topicName', 'groupId', 'transactionalId', 'resourceName', 'v3AndBelowTransactionalId'])

interface World {
  admin: RawClient
  alice: RawClient
  ids: Record<string, Uuid>
  session: { producerId: Int64; producerEpoch: number }
}

/** A request, filled as its definition says, with these names in the list. */
class Filler {
  readonly world: World
  readonly list: ListOfResources
  readonly version: number
  readonly names: readonly string[]

  constructor(world: World, list: ListOfResources, version: number, names: readonly string[]) {
    this.world = world
    this.list = list
    this.version = version
    this.names = names
  }

  message(fields: Fields, name: string, prefix = ''): Message {
    const message: Message = {}
    for (const [key, field] of Object.entries(fields)) {
      if (!includes(field.options.versions, this.version)) continue
      message[key] = this.#value(key, field, name, `${prefix}${key}`)
    }
    return message
  }

  #value(key: string, field: Field, name: string, path: string): unknown {
    const { more = {} } = this.list
    const onPath = this.list.path === path || this.list.path.startsWith(`${path}.`)
    if (field.type === 'array') {
      if (this.list.path === path) return this.names.map(each => this.#element(field.of!, each, path))
      const inside = path.startsWith(`${this.list.path}.`) || onPath
      return inside && !nothingInside.has(key) ? [this.#element(field.of!, name, path)] : field.options.default === null ? null : []
    }
    if (Object.hasOwn(more, key)) return more[key]
    if (field.type === 'struct') return this.message(field.fields!, name, `${path}.`)
    if (nameFields.has(key)) return path === 'transactionalId' && this.list.api === 'Produce' ? null : name
    if (idFields.has(key))
      return this.list.api === 'DeleteTopics' || (this.version <= 11 && this.list.api === 'Metadata') ? zeroUuid : this.world.ids[name]
    if (/producerId$/i.test(key)) return this.world.session.producerId
    if (/producerEpoch$/i.test(key)) return this.world.session.producerEpoch
    if (field.type === 'records') return this.#records(more)
    return field.options.default ?? zeroOf(field.type)
  }

  #element(of: Field, name: string, path: string): unknown {
    if (of.type === 'string') return name
    return of.type === 'struct' ? this.message(of.fields!, name, `${path}.`) : 0
  }

  #records({ transactionalId }: Message): Buffer {
    const records = [{ key: null, value: Buffer.from('x') }]
    if (transactionalId === undefined) return buildBatch({ records, timestamp: Date.now() })
    return buildBatch({ records, timestamp: Date.now(), ...this.world.session, baseSequence: 0, isTransactional: true })
  }
}

/** Lists in an entry that say nothing here. */
const nothingInside = new Set([
  'configs',
  'assignments',
  'acknowledgementBatches',
  'configurationKeys',
  'topicConfigs',
  'sourceTopicRegex',
  'clientTags',
  'copartitionGroups',
])

function zeroOf(type: Field['type']): unknown {
  if (type === 'string') return ''
  if (type === 'bool') return false
  if (type === 'uuid') return zeroUuid
  return type === 'bytes' ? Buffer.alloc(0) : 0
}

/** Errors in the answer: of entries that name what is mine, or theirs, and of the whole. */
function errorsOf(answer: unknown, ids: Record<string, Uuid>) {
  const errors: Record<'mine' | 'theirs' | 'whole', ErrorName[]> = { mine: [], theirs: [], whole: [] }
  const visit = (value: unknown, within: keyof typeof errors): void => {
    if (Array.isArray(value)) for (const each of value) visit(each, within)
    if (value === null || typeof value !== 'object' || Array.isArray(value) || Buffer.isBuffer(value)) return
    const own = Object.values(value)
    const here =
      own.includes(theirs) || own.includes(ids[theirs!]) ? 'theirs' : own.includes(mine) || own.includes(ids[mine!]) ? 'mine' : within
    for (const [key, inner] of Object.entries(value)) {
      if (/errorCode$/i.test(key) && inner !== 0) errors[here].push(errorName(inner as number))
      else visit(inner, here)
    }
  }
  visit(answer, 'whole')
  return errors
}

const all = 2

async function prepare(t: TestContext): Promise<World> {
  const broker = await startSecured(t, { ...authorizer, 'offsets.topic.num.partitions': '1', 'transaction.state.log.num.partitions': '1' })
  const admin = await broker.connect('PLAINTEXT')
  const ids: Record<string, Uuid> = {}
  for (const name of [mine, theirs]) ids[name!] = await createTopic(admin, name!)
  for (const group of [mine, theirs]) await findCoordinator(admin, group!)
  await findCoordinator(admin, mine!, coordinates.transaction)
  const allow = { resourcePatternType: 3, principal: 'User:alice', host: '*', permissionType: 3 }
  const creations = [2, 3, 5].map(resourceType => ({ ...allow, resourceType, resourceName: mine!, operation: all }))
  await admin.request(apis.createAcls, 3, { creations })
  const begun: Record<string, World['session']> = {}
  for (const transactionalId of [mine, theirs]) {
    const request = { transactionalId: transactionalId!, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 }
    const { producerId, producerEpoch } = await admin.request(apis.initProducerId, 5, request)
    begun[transactionalId!] = { producerId, producerEpoch }
  }
  return { admin, alice: await broker.login('alice', 'alice-pw'), ids, session: begun[mine!]! }
}

/** What can be seen of the topic, the group and the transactional id that are not mine. */
async function stateOf(admin: RawClient): Promise<string> {
  const names = { allowAutoTopicCreation: false, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }]
  const resources = [2, 32].map(resourceType => ({ resourceType, resourceName: theirs!, configurationKeys: null }))
  const anything = { resourceNameFilter: null, principalFilter: null, hostFilter: null, resourceTypeFilter: 1, patternTypeFilter: 1 }
  const own = await admin.request(apis.describeTransactions, 0, { transactionalIds: [mine!] })
  return JSON.stringify([
    await admin.request(apis.metadata, 9, { ...names, topics: [{ name: theirs! }] }),
    await admin.request(apis.listOffsets, 6, { replicaId: -1, isolationLevel: 0, topics: [{ name: theirs!, partitions }] }),
    await admin.request(apis.describeConfigs, 4, { resources, includeSynonyms: false, includeDocumentation: false }),
    await admin.request(apis.describeGroups, 5, { groups: [theirs!], includeAuthorizedOperations: false }),
    await admin.request(apis.describeTransactions, 0, { transactionalIds: [theirs!] }),
    own.transactionStates[0]!.topics.filter(({ topic }) => topic !== mine && topic !== '__consumer_offsets'),
    await admin.request(apis.describeAcls, 3, { ...anything, operation: 1, permissionType: 1 }),
  ])
}

test('an entry that is not allowed is refused at any place in its list', async t => {
  const byName = new Map(handlers.map(handler => [handler.api.name, handler]))
  for (const list of lists) {
    const { api, versions } = byName.get(list.api)!
    for (let version = list.versions?.[0] ?? versions[0]; version <= (list.versions?.[1] ?? versions[1]); version++) {
      if (!hasList(api, list.path, version)) continue
      await t.test(`${list.api} v${version} ${list.path}`, async inner => {
        const world = await prepare(inner)
        const before = await stateOf(world.admin)
        for (const names of [
          [mine!, theirs!],
          [theirs!, mine!],
        ]) {
          await list.before?.(world)
          const request = new Filler(world, list, version, names).message(api.request, mine!)
          const answer = await world.alice.request(api, version, request as never)
          const errors = errorsOf(answer, world.ids)
          const refused = [...errors.theirs, ...errors.whole]
          const told = JSON.stringify(answer)
          assert.ok(
            refused.some(error => /AUTHORIZATION_FAILED|UNKNOWN_TOPIC_ID/.test(error)),
            `${names}: ${told}`,
          )
          if (errors.whole.length === 0) assert.ok(!errors.mine.some(error => /AUTHORIZATION_FAILED/.test(error)), told)
        }
        assert.equal(await stateOf(world.admin), before)
      })
    }
  }
})

function hasList(api: Api, path: string, version: number): boolean {
  let fields: Fields = api.request
  for (const key of path.split('.')) {
    const field = fields[key]!
    if (!includes(field.options.versions, version)) return false
    fields = (field.type === 'array' ? field.of! : field).fields ?? {}
  }
  return true
}
