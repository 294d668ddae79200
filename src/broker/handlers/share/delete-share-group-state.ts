/** DeleteShareGroupState, v0 (KIP-932), between brokers: deletes the state of share groups in partitions. */
import { apis } from '../../../protocol.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fine } from './share-requests.ts'
import { failEach, forEachPartition, plainFailure, stateAccess, stateCost } from './share-state-requests.ts'

export const deleteShareGroupState = defineHandler<typeof apis.deleteShareGroupState>({
  api: apis.deleteShareGroupState,
  versions: [0, 0],
  access: stateAccess,
  cost: stateCost,
  async handle(request, context) {
    const { shares, sharePartitions } = context.broker
    const results = await forEachPartition(
      request,
      context,
      async (key, { partition }) => {
        await shares.delete(key)
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
