/** Secrets are shown to nobody, and are kept by whoever sends back what was shown. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { parseDefinition } from './check.ts'
import { withKnownSecrets, withoutSecrets } from './secrets.ts'

const { clock } = realSystem()
const parse = (given: unknown) => parseDefinition('t', given, clock)
const code = 'export const main_handler = () => {}'
const config = { 'http.url': 'http://h/', 'http.authorization.type': 'static', 'http.headers.authorization': 'Bearer s' }

test('variables, headers, and passwords of connectors', async () => {
  const environment = { INDEX: 'a', DB_PASSWORD: 's', API_KEY: 's', GITHUB_TOKEN: 's', DATABASE: 'postgres://u:hush@h/d' }
  const before = await parse({ topics: ['t'], function: { code, environment }, output: { connector: 'http', config } })
  const shown = await withoutSecrets(before)
  assert.ok(!/"s"|hush/.test(JSON.stringify(shown)) && !JSON.stringify(shown).includes('Bearer s'), JSON.stringify(shown))
  assert.equal('code' in shown.function && shown.function.environment['INDEX'], 'a')
  assert.deepEqual(await withKnownSecrets(shown, before), before)
  const url = await parse({ topics: ['t'], function: { url: 'http://h/', headers: { Authorization: 's', accept: 'a' } } })
  const shownUrl = await withoutSecrets(url)
  assert.deepEqual('url' in shownUrl.function && shownUrl.function.headers, { Authorization: '[hidden]', accept: 'a' })
  assert.deepEqual(await withKnownSecrets(shownUrl, url), url)
})

test('what is new is taken as it is, whatever it is', async () => {
  const before = await parse({ topics: ['t'], function: { code, environment: { A_TOKEN: 's' } } })
  const given = { function: { environment: { A_TOKEN: 'new', OTHER_TOKEN: '[hidden]' } }, output: { config: { A_TOKEN: '[hidden]' } } }
  assert.deepEqual(await withKnownSecrets(given, before), given)
  for (const odd of [null, 5, 'x', [], { function: null }, { function: [] }, { function: { environment: 5 } }])
    assert.deepEqual(await withKnownSecrets(odd, before), odd)
})

test('a secret is filled in only for whom it was given', async () => {
  const again = /give the secret again/
  const url = await parse({ topics: ['t'], function: { url: 'https://h/a', headers: { Authorization: 's' } } })
  const called = (to: unknown, Authorization = '[hidden]') => ({ function: { url: to, headers: { Authorization } } })
  assert.deepEqual(await withKnownSecrets(called('https://h/b'), url), called('https://h/b', 's'))
  for (const other of ['https://evil/a', 'http://h/a', 'https://h:444/a', 'no url', undefined])
    await assert.rejects(withKnownSecrets(called(other), url), again, String(other))
  assert.deepEqual(await withKnownSecrets(called('https://evil/', 'new'), url), called('https://evil/', 'new'))
  await assert.rejects(withKnownSecrets(called('https://h/b'), url, false), again)
  assert.deepEqual(await withKnownSecrets(called('https://h/a'), url, false), called('https://h/a', 's'))

  const sink = await parse({ topics: ['t'], function: { code }, output: { connector: 'http', config } })
  const { output } = await withoutSecrets(sink)
  assert.ok(output !== null && 'connector' in output)
  const written = (changes: object) => withKnownSecrets({ output: { ...output, config: { ...output.config, ...changes } } }, sink)
  assert.deepEqual(await written({}), { output: sink.output })
  await assert.rejects(written({ 'http.url': 'http://evil/' }), again)
  await assert.rejects(written({ 'http.headers.additional': 'a:b' }), again)
  await assert.rejects(withKnownSecrets({ output: { ...output, connector: 'elasticsearch' } }, sink), again)
  await written({ 'http.url': 'http://other/', 'http.headers.authorization': 'new' })

  const run = await parse({ topics: ['t'], function: { code, environment: { A_TOKEN: 's' } } })
  const runs = (text: string, A_TOKEN = '[hidden]') => ({ function: { code: text, environment: { A_TOKEN } } })
  assert.deepEqual(await withKnownSecrets(runs('other'), run), runs('other', 's'))
  assert.deepEqual(await withKnownSecrets(runs(code), run, false), runs(code, 's'))
  await assert.rejects(withKnownSecrets(runs('other'), run, false), again)
})
