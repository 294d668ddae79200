/** The console's login with user name and password: cookies, their end, and attacks on them. */
import assert from 'node:assert/strict'
import { request as ask } from 'node:http'
import { type TestContext, test } from 'node:test'
import { realSystem, type System } from '../../src/base.ts'
import { openClient } from '../../src/client.ts'
import type { Logger } from '../../src/logger.ts'
import { type ServicesSettings, startServices } from '../../src/services.ts'
import { authorizer, type Secured, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'

interface Reply {
  status: number
  body: string
  headers: Record<string, string | string[] | undefined>
  /** Of the session; null: none was set. */
  cookie: string | null
}

interface Console {
  secured: Secured
  /** Everything that was logged. */
  logged: string
  port: number
  send(method: string, path: string, options?: { cookie?: string; body?: unknown; headers?: Record<string, string> }): Promise<Reply>
  logIn(user: string, password?: string, cookie?: string): Promise<Reply>
}

/** A clock that a test moves. */
function movable(system: System): { system: System; pass(ms: number): void } {
  let passed = 0
  const { clock } = system
  const monotonic = () => clock.monotonic() + passed
  return {
    system: { ...system, clock: { now: () => clock.now(), history: () => clock.history(), monotonic } },
    pass: ms => void (passed += ms),
  }
}

async function startConsole(t: TestContext, changes: Partial<ServicesSettings> = {}, system = realSystem()): Promise<Console> {
  const secured = await startSecured(t, authorizer)
  const properties = { 'security.protocol': 'SASL_PLAINTEXT' }
  const own = { ...properties, 'sasl.mechanism': 'PLAIN', 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const settings = settingsFor(`127.0.0.1:${secured.port('SASL_PLAINTEXT')}`, {
    ...{ services: ['console'], properties, ownProperties: own },
    login: { passwordMechanisms: ['SCRAM-SHA-512', 'PLAIN'], tokens: false, subjectClaim: 'sub' },
    ...changes,
  })
  const result = { secured, logged: '' } as Console
  const note = (details: object, message: string) => void (result.logged += `${message} ${JSON.stringify(details)}\n`)
  const logger: Logger = { debug: note, info: note, warn: note, error: note }
  const services = await startServices(settings, system, logger)
  t.after(() => services.close())
  result.port = services.ports.get('console')!
  result.send = (method, path, { cookie, body, headers = {} } = {}) =>
    new Promise((resolve, reject) => {
      const given = {
        ...(cookie === undefined ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      }
      const sent = ask({ host: '127.0.0.1', port: result.port, method, path, headers: given }, response => {
        let text = ''
        response.on('data', chunk => void (text += chunk))
        response.on('end', () => {
          const set = response.headers['set-cookie']?.find(each => each.startsWith('millrace-session'))
          resolve({ status: response.statusCode!, body: text, headers: response.headers, cookie: set?.split(';', 1)[0] ?? null })
        })
      })
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  result.logIn = (username, password = `${username}-pw`, cookie) =>
    result.send('POST', '/api/login', { body: { username, password }, ...(cookie === undefined ? {} : { cookie }) })
  return result
}

test('a login gives a cookie that scripts and other sites do not get, and a logout ends it', async t => {
  const app = await startConsole(t)
  assert.equal((await app.send('GET', '/api/session')).status, 401)
  assert.deepEqual(JSON.parse((await app.send('GET', '/api/login')).body), { needed: true, done: false, password: true, provider: false })
  const { status, cookie, headers } = await app.logIn('alice')
  assert.equal(status, 200)
  assert.match(String(headers['set-cookie']), /^millrace-session-0=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  const session = await app.send('GET', '/api/session', { cookie: cookie! })
  assert.equal((JSON.parse(session.body) as { principal: string }).principal, 'User:alice')
  assert.equal((await app.send('POST', '/api/logout', { cookie: cookie!, body: {} })).status, 200)
  assert.equal((await app.send('GET', '/api/session', { cookie: cookie! })).status, 401)
})

test('a token that the browser had before is never the one of a login, and the old one ends', async t => {
  const app = await startConsole(t)
  const planted = `millrace-session-0=${'A'.repeat(43)}`
  const first = await app.logIn('alice', undefined, planted)
  assert.notEqual(first.cookie, planted)
  assert.equal((await app.send('GET', '/api/session', { cookie: planted })).status, 401)
  const second = await app.logIn('bob', undefined, first.cookie!)
  assert.notEqual(second.cookie, first.cookie)
  assert.equal((await app.send('GET', '/api/session', { cookie: first.cookie! })).status, 401)
  for (const odd of ['', '__proto__', 'x'.repeat(10_000), '%00', 'a=b'])
    assert.equal((await app.send('GET', '/api/session', { cookie: `millrace-session-0=${odd}` })).status, 401)
})

test('a login ends when it is not used, and after its longest time though it is used', async t => {
  const { system, pass } = movable(realSystem())
  const app = await startConsole(t, { console: { idleMs: 60_000, mostMs: 150_000, oidc: null } }, system)
  const status = async (cookie: string) => (await app.send('GET', '/api/session', { cookie })).status
  const idle = (await app.logIn('alice')).cookie!
  const used = (await app.logIn('alice')).cookie!
  for (const expected of [200, 200, 401]) {
    pass(50_001)
    assert.equal(await status(used), expected)
  }
  assert.equal(await status(idle), 401)
})

test('a wrong password and an unknown user get the same answer, and no secret is logged', async t => {
  const app = await startConsole(t)
  const answers = await Promise.all([app.logIn('alice', 'not-hers-1'), app.logIn('nobody', 'not-hers-2')])
  assert.deepEqual(
    answers.map(({ status, body, cookie }) => ({ status, body, cookie })),
    Array(2).fill(
      answers[0] && {
        status: 401,
        body: answers[0].body,
        cookie: null,
      },
    ),
  )
  const good = await app.logIn('alice')
  await app.send('GET', '/api/topics?search=hidden-word', { cookie: good.cookie! })
  assert.match(app.logged, /audit: a person has logged in to the console .*User:alice/)
  for (const secret of ['alice-pw', 'not-hers', good.cookie!.split('=')[1]!, 'hidden-word']) assert.ok(!app.logged.includes(secret), secret)
})

test('of a thousand attempts only a few reach the broker, and who is logged in goes on', async t => {
  const app = await startConsole(t)
  const { cookie } = await app.logIn('bob')
  const before = app.secured.lines.length
  const counts = new Map<number, number>()
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, at) => app.logIn(round % 2 === 0 ? 'alice' : `user-${at}`, `guess-${round}-${at}`)),
    )
    for (const { status, headers } of answers) {
      counts.set(status, (counts.get(status) ?? 0) + 1)
      if (status === 429) assert.match(String(headers['retry-after']), /^\d+$/)
    }
  }
  assert.deepEqual([...counts.keys()].sort(), [401, 429])
  assert.ok(counts.get(401)! < 300, `${counts.get(401)} were tried`)
  assert.ok(app.secured.lines.length - before < 800, 'the broker hardly notices')
  assert.equal((await app.send('GET', '/api/session', { cookie: cookie! })).status, 200)
  assert.equal((await app.logIn('alice')).status, 429, 'not even with the right password')
})

test('a password that was changed ends what was logged in with the old one, within a minute', async t => {
  const { system, pass } = movable(realSystem())
  const app = await startConsole(t, {}, system)
  const admin = openClient({ bootstrap: `127.0.0.1:${app.secured.port('PLAINTEXT')}` })
  t.after(() => admin.close())
  const setPassword = (password: string) =>
    admin.setScramCredential({ user: 'carol', mechanism: 'SCRAM-SHA-512', password, iterations: 4_096 })
  await setPassword('old')
  const { cookie } = await app.logIn('carol', 'old')
  const status = async () => (await app.send('GET', '/api/session', { cookie: cookie! })).status
  assert.equal(await status(), 200)
  await setPassword('new')
  pass(60_001)
  assert.equal(await status(), 401)
  assert.equal((await app.logIn('carol', 'new')).status, 200)
})

test('pages of other origins, other names and forged headers get nothing', async t => {
  const app = await startConsole(t)
  const { cookie } = await app.logIn('alice')
  const own = `http://127.0.0.1:${app.port}`
  const body = { username: 'alice', password: 'alice-pw' }
  const refused: [string, string, Record<string, string>, number][] = [
    ['POST', '/api/login', { origin: 'http://evil.example' }, 403],
    ['POST', '/api/login', { origin: 'null' }, 403],
    ['POST', '/api/login', { origin: own.replace('http:', 'https:') }, 403],
    ['POST', '/api/login', { origin: own, 'sec-fetch-site': 'cross-site' }, 403],
    ['POST', '/api/login', { 'sec-fetch-site': 'same-site' }, 403],
    ['POST', '/api/topics', { origin: 'http://evil.example', cookie: cookie! }, 403],
    ['GET', '/api/session', { origin: 'http://evil.example', cookie: cookie! }, 403],
    ['GET', '/api/session', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', cookie: cookie! }, 403],
    ['GET', '/api/session', { host: 'evil.example', cookie: cookie! }, 421],
    ['GET', '/api/session', { host: `127.0.0.1.evil.example:${app.port}`, cookie: cookie! }, 421],
    ['POST', '/api/login', { 'content-type': 'text/plain', origin: own }, 415],
  ]
  for (const [method, path, headers, status] of refused)
    assert.equal(
      (await app.send(method, path, { headers, ...(method === 'POST' ? { body } : {}) })).status,
      status,
      JSON.stringify(headers),
    )
  const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '10.0.0.9' }
  const plain = await app.send('POST', '/api/login', { body, headers: forwarded })
  assert.doesNotMatch(String(plain.headers['set-cookie']), /Secure/, 'who is no trusted proxy says nothing')
  const allowed: Record<string, string>[] = [
    { origin: own, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    { 'sec-fetch-site': 'none' },
  ]
  for (const headers of allowed) assert.equal((await app.send('GET', '/', { headers })).status, 200, JSON.stringify(headers))
})

test('behind a trusted proxy with TLS the cookie is for that name alone, and failed logins count for whoever is behind it', async t => {
  const app = await startConsole(t, { trustedProxies: ['127.0.0.1'], allowedHosts: ['console.example'] })
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'console.example', 'x-forwarded-for': '10.0.0.9' }
  const body = { username: 'alice', password: 'alice-pw' }
  const { headers: answer } = await app.send('POST', '/api/login', { body, headers: { ...headers, origin: 'https://console.example' } })
  assert.match(String(answer['set-cookie']), /^__Host-millrace-session-0=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
  const secure = String(answer['set-cookie']).split(';', 1)[0]!
  assert.equal((await app.send('GET', '/api/session', { cookie: secure, headers })).status, 200)
  assert.equal((await app.send('GET', '/api/session', { cookie: secure })).status, 401, 'a secure cookie counts for nothing over http')
  assert.match(app.logged, /"address":"10\.0\.0\.9"/)
})
