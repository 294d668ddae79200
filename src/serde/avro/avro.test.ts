import assert from 'node:assert/strict'
import { test } from 'node:test'
import avsc from 'avsc'
import fc from 'fast-check'
import { Output } from '../output.ts'
import { type Display, SerdeError } from '../types.ts'
import { decodeAvro } from './decode.ts'
import { encodeAvro } from './encode.ts'
import { type AvroType, parseAvro } from './schema.ts'

interface Sample {
  schema: unknown
  value: Display
}

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(each => (Number.isSafeInteger(Number(each)) ? Number(each) : each))
const float = fc.float({ noNaN: true, noDefaultInfinity: true }).filter(each => !Object.is(each, -0))
const bytes = fc.uint8Array({ maxLength: 20 }).map(each => Buffer.from(each).toString('latin1'))
const text = fc.string({ unit: 'grapheme' })
let names = 0

const scalar: fc.Arbitrary<Sample> = fc.oneof(
  fc.constant({ schema: 'null', value: null }),
  fc.boolean().map(value => ({ schema: 'boolean', value })),
  fc.integer().map(value => ({ schema: 'int', value })),
  long.map(value => ({ schema: { type: 'long', logicalType: 'x' }, value })),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .filter(each => !Object.is(each, -0))
    .map(value => ({ schema: 'double', value })),
  text.map(value => ({ schema: 'string', value })),
  bytes.map(value => ({ schema: 'bytes', value })),
  bytes.filter(each => each.length > 0).map(value => ({ schema: { type: 'fixed', name: `F${names++}`, size: value.length }, value })),
  fc.constantFrom('a', 'b', 'c').map(value => ({ schema: { type: 'enum', name: `E${names++}`, symbols: ['a', 'b', 'c'] }, value })),
)

/** Values of one schema: lists and maps hold what one sample says, several times. */
const { sample } = fc.letrec<{ sample: Sample }>(tie => ({
  sample: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.tuple(tie('sample'), fc.nat(3)).map(([{ schema, value }, count]) => ({
      schema: { type: 'array', items: schema },
      value: Array.from({ length: count }, () => value),
    })),
    fc.tuple(tie('sample'), fc.uniqueArray(text, { maxLength: 3 })).map(([{ schema, value }, keys]) => ({
      schema: { type: 'map', values: schema },
      value: Object.fromEntries(keys.map(key => [key, value])),
    })),
    fc.array(tie('sample'), { maxLength: 4 }).map(samples => ({
      schema: {
        type: 'record',
        name: `R${names++}`,
        namespace: 'n.s',
        fields: samples.map(({ schema }, index) => ({ name: `f${index}`, type: schema })),
      },
      value: Object.fromEntries(samples.map(({ value }, index) => [`f${index}`, value])),
    })),
    text.map(value => ({ schema: ['null', 'string', 'long'], value: { string: value } })),
    fc.constant({ schema: ['null', 'string', 'long'], value: null }),
  ),
}))

function encoded(schema: unknown, value: unknown): Buffer {
  const output = new Output()
  encodeAvro(parseAvro(JSON.stringify(schema)), value, output)
  return output.toBuffer()
}

function decoded(schema: unknown, encodedBytes: Buffer, form: 'plain' | 'confluent' = 'confluent'): Display {
  return decodeAvro(parseAvro(JSON.stringify(schema)), encodedBytes, form)
}

const exactLong = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(BigInt(value))
    return buffer
  },
  fromJSON: BigInt,
  toJSON: (value: bigint) => value,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (one: bigint, other: bigint) => (one < other ? -1 : one > other ? 1 : 0),
})

test('every value survives both ways, and the library reads the same value', () => {
  fc.assert(
    fc.property(sample, ({ schema, value }) => {
      const bytes = encoded(schema, value)
      assert.deepEqual(decoded(schema, bytes), value)
      const type = avsc.Type.forSchema(schema as avsc.Schema, {
        wrapUnions: true,
        typeHook: ((each: unknown) => (each === 'long' || (each as { type?: string }).type === 'long' ? exactLong : undefined)) as never,
      })
      assert.deepEqual(type.toBuffer(type.fromBuffer(bytes)), bytes)
    }),
    { numRuns: 300 },
  )
})

test('floats show the digits that identify them', () => {
  fc.assert(fc.property(float, value => assert.equal(Math.fround(decoded('float', encoded('float', value)) as number), value)))
  assert.equal(decoded('float', encoded('float', 0.1)), 0.1)
  assert.equal(decoded('double', encoded('double', 'NaN')), 'NaN')
})

test('an optional value is plain for people and tagged for Confluent; both are read', () => {
  const schema = { type: 'record', name: 'R', fields: [{ name: 'a', type: ['null', 'string'], default: null }] }
  for (const value of [{ a: 'x' }, { a: { string: 'x' } }]) {
    const bytes = encoded(schema, value)
    assert.deepEqual(decoded(schema, bytes, 'plain'), { a: 'x' })
    assert.deepEqual(decoded(schema, bytes), { a: { string: 'x' } })
  }
  assert.deepEqual(decoded(schema, encoded(schema, {})), { a: null })
})

test('errors name the field', () => {
  const schema = { type: 'record', name: 'R', fields: [{ name: 'a', type: { type: 'array', items: ['null', 'int'] } }] }
  const reason = (value: unknown) => {
    try {
      encoded(schema, value)
    } catch (error) {
      return (error as SerdeError).message
    }
    return null
  }
  assert.equal(reason({ a: [1, 'x'] }), 'a.1 must be an integer of 32 bits, not "x"')
  assert.equal(reason({ a: [2 ** 31] }), 'a.0 must be an integer of 32 bits, not 2147483648')
  assert.equal(reason({}), 'a is missing and has no default')
  assert.equal(reason({ a: [], b: 1 }), 'b is not a field of R')
  assert.equal(reason(1), 'the value must be a record R, not 1')
})

test('arbitrary bytes are decoded or refused', () => {
  const recursive = {
    type: 'record',
    name: 'L',
    fields: [{ name: 'next', type: ['null', 'L', { type: 'array', items: 'L' }, { type: 'map', values: 'L' }] }],
  }
  fc.assert(
    fc.property(
      fc.oneof(
        sample.map(each => each.schema),
        fc.constant(recursive),
      ),
      fc.uint8Array({ maxLength: 200 }),
      (schema, bytes) => {
        try {
          decoded(schema, Buffer.from(bytes))
        } catch (error) {
          assert.ok(error instanceof SerdeError, String(error))
        }
      },
    ),
    { numRuns: 1000 },
  )
})

test('a few bytes cannot claim billions of elements, or endless depth', () => {
  const huge = Buffer.from('feffffffffffffff7f', 'hex')
  assert.throws(() => decoded({ type: 'array', items: 'null' }, huge), /far larger than its bytes/)
  const empty = { type: 'array', items: { type: 'record', name: 'R', fields: [] } }
  assert.throws(() => decoded(empty, huge), /far larger than its bytes/)
  const list = { type: 'record', name: 'L', fields: [{ name: 'next', type: ['null', 'L'] }] }
  assert.throws(() => decoded(list, Buffer.alloc(100_000, 2)), /nested more than/)
})

test('a symbol of one byte cannot stand for a megabyte of text', () => {
  const schema = { type: 'array', items: { type: 'enum', name: 'E', symbols: ['x'.repeat(1000)] } }
  const bytes = Buffer.concat([encoded('int', 100_000), Buffer.alloc(100_001)])
  assert.throws(() => decoded(schema, bytes), /far larger than its bytes/)
})

test('trying unions within unions ends', () => {
  let union: AvroType = parseAvro('"int"')
  for (let depth = 0; depth < 40; depth++) {
    const items = union
    union = { kind: 'union', branches: ['a', 'b'].map(name => ({ name, type: { kind: 'array', items } })) }
  }
  let value: unknown = 'x'
  for (let depth = 0; depth < 40; depth++) value = [value]
  assert.throws(() => encodeAvro(union, value, new Output()), SerdeError)
})

test('keys may be called __proto__', () => {
  const schema = { type: 'map', values: { type: 'map', values: 'int' } }
  const value = JSON.parse('{"__proto__":{"a":1,"__proto__":2}}')
  const found = decoded(schema, encoded(schema, value)) as Record<string, Display>
  assert.equal(JSON.stringify(found), JSON.stringify(value))
  assert.equal(Object.getPrototypeOf(found), Object.prototype)
})

test('schemas that are none are refused', () => {
  for (const text of [
    '',
    '{',
    '"unknown"',
    '[]',
    '{"type":"record","name":"R"}',
    '{"type":"fixed","name":"F","size":1e9}',
    '{"type":{}}',
    '3',
    '{"type":"enum","name":"E","symbols":[1]}',
  ]) {
    assert.throws(() => parseAvro(text), SerdeError, text)
  }
  assert.throws(() => parseAvro(`${'{"type":"array","items":'.repeat(150)}"int"${'}'.repeat(150)}`), /nested more than/)
})
