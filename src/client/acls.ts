/** ACLs, with Kafka's names instead of its numbers. */

import { ClientError } from '../channel.ts'
import { apis, type MessageOf } from '../protocol.ts'
import { type Acl, type AclFilter, type AclOperation, type AclResourceType, aclOperations, aclResourceTypes } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

/** Of filters: everything. Both lists of names begin with code 2. */
const any = 1
const firstCode = 2
const patternTypes = { MATCH: 2, LITERAL: 3, PREFIXED: 4 } as const
const permissions = { DENY: 2, ALLOW: 3 } as const

export async function describeAcls(requests: Requests, filter: AclFilter): Promise<Acl[]> {
  const { resources, errorCode, errorMessage } = await requests.ask(apis.describeAcls, toFilter(filter))
  refuse(errorCode, errorMessage)
  return sorted(resources.flatMap(({ acls, ...resource }) => acls.map(acl => toAcl({ ...resource, ...acl }))))
}

export async function createAcls(requests: Requests, acls: readonly Acl[]): Promise<void> {
  const creations = acls.map(acl => ({
    resourceType: aclResourceTypes.indexOf(acl.resourceType) + firstCode,
    resourceName: acl.resourceName,
    resourcePatternType: patternTypes[acl.patternType],
    principal: acl.principal,
    host: acl.host,
    operation: aclOperations.indexOf(acl.operation) + firstCode,
    permissionType: permissions[acl.permission],
  }))
  const { results } = await requests.ask(apis.createAcls, { creations })
  for (const { errorCode, errorMessage } of results) refuse(errorCode, errorMessage)
}

export async function deleteAcls(requests: Requests, filters: readonly AclFilter[]): Promise<Acl[]> {
  const { filterResults } = await requests.ask(apis.deleteAcls, { filters: filters.map(toFilter) })
  const deleted: Acl[] = []
  for (const { errorCode, errorMessage, matchingAcls } of filterResults) {
    refuse(errorCode, errorMessage)
    for (const { errorCode: code, errorMessage: message, ...acl } of matchingAcls) {
      refuse(code, message)
      deleted.push(toAcl(acl))
    }
  }
  return sorted(deleted)
}

function toFilter(filter: AclFilter) {
  return {
    resourceTypeFilter: filter.resourceType === undefined ? any : aclResourceTypes.indexOf(filter.resourceType) + firstCode,
    resourceNameFilter: filter.resourceName ?? null,
    patternTypeFilter: filter.patternType === undefined ? any : patternTypes[filter.patternType],
    principalFilter: filter.principal ?? null,
    hostFilter: filter.host ?? null,
    operation: filter.operation === undefined ? any : aclOperations.indexOf(filter.operation) + firstCode,
    permissionType: filter.permission === undefined ? any : permissions[filter.permission],
  }
}

type Described = MessageOf<typeof apis.describeAcls.response>['resources'][number]
type Entry = Omit<Described, 'acls'> & Described['acls'][number]

function toAcl({ resourceType, resourceName, patternType, principal, host, operation, permissionType }: Entry): Acl {
  return {
    resourceType: named<AclResourceType>(aclResourceTypes, resourceType, 'resource type'),
    resourceName,
    patternType: patternType === patternTypes.PREFIXED ? 'PREFIXED' : 'LITERAL',
    principal,
    host,
    operation: named<AclOperation>(aclOperations, operation, 'operation'),
    permission: permissionType === permissions.DENY ? 'DENY' : 'ALLOW',
  }
}

/** An ACL that cannot be shown truly must not be shown as something else. */
function named<Name>(names: readonly Name[], code: number, what: string): Name {
  const name = names[code - firstCode]
  if (name === undefined) throw new ClientError('UNSUPPORTED_VERSION', `the cluster has an ACL with an unknown ${what} (${code})`)
  return name
}

function sorted(acls: Acl[]): Acl[] {
  const key = (acl: Acl) =>
    [acl.resourceType, acl.resourceName, acl.patternType, acl.principal, acl.host, acl.permission, acl.operation].join('\0')
  return acls
    .map(acl => [key(acl), acl] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, acl]) => acl)
}
