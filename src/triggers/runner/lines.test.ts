/** Whatever pieces it comes in, a line is one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lines, longestLine } from './lines.ts'

test('pieces of any size make the same lines', () => {
  const bytes = Buffer.from('eins\nzwölf 🦀\n\n')
  for (let size = 1; size <= bytes.length; size++) {
    const lines = new Lines()
    const found: string[] = []
    for (let at = 0; at < bytes.length; at += size) found.push(...lines.take(bytes.subarray(at, at + size)))
    assert.deepEqual(found, ['eins', 'zwölf 🦀', ''], `${size}`)
    assert.equal(lines.rest(), null)
  }
})

test('what has no end is a line when nothing more comes', () => {
  const lines = new Lines()
  assert.deepEqual(lines.take(Buffer.from('a\nb')), ['a'])
  assert.equal(lines.rest(), 'b')
  assert.equal(lines.rest(), null)
  lines.take(Buffer.from([0x62, 0xc3]))
  assert.equal(lines.rest(), 'b\ufffd', 'half a character')
})

test('a long line is cut, and not kept', () => {
  const lines = new Lines()
  for (let n = 0; n < 100; n++) assert.deepEqual(lines.take(Buffer.from('x'.repeat(1_000))), [])
  assert.deepEqual(lines.take(Buffer.from('\nnext\n')), [`${'x'.repeat(longestLine)}… (100000 characters)`, 'next'])
})
