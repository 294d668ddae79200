import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStruct, type SourceRecord, type Struct } from '../../connector.ts'
import { changesOf, configOf, FakeCatalog, recordsOf, sentFrom } from './recorded.testing.ts'

const field = (value: SourceRecord['value'], name: string) => (isStruct(value) ? value[name]! : null)
const structOf = (value: SourceRecord['value'], name: string) => field(value, name) as Struct | null
/** Without times, which are those of the recording. */
const shown = ({ topic, key, value, headers }: SourceRecord) => ({
  topic: topic.slice('shop.'.length),
  key: key === null ? null : { ...(key as Struct) },
  op: field(value, 'op'),
  headers: headers.map(each => [each.name, { ...(each.value as Struct) }]),
})
const text = (value: unknown) => JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each))

test('changes become the records of Debezium', async () => {
  const records = await recordsOf(changesOf(configOf({ 'skipped.operations': 'none' })))
  const none: [] = []
  assert.deepEqual(records.map(shown), [
    { topic: 'public.orders', key: { id: 1 }, op: 'c', headers: none },
    ...[2, 3, 4].map(id => ({ topic: 'public.orders', key: { id }, op: 'c', headers: none })),
    { topic: 'public.orders', key: { id: 1 }, op: 'u', headers: none },
    { topic: 'public.orders', key: { id: 2 }, op: 'd', headers: [['__debezium.newkey', { id: 20 }]] },
    { topic: 'public.orders', key: { id: 2 }, op: null, headers: none },
    { topic: 'public.orders', key: { id: 20 }, op: 'c', headers: [['__debezium.oldkey', { id: 2 }]] },
    { topic: 'public.orders', key: { id: 3 }, op: 'd', headers: none },
    { topic: 'public.orders', key: { id: 3 }, op: null, headers: none },
    ...['c', 'c', 'u', 'd'].map(op => ({ topic: 'public.notes', key: null, op, headers: none })),
    ...[1, 2].map(() => ({ topic: 'message', key: { prefix: 'audit' }, op: 'm', headers: none })),
    { topic: 'public.orders', key: { id: 5 }, op: 'c', headers: none },
    { topic: 'public.orders', key: null, op: 't', headers: none },
    { topic: 'public.notes', key: null, op: 't', headers: none },
    { topic: 'public.orders', key: { id: 6 }, op: 'c', headers: none },
  ])
  const [first, , , , update, deletion] = records
  assert.equal(
    text({ ...structOf(first!.value, 'after'), body: structOf(first!.value, 'after')!['body']!.toString().length }),
    '{"id":1,"name":"Grüße 🎈","price":{"unscaled":"999n","scale":2},"at":"-14826754676996n","mood":"ok","tags":["a","b \\"q\\"",null],"body":3000}',
  )
  assert.equal(structOf(update!.value, 'after')!['body'], '__debezium_unavailable_value')
  assert.equal(text(structOf(deletion!.value, 'before')), '{"id":2,"name":"","price":null,"at":null,"mood":null,"tags":null,"body":null}')
  assert.equal(text(structOf(records[12]!.value, 'before')), '{"a":1,"b":"one"}')
  assert.deepEqual(Object.keys(structOf(records[16]!.value, 'after')!), ['id', 'name', 'price', 'at', 'mood', 'body', 'extra'])
  assert.equal(
    text(structOf(update!.value, 'source')),
    '{"version":"test","connector":"postgresql","name":"shop","ts_ms":"1796020802969n","snapshot":"false","db":"lab","sequence":"[\\"26426088\\",\\"26426144\\"]",' +
      '"ts_us":"1796020802969215n","ts_ns":"1796020802969215000n","schema":"public","table":"orders","txId":"738n","lsn":"26426144n","xmin":null,"origin":null,"origin_lsn":null}',
  )
})

for (const metadata of ['false', 'true'])
  test(`a task that begins at any offset gives exactly the rest (metadata of transactions: ${metadata})`, async () => {
    const config = configOf({ 'skipped.operations': 'none', 'provide.transaction.metadata': metadata })
    const all = await recordsOf(changesOf(config))
    assert.equal(new Set(all.map(each => text(each.sourceOffset))).size, all.length, 'no two records have the same offset')
    for (const [at, { sourceOffset }] of all.entries()) {
      const changes = changesOf(
        config,
        JSON.parse(JSON.stringify(sourceOffset, (_, each) => (typeof each === 'bigint' ? Number(each) : each))),
      )
      const rest = await recordsOf(changes, sentFrom(changes.position.commit))
      // What was before it is not known after a start.
      const without = (record: SourceRecord) => text({ ...record, value: text(record.value).replace(/"sequence":"\[.*?\]"/, '') })
      assert.deepEqual(rest.map(without), all.slice(at + 1).map(without), `after record ${at}: ${text(sourceOffset)}`)
    }
  })

test('what is confirmed to the server grows only when a transaction is whole', async () => {
  const changes = changesOf(configOf({}))
  const seen: bigint[] = []
  for (const frame of sentFrom(0n)) {
    const before = changes.position.commit
    await changes.take(frame, [])
    const kind = frame.kind === 'data' ? String.fromCharCode(frame.body[0]!) : 'k'
    if (changes.position.commit !== before) {
      assert.match(kind, /^[Ck]$/)
      seen.push(changes.position.commit)
    }
  }
  assert.equal(seen.length, 10)
})

test('transactions say which events they have, by ids that differ at their begin and end', async () => {
  const records = await recordsOf(changesOf(configOf({ 'provide.transaction.metadata': 'true' })))
  const [begin, , end] = records
    .filter(({ topic }, at) => topic === 'shop.transaction' && at < 12)
    .map(({ value }) => ({ ...(value as Struct) }))
  assert.equal(text(begin), '{"status":"BEGIN","id":"736:26425288","event_count":null,"data_collections":null,"ts_ms":"1796020802942n"}')
  assert.deepEqual(end, { ...end, status: 'BEGIN', id: '737:26425656' })
  const key = records
    .filter(each => structOf(each.value, 'source')?.['txId'] === 738n)
    .slice(1, 3)
    .map(each => text(field(each.value, 'transaction')))
  assert.deepEqual(key, [
    '{"id":"738:26426320","total_order":"2n","data_collection_order":"2n"}',
    '{"id":"738:26426320","total_order":"3n","data_collection_order":"3n"}',
  ])
})

test('only what is asked for is captured', async () => {
  const names = async (given: Readonly<Record<string, string>>) =>
    (await recordsOf(changesOf(configOf(given)))).map(each => `${shown(each).topic} ${shown(each).op}`)
  assert.deepEqual(
    [...new Set(await names({ 'table.include.list': 'PUBLIC\\.notes', 'message.prefix.exclude.list': 'aud.*' }))],
    ['public.notes c', 'public.notes u', 'public.notes d'],
  )
  assert.deepEqual([...new Set(await names({ 'schema.exclude.list': 'public' }))], ['message m'])
  assert.ok(!(await names({ 'tombstones.on.delete': 'false' })).includes('public.orders null'))
  const [first] = await recordsOf(
    changesOf(configOf({ 'column.exclude.list': 'public.orders.(id|body)', 'message.key.columns': 'public.orders:name' })),
  )
  assert.deepEqual({ ...(first!.key as Struct) }, { name: 'Grüße 🎈' })
  assert.deepEqual(Object.keys(structOf(first!.value, 'after')!), ['name', 'price', 'at', 'mood', 'tags'])
})

test('a row that is older than the catalogue makes its columns optional, and its enums are looked up again', async () => {
  const catalog = new FakeCatalog()
  catalog.required = ['id', 'name', 'price']
  const records = await recordsOf(changesOf(configOf({}), null, catalog))
  const isOptional = (record: SourceRecord) =>
    record.valueSchema!.fields!.find(each => each.name === 'after')!.schema.fields!.find(each => each.name === 'price')!.schema.optional ===
    true
  assert.deepEqual([isOptional(records[0]!), isOptional(records[1]!)], [false, true])
  assert.equal(structOf(records[1]!.value, 'after')!['price'], null)
})

test('the key is what it was when the row was changed, though the table has another one since', async () => {
  const catalog = new FakeCatalog()
  catalog.primaryKey = ['name']
  const [first] = await recordsOf(changesOf(configOf({}), null, catalog))
  assert.deepEqual({ ...(first!.key as Struct) }, { id: 1 })
})

test('Debezium’s own offsets are taken over', async () => {
  const all = await recordsOf(changesOf(configOf({})))
  // Of the last record of the update in the middle of a transaction.
  const within = {
    transaction_id: null,
    lsn_proc: 26426144,
    messageType: 'UPDATE',
    lsn_commit: 26426088,
    lsn: 26426144,
    txId: 738,
    ts_usec: 1,
  }
  const changes = changesOf(configOf({}), within as unknown as Struct)
  const rest = await recordsOf(changes, sentFrom(changes.position.commit))
  assert.deepEqual(rest.map(shown), all.slice(5).map(shown))
  const between = { lsn_proc: 26426632, messageType: 'COMMIT', lsn_commit: 26426584, lsn: 26426584 }
  const next = changesOf(configOf({}), between as unknown as Struct)
  assert.deepEqual((await recordsOf(next, sentFrom(next.position.commit))).map(shown), all.slice(10).map(shown))
})

test('names that Avro does not allow are adjusted where that is asked for', async () => {
  const given = { 'topic.prefix': 'my-shop.1', 'schema.name.adjustment.mode': 'avro', 'field.name.adjustment.mode': 'avro' }
  const [first] = await recordsOf(changesOf(configOf(given)))
  assert.deepEqual([first!.topic, first!.keySchema!.name], ['my-shop.1.public.orders', 'my_shop._1.public.orders.Key'])
})
