import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openValidator, type Validator } from './validate.ts'

/** Again, if the machine had no time for this process. */
async function open(schema: object, tries = 20): Promise<Validator> {
  try {
    return await openValidator(schema, JSON.stringify(schema), new Map())
  } catch (error) {
    if (tries === 0 || !/too long to compile/.test((error as Error).message)) throw error
    return open(schema, tries - 1)
  }
}

function takes(validator: Validator, value: unknown): boolean {
  try {
    validator.check(value)
    return true
  } catch {
    return false
  }
}

test('a schema that makes value after value slow is given no more time', async () => {
  const validator = await open({ properties: { list: { uniqueItems: true } } })
  // Each is compared with each.
  const slow = { list: Array.from({ length: 20_000 }, (_, n) => ({ n })) }
  // Not for the same time each, on a machine that has little for this process.
  do assert.throws(() => validator.check(slow), /takes too long to check/)
  while (takes(validator, {}))
})

test('a $schema that is no text is refused as one', async () => {
  const schema = JSON.parse('{"$schema":{"toString":1},"type":"object"}')
  await assert.rejects(open(schema), { name: 'SerdeError', message: /^the JSON Schema cannot be used/ })
})
