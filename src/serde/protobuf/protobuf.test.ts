import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import protobufjs from 'protobufjs'
import { type Display, SerdeError } from '../types.ts'
import { decodeProtobuf } from './decode.ts'
import { encodeProtobuf } from './encode.ts'
import { parseProtobuf } from './schema.ts'

const everything = `
syntax = "proto3";
package a.b;
enum Colour { RED = 0; GREEN = 1; BLUE = -5; }
message All {
  double d = 1; float f = 2; int32 i32 = 3; uint32 u32 = 4; sint32 s32 = 5; fixed32 f32 = 6; sfixed32 sf32 = 7;
  int64 i64 = 8; uint64 u64 = 9; sint64 s64 = 10; fixed64 f64 = 11; sfixed64 sf64 = 12;
  bool b = 13; string text_value = 14; bytes data = 15; Colour colour = 16;
  repeated int64 longs = 17; repeated string texts = 18; map<string, int64> by_name = 19; map<int32, All> by_id = 20;
  All nested = 21; repeated All list = 22; optional int32 maybe = 23;
  oneof choice { int32 one = 24; string other = 25; }
  repeated Colour colours = 26 [packed = false];
}
`
const file = parseProtobuf(everything, new Map())
const all = file.message([0])

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(each => (Number.isSafeInteger(Number(each)) ? Number(each) : each))
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(each => (Number.isSafeInteger(Number(each)) ? Number(each) : each))
const positive = (value: unknown) => !Object.is(value, -0)
const { message } = fc.letrec<{ message: Record<string, Display> }>(tie => ({
  message: fc.record(
    {
      d: fc.double({ noNaN: true, noDefaultInfinity: true }).filter(positive),
      i32: fc.integer(),
      u32: fc.nat(2 ** 32 - 1),
      s32: fc.integer(),
      f32: fc.nat(2 ** 32 - 1),
      sf32: fc.integer(),
      i64: int64,
      u64: uint64,
      s64: int64,
      f64: uint64,
      sf64: int64,
      b: fc.boolean(),
      textValue: fc.string({ unit: 'grapheme' }),
      data: fc.uint8Array({ maxLength: 10 }).map(each => Buffer.from(each).toString('base64')),
      colour: fc.constantFrom('RED', 'GREEN', 'BLUE'),
      longs: fc.array(int64, { maxLength: 3 }),
      texts: fc.array(fc.string(), { maxLength: 3 }),
      colours: fc.array(fc.constantFrom('RED', 'GREEN', 'BLUE'), { maxLength: 3 }),
      byName: fc.dictionary(fc.string(), int64, { maxKeys: 3, noNullPrototype: true }),
      maybe: fc.integer(),
      one: fc.integer(),
      nested: fc.oneof({ maxDepth: 3, depthSize: 'small' }, fc.constant({}), tie('message')),
      list: fc.array(fc.oneof({ maxDepth: 3, depthSize: 'small' }, fc.constant({}), tie('message')), { maxLength: 2 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Record<string, Display>>,
}))

test('every value survives, with all digits, and the library writes the same bytes', () => {
  const library = protobufjs.parse(everything, { keepCase: true }).root.lookupType('a.b.All')
  fc.assert(
    fc.property(message, value => {
      const bytes = encodeProtobuf(file, all, value)
      const shown = decodeProtobuf(file, all, bytes, 'plain') as Record<string, Display>
      for (const [name, each] of Object.entries(value)) if (name !== 'nested' && name !== 'list') assert.deepEqual(shown[name], each, name)
      assert.deepEqual(encodeProtobuf(file, all, shown), bytes)
      // Verified by the library, whose numbers are inexact: it must take the bytes, and its own encoding must mean the same to us.
      const again = Buffer.from(library.encode(library.decode(bytes)).finish())
      assert.deepEqual(decodeProtobuf(file, all, again, 'plain'), shown)
    }),
    { numRuns: 200 },
  )
})

test('what is not set is shown with its default, but for messages, oneofs and optional fields', () => {
  const shown = decodeProtobuf(file, all, Buffer.alloc(0), 'confluent') as Record<string, Display>
  assert.equal(shown.i64, '0')
  assert.equal(shown.colour, 'RED')
  assert.deepEqual([shown.longs, shown.byName], [[], {}])
  for (const absent of ['nested', 'maybe', 'one', 'other']) assert.ok(!(absent in shown), absent)
})

test('repeated occurrences: the last scalar counts, messages are merged, members of a oneof replace each other', () => {
  const twice = (first: object, second: object) =>
    decodeProtobuf(file, all, Buffer.concat([encodeProtobuf(file, all, first), encodeProtobuf(file, all, second)]), 'plain') as Record<
      string,
      Display
    >
  assert.equal(twice({ i32: 1 }, { i32: 2 }).i32, 2)
  const { nested } = twice({ nested: { i32: 1, texts: ['a'] } }, { nested: { u32: 2, texts: ['b'] } }) as {
    nested: Record<string, Display>
  }
  assert.deepEqual([nested.i32, nested.u32, nested.texts], [1, 2, ['a', 'b']])
  const chosen = twice({ one: 1 }, { other: 'x' })
  assert.ok(!('one' in chosen) && chosen.other === 'x')
})

test('arbitrary bytes are decoded or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      try {
        decodeProtobuf(file, all, Buffer.from(bytes), 'plain')
      } catch (error) {
        assert.ok(error instanceof SerdeError, String(error))
      }
    }),
    { numRuns: 3000 },
  )
  let deep = Buffer.alloc(0)
  for (let depth = 0; depth < 1000; depth++) {
    const length = Buffer.from([(deep.length & 0x7f) | 0x80, deep.length >> 7])
    deep = Buffer.concat([Buffer.from([0xaa, 0x01]), length, deep])
  }
  assert.throws(() => decodeProtobuf(file, all, deep, 'plain'), /nested more than/)
})

test('empty messages in a list cannot claim more text than their bytes are worth', () => {
  const fields = Array.from({ length: 500 }, (_, index) => `int32 ${'x'.repeat(200)}${index} = ${index + 1};`).join('\n')
  const wide = parseProtobuf(`syntax = "proto3"; message M { repeated N list = 1; } message N { ${fields} }`, new Map())
  assert.throws(() => decodeProtobuf(wide, wide.message([0]), Buffer.from('0a00'.repeat(10_000), 'hex'), 'plain'), /far larger/)
})

test('messages within messages are counted as Confluent counts them; imports are not', () => {
  const imported = 'syntax = "proto3"; package o; message Other { int32 id = 1; }'
  const main = `syntax = "proto3"; package p; import "other.proto"; import "google/protobuf/timestamp.proto"; import "confluent/meta.proto";
    message First { message Inner { int32 x = 1; } enum E { A = 0; } message Second { o.Other other = 1; google.protobuf.Timestamp at = 2; } }
    enum Top { T = 0; } message Last { }`
  const nested = parseProtobuf(main, new Map([['other.proto', imported]]))
  assert.equal(nested.message([0, 1]).name, 'p.First.Second')
  assert.equal(nested.message([1]).name, 'p.Last')
  assert.deepEqual(nested.find('p.First.Second').indexes, [0, 1])
  assert.deepEqual(nested.find('Last').indexes, [1])
  assert.throws(() => nested.message([2]), SerdeError)
  const value = { other: { id: 7 }, at: '2026-11-29T21:00:00.250Z' }
  const { message: second } = nested.find('Second')
  assert.deepEqual(decodeProtobuf(nested, second, encodeProtobuf(nested, second, value), 'plain'), value)
})

test('well-known types have their own JSON', () => {
  const imports = ['any', 'duration', 'field_mask', 'struct', 'timestamp', 'wrappers', 'empty'].map(
    each => `import "google/protobuf/${each}.proto";`,
  )
  const known = parseProtobuf(
    `syntax = "proto3"; ${imports.join('')} message M { google.protobuf.Any any = 1; google.protobuf.Duration d = 2; google.protobuf.FieldMask mask = 3;
      google.protobuf.Struct s = 4; google.protobuf.Value v = 5; google.protobuf.Timestamp t = 6; google.protobuf.Int64Value l = 7; google.protobuf.BytesValue b = 8;
      google.protobuf.Empty e = 9; repeated google.protobuf.Value vs = 10; }`,
    new Map(),
  )
  const type = known.message([0])
  const value = {
    any: { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1.500s' },
    d: '-0.000000001s',
    mask: 'userName,a.bC',
    s: { a: [1, { b: null }], __proto_: true },
    v: null,
    t: '1969-12-31T23:59:59.999999999Z',
    l: 9007199254740993n,
    b: 'AAE=',
    e: {},
    vs: ['x', 1.5, false],
  }
  assert.deepEqual(decodeProtobuf(known, type, encodeProtobuf(known, type, value), 'plain'), value)
  for (const wrong of [{ t: 'noon' }, { d: '1 s' }, { l: 'x' }, { s: [] }, { t: 5 }])
    assert.throws(() => encodeProtobuf(known, type, wrong), SerdeError)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      try {
        decodeProtobuf(known, type, Buffer.from(bytes), 'plain')
      } catch (error) {
        assert.ok(error instanceof SerdeError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})

test('proto2: groups, required fields and defaults', () => {
  const old = parseProtobuf(
    'message M { required string name = 1; optional int64 count = 2 [default = 5]; repeated group Item = 3 { optional int32 x = 1; } optional E e = 4 [default = B]; enum E { A = 0; B = 1; } }',
    new Map(),
  )
  const type = old.message([0])
  const bytes = encodeProtobuf(old, type, { name: 'n', item: [{ x: 1 }, { x: 2 }] })
  assert.deepEqual(decodeProtobuf(old, type, bytes, 'plain'), { name: 'n', count: 5, item: [{ x: 1 }, { x: 2 }], e: 'B' })
  assert.throws(() => encodeProtobuf(old, type, {}), /name is required/)
})

test('errors name the field', () => {
  const reason = (value: unknown) => {
    try {
      encodeProtobuf(file, all, value)
    } catch (error) {
      return (error as SerdeError).message
    }
    return null
  }
  assert.equal(reason({ nested: { list: [{}, { i32: 'x' }] } }), 'nested.list.1.i32 must be an integer of 32 bits, not "x"')
  assert.equal(reason({ nested: { nope: 1 } }), 'nested.nope is not a field of a.b.All')
  assert.equal(reason({ one: 1, other: 'x' }), 'other excludes another field that is given: they are of one oneof')
  assert.equal(reason({ u32: -1 }), 'u32 must be an unsigned integer of 32 bits, not "-1"')
  assert.equal(reason({ colour: 'PINK' }), 'colour must be one of RED, GREEN, BLUE, not "PINK"')
})

test('texts that are no schema are refused, whatever they are', () => {
  for (const text of [
    '',
    'message',
    'message M { Unknown u = 1; }',
    'syntax = "proto3"; message M { int32 a = 1; int32 b = 1; }',
    'message M {'.repeat(10_000),
  ]) {
    assert.throws(() => parseProtobuf(text, new Map()).message([0]), SerdeError, text.slice(0, 50))
  }
  fc.assert(
    fc.property(
      fc.array(
        fc.constantFrom(
          'message ',
          'M',
          '{',
          '}',
          'int32 ',
          'x',
          '=',
          '1',
          ';',
          'option ',
          '(',
          ')',
          '"',
          '\\',
          '__proto__',
          'oneof ',
          'map<',
          ',',
          '>',
          'extend ',
          'import ',
          'constructor',
        ),
        { maxLength: 40 },
      ),
      parts => {
        try {
          parseProtobuf(parts.join(''), new Map())
        } catch (error) {
          assert.ok(error instanceof SerdeError, String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
  assert.equal(({} as Record<string, unknown>).x, undefined)
})
