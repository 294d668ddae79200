import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, crc32c } from './crc.ts'

test('the check values of both polynomials', () => {
  const check = Buffer.from('123456789')
  assert.equal(crc32(check), 0xcbf43926)
  assert.equal(crc32c(check), 0xe3069283)
})

test('a checksum continues where another ended', () => {
  const bytes = Buffer.alloc(1000, 'go on')
  for (const crc of [crc32, crc32c]) assert.equal(crc(bytes.subarray(300), crc(bytes.subarray(0, 300))), crc(bytes))
})
