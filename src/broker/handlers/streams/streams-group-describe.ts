/**
 * StreamsGroupDescribe, v0–1 (KIP-1071): the state of streams groups. A group with a topic that may not be described is not described at
 * all. v1 asks for the description of the topology, which Kafka leaves to a plug-in; as in a Kafka without one, there is none.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { requireStreamsGroups } from './streams-requests.ts'

type DescribedGroup = InputOf<typeof apis.streamsGroupDescribe.response>['groups'][number]

/** Kafka's NOT_STORED; 0 says that nobody asked. */
const notStored = 1

export const streamsGroupDescribe = defineHandler<typeof apis.streamsGroupDescribe>({
  api: apis.streamsGroupDescribe,
  versions: [0, 1],
  access: [...everyOperation('GROUP'), ['TOPIC', 'DESCRIBE']],
  cost: manyThings(request => {
    request.groupIds = distinct(request.groupIds)
  }),
  async handle(request, context) {
    requireStreamsGroups(context)
    const { includeAuthorizedOperations, includeTopologyDescription } = request
    const groups = await inSlices(context.broker.turns, request.groupIds, groupId =>
      describe(groupId, includeAuthorizedOperations, context),
    )
    if (!includeTopologyDescription) return { throttleTimeMs: 0, groups }
    return {
      throttleTimeMs: 0,
      groups: groups.map(group => (group.errorCode === 0 ? { ...group, topologyDescriptionStatus: notStored } : group)),
    }
  },
  fail: (request, error) => ({ throttleTimeMs: 0, groups: request.groupIds.map(groupId => failed(groupId, error)) }),
})

async function describe(groupId: string, withOperations: boolean, context: RequestContext): Promise<DescribedGroup> {
  try {
    requireGroup(context, 'DESCRIBE', groupId)
    const group = await context.broker.groups.describeStreamsGroup(groupId)
    for (const topic of topicsOf(group)) {
      if (context.allowed('DESCRIBE', 'TOPIC', topic)) continue
      throw new KafkaError('TOPIC_AUTHORIZATION_FAILED', 'The described group uses topics that the client is not authorized to describe.')
    }
    return withOperations ? { ...group, authorizedOperations: authorizedOperations(context, 'GROUP', groupId) } : group
  } catch (error) {
    return failed(groupId, toKafkaError(error))
  }
}

function topicsOf({ topology }: DescribedGroup): Set<string> {
  const names = new Set<string>()
  for (const { sourceTopics, repartitionSinkTopics, repartitionSourceTopics, stateChangelogTopics } of topology?.subtopologies ?? []) {
    for (const name of [...sourceTopics, ...repartitionSinkTopics]) names.add(name)
    for (const { name } of [...repartitionSourceTopics, ...stateChangelogTopics]) names.add(name)
  }
  return names
}

function failed(groupId: string, error: KafkaError): DescribedGroup {
  return {
    errorCode: errorCode(error.name),
    errorMessage: error.message,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    members: [],
  }
}
