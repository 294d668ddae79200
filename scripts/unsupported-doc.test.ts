import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { page, unsupported } from './unsupported-doc.ts'

test('docs/unsupported.md is what the handlers say; otherwise run: node scripts/unsupported-doc.ts', () => {
  assert.equal(readFileSync(page, 'utf8'), unsupported())
})
