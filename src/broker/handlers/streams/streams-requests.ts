/** Shared by the handlers of streams groups. */
import { KafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

/** Throws UNSUPPORTED_VERSION where the protocol is switched off. */
export function requireStreamsGroups({ broker }: RequestContext): void {
  const offered = broker.config.get('group.coordinator.rebalance.protocols').includes('streams')
  if (offered && broker.metadata.featureLevel('streams.version') >= 1) return
  throw new KafkaError('UNSUPPORTED_VERSION', 'The streams group protocol is not enabled on this cluster.')
}

/** All topics that a topology names, those too that it writes. */
export function topicsOf(topology: { subtopologies?: readonly Subtopology[] | null | undefined } | null | undefined): Set<string> {
  const names = new Set<string>()
  for (const { sourceTopics, repartitionSinkTopics, repartitionSourceTopics, stateChangelogTopics } of topology?.subtopologies ?? []) {
    for (const name of [...sourceTopics, ...repartitionSinkTopics]) names.add(name)
    for (const { name } of [...repartitionSourceTopics, ...stateChangelogTopics]) names.add(name)
  }
  return names
}

interface Subtopology {
  sourceTopics: readonly string[]
  repartitionSinkTopics: readonly string[]
  repartitionSourceTopics: readonly { name: string }[]
  stateChangelogTopics: readonly { name: string }[]
}
