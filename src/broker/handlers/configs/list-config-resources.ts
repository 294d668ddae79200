/**
 * ListConfigResources, v0–1 (KIP-1142): names of resources that have, or can have, configs. v0, formerly
 * ListClientMetricsResources (KIP-1000), supports only client metrics subscriptions.
 */
import { apis, errorCode } from '../../../protocol.ts'
import type { Broker } from '../../dispatch/context.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'
import { type ResourceKind, resourceKind, resourceTypeIds } from './config-resources.ts'

/** In Kafka's order. */
const all: readonly ResourceKind[] = ['GROUP', 'CLIENT_METRICS', 'BROKER_LOGGER', 'BROKER', 'TOPIC']

export const listConfigResources = defineHandler<typeof apis.listConfigResources>({
  api: apis.listConfigResources,
  versions: [0, 1],
  access: [['CLUSTER', 'DESCRIBE_CONFIGS']],
  cost: oneThing,
  handle(request, context) {
    const failed = (code: number) => ({ throttleTimeMs: 0, errorCode: code, configResources: [] })
    if (!context.allowed('DESCRIBE_CONFIGS', 'CLUSTER', clusterName)) return failed(errorCode('CLUSTER_AUTHORIZATION_FAILED'))
    const asked = context.version === 0 ? [resourceTypeIds.CLIENT_METRICS] : request.resourceTypes
    const kinds = new Set(asked.length === 0 ? all : asked.map(resourceKind))
    if (kinds.has(undefined)) return failed(errorCode('UNSUPPORTED_VERSION'))
    const configResources = all
      .filter(kind => kinds.has(kind))
      .flatMap(kind => namesOf(kind, context.broker).map(resourceName => ({ resourceName, resourceType: resourceTypeIds[kind] })))
    return { throttleTimeMs: 0, errorCode: 0, configResources }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, configResources: [] }),
})

function namesOf(kind: ResourceKind, { metadata }: Broker): readonly string[] {
  switch (kind) {
    case 'TOPIC':
      return metadata.topics().map(({ name }) => name)
    case 'BROKER':
    case 'BROKER_LOGGER':
      return metadata.brokers().map(({ id }) => String(id))
    case 'GROUP':
    case 'CLIENT_METRICS':
      return metadata.configResources(kind)
  }
}
