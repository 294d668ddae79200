/** v2 of the REST proxy. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy()
})
after(() => proxy[Symbol.asyncDispose]())

const v2 = 'application/vnd.kafka.v2+json'
const binary = { 'content-type': 'application/vnd.kafka.binary.v2+json', accept: v2 }
const json = { 'content-type': 'application/vnd.kafka.json.v2+json', accept: v2 }
const base64 = (text: string) => Buffer.from(text).toString('base64')

async function createInstance(group: string, settings: object, at = proxy): Promise<string> {
  const { status, body } = await at.ask('POST', `/consumers/${group}`, settings, { 'content-type': v2 })
  assert.equal(status, 200)
  return `/consumers/${group}/instances/${body.instance_id}`
}

/** Asks until there are `count` records, because a group needs some time to form. */
// biome-ignore lint/suspicious/noExplicitAny: records of all kinds
async function readAll(instance: string, count: number, accept: string): Promise<any[]> {
  const found = []
  for (let tries = 0; tries < 60 && found.length < count; tries++) {
    const { status, body, text } = await proxy.ask('GET', `${instance}/records`, undefined, { accept })
    assert.equal(status, 200, text)
    found.push(...body)
  }
  return found
}

test('brokers, topics and partitions', async () => {
  await proxy.client.createTopic({ name: 'v2', partitions: 2 })
  assert.equal((await proxy.ask('GET', '/brokers')).body.brokers.length, 1)
  const listed = await proxy.ask('GET', '/topics', undefined, {
    accept: `${v2}, application/vnd.kafka+json; q=0.9, application/json; q=0.8`,
  })
  assert.ok(listed.body.includes('v2'))
  assert.equal(listed.headers.get('content-type'), v2)
  const topic = await proxy.ask('GET', '/topics/v2')
  assert.deepEqual([topic.body.name, topic.body.configs['cleanup.policy'], topic.body.partitions.length], ['v2', 'delete', 2])
  const partition = await proxy.ask('GET', '/topics/v2/partitions/1')
  assert.deepEqual(partition.body, topic.body.partitions[1])
  assert.deepEqual(Object.keys(partition.body.replicas[0]), ['broker', 'leader', 'in_sync'])
  assert.deepEqual((await proxy.ask('GET', '/topics/v2/partitions/1/offsets')).body, { beginning_offset: 0, end_offset: 0 })
  assert.equal((await proxy.ask('GET', '/topics/v2/partitions/9')).body.error_code, 40_402)
  assert.equal((await proxy.ask('GET', '/topics/missing')).status, 404)
})

test('an Accept that lists several types is served; one that fits nothing is 406', async () => {
  for (const accept of [`text/html, ${v2};q=0.5`, '*/*', 'application/json', `application/vnd.kafka.json.v2+json, ${v2}, application/json`])
    assert.equal((await proxy.ask('GET', '/topics', undefined, { accept })).status, 200, accept)
  for (const path of ['/topics', proxy.cluster])
    assert.equal((await proxy.ask('GET', path, undefined, { accept: 'text/html' })).body.error_code, 406)
})

test('produce: binary and json, to a topic and to a partition', async () => {
  await proxy.client.createTopic({ name: 'made', partitions: 2 })
  const sent = await proxy.ask(
    'POST',
    '/topics/made/partitions/1',
    { records: [{ key: base64('k'), value: base64('v') }, { value: null }] },
    binary,
  )
  assert.equal(sent.status, 200)
  assert.deepEqual(sent.body, {
    offsets: [
      { partition: 1, offset: 0, error_code: null, error: null },
      { partition: 1, offset: 1, error_code: null, error: null },
    ],
    key_schema_id: null,
    value_schema_id: null,
  })
  const both = await proxy.ask(
    'POST',
    '/topics/made',
    '{"records":[{"partition":0,"value":{"id":9223372036854775807}},{"partition":7,"value":1}]}',
    json,
  )
  assert.deepEqual(
    both.body.offsets.map((each: { error_code: number }) => each.error_code),
    [null, 50_003],
  )
  for await (const [record] of proxy.client.read({ topic: 'made', from: new Map([[0, 0n]]), until: new Map([[0, 1n]]) }))
    assert.equal(record!.value!.toString(), '{"id":9223372036854775807}')
})

test('incompatible data 400, no records 422, an unknown type 415', async () => {
  assert.equal((await proxy.ask('POST', '/topics/made', { records: [{ value: '***' }] }, binary)).status, 400)
  assert.equal((await proxy.ask('POST', '/topics/made', '{', binary)).status, 400)
  assert.equal((await proxy.ask('POST', '/topics/made', { records: [] }, binary)).status, 422)
  assert.equal((await proxy.ask('POST', '/topics/made', '', binary)).status, 422)
  assert.equal((await proxy.ask('POST', '/topics/made', { records: [{ value: 1, extra: 1 }] }, json)).status, 422)
  const unknown = await proxy.ask('POST', '/topics/made', { records: [{ value: 1 }] }, { 'content-type': 'text/xml' })
  assert.deepEqual([unknown.status, unknown.body.error_code], [415, 415])
})

test('a consumer instance: created, subscribed, read, committed, deleted; base_uri is absolute', async () => {
  await proxy.client.createTopic({ name: 'consumed', partitions: 2 })
  const settings = { name: 'one', format: 'json', 'auto.offset.reset': 'earliest', 'auto.commit.enable': 'false' }
  const created = await proxy.ask('POST', '/consumers/readers', settings, { 'content-type': v2 })
  assert.deepEqual(created.body, { instance_id: 'one', base_uri: `${proxy.url}/consumers/readers/instances/one` })
  const instance = '/consumers/readers/instances/one'
  assert.equal((await proxy.ask('POST', `${instance}/subscription`, { topics: ['consumed'] }, { 'content-type': v2 })).status, 204)
  assert.deepEqual((await proxy.ask('GET', `${instance}/subscription`)).body, { topics: ['consumed'] })
  const long = '{"records":[{"key":"k","value":{"id":9223372036854775807, "price":1.10},"partition":0},{"value":2,"partition":1}]}'
  await proxy.ask('POST', '/topics/consumed', long, json)
  const found: string[] = []
  for (let tries = 0; tries < 60 && found.length < 2; tries++) {
    const { text } = await proxy.ask('GET', `${instance}/records`, undefined, { accept: 'application/vnd.kafka.json.v2+json' })
    if (text !== '[]') found.push(...text.slice(1, -1).split(/(?<=\}),(?=\{"topic)/))
  }
  assert.deepEqual(found.sort(), [
    '{"topic":"consumed","key":"k","value":{"id":9223372036854775807, "price":1.10},"partition":0,"offset":0}',
    '{"topic":"consumed","key":null,"value":2,"partition":1,"offset":0}',
  ])
  assert.equal((await proxy.ask('GET', `${instance}/assignments`)).body.partitions.length, 2)
  const committed = await proxy.ask('POST', `${instance}/offsets`)
  assert.deepEqual([committed.status, committed.body], [200, []])
  assert.deepEqual(await getWithBody(`${instance}/offsets`, { partitions: [{ topic: 'consumed', partition: 0 }] }), {
    offsets: [{ topic: 'consumed', partition: 0, offset: 1, metadata: '' }],
  })
  const given = { offsets: [{ topic: 'consumed', partition: 0, offset: 9_007_199_254, metadata: 'mine' }] }
  assert.equal((await proxy.ask('POST', `${instance}/offsets`, given, { 'content-type': v2 })).status, 200)
  assert.deepEqual(await getWithBody(`${instance}/offsets`, { partitions: [{ topic: 'consumed', partition: 0 }] }), {
    offsets: [{ topic: 'consumed', partition: 0, offset: 9_007_199_255, metadata: 'mine' }],
  })
  assert.equal((await proxy.ask('DELETE', instance)).status, 204)
  const gone = await proxy.ask('GET', `${instance}/records`)
  assert.deepEqual([gone.status, gone.body.error_code], [404, 40_403])
})

test('a path with a slash at its end is the same, as in the examples of Confluent', async () => {
  const created = await fetch(`${proxy.url}/consumers/slashes/`, {
    method: 'POST',
    body: '{"name":"one"}',
    headers: { 'content-type': v2 },
  })
  assert.deepEqual(await created.json(), { instance_id: 'one', base_uri: `${proxy.url}/consumers/slashes/instances/one` })
  assert.equal((await fetch(`${proxy.url}/v3/clusters/`)).status, 200)
})

test('a manual assignment: positions by offset, time, beginning and end', async () => {
  await proxy.client.createTopic({ name: 'assigned' })
  await proxy.client.send(
    'assigned',
    ['a', 'b', 'c'].map((value, i) => ({ key: null, value: Buffer.from(value), timestampMs: BigInt(1000 * (i + 1)) })),
  )
  const instance = await createInstance('manual', { format: 'binary', 'auto.offset.reset': 'earliest' })
  const at = { topic: 'assigned', partition: 0 }
  const values = async () =>
    (await readAll(instance, 1, 'application/vnd.kafka.binary.v2+json')).map(each => Buffer.from(each.value, 'base64').toString())
  assert.equal((await proxy.ask('POST', `${instance}/assignments`, { partitions: [at] })).status, 204)
  assert.deepEqual((await proxy.ask('GET', `${instance}/assignments`)).body, { partitions: [at] })
  assert.deepEqual(await values(), ['a', 'b', 'c'])
  await proxy.ask('POST', `${instance}/positions`, { offsets: [{ ...at, offset: 2 }] })
  assert.deepEqual(await values(), ['c'])
  await proxy.ask('POST', `${instance}/positions`, { timestamps: [{ ...at, timestamp: '1970-01-01T00:00:02Z' }] })
  assert.deepEqual(await values(), ['b', 'c'])
  await proxy.ask('POST', `${instance}/positions/beginning`, { partitions: [at] })
  assert.deepEqual(await values(), ['a', 'b', 'c'])
  await proxy.ask('POST', `${instance}/positions/end`, { partitions: [at] })
  assert.deepEqual((await proxy.ask('GET', `${instance}/records?timeout=100`)).body, [])
  await proxy.ask('POST', `${instance}/positions/beginning`, { partitions: [at] })
  assert.equal((await proxy.ask('GET', `${instance}/records?max_bytes=3`)).body.length, 2)
  const other = await proxy.ask('POST', `${instance}/positions`, { offsets: [{ topic: 'other', partition: 0, offset: 1 }] })
  assert.deepEqual([other.status, other.body.error_code], [409, 40_903])
  const both = await proxy.ask('POST', `${instance}/subscription`, { topics: ['assigned'] })
  assert.deepEqual([both.status, both.body.error_code], [409, 40_903])
})

test('a record that is no JSON: those before it are given, then 408 with 40801, until it is left behind', async () => {
  await proxy.client.createTopic({ name: 'mixed' })
  await proxy.client.send(
    'mixed',
    ['1', 'oops', '3'].map(value => ({ key: null, value: Buffer.from(value) })),
  )
  const instance = await createInstance('mixers', { format: 'json', 'auto.offset.reset': 'earliest' })
  const at = { topic: 'mixed', partition: 0 }
  await proxy.ask('POST', `${instance}/assignments`, { partitions: [at] })
  const accept = 'application/vnd.kafka.json.v2+json'
  assert.deepEqual(
    (await readAll(instance, 1, accept)).map(each => each.value),
    [1],
  )
  const bad = await proxy.ask('GET', `${instance}/records`, undefined, { accept })
  assert.deepEqual([bad.status, bad.body.error_code], [408, 40_801])
  await proxy.ask('POST', `${instance}/positions`, { offsets: [{ ...at, offset: 2 }] })
  assert.deepEqual(
    (await readAll(instance, 1, accept)).map(each => each.value),
    [3],
  )
})

test('unknown consumer 40403, name taken 40902, format mismatch 406/40601, unknown consumer setting 422', async () => {
  const unknown = await proxy.ask('DELETE', '/consumers/any/instances/none')
  assert.deepEqual([unknown.status, unknown.body.error_code], [404, 40_403])
  await createInstance('named', { name: 'twice' })
  const taken = await proxy.ask('POST', '/consumers/named', { name: 'twice' })
  assert.deepEqual([taken.status, taken.body.error_code], [409, 40_902])
  const mismatch = await proxy.ask('GET', '/consumers/named/instances/twice/records', undefined, {
    accept: 'application/vnd.kafka.json.v2+json',
  })
  assert.deepEqual([mismatch.status, mismatch.body.error_code], [406, 40_601])
  for (const [accept, status] of [
    [`application/vnd.kafka.json.v2+json, application/vnd.kafka.binary.v2+json;q=0.1`, 200],
    [`application/vnd.kafka.json.v2+json, ${v2}`, 200],
    ['application/*', 200],
    ['application/vnd.kafka.binary.v2+json;q=0, application/vnd.kafka.avro.v2+json', 406],
    ['text/html', 406],
    [';;,,/,q=', 406],
  ] as const)
    assert.deepEqual(
      [accept, (await proxy.ask('GET', '/consumers/named/instances/twice/records?timeout=1', undefined, { accept })).status],
      [accept, status],
    )
  for (const settings of [{ unknown: 1 }, { format: 'yaml' }, { 'auto.offset.reset': 'soon' }, { 'fetch.min.bytes': 0 }])
    assert.equal((await proxy.ask('POST', '/consumers/named', settings)).status, 422, JSON.stringify(settings))
})

test('a topic pattern; one that would take for ever does not, and what is none is refused', async () => {
  await proxy.client.createTopic({ name: 'pattern-1' })
  await proxy.client.createTopic({ name: `${'a'.repeat(60)}!`.replace('!', '-') })
  const instance = await createInstance('patterns', {})
  assert.equal((await proxy.ask('POST', `${instance}/subscription`, { topic_pattern: 'pattern-.*' })).text, '')
  assert.deepEqual((await proxy.ask('GET', `${instance}/subscription`)).body, { topics: ['pattern-1'] })
  assert.equal((await proxy.ask('POST', `${instance}/subscription`, { topic_pattern: '(a+)+' })).status, 204)
  assert.deepEqual((await proxy.ask('GET', `${instance}/subscription`)).body, { topics: [] })
  for (const topic_pattern of ['(', String.raw`(a)\1`]) {
    const { status, body } = await proxy.ask('POST', `${instance}/subscription`, { topic_pattern })
    assert.deepEqual([topic_pattern, status, body.error_code], [topic_pattern, 400, 400])
  }
})

test('a subscription to a pattern takes in topics that come later', async () => {
  const instance = await createInstance('late', { format: 'json', 'auto.offset.reset': 'earliest' })
  await proxy.ask('POST', `${instance}/subscription`, { topic_pattern: 'late-.*' })
  assert.deepEqual((await proxy.ask('GET', `${instance}/records`)).body, [])
  await proxy.client.createTopic({ name: 'late-1' })
  await proxy.client.send('late-1', [{ key: null, value: Buffer.from('1') }])
  const [record] = await readAll(instance, 1, 'application/vnd.kafka.json.v2+json')
  assert.equal(record.topic, 'late-1')
})

test('instances have a maximum number, and end when they are idle', async () => {
  await using small = await startProxy(
    {},
    { rest: { mostInFlightBytes: 65_536, instanceTimeoutMs: 3_000, mostInstances: 2, streamIdleMs: 300_000, commitAfterMs: 5_000 } },
  )
  await createInstance('few', { name: 'a' }, small)
  await createInstance('few', { name: 'b' }, small)
  const third = await small.ask('POST', '/consumers/few', { name: 'c' })
  assert.deepEqual([third.status, third.headers.get('retry-after')], [429, '10'])
  for (let tries = 0; tries < 100; tries++) {
    if ((await small.ask('POST', '/consumers/few', { name: 'c' })).status === 200) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  assert.fail('idle instances do not end')
})

// biome-ignore lint/suspicious/noExplicitAny: a body of any kind
function getWithBody(path: string, body: object): Promise<any> {
  return new Promise((resolve, reject) => {
    const asking = request(
      proxy.url + path,
      { method: 'GET', headers: { 'content-type': v2, 'content-length': Buffer.byteLength(JSON.stringify(body)) } },
      async response => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve(response.statusCode === 200 ? JSON.parse(text) : text)
      },
    )
    asking.on('error', reject).end(JSON.stringify(body))
  })
}
