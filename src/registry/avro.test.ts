/** Avro: what is accepted, its canonical form, and Avro's table of what can be read as what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { avro } from './avro.ts'
import { Budget, InvalidSchema, type Resolved } from './schema.ts'
import { differencesOf, parseSchema } from './schemas.ts'

const budget = () => new Budget(200_000)
const parse = (json: unknown, resolved: readonly Resolved[] = [], strict = true) =>
  avro.parse({ text: typeof json === 'string' ? json : JSON.stringify(json), resolved, strict, budget: budget() })
const record = (fields: unknown[], more: object = {}) => ({ type: 'record', name: 'R', namespace: 'n', fields, ...more })
const reasons = (reader: unknown, writer: unknown) =>
  parse(reader)
    .differences(parse(writer), 'STRICT', budget())
    .map(reason => reason('new', 'old'))

test('the canonical form is that of Avro: attributes in its order, names as short as the namespace allows, numbers as written', () => {
  const text = `{"fields":[{"default":1.0,"type":"double","name":"a"},{"type":["null","n.R"],"name":"b","default":null,"order":"descending"}],
    "name":"n.R", "doc":"d", "x":{"z":1,"y":2}, /* a comment */ "aliases":["Old","m.Other"], "type":"record"}`
  assert.equal(
    parse(text).canonical,
    '{"type":"record","name":"R","namespace":"n","doc":"d","fields":[{"name":"a","type":"double","default":1.0},{"name":"b","type":["null","R"],"default":null,"order":"descending"}],"x":{"z":1,"y":2},"aliases":["Old","m.Other"]}',
  )
  assert.equal(parse('string').canonical, '"string"')
  assert.equal(parse({ type: 'string' }).canonical, '"string"')
  assert.equal(parse('{"type":"string","avro.java.string":"String"}').canonical, '{"type":"string","avro.java.string":"String"}')
})

test('what has no meaning does not make another schema', () => {
  const one = parse(record([{ name: 'a', type: { type: 'bytes', scale: 2, logicalType: 'decimal', precision: 9, b: 1, a: 2 } }]))
  const other = parse(record([{ name: 'a', type: { type: 'bytes', logicalType: 'decimal', precision: 9, a: 2, scale: 2, b: 1 } }]))
  assert.notEqual(one.canonical, other.canonical)
  assert.equal(one.normalized, other.normalized)
  assert.equal(one.identity, other.identity)
})

test('a reference defines names, which are written as names, or in full if all is asked for in one', () => {
  const resolved = [{ name: 'x', text: JSON.stringify({ type: 'enum', name: 'E', namespace: 'm', symbols: ['A'] }) }]
  const schema = parse(record([{ name: 'e', type: 'm.E' }]), resolved)
  assert.match(schema.canonical, /"type":"m\.E"/)
  assert.match(schema.formatted('resolved'), /"symbols":\["A"\]/)
  assert.equal(parse(schema.formatted('resolved')).identity, schema.identity)
})

for (const [what, json] of [
  ['no JSON', '{"type":'],
  ['a number', 5],
  ['no type', { name: 'R' }],
  ['an unknown type', { type: 'text' }],
  ['an undefined name', record([{ name: 'a', type: 'Other' }])],
  ['a record without fields', { type: 'record', name: 'R' }],
  [
    'a field twice',
    record([
      { name: 'a', type: 'int' },
      { name: 'a', type: 'int' },
    ]),
  ],
  ['a bad name', record([{ name: 'a-b', type: 'int' }])],
  ['a name twice', [record([]), record([])]],
  ['a type twice in a union', ['int', 'int']],
  ['a union in a union', ['int', ['string']]],
  ['a symbol twice', { type: 'enum', name: 'E', symbols: ['A', 'A'] }],
  ['an enum with a foreign default', { type: 'enum', name: 'E', symbols: ['A'], default: 'B' }],
  ['a fixed without size', { type: 'fixed', name: 'F' }],
  ['a default of another type', record([{ name: 'a', type: 'int', default: 'x' }])],
  ['a default beyond int', record([{ name: 'a', type: 'int', default: 2_147_483_648 }])],
] as const)
  test(`refuses ${what}`, () => assert.throws(() => parse(json), InvalidSchema))

test('defaults of schemas that exist already are not checked', () => {
  assert.doesNotThrow(() => parse(record([{ name: 'a', type: 'int', default: 'x' }]), [], false))
})

const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']
const promoted: Record<string, string[]> = {
  long: ['int'],
  float: ['int', 'long'],
  double: ['int', 'long', 'float'],
  bytes: ['string'],
  string: ['bytes'],
}

test('a primitive is read as itself, or as what Avro promotes it to', () => {
  for (const reader of primitives)
    for (const writer of primitives)
      assert.equal(
        reasons(`"${reader}"`, `"${writer}"`).length === 0,
        reader === writer || (promoted[reader]?.includes(writer) ?? false),
        `${writer} read as ${reader}`,
      )
})

test('what cannot be read is told as by Confluent', () => {
  assert.deepEqual(
    reasons(
      record([
        { name: 'a', type: 'int' },
        { name: 'b', type: 'int' },
      ]),
      record([{ name: 'a', type: 'int' }]),
    ),
    [
      "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'b'}",
    ],
  )
  assert.deepEqual(reasons(record([{ name: 'a', type: 'int' }]), record([{ name: 'a', type: 'string' }])), [
    "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: INT not compatible with writer type: STRING'}",
  ])
  assert.deepEqual(reasons(['int'], ['int', 'string']), [
    "{errorType:'MISSING_UNION_BRANCH', description:'The new schema is missing a type inside a union field at path '/1' in the old schema', additionalInfo:'reader union lacking writer type: STRING'}",
  ])
  assert.match(reasons({ ...record([]), name: 'S' }, record([]))[0]!, /NAME_MISMATCH.*expected: n\.R/)
  assert.match(
    reasons({ type: 'enum', name: 'E', symbols: ['A'] }, { type: 'enum', name: 'E', symbols: ['A', 'B'] })[0]!,
    /MISSING_ENUM_SYMBOLS.*\[B\]/,
  )
  assert.deepEqual(reasons({ type: 'enum', name: 'E', symbols: ['A'], default: 'A' }, { type: 'enum', name: 'E', symbols: ['A', 'B'] }), [])
  assert.match(
    reasons({ type: 'fixed', name: 'F', size: 4 }, { type: 'fixed', name: 'F', size: 8 })[0]!,
    /FIXED_SIZE_MISMATCH.*expected: 8, found: 4/,
  )
  assert.deepEqual(reasons(record([{ name: 'b', aliases: ['a'], type: 'long' }]), record([{ name: 'a', type: 'int' }])), [])
})

const types = fc.letrec<{ type: unknown }>(tie => ({
  type: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...primitives),
    fc.record({ type: fc.constant('array'), items: tie('type') }),
    fc.record({ type: fc.constant('map'), values: tie('type') }),
    fc.uniqueArray(fc.constantFrom(...primitives), { minLength: 1 }),
  ),
})).type

test('whatever it is, a schema can read what it has written, and its canonical form is stable', () => {
  fc.assert(
    fc.property(fc.array(types, { maxLength: 5 }), fields => {
      const schema = parse(record(fields.map((type, index) => ({ name: `f${index}`, type }))))
      assert.deepEqual(schema.differences(schema, 'STRICT', budget()), [])
      assert.equal(parse(schema.canonical).canonical, schema.canonical)
      assert.equal(parse(schema.normalized).normalized, schema.normalized)
    }),
  )
})

test('a schema that is too deep or too large for its comparison is refused', () => {
  const chain = Array.from({ length: 20_000 }, (_, index) => ({
    type: 'record',
    name: `R${index}`,
    fields: index === 0 ? [] : [{ name: 'f', type: `R${index - 1}` }],
  }))
  const schema = parseSchema('AVRO', { text: JSON.stringify(chain), resolved: [], strict: true, budget: budget() })
  assert.throws(() => differencesOf(schema, schema, 'STRICT', budget()), InvalidSchema)
  assert.throws(() => parseSchema('AVRO', { text: '['.repeat(100_000), resolved: [], strict: true, budget: budget() }), InvalidSchema)
})
