/**
 * StreamsGroupDescribe, v0–1 (KIP-1071): the state of streams groups. A group with a topic that the caller may not describe is not described
 * at all. v1 requests the description of the topology, which in Kafka comes from a plug-in; as in a Kafka without one, there is none.
 */
import { apis, type InputOf, KafkaError } from '../../../protocol.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { describeAccess, describeCost, describeEach, requireTopics } from '../groups/describe-each.ts'
import { requireStreamsGroups, topicsOf } from './streams-requests.ts'

type DescribedGroup = InputOf<typeof apis.streamsGroupDescribe.response>['groups'][number]

/** Kafka's NOT_STORED; 0 means that it was not requested. */
const notStored = 1

export const streamsGroupDescribe = defineHandler<typeof apis.streamsGroupDescribe>({
  api: apis.streamsGroupDescribe,
  versions: [0, 1],
  access: describeAccess,
  cost: describeCost,
  async handle(request, context) {
    requireStreamsGroups(context)
    const groups = await describeEach(request, context, groupId => describe(groupId, context), failed)
    if (!request.includeTopologyDescription) return { throttleTimeMs: 0, groups }
    return {
      throttleTimeMs: 0,
      groups: groups.map(group => (group.errorCode === 0 ? { ...group, topologyDescriptionStatus: notStored } : group)),
    }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, groups: yield* resultsOf(request.groupIds, groupId => failed(groupId, error)) }
  },
})

const undescribable = new KafkaError(
  'TOPIC_AUTHORIZATION_FAILED',
  'The described group uses topics that the client is not authorized to describe.',
)

async function describe(groupId: string, context: RequestContext): Promise<DescribedGroup> {
  const group = await context.broker.groups.describeStreamsGroup(groupId)
  requireTopics(context, topicsOf(group.topology), undescribable)
  return group
}

function failed(groupId: string, { code, message }: KafkaError): DescribedGroup {
  return { errorCode: code, errorMessage: message, groupId, groupState: '', groupEpoch: 0, assignmentEpoch: 0, members: [] }
}
