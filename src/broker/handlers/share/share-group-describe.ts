/** ShareGroupDescribe, v1 (KIP-932): the state of share groups. A group with a topic that may not be described is not described at all. */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, toKafkaError } from '../../../protocol.ts'
import { distinct, manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { authorizedOperations, everyOperation } from '../../security/authorized-operations.ts'
import { requireGroup } from '../groups/group-caller.ts'
import { outcomeOf } from './share-requests.ts'

type DescribedGroup = InputOf<typeof apis.shareGroupDescribe.response>['groups'][number]

export const shareGroupDescribe = defineHandler<typeof apis.shareGroupDescribe>({
  api: apis.shareGroupDescribe,
  versions: [1, 1],
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
    const group = await context.broker.groups.describeShareGroup(groupId)
    const topics = new Set(group.members.flatMap(({ subscribedTopicNames }) => subscribedTopicNames))
    for (const topic of topics) {
      if (context.allowed('DESCRIBE', 'TOPIC', topic)) continue
      throw new KafkaError('TOPIC_AUTHORIZATION_FAILED', 'The group has described topic(s) that the client is not authorized to describe.')
    }
    return withOperations ? { ...group, authorizedOperations: authorizedOperations(context, 'GROUP', groupId) } : group
  } catch (error) {
    return failed(groupId, toKafkaError(error))
  }
}

function failed(groupId: string, error: KafkaError): DescribedGroup {
  return { ...outcomeOf(error), groupId, groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] }
}
