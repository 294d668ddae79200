import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startSecured } from '../../test/security/support.ts'
import { fixture, jaas, type SecureBroker, startSecure } from '../../test/support/secure.ts'
import { openClient } from '../client.ts'
import { withFlags } from './connect.ts'

describe('flags and environment over client.properties', () => {
  const file = { 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'PLAIN', 'sasl.jaas.config': jaas('a', 'b'), acks: 'all' }

  it('leaves the file as it is', () => assert.deepEqual(withFlags(file, {}, {}), file))

  it('replaces the login, not the protocol', () => {
    assert.deepEqual(withFlags(file, { username: 'bob' }, {}), {
      'security.protocol': 'SASL_SSL',
      acks: 'all',
      'sasl.username': 'bob',
      'sasl.mechanism': 'SCRAM-SHA-512',
    })
  })

  it('makes a protocol of what is given', () => {
    const protocol = (flags: object, environment = {}) => withFlags({}, flags, environment)['security.protocol']
    assert.equal(protocol({}), 'PLAINTEXT')
    assert.equal(protocol({ tls: true }), 'SSL')
    assert.equal(protocol({ ca: 'x' }), 'SSL')
    assert.equal(protocol({ username: 'x' }), 'SASL_PLAINTEXT')
    assert.equal(protocol({ username: 'x', tls: true }), 'SASL_SSL')
    assert.equal(protocol({ tls: true }, { MILLRACE_TOKEN: 'x' }), 'SASL_SSL')
  })
})

describe('logging in over SASL_SSL', () => {
  let secure: SecureBroker
  before(async () => {
    secure = await startSecure()
    await secure.ok(['user', 'create', 'scott', '--scram', 'SHA-256'], { input: 'tiger, =\n' })
    await secure.ok(['acl', 'add', '--principal', 'scott', '--operation', 'describe', '--topic', '*'])
    await secure.ok(['topic', 'create', 'seen'])
  })
  after(() => secure.close())

  const list = (env: Record<string, string>, ...more: string[]) => secure.run(['topic', 'list', ...more], { env })
  const scott = { MILLRACE_USERNAME: 'scott', MILLRACE_PASSWORD: 'tiger, =', MILLRACE_MECHANISM: 'SCRAM-SHA-256' }

  it('takes flags and environment, a PKCS12 trust store, and PEM in the file', async () => {
    const byEnvironment = await list({ ...scott, MILLRACE_CA: fixture('ca.pem') })
    assert.deepEqual([byEnvironment.out, byEnvironment.err], ['seen\n', ''])
    const login = { 'security.protocol': 'SASL_SSL', 'sasl.mechanism': 'SCRAM-SHA-256', 'bootstrap.servers': secure.broker.address }
    const byFile = secure.file('pkcs12.properties', {
      ...login,
      'sasl.jaas.config': jaas('scott', 'tiger, =', 'scram.ScramLoginModule'),
      'ssl.truststore.location': fixture('trust.p12'),
      'ssl.truststore.password': 'store-pw',
      'ssl.endpoint.identification.algorithm': 'https',
      'max.poll.records': '1',
    })
    assert.equal((await list({ MILLRACE_BOOTSTRAP: '' }, '--client-config', byFile, '-b', secure.broker.address)).out, 'seen\n')
    const ca = readFileSync(fixture('ca.pem'), 'utf8').trim().replaceAll('\n', '\\\n')
    const inText = secure.file('text.properties', { ...login, 'sasl.username': 'scott', 'ssl.truststore.certificates': ca })
    assert.equal((await list({ MILLRACE_PASSWORD: 'tiger, =', MILLRACE_CLIENT_CONFIG: inText })).out, 'seen\n')
  })

  it('produces and consumes, and says in one line what is forbidden', async () => {
    const env = { ...scott, MILLRACE_CA: fixture('ca.pem') }
    const refused = await secure.run(['produce', 'seen'], { env, input: 'no\n' })
    assert.match(refused.err, /^millrace: CLUSTER_AUTHORIZATION_FAILED: .*\n$/)
    await secure.ok(['acl', 'add', '--principal', 'scott', '--producer', '--consumer', '--topic', 'seen', '--group', 'readers'])
    assert.match(await secure.ok(['topic', 'describe', 'seen'], { env }), /^ {2}configs: not authorized to see them\nPARTITION /m)
    await secure.ok(['produce', 'seen'], { env, input: 'yes\n' })
    assert.equal(await secure.ok(['consume', 'seen', '-f', 'beginning'], { env }), 'yes\n')
    assert.equal(await secure.ok(['consume', 'seen', '-f', 'beginning', '-g', 'readers', '-n', '1'], { env }), 'yes\n')
  })

  it('says in one line why it may not come in', async () => {
    const trusting = { MILLRACE_CA: fixture('ca.pem') }
    const port = secure.broker.address.split(':')[1]
    const properties = (more: Record<string, string>) => ({
      MILLRACE_CLIENT_CONFIG: secure.file(`${Object.values(more).join('').length}.properties`, {
        'security.protocol': 'SASL_SSL',
        ...more,
      }),
    })
    const cases: [Record<string, string>, number, RegExp][] = [
      [{ ...scott, ...trusting, MILLRACE_PASSWORD: 'wrong' }, 1, /rejected the login: Authentication failed.* credentials/],
      [{ ...scott, MILLRACE_CA: fixture('other-ca.pem') }, 1, /the certificate of 127\.0\.0\.1:\d+ is not trusted: its issuer/],
      [{ ...scott, ...trusting, MILLRACE_BOOTSTRAP: `localhost.localdomain:${port}` }, 1, /no broker answers|is for another name/],
      [trusting, 1, /^millrace: .*closed.*does it require TLS or a login\? /],
      [{ MILLRACE_USERNAME: 'scott', ...trusting }, 2, /no password for scott: set MILLRACE_PASSWORD/],
      [{ MILLRACE_CLIENT_CONFIG: '/no/such/file' }, 2, /--client-config: file not found: \/no\/such\/file/],
      [{ ...scott, MILLRACE_CA: fixture('other-ca.pem'), MILLRACE_CLIENT_CONFIG: '' }, 1, /is not trusted/],
      [{ MILLRACE_CA: '/no/such/ca' }, 2, /ssl\.truststore\.location: file not found/],
      [properties({ 'sasl.mechanism': 'GSSAPI' }), 2, /sasl\.mechanism: GSSAPI is not supported; it must be one of PLAIN/],
      [properties({ 'sasl.jaas.config': 'nonsense' }), 2, /sasl\.jaas\.config: it must start with/],
      [{ MILLRACE_TOKEN: 'a.b.c', ...trusting }, 1, /rejected the (token|login)|does not offer/],
    ]
    await Promise.all(
      cases.map(async ([env, code, message], at) => {
        const outcome = await list(env)
        assert.match(outcome.err, message, `case ${at}`)
        assert.match(outcome.err, /^millrace: [^\n]*\n$/, `case ${at} is one line`)
        assert.deepEqual([outcome.code, outcome.out], [code, ''], `case ${at}`)
        assert.doesNotMatch(outcome.err, /tiger|wrong/)
      }),
    )
  })

  it('tries a wrong password once', async () => {
    const failures = () => secure.logged.filter(message => message === 'audit: authentication failed').length
    const before = failures()
    await list({ ...scott, MILLRACE_CA: fixture('ca.pem'), MILLRACE_PASSWORD: 'wrong' })
    assert.equal(failures() - before, 1)
  })
})

it('logs in with a token, from the environment, a file, or an endpoint that grants it', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keys = Buffer.from(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }))
  const prefix = 'listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.'
  const config = {
    'sasl.enabled.mechanisms': 'OAUTHBEARER',
    [`${prefix}jwks.endpoint.url`]: 'file:///keys/jwks.json',
    [`${prefix}expected.issuer`]: 'https://issuer',
    [`${prefix}expected.audience`]: 'kafka',
  }
  const broker = await startSecured(t, config, { '/keys/jwks.json': keys })
  const now = Math.floor(Date.now() / 1000)
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'ES256', kid: 'k' })}.${encode({ iss: 'https://issuer', aud: 'kafka', sub: 'alice', iat: now, exp: now + 60 })}`
  const token = `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  const endpoint = createServer((request, response) => {
    const known = request.headers.authorization === `Basic ${Buffer.from('the-id:the%20secret').toString('base64')}`
    response.writeHead(known ? 200 : 401).end(known ? JSON.stringify({ access_token: token }) : '{}')
  }).listen(0, '127.0.0.1')
  t.after(() => endpoint.close())
  await once(endpoint, 'listening')
  const url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`
  const directory = mkdtempSync(join(tmpdir(), 'millrace-token-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'token'), `${token}\n`)
  const cluster = async (properties: Record<string, string>) => {
    await using client = openClient({
      bootstrap: `127.0.0.1:${broker.port('SASL_PLAINTEXT')}`,
      properties: { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'OAUTHBEARER', ...properties },
    })
    return (await client.cluster()).brokers.length
  }
  const login = (secret: string) =>
    `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="the-id" clientSecret="${secret}";`
  const from = 'sasl.oauthbearer.token.endpoint.url'
  assert.equal(await cluster(withFlags({}, {}, { MILLRACE_TOKEN: token })), 1)
  assert.equal(await cluster({ [from]: `file://${directory}/token` }), 1)
  assert.equal(await cluster({ [from]: url, 'sasl.jaas.config': login('the secret') }), 1)
  await assert.rejects(
    cluster({ [from]: url, 'sasl.jaas.config': login('wrong') }),
    /^ClientError: no token from http:.*: HTTP status 401$/,
  )
  await assert.rejects(cluster({ 'sasl.oauthbearer.token': `${token}x` }), /^ClientError: .*rejected the (token|login)/)
  await assert.rejects(cluster({}), /sasl\.oauthbearer\.token\.endpoint\.url: OAUTHBEARER requires it/)
})
