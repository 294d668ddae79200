/**
 * Connects with the settings of flags, environment and Kafka's own client.properties, in this order of precedence.
 *
 * A password is never taken from the command line, where every user of the machine can read it: it comes from the environment, the file
 * or a prompt.
 */
import { type Client, type ClientProperties, openClient } from '../client.ts'
import { readClientConfig } from './client-config.ts'
import { type ClientFlags, defaultBootstrap } from './options.ts'
import { UsageError } from './output.ts'
import { askSecret } from './secret.ts'

type Environment = Readonly<Record<string, string | undefined>>

export async function connect(given: ClientFlags, environment?: Environment, passwordVariable?: string): Promise<Client> {
  const { bootstrap, properties } = await reach(given, environment, passwordVariable)
  const timeout = Number(properties['request.timeout.ms'])
  return openClient({
    bootstrap,
    properties,
    ...(properties['client.id'] === undefined ? {} : { clientId: properties['client.id'] }),
    ...(Number.isInteger(timeout) && timeout > 0 ? { timeoutMs: timeout } : {}),
  })
}

/** Where the brokers are, and with which properties clients connect. */
export async function reach(
  given: ClientFlags,
  environment: Environment = process.env,
  passwordVariable = 'MILLRACE_PASSWORD',
): Promise<{ bootstrap: string; properties: ClientProperties }> {
  // An empty environment variable counts as unset.
  const flags = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')) as ClientFlags
  const file = flags.clientConfig === undefined ? {} : readClientConfig(flags.clientConfig, '--client-config')
  const properties = await withPassword(withFlags(file, flags, environment), environment, passwordVariable)
  return { bootstrap: flags.bootstrap ?? properties['bootstrap.servers'] ?? defaultBootstrap, properties }
}

/** Exported for tests. */
export function withFlags(given: ClientProperties, flags: ClientFlags, environment: Environment): Record<string, string> {
  const properties: Record<string, string> = { ...given }
  const token = environment.MILLRACE_TOKEN
  const login = flags.username !== undefined ? 'user' : token !== undefined && token !== '' ? 'token' : null
  if (login !== null) {
    for (const key of Object.keys(properties)) if (/^sasl\.(jaas|username|password|mechanism|oauthbearer)/.test(key)) delete properties[key]
  }
  if (flags.username !== undefined) properties['sasl.username'] = flags.username
  if (login === 'token') properties['sasl.oauthbearer.token'] = token!
  const mechanism = flags.mechanism ?? (login === 'token' ? 'OAUTHBEARER' : login === 'user' ? 'SCRAM-SHA-512' : undefined)
  if (mechanism !== undefined) properties['sasl.mechanism'] = mechanism
  if (flags.ca !== undefined) {
    delete properties['ssl.truststore.certificates']
    properties['ssl.truststore.location'] = flags.ca
  }
  const before = (given['security.protocol'] ?? 'PLAINTEXT').toUpperCase()
  const tls = flags.tls === true || flags.ca !== undefined || before.endsWith('SSL')
  const sasl = login !== null || flags.mechanism !== undefined || before.startsWith('SASL')
  properties['security.protocol'] = sasl ? (tls ? 'SASL_SSL' : 'SASL_PLAINTEXT') : tls ? 'SSL' : before
  return properties
}

async function withPassword(
  properties: Record<string, string>,
  environment: Environment,
  passwordVariable: string,
): Promise<Record<string, string>> {
  const user = properties['sasl.username']
  const needed = properties['security.protocol']?.startsWith('SASL') && user !== undefined && properties['sasl.jaas.config'] === undefined
  if (!needed || properties['sasl.password'] !== undefined) return properties
  const password = environment[passwordVariable] ?? (await askSecret(`Password for ${user}: `))
  if (password === null) throw new UsageError(`no password for ${user}: set ${passwordVariable} or sasl.password in its client.properties`)
  return { ...properties, 'sasl.password': password }
}
