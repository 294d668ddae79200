/** How brokers reach each other: by the inter-broker listener, with their own credentials, and with errors that pass. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { eventually, startTwo, type TwoBrokers } from './two-brokers.ts'

const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../security/fixtures/${name}`, import.meta.url)), 'utf8')
const authorizer = 'org.apache.kafka.metadata.authorizer.StandardAuthorizer'

/** The error of a first batch whose transaction the other broker coordinates, and whether its marker arrives. */
async function transact(two: TwoBrokers): Promise<string> {
  const transactionalId = two.nameAt(0, name => two.broker(0).transactions.partitionFor(name))
  const session = await two.call(0, apis.initProducerId, 5, { transactionalId, transactionTimeoutMs: 60_000 })
  const { producerId, producerEpoch } = session
  const records = [{ key: null, value: Buffer.from('a') }]
  const { responses } = await two.call(1, apis.produce, 12, {
    transactionalId,
    acks: -1,
    timeoutMs: 5_000,
    topicData: [
      {
        name: 't',
        partitionData: [{ index: 1, records: buildBatch({ producerId, producerEpoch, records, baseSequence: 0, isTransactional: true }) }],
      },
    ],
  })
  const error = errorName(responses[0]!.partitionResponses[0]!.errorCode)
  if (error !== 'NONE') return error
  const ended = await two.call(0, apis.endTxn, 5, { transactionalId, producerId, producerEpoch, committed: true })
  assert.equal(errorName(ended.errorCode), 'NONE')
  const log = two.broker(1).metadata.partitionByName('t', 1)!
  await eventually(() => log.lastStableOffset === 2)
  return 'NONE'
}

const module = 'org.apache.kafka.common.security.plain.PlainLoginModule'
const internal = (protocol: string, more: Record<string, string>) => ({
  listeners: 'PLAINTEXT://127.0.0.1:0,INTERNAL://127.0.0.1:0',
  'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,INTERNAL:${protocol}`,
  'inter.broker.listener.name': 'INTERNAL',
  'authorizer.class.name': authorizer,
  'super.users': 'User:ANONYMOUS;User:broker',
  'sasl.enabled.mechanisms': 'PLAIN',
  'sasl.mechanism.inter.broker.protocol': 'PLAIN',
  'listener.name.internal.plain.sasl.jaas.config': `${module} required username="broker" password="pw" user_broker="pw";`,
  'connection.failed.authentication.delay.ms': '20',
  ...more,
})

const startInternal = (t: TestContext, protocol: string, more: Record<string, string> = {}) => startTwo(t, internal(protocol, more))

test('by SASL, with the user name and password of the listener', async t => {
  assert.equal(await transact(await startInternal(t, 'SASL_PLAINTEXT')), 'NONE')
})

test('by TLS, with the certificate of the listener as a client certificate', async t => {
  const tls = {
    'ssl.keystore.certificate.chain': fixture('broker.pem'),
    'ssl.keystore.key': fixture('broker.pem'),
    'ssl.truststore.certificates': fixture('ca.pem'),
    'ssl.client.auth': 'required',
    'ssl.principal.mapping.rules': 'RULE:^.*$/broker/',
  }
  assert.equal(await transact(await startInternal(t, 'SSL', tls)), 'NONE')
  assert.equal(await transact(await startInternal(t, 'SASL_SSL', tls)), 'NONE')
})

test('a certificate that is not trusted, and a wrong password, are errors that pass for producers', async t => {
  const untrusted = {
    'ssl.keystore.certificate.chain': fixture('broker.pem'),
    'ssl.keystore.key': fixture('broker.pem'),
    'ssl.truststore.certificates': fixture('other-ca.pem'),
  }
  assert.equal(await transact(await startInternal(t, 'SSL', untrusted)), 'NOT_ENOUGH_REPLICAS')
  const jaas = `${module} required username="broker" password="wrong" user_broker="pw";`
  const wrong = { 'listener.name.internal.plain.sasl.jaas.config': jaas }
  assert.equal(await transact(await startInternal(t, 'SASL_PLAINTEXT', wrong)), 'NOT_ENOUGH_REPLICAS')
})

test('a principal of brokers without CLUSTER_ACTION may not ask', async t => {
  const two = await startInternal(t, 'SASL_PLAINTEXT', { 'super.users': 'User:ANONYMOUS' })
  assert.equal(await transact(two), 'INVALID_TXN_STATE')
  const acl = { resourceType: 4, resourceName: 'kafka-cluster', resourcePatternType: 3, host: '*', operation: 9, permissionType: 3 }
  for (const id of [0, 1]) {
    const { results } = await two.call(id, apis.createAcls, 3, { creations: [{ ...acl, principal: 'User:broker' }] })
    assert.equal(results[0]!.errorCode, 0)
  }
  assert.equal(await transact(two), 'NONE')
})

test('another broker at the address of a broker, and one that says nothing, count as away', async t => {
  const two = await startTwo(t, { 'request.timeout.ms': '300' })
  // Broker 1 finds itself.
  await two.reach(0, two.port(1))
  assert.equal(await transact(two), 'NOT_ENOUGH_REPLICAS')
  const silent = createServer(socket => socket.on('error', () => {}))
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.after(() => silent.close())
  await two.reach(0, (silent.address() as { port: number }).port)
  assert.equal(await transact(two), 'NOT_ENOUGH_REPLICAS')
  await two.reach(0)
  assert.equal(await transact(two), 'NONE')
})
