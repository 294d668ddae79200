/** The registry's contract beyond the way of a serializer: every mode, level, form and list, each as Confluent's registry answers it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startBroker } from '../../src/millrace.ts'
import { record, sharedRegistry, startRegistry } from './registry.ts'

const registry = sharedRegistry()
const { ok, codeOf } = registry

const x = { name: 'x', type: 'int' }
const optional = (name: string) => ({ name, type: 'int', default: 0 })

/** Three versions; each adds or removes a field without a default value. */
const first = record(optional('a'), optional('b'))
const second = record(optional('a'), { name: 'c', type: 'int' })
const levels: Record<string, { addsRequired: boolean; removesRequired: boolean; addsOptional: boolean }> = {
  NONE: { addsRequired: true, removesRequired: true, addsOptional: true },
  BACKWARD: { addsRequired: false, removesRequired: true, addsOptional: true },
  BACKWARD_TRANSITIVE: { addsRequired: false, removesRequired: true, addsOptional: true },
  FORWARD: { addsRequired: true, removesRequired: false, addsOptional: true },
  FORWARD_TRANSITIVE: { addsRequired: true, removesRequired: false, addsOptional: true },
  FULL: { addsRequired: false, removesRequired: false, addsOptional: true },
  FULL_TRANSITIVE: { addsRequired: false, removesRequired: false, addsOptional: true },
}

test('each of the seven levels, against the latest version and against all', async () => {
  await ok('PUT', '/config/levels', { compatibility: 'NONE' })
  await ok('POST', '/subjects/levels/versions', first)
  await ok('POST', '/subjects/levels/versions', second)
  const check = async (schema: object, version = '') =>
    (await ok('POST', `/compatibility/subjects/levels/versions${version}`, schema)).is_compatible
  for (const [level, expected] of Object.entries(levels)) {
    await ok('PUT', '/config/levels', { compatibility: level })
    const found = {
      addsRequired: await check(record(optional('a'), { name: 'c', type: 'int' }, { name: 'd', type: 'int' }), '/latest'),
      removesRequired: await check(record(optional('a')), '/latest'),
      addsOptional: await check(record(optional('a'), { name: 'c', type: 'int' }, optional('d')), '/latest'),
    }
    assert.deepEqual(found, expected, level)
    // Like the second version: what the first one wrote cannot be read with it, and the other way round it can.
    assert.equal(await check(second), !['BACKWARD_TRANSITIVE', 'FULL_TRANSITIVE'].includes(level), level)
    assert.equal(await check(second, '/1'), !level.startsWith('BACKWARD') && !level.startsWith('FULL'), level)
  }
  const { is_compatible, messages } = await ok('POST', '/compatibility/subjects/levels/versions/1?verbose=true', second)
  assert.equal(is_compatible, false)
  assert.match(messages[0], /^\{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'c' at path '\/fields\/1'/)
  assert.match(messages.at(-1), /^\{validateFields: 'false', compatibility: 'FULL_TRANSITIVE'\}$/)
  assert.deepEqual(await ok('POST', '/compatibility/subjects/levels/versions/1?verbose=true', first), { is_compatible: true, messages: [] })
})

test('configuration: global, of a context, of a subject; GET and PUT name the level differently', async () => {
  assert.deepEqual(await ok('GET', '/config'), { compatibilityLevel: 'BACKWARD' })
  assert.deepEqual(await ok('PUT', '/config/set', { compatibility: 'full' }), { compatibility: 'FULL' })
  assert.deepEqual(await ok('GET', '/config/set'), { compatibilityLevel: 'FULL' })
  assert.deepEqual(await codeOf('GET', '/config/unset'), [404, 40_408])
  assert.match(
    (await registry.ask('GET', '/config/unset')).body.message,
    /^Subject 'unset' does not have subject-level compatibility configured$/,
  )
  assert.deepEqual(await ok('GET', '/config/unset?defaultToGlobal=true'), { compatibilityLevel: 'BACKWARD' })
  assert.deepEqual(await ok('PUT', '/config/:.ctx:', { compatibility: 'NONE' }), { compatibility: 'NONE' })
  assert.deepEqual(await ok('GET', '/contexts/.ctx/config'), { compatibilityLevel: 'NONE' })
  assert.deepEqual(await ok('GET', '/config/:.ctx:any?defaultToGlobal=true'), { compatibilityLevel: 'NONE' })
  // What a request does not name stays.
  await ok('PUT', '/config/set', { normalize: true })
  assert.deepEqual(await ok('GET', '/config/set'), { compatibilityLevel: 'FULL', normalize: true })
  assert.deepEqual(await ok('DELETE', '/config/set'), { compatibilityLevel: 'FULL', normalize: true })
  assert.deepEqual(await codeOf('DELETE', '/config/set'), [404, 40_401])
  assert.deepEqual(await codeOf('PUT', '/config/set', { compatibility: 'SIDEWAYS' }), [422, 42_203])
  assert.deepEqual(await codeOf('PUT', '/config/set', { defaultRuleSet: { domainRules: [{ name: '', type: 'CEL' }] } }), [422, 42_210])
  assert.deepEqual(await codeOf('PUT', '/config/set'), [422, 422])
})

test('modes: global, of a context, of a subject', async () => {
  assert.deepEqual(await ok('GET', '/mode'), { mode: 'READWRITE' })
  assert.deepEqual(await codeOf('GET', '/mode/m'), [404, 40_409])
  assert.deepEqual(await ok('GET', '/mode/m?defaultToGlobal=true'), { mode: 'READWRITE' })
  assert.deepEqual(await ok('PUT', '/mode/:.shut:', { mode: 'READONLY' }), { mode: 'READONLY' })
  assert.deepEqual(await ok('GET', '/contexts/.shut/mode'), { mode: 'READONLY' })
  assert.deepEqual(await ok('GET', '/mode/:.shut:m?defaultToGlobal=true'), { mode: 'READONLY' })
  const refused = await registry.ask('POST', '/subjects/:.shut:m/versions', record(x))
  assert.deepEqual(
    [refused.status, refused.body.error_code, refused.body.message],
    [422, 42_205, 'Subject :.shut:m in context :.shut: is in read-only mode'],
  )
  assert.deepEqual(await codeOf('DELETE', '/subjects/:.shut:m'), [404, 40_401])
  assert.deepEqual(await ok('DELETE', '/mode/:.shut:'), { mode: 'READONLY' })
  assert.deepEqual(await codeOf('DELETE', '/mode/m'), [404, 40_401])
  assert.deepEqual(await codeOf('PUT', '/mode/m', { mode: 'SIDEWAYS' }), [422, 42_204])
  assert.deepEqual(await codeOf('PUT', '/mode/m', { mode: 'FORWARD' }), [422, 42_204])
})

test('a version that is none is refused wherever one is named', async () => {
  await ok('POST', '/subjects/versions/versions', record(x))
  for (const version of ['0', '-2', 'first', '2147483648', '99999999999'])
    for (const [method, path, body] of [
      ['GET', '/subjects/versions/versions/', undefined],
      ['GET', '/subjects/versions/versions/V/schema', undefined],
      ['GET', '/subjects/versions/versions/V/referencedby', undefined],
      ['DELETE', '/subjects/versions/versions/', undefined],
      ['POST', '/compatibility/subjects/versions/versions/', record(x)],
    ] as const) {
      const at = path.includes('V') ? path.replace('V', version) : path + version
      assert.deepEqual(await codeOf(method, at, body), [422, 42_202], `${method} ${at}`)
    }
  const { message } = (await registry.ask('GET', '/subjects/versions/versions/0')).body
  assert.equal(
    message,
    `The specified version '0' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
  )
  for (const latest of ['latest', '-1']) assert.equal((await ok('GET', `/subjects/versions/versions/${latest}`)).version, 1)
  assert.deepEqual(await codeOf('GET', '/subjects/versions/versions/2'), [404, 40_402])
  assert.deepEqual(await codeOf('DELETE', '/subjects/versions/versions/2'), [404, 40_402])
  assert.deepEqual(await codeOf('DELETE', '/subjects/nowhere/versions/1'), [404, 40_401])
  assert.deepEqual(await codeOf('POST', '/subjects/nowhere', record(x)), [404, 40_401])
  assert.deepEqual(await codeOf('POST', '/subjects/versions', record(optional('y'))), [404, 40_403])
})

test('lists: prefixes, deleted, latest only, pages', async () => {
  await ok('PUT', '/config/:.list:', { compatibility: 'NONE' })
  for (const [name, count] of [
    ['a-1', 2],
    ['a-2', 1],
    ['b', 3],
  ] as const)
    for (let at = 0; at < count; at++) await ok('POST', `/subjects/:.list:${name}/versions`, record(optional(`f${at}`)))
  await ok('DELETE', '/subjects/:.list:a-2')
  await ok('DELETE', '/subjects/:.list:b/versions/3')
  const subjects = (query: string) => ok('GET', `/contexts/.list/subjects?${query}`)
  assert.deepEqual(await subjects(''), [':.list:a-1', ':.list:b'])
  assert.deepEqual(await subjects('subjectPrefix=a'), [':.list:a-1'])
  assert.deepEqual(await subjects('deleted=true'), [':.list:a-1', ':.list:a-2', ':.list:b'])
  assert.deepEqual(await subjects('deletedOnly=true'), [':.list:a-2'])
  assert.deepEqual(await subjects('deleted=true&offset=1&limit=1'), [':.list:a-2'])
  // A prefix without a context means the default one.
  assert.deepEqual(
    (await ok('GET', '/subjects?subjectPrefix=a-')).filter((each: string) => each.startsWith(':.list')),
    [],
  )
  assert.deepEqual(await ok('GET', '/subjects?subjectPrefix=:*:a-'), [':.list:a-1'])
  const schemas = async (query: string) =>
    (await ok('GET', `/schemas?${query}`)).map(
      ({ subject, version, deleted }: { subject: string; version: number; deleted: boolean }) =>
        `${subject.replace(':.list:', '')} ${version}${deleted ? ' deleted' : ''}`,
    )
  assert.deepEqual(await schemas('subjectPrefix=:.list:'), ['a-1 1', 'a-1 2', 'b 1', 'b 2'])
  assert.deepEqual(await schemas('subjectPrefix=:.list:&latestOnly=true'), ['a-1 2', 'b 2'])
  assert.deepEqual(await schemas('subjectPrefix=:.list:b&deleted=true'), ['b 1', 'b 2', 'b 3 deleted'])
  assert.deepEqual(await schemas('subjectPrefix=:.list:&offset=1&limit=2'), ['a-1 2', 'b 1'])
  assert.deepEqual(await schemas('subjectPrefix=:.nowhere:'), [])
  assert.deepEqual(await ok('GET', '/subjects/:.list:b/versions?deletedAsNegative=true'), [1, 2, -3])
  assert.deepEqual(await ok('GET', '/contexts?contextPrefix=.li'), ['.list'])
})

test('a schema is found by the form that was asked for', async () => {
  const spaced = { schema: '{ "type": "record", "name": "R", "fields": [ {"type": "int", "name": "z", "doc": ""} ] }' }
  const { id, guid } = await ok('POST', '/subjects/forms/versions', spaced)
  const canonical = '{"type":"record","name":"R","fields":[{"name":"z","type":"int","doc":""}]}'
  assert.equal((await ok('GET', `/schemas/ids/${id}`)).schema, canonical)
  assert.deepEqual((await registry.ask('GET', `/schemas/ids/${id}/schema`)).body, JSON.parse(canonical))
  assert.equal((await ok('GET', `/schemas/guids/${guid}?format=resolved`)).schema, canonical)
  assert.deepEqual(await codeOf('GET', '/schemas/guids/00000000-0000-0000-0000-000000000000'), [404, 40_403])
  const { subject, version, maxId } = await ok('GET', `/schemas/ids/${id}?subject=forms&fetchMaxId=true`)
  assert.deepEqual([subject, version, maxId >= id], ['forms', 1, true])
  assert.deepEqual(await ok('GET', `/schemas/ids/${id}/subjects`), ['forms'])
  for (const path of ['', '/subjects', '/versions', '/schema'])
    assert.deepEqual(await codeOf('GET', `/schemas/ids/9999${path}`), [404, 40_403])
  assert.deepEqual(await codeOf('GET', '/schemas/ids/one'), [404, 404])
})

test('normalize: schemas in other words are the same, if it is asked for or configured', async () => {
  const order = (...names: string[]) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({ type: 'object', properties: Object.fromEntries(names.map(name => [name, {}])) }),
  })
  const { id, schema } = await ok('POST', '/subjects/normal/versions?normalize=true', order('b', 'a'))
  assert.equal(schema, '{"properties":{"a":{},"b":{}},"type":"object"}')
  assert.equal((await ok('POST', '/subjects/normal?normalize=true', order('a', 'b'))).id, id)
  assert.deepEqual(await codeOf('POST', '/subjects/normal', order('b', 'a')), [404, 40_403])
  await ok('PUT', '/config/normal', { normalize: true })
  assert.equal((await ok('POST', '/subjects/normal', order('b', 'a'))).id, id)
})

test('an alias stands for another subject', async () => {
  const { id } = await ok('POST', '/subjects/renamed/versions', record(x))
  await ok('PUT', '/config/old-name', { alias: 'renamed' })
  assert.equal((await ok('GET', '/subjects/old-name/versions/latest')).subject, 'renamed')
  assert.equal((await ok('POST', '/subjects/old-name', record(x))).id, id)
  assert.equal((await ok('GET', `/schemas/ids/${id}?subject=old-name`)).subject, 'renamed')
  assert.equal((await ok('POST', '/subjects/old-name/versions', record(x, optional('y')))).version, 2)
  assert.deepEqual(
    (await ok('GET', '/schemas?subjectPrefix=old-&aliases=true')).map((each: { aliases: string[] }) => each.aliases),
    [['old-name'], ['old-name']],
  )
  assert.deepEqual(await ok('GET', '/config/old-name'), { alias: 'renamed', compatibilityLevel: 'BACKWARD' })
})

test('references: by name and version, also to the latest one; they keep what they refer to', async () => {
  const shared = { schemaType: 'PROTOBUF', schema: 'syntax = "proto3"; package p; message Shared { int32 a = 1; }' }
  await ok('POST', '/subjects/shared/versions', shared)
  const user = (version: number) => ({
    schemaType: 'PROTOBUF',
    schema: 'syntax = "proto3"; import "shared.proto"; message User { p.Shared s = 1; }',
    references: [{ name: 'shared.proto', subject: 'shared', version }],
  })
  const { id, references } = await ok('POST', '/subjects/user/versions', user(-1))
  assert.deepEqual(references, [{ name: 'shared.proto', subject: 'shared', version: -1 }])
  assert.equal((await ok('POST', '/subjects/user', user(1))).id, id)
  assert.deepEqual(await codeOf('POST', '/subjects/user/versions', { ...user(1), references: [] }), [422, 42_201])
  assert.deepEqual(await codeOf('POST', '/subjects/user/versions', user(7)), [422, 42_201])
  assert.deepEqual(await codeOf('POST', '/subjects/user/versions', { ...user(1), references: [{ name: 'shared.proto' }] }), [422, 42_201])
})

test('what clients send besides, and ask for, is taken as by Confluent', async () => {
  // Unknown fields, empty lists and nulls.
  const more = { ...record(x), references: [], metadata: null, ruleSet: null, schemaType: null, schemaTagsToAdd: null, unknown: {} }
  await ok('POST', '/subjects/tolerant/versions', more)
  for (const [accept, expected] of [
    ['*/*', 'application/vnd.schemaregistry.v1+json'],
    ['application/json', 'application/json'],
    ['application/vnd.schemaregistry+json; qs=0.9, application/json; qs=0.5', 'application/vnd.schemaregistry+json'],
    [
      'application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json',
      'application/vnd.schemaregistry.v1+json',
    ],
  ] as const)
    assert.equal((await registry.ask('GET', '/subjects', undefined, { accept })).type, expected)
  for (const type of ['application/json', 'application/vnd.schemaregistry+json', 'application/octet-stream'])
    assert.equal((await registry.ask('POST', '/subjects/tolerant', record(x), { 'content-type': type })).status, 200, type)
  assert.equal((await registry.ask('POST', '/subjects/tolerant', 'x', { 'content-type': 'text/plain' })).status, 415)
  for (const [path, code] of [
    ['/subjects/%ff/versions', 400],
    [`/subjects/${'s'.repeat(5_000)}/versions`, 414],
  ] as const) {
    const { status, body } = await registry.ask('GET', path)
    assert.deepEqual([status, body.error_code], [code, code])
  }
  for (const path of [
    '/exporters',
    '/exporters/e/status',
    '/dek-registry/v1/keks',
    '/associations/x',
    '/no/such/path',
    '/schemas/types/x',
  ]) {
    const { status, type, body } = await registry.ask('GET', path)
    assert.deepEqual([status, type, body.error_code], [404, 'application/vnd.schemaregistry.v1+json', 404], path)
    assert.match(body.message, /^HTTP 404 Not Found/)
  }
  assert.deepEqual([await ok('GET', '/'), await ok('POST', '/', {})], [{}, {}])
  assert.deepEqual(await ok('GET', '/subjects/'), await ok('GET', '/subjects'))
  assert.deepEqual(await ok('GET', '/v1/metadata/deployment'), { attributes: [] })
  assert.equal((await ok('GET', '/v1/metadata/id')).scope.clusters['schema-registry-cluster'], 'schema-registry')
  assert.match((await ok('GET', '/v1/metadata/version')).version, /^\d+\.\d+\.\d+$/)
  for (const subject of ['__GLOBAL', '__EMPTY', 'a%0Ab'])
    assert.deepEqual(await codeOf('POST', `/subjects/${subject}/versions`, record(x)), [422, 42_208], subject)
  assert.deepEqual(await codeOf('GET', '/contexts/a:b/subjects'), [400, 400])
})

test('bodies of strangers are bounded', async () => {
  assert.equal((await codeOf('POST', '/subjects/big/versions', { schema: 'x'.repeat(2 ** 21) }))[0], 413)
  assert.deepEqual(await codeOf('POST', '/subjects/big/versions', `[${'1,'.repeat(20_000)}1]`), [422, 422])
  assert.deepEqual(await codeOf('POST', '/subjects/big/versions', `${'['.repeat(300)}${']'.repeat(300)}`), [422, 422])
  const polluted = '{"schema":"\\"int\\"","metadata":{"properties":{"__proto__":"a","constructor":"b"}},"__proto__":{"polluted":1}}'
  const { id } = await ok('POST', '/subjects/proto/versions', polluted)
  const { metadata } = await ok('GET', `/schemas/ids/${id}`)
  assert.deepEqual(Object.entries(metadata.properties), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ])
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

test('reads go on while no broker answers', async () => {
  await using other = await startBroker({ memory: true })
  await using alone = await startRegistry(other.address)
  const { id } = (await alone.ask('POST', '/subjects/read/versions', record(x))).body
  assert.equal((await alone.ask('GET', `/schemas/ids/${id}`)).status, 200)
  await other[Symbol.asyncDispose]()
  for (const path of [
    `/schemas/ids/${id}`,
    '/subjects',
    '/subjects/read/versions/latest',
    '/schemas',
    '/config',
    '/config/read?defaultToGlobal=true',
  ])
    assert.equal((await alone.ask('GET', path)).status, 200, path)
  assert.equal((await alone.ask('POST', '/subjects/read', record(x))).status, 200)
})

test('what is asked for often is answered as it is now, in the type that was asked for', async () => {
  const { id, guid } = await ok('POST', '/subjects/often/versions', record(optional('often')))
  const { schema } = record(optional('often'))
  const version = { subject: 'often', version: 1, id, guid, schemaType: 'AVRO', schema }
  for (let round = 0; round < 2; round++) {
    const { ts, deleted, ...byVersion } = await ok('GET', '/subjects/often/versions/1')
    assert.deepEqual([byVersion, typeof ts, deleted], [version, 'number', false])
    assert.deepEqual(await ok('GET', '/subjects/often/versions/latest'), { ...version, ts, deleted })
    assert.deepEqual(await ok('GET', `/schemas/ids/${id}`), { guid, schemaType: 'AVRO', schema, ts, deleted })
    const named = await ok('GET', `/schemas/ids/${id}?subject=often`)
    assert.deepEqual(named, { subject: 'often', version: 1, guid, schemaType: 'AVRO', schema, ts, deleted })
    const plain = await registry.ask('GET', `/schemas/ids/${id}`, undefined, { accept: 'application/json' })
    assert.equal(plain.type, 'application/json')
    assert.equal((await registry.ask('GET', `/schemas/ids/${id}`)).type, 'application/vnd.schemaregistry.v1+json')
  }
  await ok('DELETE', '/subjects/often/versions/1')
  assert.deepEqual(await codeOf('GET', '/subjects/often/versions/1'), [404, 40_401])
  assert.equal((await ok('GET', '/subjects/often/versions/1?deleted=true')).deleted, true)
  assert.equal((await ok('GET', `/schemas/ids/${id}`)).deleted, true)
})
