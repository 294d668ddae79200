import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { type Client, ClientError } from '../client.ts'
import { openActing, principalProblem } from './acting.ts'

const actingWith = (ownProperties: Record<string, string>, createToken: Client['createToken'] = () => assert.fail('no token is made')) =>
  openActing({
    bootstrap: '127.0.0.1:1',
    ownProperties,
    own: { createToken } as Client,
    system: realSystem(),
    logger: { warn() {} },
  })
const scram = {
  'security.protocol': 'SASL_PLAINTEXT',
  'sasl.mechanism': 'SCRAM-SHA-256',
  'sasl.username': 'millrace-services',
  'sasl.password': 'x',
}

test('one may use oneself, and anybody whom one could make anyway', async () => {
  const acting = actingWith(scram)
  const asking = { principal: 'User:alice', key: '1' }
  const with_ = (...rights: ('ALTER' | 'DESCRIBE')[]) => ({ clusterRights: async () => new Set(rights) })
  assert.equal(await acting.mayUse('User:alice', asking, with_()), true)
  assert.equal(await acting.mayUse('User:bob', asking, with_('DESCRIBE')), false)
  assert.equal(await acting.mayUse('User:millrace-services', asking, with_('DESCRIBE')), false)
  assert.equal(await acting.mayUse('User:bob', asking, with_('ALTER')), true)
})

test('the services are themselves without a token, and nobody is known by name where nobody logs in', async () => {
  assert.equal(await actingWith(scram).as('User:millrace-services'), null)
  const jaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="worker" password="x";'
  assert.equal(await actingWith({ 'security.protocol': 'SASL_SSL', 'sasl.jaas.config': jaas }).as('User:worker'), null)
  await assert.rejects(actingWith({}).as('User:alice'), /cannot act as User:alice: the brokers require no login/)
})

test('what the brokers refuse says what is missing', async () => {
  const refusing = (code: string) =>
    actingWith(scram, async () => {
      throw new ClientError(code, code)
    })
  await assert.rejects(refusing('DELEGATION_TOKEN_AUTH_DISABLED').as('User:alice'), /delegation\.token\.secret\.key/)
  await assert.rejects(
    refusing('DELEGATION_TOKEN_AUTHORIZATION_FAILED').as('User:alice'),
    /--principal millrace-services --operation create-tokens --user-principal alice/,
  )
  await assert.rejects(refusing('UNREACHABLE').as('User:alice'), { code: 'UNREACHABLE' })
})

test('what is no principal', () => {
  for (const text of ['alice', 'User:', 'User:*', 'Group:a', 'User:a b', 'User:a\nb', `User:${'a'.repeat(256)}`])
    assert.ok(principalProblem(text), text)
  assert.equal(principalProblem('User:CN=a,O=b'), null)
})
