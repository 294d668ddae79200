// @confluentinc/schemaregistry: the client, and the serializers of the three formats.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { StructSchema } from '@bufbuild/protobuf/wkt'
import {
  AvroDeserializer,
  AvroSerializer,
  JsonDeserializer,
  JsonSerializer,
  ProtobufDeserializer,
  ProtobufSerializer,
  SchemaRegistryClient,
  SerdeType,
} from '@confluentinc/schemaregistry'

const [, url] = process.argv.slice(2)
const open = () => new SchemaRegistryClient({ baseURLs: [url], cacheCapacity: 100, cacheLatestTtlSecs: 10 })
const client = open()
const unique = kind => `compat-node-${kind}-${randomBytes(5).toString('hex')}`
const record = (...fields) => JSON.stringify({ type: 'record', name: 'R', fields })
const x = { name: 'x', type: 'int' }
const y = { name: 'y', type: 'int' }
const code = expected => error => {
  assert.equal(error.errorCode, expected, String(error))
  return true
}

const cases = {
  async avro() {
    const topic = unique('avro')
    await client.register(`${topic}-value`, { schema: record(x, { ...y, default: 7 }), schemaType: 'AVRO' })
    const serializer = new AvroSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: false, useLatestVersion: true })
    const bytes = await serializer.serialize(topic, { x: 1, y: 2 })
    assert.deepEqual({ ...(await new AvroDeserializer(open(), SerdeType.VALUE, {}).deserialize(topic, bytes)) }, { x: 1, y: 2 })
  },
  async json() {
    const topic = unique('json')
    const schema = JSON.stringify({ type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false })
    await client.register(`${topic}-value`, { schema, schemaType: 'JSON' })
    const serializer = new JsonSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: false, useLatestVersion: true, validate: true })
    const bytes = await serializer.serialize(topic, { a: 'b' })
    assert.deepEqual(await new JsonDeserializer(open(), SerdeType.VALUE, {}).deserialize(topic, bytes), { a: 'b' })
    await assert.rejects(serializer.serialize(topic, { a: 1 }))
  },
  async protobuf() {
    const topic = unique('protobuf')
    const serializer = new ProtobufSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: true })
    serializer.registry.add(StructSchema)
    const message = create(StructSchema, { fields: { a: { kind: { case: 'numberValue', value: 1.5 } } } })
    const bytes = await serializer.serialize(topic, message)
    const got = await new ProtobufDeserializer(open(), SerdeType.VALUE, {}).deserialize(topic, bytes)
    assert.equal(got.fields.a.kind.value, 1.5)
  },
  async subjects() {
    const subject = unique('subjects')
    await client.updateCompatibility(subject, 'NONE')
    const first = await client.register(subject, { schema: record(x), schemaType: 'AVRO' })
    const second = await client.registerFullResponse(subject, { schema: record(y), schemaType: 'AVRO' })
    assert.notEqual(second.id, first)
    assert.deepEqual(await client.getAllVersions(subject), [1, 2])
    assert.ok((await client.getAllSubjects()).includes(subject))
    assert.equal(await client.getId(subject, { schema: record(x), schemaType: 'AVRO' }), first)
    assert.equal(await client.getVersion(subject, { schema: record(y), schemaType: 'AVRO' }), 2)
    const latest = await open().getLatestSchemaMetadata(subject)
    assert.deepEqual([latest.version, latest.id], [2, second.id])
    assert.equal((await open().getBySubjectAndId(subject, first)).schema, record(x))
    assert.deepEqual(await client.deleteSubject(subject), [1, 2])
    assert.deepEqual(await client.deleteSubject(subject, true), [1, 2])
    await assert.rejects(open().getAllVersions(subject), code(40_401))
  },
  async guid() {
    const subject = unique('guid')
    const { guid } = await client.registerFullResponse(subject, { schema: record(x), schemaType: 'AVRO' })
    assert.equal((await open().getByGuid(guid)).schema, record(x))
  },
  async compatibility() {
    const subject = unique('compatibility')
    await client.register(subject, { schema: record(x), schemaType: 'AVRO' })
    assert.equal(await client.testSubjectCompatibility(subject, { schema: record(x, y), schemaType: 'AVRO' }), false)
    await assert.rejects(client.register(subject, { schema: record(x, y), schemaType: 'AVRO' }), error => {
      assert.equal(error.status, 409)
      assert.match(error.message, /incompatible with an earlier schema for subject/)
      return true
    })
    assert.equal(await client.updateCompatibility(subject, 'FULL_TRANSITIVE'), 'FULL_TRANSITIVE')
    assert.equal(await client.getCompatibility(subject), 'FULL_TRANSITIVE')
  },
  async config() {
    await client.updateConfig(unique('config'), { compatibility: 'FULL', normalize: true })
    const { compatibilityLevel } = await client.getDefaultConfig()
    assert.equal(typeof compatibilityLevel, 'string')
  },
  async metadata() {
    const subject = unique('metadata')
    await client.register(subject, { schema: record(x), schemaType: 'AVRO', metadata: { properties: { owner: 'me' } } })
    assert.equal((await open().getLatestWithMetadata(subject, { owner: 'me' })).version, 1)
  },
}

for (const [name, body] of Object.entries(cases)) {
  const began = performance.now()
  try {
    await body()
    console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`)
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error?.stack ?? error).replace(/\s+/g, ' ').slice(0, 400)}`)
  }
}
process.exit(0)
