/** Validates ACLs and filters from clients, with Kafka's rules and messages. Shared by the three APIs about ACLs. */
import type { Acl, AclFilter } from '../../coordinator.ts'
import { type apis, KafkaError, type MessageOf } from '../../protocol.ts'
import { anyCode, lastOperation, lastResourceType, patternTypes, permissionTypes, resourceTypeCodes } from './acl-codes.ts'
import { clusterName } from './authorized-operations.ts'

type Creation = MessageOf<typeof apis.createAcls.request>['creations'][number]
type Filter = MessageOf<typeof apis.describeAcls.request>

/** Throws KafkaError INVALID_REQUEST. */
export function aclCreation(creation: Creation): Acl {
  const { resourceType, resourceName, resourcePatternType: patternType, principal, host, operation, permissionType } = creation
  if (resourceType === resourceTypeCodes.CLUSTER && resourceName !== clusterName) {
    throw invalid(`The only valid name for the CLUSTER resource is ${clusterName}`)
  }
  if (resourceName === '') throw invalid('Invalid empty resource name')
  if (resourceType <= anyCode || resourceType > lastResourceType) throw invalid(`Invalid resourceType ${resourceType}`)
  if (patternType !== patternTypes.literal && patternType !== patternTypes.prefixed) throw invalid(`Invalid patternType ${patternType}`)
  if (operation <= anyCode || operation > lastOperation) throw invalid(`Invalid operation ${operation}`)
  if (permissionType !== permissionTypes.allow && permissionType !== permissionTypes.deny) {
    throw invalid(`Invalid permissionType ${permissionType}`)
  }
  // An ACL that matches no principal protects nothing, although it looks as if it did.
  if (!/^[^:]+:./.test(principal)) throw invalid(`expected a string in format principalType:principalName but got ${principal}`)
  return { resourceType, resourceName, patternType, principal, host, operation, permissionType }
}

/** Throws KafkaError INVALID_REQUEST. */
export function aclFilter(filter: Pick<Filter, Exclude<keyof Filter, symbol>>): AclFilter {
  const { resourceTypeFilter, resourceNameFilter, patternTypeFilter, principalFilter, hostFilter, operation, permissionType } = filter
  if (!isBetween(resourceTypeFilter, lastResourceType) || !isBetween(patternTypeFilter, patternTypes.prefixed)) {
    throw invalid('Unknown patternFilter.')
  }
  if (!isBetween(operation, lastOperation) || !isBetween(permissionType, permissionTypes.allow)) throw invalid('Unknown entryFilter.')
  return {
    resourceType: resourceTypeFilter,
    resourceName: resourceNameFilter,
    patternType: patternTypeFilter,
    principal: principalFilter,
    host: hostFilter,
    operation,
    permissionType,
  }
}

function isBetween(code: number, last: number): boolean {
  return code >= anyCode && code <= last
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}
