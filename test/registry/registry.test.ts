/** The registry over a broker: Confluent's API as its clients use it, and its error codes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { record, sharedRegistry, startRegistry } from './registry.ts'

const registry = sharedRegistry()
const { ok, codeOf } = registry

const x = { name: 'x', type: 'int' }
const y = { name: 'y', type: 'int' }

test('a serializer registers its schema, and a deserializer finds it by id', async () => {
  const { id, version, guid, schemaType, schema } = await ok('POST', '/subjects/orders-value/versions?normalize=false', record(x))
  assert.deepEqual([version, schemaType, schema], [1, 'AVRO', record(x).schema])
  assert.deepEqual(await ok('POST', '/subjects/orders-value/versions', record(x)), { id, version, guid, schemaType, schema })
  const byId = await registry.ask('GET', `/schemas/ids/${id}?subject=orders-value&fetchMaxId=false`)
  assert.equal(byId.type, 'application/vnd.schemaregistry.v1+json')
  assert.deepEqual([byId.body.subject, byId.body.version, byId.body.schema], ['orders-value', 1, schema])
  assert.equal((await ok('GET', `/schemas/ids/${id}?fetchMaxId=true`)).maxId, id)
  assert.equal((await ok('POST', '/subjects/orders-value?normalize=true&deleted=false', record(x))).id, id)
  assert.equal((await ok('GET', '/subjects/orders-value/versions/latest')).id, id)
  assert.equal((await ok('GET', `/schemas/guids/${guid}`)).schema, schema)
  assert.deepEqual(await ok('GET', `/schemas/guids/${guid}/ids`), [{ context: '.', id }])
  assert.deepEqual(await ok('GET', `/schemas/ids/${id}/versions`), [{ subject: 'orders-value', version: 1 }])
  assert.deepEqual(await ok('GET', '/subjects/orders-value/versions/1/schema'), JSON.parse(schema))
  assert.deepEqual(await ok('GET', '/schemas/types'), ['JSON', 'PROTOBUF', 'AVRO'])
})

test('an incompatible schema is refused in the words that clients know', async () => {
  await ok('POST', '/subjects/compat-value/versions', record(x))
  const { status, body } = await registry.ask('POST', '/subjects/compat-value/versions', record(x, y))
  assert.deepEqual([status, body.error_code], [409, 409])
  assert.match(
    body.message,
    /^Schema being registered is incompatible with an earlier schema for subject "compat-value", details: \[\{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'/,
  )
  const path = '/compatibility/subjects/compat-value/versions'
  assert.deepEqual(await ok('POST', `${path}/latest`, record(x, y)), { is_compatible: false })
  assert.match((await ok('POST', `${path}?verbose=true`, record(x, y))).messages[0], /READER_FIELD_MISSING/)
  assert.deepEqual(await ok('POST', '/compatibility/subjects/nowhere/versions/latest', record(x)), { is_compatible: true })
  assert.deepEqual(await codeOf('POST', '/compatibility/subjects/nowhere/versions/1', record(x)), [404, 40_402])
  await ok('PUT', '/config/compat-value', { compatibility: 'NONE' })
  assert.equal((await ok('POST', '/subjects/compat-value/versions', record(x, y))).version, 2)
})

test('what is wrong with a request is told by its code', async () => {
  const versions = '/subjects/errors-value/versions'
  for (const body of [{}, { schema: '' }, { schema: '{' }, { schema: '"int"', schemaType: 'XML' }, { schema: 5 }])
    assert.deepEqual(await codeOf('POST', versions, body), [422, 42_201], JSON.stringify(body))
  assert.deepEqual(await codeOf('POST', versions, 'no json'), [400, 400])
  for (const version of ['0', '-2', 'first', '2147483648', '1.5'])
    assert.deepEqual(await codeOf('GET', `${versions}/${version}`), [422, 42_202], version)
  assert.deepEqual(await codeOf('GET', `${versions}/1`), [404, 40_401])
  assert.deepEqual(await codeOf('GET', '/schemas/ids/999'), [404, 40_403])
  assert.deepEqual(await codeOf('GET', '/config/errors-value'), [404, 40_408])
  assert.deepEqual(await codeOf('GET', '/mode/errors-value'), [404, 40_409])
  assert.deepEqual(await codeOf('DELETE', '/config/errors-value'), [404, 40_401])
  assert.deepEqual(await codeOf('DELETE', '/mode/errors-value'), [404, 40_401])
  assert.deepEqual(await codeOf('PUT', '/config', { compatibility: 'SOME' }), [422, 42_203])
  assert.deepEqual(await codeOf('PUT', '/mode', { mode: 'SOME' }), [422, 42_204])
  assert.deepEqual(await codeOf('GET', '/exporters'), [404, 404])
  assert.deepEqual(await codeOf('POST', versions, { ...record(x), id: 7 }), [422, 42_205])
  const reference = { name: 'r', subject: 'nowhere', version: 1 }
  assert.deepEqual(await codeOf('POST', versions, { ...record(x), references: [reference] }), [422, 42_201])
  assert.deepEqual(
    await codeOf('POST', versions, { ...record(x), ruleSet: { domainRules: [{ name: 'a', type: 'CEL', mode: 'UPGRADE' }] } }),
    [422, 42_210],
  )
})

test('deleting goes in two steps, each of which can be done once', async () => {
  const subject = '/subjects/deleted-value'
  await ok('PUT', '/config/deleted-value', { compatibility: 'NONE' })
  await ok('POST', `${subject}/versions`, record(x))
  await ok('POST', `${subject}/versions`, record(y))
  assert.deepEqual(await codeOf('DELETE', `${subject}/versions/1?permanent=true`), [404, 40_407])
  assert.equal(await ok('DELETE', `${subject}/versions/1`), 1)
  assert.deepEqual(await codeOf('DELETE', `${subject}/versions/1`), [404, 40_406])
  assert.deepEqual(await ok('GET', `${subject}/versions`), [2])
  assert.deepEqual(await ok('GET', `${subject}/versions?deleted=true`), [1, 2])
  assert.deepEqual(await ok('GET', `${subject}/versions?deletedOnly=true`), [1])
  assert.deepEqual(await codeOf('DELETE', `${subject}?permanent=true`), [404, 40_405])
  assert.deepEqual(await ok('DELETE', subject), [2])
  assert.deepEqual(await codeOf('DELETE', subject), [404, 40_404])
  assert.deepEqual(await codeOf('GET', `${subject}/versions`), [404, 40_401])
  assert.deepEqual(await ok('DELETE', `${subject}?permanent=true`), [1, 2])
  assert.deepEqual(await codeOf('DELETE', subject), [404, 40_401])
  assert.deepEqual(await codeOf('GET', '/config/deleted-value'), [404, 40_408])
})

test('a schema that others refer to is not deleted', async () => {
  await ok('POST', '/subjects/base/versions', { schema: JSON.stringify({ type: 'enum', name: 'E', namespace: 'n', symbols: ['A'] }) })
  const referring = { ...record({ name: 'e', type: 'n.E' }), references: [{ name: 'n.E', subject: 'base', version: 1 }] }
  const { id } = await ok('POST', '/subjects/user-value/versions', referring)
  assert.deepEqual((await ok('GET', `/schemas/ids/${id}`)).references, referring.references)
  assert.match((await ok('GET', `/schemas/ids/${id}?format=resolved`)).schema, /"symbols":\["A"\]/)
  assert.deepEqual(await ok('GET', '/subjects/base/versions/1/referencedby'), [id])
  assert.deepEqual(await codeOf('DELETE', '/subjects/base'), [422, 42_206])
  assert.deepEqual(await codeOf('DELETE', '/subjects/base/versions/1'), [422, 42_206])
})

test('contexts have subjects and ids of their own', async () => {
  assert.equal((await ok('POST', '/contexts/.lab/subjects/a/versions', record(x))).id, 1)
  assert.equal((await ok('POST', '/subjects/:.lab:b/versions', record(y))).id, 2)
  assert.deepEqual(await ok('GET', '/contexts/.lab/subjects'), [':.lab:a', ':.lab:b'])
  assert.deepEqual(await ok('GET', '/subjects?subjectPrefix=:.lab:b'), [':.lab:b'])
  assert.ok((await ok('GET', '/subjects?subjectPrefix=:*:')).includes(':.lab:a'))
  assert.equal((await ok('GET', '/contexts/lab/schemas/ids/2')).schema, record(y).schema)
  assert.equal((await ok('GET', '/schemas/ids/2?subject=:.lab:')).schema, record(y).schema)
  assert.deepEqual((await ok('GET', '/contexts')).slice(0, 2), ['.', '.lab'])
  await ok('PUT', '/contexts/.lab/config', { compatibility: 'FULL' })
  assert.equal((await ok('GET', '/config/:.lab:a?defaultToGlobal=true')).compatibilityLevel, 'FULL')
  assert.equal((await ok('GET', '/config')).compatibilityLevel, 'BACKWARD')
  assert.deepEqual(await codeOf('DELETE', '/contexts/.lab'), [422, 42_211])
})

test('modes: read-only refuses, import takes ids as they are', async () => {
  await ok('POST', '/subjects/mode-value/versions', record(x))
  await ok('PUT', '/mode/mode-value', { mode: 'READONLY' })
  assert.deepEqual(await codeOf('POST', '/subjects/mode-value/versions', record(y)), [422, 42_205])
  assert.deepEqual(await codeOf('PUT', '/config/mode-value', { compatibility: 'NONE' }), [422, 42_205])
  assert.deepEqual(await codeOf('DELETE', '/subjects/mode-value'), [422, 42_205])
  assert.deepEqual(await ok('DELETE', '/mode/mode-value'), { mode: 'READONLY' })
  assert.deepEqual(await codeOf('PUT', '/mode/mode-value', { mode: 'IMPORT' }), [422, 42_205])
  await ok('PUT', '/mode/mode-value?force=true', { mode: 'IMPORT' })
  const imported = await ok('POST', '/subjects/mode-value/versions', { ...record(y), id: 4711, version: 9 })
  assert.deepEqual([imported.id, imported.version], [4711, 9])
  assert.deepEqual(await codeOf('POST', '/subjects/mode-value/versions', { ...record(x, y), id: 4711, version: 10 }), [422, 42_205])
  await ok('PUT', '/mode/new-value', { mode: 'IMPORT' })
})

test('metadata and rules are stored and returned, and make a new version', async () => {
  const metadata = { properties: { owner: 'me', a: '1' }, tags: { 'R.x': ['PII'] }, sensitive: ['owner'] }
  const ruleSet = { domainRules: [{ name: 'check', kind: 'CONDITION', mode: 'WRITE', type: 'CEL', expr: 'true', params: { k: 'v' } }] }
  await ok('POST', '/subjects/rules-value/versions', record(x))
  const { id } = await ok('POST', '/subjects/rules-value/versions', { ...record(x), metadata, ruleSet })
  const found = await ok('GET', `/schemas/ids/${id}`)
  assert.deepEqual(found.metadata, metadata)
  assert.deepEqual(found.ruleSet.domainRules[0], { ...ruleSet.domainRules[0], disabled: false })
  assert.equal((await ok('GET', '/subjects/rules-value/metadata?key=owner&value=me')).version, 2)
  assert.deepEqual(await codeOf('GET', '/subjects/rules-value/metadata?key=owner&value=you'), [404, 40_403])
})

test('Protobuf and JSON Schema are registered and checked by their own rules', async () => {
  const proto = (text: string) => ({ schemaType: 'PROTOBUF', schema: `syntax = "proto3"; ${text}` })
  const { id } = await ok('POST', '/subjects/proto-value/versions', proto('message A { int32 a = 1; } message B {}'))
  assert.equal((await ok('POST', '/subjects/proto-value/versions', proto('message A { int64 b = 1; } message B {}'))).version, 2)
  assert.deepEqual(await codeOf('POST', '/subjects/proto-value/versions', proto('message A { int32 a = 1; }')), [409, 409])
  const { schema } = await ok('GET', `/schemas/ids/${id}?format=serialized`)
  assert.equal((await ok('POST', '/subjects/proto-value', { schemaType: 'PROTOBUF', schema })).id, id)
  const json = (properties: object, more: object = {}) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({ type: 'object', properties, ...more }),
  })
  await ok('POST', '/subjects/json-value/versions', json({}))
  assert.deepEqual(await codeOf('POST', '/subjects/json-value/versions', json({ a: { type: 'string' } })), [409, 409])
})

test('what is answered after a write is there after a restart, in another process too', async () => {
  await using second = await startRegistry(registry.broker.address)
  const all = await ok('GET', '/schemas?deleted=true')
  assert.deepEqual((await second.ask('GET', '/schemas?deleted=true')).body, all)
  const names = await ok('GET', '/subjects?deleted=true')
  assert.deepEqual((await second.ask('GET', '/subjects?deleted=true')).body, names)
})
