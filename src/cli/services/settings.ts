/** What the services need to know, from the configuration of the broker. */
import { type BrokerConfig, isEveryAddress } from '../../broker.ts'
import type { ClientProperties } from '../../client.ts'
import type { ServiceName, ServicesSettings } from '../../services.ts'
import { bracketed } from '../output.ts'

export interface Reached {
  readonly bootstrap: string
  /** With the credentials of the services themselves, if the broker requires a login. */
  readonly properties: ClientProperties
}

/** The broker that runs in this process, by its first listener. */
export function ownBroker(config: BrokerConfig, ports: ReadonlyMap<string, number>): Reached {
  const { name, host, protocol } = config.listeners[0]!
  const address = isEveryAddress(host) ? '127.0.0.1' : bracketed(host)
  return { bootstrap: `${address}:${ports.get(name)}`, properties: { 'security.protocol': protocol } }
}

const credentials = /^sasl\.(?:jaas\.config|username|password|oauthbearer\.)/

export function servicesSettings(config: BrokerConfig, { bootstrap, properties }: Reached): ServicesSettings {
  return {
    services: config.get('services') as readonly ServiceName[],
    bootstrap,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !credentials.test(name))),
    ownProperties: properties,
    host: config.get('services.host'),
    ports: { console: config.get('console.port'), registry: config.get('registry.port'), rest: config.get('rest.port') },
    allowedHosts: config.get('services.allowed.hosts'),
    corsOrigins: config.get('services.cors.origins'),
    mostBodyBytes: config.get('services.max.body.bytes'),
    registry: {
      url: config.get('schema.registry.url') || null,
      userInfo: config.get('schema.registry.basic.auth.user.info'),
    },
    rest: {
      mostInFlightBytes: config.get('rest.max.in.flight.bytes'),
      instanceTimeoutMs: config.get('rest.consumer.instance.timeout.ms'),
      mostInstances: config.get('rest.max.consumer.instances'),
    },
  }
}
