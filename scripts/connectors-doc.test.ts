import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { connectorPages } from './connectors-doc.ts'

test('docs/connectors is what the definitions say; otherwise run: node scripts/connectors-doc.ts', async () => {
  for (const [name, text] of await connectorPages())
    assert.equal(readFileSync(new URL(`../docs/connectors/${name}`, import.meta.url), 'utf8'), text, name)
})
