import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectRecord, type Schema, struct } from '../../connector.ts'
import { refusal, sinkRecord, structOf, transformed } from '../records.testing.ts'

const type = 'io.debezium.transforms.outbox.EventRouter'
const text: Schema = { type: 'string' }
const time: Schema = { type: 'int64', name: 'io.debezium.time.MicroTimestamp', version: 1 }
const row = structOf(
  {
    id: text,
    aggregatetype: text,
    aggregateid: text,
    type: text,
    payload: { type: 'string', optional: true },
    at: time,
    part: { type: 'int32' },
  },
  { name: 'shop.public.outbox.Value', optional: true },
)
const envelope = structOf({ before: row, after: row, op: text, ts_ms: { type: 'int64' } }, { name: 'shop.public.outbox.Envelope' })

function change(op: string, payload: string | null = '{"total":1}', kind = 'order'): ConnectRecord {
  const after = struct([
    ['id', 'e1'],
    ['aggregatetype', kind],
    ['aggregateid', '7'],
    ['type', 'created'],
    ['payload', payload],
    ['at', 5_000_001n],
    ['part', 2],
  ])
  const value = struct([
    ['before', null],
    ['after', after],
    ['op', op],
    ['ts_ms', 99n],
  ])
  return sinkRecord({ topic: 'shop.public.outbox', valueSchema: envelope, value })
}

test('a row of the outbox is an event of its aggregate', async () => {
  const event = (await transformed(type, {}, change('c')))!
  assert.deepEqual([event.topic, event.key, event.keySchema, event.value], ['outbox.event.order', '7', text, '{"total":1}'])
  assert.deepEqual(event.valueSchema, { type: 'string', optional: true })
  assert.deepEqual(event.headers, [{ name: 'id', schema: text, value: 'e1' }])
  assert.equal(event.timestampMs, 99n)
  const routed = { 'route.topic.regex': '(.*)er', 'route.topic.replacement': 'to-$1', 'table.field.event.timestamp': 'at' }
  const other = (await transformed(type, routed, change('r')))!
  assert.deepEqual([other.topic, other.timestampMs], ['to-ord', 5_000n])
})

test('other changes of the outbox are left out, and what is no event stays', async () => {
  assert.equal(await transformed(type, {}, change('d')), null)
  assert.equal(await transformed(type, {}, change('u')), null)
  assert.equal(await transformed(type, {}, sinkRecord({})), null, 'a tombstone')
  assert.match((await refusal(() => transformed(type, { 'debezium.op.invalid.behavior': 'fatal' }, change('u'))))!, /Unexpected update/)
  const heartbeat = sinkRecord({ valueSchema: row, value: struct() })
  assert.equal(await transformed(type, {}, heartbeat), heartbeat)
})

test('other columns are headers, fields beside the payload, or the partition', async () => {
  const config = { 'table.fields.additional.placement': 'type:header,type:envelope:kind,part:partition' }
  const event = (await transformed(type, config, change('c')))!
  assert.deepEqual(event.headers.at(-1), { name: 'type', schema: text, value: 'created' })
  assert.equal(event.partition, 2)
  assert.deepEqual(
    event.value,
    struct([
      ['payload', '{"total":1}'],
      ['kind', 'created'],
    ]),
  )
  assert.deepEqual(event.valueSchema, {
    type: 'struct',
    name: 'shop.public.outbox.order.Value',
    fields: [
      { name: 'payload', schema: { type: 'string', optional: true } },
      { name: 'kind', schema: text },
    ],
  })
  const missing = { 'table.fields.additional.placement': 'nowhere:header' }
  assert.match((await refusal(() => transformed(type, missing, change('c'))))!, /Unable to find field nowhere/)
  const ignored = await transformed(type, { ...missing, 'table.field.additional.missing': 'ignore' }, change('c'))
  assert.equal(ignored!.headers.length, 1)
  for (const wrong of ['type', 'type:somewhere', 'a:header:b:c'])
    assert.notEqual(await refusal(() => transformed(type, { 'table.fields.additional.placement': wrong }, change('c'))), null, wrong)
})

test('an event without payload is a tombstone where that is wanted', async () => {
  for (const payload of [null, ' ']) {
    const config = { 'route.tombstone.on.empty.payload': 'true' }
    const event = (await transformed(type, config, change('c', payload)))!
    assert.deepEqual([event.key, event.valueSchema, event.value], ['7', null, null])
    assert.deepEqual((await transformed(type, {}, change('c', payload)))!.value, payload)
  }
})

test('what is not there is refused', async () => {
  assert.match(
    (await refusal(() => transformed(type, { 'table.expand.json.payload': 'true' }, change('c'))))!,
    /table\.expand\.json\.payload/,
  )
  assert.match((await refusal(() => transformed(type, { 'route.topic.regex': '(' }, change('c'))))!, /Invalid regex/)
  assert.match((await refusal(() => transformed(type, { 'table.field.event.id': 'nr' }, change('c'))))!, /Unable to find event-id field nr/)
})
