import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectRecord, type Schema, struct } from '../../connector.ts'
import { refusal, sinkRecord, structOf, transformed } from '../records.testing.ts'

const type = 'io.debezium.transforms.ByLogicalTableRouter'
const config = { 'topic.regex': '(.*)orders_shard(.*)', 'topic.replacement': '$1all-orders' }
const key = structOf({ id: { type: 'int32' } }, { name: 'shop.orders_shard7.Key' })
const row = structOf({ id: { type: 'int32' } }, { name: 'shop.orders_shard7.Value', optional: true })
const envelope = structOf({ before: row, after: row, op: { type: 'string' } }, { name: 'shop.orders_shard7.Envelope', version: 2 })
const id = struct([['id', 1]])
const value = struct([
  ['before', null],
  ['after', id],
  ['op', 'c'],
])
const event = sinkRecord({ topic: 'shop.orders_shard7', keySchema: key, key: id, valueSchema: envelope, value })
const fieldsOf = (record: ConnectRecord | null, of: 'keySchema' | 'valueSchema') =>
  record![of]!.fields!.map(({ name, schema }) => [name, (schema as Schema).name])

test('tables share a topic, and their keys say from which they are', async () => {
  const result = await transformed(type, config, event)
  assert.equal(result!.topic, 'shop.all-orders')
  assert.deepEqual(
    result!.key,
    struct([
      ['id', 1],
      ['__dbz__physicalTableIdentifier', 'shop.orders_shard7'],
    ]),
  )
  assert.deepEqual(
    [result!.keySchema!.name, result!.valueSchema!.name, result!.valueSchema!.version],
    ['shop.all-orders.Key', 'shop.all-orders.Envelope', 2],
  )
  assert.deepEqual(fieldsOf(result, 'valueSchema').slice(0, 2), [
    ['before', 'shop.all-orders.Value'],
    ['after', 'shop.all-orders.Value'],
  ])
  assert.equal(result!.valueSchema!.fields![0]!.schema.optional, true)
  assert.equal(result!.value, value)
  const other = sinkRecord({ topic: 'shop.other' })
  assert.equal(await transformed(type, config, other), other)
})

test('the field of the key is named and made as the keys say, or left out', async () => {
  const more = {
    'key.field.name': 'shard',
    'key.field.regex': '.*shard(.*)',
    'key.field.replacement': '$1',
    'schema.name.adjustment.mode': 'avro',
  }
  const result = await transformed(type, { ...config, ...more }, event)
  assert.equal((result!.key as Record<string, unknown>)['shard'], '7')
  assert.equal(result!.keySchema!.name, 'shop.all_orders.Key')
  const plain = await transformed(type, { ...config, 'key.enforce.uniqueness': 'false' }, event)
  assert.deepEqual(plain!.key, id)
  const tombstone = await transformed(type, config, { ...event, valueSchema: null, value: null })
  assert.deepEqual([tombstone!.topic, tombstone!.value], ['shop.all-orders', null])
  assert.match(
    (await refusal(() => transformed(type, { ...config, 'key.field.regex': 'x' }, event)))!,
    /key\.field\.replacement must be non-empty/,
  )
})
