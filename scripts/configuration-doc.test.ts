import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { configurationReference } from '../src/broker.ts'
import { page } from './configuration-doc.ts'

test('docs/configuration.md is what the declarations say; otherwise run: node scripts/configuration-doc.ts', () => {
  assert.equal(readFileSync(page, 'utf8'), configurationReference())
})
