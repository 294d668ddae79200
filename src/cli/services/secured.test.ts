/** Services beside a broker that requires a login: how they reach it, as whom, over HTTPS, and what is refused before the broker starts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request as ask } from 'node:https'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { eventually } from '../../../test/cluster/two-brokers.ts'
import { fixture, jaas } from '../../../test/support/secure.ts'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { loadBrokerConfig, makeServicesUser, type RunningBroker, startBroker } from '../../broker.ts'
import { openClient } from '../../client.ts'
import { silentLogger } from '../../logger.ts'
import { startServices } from '../../services.ts'
import { loginToMake, ownBroker } from './own-broker.ts'
import { planIfWanted, planServices } from './plan.ts'
import { servicesSettings } from './settings.ts'

/** Of 20 ms each. */
const attempts = 3_000
const ca = readFileSync(fixture('ca.pem'), 'utf8')

interface Answer {
  status: number
  body: string
  /** Of the certificate. */
  server: string
}

function get(port: number, path: string, login: string | null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = login === null ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
    const sent = ask({ host: '127.0.0.1', port, path, headers, ca, agent: new Agent({ maxCachedSessions: 0 }) }, response => {
      const server = (response.socket as TLSSocket).getPeerCertificate().subject.CN
      let body = ''
      response.on('data', chunk => void (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode!, body, server: String(server) }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const store = '/keys/server.p12'

async function startAll(t: TestContext, config: Record<string, string> = {}) {
  const system = realSystem(memoryFileSystem())
  system.files.makeDirectory('/keys')
  await system.files.replaceFile(store, readFileSync(fixture('broker.p12')))
  const set = {
    listeners: 'SASL_SSL://127.0.0.1:0',
    'http.listen': 'none',
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'store-pw',
    'ssl.store.check.interval.ms': '50',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
    'listener.name.sasl_ssl.plain.sasl.jaas.config': jaas(
      'admin',
      'admin-pw',
      'plain.PlainLoginModule',
      'user_admin="admin-pw" user_alice="alice-pw"',
    ),
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:admin',
    services: 'registry,console',
    'services.tls': 'true',
    'registry.port': '0',
    'console.port': '0',
    ...config,
  }
  const brokerConfig = loadBrokerConfig({ set })
  const onFatal = (error: Error) => {
    throw error
  }
  const running: RunningBroker = await startBroker({ system, config: brokerConfig, logger: silentLogger, onFatal })
  t.after(() => running.close())
  const warned: string[] = []
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warned.push(message) }
  const begin = async () => {
    const login = loginToMake(brokerConfig, system)
    if (login !== null) await makeServicesUser(running.broker, login)
    return startServices(servicesSettings(brokerConfig, ownBroker(brokerConfig, running.ports, null, login, system)), system, logger)
  }
  const properties = {
    'security.protocol': 'SASL_SSL',
    'sasl.mechanism': 'PLAIN',
    'sasl.jaas.config': jaas('admin', 'admin-pw'),
    'ssl.truststore.certificates': ca,
  }
  const admin = openClient({ bootstrap: `127.0.0.1:${running.ports.get('SASL_SSL')}`, properties })
  t.after(() => admin.close())
  return { system, begin, warned, admin }
}

test('the services log in as a user of their own, speak HTTPS with the key of the listener, and read it again', async t => {
  const { system, begin, warned, admin } = await startAll(t)
  const services = await begin()
  try {
    const [registry, page] = [services.ports.get('registry')!, services.ports.get('console')!]
    assert.equal((await get(registry, '/subjects', null)).status, 401)
    assert.deepEqual(await get(registry, '/subjects', 'admin:admin-pw'), { status: 200, body: '[]', server: 'broker' })
    assert.equal((await get(page, '/api/session', 'alice:alice-pw')).status, 200)
    const users = await admin.scramUsers()
    assert.deepEqual(
      users.map(({ user }) => user),
      ['millrace-services'],
    )
    const [schemas] = await admin.topics(['_schemas'])
    assert.equal(schemas!.partitions.length, 1, 'its ACLs let it create its topic')
    await system.files.replaceFile(store, readFileSync(fixture('broker2.pem')))
    await eventually(async () => (await get(registry, '/subjects', 'admin:admin-pw')).server === 'broker2', attempts)
    await system.files.replaceFile(store, Buffer.from('damaged'))
    await eventually(() => warned.some(message => message.startsWith('the key store of the services is invalid')), attempts)
    assert.equal((await get(registry, '/subjects', 'admin:admin-pw')).status, 200)
  } finally {
    await services.close()
  }
})

test('the ACLs of the services are made with their user, and not again, and its password is new at each start', async t => {
  const { begin, admin } = await startAll(t, { services: 'console' })
  const ofServices = () => admin.acls({ principal: 'User:millrace-services' })
  await (await begin()).close()
  const made = await ofServices()
  assert.ok(made.some(({ resourceName, operation }) => resourceName === '_schemas' && operation === 'WRITE'))
  assert.ok(!made.some(({ operation }) => ['ALL', 'ALTER', 'CLUSTER_ACTION', 'ALTER_CONFIGS', 'DELETE'].includes(operation)))
  await admin.deleteAcls([{ principal: 'User:millrace-services' }])
  await (await begin()).close()
  assert.deepEqual(await ofServices(), [])
})

test('what would let everybody in, or cannot work, is refused before the broker starts', () => {
  const refused: [Record<string, string>, RegExp][] = [
    [
      { 'services.host': '0.0.0.0' },
      /services\.host: 0\.0\.0\.0 can be reached from other machines, but the broker requires no login there/,
    ],
    [{ 'services.host': '' }, /services\.host: \(all addresses\)/],
    [{ 'services.host': '192.0.2.1' }, /services\.host: 192\.0\.2\.1/],
    [{ 'services.listener': 'INSIDE' }, /services\.listener: there is no listener INSIDE/],
    [{ 'services.tls': 'true' }, /services\.tls: the listener PLAINTEXT has no key store/],
    [{ 'console.oidc.issuer': 'https://id.example' }, /console\.oidc\.client\.id: it is required/],
    [{ 'console.oidc.issuer': 'https://id.example', 'console.oidc.client.id': 'c', 'console.oidc.scopes': 'email' }, /openid must be one/],
    [
      { listeners: 'SASL_PLAINTEXT://:0', 'sasl.enabled.mechanisms': 'PLAIN' },
      /services\.client\.config: .*SASL_PLAINTEXT offers no SCRAM/,
    ],
    [{ listeners: 'SSL://:0', 'ssl.client.auth': 'required' }, /services\.listener: SSL requires client certificates/],
    [
      { listeners: 'SASL_PLAINTEXT://:0', 'services.client.config': '/nonexistent' },
      /services\.client\.config: file not found: \/nonexistent/,
    ],
  ]
  const plan = (set: Record<string, string>) => planServices(loadBrokerConfig({ set: { services: 'console', ...set } }), realSystem())
  for (const [set, message] of refused) assert.throws(() => plan(set), { name: 'UsageError', message })
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) assert.equal(plan({ 'services.host': host }).login, null)
  const secure = { listeners: 'SASL_PLAINTEXT://:0', 'sasl.enabled.mechanisms': 'SCRAM-SHA-256', 'services.host': '0.0.0.0' }
  assert.equal(plan(secure).login?.user, 'millrace-services')
})

test('a broker whose configuration does not speak of services starts without them where they cannot work', () => {
  const warned: { reason: string }[] = []
  const logger = { warn: (details: object) => void warned.push(details as { reason: string }) }
  const plan = (set: Record<string, string>) => planIfWanted(loadBrokerConfig({ set }), realSystem(), logger)
  assert.notEqual(plan({}), null)
  assert.equal(warned.length, 0)
  const impossible = { listeners: 'SSL://:0', 'ssl.client.auth': 'required' }
  assert.equal(plan(impossible), null)
  assert.match(warned[0]!.reason, /SSL requires client certificates/)
  for (const [key, value] of Object.entries({
    services: 'console',
    'services.tls': 'true',
    'console.port': '0',
    'schema.registry.url': 'http://r',
  }))
    assert.throws(() => plan({ ...impossible, [key]: value }), { name: 'UsageError' }, key)
})
