import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errors, page } from './errors-doc.ts'

test('docs/errors.md is what the sources say; otherwise run: node scripts/errors-doc.ts', () => {
  assert.equal(readFileSync(page, 'utf8'), errors())
})
