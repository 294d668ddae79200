import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadBrokerConfig } from '../../src/broker.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import { connect, requestBytes } from '../support/client.ts'
import { addScramUser, authorizer, handshake, plainLogin, scramLogin, startSecured } from './support.ts'

const metadataRequest = { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }

describe('SASL', () => {
  it('lets in with PLAIN and with SCRAM, several mechanisms on one listener', async t => {
    const broker = await startSecured(t)
    const client = await broker.connect('SASL_PLAINTEXT')
    assert.deepEqual(await handshake(client, 'PLAIN'), ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    const response = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0alice\0alice-pw') })
    assert.equal(response.errorCode, 0)
    assert.equal((await client.request(apis.metadata, 12, metadataRequest)).brokers.length, 1)
    assert.equal(await addScramUser(client, 'carol', 'carol-pw'), 0)
    const carol = await broker.connect('SASL_PLAINTEXT')
    assert.equal(await scramLogin(carol, 'carol', 'carol-pw'), 0)
    assert.equal((await carol.request(apis.metadata, 12, metadataRequest)).brokers.length, 1)
  })

  it('takes tokens without requests around them after a handshake of v0', async t => {
    const broker = await startSecured(t)
    const client = await broker.connect('SASL_PLAINTEXT')
    await handshake(client, 'PLAIN', 0)
    const token = Buffer.from('\0alice\0alice-pw')
    const size = Buffer.alloc(4)
    size.writeInt32BE(token.length)
    client.send(Buffer.concat([size, token]))
    assert.equal((await client.nextFrame()).length, 0)
    assert.equal((await client.request(apis.metadata, 1, { topics: null })).brokers.length, 1)
    const wrong = await broker.connect('SASL_PLAINTEXT')
    await handshake(wrong, 'PLAIN', 0)
    size.writeInt32BE(4)
    wrong.send(Buffer.concat([size, Buffer.from('\0a\0b')]))
    await wrong.closed
  })

  it('says the same of an unknown user and a wrong password, late, and closes', async t => {
    const broker = await startSecured(t, { 'connection.failed.authentication.delay.ms': '150' })
    const admin = await broker.login('admin', 'admin-pw')
    await addScramUser(admin, 'carol', 'carol-pw')
    const attempt = async (login: typeof plainLogin | typeof scramLogin, user: string) => {
      const client = await broker.connect('SASL_PLAINTEXT')
      const start = performance.now()
      const reason = await login(client, user, 'wrong').then(
        () => 'let in',
        (error: Error) => error.message,
      )
      assert.ok(performance.now() - start >= 145)
      await client.closed
      return reason
    }
    assert.equal(await attempt(plainLogin, 'alice'), 'Authentication failed: Invalid username or password')
    assert.equal(await attempt(plainLogin, 'nobody'), await attempt(plainLogin, 'alice'))
    const general = 'Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256'
    assert.equal(await attempt(scramLogin, 'carol'), general)
    assert.equal(await attempt(scramLogin, 'nobody'), general)
    const failures = broker.lines.filter(line => line.message === 'audit: authentication failed')
    assert.equal(failures.length, 5)
    assert.ok(failures.every(line => line.level === 'info'))
    assert.equal(JSON.stringify(broker.lines).includes('-pw'), false, 'a password in the log')
  })

  it('closes on everything but the exchange before authentication, whatever it holds', async t => {
    const broker = await startSecured(t)
    for (const begin of [async () => {}, handshake]) {
      for (const bytes of [
        requestBytes(apis.metadata, 12, metadataRequest),
        requestBytes(apis.produce, 9, { transactionalId: null, acks: 1, timeoutMs: 1, topicData: [] }),
        begin === handshake
          ? requestBytes(apis.saslHandshake, 1, { mechanism: 'PLAIN' })
          : requestBytes(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0alice\0alice-pw') }),
        Buffer.from('00000002ffff', 'hex'),
      ]) {
        const client = await broker.connect('SASL_PLAINTEXT')
        await begin(client, 'PLAIN')
        client.send(bytes)
        await client.closed
      }
    }
  })

  it('answers ApiVersions first, and says which mechanisms there are to who asks for another', async t => {
    const broker = await startSecured(t)
    const client = await broker.connect('SASL_PLAINTEXT')
    const software = { clientSoftwareName: 'a', clientSoftwareVersion: '1' }
    const keys = (await client.request(apis.apiVersions, 3, software)).apiKeys.map(api => api.apiKey)
    assert.ok([17, 36].every(key => keys.includes(key)))
    const response = await client.request(apis.saslHandshake, 1, { mechanism: 'GSSAPI' })
    assert.equal(response.errorCode, errorCode('UNSUPPORTED_SASL_MECHANISM'))
    assert.deepEqual(response.mechanisms, ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    await client.closed
  })

  it('has no SASL on a listener that asks for none, and none twice', async t => {
    const broker = await startSecured(t)
    const open = await broker.connect('PLAINTEXT')
    const illegal = errorCode('ILLEGAL_SASL_STATE')
    assert.equal((await open.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })).errorCode, illegal)
    assert.equal((await open.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0alice\0alice-pw') })).errorCode, illegal)
    const alice = await broker.login('alice', 'alice-pw')
    assert.equal((await alice.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })).errorCode, illegal)
    assert.equal((await alice.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0admin\0admin-pw') })).errorCode, illegal)
  })

  it('bounds frames before authentication, and only before', async t => {
    const broker = await startSecured(t)
    const client = await broker.connect('SASL_PLAINTEXT')
    const size = Buffer.alloc(4)
    size.writeInt32BE(524_289)
    client.send(size)
    await client.closed
    const alice = await broker.login('alice', 'alice-pw')
    const names = Array.from({ length: 30_000 }, (_, n) => ({ name: `a-topic-that-nobody-has-${n}` }))
    assert.equal((await alice.request(apis.metadata, 4, { topics: names, allowAutoTopicCreation: false })).topics.length, 30_000)
  })

  it('does not wait for ever for who does not authenticate', async t => {
    const broker = await startSecured(t, { 'connection.authentication.deadline.ms': '200' })
    const silent = await broker.connect('SASL_PLAINTEXT')
    const alice = await broker.login('alice', 'alice-pw')
    const open = await broker.connect('PLAINTEXT')
    await silent.closed
    await sleep(50)
    assert.deepEqual([alice.isClosed, open.isClosed], [false, false])
  })

  it('ends sessions that are not renewed, and renews them for the same principal only', async t => {
    const broker = await startSecured(t, { 'listener.name.sasl_plaintext.plain.connections.max.reauth.ms': '1200' })
    const lapsed = await broker.connect('SASL_PLAINTEXT')
    assert.equal(await plainLogin(lapsed, 'alice', 'alice-pw'), 1200)
    const renewed = await broker.login('alice', 'alice-pw')
    const changed = await broker.login('alice', 'alice-pw')
    await addScramUser(renewed, 'alice', 'alice-pw')
    const other = await broker.login('alice', 'alice-pw')
    await sleep(1_000)
    assert.equal(await plainLogin(renewed, 'alice', 'alice-pw'), 1200)
    const refusal = 'Cannot change principals during re-authentication from User.alice: User.bob'
    await assert.rejects(plainLogin(changed, 'bob', 'bob-pw'), { message: refusal })
    await changed.closed
    await assert.rejects(
      scramLogin(other, 'alice', 'alice-pw'),
      /'SCRAM-SHA-256' requested by client is not supported for re-authentication/,
    )
    await sleep(300)
    assert.equal((await renewed.request(apis.metadata, 12, metadataRequest)).brokers.length, 1)
    lapsed.send(requestBytes(apis.metadata, 12, metadataRequest))
    await lapsed.closed
  })

  it('refuses to start with what it cannot do', async () => {
    const start = (set: Record<string, string>) => startSecured({ after() {} } as never, set)
    await assert.rejects(start({ 'sasl.enabled.mechanisms': 'GSSAPI' }), /GSSAPI is not supported; the mechanisms are PLAIN/)
    const users = 'listener.name.sasl_plaintext.plain.sasl.jaas.config'
    await assert.rejects(start({ [users]: 'no module' }), new RegExp(`${users}: it must start with`))
    const secret = start({ [users]: 'a.Module required user_a="secret' })
    await assert.rejects(secret, (error: Error) => /not closed/.test(error.message) && !error.message.includes('secret'))
    assert.throws(() => loadBrokerConfig({ set: { 'super.users': 'admin' } }), /super.users: expected a string in format/)
  })
})

describe('AlterUserScramCredentials', () => {
  it('limits iterations, requires a name, and reveals no keys', async t => {
    const broker = await startSecured(t, authorizer)
    const admin = await broker.connect('PLAINTEXT')
    const unacceptable = errorCode('UNACCEPTABLE_CREDENTIAL')
    assert.equal(await addScramUser(admin, 'carol', 'pw', 4095), unacceptable)
    assert.equal(await addScramUser(admin, 'carol', 'pw', 16_385), unacceptable)
    assert.equal(await addScramUser(admin, '', 'pw'), unacceptable)
    assert.equal(await addScramUser(admin, 'carol', 'pw', 16_384), 0)
    const described = await admin.request(apis.describeUserScramCredentials, 0, { users: null })
    assert.deepEqual(
      described.results.map(({ user, credentialInfos }) => [user, credentialInfos]),
      [['carol', [{ mechanism: 1, iterations: 16_384 }]]],
    )
    const names = ['carol', 'nobody', 'twice', 'twice'].map(name => ({ name }))
    const some = await admin.request(apis.describeUserScramCredentials, 0, { users: names })
    const expected = [0, errorCode('RESOURCE_NOT_FOUND'), errorCode('DUPLICATE_RESOURCE')]
    assert.deepEqual(
      some.results.map(result => result.errorCode),
      expected,
    )
    const remove = {
      deletions: [
        { name: 'carol', mechanism: 1 },
        { name: 'carol', mechanism: 2 },
        { name: 'x', mechanism: 1 },
        { name: 'y', mechanism: 9 },
      ],
      upsertions: [],
    }
    const refused = await admin.request(apis.alterUserScramCredentials, 0, remove)
    const byUser = new Map(refused.results.map(result => [result.user, result.errorCode]))
    assert.equal(byUser.get('carol'), errorCode('DUPLICATE_RESOURCE'))
    assert.equal(byUser.get('x'), errorCode('RESOURCE_NOT_FOUND'))
    assert.equal(byUser.get('y'), errorCode('UNSUPPORTED_SASL_MECHANISM'))
    await admin.request(apis.alterUserScramCredentials, 0, { deletions: [{ name: 'carol', mechanism: 1 }], upsertions: [] })
    const carol = await connect(broker.port('SASL_PLAINTEXT'))
    await assert.rejects(scramLogin(carol, 'carol', 'pw'), /invalid credentials/)
  })

  it('is for those who may alter the cluster', async t => {
    const broker = await startSecured(t, authorizer)
    const alice = await broker.login('alice', 'alice-pw')
    assert.equal(await addScramUser(alice, 'carol', 'pw'), errorCode('CLUSTER_AUTHORIZATION_FAILED'))
    const described = await alice.request(apis.describeUserScramCredentials, 0, { users: null })
    assert.equal(described.errorCode, errorCode('CLUSTER_AUTHORIZATION_FAILED'))
  })
})
