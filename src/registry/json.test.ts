/** JSON Schema: what is accepted, and which changes are compatible (Confluent's tables, in strict and lenient reading). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { json } from './json.ts'
import { Budget, InvalidSchema, type Policy } from './schema.ts'
import { differencesOf } from './schemas.ts'

const budget = () => new Budget(200_000)
const parse = (schema: unknown, resolved: { name: string; text: string }[] = []) =>
  json.parse({ text: typeof schema === 'string' ? schema : JSON.stringify(schema), resolved, strict: true, budget: budget() })
const kinds = (before: unknown, after: unknown, policy: Policy = 'STRICT') =>
  parse(after)
    .differences(parse(before), policy, budget())
    .map(reason => /errorType:"(\w+)"/.exec(reason('new', 'old'))![1])

const open = { type: 'object', properties: { a: { type: 'string' } } }
const closed = { ...open, additionalProperties: false }
const and = (schema: typeof open, more: object) => ({ ...schema, properties: { ...schema.properties, ...more } })

const table: readonly (readonly [what: string, before: unknown, after: unknown, differences: string[]])[] = [
  ['a property added to an open model', open, and(open, { b: { type: 'string' } }), ['OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL']],
  ['a property that may be anything added to an open model', open, and(open, { b: {} }), []],
  ['a property added to a closed model', closed, and(closed, { b: { type: 'string' } }), []],
  [
    'a required property added to a closed model',
    closed,
    { ...and(closed, { b: { type: 'string' } }), required: ['b'] },
    ['REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL'],
  ],
  ['one with a default', closed, { ...and(closed, { b: { type: 'string', default: '' } }), required: ['b'] }, []],
  ['a property removed from an open model', and(open, { b: {} }), open, []],
  ['a property removed from a closed model', and(closed, { b: {} }), closed, ['PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL']],
  ['an open model closed', open, closed, ['ADDITIONAL_PROPERTIES_REMOVED']],
  ['a closed model opened', closed, open, []],
  ['integer to number', { type: 'integer' }, { type: 'number' }, []],
  ['number to integer', { type: 'number' }, { type: 'integer' }, ['TYPE_NARROWED']],
  ['string to number', { type: 'string' }, { type: 'number' }, ['TYPE_CHANGED']],
  ['a shorter maximum', { type: 'string', maxLength: 9 }, { type: 'string', maxLength: 8 }, ['MAX_LENGTH_DECREASED']],
  ['a longer maximum', { type: 'string', maxLength: 9 }, { type: 'string', maxLength: 10 }, []],
  ['more values', { enum: [1, 'a'] }, { enum: ['a', 1.0, null] }, []],
  ['fewer values', { enum: [1, 2] }, { enum: [1] }, ['ENUM_ARRAY_NARROWED']],
  ['one type to several', { type: 'string' }, { type: ['string', 'null'] }, []],
  ['several types to one', { type: ['string', 'null'] }, { type: 'string' }, ['TYPE_CHANGED']],
  ['a part added to oneOf', { oneOf: [{ type: 'string' }] }, { oneOf: [{ type: 'integer' }, { type: 'string' }] }, []],
  [
    'a part removed from oneOf',
    { oneOf: [{ type: 'string' }, { type: 'integer' }] },
    { oneOf: [{ type: 'string' }] },
    ['SUM_TYPE_NARROWED'],
  ],
  ['true to anything', true, { type: 'string' }, ['TYPE_CHANGED']],
  ['false to anything', false, { type: 'string' }, []],
  ['positions in draft 2020-12', { prefixItems: [{}], items: false }, { prefixItems: [{}, { type: 'string' }], items: false }, []],
]

for (const [what, before, after, differences] of table) test(what, () => assert.deepEqual(kinds(before, after), differences))

test('lenient: the same property may be added to an open model', () => {
  assert.deepEqual(kinds(open, and(open, { b: { type: 'string' } }), 'LENIENT'), [])
})

test('a difference is told as by Confluent', () => {
  const [reason] = parse(and(open, { b: { type: 'string' } })).differences(parse(open), 'STRICT', budget())
  assert.equal(
    reason!('new', 'old'),
    `{errorType:"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", description:"The new schema has an open content model and has a property or item at path '#/properties/b' which is missing in the old schema'}`,
  )
})

test('schemas that contain themselves are compared, and a change deep inside is found', () => {
  const tree = (leaf: string) => ({
    $ref: '#/definitions/node',
    definitions: { node: { type: 'object', properties: { next: { $ref: '#/definitions/node' }, value: { type: leaf } } } },
  })
  assert.deepEqual(kinds(tree('string'), tree('string')), [])
  assert.deepEqual([...new Set(kinds(tree('string'), tree('number')))], ['TYPE_CHANGED'])
  assert.throws(() => kinds({ $ref: '#' }, { $ref: '#' }), InvalidSchema)
})

test('a reference is found by its name, or by the $id that it has; nothing else is fetched', () => {
  const resolved = [{ name: 'other.json', text: '{"$id":"http://example.com/other","definitions":{"x":{"type":"string"}}}' }]
  assert.doesNotThrow(() => parse({ $ref: 'other.json#/definitions/x' }, resolved))
  assert.doesNotThrow(() => parse({ $id: 'http://example.com/root', $ref: 'other#/definitions/x' }, resolved))
  assert.throws(() => parse({ properties: { a: { $ref: 'http://127.0.0.1:1/x.json' } } }), /Unresolved/)
  assert.throws(() => parse({ definitions: {}, properties: { a: { $ref: '#/definitions/x' } } }), /Unresolved/)
})

for (const bad of ['', '5', '{', '{"type":"text"}', '{"properties":[]}', '{"required":true}', '{"minLength":"1"}', '{"allOf":{}}', '[{}]'])
  test(`refuses ${bad || 'nothing'}`, () => assert.throws(() => parse(bad), InvalidSchema))

test('the canonical form keeps the order and the digits; the normalized one sorts', () => {
  const text = '{ "properties": {"2": {"maximum": 1.50}, "1": {"const": 12345678901234567890}, "__proto__": {} } }'
  assert.equal(parse(text).canonical, '{"properties":{"2":{"maximum":1.50},"1":{"const":12345678901234567890},"__proto__":{}}}')
  assert.equal(parse(text).normalized, '{"properties":{"1":{"const":12345678901234567890},"2":{"maximum":1.50},"__proto__":{}}}')
})

test('a pattern is matched in linear time, or is refused soon', () => {
  const text = `${'a'.repeat(40)}!`
  const compare = (pattern: string) => {
    const before = { type: 'object', patternProperties: { [pattern]: { type: 'string' } }, additionalProperties: false }
    return kinds(before, { ...before, properties: { [text]: { type: 'string' } } })
  }
  assert.deepEqual(compare('(a+)+$'), ['OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL'].slice(1))
  assert.throws(() => compare('(a+)+\\1$'), /cannot be used/)
})

test('many parts that refer to each other end soon', () => {
  const names = Array.from({ length: 30 }, (_, index) => `n${index}`)
  const all = { oneOf: names.map(name => ({ $ref: `#/definitions/${name}` })) }
  const definitions = Object.fromEntries(
    names.map(name => [name, { type: 'object', properties: { [name]: { type: 'string' }, child: all } }]),
  )
  const schema = { ...all, definitions }
  try {
    differencesOf(parse(schema), parse(schema), 'STRICT', budget())
  } catch (error) {
    assert.ok(error instanceof InvalidSchema)
  }
})

const schemas = fc.letrec<{ schema: unknown }>(tie => ({
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(true, {}, { type: 'string' }, { type: 'integer', minimum: 3 }, { enum: [1, 'a', null] }, { const: { a: 1 } }),
    fc.record({ type: fc.constant('array'), items: tie('schema') }),
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.string(), tie('schema'), { maxKeys: 4 }),
      additionalProperties: fc.boolean(),
    }),
    fc.record({ oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
  ),
})).schema

test('a schema is compatible with itself, and canonical forms are stable', () => {
  fc.assert(
    fc.property(schemas, value => {
      const schema = parse(value)
      assert.deepEqual(schema.differences(schema, 'STRICT', budget()), [])
      assert.deepEqual(JSON.parse(schema.canonical), JSON.parse(JSON.stringify(value)))
      assert.equal(parse(schema.normalized).normalized, schema.normalized)
    }),
  )
})
