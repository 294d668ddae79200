/**
 * Shared by AlterConfigs and IncrementalAlterConfigs: resources succeed or fail individually, all successful changes are stored
 * together, and results are in the order of the request.
 */
import { inSlices } from '../../../base.ts'
import type { ConfigChange } from '../../../coordinator.ts'
import { KafkaError } from '../../../protocol.ts'
import { type Alteration, configChange } from '../../config.ts'
import type { Access, RequestContext } from '../../dispatch/handler.ts'
import { alterLogger } from './alter-logger.ts'
import { authorizeConfigs, resourceKind } from './config-resources.ts'

export const alterAccess: Access = [
  ['TOPIC', 'ALTER_CONFIGS'],
  ['GROUP', 'ALTER_CONFIGS'],
  ['CLUSTER', 'ALTER_CONFIGS'],
]

export interface ResourceAlteration {
  resourceType: number
  resourceName: string
  /** Throws KafkaError when the request says what no resource allows. */
  alterations(): readonly Alteration[]
}

export interface AlterOptions {
  validateOnly: boolean
  /** AlterConfigs: keys that are not named go back to their defaults. */
  replace: boolean
}

export interface Outcome {
  errorCode: number
  errorMessage: string | null
  resourceType: number
  resourceName: string
}

export async function alterResources(
  resources: readonly ResourceAlteration[],
  options: AlterOptions,
  context: RequestContext,
): Promise<Outcome[]> {
  const { metadata, turns } = context.broker
  const repeated = repeatedResources(resources)
  const prepared = await inSlices(turns, resources, (resource, index) => {
    if (repeated.has(index)) return new KafkaError('INVALID_REQUEST', 'Each resource must appear at most once.')
    return attempt(() => prepare(resource, options, context))
  })
  const changes = prepared.filter((result): result is ConfigChange => result !== null && !(result instanceof KafkaError))
  const stored = changes.length === 0 ? [] : await metadata.applyConfigs(changes, options.validateOnly)
  let next = 0
  return resources.map((resource, index) => {
    const result = prepared[index]!
    return outcome(resource, result === null || result instanceof KafkaError ? result : (stored[next++] ?? null))
  })
}

/** What is to be stored; null when it was done already (levels of loggers are not stored). */
function prepare(
  { resourceType, resourceName, alterations }: ResourceAlteration,
  { validateOnly, replace }: AlterOptions,
  context: RequestContext,
): ConfigChange | null {
  const kind = resourceKind(resourceType)
  if (kind === undefined || (kind === 'BROKER_LOGGER' && replace)) {
    throw new KafkaError('INVALID_REQUEST', `Unknown resource type ${resourceType}`)
  }
  authorizeConfigs(context, 'ALTER_CONFIGS', kind, resourceName)
  if (kind !== 'BROKER_LOGGER') return configChange(context.broker.config, kind, resourceName, alterations(), replace)
  alterLogger(context.broker, resourceName, alterations(), validateOnly)
  return null
}

function attempt<T>(operation: () => T): T | KafkaError {
  try {
    return operation()
  } catch (error) {
    if (error instanceof KafkaError) return error
    throw error
  }
}

/** Indexes of the resources that occur more than once. */
function repeatedResources(resources: readonly ResourceAlteration[]): Set<number> {
  const first = new Map<string, number>()
  const repeated = new Set<number>()
  for (const [index, { resourceType, resourceName }] of resources.entries()) {
    const key = `${resourceType} ${resourceName}`
    const earlier = first.get(key)
    if (earlier === undefined) first.set(key, index)
    else repeated.add(earlier).add(index)
  }
  return repeated
}

export function outcome(
  { resourceType, resourceName }: Pick<ResourceAlteration, 'resourceType' | 'resourceName'>,
  error: KafkaError | null,
): Outcome {
  return { errorCode: error?.code ?? 0, errorMessage: error?.message ?? null, resourceType, resourceName }
}
