/** The resource types of the four config APIs, and the permissions that each requires. */
import type { ConfigResourceType } from '../../../coordinator.ts'
import { KafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export type ResourceKind = ConfigResourceType | 'BROKER_LOGGER'

/** Kafka's ConfigResource.Type. */
export const resourceTypeIds: Record<ResourceKind, number> = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 }

const kinds = new Map(Object.entries(resourceTypeIds).map(([kind, id]) => [id, kind as ResourceKind]))

export function resourceKind(id: number): ResourceKind | undefined {
  return kinds.get(id)
}

/** Throws the resource's authorization error. */
export function authorizeConfigs(
  context: RequestContext,
  operation: 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS',
  kind: ResourceKind,
  name: string,
): void {
  if (kind === 'TOPIC') {
    if (!context.allowed(operation, 'TOPIC', name)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
  } else if (kind === 'GROUP') {
    if (!context.allowed(operation, 'GROUP', name)) throw new KafkaError('GROUP_AUTHORIZATION_FAILED')
  } else requireCluster(context, operation)
}
