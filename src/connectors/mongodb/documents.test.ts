import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binary, Decimal128, type Document, Long, ObjectId, UUID } from 'mongodb'
import { Decimal, logical, struct } from '../../connector.ts'
import { openSink, sinkRecord, valuesOf } from '../../connector-testing.ts'
import { TopicNames } from '../topic-names.ts'
import { Documents } from './documents.ts'
import type { Config } from './keys.ts'
import { mongodb } from './mongodb.ts'

const base = { 'connection.uri': 'mongodb://127.0.0.1:1', database: 'd' }
const now = new Date(1_000)
const documents = async (config: Readonly<Record<string, string>> = {}, names = new TopicNames()) =>
  new Documents(valuesOf(mongodb.config, { ...base, ...config }) as Config, { Binary, Decimal128, Long, ObjectId, UUID }, () => now, names)

const record = sinkRecord({
  offset: 7n,
  key: struct([
    ['_id', 'k'],
    ['site', 's'],
  ]),
  value: struct([
    ['a', 1],
    ['b', 'x'],
  ]),
})

test('an id is the same when a record is written again', async () => {
  for (const strategy of [
    'BsonOidStrategy',
    'com.mongodb.kafka.connect.sink.processor.id.strategy.UuidStrategy',
    'KafkaMetaDataStrategy',
  ]) {
    const made = await documents({ 'document.id.strategy': strategy })
    const other = sinkRecord({ ...record, offset: 8n, value: record.value })
    const id = (each: typeof record) => String((made.of(each) as { replaceOne: { filter: Document } }).replaceOne.filter['_id'])
    assert.equal(id(record), id(record), strategy)
    assert.notEqual(id(record), id(other), strategy)
  }
})

test('made ids of a topic that was made again are others than those of the one before', async () => {
  for (const strategy of ['BsonOidStrategy', 'UuidStrategy']) {
    const names = new TopicNames()
    const made = await documents({ 'document.id.strategy': strategy }, names)
    const ids = ['one', 'two'].map(topicId => {
      names.opened([{ topic: record.original.topic, partition: 0, topicId }])
      return String((made.of(record) as { replaceOne: { filter: Document } }).replaceOne.filter['_id'])
    })
    assert.notEqual(ids[0], ids[1], strategy)
  }
})

test('ids come from the key, from the value, or are there already', async () => {
  const id = async (config: Readonly<Record<string, string>>, each = record) =>
    ((await documents(config)).of(each) as { replaceOne: { replacement: Document } }).replaceOne.replacement['_id']
  assert.deepEqual(await id({ 'document.id.strategy': 'FullKeyStrategy' }), { _id: 'k', site: 's' })
  assert.deepEqual(await id({ 'document.id.strategy': 'ProvidedInKeyStrategy' }), 'k')
  const partial = {
    'document.id.strategy': 'PartialValueStrategy',
    'document.id.strategy.partial.value.projection.type': 'AllowList',
    'document.id.strategy.partial.value.projection.list': 'b',
  }
  assert.deepEqual(await id(partial), { b: 'x' })
  const withId = sinkRecord({ value: struct([['_id', 'own']]), key: 'k' })
  assert.deepEqual(await id({ 'document.id.strategy': 'FullKeyStrategy' }, withId), 'own')
  assert.deepEqual(await id({ 'document.id.strategy': 'FullKeyStrategy', 'document.id.strategy.overwrite.existing': 'true' }, withId), 'k')
  assert.deepEqual(await id({ 'document.id.strategy': 'ProvidedInValueStrategy' }, withId), 'own')
  await assert.rejects(id({ 'document.id.strategy': 'ProvidedInValueStrategy' }), { name: 'DataError' })
  await assert.rejects(id({ 'document.id.strategy': 'FullKeyStrategy' }, sinkRecord({ value: struct([['a', 1]]) })), { name: 'DataError' })
})

test('documents are replaced, updated, inserted and deleted', async () => {
  const ids = { 'document.id.strategy': 'FullKeyStrategy' }
  const key = { _id: 'k', site: 's' }
  const write = async (strategy: string, config: Readonly<Record<string, string>> = ids) =>
    (await documents({ ...config, 'writemodel.strategy': strategy })).of(record)
  const document = { a: 1, b: 'x', _id: key }
  assert.deepEqual(await write('ReplaceOneDefaultStrategy'), { replaceOne: { filter: { _id: key }, replacement: document, upsert: true } })
  assert.deepEqual(await write('InsertOneDefaultStrategy'), { insertOne: { document } })
  assert.deepEqual(await write('UpdateOneTimestampsStrategy'), {
    updateOne: {
      filter: { _id: key },
      update: { $set: { a: 1, b: 'x', _modifiedTS: now }, $setOnInsert: { _insertedTS: now } },
      upsert: true,
    },
  })
  assert.deepEqual(await write('ReplaceOneBusinessKeyStrategy'), {
    replaceOne: { filter: key, replacement: { a: 1, b: 'x' }, upsert: true },
  })
  const deleting = await documents({ ...ids, 'delete.on.null.values': 'true' })
  assert.deepEqual(deleting.of(sinkRecord({ key: 'gone' })), { deleteOne: { filter: { _id: 'gone' } } })
  assert.equal((await documents()).of(sinkRecord({ key: 'gone' })), null)
})

test('values have the types of BSON, exactly', async () => {
  const valueSchema = {
    type: 'struct',
    fields: [
      { name: 'at', schema: { type: 'int64' as const, name: logical.timestamp } },
      { name: 'f', schema: { type: 'float64' as const } },
      { name: 'price', schema: { type: 'bytes' as const, name: logical.decimal } },
      { name: 'raw', schema: { type: 'bytes' as const } },
      { name: 'big', schema: { type: 'int64' as const } },
      { name: '__proto__', schema: { type: 'string' as const } },
      { name: 'list', schema: { type: 'array' as const, items: { type: 'string' as const } } },
    ],
  } as const
  const value = struct([
    ['at', -1n],
    ['f', 2],
    ['price', new Decimal(1250n, 2)],
    ['raw', Buffer.from([1])],
    ['big', 2n ** 62n],
    ['__proto__', 'data'],
    ['list', ['a', null]],
  ])
  const made = async (record: ReturnType<typeof sinkRecord>) =>
    ((await documents()).of(record) as { replaceOne: { replacement: Document } }).replaceOne.replacement
  const replacement = await made(sinkRecord({ value, valueSchema }))
  assert.deepEqual(replacement['at'], new Date(-1))
  assert.equal(replacement['price'].toString(), '12.50')
  assert.deepEqual(Buffer.from(replacement['raw'].buffer), Buffer.from([1]))
  assert.equal(replacement['big'].toBigInt(), 2n ** 62n)
  assert.equal(Object.getOwnPropertyDescriptor(replacement, '__proto__')?.value, 'data')
  assert.deepEqual(replacement['list'], ['a', null])
  const json = await made(sinkRecord({ value: '{"n":9007199254740993,"small":5}' }))
  assert.equal(json['n'].toBigInt(), 9_007_199_254_740_993n)
  assert.equal(json['small'], 5)
})

test('a deployment that is away is tried again', async () => {
  const { task } = await openSink(mongodb, { ...base, 'server.timeout.ms': '50' })
  await assert.rejects(task.put([record]), { name: 'RetriableError' })
  await task.close()
})
