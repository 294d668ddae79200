import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ConnectValue, Decimal, decimal, logical, RetriableError, type Schema, struct } from '../../connector.ts'
import { openConverter } from '../converters.ts'
import { refusal, testSystem } from '../records.testing.ts'
import type { Converter } from './converter.ts'
import { startTestRegistry, type TestRegistry } from './registry.testing.ts'

let registry: TestRegistry
before(async () => {
  registry = await startTestRegistry()
})
after(() => registry[Symbol.asyncDispose]())

function open(name: string, keys: Readonly<Record<string, string>> = {}): Converter {
  const own = Object.entries({ 'schema.registry.url': registry.url, ...keys }).map(
    ([key, value]) => [`value.converter.${key}`, value] as const,
  )
  return openConverter(new Map([['value.converter', name], ...own]), false, { system: testSystem, registry: null })
}

let topics = 0

/** Writes and reads; tells what was registered. */
async function trip(name: string, schema: Schema | null, value: ConnectValue, keys: Readonly<Record<string, string>> = {}) {
  const converter = open(name, keys)
  const topic = `t${++topics}`
  try {
    const bytes = await converter.fromConnect(topic, schema, value)
    const read = await converter.toConnect(topic, bytes)
    const again = await converter.toConnect(topic, bytes)
    assert.equal(again.schema, read.schema, 'one schema for all records')
    const entry = registry.entries.find(each => each.subject === `${topic}-value`)!
    return { text: entry.schema, json: entry.schemaType === 'PROTOBUF' ? null : JSON.parse(entry.schema), ...read }
  } finally {
    converter.close!()
  }
}

const date: Schema = { type: 'int32', name: logical.date, version: 1 }
const time: Schema = { type: 'int32', name: logical.time, version: 1 }
const timestamp: Schema = { type: 'int64', name: logical.timestamp, version: 1 }
const all: Schema = {
  type: 'struct',
  name: 'org.example.All',
  version: 1,
  fields: [
    { name: 'int8', schema: { type: 'int8' } },
    { name: 'int16', schema: { type: 'int16', optional: true } },
    { name: 'int32', schema: { type: 'int32' } },
    { name: 'int64', schema: { type: 'int64' } },
    { name: 'float', schema: { type: 'float32' } },
    { name: 'double', schema: { type: 'float64', optional: true } },
    { name: 'boolean', schema: { type: 'boolean' } },
    { name: 'string', schema: { type: 'string', optional: true } },
    { name: 'bytes', schema: { type: 'bytes' } },
    { name: 'list', schema: { type: 'array', items: { type: 'string' } } },
    { name: 'map', schema: { type: 'map', keys: { type: 'string' }, values: { type: 'int32', optional: true } } },
    { name: 'pairs', schema: { type: 'map', keys: { type: 'int32' }, values: { type: 'string' } } },
    { name: 'decimal', schema: decimal(2) },
    { name: 'date', schema: date },
    { name: 'time', schema: time },
    { name: 'timestamp', schema: { ...timestamp, optional: true } },
    {
      name: 'inner',
      schema: { type: 'struct', name: 'org.example.Inner', optional: true, fields: [{ name: 'x', schema: { type: 'int64' } }] },
    },
    { name: 'again', schema: { type: 'struct', name: 'org.example.Inner', fields: [{ name: 'x', schema: { type: 'int64' } }] } },
  ],
}
const value = struct([
  ['int8', -128],
  ['int16', null],
  ['int32', 2 ** 31 - 1],
  ['int64', 2n ** 63n - 1n],
  ['float', Math.fround(0.1)],
  ['double', -0.5],
  ['boolean', true],
  ['string', 'ä€😀'],
  ['bytes', Buffer.of(0, 127, 255)],
  ['list', ['a', 'b']],
  [
    'map',
    new Map([
      ['k', 1],
      ['n', null],
    ]),
  ],
  ['pairs', new Map([[1, 'one']])],
  ['decimal', new Decimal(-12_345n, 2)],
  ['date', -1],
  ['time', 86_399_999],
  ['timestamp', 1_700_000_000_123n],
  ['inner', struct([['x', 2n ** 60n]])],
  ['again', struct([['x', 1n]])],
])

test('Avro: all types come back as they were', async () => {
  const { schema, value: read } = await trip('io.confluent.connect.avro.AvroConverter', all, value)
  assert.deepEqual(schema, all)
  assert.deepEqual(read, value)
})

test("Avro: schemas are registered as Confluent's converter registers them", async () => {
  const cases: [schema: Schema, value: ConnectValue, json: unknown][] = [
    [{ type: 'string' }, 'x', 'string'],
    [{ type: 'int8' }, 1, { type: 'int', 'connect.type': 'int8' }],
    [{ type: 'string', optional: true }, 'x', ['null', 'string']],
    [
      decimal(2),
      new Decimal(1n, 2),
      {
        type: 'bytes',
        scale: 2,
        precision: 64,
        'connect.version': 1,
        'connect.parameters': { scale: '2' },
        'connect.name': 'org.apache.kafka.connect.data.Decimal',
        logicalType: 'decimal',
      },
    ],
    [timestamp, 1n, { type: 'long', 'connect.version': 1, 'connect.name': logical.timestamp, logicalType: 'timestamp-millis' }],
    [
      {
        type: 'struct',
        fields: [
          { name: 'a', schema: { type: 'int32', default: 5 } },
          { name: 'b', schema: { type: 'string', optional: true } },
          { name: 'c', schema: { type: 'struct', fields: [] } },
        ],
      },
      struct([
        ['a', 1],
        ['b', null],
        ['c', struct()],
      ]),
      {
        type: 'record',
        name: 'ConnectDefault',
        namespace: 'io.confluent.connect.avro',
        fields: [
          { name: 'a', type: { type: 'int', 'connect.default': 5 }, default: 5 },
          { name: 'b', type: ['null', 'string'], default: null },
          { name: 'c', type: { type: 'record', name: 'ConnectDefault2', fields: [] } },
        ],
      },
    ],
    [
      { type: 'map', keys: { type: 'int32' }, values: { type: 'int32' } },
      new Map(),
      {
        type: 'array',
        items: {
          type: 'record',
          name: 'MapEntry',
          namespace: 'io.confluent.connect.avro',
          fields: [
            { name: 'key', type: 'int' },
            { name: 'value', type: 'int' },
          ],
        },
      },
    ],
  ]
  for (const [schema, each, json] of cases) {
    const found = await trip('avro', schema, each)
    assert.equal(found.text, JSON.stringify(json))
    assert.deepEqual(found.value, each)
  }
  const { json } = await trip('avro', all, value)
  assert.deepEqual(json.fields.at(-1), { name: 'again', type: 'Inner' })
  assert.equal((await trip('avro', { type: 'int8' }, 1, { 'connect.meta.data': 'false' })).text, '"int"')
  assert.deepEqual(
    (
      await trip('avro', { type: 'struct', name: 'a-b.c d', fields: [{ name: '1x', schema: { type: 'int8' } }] }, struct([['1x', 1]]), {
        'scrub.invalid.names': 'true',
      })
    ).json.name,
    'c_d',
  )
})

test('Avro: enums, fixed, unions, defaults and records within themselves', async () => {
  const text = JSON.stringify({
    type: 'record',
    name: 'Node',
    namespace: 'org.example',
    doc: 'a node',
    fields: [
      { name: 'color', type: { type: 'enum', name: 'Color', symbols: ['RED', 'BLUE'] }, doc: 'its color' },
      { name: 'id', type: { type: 'fixed', name: 'Id', size: 2 } },
      { name: 'any', type: ['null', 'string', 'long', 'Id'], default: null },
      { name: 'count', type: 'int', default: 7 },
      { name: 'micros', type: { type: 'long', logicalType: 'timestamp-micros' } },
      { name: 'next', type: ['null', 'Node'], default: null },
    ],
  })
  registry.entries.push({ id: 1000, subject: 'nodes-value', version: 4, schema: text, schemaType: 'AVRO' })
  // RED, id, long 5, 3, 8, {BLUE, id, null, …, null}
  const bytes = Buffer.from(
    '00000003e8' + '00' + 'abcd' + '040a' + '06' + '10' + '02' + '02' + '0001' + '06abcd' + '06' + '10' + '00',
    'hex',
  )
  const converter = open('avro')
  const { schema, value: read } = await converter.toConnect('nodes', bytes)
  assert.equal(schema!.name, 'org.example.Node')
  assert.equal(schema!.version, 4)
  assert.equal(schema!.parameters!['io.confluent.connect.avro.record.doc'], 'a node')
  const fields = new Map(schema!.fields!.map(field => [field.name, field.schema]))
  assert.deepEqual(fields.get('color')!.parameters, {
    'io.confluent.connect.avro.Enum': 'org.example.Color',
    'io.confluent.connect.avro.Enum.RED': 'RED',
    'io.confluent.connect.avro.Enum.BLUE': 'BLUE',
  })
  assert.deepEqual(fields.get('id'), { type: 'bytes', name: 'org.example.Id', parameters: { 'connect.fixed.size': '2' } })
  assert.deepEqual(
    fields.get('any')!.fields!.map(({ name }) => name),
    ['string', 'long', 'Id'],
  )
  assert.deepEqual(fields.get('count'), { type: 'int32', default: 7, parameters: { 'io.confluent.connect.avro.field.default': 'true' } })
  assert.deepEqual(fields.get('micros'), { type: 'int64' })
  assert.equal(fields.get('next')!.fields, schema!.fields)
  const node = read as Record<string, ConnectValue>
  assert.deepEqual([node.color, node.id, node.count, node.micros], ['RED', Buffer.from('abcd', 'hex'), 3, 8n])
  assert.deepEqual(
    node.any,
    struct([
      ['string', null],
      ['long', 5n],
      ['Id', null],
    ]),
  )
  const next = node.next as Record<string, ConnectValue>
  assert.deepEqual(
    [next.color, next.any, next.next],
    [
      'BLUE',
      struct([
        ['string', null],
        ['long', null],
        ['Id', Buffer.from('abcd', 'hex')],
      ]),
      null,
    ],
  )
  converter.close!()
  const kept = open('avro', { 'enhanced.avro.schema.support': 'true' })
  const first = await kept.toConnect('nodes', bytes)
  const written = await kept.fromConnect('copies', first.schema, first.value)
  assert.equal(written!.subarray(5).toString('hex'), bytes.subarray(5).toString('hex'))
  kept.close!()
})

test('Avro: values without a schema are kept in a record of all types', async () => {
  const plain = struct([
    ['a', 1],
    ['b', [true, 'x', 2.5, null]],
    ['c', Buffer.of(1)],
  ])
  const { schema, value: read, json } = await trip('avro', null, plain)
  assert.equal(json.name, 'Anything')
  assert.equal(schema, null)
  assert.deepEqual(read, plain)
})

test('JSON Schema: all types come back as they were', async () => {
  const { schema, value: read, json } = await trip('io.confluent.connect.json.JsonSchemaConverter', all, value)
  assert.deepEqual(read, value)
  assert.deepEqual(schema, all)
  assert.deepEqual(json.properties.int8, { type: 'integer', 'connect.type': 'int8', 'connect.index': 0 })
  assert.deepEqual(json.properties.int16, { oneOf: [{ type: 'null' }, { type: 'integer', 'connect.type': 'int16' }], 'connect.index': 1 })
  const long = new Decimal(123_456_789_012_345_678_901n, 20)
  assert.deepEqual((await trip('jsonschema', decimal(20), long, { 'decimal.format': 'NUMERIC' })).value, long)
  assert.deepEqual((await trip('jsonschema', all, value, { 'json.fail.invalid.schema': 'true' })).value, value)
})

test('JSON Schema: schemas of others', async () => {
  const text = JSON.stringify({
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Order',
    type: 'object',
    required: ['id'],
    properties: {
      id: { type: 'integer' },
      price: { type: 'number' },
      tags: { type: 'array', items: { type: 'string' } },
      kind: { type: 'string', enum: ['a', 'b'] },
      either: { oneOf: [{ type: 'integer' }, { type: 'string' }] },
      maybe: { type: ['string', 'null'] },
      parent: { $ref: '#' },
      both: { allOf: [{ $ref: '#/definitions/base' }, { type: 'object', properties: { y: { type: 'boolean' } } }] },
    },
    definitions: { base: { type: 'object', properties: { x: { type: 'integer', default: 3 } } } },
  })
  registry.entries.push({ id: 1001, subject: 'docs-value', version: 1, schema: text, schemaType: 'JSON' })
  const document = {
    id: 9007199254740991,
    price: 2.5,
    tags: ['t'],
    kind: 'b',
    either: 'x',
    maybe: null,
    parent: { id: 1 },
    both: { y: true },
  }
  const converter = open('jsonschema', { 'use.optional.for.nonrequired': 'true' })
  const { schema, value: read } = await converter.toConnect(
    'docs',
    Buffer.concat([Buffer.from('00000003e9', 'hex'), Buffer.from(JSON.stringify(document))]),
  )
  const fields = new Map(schema!.fields!.map(field => [field.name, field.schema]))
  assert.deepEqual(fields.get('id'), { type: 'int64' })
  assert.deepEqual(fields.get('price'), { type: 'float64', optional: true })
  assert.equal(fields.get('kind')!.parameters!['io.confluent.connect.json.Enum.b'], 'b')
  assert.equal(fields.get('parent')!.fields, schema!.fields)
  const got = read as Record<string, ConnectValue>
  assert.deepEqual([got.id, got.tags, got.kind, got.maybe], [9_007_199_254_740_991n, ['t'], 'b', null])
  assert.deepEqual(
    got.either,
    struct([
      ['io.confluent.connect.json.OneOf.field.0', null],
      ['io.confluent.connect.json.OneOf.field.1', 'x'],
    ]),
  )
  assert.deepEqual(
    got.both,
    struct([
      ['x', 3n],
      ['y', true],
    ]),
  )
  assert.equal((got.parent as Record<string, ConnectValue>).id, 1n)
  converter.close!()
})

test('Protobuf: all types come back as they were; everything is optional there', async () => {
  const { value: read, schema, text } = await trip('io.confluent.connect.protobuf.ProtobufConverter', all, value)
  assert.match(text, /^syntax = "proto3";\npackage org\.example;\n/)
  assert.match(text, /int32 int8 = 1 \[\(confluent\.field_meta\) = \{ params: \[\{ key: "connect\.type", value: "int8" \}\] \}\];/)
  const got = read as Record<string, ConnectValue>
  for (const name of Object.keys(value)) {
    // A scalar that is null has no presence in proto3.
    if (name === 'int16') assert.equal(got[name], 0)
    else if (name === 'map')
      assert.deepEqual(
        got[name],
        new Map([
          ['k', 1],
          ['n', 0],
        ]),
      )
    else assert.deepEqual(got[name], value[name], name)
  }
  const types = new Map(schema!.fields!.map(field => [field.name, field.schema]))
  assert.deepEqual([types.get('int8')!.type, types.get('int16')!.type, types.get('decimal')!.name], ['int8', 'int16', logical.decimal])
  const nullable = await trip('protobuf', all, value, { 'optional.for.nullables': 'true' })
  assert.equal((nullable.value as Record<string, ConnectValue>).int16, null)
  assert.deepEqual((await trip('protobuf', { type: 'string' }, 'x')).value, 'x')
})

test('Protobuf: enums, oneofs, maps, wrappers and messages within themselves', async () => {
  const text = `syntax = "proto3"; package org.example; import "google/protobuf/wrappers.proto";
    enum Color { RED = 0; BLUE = 1; }
    message Node {
      Color color = 1;
      oneof pick { string name = 2; int64 number = 3; }
      map<string, int32> counts = 4;
      Node next = 5;
      google.protobuf.StringValue wrapped = 6;
      uint32 unsigned = 7;
      optional int32 maybe = 8;
    }`
  registry.entries.push({ id: 1002, subject: 'protos-value', version: 2, schema: text, schemaType: 'PROTOBUF' })
  // BLUE, number = 5, counts {a: 1}, next {}, wrapped "w", unsigned 2^32-1
  const bytes = Buffer.from(
    '00000003ea' + '00' + '0801' + '1805' + '2205' + '0a0161' + '1001' + '2a00' + '3203' + '0a0177' + '38ffffffff0f',
    'hex',
  )
  const converter = open('protobuf')
  const { schema, value: read } = await converter.toConnect('protos', bytes)
  assert.deepEqual([schema!.name, schema!.version], ['Node', 2])
  assert.deepEqual(
    schema!.fields!.map(({ name }) => name),
    ['pick_0', 'color', 'counts', 'next', 'wrapped', 'unsigned', 'maybe'],
  )
  const fields = new Map(schema!.fields!.map(field => [field.name, field.schema]))
  assert.equal(fields.get('pick_0')!.name, 'io.confluent.connect.protobuf.Union.pick')
  assert.equal(fields.get('color')!.parameters!['io.confluent.connect.protobuf.Enum.BLUE'], '1')
  assert.equal(fields.get('unsigned')!.parameters!['io.confluent.connect.protobuf.Tag'], '7')
  assert.equal(fields.get('next')!.fields, schema!.fields)
  const got = read as Record<string, ConnectValue>
  assert.deepEqual(
    got.pick_0,
    struct([
      ['name', null],
      ['number', 5n],
    ]),
  )
  assert.deepEqual(
    [got.color, got.counts, got.wrapped, got.unsigned, got.maybe],
    ['BLUE', new Map([['a', 1]]), struct([['value', 'w']]), 4_294_967_295n, null],
  )
  assert.equal((got.next as Record<string, ConnectValue>).color, 'RED')
  const unwrapped = open('protobuf', { 'wrapper.for.nullables': 'true' })
  assert.equal(((await unwrapped.toConnect('protos', bytes)).value as Record<string, ConnectValue>).wrapped, 'w')
  for (const each of [converter, unwrapped]) each.close!()
})

test('a schema is registered once; a registry that is away may be asked again; one that refuses fails the record', async () => {
  const converter = open('avro')
  const schema: Schema = { type: 'struct', name: 'once', fields: [] }
  registry.requests.length = 0
  for (let count = 0; count < 3; count++) await converter.fromConnect('once', { ...schema }, struct())
  assert.equal(registry.requests.filter(each => each.startsWith('POST')).length, 1)
  converter.close!()
  registry.fail(503)
  const away = open('avro')
  await assert.rejects(async () => away.fromConnect('once', { type: 'int8' }, 1), RetriableError)
  registry.fail(422)
  assert.equal(await refusal(() => away.fromConnect('once', { type: 'int16' }, 1)), 'as told')
  registry.fail(0)
  away.close!()
  const strict = open('avro', { 'auto.register.schemas': 'false' })
  assert.equal(await refusal(() => strict.fromConnect('none', { type: 'int8' }, 1)), 'Schema not found')
  strict.close!()
  const byName = open('avro', { 'value.subject.name.strategy': 'io.confluent.kafka.serializers.subject.TopicRecordNameStrategy' })
  await byName.fromConnect('named', schema, struct())
  assert.ok(registry.entries.some(({ subject }) => subject === 'named-once'))
  byName.close!()
  assert.match((await refusal(() => open('avro', { 'basic.auth.credentials.source': 'USER_INFO' })))!, /user:password/)
})
