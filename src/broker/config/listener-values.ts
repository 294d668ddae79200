/**
 * Values that can be set for all listeners, for one listener (`listener.name.<name>.<key>`), or for one SASL mechanism of a listener
 * (`listener.name.<name>.<mechanism>.<key>`). The most specific one applies.
 */
import { type ConfigKey, defaultValue, InvalidConfig, parseValue } from '../../base.ts'
import type { BrokerConfig, BrokerValues } from './broker-config.ts'
import { type BrokerKey, brokerKeys } from './keys.ts'

export function listenerValue<K extends BrokerKey>(config: BrokerConfig, listener: string, key: K, mechanism?: string): BrokerValues[K] {
  const declaration: ConfigKey = brokerKeys[key]
  for (const name of [...listenerKeys(listener, key, mechanism), key]) {
    const given = config.layers(name).find(layer => layer.source !== 'DEFAULT_CONFIG')
    if (given !== undefined) return parseValue(name, declaration, given.text).value as BrokerValues[K]
  }
  return defaultValue(key, declaration) as BrokerValues[K]
}

/** The value set for this listener alone, or null. */
export function ownListenerValue<K extends BrokerKey>(config: BrokerConfig, listener: string, key: K): BrokerValues[K] | null {
  const name = listenerKeys(listener, key)[0]!
  const given = config.layers(name).find(layer => layer.source !== 'DEFAULT_CONFIG')
  return given === undefined ? null : (parseValue(name, brokerKeys[key] as ConfigKey, given.text).value as BrokerValues[K])
}

/** The names that a key has for one listener, the most special first. */
function listenerKeys(listener: string, key: BrokerKey, mechanism?: string): string[] {
  const prefix = `listener.name.${listener.toLowerCase()}.`
  return mechanism === undefined ? [`${prefix}${key}`] : [`${prefix}${mechanism.toLowerCase()}.${key}`, `${prefix}${key}`]
}

/** Names the key as it is written in a configuration. */
export function badListenerValue(listener: string, key: BrokerKey, mechanism: string | undefined, reason: string): InvalidConfig {
  const name = listenerKeys(listener, key, mechanism)[0]!
  return new InvalidConfig(name, null, reason, `${name}: ${reason}`)
}
