/** What the services need to know, from the configuration of the broker. */
import { isLoopback } from '../../base.ts'
import { type BrokerConfig, type Listener, listenerValue } from '../../broker.ts'
import type { ClientProperties } from '../../client.ts'
import type { ConnectSettings, LoginWays, OidcSettings, ServiceName, ServicesSettings, TlsFiles } from '../../services.ts'
import { readClientConfig } from '../client-config.ts'
import { bracketed, UsageError } from '../output.ts'

/** How a broker is reached. */
export interface Reached {
  readonly bootstrap: string
  readonly properties: ClientProperties
  /** With the credentials of the services themselves. */
  readonly ownProperties: ClientProperties
  readonly login: LoginWays
  /** Of its page of metrics; null: not known. */
  readonly metricsUrl: string | null
}

/** `own`: the mechanism of the services' own login; it says most about a broker that somebody else runs. */
export function loginWays(config: BrokerConfig, offered: readonly string[], subjectClaim: string): LoginWays {
  const mechanisms = config.get('services.sasl.mechanisms') ?? offered
  return {
    passwordMechanisms: passwordMechanisms.filter(each => mechanisms.includes(each)),
    tokens: mechanisms.includes('OAUTHBEARER'),
    subjectClaim,
  }
}

/** The safest first. */
export const passwordMechanisms = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN'] as const

export function servicesSettings(
  config: BrokerConfig,
  { bootstrap, properties, ownProperties, login, metricsUrl }: Reached,
): ServicesSettings {
  const host = config.get('services.host')
  const needsLogin = (properties['security.protocol'] ?? '').trim().toUpperCase().startsWith('SASL')
  if (!needsLogin && !isLoopback(bracketed(host))) throw new UsageError(openToAll(host))
  return {
    services: config.get('services') as readonly ServiceName[],
    bootstrap,
    properties,
    ownProperties,
    login,
    host,
    ports: {
      connect: config.get('connect.port'),
      console: config.get('console.port'),
      registry: config.get('registry.port'),
      rest: config.get('rest.port'),
      triggers: config.get('triggers.port'),
    },
    allowedHosts: config.get('services.allowed.hosts'),
    corsOrigins: config.get('services.cors.origins'),
    mostBodyBytes: config.get('services.max.body.bytes'),
    advertisedRegistry: config.get('registry.advertised.url') || null,
    registry: {
      url: config.get('schema.registry.url') || null,
      userInfo: config.get('schema.registry.basic.auth.user.info'),
    },
    mostConnections: config.get('services.max.connections'),
    requestTimeoutMs: config.get('services.request.timeout.ms'),
    trustedProxies: config.get('services.trusted.proxies'),
    tls: tlsFiles(config),
    console: { idleMs: config.get('console.session.idle.ms'), mostMs: config.get('console.session.max.ms'), oidc: oidcSettings(config) },
    rest: {
      mostInFlightBytes: config.get('rest.max.in.flight.bytes'),
      instanceTimeoutMs: config.get('rest.consumer.instance.timeout.ms'),
      mostInstances: config.get('rest.max.consumer.instances'),
      streamIdleMs: config.get('rest.stream.idle.timeout.ms'),
      commitAfterMs: config.get('rest.stream.commit.delay.ms'),
    },
    triggers: { mostRunners: config.get('triggers.max.runners') },
    connect: connectSettings(config),
    metricsUrl: config.get('console.metrics.url') || metricsUrl,
  }
}

function connectSettings(config: BrokerConfig): ConnectSettings {
  const file = config.get('connect.worker.config')
  const group = config.get('connect.group.id')
  const properties = file === null ? {} : readClientConfig(file, 'connect.worker.config')
  return {
    properties: { 'group.id': group, ...properties },
    advertisedUrl: config.get('connect.advertised.url') || null,
    url: config.get('connect.url') || null,
    userInfo: config.get('connect.basic.auth.user.info'),
  }
}

function openToAll(host: string): string {
  return `services.host: ${host || '(all addresses)'} can be reached from other machines, but the broker requires no login there; use 127.0.0.1, or name a listener with SASL in services.listener`
}

/** Through which the services reach the broker. Throws UsageError. */
export function servicesListener(config: BrokerConfig): Listener {
  const wanted = config.get('services.listener')?.toUpperCase()
  const listener = wanted === undefined ? config.listeners[0] : config.listeners.find(({ name }) => name === wanted)
  if (listener === undefined) throw new UsageError(`services.listener: there is no listener ${wanted} in listeners`)
  return listener
}

/** The key and certificates for HTTPS; null: plain HTTP. Throws UsageError. */
function tlsFiles(config: BrokerConfig): TlsFiles | null {
  if (!config.get('services.tls')) return null
  const { name } = servicesListener(config)
  const files = {
    location: listenerValue(config, name, 'ssl.keystore.location'),
    storePassword: listenerValue(config, name, 'ssl.keystore.password'),
    chain: listenerValue(config, name, 'ssl.keystore.certificate.chain'),
    key: listenerValue(config, name, 'ssl.keystore.key'),
    keyPassword: listenerValue(config, name, 'ssl.key.password'),
    protocols: listenerValue(config, name, 'ssl.enabled.protocols'),
    checkMs: config.get('ssl.store.check.interval.ms'),
  }
  if (files.location === null && (files.chain === null || files.key === null))
    throw new UsageError(`services.tls: the listener ${name} has no key store (ssl.keystore.location)`)
  return files
}

/** null: no provider is configured. Throws UsageError. */
function oidcSettings(config: BrokerConfig): OidcSettings | null {
  const issuer = config.get('console.oidc.issuer')
  if (issuer === null) return null
  const clientId = config.get('console.oidc.client.id')
  if (clientId === null) throw new UsageError('console.oidc.client.id: it is required with console.oidc.issuer')
  const scopes = config.get('console.oidc.scopes')
  if (!scopes.includes('openid')) throw new UsageError('console.oidc.scopes: openid must be one of them')
  return { issuer, clientId, clientSecret: config.get('console.oidc.client.secret'), scopes }
}
