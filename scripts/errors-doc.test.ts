import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errors, page } from './errors-doc.ts'

test('docs/errors.md is what the sources say', () => {
  const [is, should] = [readFileSync(page, 'utf8').split('\n'), errors().split('\n')]
  const first = should.findIndex((line, number) => line !== is[number])
  assert.ok(first < 0 && is.length === should.length, `stale from line ${first + 1} on: run node scripts/errors-doc.ts`)
})
