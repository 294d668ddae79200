/** Records as the console shows them: decoded, filtered, as a file, and sent back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'

let broker: Millrace
let services: RunningServices
let client: Client
let base: string

before(async () => {
  broker = await startBroker({ memory: true, config: { 'message.max.bytes': 8_388_608 } })
  services = await startServices(settingsFor(broker.address, { services: ['registry', 'console'] }), realSystem(), silentLogger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}/api`
})
after(async () => {
  await client.close()
  await services.close()
  await broker.close()
})

interface Shown {
  form: string
  text: string
  bytes: number
  cut: boolean
  serde: string | null
  schema: { type: string; name: string; id: number } | null
  problem: string | null
}

interface Event {
  kind: string
  records?: { partition: number; offset: string; key: Shown | null; value: Shown | null }[]
  scanned?: number
  failed?: number
  problem?: string | null
}

const text = (value: string) => Buffer.from(value, 'utf8')

async function search(topic: string, query: Record<string, string>): Promise<Event[]> {
  const response = await fetch(`${base}/topics/${topic}/messages?${new URLSearchParams({ from: 'oldest', ...query })}`)
  const body = await response.text()
  assert.equal(response.status, 200, body)
  return body.split('\n\n').flatMap(part => (part.startsWith('data: ') ? [JSON.parse(part.slice(6)) as Event] : []))
}

async function valuesOf(topic: string, query: Record<string, string>): Promise<(string | null)[]> {
  const events = await search(topic, query)
  return events.flatMap(each => each.records ?? []).map(each => each.value?.text ?? null)
}

async function post(path: string, body: unknown, method = 'POST'): Promise<{ status: number; body: Record<string, never> }> {
  const response = await fetch(base + path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  return { status: response.status, body: (await response.json()) as Record<string, never> }
}

test('values are decoded as they look; those that cannot be are shown as bytes with the reason', async () => {
  await client.createTopic({ name: 'mixed', partitions: 1 })
  const registry = `http://127.0.0.1:${services.ports.get('registry')}`
  const schema = JSON.stringify({ type: 'record', name: 'User', fields: [{ name: 'id', type: 'long' }] })
  await fetch(`${registry}/subjects/mixed-value/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema }),
  })
  const produced = await post('/topics/mixed/messages', { key: null, value: { json: '{"id": 9007199254740993}', serde: 'avro' } })
  assert.equal(produced.status, 200, JSON.stringify(produced.body))
  const wrong = await post('/topics/mixed/messages', { key: null, value: { json: '{"id": "x"}', serde: 'avro' } })
  assert.equal(wrong.status, 400)
  await client.send('mixed', [
    { key: null, value: Buffer.from([0x82, 0xa1, 0x61, 1, 0xa1, 0x62, 0xc3]) },
    { key: null, value: Buffer.from([0, 0, 0, 9, 9, 1, 2, 3]) },
    { key: text('k'), value: null },
    { key: null, value: text('{"n":12345678901234567890}') },
  ])
  const [avro, msgpack, unknown, tombstone, json] = (await search('mixed', {})).flatMap(each => each.records ?? [])
  assert.deepEqual([avro!.value!.text, avro!.value!.serde, avro!.value!.schema?.name], ['{"id":9007199254740993}', 'avro', 'User'])
  assert.deepEqual([msgpack!.value!.text, msgpack!.value!.serde], ['{"a":1,"b":true}', 'msgpack'])
  assert.equal(unknown!.value!.form, 'base64')
  assert.match(unknown!.value!.problem!, /2313/)
  assert.equal(tombstone!.value, null)
  assert.equal(json!.value!.text, '{"n":12345678901234567890}')
  assert.deepEqual(await valuesOf('mixed', { cel: 'value.id == 9007199254740993' }), ['{"id":9007199254740993}'])
  assert.deepEqual(await valuesOf('mixed', { contains: '"id":90071' }), ['{"id":9007199254740993}'], 'what is decoded is searched')
})

test("Kafka's internal topics are decoded", async () => {
  await client.createTopic({ name: 'read', partitions: 1 })
  await client.setGroupOffsets('readers', [{ topic: 'read', partition: 0, offset: 0n }])
  const [found] = await valuesOf('__consumer_offsets', { contains: 'readers' })
  assert.match(found!, /"offset":0/)
})

test('records are filtered by text, header, JSON path and CEL; those without an answer are counted', async () => {
  await client.createTopic({ name: 'filtered', partitions: 3 })
  const records = Array.from({ length: 30 }, (_, n) => ({
    key: text(`k${n}`),
    partition: n % 3,
    value: text(n === 29 ? 'no JSON' : JSON.stringify({ n, tags: [`t${n % 5}`] })),
    headers: [{ key: text('shard'), value: text(String(n % 2)) }],
  }))
  await client.send('filtered', records)
  const numbers = async (query: Record<string, string>) =>
    (await valuesOf('filtered', query)).map(each => (JSON.parse(each!) as { n: number }).n).sort((a, b) => a - b)
  assert.deepEqual(await numbers({ contains: '"n":2', header: 'shard', headerHas: '1' }), [21, 23, 25, 27])
  assert.deepEqual(await numbers({ path: '$.tags[*]', pathIs: 't4', contains: '"n":1' }), [14, 19])
  assert.deepEqual(await numbers({ path: '$.n', pathIs: '7' }), [7])
  assert.deepEqual(await numbers({ cel: 'value.n > 25 && headers.shard == "0"' }), [26, 28])
  const progress = (await search('filtered', { cel: 'value.n > 25' })).findLast(each => each.kind === 'progress')!
  assert.deepEqual([progress.scanned, progress.failed], [30, 1])
  assert.match(progress.problem!, /partition 2, offset 9/)
  const bad = await fetch(`${base}/topics/filtered/messages?cel=${encodeURIComponent('value. >')}`)
  assert.equal(bad.status, 400)
  assert.match(((await bad.json()) as { detail: string }).detail, /syntax error/)
})

test('a search goes on where a page ended, with more records than are kept at once', async () => {
  await client.createTopic({ name: 'long', partitions: 1 })
  const count = 20_000
  await client.send(
    'long',
    Array.from({ length: count }, (_, n) => ({ key: null, value: text(String(n)), timestampMs: BigInt(1_700_000_000_000 + n) })),
  )
  for (const newestFirst of ['true', 'false']) {
    const seen: number[] = []
    let from = newestFirst === 'true' ? 'newest' : 'oldest'
    // The filter lets the steps grow before it matches.
    for (const contains of ['9999', '1', '1']) {
      const events = await search('long', { from, newestFirst, contains, limit: '1000' })
      seen.push(...events.flatMap(each => each.records ?? []).map(each => Number(each.value!.text)))
      const end = events.at(-1) as unknown as { next: string | null }
      from = contains === '9999' ? from : end.next!
    }
    const matching = Array.from({ length: count }, (_, n) => n).filter(n => String(n).includes('1'))
    const expected = (newestFirst === 'true' ? matching.reverse() : matching).slice(0, 2_000)
    assert.deepEqual(seen.slice(2), expected)
  }
})

test('what is found is saved as NDJSON and CSV, without losing a digit', async () => {
  await client.createTopic({ name: 'saved', partitions: 1 })
  await client.send('saved', [
    { key: text('a,"b'), value: text('{"n":9007199254740993}'), timestampMs: 5n },
    { key: null, value: Buffer.from([0xff, 0xfe]), timestampMs: 6n },
    { key: text('-1.5'), value: text('=HYPERLINK("http://evil.example")'), timestampMs: 7n },
  ])
  const ndjson = await fetch(`${base}/topics/saved/messages.ndjson?from=oldest`)
  assert.match(ndjson.headers.get('content-disposition')!, /saved\.ndjson/)
  const lines = (await ndjson.text()).trimEnd().split('\n')
  assert.equal(lines[0], '{"partition":0,"offset":0,"timestamp":5,"key":"a,\\"b","value":{"n":9007199254740993},"headers":[]}')
  assert.deepEqual((JSON.parse(lines[1]!) as { value: unknown }).value, { base64: '//4=' })
  const csv = await (await fetch(`${base}/topics/saved/messages.csv?from=oldest&contains=b`)).text()
  assert.equal(csv, 'partition,offset,timestamp,key,value,headers\r\n0,0,5,"a,""b","{""n"":9007199254740993}",[]\r\n')
  const formula = await (await fetch(`${base}/topics/saved/messages.csv?from=offset:2`)).text()
  assert.match(formula, /\r\n0,2,7,-1\.5,"'=HYPERLINK\(""http:/, 'a spreadsheet takes nothing that was produced for a formula')
})

test('a large value is shown cut, and whole on demand', async () => {
  await client.createTopic({ name: 'large', partitions: 2, configs: new Map([['max.message.bytes', '8388608']]) })
  const value = Buffer.alloc(3_000_000, 'é')
  await client.send('large', [
    { key: null, value, partition: 0 },
    { key: null, value: text('small'), partition: 1 },
  ])
  // The memory of an answer with both is not given away.
  const rows = (await search('large', {})).flatMap(each => each.records ?? [])
  const row = rows.find(each => each.partition === 0)!
  assert.deepEqual([row.value!.bytes, row.value!.cut, row.value!.form], [3_000_000, true, 'text'])
  assert.equal(rows.find(each => each.partition === 1)!.value!.text, 'small')
  assert.equal((await search('large', { partitions: '0' })).flatMap(each => each.records ?? [])[0]!.value!.bytes, 3_000_000)
  const one = (await (await fetch(`${base}/topics/large/messages/0/0?most=1000000`)).json()) as { value: Shown }
  assert.equal(one.value.text, 'é'.repeat(500_000))
  const whole = Buffer.from(await (await fetch(`${base}/topics/large/messages/0/0/value`)).arrayBuffer())
  assert.ok(whole.equals(value))
  assert.equal((await fetch(`${base}/topics/large/messages/0/1/value`)).status, 404)
})

test('records of a dead-letter topic go back to where their headers say, after a dry run', async () => {
  await client.createTopic({ name: 'source', partitions: 2 })
  await client.createTopic({ name: 'letters', partitions: 1 })
  const four = Buffer.from([0, 0, 0, 1])
  const header = (key: string, value: string | Buffer) => ({ key: text(key), value: Buffer.from(value) })
  await client.send('letters', [
    {
      key: text('a'),
      value: text('1'),
      headers: [header('__connect.errors.topic', 'source'), header('__connect.errors.partition', '1'), header('own', 'x')],
    },
    {
      key: text('b'),
      value: text('2'),
      headers: [header('kafka_dlt-original-topic', 'source'), header('kafka_dlt-original-partition', four)],
    },
    { key: text('c'), value: text('3'), headers: [header('__dlq.errors.topic', 'gone'), header('__dlq.errors.partition', '0')] },
    { key: text('d'), value: text('4') },
    {
      key: text('e'),
      value: text('5'),
      headers: [header('millrace.trigger.topic', 'source'), header('millrace.trigger.partition', '0')],
    },
  ])
  const records = [0, 1, 2, 3, 4, 9].map(offset => ({ partition: 0, offset: String(offset) }))
  const plans = (answer: Awaited<ReturnType<typeof post>>) =>
    (
      answer.body as unknown as {
        records: { topic: string | null; toPartition: number | null; toOffset: string | null; problem: string | null }[]
      }
    ).records
  const planned = plans(await post('/topics/letters/redrive', { records, dryRun: true }))
  assert.deepEqual(
    planned.map(({ topic, toPartition, problem }) => [topic, toPartition, problem === null]),
    [
      ['source', 1, true],
      ['source', 1, true],
      ['gone', 0, false],
      [null, null, false],
      ['source', 0, true],
      [null, null, false],
    ],
  )
  assert.deepEqual(await valuesOf('source', {}), [], 'a dry run sends nothing')
  const sent = plans(await post('/topics/letters/redrive', { records, dryRun: false }))
  assert.deepEqual(
    sent.map(each => each.toOffset),
    ['0', '1', null, null, '0', null],
  )
  const ends = new Map([[1, 2n]])
  for await (const [first] of client.read({ topic: 'source', from: new Map([[1, 0n]]), until: ends }))
    assert.deepEqual([first!.key!.toString(), first!.headers.map(each => each.key.toString())], ['a', ['own']])
  const elsewhere = plans(await post('/topics/letters/redrive', { records: [records[3]], to: 'source', dryRun: false }))
  assert.equal(elsewhere[0]!.problem, null)
})

test('filters are saved for all who may read the topic', async () => {
  await client.createTopic({ name: 'shared', partitions: 1 })
  const filters = async () =>
    ((await (await fetch(`${base}/topics/shared/filters`)).json()) as { filters: { name: string; query: string; by: string }[] }).filters
  assert.deepEqual(await filters(), [])
  await post('/topics/shared/filters', { name: 'large ones', query: 'cel=value.total+%3E+100' })
  assert.deepEqual(await filters(), [{ name: 'large ones', query: 'cel=value.total+%3E+100', by: 'User:ANONYMOUS' }])
  assert.equal((await fetch(`${base}/topics/shared/filters/large%20ones`, { method: 'DELETE' })).status, 200)
  assert.deepEqual(await filters(), [])
})

test('a search that nobody waits for any more ends, and another one runs meanwhile', async () => {
  const stop = new AbortController()
  const live = await fetch(`${base}/topics/long/messages?live=true`, { signal: stop.signal })
  await live.body!.getReader().read()
  assert.equal((await valuesOf('long', { limit: '3' })).length, 3)
  stop.abort()
  assert.equal((await valuesOf('long', { limit: '3' })).length, 3)
})
