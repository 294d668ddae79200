/** ReadShareGroupState, v0 (KIP-932), between brokers: the owner of a partition reads the state of a share group in it. */
import { apis, KafkaError } from '../../../protocol.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { fine, type Outcome } from './share-requests.ts'
import { failEach, forEachPartition, stateAccess, stateCost } from './share-state-requests.ts'

const failed = (partition: number, outcome: Outcome) => ({ partition, ...outcome, stateEpoch: 0, startOffset: 0, stateBatches: [] })

export const readShareGroupState = defineHandler<typeof apis.readShareGroupState>({
  api: apis.readShareGroupState,
  versions: [0, 0],
  access: stateAccess,
  cost: stateCost,
  async handle(request, context) {
    const results = await forEachPartition(
      request,
      context,
      async (key, { partition, leaderEpoch }) => {
        const state = await context.broker.shares.read(key, leaderEpoch)
        if (state === null) throw new KafkaError('INVALID_REQUEST', 'Read operation on uninitialized share partition not allowed.')
        const { stateEpoch, startOffset, stateBatches } = state
        return { partition, ...fine, stateEpoch, startOffset, stateBatches: [...stateBatches] }
      },
      failed,
    )
    return { results }
  },
  *fail(request, error) {
    return { results: yield* failEach(request, error, failed) }
  },
})
