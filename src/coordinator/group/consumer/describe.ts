/** The description of a KIP-848 group in ConsumerGroupDescribe. */
import type { apis, InputOf } from '../../../protocol.ts'
import type { GroupTopics } from '../group-topics.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { type Held, listOf, noTarget, type Target } from './partitions.ts'

export type DescribedConsumerGroup = InputOf<typeof apis.consumerGroupDescribe.response>['groups'][number]

/** KIP-1099. */
const memberTypes = { classic: 0, consumer: 1 } as const

export function describeConsumerGroup(group: ConsumerGroup, topics: GroupTopics, defaultAssignor: string): DescribedConsumerGroup {
  const named = (partitions: Target | Held) => ({
    topicPartitions: listOf(partitions).flatMap(list => {
      const topicName = topics.name(list.topicId)
      return topicName === undefined ? [] : [{ ...list, topicName }]
    }),
  })
  return {
    errorCode: 0,
    errorMessage: null,
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: group.preferredAssignor() ?? defaultAssignor,
    members: Array.from(group.members.values(), member => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: [...member.subscribedTopicNames],
      subscribedTopicRegex: member.subscribedTopicRegex,
      assignment: named(member.assigned),
      targetAssignment: named(group.targets.get(member.memberId) ?? noTarget),
      memberType: member.classic === null ? memberTypes.consumer : memberTypes.classic,
    })),
  }
}
