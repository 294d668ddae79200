/**
 * UpdateFeatures, v0–2 (KIP-584, KIP-778, KIP-1022): raises or lowers finalized feature levels, all of them or none. v0 only says whether
 * a downgrade is allowed; v1 has the type of downgrade and can only validate; v2 returns one result for all features.
 */
import { apis, KafkaError, type MessageOf } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.updateFeatures.request>

const upgrade = 1
const safeDowngrade = 2

export const updateFeatures = defineHandler<typeof apis.updateFeatures>({
  api: apis.updateFeatures,
  versions: [0, 2],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: oneThing,
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const updates = request.featureUpdates.map(({ feature, maxVersionLevel, allowDowngrade, upgradeType }) => {
      const kind = context.version === 0 ? (allowDowngrade ? safeDowngrade : upgrade) : upgradeType
      return { feature, level: maxVersionLevel, upgradeType: kind }
    })
    try {
      await context.broker.metadata.updateFeatures(updates, request.validateOnly)
    } catch (error) {
      if (!(error instanceof KafkaError) || error.name !== 'INVALID_UPDATE_VERSION') throw error
      throw new KafkaError(error.name, `The update failed for all features since the following feature had an error: ${error.message}`)
    }
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results: context.version <= 1 ? results(request) : [] }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, results: [] }),
})

function results(request: Request) {
  return request.featureUpdates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: null }))
}
