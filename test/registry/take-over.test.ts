/** A topic `_schemas` that Confluent's registry has written, of all its times, is taken over as it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { openClient } from '../../src/client.ts'
import { startBroker } from '../../src/millrace.ts'
import { mirror } from '../../src/mirror.ts'
import { startRegistry } from './registry.ts'

/** Keys and values as bytes; null: a tombstone. */
const records: readonly (readonly [key: string, value: string | null])[] = [
  ['{"keytype":"NOOP","magic":0}', null],
  ['{"keytype":"CONFIG","magic":0}', '{"compatibilityLevel":"FULL"}'],
  // Of 3.x: no type, no references; an md5 that nobody reads.
  [
    '{"keytype":"SCHEMA","subject":"old","version":1,"magic":0}',
    '{"subject":"old","version":1,"id":1,"schema":"\\"string\\"","deleted":false}',
  ],
  [
    '{"keytype":"SCHEMA","subject":"old","version":2,"magic":1}',
    '{"subject":"old","version":2,"id":2,"md5":"abc=","schema":"\\"bytes\\"","deleted":false}',
  ],
  // Of 5.5 and later.
  [
    '{"keytype":"SCHEMA","subject":"proto","version":1,"magic":1}',
    '{"subject":"proto","version":1,"id":3,"schemaType":"PROTOBUF","schema":"syntax = \\"proto3\\";\\n\\nmessage M {}\\n","deleted":false}',
  ],
  [
    '{"keytype":"SCHEMA","subject":"user","version":1,"magic":1}',
    '{"subject":"user","version":1,"id":4,"schemaType":"PROTOBUF","references":[{"name":"m.proto","subject":"proto","version":1}],"schema":"syntax = \\"proto3\\";\\nimport \\"m.proto\\";\\n\\nmessage N {\\n  M m = 1;\\n}\\n","deleted":false}',
  ],
  // Of 7.4 and later, with what newer ones add.
  [
    '{"keytype":"SCHEMA","subject":"ruled","version":1,"magic":1}',
    '{"subject":"ruled","version":1,"id":5,"schemaType":"JSON","metadata":{"tags":{"$.a":["PII"]},"properties":{"owner":"x"},"sensitive":["owner"]},"ruleSet":{"domainRules":[{"name":"r","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"true","disabled":false}],"encodingRules":[]},"schema":"{}","schemaTags":[],"offset":7,"deleted":false}',
  ],
  // Contexts, modes, configurations; their removal.
  ['{"keytype":"CONTEXT","tenant":"default","context":".lab","magic":0}', '{"tenant":"default","context":".lab"}'],
  [
    '{"keytype":"SCHEMA","subject":":.lab:a","version":1,"magic":1}',
    '{"subject":":.lab:a","version":1,"id":1,"schema":"\\"int\\"","deleted":false}',
  ],
  ['{"keytype":"CONTEXT","tenant":"default","context":".gone","magic":0}', '{"tenant":"default","context":".gone"}'],
  ['{"keytype":"CONTEXT","tenant":"default","context":".gone","magic":0}', null],
  ['{"keytype":"MODE","subject":"old","magic":0}', '{"subject":"old","mode":"READONLY"}'],
  ['{"keytype":"MODE","subject":"ruled","magic":0}', '{"mode":"READONLY"}'],
  ['{"keytype":"MODE","subject":"ruled","magic":0}', null],
  [
    '{"keytype":"CONFIG","subject":"old","magic":0}',
    '{"subject":"old","compatibilityLevel":"NONE","validateFields":true,"somethingNew":{}}',
  ],
  ['{"keytype":"CONFIG","subject":"proto","magic":0}', '{"compatibilityLevel":"FORWARD"}'],
  ['{"keytype":"CONFIG","subject":"proto","magic":0}', null],
  // Deleted softly by version, softly by subject, and for good.
  [
    '{"keytype":"SCHEMA","subject":"soft","version":1,"magic":1}',
    '{"subject":"soft","version":1,"id":6,"schema":"\\"long\\"","deleted":true}',
  ],
  [
    '{"keytype":"SCHEMA","subject":"left","version":1,"magic":1}',
    '{"subject":"left","version":1,"id":7,"schema":"\\"float\\"","deleted":false}',
  ],
  [
    '{"keytype":"SCHEMA","subject":"left","version":2,"magic":1}',
    '{"subject":"left","version":2,"id":8,"schema":"\\"double\\"","deleted":false}',
  ],
  ['{"keytype":"DELETE_SUBJECT","subject":"left","magic":0}', '{"subject":"left","version":2}'],
  [
    '{"keytype":"SCHEMA","subject":"left","version":3,"magic":1}',
    '{"subject":"left","version":3,"id":7,"schema":"\\"float\\"","deleted":false}',
  ],
  [
    '{"keytype":"SCHEMA","subject":"purged","version":1,"magic":1}',
    '{"subject":"purged","version":1,"id":9,"schema":"\\"null\\"","deleted":true}',
  ],
  ['{"keytype":"SCHEMA","subject":"purged","version":1,"magic":1}', null],
  [
    '{"keytype":"SCHEMA","subject":"cleared","version":1,"magic":1}',
    '{"subject":"cleared","version":1,"id":10,"schema":"\\"boolean\\"","deleted":true}',
  ],
  ['{"keytype":"CLEAR_SUBJECT","subject":"cleared","magic":0}', '{"subject":"cleared"}'],
  // Two schemas with one id: the first one counts.
  [
    '{"keytype":"SCHEMA","subject":"second","version":1,"magic":1}',
    '{"subject":"second","version":1,"id":1,"schema":"\\"int\\"","deleted":false}',
  ],
  // What no registry understands, and what only others do.
  ['{"keytype":"ASSOC","tenant":"default","magic":0}', '{"subject":"old"}'],
  ['{"keytype":"SOMETHING_NEW","magic":9}', '{}'],
  ['no json', '{}'],
  ['{"keytype":"SCHEMA","subject":"broken","version":1,"magic":1}', '{"subject":"broken"'],
  ['{"keytype":"SCHEMA","subject":"broken","version":2,"magic":1}', '{"subject":"broken","version":2,"id":"x","schema":"\\"int\\""}'],
  ['null', null],
]

test('records of all kinds and ages are read as Confluent reads them, and numbers go on', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: '_schemas', partitions: 1, configs: new Map([['cleanup.policy', 'compact']]) })
  const sent = records.map(([key, value]) => ({ key: Buffer.from(key), value: value === null ? null : Buffer.from(value), partition: 0 }))
  await client.send('_schemas', sent, { acks: 'all' })
  await using registry = await startRegistry(broker.address)
  const get = async (path: string) => (await registry.ask('GET', path)).body

  assert.deepEqual(await get('/subjects'), [':.lab:a', 'left', 'old', 'proto', 'ruled', 'user'])
  assert.deepEqual(await get('/subjects?deletedOnly=true'), ['soft'])
  assert.deepEqual(await get('/contexts'), ['.', '.lab'])
  assert.deepEqual(await get('/subjects/left/versions?deletedAsNegative=true'), [-1, -2, 3])
  assert.deepEqual(await get('/config'), { compatibilityLevel: 'FULL' })
  assert.deepEqual(await get('/config/old'), { validateFields: true, compatibilityLevel: 'NONE' })
  assert.equal((await registry.ask('GET', '/config/proto')).body.error_code, 40_408)
  assert.deepEqual(await get('/mode/old'), { mode: 'READONLY' })
  assert.deepEqual(await get('/mode/ruled?defaultToGlobal=true'), { mode: 'READWRITE' })
  const { schema, schemaType } = await get('/schemas/ids/2')
  assert.deepEqual([schema, schemaType], ['"bytes"', 'AVRO'])
  assert.equal((await get('/schemas/ids/1')).schema, '"string"')
  assert.equal((await get('/schemas/ids/1?subject=:.lab:')).schema, '"int"')
  assert.deepEqual(await get('/subjects/proto/versions/1/referencedby'), [4])
  const { metadata, ruleSet } = await get('/subjects/ruled/versions/latest')
  assert.deepEqual(metadata, { tags: { '$.a': ['PII'] }, properties: { owner: 'x' }, sensitive: ['owner'] })
  assert.equal(ruleSet.domainRules[0].name, 'r')

  // The next number follows all that were ever given, as far as records say so.
  assert.equal((await registry.ask('POST', '/subjects/new/versions', { schema: '{"type":"fixed","name":"F","size":1}' })).body.id, 11)
  assert.equal((await registry.ask('POST', '/subjects/old/versions', { schema: '"long"' })).body.error_code, 42_205)
  // What is registered already keeps its id, whoever has registered it.
  assert.equal(
    (await registry.ask('POST', '/subjects/proto/versions', { schemaType: 'PROTOBUF', schema: 'syntax="proto3"; message M {}' })).body.id,
    3,
  )
})

test('a registry goes on with the topic that a mirror has copied, with the same ids', async () => {
  await using from = await startBroker({ memory: true })
  await using to = await startBroker({ memory: true })
  await using source = openClient({ bootstrap: from.address })
  await using target = openClient({ bootstrap: to.address })
  const versions = '/subjects/copied-value/versions'
  const ids: number[] = []
  {
    await using old = await startRegistry(from.address)
    for (const schema of ['"int"', '"string"', '"bytes"'])
      ids.push((await old.ask('POST', schema === '"int"' ? '/subjects/first/versions' : versions, { schema })).body.id)
    await old.ask('PUT', '/mode', { mode: 'READONLY' })
  }
  const report = await mirror({
    ...{ source, target, system: realSystem(), isWanted: topic => topic === '_schemas', acls: false, groups: false, merge: false },
    ...{ dryRun: false, patienceMs: 5_000, signal: new AbortController().signal, onProgress() {}, onWaiting() {} },
  })
  assert.deepEqual(report.failed, [])
  await using registry = await startRegistry(to.address)
  assert.deepEqual((await registry.ask('GET', versions)).body, [1, 2])
  for (const [index, schema] of ['"int"', '"string"', '"bytes"'].entries())
    assert.equal((await registry.ask('GET', `/schemas/ids/${ids[index]}`)).body.schema, schema)
  assert.equal((await registry.ask('POST', versions, { schema: '"long"' })).status, 422, 'the mode has come, too')
  await registry.ask('PUT', '/mode', { mode: 'READWRITE' })
  assert.equal((await registry.ask('POST', versions, { schema: '"bytes"' })).body.id, ids[2])
})
