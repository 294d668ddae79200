/** Which ACLs a filter matches (Kafka's AclBindingFilter), and the limit on filters times ACLs in one step. */
import { KafkaError, type Uuid } from '../../protocol.ts'
import type { Acl } from './security-state.ts'

/** As in a request: ANY and MATCH are allowed, null matches everything. */
export interface AclFilter {
  resourceType: number
  resourceName: string | null
  patternType: number
  principal: string | null
  host: string | null
  operation: number
  permissionType: number
}

const any = 1
const match = 2
const literal = 3
const prefixed = 4
const wildcard = '*'

/** MATCH matches every pattern that applies to a resource of that name. */
export function matches(filter: AclFilter, acl: Acl): boolean {
  return (
    matchesPattern(filter, acl) &&
    (filter.principal === null || filter.principal === acl.principal) &&
    (filter.host === null || filter.host === acl.host) &&
    (filter.operation === any || filter.operation === acl.operation) &&
    (filter.permissionType === any || filter.permissionType === acl.permissionType)
  )
}

function matchesPattern({ resourceType, patternType, resourceName }: AclFilter, acl: Acl): boolean {
  if (resourceType !== any && resourceType !== acl.resourceType) return false
  if (patternType !== any && patternType !== match && patternType !== acl.patternType) return false
  if (resourceName === null) return true
  if (patternType === any || patternType === acl.patternType) return resourceName === acl.resourceName
  if (acl.patternType === literal) return resourceName === acl.resourceName || acl.resourceName === wildcard
  return acl.patternType === prefixed && resourceName.startsWith(acl.resourceName)
}

type Entry = readonly [id: Uuid, acl: Acl]

/** Of all filters together: some milliseconds. */
const mostComparisons = 500_000
/** ACLs that all filters together find: one may be found by many. */
const mostFound = 50_000

/**
 * The ACLs that each filter matches. A filter that names its resource checks only ACLs of that name. Throws POLICY_VIOLATION if the filters
 * would have to check, or match, more ACLs than one step may.
 */
export function findAcls(filters: readonly AclFilter[], acls: ReadonlyMap<Uuid, Acl>): Entry[][] {
  const all = [...acls]
  const byName = Map.groupBy(all, ([, acl]) => acl.resourceName)
  let compared = 0
  let found = 0
  return filters.map(filter => {
    const { resourceName, patternType } = filter
    const candidates = resourceName === null || patternType === match ? all : (byName.get(resourceName) ?? [])
    compared += candidates.length
    if (compared > mostComparisons) throw tooLarge()
    const matching = candidates.filter(([, acl]) => matches(filter, acl))
    found += matching.length
    if (found > mostFound) throw tooLarge()
    return matching
  })
}

function tooLarge(): KafkaError {
  return new KafkaError('POLICY_VIOLATION', 'Unable to perform excessively large batch operation.')
}
