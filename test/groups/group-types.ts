/**
 * Groups of every type, with and without members, and every API that reads or changes groups: one matrix of responses, in a
 * form that can be compared between brokers. `group-types.json` contains those of Apache Kafka; run this file to record them again:
 *
 *     node test/groups/group-types.ts 127.0.0.1:9092 > test/groups/group-types.json
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Int64 } from '../../src/base.ts'
import { type Api, apis, consumerProtocol, encodeVersioned, errorName, type InputOf, type Uuid } from '../../src/protocol.ts'
import { connect, coordinates, createTopic, findCoordinator, type RawClient } from '../support/client.ts'

const topic = 'group-types'
const memberId = 'member-of-the-test'
const instanceId = null
const transactionalId = 'group-types'

interface Context {
  client: RawClient
  topicId: Uuid
  /** Of a transactional producer, for commits in its transaction. */
  session: { producerId: Int64; producerEpoch: number }
}

/** Makes the group and returns its member's epoch. */
type Make = (context: Context, groupId: string) => Promise<number>

/** How a group of each kind comes to be. */
const subjects: Record<string, Make> = {
  missing: async () => 1,
  offsets: async (context, groupId) => {
    await commitOffset(context, groupId)
    return 1
  },
  classic: async (context, groupId) => (await joinClassic(context, groupId)).generationId,
  'classic, empty': async (context, groupId) => {
    const joined = await joinClassic(context, groupId)
    await commitOffset(context, groupId, joined.memberId, joined.generationId)
    await context.client.request(apis.leaveGroup, 4, { groupId, members: [{ memberId: joined.memberId, groupInstanceId: null }] })
    return joined.generationId
  },
  ...modern('consumer', ({ client }, groupId, epoch) => client.request(apis.consumerGroupHeartbeat, 1, consumerBeat(groupId, epoch))),
  ...modern('share', ({ client }, groupId, epoch) => client.request(apis.shareGroupHeartbeat, 1, shareBeat(groupId, epoch))),
  ...modern('streams', async ({ client }, groupId, epoch) => {
    const { memberEpoch, activeTasks } = await client.request(apis.streamsGroupHeartbeat, 0, streamsBeat(groupId, epoch))
    const topicPartitions = (activeTasks ?? []).map(() => ({ partitions: [] }))
    return { memberEpoch, assignment: { topicPartitions } }
  }),
}

type Beat = (
  context: Context,
  groupId: string,
  epoch: number,
) => Promise<{ memberEpoch: number; assignment: { topicPartitions: readonly object[] } | null }>

/** A group with a member that has got its partitions, and one that it has left. */
function modern(type: string, beat: Beat): Record<string, Make> {
  const join: Make = async (context, groupId) => {
    for (let epoch = 0, attempt = 0; ; attempt++) {
      const { memberEpoch, assignment } = await beat(context, groupId, epoch)
      if (assignment !== null && assignment.topicPartitions.length > 0) return memberEpoch
      if (attempt === 100) throw new Error(`the member of ${groupId} gets no partitions`)
      epoch = memberEpoch
      await sleep(100)
    }
  }
  const leave: Make = async (context, groupId) => {
    const epoch = await join(context, groupId)
    await beat(context, groupId, -1)
    return epoch
  }
  return { [type]: join, [`${type}, empty`]: leave }
}

async function commitOffset({ client }: Context, groupId: string, member = '', generation = -1): Promise<void> {
  await client.request(apis.offsetCommit, 8, commit(groupId, member, generation))
}

function commit(groupId: string, member: string, generationIdOrMemberEpoch: number) {
  const partitions = [{ partitionIndex: 0, committedOffset: 5, committedLeaderEpoch: -1, committedMetadata: 'm' }]
  return { groupId, generationIdOrMemberEpoch, memberId: member, groupInstanceId: null, topics: [{ name: topic, partitions }] }
}

function transactionalCommit(groupId: string, member: string, epoch: number, session: Context['session']) {
  return { ...commit(groupId, member, epoch), transactionalId, ...session }
}

async function joinClassic({ client }: Context, groupId: string): Promise<{ memberId: string; generationId: number }> {
  const { memberId: given } = await client.request(apis.joinGroup, 9, join(groupId, ''))
  const { generationId } = await client.request(apis.joinGroup, 9, join(groupId, given))
  const assignments = [{ memberId: given, assignment: Buffer.from('assigned') }]
  await client.request(apis.syncGroup, 5, { ...sync(groupId, given, generationId), assignments })
  return { memberId: given, generationId }
}

function join(groupId: string, member: string) {
  const metadata = encodeVersioned(consumerProtocol.subscription, 1, { topics: [topic] })
  const times = { sessionTimeoutMs: 45_000, rebalanceTimeoutMs: 60_000 }
  return {
    groupId,
    ...times,
    memberId: member,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }],
    reason: null,
  }
}

function sync(groupId: string, member: string, generationId: number) {
  return {
    groupId,
    generationId,
    memberId: member,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [],
  }
}

function consumerBeat(groupId: string, memberEpoch: number) {
  const said = { rackId: null, rebalanceTimeoutMs: 60_000, subscribedTopicNames: [topic], subscribedTopicRegex: null, serverAssignor: null }
  return { groupId, memberId, memberEpoch, instanceId, ...said, topicPartitions: memberEpoch === 0 ? [] : null }
}

function shareBeat(groupId: string, memberEpoch: number) {
  return { groupId, memberId, memberEpoch, rackId: null, subscribedTopicNames: [topic] }
}

function streamsBeat(groupId: string, memberEpoch: number) {
  const subtopology = {
    subtopologyId: '0',
    sourceTopics: [topic],
    sourceTopicRegex: [],
    stateChangelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
    copartitionGroups: [],
  }
  const joins = memberEpoch === 0
  const tasks = joins ? [] : null
  return {
    groupId,
    memberId,
    memberEpoch,
    endpointInformationEpoch: 0,
    rebalanceTimeoutMs: joins ? 60_000 : -1,
    topology: joins ? { epoch: 0, subtopologies: [subtopology] } : null,
    activeTasks: tasks,
    standbyTasks: tasks,
    warmupTasks: tasks,
    processId: joins ? 'process' : null,
    clientTags: joins ? [] : null,
  }
}

interface Row {
  api: Api
  version: number
  request(groupId: string, epoch: number, context: Context): object
  /** What distinguishes it from other rows of the API. */
  how?: string
}

function row<A extends Api>(
  api: A,
  version: number,
  request: (groupId: string, epoch: number, context: Context) => InputOf<A['request']>,
  how?: string,
): Row {
  return { api, version, request, ...(how !== undefined && { how }) }
}

function versions<A extends Api>(
  api: A,
  from: number,
  to: number,
  request: (groupId: string, epoch: number, context: Context) => InputOf<A['request']>,
): Row[] {
  return Array.from({ length: to - from + 1 }, (_, index) => row(api, from + index, request))
}

const asked = [{ name: topic, partitionIndexes: [0, 1, 9] }]
const wrongEpoch = 9
const describing = (groupId: string) => ({ groupIds: [groupId], includeAuthorizedOperations: false })

const readRows: Row[] = [
  ...versions(apis.offsetFetch, 1, 7, groupId => ({ groupId, topics: asked })),
  row(apis.offsetFetch, 7, groupId => ({ groupId, topics: null, requireStable: false }), 'of all topics'),
  ...versions(apis.offsetFetch, 8, 9, groupId => ({ groups: [{ groupId, topics: asked }], requireStable: true })),
  row(apis.offsetFetch, 9, groupId => ({ groups: [{ groupId, topics: null }], requireStable: true }), 'of all topics'),
  row(apis.offsetFetch, 9, (groupId, memberEpoch) => ({ groups: [{ groupId, memberId, memberEpoch, topics: asked }] }), 'by a member'),
  row(
    apis.offsetFetch,
    9,
    groupId => ({ groups: [{ groupId, memberId, memberEpoch: wrongEpoch, topics: asked }] }),
    'by a member, in a wrong epoch',
  ),
  row(apis.offsetFetch, 9, groupId => ({ groups: [{ groupId, memberId: 'x', memberEpoch: 1, topics: asked }] }), 'by a stranger'),
  row(apis.offsetFetch, 10, (groupId, _epoch, { topicId }) => ({ groups: [{ groupId, topics: [{ topicId, partitionIndexes: [0] }] }] })),
  ...versions(apis.describeGroups, 0, 6, groupId => ({ groups: [groupId], includeAuthorizedOperations: false })),
  ...versions(apis.consumerGroupDescribe, 0, 1, describing),
  row(apis.shareGroupDescribe, 1, describing),
  ...versions(apis.streamsGroupDescribe, 0, 1, describing),
  ...[0, 1].flatMap(version => [
    row(apis.describeShareGroupOffsets, version, groupId => ({
      groups: [{ groupId, topics: [{ topicName: topic, partitions: [0, 1] }] }],
    })),
    row(apis.describeShareGroupOffsets, version, groupId => ({ groups: [{ groupId, topics: null }] }), 'of all topics'),
    row(
      apis.describeShareGroupOffsets,
      version,
      groupId => ({ groups: [{ groupId, topics: [{ topicName: 'no-such-topic', partitions: [0] }] }] }),
      'of a missing topic',
    ),
  ]),
]

const shareFetch = (groupId: string, topicId: Uuid, shareSessionEpoch: number) => ({
  groupId,
  memberId,
  shareSessionEpoch,
  maxWaitMs: 0,
  minBytes: 0,
  maxBytes: 1_000,
  maxRecords: 1,
  batchSize: 1,
  topics: [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches: [] }] }],
  forgottenTopicsData: [],
})
const node = { name: 'n', nodeType: 0, sourceTopics: [topic], sinkTopic: null, stores: [], successors: [] }

const writeRows: Row[] = [
  row(apis.shareFetch, 1, (groupId, _epoch, { topicId }) => shareFetch(groupId, topicId, 0), 'opens a session'),
  row(apis.shareFetch, 1, (groupId, _epoch, { topicId }) => shareFetch(groupId, topicId, 5), 'without a session'),
  row(apis.shareAcknowledge, 1, groupId => ({ groupId, memberId, shareSessionEpoch: 1, topics: [] }), 'without a session'),
  row(apis.streamsGroupTopologyDescriptionUpdate, 0, groupId => ({
    groupId,
    memberId,
    topologyEpoch: 0,
    topologyDescription: { subtopologies: [{ subtopologyId: '0', nodes: [node] }], globalStores: [] },
  })),
  ...versions(apis.offsetCommit, 7, 9, groupId => commit(groupId, '', -1)),
  row(apis.offsetCommit, 8, (groupId, epoch) => commit(groupId, memberId, epoch), 'by a member'),
  row(apis.offsetCommit, 9, (groupId, epoch) => commit(groupId, memberId, epoch), 'by a member'),
  row(apis.offsetCommit, 9, groupId => commit(groupId, memberId, wrongEpoch), 'in a wrong epoch'),
  row(apis.txnOffsetCommit, 5, (groupId, _epoch, { session }) => transactionalCommit(groupId, '', -1, session)),
  row(apis.txnOffsetCommit, 5, (groupId, epoch, { session }) => transactionalCommit(groupId, memberId, epoch, session), 'by a member'),
  row(
    apis.txnOffsetCommit,
    5,
    (groupId, _epoch, { session }) => transactionalCommit(groupId, memberId, wrongEpoch, session),
    'in a wrong epoch',
  ),
  row(apis.offsetDelete, 0, groupId => ({ groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }] })),
  row(
    apis.offsetDelete,
    0,
    groupId => ({ groupId, topics: [{ name: 'no-such-topic', partitions: [{ partitionIndex: 0 }] }] }),
    'of a missing topic',
  ),
  ...versions(apis.deleteGroups, 2, 3, groupId => ({ groupsNames: [groupId] })),
  row(apis.heartbeat, 4, (groupId, generationId) => ({ groupId, generationId, memberId, groupInstanceId: null })),
  row(apis.syncGroup, 5, (groupId, epoch) => sync(groupId, memberId, epoch)),
  row(apis.leaveGroup, 2, groupId => ({ groupId, memberId })),
  row(apis.leaveGroup, 4, groupId => ({ groupId, members: [{ memberId, groupInstanceId: null }] })),
  row(apis.leaveGroup, 4, groupId => ({ groupId, members: [{ memberId: '', groupInstanceId: 'instance' }] }), 'a static member'),
  row(apis.joinGroup, 9, groupId => join(groupId, '')),
  row(apis.joinGroup, 9, groupId => join(groupId, 'x'), 'with a strange id'),
  row(apis.consumerGroupHeartbeat, 1, groupId => ({ ...consumerBeat(groupId, 0), memberId: 'newcomer' }), 'joins'),
  row(apis.consumerGroupHeartbeat, 1, (groupId, epoch) => consumerBeat(groupId, epoch)),
  row(apis.consumerGroupHeartbeat, 1, groupId => consumerBeat(groupId, wrongEpoch), 'in a wrong epoch'),
  row(apis.consumerGroupHeartbeat, 1, groupId => consumerBeat(groupId, -1), 'leaves'),
  row(apis.shareGroupHeartbeat, 1, groupId => ({ ...shareBeat(groupId, 0), memberId: 'newcomer' }), 'joins'),
  row(apis.shareGroupHeartbeat, 1, (groupId, epoch) => shareBeat(groupId, epoch)),
  row(apis.shareGroupHeartbeat, 1, groupId => shareBeat(groupId, wrongEpoch), 'in a wrong epoch'),
  row(apis.shareGroupHeartbeat, 1, groupId => shareBeat(groupId, -1), 'leaves'),
  row(apis.streamsGroupHeartbeat, 0, groupId => ({ ...streamsBeat(groupId, 0), memberId: 'newcomer' }), 'joins'),
  row(apis.streamsGroupHeartbeat, 0, (groupId, epoch) => streamsBeat(groupId, epoch)),
  row(apis.streamsGroupHeartbeat, 0, groupId => streamsBeat(groupId, wrongEpoch), 'in a wrong epoch'),
  row(apis.streamsGroupHeartbeat, 0, groupId => streamsBeat(groupId, -1), 'leaves'),
  row(apis.alterShareGroupOffsets, 0, groupId => ({
    groupId,
    topics: [{ topicName: topic, partitions: [{ partitionIndex: 0, startOffset: 0 }] }],
  })),
  row(apis.deleteShareGroupOffsets, 0, groupId => ({ groupId, topics: [{ topicName: topic }] })),
]

export type Matrix = Record<string, Record<string, unknown>>

/** Each answer once, with all that got it. */
export type Folded = Record<string, { groups: string[]; answer: unknown }[]>

export function folded(matrix: Matrix): Folded {
  const fold = (cells: Matrix[string]) => {
    const byText = Map.groupBy(Object.entries(cells), ([, answer]) => JSON.stringify(answer))
    return Array.from(byText.values(), same => ({ groups: same.map(([group]) => group), answer: same[0]![1] }))
  }
  return Object.fromEntries(Object.entries(matrix).map(([row, cells]) => [row, fold(cells)]))
}

/** The answers of a broker whose coordinators are ready. */
export async function matrixOf(client: RawClient): Promise<Matrix> {
  const topicId = await createTopic(client, topic, 2)
  await coordinatorsOf(client)
  const session = await beginTransactions(client)
  await shareStateIsReady(client, topicId)
  const context: Context = { client, topicId, session }
  const matrix: Matrix = {}
  for (const [name, make] of Object.entries(subjects)) {
    const groupId = `read: ${name}`
    const epoch = await made(make, groupId, context)
    for (const each of readRows) await fill(matrix, each, name, groupId, epoch, context)
    const { groups } = await client.request(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
    const listed = groups.find(group => group.groupId === groupId) ?? null
    ;(matrix['ListGroups v5'] ??= {})[name] = comparable(listed, groupId, context.topicId)
  }
  for (const each of writeRows) {
    for (const [name, make] of Object.entries(subjects)) {
      const groupId = `${titleOf(each)}: ${name}`
      await fill(matrix, each, name, groupId, await made(make, groupId, context), context)
    }
  }
  return matrix
}

async function made(make: Make, groupId: string, context: Context): Promise<number> {
  const configs = [{ name: 'streams.initial.rebalance.delay.ms', configOperation: 0, value: '0' }]
  const resources = [{ resourceType: 32, resourceName: groupId, configs }]
  const { responses } = await context.client.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
  if (responses[0]!.errorCode !== 0) throw new Error(responses[0]!.errorMessage ?? 'the config is refused')
  return make(context, groupId)
}

async function fill(matrix: Matrix, each: Row, subject: string, groupId: string, epoch: number, context: Context): Promise<void> {
  const answer = await context.client.request(each.api, each.version, each.request(groupId, epoch, context) as never)
  ;(matrix[titleOf(each)] ??= {})[subject] = comparable(answer, groupId, context.topicId)
}

function titleOf({ api, version, how }: Row): string {
  return `${api.name} v${version}${how === undefined ? '' : `, ${how}`}`
}

async function coordinatorsOf(client: RawClient): Promise<void> {
  await findCoordinator(client, 'read: missing')
  await findCoordinator(client, transactionalId, coordinates.transaction)
  await findCoordinator(client, 'read: share:AAAAAAAAAAAAAAAAAAAAAQ:0', coordinates.share)
  // They may still be loading.
  await sleep(1_000)
}

/** Kafka's first answers are UNKNOWN_SERVER_ERROR. */
async function shareStateIsReady(client: RawClient, topicId: Uuid): Promise<void> {
  for (let attempt = 0, good = 0; good < 20; attempt++) {
    const { responses } = await client.request(apis.shareFetch, 1, shareFetch(`warm-up ${attempt}`, topicId, 0))
    good = responses.some(({ partitions }) => partitions.some(({ errorCode }) => errorCode !== 0)) ? 0 : good + 1
    if (attempt === 500) throw new Error('there is no state of share groups')
    if (good === 0) await sleep(100)
  }
}

async function beginTransactions(client: RawClient): Promise<Context['session']> {
  for (let attempt = 0; ; attempt++) {
    const request = { transactionalId, transactionTimeoutMs: 600_000, producerId: -1, producerEpoch: -1 }
    const { errorCode, producerId, producerEpoch } = await client.request(apis.initProducerId, 5, request)
    if (errorCode === 0) return { producerId, producerEpoch }
    if (attempt === 100) throw new Error(`no transactions: ${errorName(errorCode)}`)
    await sleep(100)
  }
}

/** Without what differs by chance or by configuration: epochs too, which begin at 2 since Kafka 4.3; errors by name. */
function comparable(answer: unknown, groupId: string, topicId: Uuid): unknown {
  const words = (text: string) =>
    text
      .replaceAll(groupId, '<group>')
      .replaceAll(topicId, '<topic id>')
      .replace(/\(\d+\)/g, '(n)')
  const visit = (value: unknown, key: string): unknown => {
    if (key === 'errorCode') return errorName(value as number)
    if (epochs.has(key) && (value as number) > 0) return '<epoch>'
    if (key === 'memberId' && madeByBroker.test(value as string)) return '<member>'
    if (Buffer.isBuffer(value)) return value.toString('latin1')
    if (typeof value === 'bigint') return String(value)
    if (typeof value === 'string') return words(value)
    if (Array.isArray(value)) return value.map(each => visit(each, ''))
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).flatMap(([name, inner]) => (byChance.has(name) ? [] : [[name, visit(inner, name)]])))
  }
  return visit(answer, '')
}

const byChance = new Set(['throttleTimeMs', 'clientHost', 'heartbeatIntervalMs', 'acquisitionLockTimeoutMs'])
const epochs = new Set(['memberEpoch', 'groupEpoch', 'assignmentEpoch', 'generationId'])
const madeByBroker = /^(test-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[\w-]{22})$/

if (import.meta.main) {
  const [host, port] = process.argv[2]!.split(':')
  if (host !== '127.0.0.1') throw new Error(`${host}: the broker has to be on this machine`)
  const client = await connect(Number(port))
  console.log(JSON.stringify(folded(await matrixOf(client)), null, 1))
  client.close()
}
