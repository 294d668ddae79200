/** All keys of the broker in one table, and those of a single listener (`listener.name.<name>.<key>`). */
import { type ConfigKey, type Declarations, nearestName } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import { clusterKeys } from './keys/cluster.ts'
import { groupsKeys } from './keys/groups.ts'
import { networkKeys } from './keys/network.ts'
import { retiredKeys } from './keys/retired.ts'
import { securityKeys } from './keys/security.ts'
import { servicesKeys } from './keys/services.ts'
import { sharedHomeKeys } from './keys/shared-home.ts'
import { storageKeys } from './keys/storage.ts'
import { tieredKeys } from './keys/tiered.ts'
import { transactionsKeys } from './keys/transactions.ts'

export const brokerKeys = {
  ...clusterKeys,
  ...sharedHomeKeys,
  ...servicesKeys,
  ...networkKeys,
  ...storageKeys,
  ...groupsKeys,
  ...transactionsKeys,
  ...securityKeys,
  ...tieredKeys,
} satisfies Declarations

export type BrokerKey = keyof typeof brokerKeys

/** Keys that are described to clients only if they are set: those that Kafka keeps to itself (ConfigDef's internal ones), and dynamic-only ones. */
export const internalKeys: ReadonlySet<string> = new Set<BrokerKey>([
  'controller.performance.always.log.threshold.ms',
  'controller.performance.sample.period.ms',
  'group.consumer.assignor.offload.enable',
  'group.consumer.regex.refresh.interval.ms',
  'group.share.assignor.offload.enable',
  'group.share.dlq.manager.class.name',
  'group.share.initialize.retry.interval.ms',
  'group.share.persister.class.name',
  'group.streams.acceptable.recovery.lag',
  'group.streams.assignor.offload.enable',
  'group.streams.max.warmup.replicas',
  'group.streams.min.task.offset.interval.ms',
  'group.streams.num.warmup.replicas',
  'group.streams.task.offset.interval.ms',
  'follower.replication.throttled.rate',
  'internal.metadata.delete.delay.millis',
  'internal.metadata.log.segment.bytes',
  'internal.metadata.max.batch.size.in.bytes',
  'leader.replication.throttled.rate',
  'log.initial.task.delay.ms',
  'producer.id.expiration.check.interval.ms',
  'remote.log.index.file.cache.ttl.ms',
  'remote.log.manager.task.retry.backoff.max.ms',
  'remote.log.manager.task.retry.backoff.ms',
  'remote.log.manager.task.retry.jitter',
  'replica.alter.log.dirs.io.max.bytes.per.second',
  'server.max.startup.time.ms',
  'share.coordinator.cold.partition.snapshot.interval.ms',
  'share.coordinator.state.topic.prune.interval.ms',
  'unclean.leader.election.interval.ms',
  'unstable.api.versions.enable',
  'unstable.feature.versions.enable',
])

/** Kafka does not know it any more: clients see it as a key that may belong to a plug-in. */
export function isRetired(name: string): boolean {
  return Object.hasOwn(retired, name)
}

/** `listener.name.internal.ssl.keystore.location`, `listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config` */
const listenerKey = /^listener\.name\.([a-z0-9_-]+)\.(?:(?:plain|gssapi|oauthbearer|scram-sha-256|scram-sha-512)\.)?(.+)$/
const all: Readonly<Record<string, ConfigKey>> = brokerKeys
const retired: Readonly<Record<string, ConfigKey>> = retiredKeys

/** The declaration of a broker key, also of a key of a single listener, or of one that Kafka had before 4.0. */
export function keyOf(name: string): ConfigKey | undefined {
  if (Object.hasOwn(all, name)) return all[name]
  if (Object.hasOwn(retired, name)) return retired[name]
  const base = listenerKey.exec(name)?.[2]
  return base !== undefined && Object.hasOwn(all, base) ? all[base] : undefined
}

/** Prefixes of keys that Kafka passes to plug-ins; they cannot be checked. */
const pluginPrefixes = [
  'rlmm.config.',
  'rsm.config.',
  'config.providers.',
  'client.quota.callback.',
  'kafka.metrics.',
  'metrics.jmx.',
  'metrics.context.',
]

/** Documented by Kafka as a plug-in's. */
export function isPluginKey(name: string): boolean {
  return pluginPrefixes.some(prefix => name.startsWith(prefix) && name.length > prefix.length)
}

const knownNames = [...Object.keys(all), ...Object.keys(retired)]

/** Namespaces in which only Kafka has keys: `log.retention.`, `ssl.keystore.`. Below `sasl.` custom callback handlers have theirs. */
const ownNamespaces = new Set(
  [...Map.groupBy(knownNames, namespaceOf)]
    .filter(([space, names]) => names.length > 2 && !space.startsWith('sasl.'))
    .map(([space]) => space),
)

function namespaceOf(name: string): string {
  return name.split('.', 2).join('.')
}

/**
 * Whether an unknown name was meant to be a key of Kafka: spelled almost like one, in a namespace of Kafka's own, or a topic key.
 * Kafka ignores such a key, although its author expects an effect.
 */
export function isMistake(name: string): boolean {
  const base = listenerKey.exec(name)?.[2] ?? name
  if (Object.hasOwn(topicKeys, base) || ownNamespaces.has(namespaceOf(base))) return true
  return nearestName(base, knownNames, Math.max(1, Math.floor(base.length / 8))) !== null
}
