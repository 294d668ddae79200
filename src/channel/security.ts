/**
 * Translates Kafka's client properties (`security.protocol`, `ssl.*`, `sasl.*`) to options of the library, so that an existing file works
 * here. Other properties (`acks`, `group.id`, …) are ignored, as Kafka's own tools do.
 *
 * Checks everything that can be checked before connecting; errors name the property and contain no secrets.
 */
import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls'
import type { FileSystem, System } from '../base.ts'
import { certificatesOfStore, identityOfStore, parseJaas, pemCertificates, pemIdentity, refuseJks } from '../formats.ts'
import { ClientError } from './errors.ts'
import { bearerToken } from './oauth.ts'
import { type Authenticate, type ScramLogin, scramAuthentication, type TokenLogin } from './scram.ts'

/** As in Kafka's client.properties. */
export type ClientProperties = Readonly<Record<string, string>>

/** The library's options; its own types must not be part of the package's. */
export interface ConnectionSecurity {
  tls?: TlsOptions
  /** For the library, which connects to all brokers alike. */
  tlsServerName?: boolean
  sasl?: SaslOptions
}

export interface SaslOptions {
  mechanism: (typeof saslMechanisms)[number]
  username?: string
  password?: string
  token?: string | (() => Promise<string>)
  authBytesValidator?: (answer: Buffer, callback: (error: Error | null, answer?: Buffer) => void) => void
  /** SCRAM, instead of the library's own. */
  authenticate?: Authenticate
}

const protocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']
const saslMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const
const tlsVersions = ['TLSv1.2', 'TLSv1.3'] as const

/** `hosts`: of the bootstrap servers. `delegationToken`: instead of a user name and a password. Throws ClientError INVALID. */
export function connectionSecurity(
  properties: ClientProperties,
  hosts: readonly string[],
  system: Pick<System, 'files' | 'random' | 'timers'>,
  delegationToken?: () => TokenLogin,
): ConnectionSecurity {
  const protocol = (properties['security.protocol'] ?? 'PLAINTEXT').trim().toUpperCase()
  if (!protocols.includes(protocol))
    throw bad('security.protocol', `${protocol} is not supported; it must be one of ${protocols.join(', ')}`)
  const security: ConnectionSecurity = {}
  if (protocol.endsWith('SSL')) {
    security.tls = tlsOptions(properties, system.files)
    // A server name is for names: TLS forbids addresses there.
    security.tlsServerName = hosts.every(host => !/^[\d.]+$|:/.test(host))
  }
  if (protocol.startsWith('SASL')) security.sasl = saslOptions(properties, system, delegationToken)
  return security
}

function bad(property: string, reason: string): ClientError {
  return new ClientError('INVALID', `${property}: ${reason}`)
}

function reading<T>(property: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ClientError) throw error
    throw bad(property, (error as Error).message)
  }
}

function readStore(property: string, path: string, files: FileSystem): Buffer {
  return reading(property, () => {
    const store = files.readFile(path)
    if (store === null) throw new Error(`file not found: ${path}`)
    refuseJks(store, path)
    return store
  })
}

function tlsOptions(properties: ClientProperties, files: FileSystem): TlsOptions {
  const options: TlsOptions = { ...trust(properties, files), ...identity(properties, files), ...versions(properties) }
  reading('ssl.keystore.location', () => {
    // Otherwise Node would report a wrong password only when it connects.
    createSecureContext(options)
  })
  const identification = properties['ssl.endpoint.identification.algorithm'] ?? 'https'
  if (identification === '' || identification.toLowerCase() === 'none') options.checkServerIdentity = () => undefined
  else if (identification.toLowerCase() !== 'https')
    throw bad('ssl.endpoint.identification.algorithm', `${identification} is not supported; it must be https or empty`)
  return options
}

/** Nothing configured: the public authorities that Node knows, and those of NODE_EXTRA_CA_CERTS. */
function trust(properties: ClientProperties, files: FileSystem): TlsOptions {
  const text = properties['ssl.truststore.certificates']
  if (text !== undefined) {
    const ca = pemCertificates(text)
    if (ca.length === 0) throw bad('ssl.truststore.certificates', 'it contains no certificate')
    return trusting(ca)
  }
  // The second name is librdkafka's.
  const property = properties['ssl.truststore.location'] === undefined ? 'ssl.ca.location' : 'ssl.truststore.location'
  const path = properties[property]
  if (path === undefined) return {}
  const store = readStore(property, path, files)
  return trusting(reading(property, () => certificatesOfStore(store, properties['ssl.truststore.password'] ?? null)))
}

/** As in Java, each certificate of a trust store is trusted, also if another one has signed it. */
function trusting(ca: string[]): TlsOptions {
  return { ca, allowPartialTrustChain: true }
}

function identity(properties: ClientProperties, files: FileSystem): TlsOptions {
  const keyPassword = properties['ssl.key.password'] ?? null
  const chain = properties['ssl.keystore.certificate.chain']
  const key = properties['ssl.keystore.key']
  if (chain !== undefined && key !== undefined) return reading('ssl.keystore.key', () => pemIdentity(chain, key, keyPassword))
  const path = properties['ssl.keystore.location']
  if (path !== undefined) {
    const store = readStore('ssl.keystore.location', path, files)
    return reading('ssl.keystore.location', () => identityOfStore(store, properties['ssl.keystore.password'] ?? null, keyPassword))
  }
  const certificateFile = properties['ssl.certificate.location']
  const keyFile = properties['ssl.key.location']
  if (certificateFile === undefined || keyFile === undefined) return {}
  const certificate = readStore('ssl.certificate.location', certificateFile, files).toString('latin1')
  const privateKey = readStore('ssl.key.location', keyFile, files).toString('latin1')
  return reading('ssl.key.location', () => pemIdentity(certificate, privateKey, keyPassword))
}

function versions(properties: ClientProperties): TlsOptions {
  const text = properties['ssl.enabled.protocols']
  if (text === undefined) return {}
  const wanted = text.split(',').map(part => part.trim())
  const known = tlsVersions.filter(version => wanted.includes(version))
  if (known.length === 0) throw bad('ssl.enabled.protocols', `"${text}" contains neither ${tlsVersions.join(' nor ')}`)
  return { minVersion: known[0]!, maxVersion: known.at(-1)! }
}

function saslOptions(
  properties: ClientProperties,
  system: Pick<System, 'files' | 'random' | 'timers'>,
  delegationToken?: () => TokenLogin,
): SaslOptions {
  const jaas = properties['sasl.jaas.config']
  const login = jaas === undefined ? null : reading('sasl.jaas.config', () => parseJaas(jaas))
  const mechanism = properties['sasl.mechanism'] ?? properties['sasl.mechanisms'] ?? mechanismOf(login?.module)
  const known = saslMechanisms.find(each => each === mechanism?.trim().toUpperCase())
  if (known === undefined) {
    throw bad(
      'sasl.mechanism',
      `${mechanism === undefined ? 'is missing' : `${mechanism} is not supported`}; it must be one of ${saslMechanisms.join(', ')}`,
    )
  }
  if (known === 'OAUTHBEARER') {
    return { mechanism: known, token: bearerToken(properties, login?.options ?? new Map(), system), authBytesValidator: refuseBearer }
  }
  const scram = (own: () => ScramLogin): SaslOptions => ({ mechanism: known, authenticate: scramAuthentication(own, system.random) })
  const byToken = (token: () => TokenLogin): SaslOptions => {
    if (known === 'PLAIN') throw bad('sasl.mechanism', 'with a delegation token it must be SCRAM-SHA-256 or SCRAM-SHA-512')
    return scram(() => {
      const { tokenId, hmac } = token()
      return { name: tokenId, password: hmac, isToken: true }
    })
  }
  if (delegationToken !== undefined) return byToken(delegationToken)
  const username = login?.options.get('username') ?? properties['sasl.username']
  const password = login?.options.get('password') ?? properties['sasl.password']
  if (username === undefined) throw bad('sasl.jaas.config', `${known} needs a username`)
  if (password === undefined) throw bad('sasl.jaas.config', `${known} needs a password`)
  if (login?.options.get('tokenauth')?.toLowerCase() === 'true') return byToken(() => ({ tokenId: username, hmac: password }))
  return known === 'PLAIN' ? { mechanism: known, username, password } : scram(() => ({ name: username, password, isToken: false }))
}

/** When a broker rejects a token, it says so in a response that the library treats as success. */
const refuseBearer: NonNullable<SaslOptions['authBytesValidator']> = (answer, callback) => {
  if (answer.length === 0) callback(null, answer)
  else callback(new ClientError('REFUSED', `the broker rejected the token: ${answer.toString('utf8').slice(0, 200)}`))
}

/** Kafka's default is GSSAPI; the login module in the JAAS configuration implies the mechanism. */
function mechanismOf(module: string | undefined): string | undefined {
  if (module?.endsWith('.PlainLoginModule')) return 'PLAIN'
  return module?.endsWith('.OAuthBearerLoginModule') ? 'OAUTHBEARER' : undefined
}
