/**
 * AlterConfigs, v0–2: replaces all configs of a resource. Deprecated since Kafka 2.3 in favour of IncrementalAlterConfigs (KIP-339), but
 * old clients still send it. It cannot alter loggers.
 */
import { apis } from '../../../protocol.ts'
import { readAlterations } from '../../config.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { alterAccess, alterResources, outcome } from './alter-resources.ts'

export const alterConfigs = defineHandler<typeof apis.alterConfigs>({
  api: apis.alterConfigs,
  versions: [0, 2],
  access: alterAccess,
  onNewestMetadata: true,
  cost: manyThings(null),
  async handle(request, context) {
    const resources = request.resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      alterations: () => readAlterations(configs.map(({ name, value }) => ({ name, value, configOperation: 0 }))),
    }))
    const responses = await alterResources(resources, { validateOnly: request.validateOnly, replace: true }, context)
    return { throttleTimeMs: 0, responses }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, responses: yield* resultsOf(request.resources, resource => outcome(resource, error)) }
  },
})
