import assert from 'node:assert/strict'
import { test } from 'node:test'
import { password, string } from './config.ts'
import { hidingOf, hidingValues } from './hiding.ts'

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

test('of an Authorization header also what is behind its scheme; what is too short is no secret', () => {
  const { text } = hidingValues(['Bearer token-1', 'abc'])
  assert.equal(text('got Bearer token-1, which is token-1, and abc of Bearer'), 'got [hidden], which is [hidden], and abc of Bearer')
})

test('fields of a log', () => {
  const { fields } = hidingValues(['geheim'])
  const shown = fields({ err: new Error('geheim'), at: 5n, text: 'geheim', deep: { list: ['geheim', 7n] }, count: 3 })
  assert.doesNotMatch(JSON.stringify(shown), /geheim/)
  const { at, count, deep } = shown as Record<string, unknown>
  assert.deepEqual([at, count, deep], ['5', 3, '{"list":["[hidden]","7"]}'])
})
