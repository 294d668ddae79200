/** Applies `controller_mutation_rate` (KIP-599) to topic changes, for CreateTopics, CreatePartitions and DeleteTopics. */
import type { RequestContext } from '../dispatch/handler.ts'

/**
 * What is to be asked before each change. Versions from `strictSince` on know THROTTLING_QUOTA_EXCEEDED and get it for what is too
 * much; older ones get their way and are slowed down afterwards.
 */
export function mutationQuota(context: RequestContext, strictSince: number): ((partitions: number) => void) | undefined {
  const { quota } = context
  if (quota === null) return undefined
  const strict = context.version >= strictSince
  return partitions => quota.mutated(partitions, strict, delayMs => context.throttle(delayMs))
}
