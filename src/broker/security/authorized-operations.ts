/** The bit field of operations that a client may perform on a resource (KIP-430). The bits are Kafka's AclOperation codes. */
import { KafkaError } from '../../protocol.ts'
import type { Operation, RequestContext, ResourceType } from '../dispatch/handler.ts'
import { operationCodes } from './acl-codes.ts'

/** What can be done with a resource of the type at all. */
const operations = {
  TOPIC: ['READ', 'WRITE', 'CREATE', 'DESCRIBE', 'DELETE', 'ALTER', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  GROUP: ['READ', 'DESCRIBE', 'DELETE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  CLUSTER: ['CREATE', 'CLUSTER_ACTION', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS', 'IDEMPOTENT_WRITE', 'ALTER', 'DESCRIBE'],
} as const satisfies Partial<Record<ResourceType, readonly Operation[]>>

type Described = keyof typeof operations

/** Name of the only resource of type CLUSTER. */
export const clusterName = 'kafka-cluster'

export function requireCluster(context: RequestContext, operation: Operation): void {
  if (!context.allowed(operation, 'CLUSTER', clusterName)) throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED')
}

/** Returns whether the client may create a topic of that name: CREATE on the cluster allows all of them. */
export function mayCreateTopic(context: RequestContext): (name: string) => boolean {
  const any = context.allowed('CREATE', 'CLUSTER', clusterName, 'probe')
  return name => any || context.allowed('CREATE', 'TOPIC', name)
}

/** For the access table of a handler that calls {@link authorizedOperations}. */
export function everyOperation(resource: Described): (readonly [ResourceType, Operation])[] {
  return operations[resource].map(operation => [resource, operation] as const)
}

export function authorizedOperations(context: RequestContext, resource: Described, name: string): number {
  let field = 0
  for (const operation of operations[resource]) {
    if (context.allowed(operation, resource, name, 'probe')) field |= 1 << operationCodes[operation]
  }
  return field
}
