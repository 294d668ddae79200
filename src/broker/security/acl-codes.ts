/** Kafka's codes and names of resource types, operations etc. in ACLs. */
import type { Acl } from '../../coordinator.ts'
import type { Operation, ResourceType } from '../dispatch/handler.ts'

export const resourceTypeCodes: Readonly<Record<ResourceType, number>> = {
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  TRANSACTIONAL_ID: 5,
  DELEGATION_TOKEN: 6,
  USER: 7,
}

export const operationCodes: Readonly<Record<Operation, number>> = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15,
}

/** Of filters: everything. 0 is Kafka's UNKNOWN everywhere. */
export const anyCode = 1
export const allOperations = 2
export const patternTypes = { match: 2, literal: 3, prefixed: 4 } as const
export const permissionTypes = { deny: 2, allow: 3 } as const

const nameOf = (codes: Readonly<Record<string, number>>, code: number) =>
  Object.keys(codes)
    .find(name => codes[name] === code)
    ?.toUpperCase() ?? code

/** In words, for the audit log. */
export function aclInWords({ resourceType, patternType, operation, permissionType, ...rest }: Acl): object {
  return {
    resourceType: nameOf(resourceTypeCodes, resourceType),
    patternType: nameOf(patternTypes, patternType),
    operation: operation === allOperations ? 'ALL' : nameOf(operationCodes, operation),
    permissionType: nameOf(permissionTypes, permissionType),
    ...rest,
  }
}

export const lastResourceType = 7
export const lastOperation = 15
/** A literal pattern of this name is about every resource of its type. */
export const wildcard = '*'
export const everybody = 'User:*'
