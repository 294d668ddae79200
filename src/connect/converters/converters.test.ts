import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectValue, Decimal, decimal, logical, type Schema, struct } from '../../connector.ts'
import { converterClasses, converterKeys, converterProblems, openConverter, openHeaderConverter } from '../converters.ts'
import { refusal, testSystem } from '../records.testing.ts'
import type { Converter } from './converter.ts'

const resources = { system: testSystem, registry: null }

function open(name: string, keys: Readonly<Record<string, string>> = {}, isKey = false): Converter {
  const which = isKey ? 'key.converter' : 'value.converter'
  return openConverter(
    new Map([[which, name], ...Object.entries(keys).map(([key, value]) => [`${which}.${key}`, value] as const)]),
    isKey,
    resources,
  )
}

const read = async (converter: Converter, text: string) => converter.toConnect('topic', Buffer.from(text))
const write = async (converter: Converter, schema: Schema | null, value: ConnectValue) =>
  (await converter.fromConnect('topic', schema, value))?.toString() ?? null

test("JSON with schemas is read as Kafka's tests say", async () => {
  const decimalText = (scale: number, more: string) =>
    `{ "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "parameters": { "scale": "${scale}" }${more} }`
  const cases: [schema: string, payload: string, expected: Schema | null, value: ConnectValue][] = [
    ['{ "type": "boolean" }', 'true', { type: 'boolean' }, true],
    ['{ "type": "boolean", "optional": true }', 'null', { type: 'boolean', optional: true }, null],
    ['{ "type": "boolean", "default": true }', 'null', { type: 'boolean', default: true }, true],
    [
      '{ "type": "boolean", "optional": false, "name": "bool", "version": 2, "doc": "the documentation", "parameters": { "foo": "bar" }}',
      'true',
      { type: 'boolean', name: 'bool', version: 2, doc: 'the documentation', parameters: { foo: 'bar' } },
      true,
    ],
    ['{ "type": "int8" }', '0012', { type: 'int8' }, 12],
    ['{ "type": "int64" }', '4398046511104', { type: 'int64' }, 4_398_046_511_104n],
    ['{ "type": "int64" }', '9223372036854775807', { type: 'int64' }, 2n ** 63n - 1n],
    ['{ "type": "float" }', '12.34', { type: 'float32' }, Math.fround(12.34)],
    ['{ "type": "double" }', '12.34', { type: 'float64' }, 12.34],
    ['{ "type": "bytes" }', '"dGVzdC1zdHJpbmc="', { type: 'bytes' }, Buffer.from('test-string')],
    ['{ "type": "array", "items": { "type" : "int32" } }', '[1, 2, 3]', { type: 'array', items: { type: 'int32' } }, [1, 2, 3]],
    [
      '{ "type": "map", "keys": { "type" : "int32" }, "values": { "type" : "int32" } }',
      '[ [1, 12], [2, 15] ]',
      { type: 'map', keys: { type: 'int32' }, values: { type: 'int32' } },
      new Map([
        [1, 12],
        [2, 15],
      ]),
    ],
    [
      '{ "type": "struct", "fields": [{ "field":"optional", "type": "string", "optional": true }, {  "field": "required", "type": "string" }] }',
      '{ "required": "required" }',
      {
        type: 'struct',
        fields: [
          { name: 'optional', schema: { type: 'string', optional: true } },
          { name: 'required', schema: { type: 'string' } },
        ],
      },
      struct([
        ['optional', null],
        ['required', 'required'],
      ]),
    ],
    [
      'null',
      '{ "field1": 1, "field2": 2.5}',
      null,
      struct([
        ['field1', 1],
        ['field2', 2.5],
      ]),
    ],
    [decimalText(2, ''), '"AJw="', decimal(2), new Decimal(156n, 2)],
    [decimalText(2, ''), '1.56', decimal(2), new Decimal(156n, 2)],
    [decimalText(4, ''), '1.5600', decimal(4), new Decimal(15_600n, 4)],
    [decimalText(17, ''), '1.23456789123456789', decimal(17), new Decimal(123_456_789_123_456_789n, 17)],
    [decimalText(2, ', "default": "AJw="'), 'null', { ...decimal(2), default: new Decimal(156n, 2) }, new Decimal(156n, 2)],
    [
      '{ "type": "int32", "name": "org.apache.kafka.connect.data.Date", "version": 1 }',
      '10000',
      { type: 'int32', name: logical.date, version: 1 },
      10_000,
    ],
    [
      '{ "type": "int64", "name": "org.apache.kafka.connect.data.Timestamp", "version": 1 }',
      '4000000000',
      { type: 'int64', name: logical.timestamp, version: 1 },
      4_000_000_000n,
    ],
  ]
  const converter = open('org.apache.kafka.connect.json.JsonConverter')
  for (const [schema, payload, expected, value] of cases) {
    const text = `{"schema":${schema},"payload":${payload}}`
    // The second time, the schema is the one of the record before.
    for (let time = 0; time < 2; time++) assert.deepEqual(await read(converter, text), { schema: expected, value }, text)
  }
  const both = await Promise.all([0, 1].map(() => read(converter, '{"payload":1,"schema":{"type":"int8"}}')))
  assert.equal(both[0]!.schema, both[1]!.schema)
  assert.deepEqual(await converter.toConnect('t', null), { schema: null, value: null })
})

test('JSON is written with and without its schema', async () => {
  const schema: Schema = {
    type: 'struct',
    name: 'n',
    fields: [
      { name: 'd', schema: { type: 'string', optional: true, default: 'x' } },
      { name: 'f', schema: { type: 'float64' } },
      { name: 'm', schema: { type: 'map', keys: { type: 'int8' }, values: { type: 'int64' } } },
      { name: 'p', schema: decimal(2) },
      { name: '__proto__', schema: { type: 'bytes' } },
    ],
  }
  const value = struct([
    ['d', null],
    ['f', 5],
    ['m', new Map([[1, 2n ** 60n]])],
    ['p', new Decimal(156n, 2)],
    ['__proto__', Buffer.of(1)],
  ])
  const payload = '{"d":"x","f":5.0,"m":[[1,1152921504606846976]],"p":"AJw=","__proto__":"AQ=="}'
  const fields = [
    '{"type":"string","optional":true,"default":"x","field":"d"}',
    '{"type":"double","optional":false,"field":"f"}',
    '{"type":"map","keys":{"type":"int8","optional":false},"values":{"type":"int64","optional":false},"optional":false,"field":"m"}',
    '{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"field":"p"}',
    '{"type":"bytes","optional":false,"field":"__proto__"}',
  ]
  const envelope = `{"schema":{"type":"struct","fields":[${fields.join(',')}],"optional":false,"name":"n"},"payload":${payload}}`
  assert.equal(await write(open('json'), schema, value), envelope)
  assert.deepEqual(await read(open('json'), envelope), { schema, value: struct([...Object.entries(value), ['d', 'x']]) })
  const plain = open('json', { 'schemas.enable': 'false', 'decimal.format': 'numeric', 'replace.null.with.default': 'false' })
  assert.equal(await write(plain, schema, value), payload.replace('"x"', 'null').replace('"AJw="', '1.56'))
  assert.equal(await write(open('json'), null, 1), '{"schema":null,"payload":1}')
  assert.equal(await write(open('json'), null, null), null)
  assert.equal(await write(plain, { type: 'string', optional: true }, null), 'null')
  const nothing: ConnectValue = struct([
    ['a', [1, 'b', null, true, 2n ** 60n]],
    ['c', Buffer.of(255)],
  ])
  assert.equal(await write(plain, null, nothing), '{"a":[1,"b",null,true,1152921504606846976],"c":"/w=="}')
})

test('JSON without schemas keeps every integer, and any name', async () => {
  const plain = open('json', { 'schemas.enable': 'false' })
  const { schema, value } = await read(plain, '{"id":1152921504606846977,"__proto__":{"a":1},"f":1.23456789123456789}')
  assert.equal(schema, null)
  assert.deepEqual(
    value,
    struct([
      ['id', 1_152_921_504_606_846_977n],
      ['__proto__', struct([['a', 1]])],
      ['f', 1.2345678912345679],
    ]),
  )
  assert.deepEqual(await read(plain, ''), { schema: null, value: null })
  const fixed = open('json', { 'schema.content': '{"type":"int64"}' })
  assert.deepEqual(await read(fixed, '5'), { schema: { type: 'int64' }, value: 5n })
})

test('what JSON cannot be is refused', async () => {
  const converter = open('json')
  const cases: [text: string, message: RegExp][] = [
    [
      '{}',
      /^JsonConverter with schemas\.enable requires "schema" and "payload" fields and may not contain additional fields\. If you are trying/,
    ],
    ['{"schema":null,"payload":1,"x":2}', /^JsonConverter with schemas\.enable requires/],
    ['{"schema":{"type":"int8"},"payload":1,"x":2}', /^JsonConverter with schemas\.enable requires/],
    ['{', /^Converting byte\[\] to Kafka Connect data failed due to serialization error: /],
    ['{"schema":{},"payload":1}', /^Schema must contain 'type' field$/],
    ['{"schema":{"type":"x"},"payload":1}', /^Unknown schema type: x$/],
    ['{"schema":{"type":"constructor"},"payload":1}', /^Unknown schema type: constructor$/],
    ['{"schema":{"type":"array"},"payload":1}', /^Array schema did not specify the element type$/],
    ['{"schema":{"type":"struct"},"payload":1}', /^Struct schema's "fields" argument is not an array\.$/],
    ['{"schema":{"type":"int8"},"payload":null}', /^Invalid null value for required INT8 field$/],
    ['{"schema":{"type":"int8"},"payload":300}', /^Invalid value for INT8: 300$/],
    ['{"schema":{"type":"string"},"payload":5}', /^Invalid value for STRING: 5$/],
    ['{"schema":{"type":"bytes"},"payload":"%"}', /^Invalid bytes field$/],
    ['{"schema":{"type":"struct","fields":[]},"payload":[]}', /^Structs should be encoded as JSON objects, but found ARRAY$/],
    [`${'['.repeat(300)}`, /nested more than/],
  ]
  await read(converter, '{"schema":{"type":"int8"},"payload":1}')
  for (const [text, message] of cases) assert.match((await refusal(() => read(converter, text)))!, message, text)
  assert.equal(
    await refusal(() => write(converter, { type: 'int8' }, null)),
    'Conversion error: null value for field that is required and has no default value',
  )
  assert.equal(await refusal(() => write(converter, { type: 'int8' }, 'x')), 'Invalid type for INT8: class java.lang.String')
})

test("numbers, text, bytes and booleans as Kafka's serializers write them", async () => {
  const cases: [name: string, hex: string, type: Schema['type'], value: ConnectValue][] = [
    ['IntegerConverter', 'ffffffd6', 'int32', -42],
    ['LongConverter', '1000000000000001', 'int64', 2n ** 60n + 1n],
    ['ShortConverter', '002a', 'int16', 42],
    ['FloatConverter', '3fc00000', 'float32', 1.5],
    ['DoubleConverter', '3ff8000000000000', 'float64', 1.5],
    ['BooleanConverter', '01', 'boolean', true],
    ['ByteArrayConverter', '00ff', 'bytes', Buffer.of(0, 255)],
  ]
  for (const [name, hex, type, value] of cases) {
    const converter = open(`org.apache.kafka.connect.converters.${name}`)
    assert.deepEqual(await converter.toConnect('t', Buffer.from(hex, 'hex')), { schema: { type, optional: true }, value }, name)
    assert.equal((await converter.fromConnect('t', { type }, value))?.toString('hex'), hex, name)
    assert.equal(await converter.fromConnect('t', null, null), null)
    assert.deepEqual(await converter.toConnect('t', null), { schema: { type, optional: true }, value: null })
  }
  assert.match(
    (await refusal(() => open('integer').toConnect('t', Buffer.alloc(3))))!,
    /^Failed to deserialize integer: Size of data received by IntegerDeserializer is not 4$/,
  )
  assert.match(
    (await refusal(() => open('long').fromConnect('t', { type: 'int32' }, 1)))!,
    /^Failed to serialize to long \(was class java\.lang\.Integer\)/,
  )
  assert.match((await refusal(() => open('boolean').toConnect('t', Buffer.of(2))))!, /Unexpected byte received by BooleanDeserializer: 2/)
  assert.equal(
    await refusal(() => open('bytes').fromConnect('t', { type: 'string' }, 'x')),
    'Invalid schema type for ByteArrayConverter: STRING',
  )
  const schema: Schema = {
    type: 'struct',
    fields: [
      { name: 'a', schema: { type: 'int8' } },
      { name: 'b', schema: { type: 'string', optional: true } },
      { name: 'c', schema: { type: 'float64' } },
    ],
  }
  assert.equal(
    await write(
      open('string'),
      schema,
      struct([
        ['a', 1],
        ['b', null],
        ['c', 3],
      ]),
    ),
    'Struct{a=1,c=3.0}',
  )
  assert.equal(await write(open('string'), null, struct([['a', [1, 'x']]])), '{a=[1, x]}')
  assert.equal(await write(open('string', { 'converter.encoding': 'ISO-8859-1' }), null, 'ä'), '\ufffd')
})

test('headers have the type that they look like; bytes that are no text stay bytes', async () => {
  const header = openHeaderConverter(new Map(), resources)
  assert.deepEqual(await header.toConnect('t', 'h', Buffer.from('42')), { schema: { type: 'int8' }, value: 42 })
  assert.deepEqual(await header.toConnect('t', 'h', null), { schema: null, value: null })
  assert.deepEqual(await header.toConnect('t', 'h', Buffer.of(255)), { schema: { type: 'bytes' }, value: Buffer.of(255) })
  assert.equal((await header.fromConnect('t', 'h', { type: 'float64' }, 3))?.toString(), '3.0')
  const json = openHeaderConverter(new Map([['header.converter', 'org.apache.kafka.connect.json.JsonConverter']]), resources)
  assert.deepEqual(await json.toConnect('t', 'h', Buffer.from('{"schema":{"type":"string"},"payload":"x"}')), {
    schema: { type: 'string' },
    value: 'x',
  })
})

test('problems name their keys; classes have Java names', async () => {
  const config = new Map([
    ['key.converter', 'com.example.None'],
    ['value.converter', 'io.confluent.connect.avro.AvroConverter'],
    ['value.converter.auto.register.schemas', 'perhaps'],
    ['header.converter', 'avro'],
  ])
  const problems = converterProblems(config, resources)
  assert.deepEqual(problems.get('key.converter'), [
    'Invalid value com.example.None for configuration key.converter: Class com.example.None could not be found.',
  ])
  const slips = converterProblems(new Map([...config, ['key.converter', 'jsn']]), resources)
  assert.match(slips.get('key.converter')![0]!, /Class jsn could not be found; did you mean json\?$/)
  assert.match(problems.get('value.converter.auto.register.schemas')![0]!, /either true or false/)
  assert.match(problems.get('header.converter')![0]!, /does not convert headers/)
  config.set('value.converter.auto.register.schemas', 'true')
  assert.match(converterProblems(config, resources).get('value.converter.schema.registry.url')![0]!, /it must be given/)
  assert.ok('value.converter.enhanced.avro.schema.support' in converterKeys(config))
  assert.equal(
    await refusal(() => openConverter(new Map(), true, resources)),
    'Missing required configuration "key.converter" which has no default value.',
  )
  const names = converterClasses().map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  for (const name of [
    'org.apache.kafka.connect.storage.StringConverter',
    'io.confluent.connect.protobuf.ProtobufConverter',
    'io.confluent.connect.json.JsonSchemaConverter',
  ])
    assert.ok(names.includes(name), name)
})
