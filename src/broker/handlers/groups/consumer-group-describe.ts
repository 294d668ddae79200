/**
 * ConsumerGroupDescribe, v0–1 (KIP-848): the state of groups of the consumer protocol; v1 returns the protocol of each member
 * (KIP-1099). A group with a topic that the caller may not describe is not described at all.
 */
import { apis, type InputOf, type KafkaError } from '../../../protocol.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { describeAccess, describeCost, describeEach, requireTopics } from './describe-each.ts'

type DescribedGroup = InputOf<typeof apis.consumerGroupDescribe.response>['groups'][number]

export const consumerGroupDescribe = defineHandler<typeof apis.consumerGroupDescribe>({
  api: apis.consumerGroupDescribe,
  versions: [0, 1],
  access: describeAccess,
  cost: describeCost,
  async handle(request, context) {
    return { throttleTimeMs: 0, groups: await describeEach(request, context, groupId => describe(groupId, context), failed) }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, groups: yield* resultsOf(request.groupIds, groupId => failed(groupId, error)) }
  },
})

async function describe(groupId: string, context: RequestContext): Promise<DescribedGroup> {
  const group = await context.broker.groups.describeConsumerGroup(groupId)
  const topics = new Set<string>()
  for (const { assignment, targetAssignment, subscribedTopicNames } of group.members) {
    for (const name of subscribedTopicNames) topics.add(name)
    for (const { topicName } of [...assignment.topicPartitions, ...targetAssignment.topicPartitions]) topics.add(topicName)
  }
  requireTopics(context, topics)
  return group
}

function failed(groupId: string, { code, message }: KafkaError): DescribedGroup {
  return {
    errorCode: code,
    errorMessage: message,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  }
}
