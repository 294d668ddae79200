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
  const environment = { INDEX: 'a', DB_PASSWORD: 's', API_KEY: 's', GITHUB_TOKEN: 's' }
  const before = await parse({ topics: ['t'], function: { code, environment }, output: { connector: 'http', config } })
  const shown = await withoutSecrets(before)
  assert.ok(!JSON.stringify(shown).includes('"s"') && !JSON.stringify(shown).includes('Bearer s'), JSON.stringify(shown))
  assert.equal('code' in shown.function && shown.function.environment['INDEX'], 'a')
  assert.deepEqual(withKnownSecrets(shown, before), before)
  const url = await parse({ topics: ['t'], function: { url: 'http://h/', headers: { Authorization: 's', accept: 'a' } } })
  const shownUrl = await withoutSecrets(url)
  assert.deepEqual('url' in shownUrl.function && shownUrl.function.headers, { Authorization: '[hidden]', accept: 'a' })
  assert.deepEqual(withKnownSecrets(shownUrl, url), url)
})

test('what is new is taken as it is, whatever it is', async () => {
  const before = await parse({ topics: ['t'], function: { code, environment: { A_TOKEN: 's' } } })
  const given = { function: { environment: { A_TOKEN: 'new', OTHER_TOKEN: '[hidden]' } }, output: { config: { A_TOKEN: '[hidden]' } } }
  assert.deepEqual(withKnownSecrets(given, before), given)
  for (const odd of [null, 5, 'x', [], { function: null }, { function: [] }, { function: { environment: 5 } }])
    assert.deepEqual(withKnownSecrets(odd, before), odd)
})
