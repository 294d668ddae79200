/**
 * ShareGroupDescribe, v1 (KIP-932): the state of share groups. A group with a topic that the caller may not describe is not described at all.
 * Other brokers ask what partitions are assigned to a group: CLUSTER_ACTION is enough.
 */
import { apis, type InputOf, type KafkaError } from '../../../protocol.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'
import { describeAccess, describeCost, describeEach, requireTopics } from '../groups/describe-each.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { outcomeOf } from './share-requests.ts'

type DescribedGroup = InputOf<typeof apis.shareGroupDescribe.response>['groups'][number]

export const shareGroupDescribe = defineHandler<typeof apis.shareGroupDescribe>({
  api: apis.shareGroupDescribe,
  versions: [1, 1],
  access: [...describeAccess, ['CLUSTER', 'CLUSTER_ACTION']],
  cost: describeCost,
  async handle(request, context) {
    const isBroker = context.allowed('CLUSTER_ACTION', 'CLUSTER', clusterName, 'probe')
    const admit = (groupId: string) => {
      if (!isBroker) requireGroup(context, 'DESCRIBE', groupId)
    }
    const groups = await describeEach(request, context, groupId => describe(groupId, isBroker, context), failed, admit)
    return { throttleTimeMs: 0, groups }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, groups: yield* resultsOf(request.groupIds, groupId => failed(groupId, error)) }
  },
})

async function describe(groupId: string, isBroker: boolean, context: RequestContext): Promise<DescribedGroup> {
  const group = await context.broker.groups.describeShareGroup(groupId)
  if (!isBroker) requireTopics(context, new Set(group.members.flatMap(({ subscribedTopicNames }) => subscribedTopicNames)))
  return group
}

function failed(groupId: string, error: KafkaError): DescribedGroup {
  return { ...outcomeOf(error), groupId, groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] }
}
