/** What rows over TLS, and rows with an authorizer, need of both brokers and of their clients. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import type { Listeners, Properties, RunningBroker } from '../compat/support/brokers.ts'
import { repository } from '../compat/support/cache.ts'
import { makeCertificates } from '../compat/support/secured.ts'
import type { Options, Target } from './clients.ts'

/** SASL_PLAINTEXT has an authorizer behind it, that knows `user`. */
export type Protocol = 'SSL' | 'SASL_PLAINTEXT'

export const user = 'alice'
const password = 'secret'
const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required'

let directory: Promise<string> | undefined

export async function serverSettings(protocol: Protocol | undefined): Promise<{ properties: Properties; listeners: Listeners }> {
  if (protocol === undefined) return { properties: {}, listeners: {} }
  return { listeners: { [protocol]: protocol }, properties: protocol === 'SSL' ? await tls() : authorized }
}

/** Who came by the plain listener does the administration. */
const authorized: Properties = {
  'sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${jaas} user_${user}="${password}";`,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
  'allow.everyone.if.no.acl.found': 'true',
}

async function tls(): Promise<Properties> {
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': join(await files(), 'server.both.pem'),
    'ssl.enabled.protocols': 'TLSv1.3',
  }
}

export function securedTarget(broker: RunningBroker, protocol: Protocol): Target {
  return { bootstrap: broker.bootstraps[protocol]! }
}

/** For Kafka's tools. */
export async function javaConfig(): Promise<{ 'command-config': string }> {
  return { 'command-config': join(await files(), 'client.properties') }
}

/** For librdkafka. */
export async function driverConfig(protocol: Protocol): Promise<Options> {
  if (protocol === 'SSL') return { 'security.protocol': 'ssl', 'ssl.ca.location': join(await files(), 'ca.pem') }
  return { 'security.protocol': 'sasl_plaintext', 'sasl.mechanisms': 'PLAIN', 'sasl.username': user, 'sasl.password': password }
}

/** Certificates are made once for all rows. */
function files(): Promise<string> {
  directory ??= makeFiles()
  return directory
}

async function makeFiles(): Promise<string> {
  const parent = join(repository, '.cache', 'brokers')
  mkdirSync(parent, { recursive: true })
  const made = mkdtempSync(join(parent, 'bench-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  await makeCertificates(made, user)
  const client = { 'security.protocol': 'SSL', 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': join(made, 'ca.pem') }
  writeFileSync(
    join(made, 'client.properties'),
    Object.entries(client)
      .map(each => `${each.join('=')}\n`)
      .join(''),
  )
  return made
}

/**
 * ACLs for `count - 2` others: a tenth on the topic itself, a tenth on prefixes of its name, the rest on other topics; and two for the
 * user, who may write to it and see all.
 */
export async function loadAcls(broker: Target, topic: string, count: number): Promise<void> {
  const admin = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const acl = (principal: string, resourceName: string, resourcePatternType: number, operation: number) => ({
    resourceType: 2,
    resourceName,
    resourcePatternType,
    principal: `User:${principal}`,
    host: '*',
    operation,
    permissionType: 3,
  })
  const [literal, prefixed, write, describe] = [3, 4, 4, 8]
  const others = Array.from({ length: count - 2 }, (_, i) => {
    const [name, type] =
      i % 10 === 0 ? [topic, literal] : i % 10 === 1 ? [topic.slice(0, 1 + (i % topic.length)), prefixed] : [`other-${i}`, literal]
    return acl(`other-${i}`, name, type, write)
  })
  await admin.createAcls({ acl: [...others, acl(user, topic, literal, write), acl(user, '*', literal, describe)] })
  await admin.disconnect()
}
