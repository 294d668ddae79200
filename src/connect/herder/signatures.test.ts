import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  algorithmHeader,
  clockToFollow,
  forwardedness,
  isForwardedBody,
  refusal,
  sign,
  signatureHeader,
  signForwarded,
} from './signatures.ts'

const key = { key: Buffer.alloc(32, 1), algorithm: 'HmacSHA256', createdMs: 0 }
const accepted = ['HmacSHA256']

test('only who has the key of the group is let in', () => {
  const body = '[{"a":"1"}]'
  const headers = sign(key, 'HmacSHA256', body)
  const signed = { signature: headers[signatureHeader], algorithm: headers[algorithmHeader], body }
  assert.equal(refusal(signed, key, accepted), null)
  assert.equal(refusal({ ...signed, body: '[]' }, key, accepted)!.status, 403)
  assert.equal(refusal(signed, { ...key, key: Buffer.alloc(32, 2) }, accepted)!.status, 403)
  assert.equal(refusal({ ...signed, signature: '' }, key, accepted)!.status, 403)
  assert.equal(refusal({ ...signed, signature: undefined }, key, accepted)!.status, 400)
  assert.equal(refusal({ ...signed, algorithm: 'HmacMD5' }, key, ['HmacMD5'])!.status, 400)
  assert.equal(refusal({ ...signed, algorithm: 'HmacSHA512' }, key, accepted)!.status, 400)
  assert.equal(refusal(signed, null, accepted)!.status, 503)
})

test('a signature is an HMAC of the body, of nothing for a request without one', () => {
  assert.equal(sign(key, 'HmacSHA256', '')[signatureHeader], 'LnLrZibh1Pf8bf8RFYWJjy43xHGmiGLwfxCqKCTVfHU=')
})

test('a request that was sent on counts as it was sent, where it was sent to, from a worker of the group, and for a minute', () => {
  const here = 'http://w:8083/connectors/a/config?forward=true'
  const signed = signForwarded(key, { method: 'PUT', url: here, body: '{"a":1}' }, 1_000_000)
  const counts = (given: string, by = key, method = 'PUT', url = here, nowMs = 1_030_000) =>
    forwardedness(given, by, { method, url }, nowMs)
  assert.equal(counts(signed), 'now')
  assert.equal(counts(signed, key, 'DELETE'), 'never')
  assert.equal(counts(signed, key, 'PUT', 'http://w:8083/connectors/b/config?forward=true'), 'never')
  assert.equal(counts(signed, key, 'PUT', 'http://other:8083/connectors/a/config?forward=true'), 'never')
  assert.equal(counts(signed, { ...key, key: Buffer.alloc(32, 2) }), 'never')
  assert.equal(counts(signed, key, 'PUT', here, 1_061_000), 'late')
  for (const given of ['', 'x', '1000000 AAAA', '1000000 AAAA AAAA', 'NaN x']) assert.equal(counts(given), 'never')
  assert.equal(forwardedness(signed, null, { method: 'PUT', url: here }, 1_000_000), 'never')
  assert.equal(isForwardedBody(signed, '{"a":1}'), true)
  assert.equal(isForwardedBody(signed, '{"a":2}'), false)
  const [at, , signature] = signed.split(' ')
  const other = signForwarded(key, { method: 'PUT', url: here, body: '{"a":2}' }, 1_000_000).split(' ')[1]
  assert.equal(counts(`${at} ${other} ${signature}`), 'never')
})

test('a clock that another worker tells is followed within a day', () => {
  assert.equal(clockToFollow('1000000', 1_300_000), 1_000_000)
  for (const told of [undefined, '', 'x', '1e400', '90000000']) assert.equal(clockToFollow(told, 1_000), told === '' ? 0 : null)
})
