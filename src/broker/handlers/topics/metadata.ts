/**
 * Metadata, v0–13.
 *
 * v0 requests all topics with an empty list, v1+ with null; v4 can forbid auto-creation (KIP-204), v7 returns leader epochs (KIP-320),
 * v8 authorized operations (KIP-430), v10 topic ids, v12 can request topics by id (KIP-516). Kafka returns UNKNOWN_TOPIC_OR_PARTITION for a
 * topic that it has just started to create, and the client retries; this broker responds when the topic exists.
 */
import { filterInSlices, inSlices } from '../../../base.ts'
import { internalTopics, type Topic, type TopicPartition, topicNameProblem } from '../../../coordinator.ts'
import { apis, type ErrorName, errorCode, type InputOf, KafkaError, type MessageOf, type Uuid, zeroUuid } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, clusterName, everyOperation } from '../../security/authorized-operations.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { createMissingTopics } from './auto-create-topics.ts'

type Request = MessageOf<typeof apis.metadata.request>
type Response = InputOf<typeof apis.metadata.response>
type TopicResponse = Response['topics'][number]

/** Clients before this version do not know LISTENER_NOT_FOUND. */
const namesListenersFrom = 6

export const metadata = defineHandler<typeof apis.metadata>({
  api: apis.metadata,
  versions: [0, 13],
  access: [...everyOperation('TOPIC'), ...everyOperation('CLUSTER')],
  cost: manyThings(null),
  async handle(request, context) {
    const asked = await askedTopics(request, context)
    const { metadata, turns } = context.broker
    const missing = await filterInSlices(turns, asked.names, name => metadata.topic(name) === undefined)
    const refused = missing.length === 0 ? new Map<string, ErrorName>() : await refusals(request, missing, context)
    return respond(request, asked, refused, context)
  },
  *fail(request, error, version) {
    const nameless = version < 12 ? '' : null
    const topics = yield* resultsOf(request.topics ?? [], topic => refusal(error.name, topic.name ?? nameless, topic.topicId))
    return { throttleTimeMs: 0, brokers: [], clusterId: null, controllerId: -1, topics, errorCode: error.code }
  },
})

interface Asked {
  /** Allowed to be described; existing or not. */
  names: string[]
  refused: TopicResponse[]
}

async function askedTopics(request: Request, context: RequestContext): Promise<Asked> {
  const { metadata, turns } = context.broker
  const describable = (name: string) => context.allowed('DESCRIBE', 'TOPIC', name)
  if (request.topics === null || (context.version === 0 && request.topics.length === 0)) {
    const names = metadata.topics().map(topic => topic.name)
    // Topics that may not be described are not even mentioned.
    return { names: await filterInSlices(turns, names, name => context.allowed('DESCRIBE', 'TOPIC', name, 'probe')), refused: [] }
  }
  const ids = new Set<Uuid>()
  const names = new Set<string>()
  const { version } = context
  await inSlices(turns, request.topics, ({ name, topicId }) => {
    if (name === null && version < 12) throw new KafkaError('INVALID_REQUEST', `Topic name can not be null for version ${version}`)
    if (topicId !== zeroUuid && version < 12) {
      throw new KafkaError('INVALID_REQUEST', `Topic IDs are not supported in requests for version ${version}`)
    }
    if (topicId !== zeroUuid) ids.add(topicId)
    if (name !== null) names.add(name)
  })
  const asked: Asked = { names: [], refused: [] }
  // As in Kafka, a request that has ids is about ids.
  if (ids.size > 0) {
    await inSlices(turns, ids, id => {
      const name = metadata.topicName(id)
      if (name === undefined) asked.refused.push(refusal('UNKNOWN_TOPIC_ID', null, id))
      else if (describable(name)) asked.names.push(name)
      else asked.refused.push(refusal('TOPIC_AUTHORIZATION_FAILED', null, id))
    })
    return asked
  }
  await inSlices(turns, names, name => {
    if (describable(name)) asked.names.push(name)
    else asked.refused.push(refusal('TOPIC_AUTHORIZATION_FAILED', name))
  })
  return asked
}

/** Creates what is missing where that is allowed; why the others stay missing. */
async function refusals(request: Request, missing: string[], context: RequestContext): Promise<Map<string, ErrorName>> {
  const { config } = context.broker
  if (request.allowAutoTopicCreation && config.get('auto.create.topics.enable')) return createMissingTopics(missing, context)
  const refused = new Map<string, ErrorName>()
  await inSlices(context.broker.turns, missing, name => {
    refused.set(name, topicNameProblem(name) === null ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_TOPIC_EXCEPTION')
  })
  return refused
}

async function respond(
  request: Request,
  asked: Asked,
  refused: ReadonlyMap<string, ErrorName>,
  context: RequestContext,
): Promise<Response> {
  const { metadata, self, turns } = context.broker
  const view = new ClusterView(context)
  await context.expects(await elements(asked.names, context))
  const topics = await inSlices(turns, asked.names, (name): TopicResponse => {
    const topic = metadata.topic(name)
    const told =
      topic === undefined
        ? refusal(refused.get(name) ?? 'UNKNOWN_TOPIC_OR_PARTITION', name)
        : describeTopic(topic, view, context.version >= namesListenersFrom)
    if (request.includeTopicAuthorizedOperations) told.topicAuthorizedOperations = authorizedOperations(context, 'TOPIC', name)
    return told
  })
  const response: Response = {
    throttleTimeMs: 0,
    brokers: view.nodes.map(({ id, host, port, rack }) => ({ nodeId: id, host, port, rack })),
    clusterId: self.clusterId,
    controllerId: view.controllerId,
    topics: [...topics, ...asked.refused],
  }
  if (request.includeClusterAuthorizedOperations) {
    const allowed = context.allowed('DESCRIBE', 'CLUSTER', clusterName)
    response.clusterAuthorizedOperations = allowed ? authorizedOperations(context, 'CLUSTER', clusterName) : 0
  }
  return response
}

/** Topics and partitions of the response. */
async function elements(names: readonly string[], { broker: { metadata, turns } }: RequestContext): Promise<number> {
  let total = names.length
  await inSlices(turns, names, name => {
    total += metadata.topic(name)?.partitions.length ?? 0
  })
  return total
}

function describeTopic(topic: Topic, view: ClusterView, namesListeners: boolean): TopicResponse {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.internal,
    partitions: topic.partitions.map(partition => describePartition(partition, view, namesListeners)),
  }
}

function describePartition(partition: TopicPartition, view: ClusterView, namesListeners: boolean): TopicResponse['partitions'][number] {
  const problem = view.problem(partition)
  return {
    errorCode: problem === null ? 0 : errorCode(namesListeners ? problem : 'LEADER_NOT_AVAILABLE'),
    partitionIndex: partition.index,
    leaderId: problem === null ? partition.leader : -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: partition.replicas,
    isrNodes: view.inSync(partition),
    offlineReplicas: view.offlineReplicas(partition),
  }
}

function refusal(error: ErrorName, name: string | null, topicId: Uuid = zeroUuid): TopicResponse {
  return { errorCode: errorCode(error), name, topicId, isInternal: name !== null && internalTopics.has(name), partitions: [] }
}
