import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OffsetMap } from './cleaner-map.ts'

test('the offset map holds what fits and never mistakes one key for another', () => {
  const map = new OffsetMap(24 * 30_000)
  let held = 0
  while (map.put(Buffer.from(`key ${held}`), held)) held++
  assert.ok(held > 5000, `${held} keys`)
  assert.equal(map.size, held)
  for (let nth = 0; nth < held; nth++) assert.equal(map.get(Buffer.from(`key ${nth}`)), nth)
  assert.equal(map.get(Buffer.from('other')), -1)
  assert.equal(map.put(Buffer.from('key 7'), 999), true)
  assert.equal(map.get(Buffer.from('key 7')), 999)
})
