/**
 * The broker beside which the services run, as they reach it: over one of its listeners, with the way of logging in that this listener has.
 *
 * The services act as `User:millrace-services` where nobody asks for what they do. A broker on one machine makes this user with a new password at each
 * start, so that no password has to be kept; otherwise the operator names a file with their login.
 */
import type { System } from '../../base.ts'
import { type BrokerConfig, isEveryAddress, type Listener, listenerValue, type ServicesLogin, servicesUser } from '../../broker.ts'
import type { ClientProperties } from '../../client.ts'
import { certificatesOfStore, pemCertificates } from '../../formats.ts'
import { withoutLogin } from '../../sessions.ts'
import { readClientConfig } from '../client-config.ts'
import { bracketed, UsageError } from '../output.ts'
import { loginWays, passwordMechanisms, type Reached, servicesListener } from './settings.ts'

const passwordBytes = 32

/** Before the broker starts, so that a wrong configuration is told at once; null: no user has to be made. Throws UsageError. */
export function loginToMake(config: BrokerConfig, { random }: Pick<System, 'random'>): ServicesLogin | null {
  const listener = servicesListener(config)
  if (listener.protocol === 'SSL' && listenerValue(config, listener.name, 'ssl.client.auth') === 'required')
    throw new UsageError(
      `services.listener: ${listener.name} requires client certificates, which people do not have; name another listener`,
    )
  if (!listener.protocol.startsWith('SASL') || config.get('services.client.config') !== null) return null
  if (config.get('cluster') !== null)
    throw new UsageError('services.client.config: in a cluster whose listeners require a login, the services need a login of their own')
  const mechanism = passwordMechanisms.find(each => each !== 'PLAIN' && offered(config, listener).includes(each)) as
    | ServicesLogin['mechanism']
    | undefined
  if (mechanism === undefined)
    throw new UsageError(`services.client.config: the listener ${listener.name} offers no SCRAM, so the services need a login of their own`)
  const password = Buffer.alloc(passwordBytes)
  random.fill(password)
  return { user: servicesUser, password: password.toString('base64url'), mechanism }
}

function offered(config: BrokerConfig, { name }: Listener): readonly string[] {
  return listenerValue(config, name, 'sasl.enabled.mechanisms')
}

/** `ports`: by listener name; `httpPort`: of the metrics, null if there are none. */
export function ownBroker(
  config: BrokerConfig,
  ports: ReadonlyMap<string, number>,
  httpPort: number | null,
  made: ServicesLogin | null,
  { files }: Pick<System, 'files'>,
): Reached {
  const listener = servicesListener(config)
  const { name, host, protocol } = listener
  const port = ports.get(name)
  const isCluster = config.get('cluster') !== null
  // In a cluster a certificate has to be for the name that clients know.
  const address = isCluster ? config.advertised(name).host : isEveryAddress(host) ? '127.0.0.1' : host
  const properties: Record<string, string> = { 'security.protocol': protocol }
  if (protocol.endsWith('SSL')) Object.assign(properties, trust(config, listener, files))
  if (!isCluster) properties['ssl.endpoint.identification.algorithm'] = ''
  const path = config.get('services.client.config')
  const own = path === null ? madeProperties(made) : readClientConfig(path, 'services.client.config')
  return {
    bootstrap: `${bracketed(address)}:${port}`,
    properties,
    ownProperties: { ...properties, ...own },
    login: loginWays(config, offered(config, listener), listenerValue(config, name, 'sasl.oauthbearer.sub.claim.name', 'OAUTHBEARER')),
    metricsUrl: httpPort === null ? null : metricsOf(config, httpPort),
  }
}

function metricsOf(config: BrokerConfig, port: number): string {
  const host = config
    .get('http.listen')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
  return `http://${isEveryAddress(host) ? '127.0.0.1' : bracketed(host)}:${port}/metrics`
}

function madeProperties(made: ServicesLogin | null): ClientProperties {
  return made === null ? {} : { 'sasl.mechanism': made.mechanism, 'sasl.username': made.user, 'sasl.password': made.password }
}

/** What the listener shows, and what it trusts itself. As in Java, each certificate there is trusted, whoever has signed it. */
function trust(config: BrokerConfig, { name }: Listener, files: System['files']): ClientProperties {
  const certificates: string[] = []
  for (const text of [
    listenerValue(config, name, 'ssl.keystore.certificate.chain'),
    listenerValue(config, name, 'ssl.truststore.certificates'),
  ])
    if (text !== null) certificates.push(...pemCertificates(text))
  const stores = [
    [listenerValue(config, name, 'ssl.keystore.location'), listenerValue(config, name, 'ssl.keystore.password')],
    [listenerValue(config, name, 'ssl.truststore.location'), listenerValue(config, name, 'ssl.truststore.password')],
  ] as const
  for (const [location, password] of stores) {
    const store = location === null ? null : files.readFile(location)
    if (store !== null) certificates.push(...certificatesOfStore(store, password))
  }
  return { 'ssl.truststore.certificates': certificates.join('\n') }
}

/** A broker that somebody else runs, as `--bootstrap` and `--client-config` say. */
export function otherBroker(config: BrokerConfig, { bootstrap, properties }: { bootstrap: string; properties: ClientProperties }): Reached {
  const mechanism = properties['sasl.mechanism'] ?? properties['sasl.mechanisms'] ?? 'PLAIN'
  const claim = config.get('sasl.oauthbearer.sub.claim.name')
  const login = loginWays(config, [mechanism], claim)
  return { bootstrap, properties: withoutLogin(properties), ownProperties: properties, login, metricsUrl: null }
}
