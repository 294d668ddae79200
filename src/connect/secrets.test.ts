import assert from 'node:assert/strict'
import { test } from 'node:test'
import { password, string } from '../connector.ts'
import { connectors } from '../connectors.ts'
import { hidingOf, isSecret } from './secrets.ts'

/** Of a provider. */
const reference = ['$', '{env:TOKEN}'].join('')
const declared = { key: password({ doc: 'Secret.' }), header: string({ default: '', doc: 'Text.' }) }

test('passwords, what their names tell, and what providers gave are hidden, whatever they are written as', () => {
  const given = {
    key: 'geheim/ß"1',
    header: `Bearer ${reference} v1`,
    'producer.override.sasl.jaas.config': 'x password="pass"',
    plain: 'shown',
  }
  const { text } = hidingOf(given, { ...given, header: 'Bearer abc123 v1' }, declared)
  for (const secret of ['geheim/ß"1', 'geheim%2F%C3%9F%221', 'geheim/ß\\"1', Buffer.from('geheim/ß"1').toString('base64'), 'abc123'])
    assert.equal(text(`before ${secret} behind`), 'before [hidden] behind', secret)
  assert.equal(text('Bearer abc123 v1 shown'), 'Bearer [hidden] v1 shown')
})

test('the names of all passwords of all connectors tell that they are some', async () => {
  let count = 0
  for (const listed of connectors)
    for (const [key, { type }] of Object.entries<{ type: string }>((await listed.load()).config))
      if (type === 'PASSWORD') {
        assert.ok(isSecret(key), `${listed.name}: ${key}`)
        count++
      }
  assert.ok(count > 20, `${count} passwords`)
  for (const key of ['connection.url', 'aws.access.key.id', 'access_id', 'http.authorization.type', 'ssl.keystore.location'])
    assert.ok(!isSecret(key), key)
})

test('errors are hidden with their causes, and keep their names', () => {
  const { error } = hidingOf({ key: 'geheim' }, { key: 'geheim' }, declared)
  const cause = new TypeError('geheim below')
  const shown = error(new Error('geheim above', { cause }))
  assert.doesNotMatch(`${shown.stack} ${shown.message} ${(shown.cause as Error).stack} ${(shown.cause as Error).message}`, /geheim/)
  assert.equal((shown.cause as Error).name, 'TypeError')
})

test('one that is a part of another does not keep that from being hidden', () => {
  const given = { key: 'abcd', 'other.password': 'abcdefgh' }
  assert.equal(hidingOf(given, given, declared).text('abcdefgh abcd ab'), '[hidden] [hidden] ab')
})
