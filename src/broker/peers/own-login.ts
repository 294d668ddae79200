/** How this broker logs in to others: the settings of its inter-broker listener, in the words of a client's properties. */
import type { ClientProperties } from '../../channel.ts'
import { type BrokerConfig, type BrokerKey, type BrokerValues, listenerValue } from '../config.ts'

type TextKey = { [K in BrokerKey]: BrokerValues[K] extends string | null ? K : never }[BrokerKey]

/** As in Kafka, the stores and the JAAS configuration of the listener serve both directions. */
export function ownLogin(config: BrokerConfig): ClientProperties {
  const { name, protocol } = config.interBroker
  const properties: Record<string, string> = { 'security.protocol': protocol }
  const take = (key: TextKey, mechanism?: string) => {
    const value: string | null = listenerValue(config, name, key, mechanism)
    if (value !== null) properties[key] = value
  }
  if (protocol.endsWith('SSL')) {
    take('ssl.keystore.location')
    take('ssl.keystore.password')
    take('ssl.keystore.certificate.chain')
    take('ssl.keystore.key')
    take('ssl.key.password')
    take('ssl.truststore.location')
    take('ssl.truststore.password')
    take('ssl.truststore.certificates')
    take('ssl.endpoint.identification.algorithm')
    properties['ssl.enabled.protocols'] = listenerValue(config, name, 'ssl.enabled.protocols').join(',')
  }
  if (protocol.startsWith('SASL')) {
    const mechanism = config.get('sasl.mechanism.inter.broker.protocol')
    properties['sasl.mechanism'] = mechanism
    take('sasl.jaas.config', mechanism)
    take('sasl.oauthbearer.token.endpoint.url', mechanism)
    take('sasl.oauthbearer.client.credentials.client.id', mechanism)
    take('sasl.oauthbearer.client.credentials.client.secret', mechanism)
    take('sasl.oauthbearer.scope', mechanism)
  }
  return properties
}
