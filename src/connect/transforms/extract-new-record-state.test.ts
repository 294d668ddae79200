import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectRecord, type ConnectValue, type Schema, type Struct, struct } from '../../connector.ts'
import { refusal, sinkRecord, structOf, transformed } from '../records.testing.ts'

const type = 'io.debezium.transforms.ExtractNewRecordState'
const text: Schema = { type: 'string' }
const row = structOf({ id: { type: 'int32' }, name: { type: 'string', optional: true } }, { name: 'shop.public.t.Value', optional: true })
const source = structOf({ table: text, lsn: { type: 'int64', optional: true } })
const transaction = structOf({ id: text, total_order: { type: 'int64' } }, { optional: true })
const envelope = structOf(
  { before: row, after: row, source, op: text, ts_ms: { type: 'int64', optional: true }, transaction },
  { name: 'shop.public.t.Envelope', version: 2 },
)
const rowOf = (id: number, name: string | null) =>
  struct([
    ['id', id],
    ['name', name],
  ])

function event(op: string, before: Struct | null, after: Struct | null, headers: ConnectRecord['headers'] = []) {
  const value = struct([
    ['before', before],
    ['after', after],
    [
      'source',
      struct([
        ['table', 't'],
        ['lsn', 7n],
      ]),
    ],
    ['op', op],
    ['ts_ms', 5n],
    ['transaction', null],
  ])
  return sinkRecord({ topic: 'shop.public.t', keySchema: text, key: 'k', valueSchema: envelope, value, headers })
}
const created = event('c', null, rowOf(1, 'a'))
const removed = event('d', rowOf(1, 'a'), null)
const tombstone = sinkRecord({ topic: 'shop.public.t', keySchema: text, key: 'k' })

const shown = (record: ConnectRecord | null) =>
  record === null ? null : record.value === null ? [record.valueSchema?.name ?? null, null] : entries(record.value)
const entries = (value: ConnectValue) => Object.entries(value as Struct).map(([name, each]) => `${name}=${String(each)}`)

test('the row is the whole value, and what is no event stays', async () => {
  const result = await transformed(type, {}, created)
  assert.deepEqual(result!.value, rowOf(1, 'a'))
  assert.deepEqual(result!.valueSchema, { type: 'struct', name: 'shop.public.t.Value', fields: row.fields })
  assert.equal(result!.key, 'k')
  const other = sinkRecord({ valueSchema: row, value: rowOf(1, 'a') })
  assert.equal(await transformed(type, {}, other), other)
  const schemaless = sinkRecord({ value: struct([['after', null]]) })
  assert.equal(await transformed(type, {}, schemaless), schemaless)
  assert.equal(await transformed(type, {}, event('t', null, null)), null, 'TRUNCATE')
})

test('deletions and their tombstones become what the mode says', async () => {
  const cases: readonly (readonly [config: Record<string, string>, created: unknown, removed: unknown, tombstone: unknown])[] = [
    [{}, ['id=1', 'name=a'], ['shop.public.t.Value', null], null],
    [{ 'delete.tombstone.handling.mode': 'drop' }, ['id=1', 'name=a'], null, null],
    [{ 'delete.tombstone.handling.mode': 'delete-to-tombstone' }, ['id=1', 'name=a'], [null, null], null],
    [{ 'delete.tombstone.handling.mode': 'rewrite' }, ['id=1', 'name=a', '__deleted=false'], ['id=1', 'name=a', '__deleted=true'], null],
    [
      { 'delete.tombstone.handling.mode': 'rewrite-with-tombstone' },
      ['id=1', 'name=a', '__deleted=false'],
      ['id=1', 'name=a', '__deleted=true'],
      [null, null],
    ],
    // As configurations of Debezium 2 have it.
    [{ 'drop.tombstones': 'true' }, ['id=1', 'name=a'], null, null],
    [{ 'drop.tombstones': 'false' }, ['id=1', 'name=a'], ['shop.public.t.Value', null], null],
    [
      { 'drop.tombstones': 'false', 'delete.handling.mode': 'rewrite' },
      ['id=1', 'name=a', '__deleted=false'],
      ['id=1', 'name=a', '__deleted=true'],
      [null, null],
    ],
    [{ 'delete.handling.mode': 'none' }, ['id=1', 'name=a'], ['shop.public.t.Value', null], null],
  ]
  for (const [config, ...expected] of cases)
    for (const [at, record] of [created, removed, tombstone].entries())
      assert.deepEqual(shown(await transformed(type, config, record)), expected[at], `${JSON.stringify(config)} ${at}`)
})

test('fields of the event are added to the row, and as headers', async () => {
  const config = {
    'add.fields': 'op,table,source.lsn,ts_ms:at,transaction.id,total_order,unknown',
    'add.headers': 'op,source.table:from',
    'add.headers.prefix': 'h_',
  }
  const result = (await transformed(type, config, created))!
  assert.deepEqual(entries(result.value), [
    ...['id=1', 'name=a', '__op=c', '__table=t', '__source_lsn=7', '__at=5', '__transaction_id=null', '__total_order=null'],
  ])
  assert.deepEqual(result.valueSchema!.fields!.at(-1), { name: '__total_order', schema: { type: 'int64', optional: true } })
  assert.deepEqual(result.headers, [
    { name: 'h_op', schema: { type: 'string', optional: true }, value: 'c' },
    { name: 'h_from', schema: { type: 'string', optional: true }, value: 't' },
  ])
  const kept = await transformed(type, { ...config, 'delete.tombstone.handling.mode': 'rewrite-with-tombstone' }, tombstone)
  assert.deepEqual(kept!.headers, [{ name: 'h_op', schema: { type: 'string' }, value: 'd' }])
  assert.match((await refusal(() => transformed(type, { 'add.fields': 'a:b:c' }, created)))!, /Unexpected field name: a:b:c/)
})

test('a field is the topic, also of a deletion', async () => {
  assert.equal((await transformed(type, { 'route.by.field': 'name' }, created))!.topic, 'a')
  assert.equal((await transformed(type, { 'route.by.field': 'name' }, removed))!.topic, 'a')
  assert.equal((await transformed(type, { 'route.by.field': 'name' }, event('c', null, rowOf(1, null))))!.topic, 'shop.public.t')
  assert.match((await refusal(() => transformed(type, { 'route.by.field': 'id' }, created)))!, /'id' is not of type STRING/)
})

test('fields that a header names are left out', async () => {
  const headers = [{ name: 'drop', schema: { type: 'array', items: text } as Schema, value: ['id', 'name'] }]
  const record = event('c', null, rowOf(1, 'a'), headers)
  assert.deepEqual(shown(await transformed(type, { 'drop.fields.header.name': 'drop' }, record)), ['id=1'], 'others are not optional')
  const all = { 'drop.fields.header.name': 'drop', 'drop.fields.keep.schema.compatible': 'false' }
  assert.deepEqual(shown(await transformed(type, all, record)), [])
})
