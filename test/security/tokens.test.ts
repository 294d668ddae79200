import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, errorCode, errorName, type InputOf } from '../../src/protocol.ts'
import type { RawClient } from '../support/client.ts'
import { authorizer, scramLogin, startSecured } from './support.ts'

const secret = { 'delegation.token.secret.key': "the broker's secret" }
const day = 86_400_000

async function create(client: RawClient, over: Partial<InputOf<typeof apis.createDelegationToken.request>> = {}) {
  return client.request(apis.createDelegationToken, 3, {
    ownerPrincipalType: null,
    ownerPrincipalName: null,
    renewers: [],
    maxLifetimeMs: -1,
    ...over,
  })
}

async function list(client: RawClient, owners: string[] | null = null): Promise<string[]> {
  const request = { owners: owners?.map(principalName => ({ principalType: 'User', principalName })) ?? null }
  const response = await client.request(apis.describeDelegationToken, 3, request)
  assert.equal(response.errorCode, 0)
  return response.tokens.map(token => token.tokenId)
}

const renew = async (client: RawClient, hmac: Buffer, renewPeriodMs = -1) =>
  client.request(apis.renewDelegationToken, 2, { hmac, renewPeriodMs })
const expire = async (client: RawClient, hmac: Buffer, expiryTimePeriodMs = -1) =>
  client.request(apis.expireDelegationToken, 2, { hmac, expiryTimePeriodMs })

describe('delegation tokens', () => {
  it('are created and described in every version, with their requester from v3 on', async t => {
    const broker = await startSecured(t, secret)
    const alice = await broker.login('alice', 'alice-pw')
    for (const version of [0, 1, 2, 3]) {
      const owner = version < 3 ? '' : null
      const request = { ownerPrincipalType: owner, ownerPrincipalName: owner, renewers: [], maxLifetimeMs: -1 }
      const made = await alice.request(apis.createDelegationToken, version, request)
      assert.equal(made.errorCode, 0)
      assert.deepEqual([made.principalName, made.tokenRequesterPrincipalName], ['alice', version < 3 ? '' : 'alice'])
      const shown = await alice.request(apis.describeDelegationToken, version, { owners: null })
      assert.equal(shown.errorCode, 0)
      assert.ok(shown.tokens.some(token => token.tokenId === made.tokenId && token.principalName === 'alice'))
    }
  })

  it('log in as their owner over SCRAM, may not make others, and end', async t => {
    const broker = await startSecured(t, secret)
    const alice = await broker.login('alice', 'alice-pw')
    const token = await create(alice, { maxLifetimeMs: 1_500 })
    assert.equal(token.errorCode, 0)
    assert.deepEqual([token.principalName, token.tokenRequesterPrincipalName, token.hmac.length], ['alice', 'alice', 64])
    assert.equal(token.maxTimestampMs, Number(token.issueTimestampMs) + 1_500)
    const password = token.hmac.toString('base64')
    const bearer = await broker.connect('SASL_PLAINTEXT')
    const lifetimeMs = await scramLogin(bearer, token.tokenId, password, ',tokenauth=true')
    assert.ok(lifetimeMs > 0 && lifetimeMs <= 1_500)
    const connections = [...(broker.running.broker.metrics.connections as ReadonlySet<{ principal?: string }>)]
    assert.equal(connections.at(-1)!.principal, 'User:alice')
    const refused = errorCode('DELEGATION_TOKEN_REQUEST_NOT_ALLOWED')
    assert.equal((await create(bearer)).errorCode, refused)
    assert.equal((await renew(bearer, token.hmac)).errorCode, refused)
    assert.equal((await expire(bearer, token.hmac)).errorCode, refused)
    assert.equal((await bearer.request(apis.describeDelegationToken, 3, { owners: null })).errorCode, refused)
    for (const [id, word, extension] of [
      [token.tokenId, password, ''],
      [token.tokenId, 'wrong', ',tokenauth=true'],
      ['none', password, ',tokenauth=true'],
    ] as const) {
      await assert.rejects(scramLogin(await broker.connect('SASL_PLAINTEXT'), id, word, extension), /invalid credentials/)
    }
    await sleep(1_550)
    await assert.rejects(
      scramLogin(await broker.connect('SASL_PLAINTEXT'), token.tokenId, password, ',tokenauth=true'),
      /invalid credentials/,
    )
    assert.equal((await renew(alice, token.hmac)).errorCode, errorCode('DELEGATION_TOKEN_EXPIRED'))
  })

  it('last a day, are renewed up to a week, by owner and renewers only', async t => {
    const broker = await startSecured(t, { ...secret, ...authorizer })
    const [alice, bob, admin] = [
      await broker.login('alice', 'alice-pw'),
      await broker.login('bob', 'bob-pw'),
      await broker.login('admin', 'admin-pw'),
    ]
    const token = await create(alice, { renewers: [{ principalType: 'User', principalName: 'bob' }] })
    assert.equal(Number(token.expiryTimestampMs) - Number(token.issueTimestampMs), day)
    assert.equal(Number(token.maxTimestampMs) - Number(token.issueTimestampMs), 7 * day)
    assert.equal((await renew(admin, token.hmac)).errorCode, errorCode('DELEGATION_TOKEN_OWNER_MISMATCH'))
    assert.equal((await expire(admin, token.hmac)).errorCode, errorCode('DELEGATION_TOKEN_OWNER_MISMATCH'))
    assert.equal((await renew(bob, Buffer.alloc(64))).errorCode, errorCode('DELEGATION_TOKEN_NOT_FOUND'))
    const renewed = await renew(bob, token.hmac, 30 * day)
    assert.ok(
      renewed.errorCode === 0 && renewed.expiryTimestampMs >= token.expiryTimestampMs && renewed.expiryTimestampMs <= Date.now() + day,
    )
    const later = await expire(alice, token.hmac, 30 * day)
    assert.equal(later.expiryTimestampMs, token.maxTimestampMs)
    assert.equal((await expire(bob, token.hmac)).errorCode, 0)
    assert.equal((await renew(bob, token.hmac)).errorCode, errorCode('DELEGATION_TOKEN_NOT_FOUND'))
    assert.equal(
      errorName((await create(alice, { renewers: [{ principalType: 'Group', principalName: 'x' }] })).errorCode),
      'INVALID_PRINCIPAL_TYPE',
    )
  })

  it('are made for others, and shown to others, only to who may', async t => {
    const broker = await startSecured(t, { ...secret, ...authorizer })
    const [alice, bob, admin] = [
      await broker.login('alice', 'alice-pw'),
      await broker.login('bob', 'bob-pw'),
      await broker.login('admin', 'admin-pw'),
    ]
    const forAlice = { ownerPrincipalType: 'User', ownerPrincipalName: 'alice' }
    assert.equal(errorName((await create(bob, forAlice)).errorCode), 'DELEGATION_TOKEN_AUTHORIZATION_FAILED')
    const token = await create(admin, forAlice)
    assert.deepEqual([token.principalName, token.tokenRequesterPrincipalName], ['alice', 'admin'])
    assert.deepEqual(await list(alice), [token.tokenId])
    assert.deepEqual(await list(admin), [token.tokenId])
    assert.deepEqual(await list(bob), [])
    assert.deepEqual(await list(admin, ['bob']), [])
    assert.deepEqual(await list(admin, []), [])
    const creation = {
      resourceType: 7,
      resourceName: 'User:alice',
      resourcePatternType: 3,
      principal: 'User:bob',
      host: '*',
      operation: 14,
      permissionType: 3,
    }
    await admin.request(apis.createAcls, 3, { creations: [creation] })
    assert.deepEqual(await list(bob), [token.tokenId])
    assert.equal(JSON.stringify(broker.lines).includes(token.hmac.toString('base64')), false, 'a password in the log')
  })

  it('need a secret, and a client that said who it is', async t => {
    const without = await startSecured(t)
    const alice = await without.login('alice', 'alice-pw')
    assert.equal(errorName((await create(alice)).errorCode), 'DELEGATION_TOKEN_AUTH_DISABLED')
    assert.equal(
      (await alice.request(apis.describeDelegationToken, 3, { owners: null })).errorCode,
      errorCode('DELEGATION_TOKEN_AUTH_DISABLED'),
    )
    const broker = await startSecured(t, secret)
    const open = await broker.connect('PLAINTEXT')
    assert.equal(errorName((await create(open)).errorCode), 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED')
  })

  it('of one principal are limited in number and size', async t => {
    const broker = await startSecured(t, { ...secret, 'max.delegation.tokens.per.principal': '2' })
    const [alice, bob] = [await broker.login('alice', 'alice-pw'), await broker.login('bob', 'bob-pw')]
    const long = { principalType: 'User', principalName: 'x'.repeat(2_000) }
    assert.equal(errorName((await create(alice, { renewers: [long, long, long] })).errorCode), 'INVALID_REQUEST')
    assert.equal((await create(alice, { renewers: [long, long] })).errorCode, 0)
    const second = await create(alice)
    assert.equal(errorName((await create(alice)).errorCode), 'POLICY_VIOLATION')
    assert.equal((await create(bob)).errorCode, 0)
    assert.equal((await expire(alice, second.hmac)).errorCode, 0)
    assert.equal((await create(alice)).errorCode, 0)
  })

  it('are forgotten some time after they ended', async t => {
    const broker = await startSecured(t, { ...secret, 'delegation.token.expiry.check.interval.ms': '30' })
    const alice = await broker.login('alice', 'alice-pw')
    await create(alice, { maxLifetimeMs: 40 })
    assert.equal((await list(alice)).length, 1)
    await sleep(200)
    assert.equal((await list(alice)).length, 0)
  })
})
