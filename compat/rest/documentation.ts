/**
 * The examples of Confluent's documentation of its REST proxy, as written there: the same requests, and answers that have all that is printed there. What
 * differs from cluster to cluster is named by a function.
 */
import assert from 'node:assert/strict'
import { type Cases, runCases, unique, until } from '../support/kit.ts'

const [base = '', registry = ''] = process.argv.slice(2)

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: each example says what it expects
  readonly body: any
}

/** As curl does it. */
async function curl(method: string, path: string, headers: readonly string[] = [], data?: string): Promise<Answer> {
  const pairs = headers.map(each => each.split(/:\s*/, 2) as [string, string])
  const response = await fetch(path.startsWith('http') ? path : base + path, {
    method,
    headers: pairs,
    ...(data === undefined ? {} : { body: data }),
  })
  const text = await response.text()
  const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, type: response.headers.get('content-type'), text, body: isJson ? documentsIn(text)[0] : undefined }
}

function documentsIn(text: string): unknown[] {
  const lines = text.split('\r\n').filter(each => each !== '')
  return lines.map(each => JSON.parse(each) as unknown)
}

type Check = (value: unknown) => boolean

/** That `found` has all that `documented` has; a function stands for what is different each time. */
function has(found: unknown, documented: unknown, at = 'the answer'): void {
  if (typeof documented === 'function') assert.ok((documented as Check)(found), `${at}: ${JSON.stringify(found)}`)
  else if (Array.isArray(documented)) {
    assert.ok(Array.isArray(found) && found.length === documented.length, `${at}: ${JSON.stringify(found)}`)
    for (const [index, each] of documented.entries()) has(found[index], each, `${at}[${index}]`)
  } else if (typeof documented === 'object' && documented !== null) {
    assert.ok(typeof found === 'object' && found !== null, `${at}: ${JSON.stringify(found)}`)
    for (const [name, each] of Object.entries(documented)) has((found as Record<string, unknown>)[name], each, `${at}.${name}`)
  } else assert.deepEqual(found, documented, at)
}

const isNumber: Check = value => typeof value === 'number'
const isTime: Check = value => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value))

const v2 = 'Content-Type: application/vnd.kafka.v2+json'
const acceptV2 = 'Accept: application/vnd.kafka.v2+json'
const plain = 'Content-Type: application/json'
const produced = { offsets: [{ partition: 0, offset: 0, error_code: null, error: null }], key_schema_id: null, value_schema_id: null }

const clusterId = async () => (await curl('GET', '/v3/clusters')).body.data[0].cluster_id as string

/** One partition, as the examples have it. */
async function makeTopic(kind: string): Promise<string> {
  const name = unique(kind)
  const { status } = await curl(
    'POST',
    `/v3/clusters/${await clusterId()}/topics`,
    [plain],
    JSON.stringify({ topic_name: name, partitions_count: 1 }),
  )
  assert.equal(status, 201)
  return name
}

/** Creates, subscribes, reads until there are `count` records, and deletes: the life of a consumer as the quick start has it. */
async function consume(format: string, topic: string, count: number): Promise<unknown[]> {
  const group = unique(`${format}_consumer`)
  const settings = `{"name": "my_consumer_instance", "format": "${format}", "auto.offset.reset": "earliest"}`
  const created = await curl('POST', `/consumers/${group}`, [v2], settings)
  const uri = `${base}/consumers/${group}/instances/my_consumer_instance`
  has(created.body, { instance_id: 'my_consumer_instance', base_uri: uri })
  const subscribed = await curl('POST', `${uri}/subscription`, [v2], `{"topics":["${topic}"]}`)
  assert.deepEqual([subscribed.status, subscribed.text], [204, ''])
  const found: unknown[] = []
  await until(
    () => `${count} records of ${topic}`,
    async () => {
      const { status, type, body } = await curl('GET', `${uri}/records`, [`Accept: application/vnd.kafka.${format}.v2+json`])
      assert.deepEqual([status, type], [200, `application/vnd.kafka.${format}.v2+json`])
      found.push(...body)
      return found.length >= count
    },
  )
  const deleted = await curl('DELETE', uri, [v2])
  assert.deepEqual([deleted.status, deleted.text], [204, ''])
  return found
}

const user = '{"type": "record", "name": "User", "fields": [{"name": "name", "type": "string"}]}'

const cases: Cases = {
  async 'v3/cluster'() {
    const { body } = await curl('GET', '/v3/clusters')
    const id = body.data[0].cluster_id
    const at = `${base}/v3/clusters/${id}`
    has(body, {
      kind: 'KafkaClusterList',
      metadata: { self: `${base}/v3/clusters`, next: null },
      data: [
        {
          kind: 'KafkaCluster',
          metadata: { self: at, resource_name: `crn:///kafka=${id}` },
          cluster_id: id,
          controller: { related: (value: unknown) => String(value).startsWith(`${at}/brokers/`) },
          acls: { related: `${at}/acls` },
          brokers: { related: `${at}/brokers` },
          broker_configs: { related: `${at}/broker-configs` },
          consumer_groups: { related: `${at}/consumer-groups` },
          topics: { related: `${at}/topics` },
          partition_reassignments: { related: `${at}/topics/-/partitions/-/reassignment` },
        },
      ],
    })
    assert.equal((await curl('GET', '/v3/clusters/')).status, 200)
  },
  async 'v3/topics'() {
    const id = await clusterId()
    const name = unique('jsontest')
    const documented = {
      kind: 'KafkaTopic',
      metadata: { self: `${base}/v3/clusters/${id}/topics/${name}`, resource_name: `crn:///kafka=${id}/topic=${name}` },
      cluster_id: id,
      topic_name: name,
      is_internal: false,
      replication_factor: isNumber,
      partitions_count: isNumber,
      partitions: { related: `${base}/v3/clusters/${id}/topics/${name}/partitions` },
      configs: { related: `${base}/v3/clusters/${id}/topics/${name}/configs` },
      partition_reassignments: { related: `${base}/v3/clusters/${id}/topics/${name}/partitions/-/reassignment` },
    }
    const created = await curl('POST', `/v3/clusters/${id}/topics`, [plain], `{"topic_name":"${name}"}`)
    assert.equal(created.status, 201)
    has(created.body, documented)
    const listed = (await curl('GET', `/v3/clusters/${id}/topics`)).body
    has(listed, { kind: 'KafkaTopicList', metadata: { self: `${base}/v3/clusters/${id}/topics`, next: null } })
    has(
      listed.data.find((each: { topic_name: string }) => each.topic_name === name),
      documented,
    )
  },
  async 'v3/produce'() {
    const [id, name] = [await clusterId(), await makeTopic('jsontest')]
    const report = (offset: number, size: number) => ({
      ...{ error_code: 200, cluster_id: id, topic_name: name, partition_id: 0, offset, timestamp: isTime },
      value: { type: 'JSON', size },
    })
    const path = `/v3/clusters/${id}/topics/${name}/records`
    has((await curl('POST', path, [plain], '{"value":{"type":"JSON","data":{"name":"testUser"}}}')).body, report(0, 19))
    const two = '{"value":{"type":"JSON","data":"ONE"}} {"value":{"type":"JSON","data":"TWO"}}'
    has(documentsIn((await curl('POST', path, [plain], two)).text), [report(1, 5), report(2, 5)])
  },
  async 'v2/json'() {
    const topic = await makeTopic('jsontest')
    const headers = ['Content-Type: application/vnd.kafka.json.v2+json', acceptV2]
    const sent = await curl('POST', `/topics/${topic}`, headers, '{"records":[{"value":{"foo":"bar"}}]}')
    assert.equal(sent.type, 'application/vnd.kafka.v2+json')
    has(sent.body, produced)
    has(await consume('json', topic, 1), [{ key: null, value: { foo: 'bar' }, partition: 0, offset: 0, topic }])
  },
  async 'v2/avro'() {
    const topic = await makeTopic('avrotest')
    const headers = ['Content-Type: application/vnd.kafka.avro.v2+json', acceptV2]
    const data = JSON.stringify({ value_schema: user, records: [{ value: { name: 'testUser' } }] })
    const sent = await curl('POST', `/topics/${topic}`, headers, data)
    has(sent.body, { ...produced, value_schema_id: isNumber })
    const again = JSON.stringify({ value_schema_id: sent.body.value_schema_id, records: [{ value: { name: 'testUser' } }] })
    has((await curl('POST', `/topics/${topic}`, headers, again)).body, { value_schema_id: sent.body.value_schema_id })
    has((await consume('avro', topic, 2))[0], { key: null, value: { name: 'testUser' }, partition: 0, offset: 0, topic })
    const registered = await curl('GET', `${registry}/subjects/${topic}-value/versions/latest`)
    assert.equal(registered.body.id, sent.body.value_schema_id)
  },
  async 'v2/avro-key'() {
    const topic = await makeTopic('avrokeytest2')
    const headers = ['Content-Type: application/vnd.kafka.avro.v2+json', acceptV2]
    const data = JSON.stringify({
      key_schema: '{"name":"user_id"  ,"type": "int"   }',
      value_schema: user,
      records: [{ key: 1, value: { name: 'testUser' } }],
    })
    has((await curl('POST', `/topics/${topic}`, headers, data)).body, { ...produced, key_schema_id: isNumber, value_schema_id: isNumber })
    has(await consume('avro', topic, 1), [{ key: 1, value: { name: 'testUser' }, partition: 0, offset: 0, topic }])
  },
  async 'v2/binary'() {
    const topic = await makeTopic('binarytest')
    const headers = ['Content-Type: application/vnd.kafka.binary.v2+json', acceptV2]
    has((await curl('POST', `/topics/${topic}`, headers, '{"records":[{"value":"S2Fma2E="}]}')).body, produced)
    has(await consume('binary', topic, 1), [{ key: null, value: 'S2Fma2E=', partition: 0, offset: 0, topic }])
    const partition = await curl(
      'POST',
      `/topics/${topic}/partitions/0`,
      headers,
      '{"records":[{"key":"a2V5","value":"Y29uZmx1ZW50"},{"value":"a2Fma2E="}]}',
    )
    has(partition.body, { ...produced, offsets: [1, 2].map(offset => ({ partition: 0, offset, error_code: null, error: null })) })
  },
  async 'v2/a-new-topic'() {
    // Nobody has created it: Kafka does, as for any producer.
    const topic = unique('jsontest')
    const headers = ['Content-Type: application/vnd.kafka.json.v2+json', acceptV2]
    has((await curl('POST', `/topics/${topic}`, headers, '{"records":[{"value":{"foo":"bar"}}]}')).body.offsets, [
      { offset: 0, error_code: null },
    ])
  },
  async 'v2/metadata'() {
    const topic = await makeTopic('avrotest')
    const accept = 'Accept: application/vnd.kafka.v2+json, application/vnd.kafka+json, application/json'
    const names = await curl('GET', '/topics', [accept])
    assert.equal(names.type, 'application/vnd.kafka.v2+json')
    assert.ok(names.body.includes(topic))
    const partition = { partition: 0, leader: isNumber, replicas: (value: unknown) => Array.isArray(value) && value.length > 0 }
    has((await curl('GET', `/topics/${topic}`, [accept])).body, { name: topic, configs: {}, partitions: [partition] })
    has((await curl('GET', `/topics/${topic}/partitions`, [accept])).body, [partition])
    has((await curl('GET', `/topics/${topic}/partitions/0`, [accept])).body, partition)
    has((await curl('GET', '/brokers', [accept])).body, { brokers: (value: unknown) => Array.isArray(value) && value.length > 0 })
  },
  async 'v2/errors'() {
    const topic = await makeTopic('errors')
    const json = ['Content-Type: application/vnd.kafka.json.v2+json', acceptV2]
    const empty = await curl('POST', `/topics/${topic}`, json, '{"records":[]}')
    assert.equal(empty.status, 422)
    const avro = ['Content-Type: application/vnd.kafka.avro.v2+json', acceptV2]
    for (const [record, code] of [
      ['{"value":1}', 42_202],
      ['{"key":1,"value":null}', 42_201],
    ] as const) {
      const refused = await curl('POST', `/topics/${topic}`, avro, `{"records":[${record}]}`)
      assert.deepEqual([refused.status, refused.body.error_code], [422, code])
    }
    for (const [method, path, status, code] of [
      ['GET', `/topics/${topic}/partitions/7`, 404, 40_402],
      ['GET', '/consumers/none/instances/none/records', 404, 40_403],
    ] as const) {
      const refused = await curl(method, path, [acceptV2])
      assert.deepEqual([refused.status, refused.body.error_code], [status, code], path)
    }
  },
  async 'v2/positions-and-offsets'() {
    const topic = await makeTopic('seek')
    await curl(
      'POST',
      `/topics/${topic}`,
      ['Content-Type: application/vnd.kafka.json.v2+json'],
      '{"records":[{"value":0},{"value":1},{"value":2}]}',
    )
    const group = unique('testgroup')
    const { body } = await curl(
      'POST',
      `/consumers/${group}/`,
      [v2],
      '{"name": "my_consumer", "format": "json", "auto.commit.enable": "false", "auto.offset.reset": "earliest"}',
    )
    const uri = body.base_uri
    const at = { topic, partition: 0 }
    assert.equal((await curl('POST', `${uri}/assignments`, [v2], JSON.stringify({ partitions: [at] }))).status, 204)
    has((await curl('GET', `${uri}/assignments`, [acceptV2])).body, { partitions: [at] })
    assert.equal((await curl('POST', `${uri}/positions`, [v2], JSON.stringify({ offsets: [{ ...at, offset: 1 }] }))).status, 204)
    const values: number[] = []
    await until(
      () => 'two records',
      async () => {
        const read = await curl('GET', `${uri}/records?timeout=3000&max_bytes=300000`, ['Accept: application/vnd.kafka.json.v2+json'])
        values.push(...read.body.map((each: { value: number }) => each.value))
        return values.length >= 2
      },
    )
    assert.deepEqual(values, [1, 2])
    assert.equal((await curl('POST', `${uri}/offsets`, [v2])).status, 200)
    assert.equal((await curl('POST', `${uri}/positions/beginning`, [v2], JSON.stringify({ partitions: [at] }))).status, 204)
    assert.equal((await curl('POST', `${uri}/positions/end`, [v2], JSON.stringify({ partitions: [at] }))).status, 204)
    assert.equal((await curl('DELETE', uri, [v2])).status, 204)
  },
}

await runCases(cases)
