/**
 * StreamsGroupHeartbeat, v0–1 (KIP-1071): joins a streams group, keeps the membership, reconciles or leaves, and returns the member's tasks.
 *
 * Internal topics that the topology needs are created if the client may (CREATE on the cluster or on each of them). Kafka responds before
 * they exist and reports failures one heartbeat later; here the response reports failures, and makes the member send the next heartbeat
 * immediately once they exist. v1 supports the status MISSING_CLIENT_TAGS and 64-bit recovery lags.
 */
import { inSlices } from '../../../base.ts'
import { belongsToBroker, type StreamsInternalTopic, streamsStatusCodes, topicNameProblem } from '../../../coordinator.ts'
import { apis, errorCode, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { fewEntries, manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { mutationQuota } from '../../quotas/mutation-quota.ts'
import { mayCreateTopic } from '../../security/authorized-operations.ts'
import { callerOf, requireGroup } from '../groups/group-caller.ts'
import { requireStreamsGroups, topicsOf } from './streams-requests.ts'

type Request = MessageOf<typeof apis.streamsGroupHeartbeat.request>
type Response = InputOf<typeof apis.streamsGroupHeartbeat.response>

/** Kafka names no more failures than this. */
const mostFailures = 3
/** A status that names all topics of a large topology would be longer than a string of the protocol may be. */
const longestDetail = 8_000
const soonMs = 100

export const streamsGroupHeartbeat = defineHandler<typeof apis.streamsGroupHeartbeat>({
  api: apis.streamsGroupHeartbeat,
  versions: [0, 1],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'DESCRIBE'],
    ['CLUSTER', 'CREATE'],
    ['TOPIC', 'CREATE'],
  ],
  cost: promptly(manyThings(null, fewEntries)),
  async handle(request, context) {
    requireStreamsGroups(context)
    requireGroup(context, 'READ', request.groupId)
    await checkTopics(request, context)
    const { response, missingInternalTopics } = await context.broker.groups.streamsHeartbeat(request, callerOf(context))
    return withShortDetails(missingInternalTopics.length === 0 ? response : await createTopics(missingInternalTopics, response, context))
  },
  fail: (_request, error) => ({
    throttleTimeMs: 0,
    errorCode: errorCode(error.name),
    errorMessage: error.message,
    memberId: '',
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    acceptableRecoveryLagLegacy: 0,
    taskOffsetIntervalMs: 0,
    status: [],
    endpointInformationEpoch: 0,
  }),
})

/** Before the coordinator sees them. */
async function checkTopics({ topology }: Request, context: RequestContext): Promise<void> {
  const all = [...topicsOf(topology)]
  const prohibited = all.filter(belongsToBroker)
  if (prohibited.length > 0) {
    const message = `Use of Kafka internal topics ${prohibited.join(',')} in a Kafka Streams topology is prohibited.`
    throw new KafkaError('STREAMS_INVALID_TOPOLOGY', message)
  }
  const bad = all.filter(name => topicNameProblem(name) !== null)
  if (bad.length > 0) throw new KafkaError('STREAMS_INVALID_TOPOLOGY', `Topic names ${bad.join(',')} are not valid topic names.`)
  await inSlices(context.broker.turns, all, name => {
    if (!context.allowed('DESCRIBE', 'TOPIC', name)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
  })
}

async function createTopics(topics: readonly StreamsInternalTopic[], response: Response, context: RequestContext): Promise<Response> {
  const mayCreate = mayCreateTopic(context)
  const forbidden = topics.filter(({ name }) => !mayCreate(name))
  if (forbidden.length > 0) {
    return withDetail(response, `Unauthorized to CREATE on topics ${forbidden.map(({ name }) => name).join(', ')}.`)
  }
  const asked = topics.map(topic => ({ ...topic, assignments: [] }))
  const outcomes = await context.broker.metadata.createTopics(asked, false, mutationQuota(context, Number.POSITIVE_INFINITY))
  const failures = outcomes.flatMap((outcome, index) =>
    // Another member was faster: the topic is there.
    outcome instanceof KafkaError && outcome.name !== 'TOPIC_ALREADY_EXISTS' ? [`${topics[index]!.name} (${outcome.message})`] : [],
  )
  if (failures.length === 0) return { ...response, heartbeatIntervalMs: Math.min(response.heartbeatIntervalMs, soonMs) }
  const more = failures.length - mostFailures
  const listed = failures.slice(0, mostFailures).join(', ') + (more > 0 ? ` and ${more} more` : '')
  return withDetail(response, `Creation failed: ${listed}.`)
}

function withShortDetails(response: Response): Response {
  const status = (response.status ?? []).map(({ statusCode, statusDetail }) => ({
    statusCode,
    statusDetail: statusDetail.length <= longestDetail ? statusDetail : `${statusDetail.slice(0, longestDetail)}…`,
  }))
  return { ...response, status }
}

function withDetail(response: Response, detail: string): Response {
  const missing = streamsStatusCodes.MISSING_INTERNAL_TOPICS
  const status = (response.status ?? []).map(each =>
    each.statusCode === missing ? { ...each, statusDetail: `${each.statusDetail}; ${detail}` } : each,
  )
  return { ...response, status }
}
