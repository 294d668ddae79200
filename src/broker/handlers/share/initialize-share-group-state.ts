/** InitializeShareGroupState, v0 (KIP-932), between brokers: sets where a share group starts in partitions. */
import { apis } from '../../../protocol.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fine } from './share-requests.ts'
import { failEach, forEachPartition, plainFailure, stateAccess, stateCost } from './share-state-requests.ts'

export const initializeShareGroupState = defineHandler<typeof apis.initializeShareGroupState>({
  api: apis.initializeShareGroupState,
  versions: [0, 0],
  access: stateAccess,
  cost: stateCost,
  async handle(request, context) {
    const { shares, sharePartitions } = context.broker
    const results = await forEachPartition(
      request,
      context,
      async (key, { partition, stateEpoch, startOffset }) => {
        await shares.initialize(key, stateEpoch, startOffset)
        // What is in delivery here was read before.
        sharePartitions.forgetOne(key)
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
