/** v3 of the REST proxy: producing. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy()
})
after(() => proxy[Symbol.asyncDispose]())

const limits = { mostInFlightBytes: 65_536, instanceTimeoutMs: 1_000, mostInstances: 1, streamIdleMs: 300_000, commitAfterMs: 5_000 }
const path = (topic: string) => `${proxy.cluster}/topics/${topic}/records`
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** What a stream answered. */
// biome-ignore lint/suspicious/noExplicitAny: reports of all kinds
function reports(text: string): any[] {
  return text
    .split('\r\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
}

test('records: HTTP 200 with an error_code per record, in order; the stream goes on after a bad one', async () => {
  await proxy.client.createTopic({ name: 'stream' })
  const bodies = [
    { key: { type: 'BINARY', data: base64('k') }, value: { type: 'STRING', data: 'höher' }, timestamp: '2021-02-05T19:14:42Z' },
    { value: { type: 'BINARY', data: '***' } },
    {
      value: { type: 'JSON', data: { a: 1 } },
      headers: [
        { name: 'h', value: base64('v') },
        { name: 'n', value: null },
      ],
    },
    { value: { type: 'AVRO', data: 'x', schema: '"string"' } },
    { surprise: true },
    { partition_id: -1, value: { type: 'STRING', data: 'a' } },
    { key: { type: 'STRING', data: 'only a key' } },
    { value: { type: 'JSON', data: null } },
  ]
  const { status, text, headers } = await proxy.ask('POST', path('stream'), bodies.map(each => JSON.stringify(each)).join('\n'))
  assert.deepEqual([status, headers.get('content-type')], [200, 'application/json'])
  const found = reports(text)
  assert.deepEqual(
    found.map(each => each.error_code),
    [200, 400, 200, 422, 400, 40_402, 200, 200],
  )
  assert.deepEqual(found[0], {
    error_code: 200,
    cluster_id: proxy.cluster.split('/').at(-1),
    topic_name: 'stream',
    ...{ partition_id: 0, offset: 0, timestamp: '2021-02-05T19:14:42Z' },
    ...{ key: { type: 'BINARY', size: 1 }, value: { type: 'STRING', size: 6 } },
  })
  assert.match(found[1].message, /^Bad Request: data="\*\*\*" is not a valid base64 string\.$/)
  assert.match(found[3].message, /^Error: 42206 : Payload error\./)
  const stored = await proxy.stored('stream', 4)
  assert.deepEqual(
    stored.map(each => [each.key?.toString() ?? null, each.value?.toString() ?? null]),
    [
      ['k', 'höher'],
      [null, '{"a":1}'],
      ['only a key', null],
      [null, null],
    ],
  )
  assert.equal(stored[0]!.timestampMs, 1_612_552_482_000n)
  assert.deepEqual(
    stored[1]!.headers.map(each => [each.key.toString(), each.value?.toString() ?? null]),
    [
      ['h', 'v'],
      ['n', null],
    ],
  )
})

test('no digit is lost: JSON goes to Kafka as the text it is', async () => {
  await proxy.client.createTopic({ name: 'digits' })
  const data = '{"id": 9223372036854775807, "price":1.10, "far":1e400, "__proto__": {"x": [0.1000000000000000055511151231257827]}}'
  await proxy.ask('POST', path('digits'), `{"value":{"data":${data},"type":"JSON"}}`)
  await proxy.ask('POST', `${path('digits')}:batch`, `{"entries":[{"id":"1","value":{"type":"JSON","data":${data}}}]}`)
  assert.deepEqual(
    (await proxy.stored('digits', 2)).map(each => each.value!.toString()),
    [data, data],
  )
})

test('the first answer comes before the body ends', async () => {
  await proxy.client.createTopic({ name: 'slow' })
  const sending = request(proxy.url + path('slow'), { method: 'POST', headers: { 'content-type': 'application/json' } })
  sending.write('{"value":{"type":"STRING","data":"1"}}')
  const response = await new Promise<import('node:http').IncomingMessage>(resolve => sending.once('response', resolve))
  const answers = response.iterator({ destroyOnReturn: false })
  const next = async () => reports(String((await answers.next()).value))[0]
  assert.equal((await next()).offset, 0)
  sending.write('{"value":{"type":"STRING"')
  sending.write(',"data":"2"}}')
  assert.equal((await next()).offset, 1)
  sending.end()
  assert.equal((await answers.next()).done, true)
})

test('a malformed document ends the stream with an error, after the answers to those before it', async () => {
  await proxy.client.createTopic({ name: 'broken' })
  const good = '{"value":{"type":"STRING","data":"1"}}'
  for (const bad of ['oops', '{"value":}', '{"value":{"type":"STRING","data":"\u0001"}}', '{"value"', '[']) {
    const { status, text } = await proxy.ask('POST', path('broken'), `${good}${bad}`)
    const found = reports(text)
    assert.deepEqual([bad, status, found.map(each => each.error_code)], [bad, 200, [200, 400]])
    assert.match(found[1].message, /^Bad Request: Error processing message: /)
  }
  const { text } = await proxy.ask('POST', path('broken'), `${good}{"value":}${good}`)
  assert.equal(reports(text).length, 2)
})

test('an unknown partition fails within 5 s', async () => {
  await proxy.client.createTopic({ name: 'single' })
  const begin = performance.now()
  const { text } = await proxy.ask('POST', path('single'), '{"partition_id":7,"value":{"type":"STRING","data":"1"}}')
  assert.equal(reports(text)[0].error_code, 40_401)
  assert.ok(performance.now() - begin < 5_000)
})

test('a stream of records may take longer than a request; a slow body of another kind may not', async () => {
  await using short = await startProxy({}, { requestTimeoutMs: 1_000 })
  await short.client.createTopic({ name: 'long' })
  const options = (contentType: string) => ({ method: 'POST', headers: { 'content-type': contentType } })
  const sending = request(`${short.url}${short.cluster}/topics/long/records`, options('application/json'))
  const answered = once(sending, 'response')
  sending.write('{"value":{"type":"JSON","data":1}}')
  const slow = request(`${short.url}/topics/long`, options('application/vnd.kafka.json.v2+json'))
  slow.write('{"records":[')
  const [refused] = await once(slow, 'response')
  assert.equal(refused.statusCode, 408)
  slow.on('error', () => {}).destroy()
  await new Promise(resolve => setTimeout(resolve, 1_000))
  sending.end('{"value":{"type":"JSON","data":2}}')
  const [response] = await answered
  let text = ''
  for await (const chunk of response) text += chunk
  assert.deepEqual(
    reports(text).map(each => each.offset),
    [0, 1],
  )
})

test('a stream without records ends with a report, and so does the connection of one who does not read', async () => {
  await using short = await startProxy({}, { rest: { ...limits, streamIdleMs: 4_000 } })
  await short.client.createTopic({ name: 'idle' })
  const sending = request(`${short.url}${short.cluster}/topics/idle/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  })
  sending.on('error', () => {})
  const answered = once(sending, 'response')
  // As long as there are records it goes on.
  for (let i = 0; i < 4; i++) {
    sending.write('{"value":{"type":"JSON","data":1}}')
    await new Promise(resolve => setTimeout(resolve, 1_500))
  }
  const [response] = await answered
  let text = ''
  for await (const chunk of response) text += chunk
  assert.deepEqual(
    reports(text).map(each => each.error_code),
    [200, 200, 200, 200, 408],
  )
  // A sender who reads no answers is not read from, and ends as well.
  const deaf = connect(Number(new URL(short.url).port), '127.0.0.1')
  const ended = new Promise(resolve => deaf.on('close', resolve))
  deaf.on('error', () => {})
  deaf.pause()
  deaf.write(
    `POST ${short.cluster}/topics/idle/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  )
  const records = '{"value":{"type":"JSON","data":1}}'.repeat(100)
  const chunk = `${records.length.toString(16)}\r\n${records}\r\n`
  const timer = setInterval(() => deaf.writableLength < 1_000_000 && deaf.write(chunk.repeat(10)), 1)
  await ended
  clearInterval(timer)
})

test('a sender who goes away: what it sent is stored, and nothing is left behind', async () => {
  await proxy.client.createTopic({ name: 'gone' })
  const sending = request(proxy.url + path('gone'), { method: 'POST', headers: { 'content-type': 'application/json' } })
  sending.on('error', () => {})
  sending.write('{"value":{"type":"JSON","data":1}}{"value":{"type":"JSON"')
  await once(sending, 'response')
  sending.destroy()
  assert.equal((await proxy.stored('gone', 1)).length, 1)
})

test('a body of many records: all stored, reports in order', async () => {
  await proxy.client.createTopic({ name: 'many', partitions: 3 })
  const count = 5000
  const body = Array.from({ length: count }, (_, i) => `{"key":{"type":"STRING","data":"${i}"},"value":{"type":"STRING","data":"v${i}"}}`)
  const { text } = await proxy.ask('POST', path('many'), body.join(''))
  const found = reports(text)
  assert.equal(found.length, count)
  assert.ok(found.every(each => each.error_code === 200))
  const stored = new Map((await proxy.stored('many', count)).map(each => [`${each.partition} ${each.offset}`, each.value!.toString()]))
  for (const [index, each] of found.entries()) assert.equal(stored.get(`${each.partition_id} ${each.offset}`), `v${index}`)
})

test('records:batch is 207, with successes and failures', async () => {
  await proxy.client.createTopic({ name: 'batch' })
  const entries = [
    { id: 'a', value: { type: 'STRING', data: '1' } },
    { id: 'b', value: { type: 'BINARY', data: 5 } },
    { id: 'c', partition_id: 9, value: { type: 'STRING', data: '1' } },
  ]
  const { status, body } = await proxy.ask('POST', `${path('batch')}:batch`, { entries })
  assert.equal(status, 207)
  assert.deepEqual(
    body.successes.map((each: { id: string; offset: number }) => [each.id, each.offset]),
    [['a', 0]],
  )
  assert.deepEqual(
    body.failures.map((each: { id: string; error_code: number }) => [each.id, each.error_code]),
    [
      ['b', 400],
      ['c', 40_401],
    ],
  )
  for (const bad of [{ entries: [] }, { entries: [entries[0], entries[0]] }, { entries: [{ value: null }] }])
    assert.deepEqual((await proxy.ask('POST', `${path('batch')}:batch`, bad)).body.error_code, 42_208)
  assert.equal((await proxy.ask('POST', `${path('batch')}:batch`, '{')).status, 400)
})

test('a fast writer gets 429 with Retry-After; a stream waits', async () => {
  await using small = await startProxy({}, { rest: limits })
  await small.client.createTopic({ name: 'narrow' })
  const value = { type: 'STRING', data: 'x'.repeat(30_000) }
  const target = `${small.cluster}/topics/narrow/records`
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => small.ask('POST', `${target}:batch`, { entries: [{ id: '1', value }] })),
  )
  const refused = answers.filter(each => each.status === 429)
  assert.ok(refused.length > 0 && refused.length < 12, `${refused.length} of 12`)
  assert.ok(refused.every(each => each.headers.get('retry-after') === '1' && each.body.error_code === 429))
  const crowd = await Promise.all(Array.from({ length: 60 }, () => small.ask('POST', target, { value })))
  const turnedAway = crowd.filter(each => each.status === 429)
  assert.ok(turnedAway.length > 0 && turnedAway.length < 60, `${turnedAway.length} of 60`)
  assert.ok(turnedAway.every(each => each.headers.get('retry-after') === '1' && each.body.error_code === 429))
  const streams = await Promise.all(Array.from({ length: 6 }, () => small.ask('POST', target, JSON.stringify({ value }).repeat(5))))
  for (const { text } of streams)
    assert.deepEqual(
      reports(text).map(each => each.error_code),
      [200, 200, 200, 200, 200],
    )
})
