/**
 * OffsetFetch, v0–10.
 *
 * v0 came from ZooKeeper, where a partition without an offset was unknown; v2 asks for all partitions with null and has a top-level
 * error, v5 the leader epoch (KIP-320), v7 `requireStable` (KIP-447), v8 several groups (KIP-709), v9 the member's epoch (KIP-848),
 * v10 topic ids. Topics that the client may not describe are errors if they are requested, and omitted from "all".
 */
import { inSlices } from '../../../base.ts'
import type { AskedTopic, FetchedTopic } from '../../../coordinator.ts'
import {
  apis,
  type ErrorName,
  errorCode,
  type InputOf,
  type KafkaError,
  type MessageOf,
  toKafkaError,
  zeroUuid,
} from '../../../protocol.ts'
import { distinct, distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf, resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireGroup } from './group-caller.ts'

type Request = MessageOf<typeof apis.offsetFetch.request>
type Response = InputOf<typeof apis.offsetFetch.response>
type RequestGroup = Request['groups'][number]
type RequestTopic = NonNullable<RequestGroup['topics']>[number]
type ResponseGroup = NonNullable<Response['groups']>[number]
type ResponseTopic = ResponseGroup['topics'][number]

const topLevelErrorFrom = 2
const severalGroupsFrom = 8
const topicIdsFrom = 10

export const offsetFetch = defineHandler<typeof apis.offsetFetch>({
  api: apis.offsetFetch,
  versions: [0, 10],
  access: [
    ['GROUP', 'DESCRIBE'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost: manyThings(function* (request) {
    if (request.topics !== null) request.topics = yield* distinctPairs(request.topics, topic => topic.name, 'partitionIndexes')
    request.groups = yield* distinct(request.groups, group => group.groupId)
    for (const group of request.groups) {
      if (group.topics !== null) group.topics = yield* distinctPairs(group.topics, topic => topic.name || topic.topicId, 'partitionIndexes')
    }
  }),
  async handle(request, context) {
    if (context.version >= severalGroupsFrom) {
      const groups = await inSlices(context.broker.turns, request.groups, group => fetchOrFail(group, request.requireStable, context))
      return { throttleTimeMs: 0, topics: [], groups }
    }
    const topics = request.topics?.map(topic => ({ ...topic, topicId: zeroUuid })) ?? null
    const group = await fetchGroup({ groupId: request.groupId, memberId: null, memberEpoch: -1, topics }, request.requireStable, context)
    const legacy = context.version === 0
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      topics: group.topics.map(({ name, partitions }) => ({
        name: name ?? '',
        partitions: legacy ? partitions.map(unknownWithoutOffset) : partitions,
      })),
      groups: [],
    }
  },
  fail: failure,
})

function* failure(request: Request, error: KafkaError, version: number): Generator<void, Response> {
  if (version >= severalGroupsFrom) {
    return { throttleTimeMs: 0, topics: [], groups: yield* resultsOf(request.groups, ({ groupId }) => failedGroup(groupId, error)) }
  }
  if (version >= topLevelErrorFrom) return { throttleTimeMs: 0, errorCode: errorCode(error.name), topics: [], groups: [] }
  const topics = yield* nestedResultsOf(
    request.topics ?? [],
    ({ partitionIndexes }) => partitionIndexes,
    index => noOffset(index, error.name),
    ({ name }, partitions) => ({ name, partitions }),
  )
  return { throttleTimeMs: 0, topics, groups: [] }
}

async function fetchOrFail(group: RequestGroup, requireStable: boolean, context: RequestContext): Promise<ResponseGroup> {
  try {
    return await fetchGroup(group, requireStable, context)
  } catch (error) {
    return failedGroup(group.groupId, toKafkaError(error))
  }
}

async function fetchGroup(group: RequestGroup, requireStable: boolean, context: RequestContext): Promise<ResponseGroup> {
  const { groupId, topics } = group
  const { turns } = context.broker
  requireGroup(context, 'DESCRIBE', groupId)
  return { groupId, errorCode: 0, topics: await (topics === null ? fetchAll() : fetchSome(topics)) }

  async function fetchAll(): Promise<ResponseTopic[]> {
    await context.expects(await context.broker.groups.countOffsets(groupId))
    const fetched = await context.broker.groups.fetchOffsets(groupId, null, requireStable, group)
    const answers: ResponseTopic[] = []
    await inSlices(turns, fetched, ({ name, partitions }) => {
      const topicId = context.version >= topicIdsFrom ? context.broker.metadata.topicId(name) : zeroUuid
      // A topic without an id is deleted: its offsets are about to go as well.
      if (topicId !== undefined && context.allowed('DESCRIBE', 'TOPIC', name, 'probe')) answers.push({ name, topicId, partitions })
    })
    return answers
  }

  async function fetchSome(asked: readonly RequestTopic[]): Promise<ResponseTopic[]> {
    const answers: ResponseTopic[] = []
    const wanted: AskedTopic[] = []
    const { metadata } = context.broker
    await inSlices(turns, asked, topic => {
      const byId = context.version >= topicIdsFrom
      const name = byId ? metadata.topicName(topic.topicId) : topic.name
      const { partitionIndexes } = topic
      const topicId = byId ? topic.topicId : (metadata.topicId(topic.name) ?? zeroUuid)
      if (name === undefined) answers.push(refusedTopic(topic, 'UNKNOWN_TOPIC_ID'))
      else if (!context.allowed('DESCRIBE', 'TOPIC', name)) answers.push(refusedTopic(topic, 'TOPIC_AUTHORIZATION_FAILED'))
      else wanted.push({ name, topicId, partitionIndexes })
    })
    const fetched: FetchedTopic[] = await context.broker.groups.fetchOffsets(groupId, wanted, requireStable, group)
    return [...fetched.map((topic, index) => ({ ...topic, topicId: wanted[index]!.topicId })), ...answers]
  }
}

function failedGroup(groupId: string, error: KafkaError): ResponseGroup {
  return { groupId, topics: [], errorCode: errorCode(error.name) }
}

function refusedTopic({ name, topicId, partitionIndexes }: RequestTopic, error: ErrorName): ResponseTopic {
  return { name, topicId, partitions: partitionIndexes.map(index => noOffset(index, error)) }
}

function noOffset(partitionIndex: number, error: ErrorName): ResponseTopic['partitions'][number] {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: errorCode(error) }
}

function unknownWithoutOffset(partition: ResponseTopic['partitions'][number]): ResponseTopic['partitions'][number] {
  const unknown = partition.committedOffset === -1 && partition.errorCode === 0
  return unknown ? { ...partition, errorCode: errorCode('UNKNOWN_TOPIC_OR_PARTITION') } : partition
}
