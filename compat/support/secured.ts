/**
 * A broker as in production: TLS, client certificates, SASL with four mechanisms, an authorizer. Certificates, keys and the token are
 * made for each run. `describedIn` is a JSON file with all that a client needs, for clients in any language.
 */
import { createSign, generateKeyPairSync, pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AclOperations,
  AclPermissionTypes,
  alterUserScramCredentialsV0,
  Connection,
  createAclsV3,
  ResourcePatternTypes,
  ResourceTypes,
} from '@platformatic/kafka'
import { type Listeners, type Properties, type RunningBroker, startKafka, startMillrace } from './brokers.ts'
import { repository } from './cache.ts'
import { must } from './run.ts'

export interface Secured {
  readonly broker: RunningBroker
  /** SSL wants a client certificate, TLS does not; REAUTH is SASL_SSL whose sessions last three seconds; on TLS and PLAINTEXT everybody is a super user. */
  readonly bootstraps: Readonly<Record<'PLAINTEXT' | 'SSL' | 'TLS' | 'SASL_SSL' | 'SASL_PLAINTEXT' | 'REAUTH', string>>
  /** PEM. `client` holds both `clientKey` and `clientCert`; `otherCa` has signed nothing; `token` is a JWT of the user. */
  readonly files: Readonly<Record<'ca' | 'otherCa' | 'client' | 'clientCert' | 'clientKey' | 'token', string>>
  /** May do everything with topics, groups and transactional ids that begin with `compat-`, and nothing else; by certificate, too. */
  readonly user: Credentials
  /** A super user. */
  readonly admin: Credentials
  /** The above as JSON, but for `broker`. */
  readonly describedIn: string
  close(): Promise<void>
}

export interface Credentials {
  readonly name: string
  readonly password: string
}

const listeners = { SSL: 'SSL', TLS: 'SSL', SASL_SSL: 'SASL_SSL', SASL_PLAINTEXT: 'SASL_PLAINTEXT', REAUTH: 'SASL_SSL' }
const mechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']
const issuer = 'https://issuer.test'
const audience = 'millrace-compat'

/** Starts brokers with these listeners beside PLAINTEXT. */
export type StartBrokers = (properties: Properties, listeners: Listeners) => Promise<RunningBroker>

/** Millrace, unless something else is started. */
export async function startSecured(properties: Properties = {}, start: StartBrokers = startMillrace): Promise<Secured> {
  const parent = join(repository, '.cache', 'brokers')
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, 'secured-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const user = { name: 'alice', password: 'alice-secret' }
  const admin = { name: 'root', password: 'root-secret' }
  await makeCertificates(directory, user.name)
  writeFileSync(join(directory, 'token'), makeToken(directory, user.name))
  const config = { ...properties, ...brokerConfig(directory, [user, admin]) }
  const broker = await start(config, listeners)
  await prepare(broker.bootstrap, [user, admin])
  const file = (name: string) => join(directory, name)
  const described = {
    bootstraps: broker.bootstraps as Secured['bootstraps'],
    files: {
      ca: file('ca.pem'),
      otherCa: file('other-ca.pem'),
      client: file('client.both.pem'),
      clientCert: file('client.pem'),
      clientKey: file('client.key'),
      token: file('token'),
    },
    user,
    admin,
  }
  const describedIn = file('secured.json')
  writeFileSync(describedIn, JSON.stringify(described))
  const close = async () => {
    await broker.remove()
    rmSync(directory, { recursive: true, force: true })
  }
  return { ...described, broker, describedIn, close }
}

/** A real Kafka of this version. */
export function kafkaOf(version: string): StartBrokers {
  const keys = (config: Properties) => `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${config['sasl.oauthbearer.jwks.endpoint.url']}`
  const jvm = (config: Properties) => ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', keys(config)]
  return (properties, listeners) => startKafka({ version, properties, listeners, jvm: jvm(properties) })
}

function brokerConfig(directory: string, users: readonly Credentials[]): Properties {
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const oauth = 'org.apache.kafka.common.security.oauthbearer'
  const config: Record<string, string> = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(directory, 'server.both.pem'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': join(directory, 'ca.pem'),
    'ssl.principal.mapping.rules': 'RULE:^CN=([^,]+).*$/$1/,DEFAULT',
    'listener.name.ssl.ssl.client.auth': 'required',
    'listener.name.reauth.connections.max.reauth.ms': '3000',
    'sasl.enabled.mechanisms': mechanisms.join(),
    'sasl.oauthbearer.jwks.endpoint.url': `file://${directory}/jwks.json`,
    'sasl.oauthbearer.expected.issuer': issuer,
    'sasl.oauthbearer.expected.audience': audience,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:root;User:ANONYMOUS',
    'delegation.token.secret.key': 'compat-secret',
    'connection.failed.authentication.delay.ms': '100',
  }
  for (const [name, protocol] of Object.entries(listeners)) {
    if (!protocol.startsWith('SASL')) continue
    const prefix = `listener.name.${name.toLowerCase()}`
    config[`${prefix}.plain.sasl.jaas.config`] = `${plain} ${users.map(each => `user_${each.name}="${each.password}"`).join(' ')};`
    config[`${prefix}.scram-sha-256.sasl.jaas.config`] = scram
    config[`${prefix}.scram-sha-512.sasl.jaas.config`] = scram
    config[`${prefix}.oauthbearer.sasl.jaas.config`] = `${oauth}.OAuthBearerLoginModule required;`
    config[`${prefix}.oauthbearer.sasl.server.callback.handler.class`] = `${oauth}.OAuthBearerValidatorCallbackHandler`
  }
  return config
}

/** `NAME.key`, `NAME.pem` and both in `NAME.both.pem` for server and client, by an authority in `ca.pem`. */
export async function makeCertificates(directory: string, user: string): Promise<void> {
  const openssl = (...args: string[]) => must('openssl', args, { cwd: directory, seconds: 30 })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  for (const name of ['ca', 'other-ca'])
    await openssl('req', '-x509', ...fresh, '-subj', `/CN=compat ${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  writeFileSync(join(directory, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  for (const [name, subject] of [
    ['server', '/CN=localhost'],
    ['client', `/O=compat/CN=${user}`],
  ] as const) {
    await openssl('req', ...fresh, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names']
    await openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`)
    const both = ['key', 'pem'].map(kind => readFileSync(join(directory, `${name}.${kind}`), 'utf8')).join('')
    writeFileSync(join(directory, `${name}.both.pem`), both)
  }
}

/** Writes `jwks.json`, and signs a token that its key verifies. */
function makeToken(directory: string, subject: string): string {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'compat', use: 'sig', alg: 'RS256' }
  writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [key] }))
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: audience, sub: subject, iat: now, exp: now + 3600 }
  const signed = `${encoded({ alg: 'RS256', typ: 'JWT', kid: 'compat' })}.${encoded(claims)}`
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`
}

/** The users' SCRAM credentials, and what the first of them may do. */
async function prepare(bootstrap: string, users: readonly Credentials[]): Promise<void> {
  const connection = new Connection('compat-prepare')
  const [host, port] = bootstrap.split(',')[0]!.split(':')
  await connection.connect(host!, Number(port))
  try {
    // What is refused rejects. One request may not name a user twice.
    for (const mechanism of [1, 2]) {
      const credentials = users.map(user => scramCredential(user, mechanism))
      await alterUserScramCredentialsV0.api.async(connection, [], credentials)
    }
    const acls = [ResourceTypes.TOPIC, ResourceTypes.GROUP, ResourceTypes.TRANSACTIONAL_ID].map(resourceType => ({
      resourceType,
      resourceName: 'compat-',
      resourcePatternType: ResourcePatternTypes.PREFIXED,
      principal: `User:${users[0]!.name}`,
      host: '*',
      operation: AclOperations.ALL,
      permissionType: AclPermissionTypes.ALLOW,
    }))
    await createAclsV3.api.async(connection, acls)
  } finally {
    await connection.close()
  }
}

/** 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512. */
function scramCredential({ name, password }: Credentials, mechanism: number) {
  const [salt, iterations] = [randomBytes(16), 4096]
  const saltedPassword = pbkdf2Sync(password, salt, iterations, mechanism === 1 ? 32 : 64, mechanism === 1 ? 'sha256' : 'sha512')
  return { name, mechanism, iterations, salt, saltedPassword }
}
