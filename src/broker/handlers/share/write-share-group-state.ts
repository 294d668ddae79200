/** WriteShareGroupState, v0–1 (KIP-932), between brokers: the owner of a partition stores the state of a share group in it. */
import { apis } from '../../../protocol.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fine } from './share-requests.ts'
import { failEach, forEachPartition, plainFailure, stateAccess, stateCost } from './share-state-requests.ts'

export const writeShareGroupState = defineHandler<typeof apis.writeShareGroupState>({
  api: apis.writeShareGroupState,
  versions: [0, 1],
  access: stateAccess,
  cost: stateCost,
  async handle(request, context) {
    const results = await forEachPartition(
      request,
      context,
      async (key, { partition, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount = -1, stateBatches }) => {
        await context.broker.shares.write(key, { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, stateBatches })
        return { partition, ...fine }
      },
      plainFailure,
    )
    return { results }
  },
  *fail(request, error) {
    return { results: yield* failEach(request, error, plainFailure) }
  },
})
