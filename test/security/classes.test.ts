/**
 * Classes of past vulnerabilities of Kafka and similar software that no other test covers; docs/security.md maps classes to tests.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import { get } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { describe, it, mock } from 'node:test'
import { apis, buildBatch, errorName } from '../../src/protocol.ts'
import { createTopic, type RawClient } from '../support/client.ts'
import { addScramUser, authorizer, plainLogin, scramLogin, startSecured } from './support.ts'

const secrets = ['alice-pw', 'hunter-key', 'hunter-store', 'hunter-jaas', 'hunter-token', 'hunter-scram', 'hunter-wrong', 'hunter-dynamic']

describe('secrets', () => {
  it('are in no log line at any level, no answer, no metric (CVE-2019-12399, CVE-2026-33558)', async t => {
    const scramJaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="x" password="hunter-jaas";'
    const broker = await startSecured(t, {
      ...authorizer,
      'http.listen': '127.0.0.1:0',
      'ssl.key.password': 'hunter-key',
      'listener.name.other.ssl.keystore.password': 'hunter-store',
      'sasl.jaas.config': scramJaas,
      'delegation.token.secret.key': 'hunter-token',
    })
    const admin = await broker.connect('PLAINTEXT')
    await addScramUser(admin, 'carol', 'hunter-scram')
    const answers: unknown[] = []
    const attempt = async (login: Promise<unknown>) => answers.push(await login.catch((error: Error) => error.message))
    const another = () => broker.connect('SASL_PLAINTEXT')
    await attempt(plainLogin(await another(), 'alice', 'alice-pw'))
    await attempt(plainLogin(await another(), 'alice', 'hunter-wrong'))
    await attempt(plainLogin(await another(), 'hunter-wrong', ''))
    await attempt(scramLogin(await another(), 'carol', 'hunter-scram'))
    await attempt(scramLogin(await another(), 'carol', 'hunter-wrong'))
    const alice = await broker.login('alice', 'alice-pw')
    const token = await alice.request(apis.createDelegationToken, 3, {
      ownerPrincipalType: null,
      ownerPrincipalName: null,
      renewers: [],
      maxLifetimeMs: -1,
    })
    assert.equal(token.errorCode, 0)
    for (const [name, value] of [
      ['listener.name.sasl_plaintext.ssl.key.password', 'hunter-dynamic'],
      ['listener.name.sasl_plaintext.plain.sasl.jaas.config', 'no module, hunter-dynamic'],
      ['listener.name.sasl_plaintext.sasl.jaas.config', 'a.Module required x="hunter-dynamic'],
      ['ssl.keystore.key', 'hunter-dynamic, which is no key'],
    ] as const) {
      const resources = [{ resourceType: 4, resourceName: '1', configs: [{ name, configOperation: 0, value }] }]
      answers.push(await admin.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false }))
    }
    const everyConfig = { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }] }
    const described = await admin.request(apis.describeConfigs, 4, { ...everyConfig, includeSynonyms: true, includeDocumentation: true })
    const sensitive = described.results[0]!.configs.filter(config => config.isSensitive)
    assert.ok(sensitive.length > 10)
    assert.ok(sensitive.every(({ value, synonyms }) => value === null && synonyms.every(synonym => synonym.value === null)))
    answers.push(described, await admin.request(apis.describeUserScramCredentials, 0, { users: null }))
    const said = [JSON.stringify(broker.lines), JSON.stringify(answers), await page(broker.running.httpPort!)].join('\n')
    assert.ok(broker.lines.length > 10 && said.includes('millrace'))
    for (const secret of [...secrets, token.hmac.toString('base64'), token.hmac.toString('hex')]) {
      assert.ok(!said.includes(secret), `${secret} was told`)
      assert.ok(!said.includes(Buffer.from(secret).toString('base64').replace(/=+$/, '')), `${secret} was told in base64`)
    }
  })

  it('are compared in constant time, whether or not there is such a user (CVE-2021-38153)', async t => {
    const compared = mock.method(crypto, 'timingSafeEqual')
    syncBuiltinESMExports()
    t.after(() => {
      compared.mock.restore()
      syncBuiltinESMExports()
    })
    const broker = await startSecured(t)
    const admin = await broker.login('admin', 'admin-pw')
    await addScramUser(admin, 'carol', 'carol-pw')
    for (const [login, user, password] of [
      [plainLogin, 'alice', 'alice-pw'],
      [plainLogin, 'alice', 'wrong'],
      [plainLogin, 'nobody', 'wrong'],
      [scramLogin, 'carol', 'carol-pw'],
      [scramLogin, 'carol', 'wrong'],
      [scramLogin, 'nobody', 'wrong'],
    ] as const) {
      const before = compared.mock.callCount()
      await login(await broker.connect('SASL_PLAINTEXT'), user, password).catch(() => {})
      assert.equal(compared.mock.callCount() - before, 1, `${login.name} ${user} ${password}`)
    }
  })
})

describe('transactional ids', () => {
  it('are of no use to who may only write to the topic (CVE-2018-17196)', async t => {
    const broker = await startSecured(t, authorizer)
    const admin = await broker.connect('PLAINTEXT')
    await createTopic(admin, 'there')
    const creations = [3, 4].map(operation => ({
      resourceType: 2,
      resourceName: 'there',
      resourcePatternType: 3,
      principal: 'User:alice',
      host: '*',
      operation,
      permissionType: 3,
    }))
    await admin.request(apis.createAcls, 3, { creations })
    const alice = await broker.login('alice', 'alice-pw')
    const records = buildBatch({
      records: [{ key: null, value: Buffer.from('x'), headers: [] }],
      timestamp: Date.now(),
      producerId: 7,
      producerEpoch: 0,
      baseSequence: 0,
      isTransactional: true,
    })
    for (const version of [7, 9, 12]) {
      const send = async (transactionalId: string | null) => {
        const topicData = [{ name: 'there', partitionData: [{ index: 0, records }] }]
        const response = await alice.request(apis.produce, version, { transactionalId, acks: -1, timeoutMs: 1000, topicData })
        return errorName(response.responses[0]!.partitionResponses[0]!.errorCode)
      }
      assert.equal(await send("somebody else's"), 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
      assert.notEqual(await send(null), 'NONE', 'a transactional batch without an id')
    }
    const errors = await speakFor(alice, "somebody else's")
    assert.deepEqual(new Set(errors), new Set(['TRANSACTIONAL_ID_AUTHORIZATION_FAILED']))
    // Nothing came in, and no transaction was begun.
    const { topics } = await admin.request(apis.describeProducers, 0, { topics: [{ name: 'there', partitionIndexes: [0] }] })
    assert.deepEqual(topics[0]!.partitions[0]!.activeProducers, [])
  })

  it('end only by their coordinator: WriteTxnMarkers is for brokers', async t => {
    const broker = await startSecured(t, authorizer)
    const admin = await broker.connect('PLAINTEXT')
    await createTopic(admin, 'there')
    const alice = await broker.login('alice', 'alice-pw')
    const response = await alice.request(apis.writeTxnMarkers, 1, {
      markers: [
        {
          producerId: 1,
          producerEpoch: 0,
          transactionResult: true,
          topics: [{ name: 'there', partitionIndexes: [0] }],
          coordinatorEpoch: 0,
        },
      ],
    })
    const errors = response.markers.flatMap(marker =>
      marker.topics.flatMap(topic => topic.partitions.map(each => errorName(each.errorCode))),
    )
    assert.deepEqual(errors, ['CLUSTER_AUTHORIZATION_FAILED'])
  })
})

describe('the log', () => {
  it('has one line for each event, whatever clients call themselves', () => {
    const forged = 'x\n{"level":30,"msg":"audit: access allowed"}\r\n\u001b[2J\u2028'
    const script = `
      import { jsonLogger } from ${JSON.stringify(new URL('../../src/logger.ts', import.meta.url).href)}
      jsonLogger('debug').info({ principal: process.argv[1], clientId: process.argv[1] }, 'audit: access denied')`
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, forged], { encoding: 'utf8' })
    const lines = stderr.trimEnd().split(/\r|\n/)
    assert.equal(lines.length, 1)
    assert.ok(!stderr.includes('\u001b'), 'an escape sequence')
    assert.equal(JSON.parse(lines[0]!).principal, forged)
  })
})

/** Everything that a transactional producer may ask for; the errors. */
async function speakFor(client: RawClient, transactionalId: string): Promise<string[]> {
  const producer = { transactionalId, producerId: 7, producerEpoch: 0 }
  const added = await client.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: transactionalId,
    v3AndBelowProducerId: 7,
    v3AndBelowProducerEpoch: 0,
    v3AndBelowTopics: [{ name: 'there', partitions: [0] }],
  })
  const offsets = await client.request(apis.addOffsetsToTxn, 3, { ...producer, groupId: 'g' })
  const ended = await client.request(apis.endTxn, 3, { ...producer, committed: true })
  const init = await client.request(apis.initProducerId, 4, {
    transactionalId,
    transactionTimeoutMs: 1000,
    producerId: -1,
    producerEpoch: -1,
  })
  const described = await client.request(apis.describeTransactions, 0, { transactionalIds: [transactionalId] })
  const codes = [
    ...added.resultsByTopicV3AndBelow.flatMap(topic => topic.resultsByPartition.map(each => each.partitionErrorCode)),
    offsets.errorCode,
    ended.errorCode,
    init.errorCode,
    described.transactionStates[0]!.errorCode,
  ]
  return codes.map(errorName)
}

function page(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, path: '/metrics' }, response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}
