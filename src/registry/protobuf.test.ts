/** Protobuf: what is accepted, its canonical form, descriptors, and which changes are compatible. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { protobuf } from './protobuf.ts'
import { Budget, InvalidSchema, type Resolved } from './schema.ts'

const budget = () => new Budget(200_000)
const parse = (text: string, resolved: readonly Resolved[] = []) => protobuf.parse({ text, resolved, strict: true, budget: budget() })
const proto3 = (text: string) => `syntax = "proto3";\n${text}`
const kinds = (before: string, after: string) =>
  parse(proto3(after))
    .differences(parse(proto3(before)), 'STRICT', budget())
    .map(reason => /errorType:"(\w+)"/.exec(reason('new', 'old'))![1])

const everything = `// a comment
syntax = "proto3"; package a.b;
import "google/protobuf/timestamp.proto"; import public "other.proto";
option java_package = "c" "d"; option (mine).deep = { a: 1, b: [2, 3] c { d: "e" } };
enum Colour { option allow_alias = true; RED = 0; ROT = 0 [deprecated = true]; reserved 5 to max, "X"; }
message Outer {
  reserved 8, 10 to 12; reserved "old";
  message Inner { optional string s = 1 [json_name = "t"]; }
  oneof choice { int32 x = 1; Inner y = 2; }
  map<string, Inner> all = 3; repeated Colour colours = 4 [packed = false, (custom) = "q\\"uote"];
  google.protobuf.Timestamp at = 5; a.b.Outer.Inner full = 6; .other.Thing thing = 7;
}
service S { rpc Call (stream Outer) returns (Outer) { option deprecated = true; } rpc Other (Outer) returns (stream Outer); }`
const other: Resolved = { name: 'other.proto', text: proto3('package other; message Thing {}') }

test('the canonical form is that of Confluent, without comments', () => {
  assert.equal(
    parse(everything, [other]).canonical,
    `syntax = "proto3";
package a.b;

import "google/protobuf/timestamp.proto";
import public "other.proto";

option java_package = "cd";
option (mine).deep = {
  a: 1,
  b: [
    2,
    3
  ],
  c: {
    d: "e"
  }
};

message Outer {
  reserved 8, 10 to 12;
  reserved "old";

  map<string, Inner> all = 3;
  repeated Colour colours = 4 [
    packed = false,
    (custom) = "q\\"uote"
  ];
  google.protobuf.Timestamp at = 5;
  a.b.Outer.Inner full = 6;
  .other.Thing thing = 7;

  oneof choice {
    int32 x = 1;
    Inner y = 2;
  }

  message Inner {
    optional string s = 1 [json_name = "t"];
  }
}
enum Colour {
  reserved 5 to max, "X";
  option allow_alias = true;
  RED = 0;
  ROT = 0 [deprecated = true];
}

service S {
  rpc Call (stream Outer) returns (Outer) {
    option deprecated = true;
  };
  rpc Other (Outer) returns (stream Outer);
}
`,
  )
})

test('canonical and normalized forms are stable, and mean the same', () => {
  const schema = parse(everything, [other])
  assert.equal(parse(schema.canonical, [other]).canonical, schema.canonical)
  assert.equal(parse(schema.normalized, [other]).normalized, schema.normalized)
  assert.equal(parse(schema.normalized, [other]).identity, schema.identity)
  assert.match(schema.normalized, /map<string, \.a\.b\.Outer\.Inner> all = 3;/)
})

test('a descriptor in base64 means the same as the text that it was made of', () => {
  const plain = parse(everything.replace(/option \(mine\)[^\n]*\n/, '\n').replace(', (custom) = "q\\"uote"', ''), [other])
  const again = parse(plain.formatted('serialized'), [other])
  assert.equal(again.normalized, plain.normalized)
  assert.throws(() => parse('AAAA'), InvalidSchema)
})

for (const [what, text] of [
  ['an unknown syntax', 'syntax = "proto9";'],
  ['an unknown import', 'import "nowhere.proto";'],
  ['an unknown type', 'message A { B b = 1; }'],
  ['a number twice', proto3('message A { int32 a = 1; int32 b = 1; }')],
  ['a name twice', proto3('message A { int32 a = 1; int32 a = 2; }')],
  ['a message twice', proto3('message A {} message A {}')],
  ['number 0', proto3('message A { int32 a = 0; }')],
  ['a reserved number', proto3('message A { int32 a = 19000; }')],
  ['required in proto3', proto3('message A { required int32 a = 1; }')],
  ['a map with a wrong key', proto3('message A { map<double, string> a = 1; }')],
  ['an enum that does not begin with zero', proto3('enum E { A = 1; }')],
  ['JSON', '{"type":"record"}'],
  ['an open brace', 'message A {'],
  ['deep nesting', 'message A {'.repeat(10_000)],
] as const)
  test(`refuses ${what}`, () => assert.throws(() => parse(text), InvalidSchema))

const table: readonly (readonly [what: string, before: string, after: string, differences: string[]])[] = [
  ['int32 to int64', 'message A { int32 a = 1; }', 'message A { int64 a = 1; }', []],
  ['int32 to an enum', 'message A { int32 a = 1; }', 'message A { E a = 1; } enum E { X = 0; }', []],
  ['int32 to sint32', 'message A { int32 a = 1; }', 'message A { sint32 a = 1; }', ['FIELD_SCALAR_KIND_CHANGED']],
  ['string to bytes', 'message A { string a = 1; }', 'message A { bytes a = 1; }', []],
  ['another name', 'message A { int32 a = 1; }', 'message A { int32 b = 1; }', []],
  ['a field removed', 'message A { int32 a = 1; }', 'message A { }', []],
  ['a field added', 'message A { }', 'message A { int32 a = 1; }', []],
  ['a message removed', 'message A {} message B {}', 'message A {}', ['MESSAGE_REMOVED']],
  ['a message added before', 'message A {}', 'message B {} message A {}', []],
  ['another package', 'package a; message A {}', 'package b; message A {}', ['PACKAGE_CHANGED']],
  ['scalar to message', 'message A { int32 a = 1; }', 'message A { A a = 1; }', ['FIELD_KIND_CHANGED']],
  ['repeated string', 'message A { optional string a = 1; }', 'message A { repeated string a = 1; }', []],
  ['repeated int32', 'message A { optional int32 a = 1; }', 'message A { repeated int32 a = 1; }', ['FIELD_NUMERIC_LABEL_CHANGED']],
  ['a value of a map', 'message A { map<string, int32> a = 1; }', 'message A { map<string, float> a = 1; }', ['FIELD_SCALAR_KIND_CHANGED']],
  ['one field into a new oneof', 'message A { int32 a = 1; }', 'message A { oneof o { int32 a = 1; int32 b = 2; } }', []],
  [
    'two fields into a oneof',
    'message A { int32 a = 1; int32 b = 2; }',
    'message A { oneof o { int32 a = 1; int32 b = 2; } }',
    ['MULTIPLE_FIELDS_MOVED_TO_ONEOF'],
  ],
  [
    'a field out of a oneof',
    'message A { oneof o { int32 a = 1; int32 b = 2; } }',
    'message A { oneof o { int32 a = 1; } }',
    ['ONEOF_FIELD_REMOVED'],
  ],
]
for (const [what, before, after, differences] of table) test(what, () => assert.deepEqual(kinds(before, after), differences))

const scalars = ['int32', 'int64', 'string', 'bytes', 'bool', 'double', 'fixed64', 'map<string, bool>', 'repeated sint32', 'A']

test('a schema is compatible with itself, as a descriptor too', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 18_999 }), { maxLength: 20 }),
      fc.infiniteStream(fc.constantFrom(...scalars)),
      (tags, types) => {
        const fields = tags.map(tag => `${types.next().value} f${tag} = ${tag};`)
        const schema = parse(proto3(`message A { ${fields.join(' ')} }`))
        assert.deepEqual(schema.differences(schema, 'STRICT', budget()), [])
        assert.equal(parse(schema.canonical).canonical, schema.canonical)
        assert.equal(parse(schema.formatted('serialized')).normalized, schema.normalized)
      },
    ),
  )
})
