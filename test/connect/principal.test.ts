/** A connector acts as its principal: the broker sees that user, with its rights and no others. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { linesOf } from './plugin.ts'
import { eventually, runs, startWorkers, type TestWorker, type Workers } from './workers.ts'

let workers: Workers
let worker: TestWorker

const plain = (user: string) => `org.apache.kafka.common.security.plain.PlainLoginModule required username="${user}" password="${user}-pw"`

before(async () => {
  workers = await startWorkers({
    config: {
      listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${plain('services')} user_services="services-pw";`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
      'delegation.token.secret.key': 'secret',
      // Tokens are renewed after half of that.
      'delegation.token.expiry.time.ms': '2000',
    },
    login: {
      listener: 'SASL_PLAINTEXT',
      properties: { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN', 'sasl.jaas.config': `${plain('services')};` },
    },
  })
  await allow('services', 'TOPIC', '*', 'ALL')
  await allow('services', 'GROUP', '*', 'ALL')
  await allow('services', 'TRANSACTIONAL_ID', '*', 'ALL')
  worker = await workers.start()
})
after(() => workers[Symbol.asyncDispose]())

async function allow(
  user: string,
  resourceType: 'TOPIC' | 'GROUP' | 'TRANSACTIONAL_ID' | 'USER',
  resourceName: string,
  operation: 'ALL' | 'READ' | 'WRITE' | 'CREATE_TOKENS',
) {
  const granted = {
    resourceType,
    resourceName,
    patternType: 'LITERAL',
    principal: `User:${user}`,
    host: '*',
    operation,
    permission: 'ALLOW',
  } as const
  await workers.client.createAcls([granted])
}

const send = (values: readonly string[]) =>
  workers.client.send(
    'in',
    values.map(value => ({ key: null, value: Buffer.from(value) })),
  )

test('a connector with a principal needs the right to act as it, and then has just the rights of it', async () => {
  await workers.client.createTopic({ name: 'in' })
  await send(['1', '2'])
  const file = `${workers.directory}/lines`
  const config = { 'connector.class': 'test-sink', topics: 'in', file, principal: 'User:alice' }
  const refused = await worker.ask('PUT', '/connectors/lines/config', config)
  assert.equal(refused.status, 400)
  assert.match(refused.body.message, /cannot act as User:alice: .*--principal services --operation create-tokens --user-principal alice/)
  await allow('services', 'USER', 'User:alice', 'CREATE_TOKENS')
  assert.equal((await worker.ask('PUT', '/connectors/lines/config', config)).status, 201)
  const failed = await worker.until('lines', ({ tasks }) => tasks[0]?.state === 'FAILED')
  assert.match(failed.tasks[0].trace, /Not authorized to access this group/)
  await allow('alice', 'TOPIC', 'in', 'READ')
  await allow('alice', 'GROUP', 'connect-lines', 'READ')
  await eventually(() => linesOf(file).length === 2)
  await worker.until('lines', runs(1))
})

test('it goes on when its token is replaced, also after its connections have ended', async () => {
  const file = `${workers.directory}/lines`
  await new Promise(resolve => setTimeout(resolve, 3_000))
  await send(['3', '4'])
  await eventually(() => linesOf(file).length === 4)
  const { body } = await worker.ask('GET', '/connectors/lines/status')
  assert.ok(runs(1)(body), JSON.stringify(body))
})

test('a source stores its offsets, although its principal may not write where they are', async () => {
  await allow('services', 'USER', 'User:bob', 'CREATE_TOKENS')
  await workers.client.createTopic({ name: 'numbers' })
  await allow('bob', 'TOPIC', 'numbers', 'WRITE')
  const config = { 'connector.class': 'test-source', topic: 'numbers', principal: 'User:bob' }
  assert.equal((await worker.ask('PUT', '/connectors/counts/config', config)).status, 201)
  await eventually(async () => (await worker.ask('GET', '/connectors/counts/offsets')).body.offsets.length > 0)
  await worker.until('counts', runs(1))
})

test('what is no user, and a login of the connector besides, are refused', async () => {
  const config = { 'connector.class': 'test-source', topic: 'numbers', principal: 'bob', 'producer.override.sasl.mechanism': 'PLAIN' }
  const { body } = await worker.ask('PUT', '/connector-plugins/test-source/config/validate', config)
  const errorsOf = (key: string) => body.configs.find((each: { value: { name: string } }) => each.value.name === key).value.errors
  assert.match(errorsOf('principal')[0], /User:name/)
  const both = await worker.ask('PUT', '/connectors/x/config', { ...config, principal: 'User:bob' })
  assert.match(both.body.message, /either a principal or a login of its own/)
})
