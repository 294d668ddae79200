import assert from 'node:assert/strict'
import { test } from 'node:test'
import { password, string } from './config.ts'
import { hidesNothing, hidingOf, hidingValues, secretsWithin } from './hiding.ts'

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

test('secrets within the values of keys that are none', () => {
  const url = (value: string) => secretsWithin('connection.url', value)
  assert.deepEqual(url('redis://reader:geheim@h:1/?a=1'), ['reader:geheim', 'geheim'])
  assert.deepEqual(url('https://a.example,https://u:p@b.example'), ['u:p', 'p'])
  assert.deepEqual(url('jdbc:postgresql://h/db?user=u&password=geheim&sslmode=off'), ['geheim'])
  assert.deepEqual(url('jdbc:sqlserver://h;user=u;Password=geheim;x=y'), ['geheim'])
  for (const none of ['https://h.example:8080/a@b', `redis://u:${reference}@h`, 'jdbc:postgresql://h/db?user=u', 'https://u@h', 'a:b@c'])
    assert.deepEqual(url(none), [], none)
  assert.deepEqual(secretsWithin('transforms.js.code', 'fetch("https://u:p@h")\nreturn'), [], 'a program is shown')
  assert.deepEqual(secretsWithin('http.headers.additional', 'Accept:*/*|X-Api-Key: geheim|A:b'), ['geheim'])
  assert.deepEqual(secretsWithin('http.request.params', 'page=1&access_token=geheim'), ['geheim'])
  assert.deepEqual(secretsWithin('http.headers.additional', 'token'.repeat(150_000)), [], 'at once')
  const given = { 'connection.url': 'redis://reader:geheim@h' }
  assert.equal(hidingOf(given, given, {}).text(`no ${Buffer.from('reader:geheim').toString('base64')} geheim`), 'no [hidden] [hidden]')
})

test('of Basic credentials the password is hidden, wherever it begins in them', () => {
  const { text } = hidingValues(['pass-word-4711'])
  for (const user of ['a', 'ab', 'abc', 'abcd']) {
    const login = Buffer.from(`${user}:pass-word-4711:behind`).toString('base64')
    const shown = text(`asked with Basic ${login}`)
    assert.match(shown, /\[hidden\]/)
    const left = shown.replace('asked with Basic ', '').split('[hidden]')
    assert.ok(login.length - left.join('').length >= 17, shown)
    assert.ok(!left.some(part => Buffer.from(part, 'base64').toString('latin1').includes('word')), shown)
  }
})

test('fields of a log', () => {
  const { fields } = hidingValues(['geheim'])
  const shown = fields({ err: new Error('geheim'), at: 5n, text: 'geheim', deep: { list: ['geheim', 7n] }, count: 3 })
  assert.doesNotMatch(JSON.stringify(shown), /geheim/)
  const { at, count, deep } = shown as Record<string, unknown>
  assert.deepEqual([at, count, deep], ['5', 3, '{"list":["[hidden]","7"]}'])
})

test('whatever is thrown becomes an error of a bounded size, also with nothing to hide', () => {
  const cycle = new Error('in circles')
  cycle.cause = cycle
  const thrower = () => assert.fail('it was looked at')
  const guarded = Object.defineProperties(new Error('x'), { message: { get: thrower }, stack: { get: thrower }, cause: { get: thrower } })
  for (const { error } of [hidesNothing, hidingValues(['geheim'])]) {
    for (const each of [null, undefined, 5n, Symbol('s'), Object.create(null), guarded, cycle]) assert.ok(error(each) instanceof Error)
    assert.equal(error(null).message, 'null was thrown, which is no error')
    assert.equal(error('words').message, 'words')
    let depth = 0
    for (let at: unknown = error(cycle); at instanceof Error; at = at.cause) depth++
    assert.equal(depth, 9)
    const huge = error(new Error('y'.repeat(1_000_000)))
    assert.ok(huge.message.length + huge.stack!.length <= 70_000)
  }
})

test('fields that are no data are told as texts', () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  const shown = hidesNothing.fields({ call: () => 1, cycle, symbol: Symbol('s'), odd: Object.create(null), long: 'z'.repeat(1_000_000) })
  structuredClone(shown)
  assert.ok(JSON.stringify(shown).length < 40_000)
})
