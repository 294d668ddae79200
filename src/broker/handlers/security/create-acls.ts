/** CreateAcls, v0–3 (KIP-140): ACLs succeed or fail individually; an existing one is a success. v1 supports prefixed patterns (KIP-290). */
import { inSlices } from '../../../base.ts'
import type { Acl } from '../../../coordinator.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { aclCreation, aclInWords } from '../../security.ts'

export const createAcls = defineHandler<typeof apis.createAcls>({
  api: apis.createAcls,
  versions: [0, 3],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { security, metadata, logger, turns } = context.broker
    if (security.authorizer === null) throw new KafkaError('SECURITY_DISABLED', 'No Authorizer is configured.')
    const acls: Acl[] = []
    const results = request.creations.map(creation => {
      try {
        acls.push(aclCreation(creation))
        return outcome(null)
      } catch (error) {
        if (error instanceof KafkaError) return outcome(error)
        throw error
      }
    })
    await metadata.security.createAcls(acls)
    const by = context.connection.principal
    await inSlices(turns, acls, acl => logger.info({ by, acl: aclInWords(acl) }, 'audit: ACL created'))
    return { throttleTimeMs: 0, results }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, results: yield* resultsOf(request.creations, () => outcome(error)) }
  },
})

function outcome(error: KafkaError | null) {
  return { errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
}
