/**
 * The image of a shard that was just loaded, taken before it changes: when its turn to be published comes, the shard may be ahead of what
 * is durable.
 */
import type { Uuid } from '../../protocol.ts'
import { Brokers } from './brokers.ts'
import { QuotaState } from './client-quotas.ts'
import type { ClusterImage, Configs } from './image.ts'
import type { PartitionRecord } from './metadata-records.ts'
import { SecurityState } from './security-state.ts'

/** What is published of a topic at once. */
export interface Growth {
  name: string
  partitions: PartitionRecord[]
}

export interface LoadedImage {
  topics: ReadonlyMap<Uuid, Growth>
  brokers: Brokers
  configs: Configs
  levels: Map<string, number>
  security: SecurityState
  quotas: QuotaState
}

export function imageNow({ topics, brokers, configs, features, security, quotas }: ClusterImage): LoadedImage {
  const known = new Map<Uuid, Growth>()
  for (const { id, name, partitions } of topics.byId.values()) known.set(id, { name, partitions: [...partitions] })
  return {
    topics: known,
    brokers: new Brokers(brokers),
    configs: configs.copy(),
    levels: new Map(features),
    security: new SecurityState(security),
    quotas: new QuotaState(quotas),
  }
}
