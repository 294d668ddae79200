import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../../base.ts'
import { HttpError } from '../../http.ts'
import { type RegisteredSchema, type RegistryClient, RegistryRefused } from '../../serde.ts'
import { rawIn, readOne } from './record.ts'
import { Schemas } from './schemas.ts'

const texts = {
  AVRO: '{"type":"record","name":"R","fields":[{"name":"id","type":"long"}]}',
  JSON: '{"type":"object","properties":{"id":{"type":"integer"}}}',
  PROTOBUF: 'syntax = "proto3"; message R { int64 id = 1; }',
}
const types = Object.keys(texts) as (keyof typeof texts)[]

/** Has one schema of each type, with the ids 1, 2 and 3, and refuses others. */
function registryWith(): RegistryClient {
  const kept = new Map<number, RegisteredSchema>(
    types.map((type, at) => [at + 1, { id: at + 1, guid: null, type, schema: texts[type], references: [], texts: new Map() }]),
  )
  return {
    byId: id => kept.get(id) ?? Promise.reject(new RegistryRefused(404, 40_403, 'not found')),
    byGuid: () => Promise.reject(new Error('nobody asks for it')),
    bySubject: () => Promise.reject(new Error('nobody asks for it')),
    request: async () => ({ id: 1, version: 1 }),
    close() {},
  }
}

function reading() {
  const system = realSystem()
  const schemas = new Schemas(registryWith(), system.clock, 2 ** 20)
  return { topic: 'orders', nowMs: 5, schemas, turns: new Turns(system) }
}

const recordWith = (id: number) => `{"value":{"schema_id":${id},"data":{"id":9007199254740993}}}`
const read = (text: string, means: ReturnType<typeof reading>) => readOne(JSON.parse(text), rawIn(text), means)

test('records with a schema that is known wait for nothing', async () => {
  const means = reading()
  for (const id of [1, 2, 3]) {
    const first = await read(recordWith(id), means)
    assert.ok(!(first instanceof HttpError), String(first))
    const second = read(recordWith(id), means)
    assert.ok(!(second instanceof Promise), `${types[id - 1]}: no promise`)
    assert.deepEqual(second, first)
  }
})

test('of a key that cannot be found and a value that is wrong one is told, and nothing is left that fails later', async () => {
  const value = '"value":{"type":"BINARY","data":5}'
  const found = await read(`{"key":{"schema_id":99,"data":1},${value}}`, reading())
  assert.match((found as HttpError).message, /data is not a base64 string/)
  const unhandled: unknown[] = []
  const note = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', note)
  await new Promise(resolve => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [])
})

test('data of any length keeps its digits and its text', async () => {
  const means = reading()
  const long = `{"value":{"schema_id":2,"data":{"id":9007199254740993,"more":"${'x'.repeat(50_000)}"}}}`
  const found = await read(long, means)
  assert.ok(!(found instanceof HttpError), String(found))
  assert.match(found.record.value!.subarray(5).toString(), /^\{"id":9007199254740993,"more":"x+"\}$/)
})
