/** Keys and values with schemas, through v2 and v3 of the REST proxy and the registry beside it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy({}, { services: ['registry', 'rest'] })
})
after(() => proxy[Symbol.asyncDispose]())

const v2 = 'application/vnd.kafka.v2+json'
const typed = (format: string) => `application/vnd.kafka.${format}.v2+json`

const order = JSON.stringify({
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
})
const proto = 'syntax = "proto3"; package shop; message Order { int64 id = 1; string note = 2; } message Other { bool on = 1; }'
const jsonSchema = JSON.stringify({ type: 'object', title: 'Order', properties: { id: { type: 'integer' } }, required: ['id'] })

async function register(subject: string, schema: string, schemaType = 'AVRO'): Promise<number> {
  const response = await fetch(`${proxy.registry}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema, schemaType }),
  })
  const { id } = (await response.json()) as { id: number }
  assert.equal(response.status, 200)
  return id
}

/** All records of partition 0, as an instance of v2 gives them. */
async function consume(topic: string, format: string, count: number): Promise<string[]> {
  const group = `${topic}-${format}`
  const settings = { format, 'auto.offset.reset': 'earliest' }
  const { body } = await proxy.ask('POST', `/consumers/${group}`, settings, { 'content-type': v2 })
  const instance = `/consumers/${group}/instances/${body.instance_id}`
  await proxy.ask('POST', `${instance}/assignments`, { partitions: [{ topic, partition: 0 }] })
  const found: string[] = []
  for (let tries = 0; tries < 60 && found.length < count; tries++) {
    const { status, text, headers } = await proxy.ask('GET', `${instance}/records`, undefined, { accept: typed(format) })
    assert.equal(status, 200, text)
    assert.equal(headers.get('content-type'), typed(format))
    if (text !== '[]') found.push(...text.slice(1, -1).split(/(?<=\}),(?=\{"topic)/))
  }
  return found
}

/** The reports of a stream of v3. */
// biome-ignore lint/suspicious/noExplicitAny: reports of all kinds
async function stream(topic: string, ...records: unknown[]): Promise<any[]> {
  const body = records.map(each => (typeof each === 'string' ? each : JSON.stringify(each))).join('\n')
  const { status, text } = await proxy.ask('POST', `${proxy.cluster}/topics/${topic}/records`, body)
  assert.equal(status, 200, text)
  return text
    .split('\r\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

test('v2: avro there and back, the schema as text and by id; unions with their type, no digit lost', async () => {
  await proxy.client.createTopic({ name: 'avro2' })
  const headers = { 'content-type': typed('avro'), accept: v2 }
  const records = '[{"key":"k","value":{"id":9223372036854775807,"note":{"string":"n"}}},{"value":null}]'
  const first = await proxy.ask(
    'POST',
    '/topics/avro2',
    `{"key_schema":"\\"string\\"","value_schema":${JSON.stringify(order)},"records":${records}}`,
    headers,
  )
  assert.equal(first.status, 200, first.text)
  assert.deepEqual(
    first.body.offsets.map((each: { offset: number; error_code: number | null }) => [each.offset, each.error_code]),
    [
      [0, null],
      [1, null],
    ],
  )
  const { key_schema_id, value_schema_id } = first.body
  assert.ok(key_schema_id > 0 && value_schema_id > 0 && key_schema_id !== value_schema_id)
  const second = await proxy.ask(
    'POST',
    '/topics/avro2/partitions/0',
    { key_schema_id, value_schema_id, records: [{ key: 'k', value: { id: 1, note: null } }] },
    headers,
  )
  assert.deepEqual([second.status, second.body.value_schema_id], [200, value_schema_id], second.text)
  const stored = await proxy.stored('avro2', 3)
  assert.deepEqual([...stored[0]!.value!.subarray(0, 5)], [0, 0, 0, 0, value_schema_id])
  assert.equal(stored[1]!.value, null)
  assert.deepEqual(await consume('avro2', 'avro', 3), [
    '{"topic":"avro2","key":"k","value":{"id":9223372036854775807,"note":{"string":"n"}},"partition":0,"offset":0}',
    '{"topic":"avro2","key":null,"value":null,"partition":0,"offset":1}',
    '{"topic":"avro2","key":"k","value":{"id":1,"note":null},"partition":0,"offset":2}',
  ])
})

test('v2: protobuf and jsonschema there and back', async () => {
  await proxy.client.createTopic({ name: 'proto2' })
  const made = await proxy.ask(
    'POST',
    '/topics/proto2',
    `{"value_schema":${JSON.stringify(proto)},"records":[{"value":{"id":"9223372036854775807","note":"n"}},{"value":{"id":5}}]}`,
    { 'content-type': typed('protobuf') },
  )
  assert.equal(made.status, 200, made.text)
  assert.deepEqual(
    (await consume('proto2', 'protobuf', 2)).map(each => JSON.parse(each).value),
    [
      { id: '9223372036854775807', note: 'n' },
      { id: '5', note: '' },
    ],
  )
  await proxy.client.createTopic({ name: 'json2' })
  const body = `{"value_schema":${JSON.stringify(jsonSchema)},"records":[{"value":{"id":9223372036854775807}}]}`
  assert.equal((await proxy.ask('POST', '/topics/json2', body, { 'content-type': typed('jsonschema') })).status, 200)
  assert.match((await consume('json2', 'jsonschema', 1))[0]!, /"value":\{"id":9223372036854775807\}/)
})

test('v2: errors of schemas have the codes of kafka-rest', async () => {
  await proxy.client.createTopic({ name: 'wrong2' })
  const jsonId = await register('wrong2-key', jsonSchema, 'JSON')
  const headers = { 'content-type': typed('avro') }
  for (const [name, body, status, code] of [
    ['values without a schema', { records: [{ value: 1 }] }, 422, 42_202],
    ['keys without a schema', { value_schema: order, records: [{ key: 'k', value: { id: 1 } }] }, 422, 42_201],
    ['data that does not fit', { value_schema: order, records: [{ value: { id: 'one' } }] }, 400, 400],
    ['an unknown id', { value_schema_id: 9_999, records: [{ value: 1 }] }, 422, 42_207],
    ['no schema', { value_schema: '{', records: [{ value: 1 }] }, 422, 42_205],
    ['both', { value_schema: '"int"', value_schema_id: 1, records: [{ value: 1 }] }, 400, 400],
    ['an id of another subject', { value_schema_id: jsonId, records: [{ value: 1 }] }, 422, 42_207],
    ['an id of another type', { key_schema_id: jsonId, records: [{ key: 'k' }] }, 400, 400],
    ['an unknown field', { schema: '"int"', records: [{ value: 1 }] }, 422, 422],
    ['an incompatible schema', { value_schema: '"int"', records: [{ value: 1 }] }, 422, 42_207],
  ] as const) {
    const { status: seen, body: answer } = await proxy.ask('POST', '/topics/wrong2', body, headers)
    assert.deepEqual([name, seen, answer.error_code], [name, status, code], answer.message)
  }
})

test('v2: bytes that are not of the format: 408 with 40801', async () => {
  await proxy.client.createTopic({ name: 'foreign2' })
  await proxy.client.send('foreign2', [{ key: null, value: Buffer.from('plain') }])
  const { body } = await proxy.ask('POST', '/consumers/foreign', { format: 'avro', 'auto.offset.reset': 'earliest' })
  const instance = `/consumers/foreign/instances/${body.instance_id}`
  await proxy.ask('POST', `${instance}/assignments`, { partitions: [{ topic: 'foreign2', partition: 0 }] })
  const bad = await proxy.ask('GET', `${instance}/records`, undefined, { accept: typed('avro') })
  assert.deepEqual([bad.status, bad.body.error_code], [408, 40_801])
  assert.match(bad.body.message, /^Error deserializing VALUE for partition foreign2-0 at offset 0\./)
})

test('v3: a schema as text, by id, by version, the latest; subjects and strategies; reports say which', async () => {
  await proxy.client.createTopic({ name: 'typed3' })
  const data = { id: 1, note: { string: 'n' } }
  const told = await stream(
    'typed3',
    { key: { type: 'AVRO', schema: '"string"', data: 'k' }, value: { type: 'AVRO', schema: order, data } },
    { value: { data } },
  )
  const id = told[0].value.schema_id
  assert.deepEqual(told[0].value, { type: 'AVRO', subject: 'typed3-value', schema_id: id, schema_version: 1, size: 9 })
  assert.equal(told[0].key.subject, 'typed3-key')
  assert.deepEqual(told[1].value, told[0].value)
  const more = await stream(
    'typed3',
    { value: { schema_id: id, data } },
    { value: { schema_version: 1, data } },
    { value: { subject: 'typed3-value', data } },
    { value: { type: 'AVRO', subject: 'elsewhere', schema: order, data } },
    { value: { type: 'AVRO', subject_name_strategy: 'RECORD_NAME', schema: order, data } },
    { value: { type: 'PROTOBUF', subject_name_strategy: 'TOPIC_RECORD_NAME', schema: proto, data: { id: '7' } } },
    { value: { type: 'JSONSCHEMA', subject_name_strategy: 'RECORD_NAME', schema: jsonSchema, data: { id: 7 } } },
    { value: { schema_id: id, subject_name_strategy: 'RECORD_NAME', data } },
    { value: { type: 'AVRO', schema: order, data: null } },
  )
  assert.deepEqual(
    more.map(each => [each.error_code, each.value?.type, each.value?.subject]),
    [
      ...Array(3).fill([200, 'AVRO', 'typed3-value']),
      [200, 'AVRO', 'elsewhere'],
      [200, 'AVRO', 'shop.Order'],
      [200, 'PROTOBUF', 'typed3-shop.Order'],
      [200, 'JSONSCHEMA', 'Order'],
      [200, 'AVRO', 'shop.Order'],
      [200, 'AVRO', 'typed3-value'],
    ],
    JSON.stringify(more),
  )
  const stored = await proxy.stored('typed3', 11)
  assert.deepEqual([...stored[2]!.value!.subarray(0, 5)], [0, 0, 0, 0, id])
  assert.equal(stored.at(-1)!.value, null)
})

test('v3: what goes wrong with a schema is a report, and the stream goes on', async () => {
  await proxy.client.createTopic({ name: 'wrong3' })
  const reports = await stream(
    'wrong3',
    { value: { data: 1 } },
    { value: { schema_id: 9_999, data: 1 } },
    { value: { schema_version: 7, data: 1 } },
    { value: { type: 'AVRO', schema: '{', data: 1 } },
    { value: { type: 'AVRO', schema: order, data: { id: 'x' } } },
    { value: { type: 'AVRO', schema_id: 1, data: 1 } },
    { value: { type: 'AVRO', data: 1 } },
    { value: { schema: order, data: 1 } },
    { value: { type: 'STRING', schema: order, data: 'x' } },
    { value: { schema_id: 1, schema_version: 1, data: 1 } },
    { value: { subject: 's', subject_name_strategy: 'TOPIC_NAME', schema_id: 1, data: 1 } },
    { value: { subject_name_strategy: 'RECORD_NAME', schema_version: 1, data: 1 } },
    { value: { type: 'YAML', data: 1 } },
    { value: { type: 'STRING', data: 'after all' } },
  )
  assert.deepEqual(
    reports.map(each => each.error_code),
    [422, 422, 400, 422, 400, 400, 400, 400, 400, 400, 400, 400, 400, 200],
    JSON.stringify(reports),
  )
  assert.match(
    reports[0].message,
    /^Error: 42207 : Error serializing message\. Error when fetching latest schema version\. subject = wrong3-value/,
  )
  assert.match(reports[1].message, /^Error: 42207 : Error serializing message\. Error when fetching schema by id\. schemaId = 9999/)
  assert.match(reports[3].message, /^Error: 42205 : Invalid schema: /)
})

test('v3: records with schemas keep their order among others; the batch takes schemas, too', async () => {
  await proxy.client.createTopic({ name: 'mixed3' })
  const records = Array.from({ length: 400 }, (_, i) =>
    i % 3 === 0 ? { value: { type: 'AVRO', schema: '"int"', data: i } } : { value: { type: 'JSON', data: i } },
  )
  const reports = await stream('mixed3', ...records)
  assert.deepEqual(
    reports.map(each => each.offset),
    records.map((_, i) => i),
  )
  const batch = await proxy.ask('POST', `${proxy.cluster}/topics/mixed3/records:batch`, {
    entries: [
      { id: '1', value: { data: 5 } },
      { id: '2', value: { data: 'x' } },
    ],
  })
  assert.deepEqual([batch.status, batch.body.successes[0].value.schema_version], [207, 1], batch.text)
  assert.equal(batch.body.failures[0].error_code, 400)
})

test('v3: reading gives the data and the id of its schema; what cannot be decoded comes as BINARY with the reason', async () => {
  await proxy.client.createTopic({ name: 'read3' })
  const long = '{"value":{"type":"AVRO","schema":"\\"long\\"","data":9223372036854775807},"key":{"type":"STRING","data":"k"}}'
  const [first] = await stream(
    'read3',
    long,
    { value: { type: 'PROTOBUF', subject: 'p', schema: proto, data: { id: '7' } } },
    { value: { type: 'JSON', data: 1 } },
  )
  await proxy.client.send('read3', [{ key: null, value: Buffer.from([0, 0, 0, 0x27, 0x0f, 1]) }])
  const path = `${proxy.cluster}/topics/read3/records`
  const auto = await proxy.ask('GET', `${path}?value_format=AUTO&key_format=AUTO`)
  const id = first.value.schema_id
  assert.ok(auto.text.includes(`"value":{"type":"AVRO","schema_id":${id},"data":9223372036854775807}`), auto.text)
  const [avro, protobuf, json, broken] = auto.body.data
  assert.deepEqual(avro.key, { type: 'STRING', data: 'k' })
  assert.deepEqual([protobuf.value.type, protobuf.value.data], ['PROTOBUF', { id: '7', note: '' }])
  assert.deepEqual(json.value, { type: 'JSON', data: 1 })
  assert.deepEqual([broken.value.type, broken.value.data], ['BINARY', 'AAAAJw8B'])
  assert.match(broken.value.problem, /9999|not found/i)
  const only = await proxy.ask('GET', `${path}?value_format=PROTOBUF`)
  assert.deepEqual(
    only.body.data.map((each: { value: { type: string } }) => each.value.type),
    ['BINARY', 'PROTOBUF', 'BINARY', 'BINARY'],
  )
  assert.equal((await proxy.ask('GET', `${path}?value_format=YAML`)).status, 400)
})

test('without a registry: 42206', async () => {
  await using alone = await startProxy()
  await alone.client.createTopic({ name: 'none' })
  const body = { value_schema: '"int"', records: [{ value: 1 }] }
  const refused = await alone.ask('POST', '/topics/none', body, { 'content-type': typed('avro') })
  assert.deepEqual([refused.status, refused.body.error_code], [422, 42_206])
  const { text } = await alone.ask('POST', `${alone.cluster}/topics/none/records`, { value: { data: 1 } })
  assert.match(JSON.parse(text).message, /^Error: 42206 : Payload error\. Schema Registry must be configured/)
})

test('a record whose key has an unknown schema and whose value is wrong fails alone', async () => {
  await proxy.client.createTopic({ name: 'both-wrong' })
  const wrong = { key: { schema_id: 999_999, data: 1 }, value: { type: 'BINARY', data: 5 } }
  const reports = await stream('both-wrong', wrong, { value: { type: 'STRING', data: 'right' } })
  assert.deepEqual(
    reports.map(each => each.error_code === 200),
    [false, true],
  )
})
