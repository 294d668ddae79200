/** ReadShareGroupStateSummary, v0–1 (KIP-932), between brokers: the position of a share group, without the records in delivery. */
import { apis } from '../../../protocol.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fine, type Outcome } from './share-requests.ts'
import { failEach, forEachPartition, stateAccess, stateCost } from './share-state-requests.ts'

const nothing = { stateEpoch: 0, leaderEpoch: 0, startOffset: -1, deliveryCompleteCount: -1 }
const failed = (partition: number, outcome: Outcome) => ({ partition, ...outcome, ...nothing })

export const readShareGroupStateSummary = defineHandler<typeof apis.readShareGroupStateSummary>({
  api: apis.readShareGroupStateSummary,
  versions: [0, 1],
  access: stateAccess,
  cost: stateCost,
  async handle(request, context) {
    const results = await forEachPartition(
      request,
      context,
      async (key, { partition }) => {
        const { stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount } = (await context.broker.shares.read(key)) ?? nothing
        return { partition, ...fine, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount }
      },
      failed,
    )
    return { results }
  },
  *fail(request, error) {
    return { results: yield* failEach(request, error, failed) }
  },
})
