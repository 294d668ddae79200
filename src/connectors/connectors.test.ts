import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigKey } from '../connector.ts'
import { problemsIn, TestContext, valuesOf } from '../connector-testing.ts'
import { connectors } from '../connectors.ts'

const definitions = await Promise.all(connectors.map(async listed => [listed, await listed.load()] as const))

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

test('examples are accepted, and have each key that must be given', async () => {
  for (const [, definition] of definitions) {
    assert.deepEqual([...(await problemsIn(definition, definition.example))], [], definition.name)
    for (const [name, { required, default: fallback }] of Object.entries(definition.config))
      if (required) assert.ok(definition.example[name] !== undefined && fallback === null, `${definition.name}: ${name}`)
  }
})

test('a source says how its records can be read, or brings its own converter', () => {
  for (const [, definition] of definitions)
    if (definition.kind === 'source' && definition.converter === undefined)
      assert.ok(definition.formats?.['value.converter'] !== undefined, definition.name)
})

/** Texts that a key cannot have, by what it says is allowed. */
function wrongFor({ type, allowed, words }: ConfigKey): string[] {
  const numbers = { INT: true, LONG: true, SHORT: true, DOUBLE: true }[type as string] === true
  if (type === 'BOOLEAN') return ['maybe', '', '1']
  if (words !== null) return ['no such word', '']
  if (!numbers) return []
  const [, least] = /(?:from|at least) (-?\d+)/.exec(allowed) ?? []
  const [, most] = /(?:to|up to) (-?\d+)/.exec(allowed) ?? []
  const beyond = [least === undefined ? [] : [String(BigInt(least) - 1n)], most === undefined ? [] : [String(BigInt(most) + 1n)]].flat()
  const tooLarge = type === 'DOUBLE' ? [] : ['1e400', '99999999999999999999']
  return ['soon', '', '0x10', 'NaN', ...tooLarge, ...beyond]
}

test('values of a wrong type and out of range are refused by every key, with its name, the value and what is allowed', () => {
  let refused = 0
  for (const [, { name, config, example }] of definitions)
    for (const [key, declared] of Object.entries(config))
      for (const text of wrongFor(declared)) {
        // Such a key may have words beside numbers, or take an empty list.
        if (text === '' && (declared.type === 'LIST' || declared.words?.includes('') === true)) continue
        assert.throws(
          () => valuesOf(config, { ...example, [key]: text }),
          (error: Error) => {
            assert.equal(error.name, 'InvalidConfig', `${name}: ${key}=${text}: ${error.stack}`)
            assert.ok(error.message.includes(key) && error.message.includes(text), error.message)
            return true
          },
          `${name}: ${key}=${text}`,
        )
        refused++
      }
  assert.ok(refused > 500, `${refused} values were refused`)
})

test('each key that is missing is named, by the check and by whoever opens the connector nevertheless', async () => {
  let missing = 0
  for (const [, definition] of definitions)
    for (const key of Object.keys(definition.example)) {
      const { [key]: _, ...rest } = definition.example
      if (!(await problemsIn(definition, rest)).has(key)) continue
      missing++
      await assert.rejects(
        async () => {
          const task = await definition.open(valuesOf(definition.config, rest) as never, new TestContext())
          await task.close()
        },
        new RegExp(key.replaceAll('.', '\\.')),
        `${definition.name} without ${key}`,
      )
    }
  assert.ok(missing > 30, `${missing} keys were missing`)
})

const hostile = [
  '',
  ' ',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '${',
  '${}',
  '${key',
  '${value.}',
  "'; DROP TABLE x; --",
  '`"[]\\',
  '\u0000',
  'a\r\nSet-Cookie: x',
  '\ud800',
  '世界🎈',
  '(a+)+$',
  '(((',
  '['.repeat(5_000),
  'a=b,'.repeat(20_000),
  'x'.repeat(1_000_000),
]

test('a hostile value is taken or refused by name, at once, and nothing else is thrown', async () => {
  for (const [, definition] of definitions)
    for (const [key, declared] of Object.entries(definition.config)) {
      if (!['STRING', 'LIST', 'PASSWORD', 'CLASS'].includes(declared.type) || declared.words !== null) continue
      for (const text of hostile) {
        const what = `${definition.name}: ${key}=${JSON.stringify(text.slice(0, 30))}`
        let values: ReturnType<typeof valuesOf>
        const began = performance.now()
        try {
          values = valuesOf(definition.config, { ...definition.example, [key]: text })
        } catch (error) {
          assert.equal((error as Error).name, 'InvalidConfig', `${what}: ${(error as Error).stack}`)
          if (declared.type === 'PASSWORD' && text.trim() !== '') assert.ok(!(error as Error).message.includes(text), what)
          continue
        } finally {
          assert.ok(performance.now() - began < 2_000, `${what} took ${performance.now() - began} ms`)
        }
        try {
          for (const [name, problem] of (await definition.check?.(values as never)) ?? []) {
            assert.ok(definition.config[name] !== undefined && problem !== '', what)
            if (declared.type === 'PASSWORD' && text.length > 3) assert.ok(!problem.includes(text), what)
          }
        } catch (error) {
          assert.fail(`${what}: the check throws ${(error as Error).stack}`)
        }
      }
    }
})
