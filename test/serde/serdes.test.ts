/** Serdes as their users see them, over a registry. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { encode as encodeMsgpack } from '@msgpack/msgpack'
import { encode as encodeCbor } from 'cborg'
import fc from 'fast-check'
import { realSystem, stringifyLossless } from '../../src/base.ts'
import { classicGroupRecords, consumerProtocol, encodeRecordKey, encodeRecordValue, encodeVersioned } from '../../src/protocol.ts'
import {
  serdes as definitions,
  openRegistryClient,
  openSerdes,
  type Place,
  type RegistryClient,
  RegistryRefused,
  SerdeError,
  type SerdeName,
  type Serdes,
} from '../../src/serde.ts'
import { type Stub, startRegistryStub } from './registry-stub.ts'

const guid = '01234567-89ab-cdef-0123-456789abcdef'
const user = {
  type: 'record',
  name: 'User',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: ['null', 'string'], default: null },
  ],
}
const order = 'syntax = "proto3"; import "user.proto"; message Ignored {} message Order { int64 total = 1; User user = 2; }'
const schemas = [
  { id: 1, subject: 'users-value', version: 1, schemaType: 'AVRO' as const, schema: JSON.stringify(user), guid },
  { id: 2, subject: 'user', version: 3, schemaType: 'PROTOBUF' as const, schema: 'syntax = "proto3"; message User { string name = 1; }' },
  {
    id: 3,
    subject: 'orders-value',
    version: 1,
    schemaType: 'PROTOBUF' as const,
    schema: order,
    references: [{ name: 'user.proto', subject: 'user', version: 3 }],
  },
  {
    id: 4,
    subject: 'events-value',
    version: 1,
    schemaType: 'JSON' as const,
    schema: '{"type":"object","properties":{"n":{"type":"integer"},"at":{"type":"string","pattern":"^(a+)+$"}},"required":["n"]}',
  },
  { id: 5, subject: 'slow-value', version: 1, schemaType: 'JSON' as const, schema: slowSchema() },
]

/** Each definition applies the next one twice: 2^60 steps. */
function slowSchema(): string {
  const definitions = Object.fromEntries(
    Array.from({ length: 60 }, (_, n) => [`d${n}`, { allOf: [{ $ref: `#/definitions/d${n + 1}` }, { $ref: `#/definitions/d${n + 1}` }] }]),
  )
  return JSON.stringify({ definitions: { ...definitions, d60: {} }, allOf: [{ $ref: '#/definitions/d0' }] })
}

let stub: Stub
let registry: RegistryClient
let serdes: Serdes
before(async () => {
  stub = await startRegistryStub(schemas)
  registry = openRegistryClient({ url: stub.url, system: realSystem() })
  serdes = openSerdes({ registry })
})
after(async () => {
  registry.close()
  await stub[Symbol.asyncDispose]()
})

const place = (topic: string, rest: Partial<Place> = {}): Place => ({ topic, part: 'value', ...rest })

test('Avro, Protobuf and JSON Schema: a value that is written is recognized, with its schema', async () => {
  const user = { id: 9007199254740993n, name: 'Ann' }
  const bytes = await serdes.encode('avro', user, place('users'))
  assert.equal(bytes.toString('hex', 0, 5), '0000000001')
  assert.deepEqual(await serdes.show('auto', bytes, place('anything')), {
    serde: 'avro',
    value: user,
    schema: { type: 'AVRO', id: 1, guid: null, name: 'User' },
    problem: null,
  })
  const order = { total: 5, user: { name: 'Bob' } }
  const second = await serdes.encode('protobuf', order, place('orders'), { message: 'Order' })
  assert.equal(second.toString('hex', 0, 7), '00000000030202')
  assert.deepEqual((await serdes.show('auto', second, place('orders'))).value, order)
  assert.deepEqual((await serdes.show('auto', second, place('orders', { form: 'confluent' }))).value, { ...order, total: '5' })
  const event = await serdes.encode('jsonschema', { n: 2n ** 60n }, place('events'))
  assert.deepEqual((await serdes.show('auto', event, place('events'))).value, { n: 2n ** 60n })
})

test('a schema is fetched once, also by many at a time; afterwards there is no promise', async () => {
  const bytes = await serdes.encode('avro', { id: 1 }, place('users'))
  const own = openRegistryClient({ url: stub.url, system: realSystem() })
  const fresh = openSerdes({ registry: own })
  stub.asked.length = 0
  await Promise.all(Array.from({ length: 50 }, () => fresh.show('auto', bytes, place('users'))))
  assert.deepEqual(stub.asked, ['GET /schemas/ids/1'])
  assert.ok(!(fresh.show('auto', bytes, place('users')) instanceof Promise))
  own.close()
})

test('the guid of a schema may be in a header', async () => {
  const bytes = (await serdes.encode('avro', { id: 7, name: null }, place('users'))).subarray(5)
  const header = Buffer.concat([Buffer.from([1]), Buffer.from(guid.replaceAll('-', ''), 'hex')])
  const headers = [{ key: Buffer.from('__value_schema_id'), value: header }]
  const shown = await serdes.show('auto', bytes, place('users', { headers }))
  assert.deepEqual(
    [shown.value, shown.schema],
    [
      { id: 7, name: null },
      { type: 'AVRO', id: null, guid, name: 'User' },
    ],
  )
})

test('what cannot be decoded is shown in hexadecimal, with the reason; that a schema is missing is remembered', async () => {
  stub.asked.length = 0
  for (let count = 0; count < 3; count++) {
    const shown = await serdes.show('auto', Buffer.from('0000000063aa', 'hex'), place('x'))
    assert.deepEqual([shown.serde, shown.value, shown.problem], ['hex', '0000000063aa', 'Schema not found'])
  }
  assert.deepEqual(stub.asked, ['GET /schemas/ids/99'])
  const short = await serdes.show('auto', Buffer.from('0000000001', 'hex'), place('users'))
  assert.equal(short.problem, '1 bytes expected at byte 0, 0 remain')
  const without = await openSerdes().show('auto', Buffer.from('0000000001', 'hex'), place('users'))
  assert.equal(without.problem, 'the bytes begin as those of schema 1, but no schema registry is configured')
  const wrong = await serdes.show('protobuf', Buffer.from('000000000100', 'hex'), place('users'))
  assert.equal(wrong.problem, 'schema 1 is of type AVRO, not PROTOBUF')
  const silent = openRegistryClient({ url: 'http://127.0.0.1:9', system: realSystem() })
  const down = await openSerdes({ registry: silent }).show('auto', Buffer.from('0000000001', 'hex'), place('users'))
  assert.match(down.problem!, /^the schema registry at http:\/\/127\.0\.0\.1:9 does not answer: /)
  silent.close()
})

test('an error of the registry keeps its status and code', async () => {
  await assert.rejects(
    registry.request('GET', '/subjects/x/versions/1'),
    error => error instanceof RegistryRefused && error.status === 404 && error.code === 40_403,
  )
})

test('credentials go along, and are in no message', async () => {
  const client = openRegistryClient({ url: stub.url.replace('//', '//ann:s%20cret@'), system: realSystem() })
  await client.byId(1)
  assert.equal(stub.authorization, `Basic ${Buffer.from('ann:s cret').toString('base64')}`)
  client.close()
  assert.throws(
    () => openRegistryClient({ url: 'ftp://ann:secret@host', system: realSystem() }),
    error => !/secret/.test((error as Error).message),
  )
})

test('a value must conform to its JSON Schema; a schema that takes years is cut off', async () => {
  const refused = async (value: unknown, topic: string) => serdes.encode('jsonschema', value, place(topic))
  await assert.rejects(refused({ n: 'x' }, 'events'), { message: 'the value does not conform to its JSON Schema: n must be integer' })
  await assert.rejects(refused({ n: 1, at: `${'a'.repeat(50_000)}b` }, 'events'), /pattern/)
  await assert.rejects(refused({}, 'slow'), /takes too long/)
})

test('texts and numbers are shown as they are written', () => {
  const shown = (text: string) => openSerdes().show('auto', Buffer.from(text), place('x')) as { serde: SerdeName; value: unknown }
  for (const [text, serde, value] of [
    ['', 'text', ''],
    ['hello', 'text', 'hello'],
    ['1e5', 'text', '1e5'],
    ['007', 'text', '007'],
    ['42', 'json', 42],
    ['9007199254740993', 'json', 9007199254740993n],
    ['{"a":9223372036854775807}', 'json', { a: 9223372036854775807n }],
    ['{"a":', 'text', '{"a":'],
    ['true', 'json', true],
    ['ä\n', 'text', 'ä\n'],
  ] as const) {
    const { serde: found, value: read } = shown(text)
    assert.deepEqual([found, read], [serde, value], text)
  }
  const nothing = openSerdes().show('auto', null, place('x'))
  assert.deepEqual(nothing, { serde: null, value: null, schema: null, problem: null })
})

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).filter(each => !Number.isSafeInteger(Number(each)))
const value = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    int64,
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter(each => !Object.is(each, -0) && Math.abs(each) < 2 ** 53),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

test('JSON, MessagePack and CBOR keep every value, also those that the libraries write', async () => {
  const plain = openSerdes()
  // The libraries are loaded when something is first written.
  for (const name of ['msgpack', 'cbor'] as const) await plain.encode(name, 1, place('x'))
  const libraries = { msgpack: (each: unknown) => encodeMsgpack(each, { useBigInt64: true }), cbor: (each: unknown) => encodeCbor(each) }
  fc.assert(
    fc.property(value, each => {
      for (const name of ['json', 'msgpack', 'cbor'] as const) {
        const bytes = plain.encode(name, each, place('x')) as Buffer
        const { value: read } = plain.decode(name, bytes, place('x')) as { value: unknown }
        assert.deepEqual(read, each, name)
        if (name !== 'json') assert.deepEqual(bytes, Buffer.from(libraries[name](each)))
      }
    }),
    { numRuns: 500 },
  )
})

test('no serde fails on arbitrary bytes', async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(fc.constantFrom(1, 3, 4, 9), fc.uint8Array({ maxLength: 100 }))
      .map(([id, rest]) => Uint8Array.from([0, 0, 0, 0, id, ...rest])),
    fc.tuple(fc.nat(30), fc.uint8Array({ maxLength: 100 })).map(([kind, rest]) => Uint8Array.from([0, kind, ...rest])),
  )
  const topics = fc.constantFrom('x', '__consumer_offsets', '__transaction_state', '__share_group_state', '__cluster_metadata')
  const names = fc.constantFrom<SerdeName | 'auto'>('auto', ...definitions.map(each => each.name))
  await fc.assert(
    fc.asyncProperty(bytes, topics, names, fc.uint8Array({ maxLength: 30 }), async (each, topic, name, key) => {
      const shown = await serdes.show(name, Buffer.from(each), place(topic, { key: Buffer.from(key) }))
      assert.ok(shown.problem !== null || shown.serde !== null)
      stringifyLossless(shown.value)
    }),
    { numRuns: 3000 },
  )
})

test('huge counts and depths are refused at once', () => {
  const plain = openSerdes()
  for (const [name, hex] of [
    ['msgpack', 'ddffffffff'],
    ['msgpack', 'dfffffffff'],
    ['msgpack', '91'.repeat(100_000)],
    ['cbor', '9bffffffffffffffff'],
    ['cbor', '81'.repeat(100_000)],
    ['cbor', 'c6'.repeat(100_000)],
    ['cbor', '9f'.repeat(100_000)],
    ['json', Buffer.from('['.repeat(100_000)).toString('hex')],
  ] as const) {
    const shown = plain.show(name, Buffer.from(hex, 'hex'), place('x')) as { problem: string | null }
    assert.ok(shown.problem !== null, `${name} ${hex.slice(0, 20)}`)
  }
})

test('records of internal topics are JSON as of Kafka’s tools, with subscriptions decoded', () => {
  const plain = openSerdes()
  const key = encodeRecordKey(classicGroupRecords.offsetCommit, { group: 'g', topic: 't', partition: 3 })
  const value = encodeRecordValue(classicGroupRecords.offsetCommit, 3, {
    offset: 9007199254740993n,
    leaderEpoch: 1,
    metadata: '',
    commitTimestamp: 5,
  })
  const on = place('__consumer_offsets', { key })
  assert.deepEqual((plain.show('auto', key, { ...on, part: 'key' }) as { value: unknown }).value, {
    type: 1,
    name: 'OffsetCommit',
    data: { group: 'g', topic: 't', partition: 3 },
  })
  const shown = plain.show('auto', value, on) as unknown as { value: { version: number; data: Record<string, unknown> } }
  assert.deepEqual([shown.value.version, shown.value.data.offset], [3, 9007199254740993n])
  const groupKey = encodeRecordKey(classicGroupRecords.groupMetadata, { group: 'g' })
  const subscription = encodeVersioned(consumerProtocol.subscription, 0, { topics: ['t'] })
  const member = { memberId: 'm', clientId: 'c', clientHost: 'h', sessionTimeout: 1, subscription, assignment: Buffer.alloc(0) }
  const group = encodeRecordValue(classicGroupRecords.groupMetadata, 3, {
    protocolType: 'consumer',
    generation: 1,
    protocol: 'range',
    leader: 'm',
    members: [member],
  })
  const decoded = plain.show('auto', group, place('__consumer_offsets', { key: groupKey })) as unknown as {
    value: { data: { members: { subscription: { topics: string[] } }[] } }
  }
  assert.deepEqual(decoded.value.data.members[0]!.subscription.topics, ['t'])
})

test('values that cannot be written are refused with SerdeError', async () => {
  for (const [name, each] of [
    ['hex', 'xyz'],
    ['base64', '%'],
    ['msgpack', 2n ** 70n],
    ['kafka', {}],
    ['avro', { id: 'x' }],
  ] as const) {
    await assert.rejects(async () => serdes.encode(name, each, place('users')), SerdeError, name)
  }
})
