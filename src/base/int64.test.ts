import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addInt64,
  type Int64,
  maxInt64,
  millisSince,
  minInt64,
  nearestInt64,
  readInt64,
  saturatingAdd,
  subtractInt64,
  toInt64,
  writeInt64,
} from './int64.ts'

const edges = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 54n, 2n ** 60n, 2n ** 62n, 2n ** 63n]
const values = [...new Set(edges.flatMap(edge => [edge - 1n, edge, edge + 1n].flatMap(value => [value, -value])))].filter(
  value => value >= minInt64 && value <= maxInt64,
)

test('each value has one form: a number within 53 bits, a bigint beyond', () => {
  assert.deepEqual([2n ** 53n - 1n, 2n ** 53n].map(toInt64), [2 ** 53 - 1, 2n ** 53n])
  assert.deepEqual([1n - 2n ** 53n, -(2n ** 53n)].map(toInt64), [1 - 2 ** 53, -(2n ** 53n)])
  const bytes = Buffer.alloc(8)
  const keys = new Set<Int64>()
  for (const value of values) {
    bytes.writeBigInt64BE(value)
    const read = readInt64(bytes, 0)
    assert.equal(read, toInt64(value))
    assert.equal(typeof read === 'number', Number.isSafeInteger(Number(value)), String(value))
    assert.equal(Object.is(read, -0), false)
    keys.add(read).add(toInt64(value))
    writeInt64(bytes.fill(0xaa), 0, read)
    assert.equal(bytes.readBigInt64BE(), value)
  }
  assert.equal(keys.size, values.length)
})

test('sums and differences are exact and wrap around as in Java', () => {
  for (const a of values)
    for (const b of values) {
      assert.equal(addInt64(toInt64(a), toInt64(b)), toInt64(a + b), `${a} + ${b}`)
      assert.equal(subtractInt64(toInt64(a), toInt64(b)), toInt64(a - b), `${a} - ${b}`)
    }
  assert.equal(addInt64(maxInt64, 1), minInt64)
  assert.equal(subtractInt64(minInt64, 1), maxInt64)
})

test('sums that stop at the ends, spans, and numbers that need not be exact', () => {
  assert.deepEqual(
    [saturatingAdd(maxInt64, 1), saturatingAdd(minInt64, -1), saturatingAdd(2 ** 53 - 1, 2)],
    [maxInt64, minInt64, 2n ** 53n + 1n],
  )
  assert.deepEqual([millisSince(5, 7), millisSince(maxInt64, 0), millisSince(minInt64, maxInt64)], [2, -(2 ** 63), 2 ** 63])
  const near = [1.9, -1.9, 2 ** 53, 2 ** 63, -(2 ** 63), 1e300, Number.POSITIVE_INFINITY]
  assert.deepEqual(near.map(nearestInt64), [1, -1, 2n ** 53n, maxInt64, minInt64, maxInt64, maxInt64])
})
