/** Login to the console with an OpenID Connect provider, whose tokens the broker takes by OAUTHBEARER; and providers and browsers that lie. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { clientId, clientSecret, type Lies, type Provider, startProvider } from './oidc-provider.testing.ts'

interface Setup {
  provider: Provider
  base: string
  pass(ms: number): void
  /** A browser without a login; it follows no redirect by itself. */
  browser(): Browser
}

class Browser {
  readonly #base: string
  readonly cookies = new Map<string, string>()

  constructor(base: string) {
    this.#base = base
  }

  async get(url: string): Promise<Response> {
    const cookie = Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join('; ')
    const isHere = url.startsWith('/')
    const response = await fetch(isHere ? this.#base + url : url, { redirect: 'manual', ...(isHere ? { headers: { cookie } } : {}) })
    for (const set of isHere ? response.headers.getSetCookie() : []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!
      if (value === '') this.cookies.delete(name!)
      else this.cookies.set(name!, value!)
    }
    return response
  }

  /** Resolves to where the browser ends up. */
  async logIn(to = '/topics?search=x'): Promise<string> {
    const away = await this.get(`/api/oidc/begin?to=${encodeURIComponent(to)}`)
    assert.equal(away.status, 303)
    const back = await this.get(away.headers.get('location')!)
    return this.comeBack(back.headers.get('location')!)
  }

  async comeBack(location: string): Promise<string> {
    const { pathname, search } = new URL(location)
    return (await this.get(pathname + search)).headers.get('location')!
  }

  async principal(): Promise<string | number> {
    const response = await this.get('/api/session')
    return response.ok ? ((await response.json()) as { principal: string }).principal : response.status
  }
}

async function start(t: TestContext): Promise<Setup> {
  const provider = await startProvider()
  t.after(() => provider.close())
  const prefix = 'listener.name.sasl_plaintext.oauthbearer.sasl.oauthbearer.'
  const secured = await startSecured(t, {
    ...authorizer,
    'sasl.enabled.mechanisms': 'PLAIN,OAUTHBEARER',
    [`${prefix}jwks.endpoint.url`]: `${provider.issuer}/keys`,
    [`${prefix}expected.issuer`]: provider.issuer,
    [`${prefix}expected.audience`]: 'kafka',
  })
  const real = realSystem()
  let passed = 0
  const clock = { now: () => real.clock.now(), history: () => real.clock.history(), monotonic: () => real.clock.monotonic() + passed }
  const properties = { 'security.protocol': 'SASL_PLAINTEXT' }
  const oidc = { issuer: provider.issuer, clientId, clientSecret, scopes: ['openid', 'kafka'] }
  const settings = settingsFor(`127.0.0.1:${secured.port('SASL_PLAINTEXT')}`, {
    ...{ services: ['console'], properties },
    ownProperties: { ...properties, 'sasl.mechanism': 'PLAIN', 'sasl.username': 'admin', 'sasl.password': 'admin-pw' },
    login: { passwordMechanisms: [], tokens: true, subjectClaim: 'sub' },
    console: { idleMs: 10_000_000, mostMs: 10_000_000, oidc },
  })
  const services = await startServices(settings, { ...real, clock }, silentLogger)
  t.after(() => services.close())
  const base = `http://127.0.0.1:${services.ports.get('console')}`
  return { provider, base, pass: ms => void (passed += ms), browser: () => new Browser(base) }
}

test('a person logs in with a provider, acts as the one that its token names, and the token is renewed', async t => {
  const { provider, pass, browser } = await start(t)
  const one = browser()
  assert.equal(await one.principal(), 401)
  assert.equal(await one.logIn(), '/topics?search=x')
  assert.deepEqual([...one.cookies.keys()], ['millrace-session-0'], 'what was remembered meanwhile is forgotten')
  assert.equal(await one.principal(), 'User:alice')
  pass(45_000)
  assert.deepEqual(await Promise.all([one.principal(), one.principal(), one.principal()]), Array(3).fill('User:alice'))
  assert.deepEqual(provider.asked, ['authorization_code', 'refresh_token'], 'once for all requests')
  provider.lastsSeconds = 600
  pass(45_000)
  assert.equal(await one.principal(), 'User:alice')
  assert.deepEqual(provider.asked.length, 3)
})

test('without a refresh token a login ends with its token, and a refusal to renew ends it', async t => {
  const { provider, pass, browser } = await start(t)
  const [one, two] = [browser(), browser()]
  await one.logIn()
  assert.equal(await one.principal(), 'User:alice')
  provider.user = 'bob'
  provider.lies = { noRefresh: true }
  await two.logIn()
  assert.equal(await two.principal(), 'User:bob')
  pass(60_001)
  assert.equal(await two.principal(), 401)
  provider.lies = { access: { aud: 'another' } }
  assert.equal(await one.principal(), 401, 'the broker refuses what the provider gave')
})

test('a way back that is forged or used twice is not taken', async t => {
  const { browser } = await start(t)
  const [victim, attacker] = [browser(), browser()]
  const wayBack = async (who: Browser) => {
    const away = await who.get('/api/oidc/begin?to=/')
    return (await who.get(away.headers.get('location')!)).headers.get('location')!
  }
  const attackers = await wayBack(attacker)
  assert.equal(await victim.comeBack(attackers), '/?login=refused', 'a code that somebody else began')
  await wayBack(victim)
  assert.equal(await victim.comeBack(attackers), '/?login=refused', 'although a login is under way')
  assert.equal(await victim.principal(), 401)
  const own = await wayBack(attacker)
  assert.equal(await attacker.comeBack(own), '/')
  assert.equal(await attacker.comeBack(own), '/?login=refused')
  for (const query of ['', '?code=x', '?state=x', '?error=access_denied&state=', '?code=a&code=b&state=c'])
    assert.equal(await attacker.comeBack(`http://here/api/oidc/callback${query}`), '/?login=refused', query)
  const changed = browser()
  const back = await wayBack(changed)
  const name = 'millrace-oidc-0'
  const cookie = changed.cookies.get(name)!
  changed.cookies.set(name, `${cookie.startsWith('A') ? 'B' : 'A'}${cookie.slice(1)}`)
  assert.equal(await changed.comeBack(back), '/?login=refused')
})

test('nobody is led to another site', async t => {
  const { browser } = await start(t)
  for (const to of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/..//evil.example',
    'javascript:alert(1)',
    '/\t/evil.example',
  ])
    assert.equal(await browser().logIn(to), '/', to)
})

test('an id token that is not exactly right lets nobody in', async t => {
  const { provider, browser } = await start(t)
  const now = Math.floor(Date.now() / 1_000)
  const lies: Lies[] = [
    { id: { nonce: 'another' } },
    { id: { nonce: undefined } },
    { id: { iss: 'https://evil.example' } },
    { id: { aud: 'another-client' } },
    { id: { aud: [clientId, 'another-client'] } },
    { id: { azp: 'another-client' } },
    { id: { exp: now - 3_600 } },
    { id: { iat: now + 3_600 } },
    { signedByAnother: true },
    { header: { alg: 'none' } },
    { header: { alg: 'HS256' } },
    { header: { kid: 'unknown' } },
    { back: { iss: 'https://evil.example' } },
    { back: { state: 'another' } },
    { access: { aud: 'not-kafka' } },
    { access: { iss: 'https://evil.example' } },
  ]
  for (const each of lies) {
    provider.lies = each
    const one = browser()
    assert.equal(await one.logIn('/'), '/?login=refused', JSON.stringify(each))
    assert.equal(await one.principal(), 401)
  }
  provider.lies = { back: { iss: provider.issuer } }
  assert.equal(await browser().logIn('/'), '/')
})

test('a provider that describes itself as another one, or sends elsewhere, is not used', async t => {
  for (const description of [
    { issuer: 'https://evil.example' },
    { token_endpoint: 'http://evil.example/token' },
    { authorization_endpoint: 'file:///etc/passwd' },
  ]) {
    const { provider, browser } = await start(t)
    provider.lies = { description }
    assert.equal((await browser().get('/api/oidc/begin?to=/')).headers.get('location'), '/?login=failed')
  }
})
