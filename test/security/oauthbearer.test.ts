import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Int64 } from '../../src/base.ts'
import { apis, errorCode } from '../../src/protocol.ts'
import type { RawClient } from '../support/client.ts'
import { handshake, type Secured, startSecured } from './support.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
const jwk = (key: KeyObject, more: object) => ({ ...key.export({ format: 'jwk' }), ...more })
const keySet = (...keys: object[]) => Buffer.from(JSON.stringify({ keys }))
const keys = keySet(
  jwk(rsa.publicKey, { kid: 'rsa', use: 'sig' }),
  jwk(ec.publicKey, { kid: 'ec', alg: 'ES256' }),
  jwk(weak.publicKey, { kid: 'weak' }),
  jwk(other.publicKey, { kid: 'encryption', use: 'enc' }),
  { kty: 'oct', kid: 'shared', k: 'c2VjcmV0' },
)

const now = () => Math.floor(Date.now() / 1000)
const claims = (over: object = {}) => ({ iss: 'https://issuer', aud: ['x', 'kafka'], sub: 'alice', iat: now(), exp: now() + 60, ...over })
const encode = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

function jwt(payload: object = claims(), header: object = {}, key: KeyObject = rsa.privateKey): string {
  const signed = `${encode({ alg: 'RS256', kid: 'rsa', ...header })}.${encode(payload)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const prefix = 'listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.'
const config = {
  'sasl.enabled.mechanisms': 'OAUTHBEARER',
  [`${prefix}jwks.endpoint.url`]: 'file:///keys/jwks.json',
  [`${prefix}expected.issuer`]: 'https://issuer',
  [`${prefix}expected.audience`]: 'kafka,other',
}

const start = (t: TestContext, over: Record<string, string> = {}) => startSecured(t, { ...config, ...over }, { '/keys/jwks.json': keys })

interface Outcome {
  client: RawClient
  errorCode: number
  errorMessage: string | null
  sessionLifetimeMs: Int64
}

async function login(broker: Secured, token: string, message = `n,,\u0001auth=Bearer ${token}\u0001\u0001`): Promise<Outcome> {
  const client = await broker.connect('SASL_PLAINTEXT')
  await handshake(client, 'OAUTHBEARER')
  const send = (bytes: Buffer) => client.request(apis.saslAuthenticate, 2, { authBytes: bytes })
  const first = await send(Buffer.from(message))
  if (first.authBytes.length === 0) return { client, ...first }
  assert.equal(first.authBytes.toString(), '{"status":"invalid_token"}')
  return { client, ...(await send(Buffer.from([1]))) }
}

const failed = errorCode('SASL_AUTHENTICATION_FAILED')

async function refused(broker: Secured, token: string, reason: RegExp): Promise<void> {
  const outcome = await login(broker, token)
  assert.equal(outcome.errorCode, failed, String(reason))
  assert.equal(outcome.errorMessage, '{"status":"invalid_token"}')
  const line = broker.lines.filter(each => each.message === 'audit: authentication failed').at(-1)!
  assert.match(String(line.details.reason), reason)
}

describe('OAUTHBEARER', () => {
  it('lets in who shows a token of the issuer, as long as it lives', async t => {
    const broker = await start(t)
    const first = await login(broker, jwt())
    assert.equal(first.errorCode, 0)
    assert.ok(first.sessionLifetimeMs > 50_000 && first.sessionLifetimeMs <= 60_000)
    const principals = [...(broker.running.broker.metrics.connections as ReadonlySet<{ principal?: string }>)].map(each => each.principal)
    assert.deepEqual(principals, ['User:alice'])
    assert.equal((await login(broker, jwt(claims(), { alg: 'ES256', kid: 'ec' }, ec.privateKey))).errorCode, 0)
    const short = await login(broker, jwt(claims({ exp: now() + 1 })))
    assert.ok(short.sessionLifetimeMs <= 1_000)
    await sleep(1_100)
    const request = { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
    await assert.rejects(short.client.request(apis.metadata, 12, request), /closed/)
  })

  it('refuses every token that is not signed as it must be', async t => {
    const broker = await start(t)
    const [header, payload, signature] = jwt().split('.') as [string, string, string]
    await refused(broker, `${encode({ alg: 'none' })}.${payload}.x`, /algorithm is not allowed/)
    await refused(broker, `${encode({ alg: 'none' })}.${payload}.`, /not a signed JWT/)
    await refused(broker, `${encode({ kid: 'rsa' })}.${payload}.${signature}`, /algorithm is not allowed/)
    // A token "signed" with the public key as a shared secret.
    const forged = `${encode({ alg: 'HS256', kid: 'rsa' })}.${payload}`
    const mac = createHmac('sha256', rsa.publicKey.export({ type: 'spki', format: 'pem' }))
      .update(forged)
      .digest('base64url')
    await refused(broker, `${forged}.${mac}`, /algorithm is not allowed/)
    await refused(broker, `${header}.${encode(claims({ sub: 'admin' }))}.${signature}`, /signature is wrong/)
    await refused(broker, jwt(claims(), {}, other.privateKey), /signature is wrong/)
    await refused(broker, jwt(claims(), { kid: 'encryption' }, other.privateKey), /no key of the issuer fits/)
    await refused(broker, jwt(claims(), { kid: 'weak' }, weak.privateKey), /no key of the issuer fits/)
    await refused(broker, jwt(claims(), { kid: 'unknown' }), /no key of the issuer fits/)
    await refused(broker, jwt(claims(), { kid: undefined }), /no key of the issuer fits/)
    await refused(broker, jwt(claims(), { alg: 'RS256', kid: 'ec' }), /no key of the issuer fits/)
    await refused(broker, jwt(claims(), { crit: ['x'] }), /critical extensions/)
    await refused(
      broker,
      `${header}.${encode('[1]')}.${sign('sha256', Buffer.from(`${header}.${encode('[1]')}`), rsa.privateKey).toString('base64url')}`,
      /payload is not a JSON object/,
    )
    for (const garbage of ['a', 'a.b', 'a.b.c.d', '..', 'é.b.c'.normalize()]) {
      const outcome = await login(broker, garbage)
      assert.equal(outcome.errorCode, failed, garbage)
    }
    assert.equal(JSON.stringify(broker.lines).includes(signature), false, 'a token in the log')
  })

  it('refuses tokens of others, for others, and of another time', async t => {
    const broker = await start(t)
    await refused(broker, jwt(claims({ iss: 'https://else' })), /another issuer/)
    await refused(broker, jwt(claims({ iss: undefined })), /another issuer/)
    await refused(broker, jwt(claims({ aud: 'else' })), /another audience/)
    await refused(broker, jwt(claims({ aud: undefined })), /another audience/)
    await refused(broker, jwt(claims({ exp: undefined })), /never expires/)
    await refused(broker, jwt(claims({ exp: now() - 31 })), /expired/)
    await refused(broker, jwt(claims({ nbf: now() + 40 })), /not valid yet/)
    await refused(broker, jwt(claims({ iat: undefined })), /when it was issued/)
    await refused(broker, jwt(claims({ iat: now() + 40 })), /in the future/)
    await refused(broker, jwt(claims({ sub: ' ' })), /no claim sub/)
    await refused(broker, jwt(claims({ sub: undefined })), /no claim sub/)
  })

  it('rejects acting for another user, and malformed messages', async t => {
    const broker = await start(t)
    const token = jwt()
    assert.equal((await login(broker, '', `n,a=alice,\u0001auth=Bearer ${token}\u0001\u0001`)).errorCode, 0)
    const admin = await login(broker, '', `n,a=admin,\u0001auth=Bearer ${token}\u0001\u0001`)
    assert.match(admin.errorMessage!, /different from the token's principal name/)
    for (const message of [
      '',
      'n,,',
      `n,,\u0001\u0001`,
      `n,,\u0001auth=Basic x\u0001\u0001`,
      `y,,\u0001auth=Bearer ${token}\u0001\u0001`,
      `n,,\u0001auth=Bearer ${token}\u0001`,
    ]) {
      assert.equal((await login(broker, '', message)).errorCode, failed, JSON.stringify(message))
    }
  })

  it('fetches keys over HTTP when needed, follows no redirects, and limits size and time', async t => {
    let answer: { status: number; body: Buffer; location?: string } = { status: 200, body: keys }
    let asked = 0
    const server = createServer((_request, response) => {
      asked++
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location }).end(answer.body)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    const broker = await start(t, { [`${prefix}jwks.endpoint.url`]: url, [`${prefix}jwks.endpoint.retry.backoff.max.ms`]: '100' })
    answer = { status: 302, body: Buffer.alloc(0), location: url }
    assert.equal((await login(broker, jwt())).errorCode, failed)
    answer = { status: 200, body: Buffer.alloc(2_000_000, 0x20) }
    await sleep(110)
    assert.equal((await login(broker, jwt())).errorCode, failed)
    assert.equal(broker.lines.filter(line => /keys of the token issuer/.test(line.message)).length, 2)
    answer = { status: 200, body: keys }
    await sleep(110)
    assert.equal((await login(broker, jwt())).errorCode, 0)
    const before = asked
    const began = performance.now()
    for (let n = 0; n < 5; n++) await login(broker, jwt(claims(), { kid: `made-up-${n}` }))
    const most = 2 + Math.floor((performance.now() - began) / 100)
    assert.ok(asked - before <= most, `made-up key names made the broker ask ${asked - before} times, at most ${most}`)
    answer = { status: 200, body: keySet(jwk(other.publicKey, { kid: 'new' })) }
    await sleep(110)
    assert.equal((await login(broker, jwt(claims(), { kid: 'new' }, other.privateKey))).errorCode, 0)
    assert.equal((await login(broker, jwt())).errorCode, failed, 'a key that was withdrawn')
  })

  it('starts only with a configured issuer and audience', async t => {
    const without = (name: string) => start(t, { [`${prefix}${name}`]: '' })
    await assert.rejects(without('jwks.endpoint.url'), /jwks.endpoint.url/)
    await assert.rejects(without('expected.audience'), /expected.audience: OAUTHBEARER requires it/)
    const { [`${prefix}expected.issuer`]: _, ...rest } = config
    await assert.rejects(startSecured(t, rest), /expected.issuer: OAUTHBEARER requires it/)
    for (const url of ['http://issuer.example/jwks', 'ftp://a', 'https://user:pw@a', 'nothing']) {
      await assert.rejects(start(t, { [`${prefix}jwks.endpoint.url`]: url }), /jwks.endpoint.url/, url)
    }
  })
})
