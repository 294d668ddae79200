/**
 * ConsumerGroupDescribe, v0–1 (KIP-848): the state of groups of the consumer protocol; v1 tells which protocol each member speaks
 * (KIP-1099). A group with a topic that may not be described is not described at all.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { requireGroup } from './group-caller.ts'

type DescribedGroup = InputOf<typeof apis.consumerGroupDescribe.response>['groups'][number]

export const consumerGroupDescribe = defineHandler<typeof apis.consumerGroupDescribe>({
  api: apis.consumerGroupDescribe,
  versions: [0, 1],
  access: [...everyOperation('GROUP'), ['TOPIC', 'DESCRIBE']],
  cost: manyThings(request => {
    request.groupIds = distinct(request.groupIds)
  }),
  async handle(request, context) {
    const { includeAuthorizedOperations } = request
    const groups = await inSlices(context.broker.turns, request.groupIds, groupId =>
      describe(groupId, includeAuthorizedOperations, context),
    )
    return { throttleTimeMs: 0, groups }
  },
  fail: (request, error) => ({ throttleTimeMs: 0, groups: request.groupIds.map(groupId => failed(groupId, error)) }),
})

async function describe(groupId: string, withOperations: boolean, context: RequestContext): Promise<DescribedGroup> {
  try {
    requireGroup(context, 'DESCRIBE', groupId)
    const group = await context.broker.groups.describeConsumerGroup(groupId)
    const topics = new Set<string>()
    for (const { assignment, targetAssignment, subscribedTopicNames } of group.members) {
      for (const name of subscribedTopicNames) topics.add(name)
      for (const { topicName } of [...assignment.topicPartitions, ...targetAssignment.topicPartitions]) topics.add(topicName)
    }
    for (const topic of topics) {
      if (context.allowed('DESCRIBE', 'TOPIC', topic)) continue
      throw new KafkaError('TOPIC_AUTHORIZATION_FAILED', 'The group has described topic(s) that the client is not authorized to describe.')
    }
    return withOperations ? { ...group, authorizedOperations: authorizedOperations(context, 'GROUP', groupId) } : group
  } catch (error) {
    return failed(groupId, toKafkaError(error))
  }
}

function failed(groupId: string, { name, message }: KafkaError): DescribedGroup {
  return {
    errorCode: errorCode(name),
    errorMessage: message,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  }
}
