/**
 * IncrementalAlterConfigs, v0–1 (KIP-339): sets, deletes, appends to and subtracts from single configs of topics, this broker or all
 * brokers (KIP-226), loggers (KIP-412), groups and client metrics subscriptions. Resources fail individually.
 */
import { apis } from '../../../protocol.ts'
import { readAlterations } from '../../config.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { alterAccess, alterResources, outcome } from './alter-resources.ts'

export const incrementalAlterConfigs = defineHandler<typeof apis.incrementalAlterConfigs>({
  api: apis.incrementalAlterConfigs,
  versions: [0, 1],
  access: alterAccess,
  onNewestMetadata: true,
  cost: manyThings(null),
  async handle(request, context) {
    const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      alterations: () => readAlterations(configs),
    }))
    const responses = await alterResources(resources, { validateOnly: request.validateOnly, replace: false }, context)
    return { throttleTimeMs: 0, responses }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, responses: yield* resultsOf(request.resources, resource => outcome(resource, error)) }
  },
})
