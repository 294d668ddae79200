/** All keys of the broker in one table, and those of a single listener (`listener.name.<name>.<key>`). */
import type { ConfigKey, Declarations } from '../../base.ts'
import { clusterKeys } from './keys/cluster.ts'
import { groupsKeys } from './keys/groups.ts'
import { networkKeys } from './keys/network.ts'
import { retiredKeys } from './keys/retired.ts'
import { securityKeys } from './keys/security.ts'
import { storageKeys } from './keys/storage.ts'
import { tieredKeys } from './keys/tiered.ts'
import { transactionsKeys } from './keys/transactions.ts'

export const brokerKeys = {
  ...clusterKeys,
  ...networkKeys,
  ...storageKeys,
  ...groupsKeys,
  ...transactionsKeys,
  ...securityKeys,
  ...tieredKeys,
} satisfies Declarations

export type BrokerKey = keyof typeof brokerKeys

/** `listener.name.internal.ssl.keystore.location`, `listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config` */
const listenerKey = /^listener\.name\.([a-z0-9_-]+)\.(?:(?:plain|gssapi|oauthbearer|scram-sha-256|scram-sha-512)\.)?(.+)$/
const all: Readonly<Record<string, ConfigKey>> = brokerKeys
const retired: Readonly<Record<string, ConfigKey>> = retiredKeys

/** The declaration of a broker's key, be it one of a single listener, or one that Kafka had before 4.0. */
export function keyOf(name: string): ConfigKey | undefined {
  if (Object.hasOwn(all, name)) return all[name]
  if (Object.hasOwn(retired, name)) return retired[name]
  const base = listenerKey.exec(name)?.[2]
  return base !== undefined && Object.hasOwn(all, base) ? all[base] : undefined
}

/** Prefixes under which Kafka hands keys to plug-ins; what is below them cannot be checked. */
const pluginPrefixes = [
  'rlmm.config.',
  'rsm.config.',
  'config.providers.',
  'client.quota.callback.',
  'kafka.metrics.',
  'metrics.jmx.',
  'metrics.context.',
]

export function isPluginKey(name: string): boolean {
  return pluginPrefixes.some(prefix => name.startsWith(prefix) && name.length > prefix.length)
}
