/** DeleteAcls, v0–3 (KIP-140): deletes and returns the ACLs that match each filter. v1 supports prefixed patterns (KIP-290). */
import { inSlices } from '../../../base.ts'
import type { AclFilter } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { aclFilter, aclInWords } from '../../security.ts'

type Result = InputOf<typeof apis.deleteAcls.response>['filterResults'][number]

export const deleteAcls = defineHandler<typeof apis.deleteAcls>({
  api: apis.deleteAcls,
  versions: [0, 3],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { security, metadata, logger, turns } = context.broker
    if (security.authorizer === null) throw new KafkaError('SECURITY_DISABLED', 'No Authorizer is configured.')
    const filters: AclFilter[] = []
    const checked = request.filters.map(filter => {
      try {
        return filters.push(aclFilter(filter)) - 1
      } catch (error) {
        if (error instanceof KafkaError) return error
        throw error
      }
    })
    const removed = await metadata.security.deleteAcls(filters)
    const by = context.connection.principal
    await inSlices(turns, new Set(removed.flat()), acl => logger.info({ by, acl: aclInWords(acl) }, 'audit: ACL deleted'))
    const filterResults = checked.map((place): Result => {
      if (place instanceof KafkaError) return refused(place)
      const matchingAcls = removed[place]!.map(acl => ({ errorCode: 0, errorMessage: null, ...acl }))
      return { errorCode: 0, errorMessage: null, matchingAcls }
    })
    return { throttleTimeMs: 0, filterResults }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, filterResults: yield* resultsOf(request.filters, () => refused(error)) }
  },
})

function refused(error: KafkaError): Result {
  return { errorCode: error.code, errorMessage: error.message, matchingAcls: [] }
}
