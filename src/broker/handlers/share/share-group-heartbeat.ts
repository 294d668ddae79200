/**
 * ShareGroupHeartbeat, v1 (KIP-932): joins a share group, keeps the membership or leaves, and returns the member's partitions. A topic that
 * the member may not describe fails the whole request.
 */
import { inSlices } from '../../../base.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { callerOf, requireGroup } from '../groups/group-caller.ts'
import { outcomeOf, requireShareGroups } from './share-requests.ts'

export const shareGroupHeartbeat = defineHandler<typeof apis.shareGroupHeartbeat>({
  api: apis.shareGroupHeartbeat,
  versions: [1, 1],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost: promptly(manyThings(null)),
  async handle(request, context) {
    requireShareGroups(context)
    requireGroup(context, 'READ', request.groupId)
    await inSlices(context.broker.turns, request.subscribedTopicNames ?? [], topic => {
      if (context.allowed('DESCRIBE', 'TOPIC', topic)) return
      throw new KafkaError('TOPIC_AUTHORIZATION_FAILED', `Not authorized to describe topic ${topic}.`)
    })
    return context.broker.groups.shareHeartbeat(request, callerOf(context))
  },
  fail: (_request, error) => ({
    throttleTimeMs: 0,
    ...outcomeOf(error),
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  }),
})
