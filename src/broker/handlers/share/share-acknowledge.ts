/** ShareAcknowledge, v1–2 (KIP-932): acknowledges acquired records; v2 can renew their locks (KIP-1222). */
import { inSlices } from '../../../base.ts'
import { apis } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { CurrentLeaders } from '../cluster/cluster-view.ts'
import { acknowledge, currentLeader, failed, finish, resumeSession, sessionAccess } from './share-requests.ts'

export const shareAcknowledge = defineHandler<typeof apis.shareAcknowledge>({
  api: apis.shareAcknowledge,
  versions: [1, 2],
  access: sessionAccess,
  cost: promptly(manyThings(null)),
  async handle(request, context) {
    const session = resumeSession(request, context)
    const { turns } = context.broker
    const leaders = new CurrentLeaders(context)
    const responses = await inSlices(turns, request.topics, async ({ topicId, partitions }) => ({
      topicId,
      partitions: await inSlices(turns, partitions, async partition => {
        const outcome = await acknowledge(session, topicId, partition, request.isRenewAck, context)
        const { partitionIndex } = partition
        return { partitionIndex, ...outcome, currentLeader: currentLeader(leaders, topicId, partitionIndex, [outcome.errorCode], context) }
      }),
    }))
    await finish(session, request.shareSessionEpoch, context)
    const { recordLockDurationMs } = context.broker.shareConfig(session.groupId)
    const nodeEndpoints = leaders.endpoints()
    return { throttleTimeMs: 0, errorCode: 0, acquisitionLockTimeoutMs: recordLockDurationMs, responses, nodeEndpoints }
  },
  fail: (_request, error) => failed(error),
})
