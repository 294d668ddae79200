/** AlterClientQuotas, v0–1 (KIP-546): sets and removes quotas of users, client ids, both, or IP addresses. Entities fail individually. */
import { apis, type KafkaError, type MessageOf } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.alterClientQuotas.request>

export const alterClientQuotas = defineHandler<typeof apis.alterClientQuotas>({
  api: apis.alterClientQuotas,
  versions: [0, 1],
  access: [['CLUSTER', 'ALTER_CONFIGS']],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    requireCluster(context, 'ALTER_CONFIGS')
    const alterations = request.entries.map(({ entity, ops }) => ({
      entity,
      ops: ops.map(({ key, value, remove }) => ({ key, value: remove ? null : value })),
    }))
    const outcomes = await context.broker.metadata.quotas.alter(alterations, request.validateOnly)
    return answer(request, index => outcomes[index]!)
  },
  fail: (request, error) => answer(request, () => error),
})

function answer(request: Request, errorOf: (index: number) => KafkaError | null) {
  const entries = request.entries.map(({ entity }, index) => {
    const error = errorOf(index)
    return { errorCode: error?.code ?? 0, errorMessage: error?.message ?? null, entity }
  })
  return { throttleTimeMs: 0, entries }
}
