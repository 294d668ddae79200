/**
 * DescribeTopicPartitions, v0 (KIP-966): topics in the order of their names, with a limited number of partitions per response; the cursor
 * says where the next one continues. The response has no top-level error: an error of the request is returned for every topic that it names.
 */
import { internalTopics, type Topic, topicNameProblem } from '../../../coordinator.ts'
import { apis, type ErrorName, errorCode, type InputOf, KafkaError, type MessageOf, zeroUuid } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { ClusterView } from '../cluster/cluster-view.ts'

type Request = MessageOf<typeof apis.describeTopicPartitions.request>
type Response = InputOf<typeof apis.describeTopicPartitions.response>
type TopicResponse = Response['topics'][number]

export const describeTopicPartitions = defineHandler<typeof apis.describeTopicPartitions>({
  api: apis.describeTopicPartitions,
  versions: [0, 0],
  access: everyOperation('TOPIC'),
  cost: manyThings(null),
  async handle(request, context) {
    const all = request.topics.length === 0
    const names = all ? context.broker.metadata.topics().map(topic => topic.name) : request.topics.map(topic => topic.name)
    return page(request, namesFrom(request, names, all), all, context)
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, topics: yield* resultsOf(request.topics, topic => refusal(error.name, topic.name)) }
  },
})

/** The names from the cursor's on, sorted, once each. */
function namesFrom({ cursor }: Request, names: string[], all: boolean): string[] {
  const from = cursor?.topicName ?? ''
  const wanted = new Set(names.filter(name => name >= from))
  if (cursor !== null && !all && !wanted.has(from)) {
    throw new KafkaError('INVALID_REQUEST', `DescribeTopicPartitionsRequest topic list should contain the cursor topic: ${from}`)
  }
  if (cursor !== null && cursor.partitionIndex < 0) {
    throw new KafkaError('INVALID_REQUEST', `DescribeTopicPartitionsRequest cursor partition must be valid: ${cursor.partitionIndex}`)
  }
  return [...wanted].sort()
}

async function page(request: Request, names: string[], all: boolean, context: RequestContext): Promise<Response> {
  const { config, metadata, turns } = context.broker
  let left = Math.max(1, Math.min(config.get('max.request.partition.size.limit'), request.responsePartitionLimit))
  const response: Response = { throttleTimeMs: 0, topics: [], nextCursor: null }
  const view = new ClusterView(context)
  const topics: TopicResponse[] = []
  const unauthorized: TopicResponse[] = []
  for (const name of names) {
    if (turns.over) await turns.next()
    if (!context.allowed('DESCRIBE', 'TOPIC', name, all ? 'probe' : undefined)) {
      if (!all) unauthorized.push(refusal('TOPIC_AUTHORIZATION_FAILED', name))
      continue
    }
    if (left === 0) {
      response.nextCursor = { topicName: name, partitionIndex: 0 }
      break
    }
    const topic = metadata.topic(name)
    if (topic === undefined) {
      if (!all) topics.push(refusal(topicNameProblem(name) === null ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION', name))
      continue
    }
    const from = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0
    const described = describe(topic, from, left, view, context)
    topics.push(described)
    left -= described.partitions.length
    if (from + described.partitions.length < topic.partitions.length) {
      response.nextCursor = { topicName: name, partitionIndex: from + described.partitions.length }
      break
    }
  }
  response.topics = [...topics, ...unauthorized]
  return response
}

function describe(topic: Topic, from: number, limit: number, view: ClusterView, context: RequestContext): TopicResponse {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.slice(from, from + limit).map(partition => ({
      errorCode: 0,
      partitionIndex: partition.index,
      leaderId: view.problem(partition) === null ? partition.leader : -1,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: view.inSync(partition),
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: view.offlineReplicas(partition),
    })),
    topicAuthorizedOperations: authorizedOperations(context, 'TOPIC', topic.name),
  }
}

function refusal(error: ErrorName, name: string): TopicResponse {
  return { errorCode: errorCode(error), name, topicId: zeroUuid, isInternal: internalTopics.has(name), partitions: [] }
}
