import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectorDefinition } from '../connector.ts'
import { connectors } from '../connectors.ts'
import { valuesOf } from './task.testing.ts'

const definitions = await Promise.all(connectors.map(async listed => [listed, await listed.load()] as const))
const problems = async ({ check, config }: ConnectorDefinition, given: Readonly<Record<string, string>>) =>
  (await check?.(valuesOf(config, given))) ?? new Map<string, string>()

test('the list says what the definitions say, and no name means two of them', () => {
  const names = new Set<string>()
  for (const [{ name, classes, kind }, definition] of definitions) {
    assert.deepEqual([definition.name, definition.classes, definition.kind], [name, classes, kind], name)
    for (const each of [name, ...classes]) {
      assert.ok(!names.has(each), each)
      names.add(each)
    }
  }
})

test('keys are documented, defaults are values that the keys take', () => {
  for (const [, { name, config, summary }] of definitions) {
    assert.match(summary, /\.$/, name)
    for (const [key, declared] of Object.entries(config)) {
      assert.match(declared.doc, /\.$/, `${name}: ${key}`)
      if (declared.default !== null) assert.doesNotThrow(() => declared.parse(declared.default!), `${name}: ${key}`)
    }
  }
})

test('examples are accepted, and each missing key is named', async () => {
  for (const [, definition] of definitions) {
    assert.deepEqual([...(await problems(definition, definition.example))], [], definition.name)
    for (const [key, text] of await problems(definition, {})) {
      assert.ok(definition.config[key] !== undefined, `${definition.name}: ${key} is a key`)
      assert.notEqual(text, '', `${definition.name}: ${key}`)
    }
  }
})

test('values of a wrong type are refused by every key that has one', () => {
  const wrong: Partial<Record<string, string>> = { INT: 'soon', LONG: '1.5', BOOLEAN: 'maybe', DOUBLE: 'x', SHORT: '70000' }
  for (const [, { name, config }] of definitions)
    for (const [key, declared] of Object.entries(config)) {
      const text = wrong[declared.type]
      if (text !== undefined) assert.throws(() => declared.parse(text), `${name}: ${key}`)
    }
})
