import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseLossless, stringifyLossless } from './json.ts'

test('every integer survives, whatever its size', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), integer => {
      assert.equal(stringifyLossless(parseLossless(`{"a":[${integer}]}`)), `{"a":[${integer}]}`)
    }),
  )
})

test('documents read as JSON.parse reads them, with and without long numbers', () => {
  fc.assert(
    fc.property(fc.json(), text => {
      fc.pre(!/\d{16}/.test(text))
      assert.deepEqual(parseLossless(text), JSON.parse(text))
      assert.deepEqual(parseLossless(`[${text},"0123456789012345"]`), [JSON.parse(text), '0123456789012345'])
    }),
  )
})

test('__proto__ is a property like any other', () => {
  for (const text of ['{"__proto__":{"a":1}}', '{"__proto__":{"a":9007199254740993}}']) {
    const parsed = parseLossless(text) as object
    assert.deepEqual(Object.keys(parsed), ['__proto__'])
    assert.equal(Object.getPrototypeOf(parsed), Object.prototype)
    assert.equal(stringifyLossless(parsed), text)
  }
})

test('a document that is nested too deeply is refused', () => {
  assert.throws(() => parseLossless('['.repeat(300) + ']'.repeat(300)), SyntaxError)
})
