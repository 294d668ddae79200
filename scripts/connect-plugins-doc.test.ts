import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { pluginReference } from '../src/connect.ts'
import { page } from './connect-plugins-doc.ts'

test('docs/connect-plugins.md is what the declarations say; otherwise run: node scripts/connect-plugins-doc.ts', () => {
  assert.equal(readFileSync(page, 'utf8'), pluginReference())
})
