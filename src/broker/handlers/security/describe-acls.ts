/** DescribeAcls, v0–3 (KIP-140): ACLs that match a filter, grouped by resource pattern. v1 supports prefixed patterns (KIP-290), v3 users. */
import { aclMatches } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { aclFilter } from '../../security.ts'

type Resource = InputOf<typeof apis.describeAcls.response>['resources'][number]
type Entry = Resource['acls'][number]

export const describeAcls = defineHandler<typeof apis.describeAcls>({
  api: apis.describeAcls,
  versions: [0, 3],
  access: [['CLUSTER', 'DESCRIBE']],
  cost: oneThing,
  handle(request, context) {
    requireCluster(context, 'DESCRIBE')
    const { security, metadata } = context.broker
    if (security.authorizer === null) throw new KafkaError('SECURITY_DISABLED', 'No Authorizer is configured on the broker')
    const filter = aclFilter(request)
    const resources = new Map<string, Resource & { acls: Entry[] }>()
    for (const acl of metadata.security.state.acls.values()) {
      if (!aclMatches(filter, acl)) continue
      const { resourceType, patternType, resourceName, principal, host, operation, permissionType } = acl
      const key = `${resourceType} ${patternType} ${resourceName}`
      let resource = resources.get(key)
      if (resource === undefined) resources.set(key, (resource = { resourceType, resourceName, patternType, acls: [] }))
      resource.acls.push({ principal, host, operation, permissionType })
    }
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, resources: [...resources.values()] }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, resources: [] }),
})
