/**
 * The user as whom the services beside this broker act where nobody asks for what they do. Its password is new at each start, so nobody has to keep it.
 * When the user is made for the first time it gets the ACLs that it needs; whoever takes one away later finds it taken away.
 */
import type { Acl } from '../../coordinator.ts'
import type { Broker } from '../dispatch/context.ts'
import type { Operation, ResourceType } from '../dispatch/handler.ts'
import { operationCodes, patternTypes, permissionTypes, resourceTypeCodes, wildcard } from './acl-codes.ts'
import { clusterName } from './authorized-operations.ts'
import { drawBytes, minIterations, saltPassword, scramCredential, scramHashes } from './scram.ts'

export const servicesUser = 'millrace-services'

const saltBytes = 32

export interface ServicesLogin {
  readonly user: string
  readonly password: string
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
}

/** Resolves when it can log in. */
export async function makeServicesUser(
  { metadata, security, system }: Broker,
  { user, password, mechanism }: ServicesLogin,
): Promise<void> {
  const changes = metadata.security
  const isNew = !changes.state.scramUsers.has(user)
  const hash = scramHashes.find(({ name }) => name === mechanism)!
  const salt = drawBytes(system.random, saltBytes)
  // Nobody guesses a random password of this length, so more iterations would only cost time.
  const credential = scramCredential(hash, await saltPassword(hash, password, salt, minIterations), salt, minIterations)
  const [failed] = await changes.alterScramCredentials([], [{ name: user, mechanism: hash.type, credential }])
  if (failed !== null && failed !== undefined) throw failed
  if (isNew && security.authorizer !== null) await changes.createAcls(neededAcls(user))
}

/**
 * Of the registry's state, of what the console keeps for all, of the workers of Kafka Connect, of triggers, and to see topics, groups and brokers, for the
 * history of lag. What connectors and triggers read and write is granted by whoever makes them.
 */
const needed: readonly [ResourceType, 'literal' | 'prefixed', name: string, readonly Operation[]][] = [
  ['TOPIC', 'literal', '_schemas', ['READ', 'WRITE', 'CREATE', 'DESCRIBE_CONFIGS']],
  ['GROUP', 'literal', 'schema-registry', ['READ']],
  ['TRANSACTIONAL_ID', 'literal', '_schemas-writer', ['WRITE']],
  ['TOPIC', 'prefixed', '__millrace_', ['READ', 'WRITE', 'CREATE', 'DESCRIBE_CONFIGS']],
  ['GROUP', 'prefixed', 'trigger-', ['READ']],
  ['TRANSACTIONAL_ID', 'prefixed', 'trigger-', ['WRITE']],
  ['TOPIC', 'literal', wildcard, ['DESCRIBE']],
  ['GROUP', 'literal', wildcard, ['DESCRIBE']],
  ['TOPIC', 'literal', 'connect-configs', ['READ', 'WRITE', 'CREATE', 'DESCRIBE_CONFIGS']],
  ['TOPIC', 'literal', 'connect-offsets', ['READ', 'WRITE', 'CREATE', 'DESCRIBE_CONFIGS']],
  ['TOPIC', 'literal', 'connect-status', ['READ', 'WRITE', 'CREATE', 'DESCRIBE_CONFIGS']],
  ['GROUP', 'prefixed', 'connect-', ['READ']],
  ['TRANSACTIONAL_ID', 'prefixed', 'connect-cluster-', ['WRITE']],
  ['CLUSTER', 'literal', clusterName, ['DESCRIBE']],
]

function neededAcls(user: string): Acl[] {
  return needed.flatMap(([type, pattern, resourceName, operations]) =>
    operations.map(operation => ({
      resourceType: resourceTypeCodes[type],
      resourceName,
      patternType: patternTypes[pattern],
      principal: `User:${user}`,
      host: wildcard,
      operation: operationCodes[operation],
      permissionType: permissionTypes.allow,
    })),
  )
}
