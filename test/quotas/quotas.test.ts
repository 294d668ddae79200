/** Quotas end to end: set by one client, applied to others, over sockets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBroker } from '../../src/millrace.ts'
import { apis, buildBatch, errorCode } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, type RawClient, requestBytes } from '../support/client.ts'

type Entity = Record<string, string | null>

async function setQuota(admin: RawClient, entity: Entity, values: Record<string, number | null>): Promise<void> {
  const { entries } = await admin.request(apis.alterClientQuotas, 1, {
    entries: [
      {
        entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
        ops: Object.entries(values).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
      },
    ],
    validateOnly: false,
  })
  assert.equal(entries[0]!.errorCode, 0, entries[0]!.errorMessage ?? '')
}

const kilobyte = Buffer.alloc(1000, 'x')

function produceRequest(topic: string, values: Buffer[], acks = -1) {
  const records = buildBatch({ records: values.map(value => ({ key: null, value })) })
  return { transactionalId: null, acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData: [{ index: 0, records }] }] }
}

async function produceDelay(client: RawClient, topic: string, count: number, version = 9): Promise<number> {
  const response = await client.request(apis.produce, version, produceRequest(topic, new Array<Buffer>(count).fill(kilobyte)))
  assert.equal(response.responses[0]!.partitionResponses[0]!.errorCode, 0)
  return response.throttleTimeMs
}

async function costlyDelay(client: RawClient): Promise<number> {
  const response = await client.request(apis.metadata, 5, { topics: null, allowAutoTopicCreation: false })
  return response.throttleTimeMs
}

/** Milliseconds until the broker answers a question that costs nothing. */
async function silence(client: RawClient): Promise<number> {
  const start = performance.now()
  await client.request(apis.heartbeat, 3, { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null })
  return performance.now() - start
}

async function withBroker(config: Record<string, string>, run: (port: number, admin: RawClient) => Promise<void>): Promise<void> {
  await using broker = await startBroker({ memory: true, config })
  const admin = await connect(broker.port, 'admin')
  await run(broker.port, admin)
  admin.close()
}

/** A delay of a second and a half at the most, so that tests are quick. */
const short = { 'quota.window.num': '2', 'controller.quota.window.num': '2' }

test('produce: the response comes immediately with the throttle time, then the connection is muted for that time; others are not', () =>
  withBroker(short, async (port, admin) => {
    await createTopic(admin, 't')
    const limited = await connect(port, 'limited')
    const other = await connect(port, 'other')
    assert.equal(await produceDelay(limited, 't', 100), 0)
    await setQuota(admin, { 'client-id': 'limited' }, { producer_byte_rate: 20_000 })
    const start = performance.now()
    const delay = await produceDelay(limited, 't', 30)
    assert.ok(performance.now() - start < 400, 'the answer itself is not delayed')
    assert.ok(delay > 300 && delay < 700, `30 kB where 20 kB a second are allowed: ${delay}`)
    assert.ok((await silence(other)) < 300)
    const silent = await silence(limited)
    assert.ok(silent > delay - 150, `${silent} of ${delay}`)
    assert.equal(await produceDelay(other, 't', 100), 0)
    await setQuota(admin, { 'client-id': 'limited' }, { producer_byte_rate: null })
    assert.equal(await produceDelay(limited, 't', 100), 0)
    limited.close()
    other.close()
  }))

test('produce without an answer is delayed all the same; old versions too', () =>
  withBroker(short, async (port, admin) => {
    await createTopic(admin, 't')
    await setQuota(admin, { user: 'ANONYMOUS' }, { producer_byte_rate: 20_000 })
    const client = await connect(port, 'c')
    client.send(requestBytes(apis.produce, 9, produceRequest('t', new Array<Buffer>(30).fill(kilobyte), 0)))
    assert.ok((await silence(client)) > 250)
    client.close()
  }))

test('fetch: a response over the quota is not sent; a session continues; what the quota allows arrives', () =>
  withBroker(short, async (port, admin) => {
    await createTopic(admin, 't')
    for (let batch = 0; batch < 60; batch++) await produceDelay(admin, 't', 1)
    await setQuota(admin, { 'client-id': 'limited' }, { consumer_byte_rate: 20_000 })
    const client = await connect(port, 'limited')
    let offset = 0
    let delays = 0
    const start = performance.now()
    while (offset < 60) {
      const response = await client.request(apis.fetch, 11, {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 2 ** 20,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 2 ** 20 }] }],
        forgottenTopicsData: [],
      })
      if (response.throttleTimeMs > 0) {
        delays++
        assert.deepEqual(response.responses, [])
        continue
      }
      const { records } = response.responses[0]!.partitions[0]!
      assert.ok(records !== null && records.length > 0 && records.length <= 20_000, `${records?.length}`)
      for (let at = 0; at + 12 <= records.length; at += 12 + records.readInt32BE(at + 8)) offset++
    }
    const seconds = (performance.now() - start) / 1000
    assert.ok(delays >= 1)
    assert.ok(seconds > 1 && seconds < 6, `64 kB at 20 kB a second took ${seconds} s`)
    client.close()
  }))

test('topics have their own rates, for all producers and consumers together', () =>
  withBroker(short, async (port, admin) => {
    const rates = { 'millrace.quota.producer.byte.rate': '20000', 'millrace.quota.consumer.byte.rate': '20000' }
    await createTopic(admin, 'limited', 1, rates)
    await createTopic(admin, 'free')
    const client = await connect(port, 'c')
    assert.equal(await produceDelay(client, 'free', 100), 0)
    assert.ok((await produceDelay(client, 'limited', 30)) > 250)
    const fetcher = await connect(port, 'f')
    assert.ok((await fetchRecords(fetcher, 'free', 0)).records.length > 100_000)
    assert.ok((await fetchRecords(fetcher, 'limited', 0)).records.length > 0)
    client.close()
    fetcher.close()
  }))

test('request_percentage slows down who keeps the event loop busy', () =>
  withBroker(short, async (port, admin) => {
    await createTopic(admin, 't')
    await setQuota(admin, { 'client-id': 'busy' }, { request_percentage: 0.001 })
    const client = await connect(port, 'busy')
    let delay = 0
    for (let times = 0; times < 5 && delay === 0; times++) delay = await costlyDelay(client)
    assert.ok(delay > 0 && delay <= 1000, `${delay}`)
    client.close()
  }))

test('controller_mutation_rate: strict for new versions, slow for old ones', () =>
  withBroker(short, async (port, admin) => {
    await setQuota(admin, { 'client-id': 'creator' }, { controller_mutation_rate: 5 })
    const creator = await connect(port, 'creator')
    const create = (name: string, version: number) =>
      creator.request(apis.createTopics, version, {
        topics: [{ name, numPartitions: 11, replicationFactor: 1, assignments: [], configs: [] }],
        timeoutMs: 1000,
        validateOnly: false,
      })
    const first = await create('a', 7)
    assert.deepEqual([first.topics[0]!.errorCode, first.throttleTimeMs], [0, 0], 'a burst, once')
    const second = await create('b', 7)
    assert.equal(second.topics[0]!.errorCode, errorCode('THROTTLING_QUOTA_EXCEEDED'))
    assert.ok(second.throttleTimeMs > 0 && second.throttleTimeMs <= 200, `${second.throttleTimeMs}`)
    const third = await create('c', 5)
    assert.equal(third.topics[0]!.errorCode, 0)
    assert.ok(third.throttleTimeMs > 1000, `${third.throttleTimeMs}`)
    creator.close()
  }))

test('connection_creation_rate: too many connections of an address are closed after a while', () =>
  withBroker(short, async (port, admin) => {
    await setQuota(admin, { ip: '127.0.0.2' }, { connection_creation_rate: 3 })
    const fromThere = await Promise.all(Array.from({ length: 6 }, () => connect(port, 'c', '127.0.0.2')))
    const elsewhere = await Promise.all(Array.from({ length: 20 }, () => connect(port, 'c')))
    await sleep(1200)
    assert.equal(fromThere.filter(client => client.isClosed).length, 3)
    assert.equal(elsewhere.filter(client => client.isClosed).length, 0)
    for (const client of [...fromThere, ...elsewhere]) client.close()
  }))

test('quotas survive a restart', async t => {
  const { mkdtemp, rm } = await import('node:fs/promises')
  const directory = await mkdtemp('/tmp/millrace-quotas-')
  t.after(() => rm(directory, { recursive: true }))
  {
    await using broker = await startBroker({ directory })
    const admin = await connect(broker.port)
    await setQuota(admin, { user: null, 'client-id': 'c' }, { producer_byte_rate: 1000, request_percentage: 1.5 })
    admin.close()
  }
  await using broker = await startBroker({ directory })
  const admin = await connect(broker.port)
  const { entries } = await admin.request(apis.describeClientQuotas, 1, { components: [], strict: false })
  const values = entries!.flatMap(entry => entry.values.map(({ key, value }) => [key, value]))
  assert.deepEqual(values, [
    ['producer_byte_rate', 1000],
    ['request_percentage', 1.5],
  ])
  admin.close()
})
