/** A trigger acts as its principal: the broker sees that user, with its rights and no others. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Acl, type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'
import { until } from './triggers.testing.ts'

const plain = (user: string) => `org.apache.kafka.common.security.plain.PlainLoginModule required username="${user}" password="${user}-pw"`
let broker: Millrace
let admin: Client
let services: RunningServices

before(async () => {
  broker = await startBroker({
    memory: true,
    config: {
      listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${plain('services')} user_services="services-pw" user_alice="alice-pw" user_root="root-pw";`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:root',
      'delegation.token.secret.key': 'secret',
      'group.initial.rebalance.delay.ms': '0',
    },
  })
  admin = openClient({ bootstrap: broker.address })
  const bootstrap = `127.0.0.1:${broker.ports.get('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'services', 'sasl.password': 'services-pw' }
  for (const topic of ['__millrace_triggers', '__millrace_trigger_logs']) await allow('services', 'TOPIC', topic, 'ALL')
  for (const operation of ['CREATE', 'DESCRIBE'] as const) await allow('alice', 'TOPIC', '__millrace_triggers', operation)
  services = await startServices(settingsFor(bootstrap, { services: ['triggers'], properties, ownProperties }), realSystem(), silentLogger)
})
after(async () => {
  for (const name of ['copy', 'own']) await ask('root', 'DELETE', `/triggers/${name}`)
  await until(async () =>
    (await Promise.all(['copy', 'own'].map(name => admin.group(`trigger-${name}`)))).every(({ members }) => members.length === 0),
  )
  await admin.close()
  await services.close()
  await broker.close()
})

async function allow(user: string, resourceType: Acl['resourceType'], resourceName: string, operation: Acl['operation']): Promise<void> {
  await admin.createAcls([
    { resourceType, resourceName, patternType: 'LITERAL', principal: `User:${user}`, host: '*', operation, permission: 'ALLOW' },
  ])
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
async function ask(user: string, method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
  const authorization = `Basic ${Buffer.from(`${user}:${user}-pw`).toString('base64')}`
  const response = await fetch(`http://127.0.0.1:${services.ports.get('triggers')}${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

test('a trigger acts as its principal', async () => {
  for (const name of ['in', 'out']) await admin.createTopic({ name, partitions: 1 })
  const code = 'export const main_handler = ({ Records }) => Records.map(({ Ckafka }) => Ckafka.msgBody)'
  const trigger = {
    name: 'copy',
    topics: ['in'],
    start: 'oldest',
    maxWaitMs: 0,
    function: { code },
    output: { topic: 'out' },
    principal: 'User:bob',
  }
  const others = await ask('alice', 'POST', '/triggers', trigger)
  assert.deepEqual([others.status, others.body.detail], [403, 'to have a trigger act as User:bob takes the right ALTER on the cluster'])
  assert.match((await ask('root', 'POST', '/triggers', { ...trigger, principal: 'bob' })).body.detail, /principal: it must be a user/)
  const noToken = await ask('root', 'POST', '/triggers', trigger)
  assert.equal(noToken.status, 400)
  assert.match(noToken.body.detail, /cannot act as User:bob: .*--operation create-tokens --user-principal bob/)
  await allow('services', 'USER', 'User:bob', 'CREATE_TOKENS')
  const noRights = await ask('root', 'POST', '/triggers', trigger)
  assert.deepEqual([noRights.status, /READ on the topic in is missing/.test(noRights.body.detail)], [403, true])
  await allow('bob', 'TOPIC', 'in', 'READ')
  await allow('bob', 'GROUP', 'trigger-copy', 'READ')
  await allow('bob', 'TOPIC', 'out', 'WRITE')
  const made = await ask('root', 'POST', '/triggers', trigger)
  assert.deepEqual([made.status, made.body.definition.principal], [201, 'User:bob'])
  await admin.send('in', [{ key: null, value: Buffer.from('a') }])
  const state = async () => (await ask('root', 'GET', '/triggers/copy')).body.status
  await until(async () => (await state()).records === 1)
  await admin.send('in', [{ key: null, value: Buffer.from('b') }])
  await until(async () => (await state()).records === 2)
  assert.equal((await ask('alice', 'GET', '/triggers/copy')).status, 403)
  const members = (await admin.group('trigger-copy')).members
  assert.equal(members.length, 1)
})

test('who is allowed no more ends the trigger, and allowed again goes on', async () => {
  const granted = {
    resourceType: 'TOPIC',
    resourceName: 'out',
    patternType: 'LITERAL',
    principal: 'User:bob',
    host: '*',
    operation: 'WRITE',
    permission: 'ALLOW',
  } as const
  await admin.deleteAcls([granted])
  await admin.send('in', [{ key: null, value: Buffer.from('c') }])
  const state = async () => (await ask('root', 'GET', '/triggers/copy')).body.status
  await until(async () => (await state()).state === 'RETRYING')
  const { reason: why, errors, lastError } = await state()
  assert.match(why, /^in-0 has been tried .*uthoriz/)
  assert.deepEqual([errors['delivery'] > 0, lastError.kind], [true, 'delivery'])
  // Who may read the topic, and not see the trigger.
  await allow('alice', 'TOPIC', 'in', 'READ')
  const row = async (user: string) => (await ask(user, 'GET', '/triggers?search=copy')).body.triggers[0]
  await until(async () => /uthoriz/.test((await row('root')).reason ?? ''))
  const { topics, reason } = await row('alice')
  assert.deepEqual([topics, reason], [['in'], null])
  await admin.createAcls([granted])
  await until(async () => (await state()).records >= 3)
})

test('one may use oneself', async () => {
  await allow('services', 'USER', 'User:alice', 'CREATE_TOKENS')
  await allow('alice', 'TOPIC', 'in', 'READ')
  await allow('alice', 'GROUP', 'trigger-own', 'READ')
  const code = 'export const main_handler = () => {}'
  const made = await ask('alice', 'POST', '/triggers', {
    name: 'own',
    topics: ['in'],
    start: 'oldest',
    function: { code },
    principal: 'User:alice',
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  await until(async () => (await ask('alice', 'GET', '/triggers/own')).body.status.records >= 3)
})
