/** `produce` and `consume` with serdes, over a broker and a registry. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type Runner, startRunner } from '../support/cli-runner.ts'
import { type Stub, startRegistryStub } from './registry-stub.ts'

const user =
  '{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"],"default":null}]}'
const order = 'syntax = "proto3"; message Ignored {} message Order { int64 total = 1; }'
let broker: Millrace
let stub: Stub
let runner: Runner

before(async () => {
  broker = await startBroker({ memory: true })
  stub = await startRegistryStub(
    [
      { id: 1, subject: 'users-value', version: 1, schemaType: 'AVRO', schema: user },
      { id: 2, subject: 'users-key', version: 1, schemaType: 'AVRO', schema: '"long"' },
      { id: 3, subject: 'orders-value', version: 1, schemaType: 'PROTOBUF', schema: order },
      { id: 4, subject: 'users-value', version: 2, schemaType: 'AVRO', schema: user.replace('"long"', '"int"') },
    ],
    {
      'POST /subjects/new/versions': { status: 200, body: { id: 7 } },
      'POST /compatibility/subjects/new/versions/latest?verbose=true': {
        status: 200,
        body: { is_compatible: false, messages: ['reason'] },
      },
      'DELETE /subjects/new': { status: 404, body: { error_code: 40_404, message: 'Subject was soft deleted' } },
      'DELETE /subjects/new?permanent=true': { status: 200, body: [1, 2] },
    },
  )
  runner = startRunner()
})
after(async () => {
  runner.close()
  await stub[Symbol.asyncDispose]()
  await broker.close()
})

async function run(args: string[], input = '') {
  return runner.run(args, { MILLRACE_BOOTSTRAP: broker.address, MILLRACE_REGISTRY: stub.url }, input)
}

async function ok(args: string[], input = ''): Promise<string> {
  const { code, out, err } = await run(args, input)
  assert.equal(code, 0, `millrace ${args.join(' ')}: ${err}`)
  return out
}

const read = (topic: string, ...rest: string[]) => ok(['consume', topic, '--from', 'beginning', ...rest])

test('Avro keys and values go in as JSON and come out again, with every digit', async () => {
  await ok(['topic', 'create', 'users'])
  await ok(['produce', 'users', '-s', 'avro', '--value-schema', '1', '-K', '|'], '7|{"id":9007199254740993,"name":"Ann"}\n8|{"id":1}\n')
  assert.equal(
    await read('users', '-s', 'avro', '--print', 'key,value'),
    '7\t{"id":9007199254740993,"name":"Ann"}\n8\t{"id":1,"name":null}\n',
  )
  const [first] = (await read('users', '-s', 'auto', '--json')).split('\n')
  const { key, value, keySchema, valueSchema } = JSON.parse(first!)
  assert.deepEqual([key, value.name, keySchema, valueSchema], [7, 'Ann', 2, 1])
  assert.match(first!, /"id":9007199254740993/)
})

test('what consume --json prints with a serde, produce --from-json takes', async () => {
  const printed = await read('users', '-s', 'avro', '--json')
  await ok(['topic', 'create', 'copy'])
  await ok(['produce', 'copy', '-s', 'avro', '--key-schema', 'users-key', '--value-schema', 'users-value@1', '--from-json'], printed)
  assert.equal(await read('copy', '-s', 'avro'), await read('users', '-s', 'avro'))
})

test('Protobuf, with the message named; keys as they are', async () => {
  await ok(['topic', 'create', 'orders'])
  await ok(['produce', 'orders', '-s', 'value=protobuf', '--value-schema', '#Order', '-k', 'k'], '{"total":"5"}\n')
  assert.equal(await read('orders', '-s', 'value=protobuf', '--print', 'key,value'), 'k\t{"total":5}\n')
})

test('errors name the line and the field, and the record', async () => {
  const wrong = await run(['produce', 'users', '-s', 'value=avro', '--value-schema', '1'], '{"id":1}\n{"id":"x"}\n')
  assert.deepEqual([wrong.code, wrong.err.includes('1 record written')], [1, true])
  assert.match(wrong.err, /line 2: the value cannot be written as avro: id must be an integer of 64 bits, not "x"/)
  await ok(['topic', 'create', 'plain'])
  await ok(['produce', 'plain'], 'text\n')
  const undecoded = await run(['consume', 'plain', '--from', 'beginning', '-s', 'avro'])
  assert.equal(undecoded.code, 1)
  assert.match(undecoded.err, /plain-0 at offset 0: the value is not avro: .*-s auto/)
  assert.equal(await read('plain', '-s', 'auto'), 'text\n')
  assert.match((await run(['consume', 'plain', '-s', 'xml'])).err, /Unknown format xml; the formats are auto, avro/)
  assert.equal((await run(['produce', 'plain', '-s', 'auto'], 'x\n')).code, 2)
})

test('templates print what kcat prints', async () => {
  await ok(['topic', 'create', 'templates'])
  await ok(['produce', 'templates', '-k', 'key', '-H', 'a=b'], 'value\n')
  const template = '%t [%p] at %o: key %k (%K), value %s (%S), headers %h 100%%\\x41\\n'
  assert.equal(await read('templates', '--format', template), 'templates [0] at 0: key key (3), value value (5), headers a=b 100%A\n')
  assert.equal(await read('templates', '--format', '%R'), '\0\0\0\x05')
  assert.match(await read('templates', '--format', '%T'), /^\d{13}$/)
  assert.match((await run(['consume', 'templates', '--format', '%x'])).err, /"%x" is not known/)
  assert.match((await run(['consume', 'templates', '--format', '%s', '--json'])).err, /cannot be combined/)
})

test('a filter in CEL sees what is decoded; records without an answer do not pass, and are counted', async () => {
  await ok(['topic', 'create', 'filtered'])
  await ok(['produce', 'filtered', '-H', 'region=eu'], '{"total":9007199254740993}\n{"total":1}\nplain\n')
  const found = await run([
    'consume',
    'filtered',
    '--from',
    'beginning',
    '--filter',
    'value.total > 9007199254740992 && headers.region == "eu"',
  ])
  assert.deepEqual([found.code, found.out], [0, '{"total":9007199254740993}\n'])
  assert.match(found.err, /--filter had no answer for 1 record; the first: filtered-0 at offset 2: the value has no field total/)
  assert.equal(await read('users', '-s', 'value=avro', '--filter', 'value.id > 1'), '{"id":9007199254740993,"name":"Ann"}\n')
  assert.equal(await read('filtered', '--filter', 'offset > 0', '-n', '1'), '{"total":1}\n')
  // What the named format does not explain is no reason to leave a record out in silence.
  const odd = await run(['consume', 'filtered', '-f', 'beginning', '-s', 'value=json', '--filter', 'offset >= 0'])
  assert.match(odd.err, /^millrace: filtered-0 at offset 2: the value is not json: /m)
  assert.equal(odd.code, 1)
  const wrong = await run(['consume', 'filtered', '--filter', 'value.total >'])
  assert.deepEqual([wrong.code, wrong.out], [2, ''])
  assert.match(wrong.err, /--filter: syntax error/)
})

test('schema: list, get, diff', async () => {
  assert.match(await ok(['schema', 'list']), /^SUBJECT +VERSION +ID +TYPE\norders-value +1 +3 +PROTOBUF\nusers-key/)
  assert.equal(await ok(['schema', 'get', 'orders-value']), `${order}\n`)
  assert.equal(JSON.parse(await ok(['schema', 'get', 'users-value', '1'])).name, 'User')
  assert.equal(await ok(['schema', 'get', '--id', '2']), '"long"\n')
  const lines = (await ok(['schema', 'diff', 'users-value'])).split('\n')
  assert.deepEqual(lines.slice(0, 2), ['--- users-value version 1', '+++ users-value version 2'])
  assert.deepEqual(
    lines.filter(line => /^[+-] /.test(line)).map(line => line.replace(/ +/, '')),
    ['-"type": "long"', '+"type": "int"'],
  )
  const missing = await run(['schema', 'get', 'nothing'])
  assert.deepEqual([missing.code, missing.err], [1, 'millrace: Schema not found (40403)\n'])
  assert.equal((await run(['schema', 'get'])).code, 2)
})

test('schema: register, check, delete', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-schema-'))
  const file = join(directory, 'new.proto')
  writeFileSync(file, order)
  try {
    assert.equal(await ok(['schema', 'register', 'new', file, '--reference', 'a.proto=a@2']), '7\n')
    assert.deepEqual(JSON.parse(stub.body), {
      schema: order,
      schemaType: 'PROTOBUF',
      references: [{ name: 'a.proto', subject: 'a', version: 2 }],
    })
    const checked = await run(['schema', 'check', 'new', file])
    assert.deepEqual([checked.code, checked.out], [1, 'incompatible\n  reason\n'])
    assert.equal(await ok(['schema', 'delete', 'new', '--permanent']), '2 versions of new deleted for ever\n')
    assert.match((await run(['schema', 'delete', 'new'])).err, /soft deleted \(40404\)/)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
