/** Dead-letter queues of share groups (KIP-1191) through a whole broker: what is written there, when, and what happens if writing fails. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FileSystem, memoryFileSystem, realSystem } from '../../src/base.ts'
import { loadBrokerConfig, startBroker } from '../../src/broker.ts'
import type { Logger } from '../../src/logger.ts'
import { apis, buildBatch, errorName, forEachRecord, type NewBatch, type Uuid } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, findCoordinator, produce, type RawClient } from '../support/client.ts'

const groupId = 's'
const accept = 1
const release = 2
const reject = 3
const renewAll = { 'share.auto.offset.reset': 'earliest', 'share.delivery.count.limit': '2' }
const queue = { ...renewAll, 'errors.deadletterqueue.topic.name': 'dlq.s' }

interface Started {
  files: FileSystem
  port: number
  client: RawClient
  warnings: string[]
  /** How often dead letters were written, and given up. */
  counted(): Promise<[letters: number, givenUp: number]>
  stop(): Promise<void>
}

async function start(t: TestContext, config: Record<string, string> = {}, files: FileSystem = memoryFileSystem()): Promise<Started> {
  const warnings: string[] = []
  const warn = (details: object, message: string) => {
    // Those without an error are about the disk, and the speed of this machine.
    const { err } = details as { err?: Error | null }
    if (err) warnings.push(`${message}: ${err.message}`)
  }
  const logger: Logger = { debug() {}, info() {}, warn, error: warn }
  const set = {
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'http.listen': '127.0.0.1:0',
    'log.dirs': '/data',
    'offsets.topic.num.partitions': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    ...config,
  }
  const running = await startBroker({
    system: realSystem(files),
    config: loadBrokerConfig({ set }),
    logger,
    onFatal: assert.fail,
    onThisMachine: false,
  })
  const port = running.ports.get('PLAINTEXT')!
  const client = await connect(port)
  let stopped: Promise<void> | null = null
  const stop = () => {
    client.close()
    stopped ??= running.close()
    return stopped
  }
  t.after(stop)
  return {
    files,
    port,
    client,
    warnings,
    async counted() {
      const page = await (await fetch(`http://127.0.0.1:${running.httpPort}/metrics`)).text()
      const sample = (name: string) => Number(new RegExp(`deadletterqueue${name}_total{group="s"} (\\d+)`).exec(page)?.[1] ?? -1)
      return [sample('recordcount'), sample('failedproducerequests')]
    },
    stop,
  }
}

async function alter(client: RawClient, resourceType: number, resourceName: string, configs: Record<string, string>): Promise<string> {
  const entries = Object.entries(configs).map(([name, value]) => ({ name, configOperation: 0, value }))
  const resources = [{ resourceType, resourceName, configs: entries }]
  const { responses } = await client.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
  return responses[0]!.errorCode === 0 ? 'NONE' : `${errorName(responses[0]!.errorCode)} ${responses[0]!.errorMessage}`
}

const group = (client: RawClient, configs: Record<string, string>) => alter(client, 32, groupId, configs)

/** A member of the group on a connection of its own. */
class Member {
  readonly #client: RawClient
  readonly #topicId: Uuid
  readonly #name: string
  #epoch = 0

  constructor(client: RawClient, topicId: Uuid, name: string) {
    this.#client = client
    this.#topicId = topicId
    this.#name = name
  }

  /** The offsets that it got. */
  async fetch(partition = 0, maxWaitMs = 0): Promise<number[]> {
    const answer = await this.#client.request(apis.shareFetch, 1, {
      groupId,
      memberId: this.#name,
      shareSessionEpoch: this.#epoch++,
      maxWaitMs,
      minBytes: 1,
      maxRecords: 1000,
      batchSize: 1000,
      topics: [{ topicId: this.#topicId, partitions: [{ partitionIndex: partition, acknowledgementBatches: [] }] }],
      forgottenTopicsData: [],
    })
    assert.equal(answer.errorCode, 0)
    const ranges = answer.responses.flatMap(topic => topic.partitions.flatMap(each => each.acquiredRecords))
    return ranges.flatMap(({ firstOffset, lastOffset }) =>
      Array.from({ length: Number(lastOffset) - Number(firstOffset) + 1 }, (_, index) => Number(firstOffset) + index),
    )
  }

  async acknowledge(firstOffset: number, types: number[], partition = 0): Promise<void> {
    const batch = { firstOffset, lastOffset: firstOffset + types.length - 1, acknowledgeTypes: types }
    const answer = await this.#client.request(apis.shareAcknowledge, 1, {
      groupId,
      memberId: this.#name,
      shareSessionEpoch: this.#epoch++,
      topics: [{ topicId: this.#topicId, partitions: [{ partitionIndex: partition, acknowledgementBatches: [batch] }] }],
    })
    assert.equal(errorName(answer.responses[0]!.partitions[0]!.errorCode), 'NONE')
  }

  close(): void {
    this.#client.close()
  }
}

interface Letter {
  key: string | null
  value: string | null
  /** Without `__dlq.errors.`. */
  headers: Record<string, string>
}

async function letters(client: RawClient, topic = 'dlq.s', partition = 0): Promise<Letter[]> {
  const found: Letter[] = []
  for (let from = 0; ; ) {
    const { errorCode, records } = await fetchRecords(client, topic, from, { partition })
    const before = from
    if (errorCode === 0)
      forEachRecord(records, record => {
        from = record.offset + 1
        const text = (bytes: Buffer | null) => bytes?.toString() ?? null
        const headers = record.headers.map(({ key, value }) => [key.toString().replace('__dlq.errors.', ''), value!.toString()])
        found.push({ key: text(record.key), value: text(record.value), headers: Object.fromEntries(headers) })
      })
    if (from === before) return found
  }
}

async function waitFor<T>(look: () => Promise<T>, ready: (found: T) => boolean): Promise<T> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const found = await look()
    if (ready(found) || performance.now() > deadline) return found
    await sleep(10)
  }
}

const lettersOf = (client: RawClient, count: number, topic?: string, partition?: number) =>
  waitFor(
    () => letters(client, topic, partition),
    found => found.length >= count,
  )

/** How far the group is, as the share coordinator has stored it. */
async function startOffset(client: RawClient, topicId: Uuid): Promise<number> {
  const request = { groupId, topics: [{ topicId, partitions: [{ partition: 0, leaderEpoch: 0 }] }] }
  return Number((await client.request(apis.readShareGroupStateSummary, 1, request)).results[0]!.partitions[0]!.startOffset)
}

const records = (...values: (string | null)[]): NewBatch['records'] =>
  values.map((value, index) => ({ key: Buffer.from(`k${index}`), value: value === null ? null : Buffer.from(value) }))

async function send(client: RawClient, batch: NewBatch, partition = 0): Promise<void> {
  const { errorCode } = await produce(client, 't', buildBatch({ timestamp: Date.now(), ...batch }), { partition })
  assert.equal(errorCode, 0)
}

async function member(broker: Started, topicId: Uuid, name: string): Promise<Member> {
  const client = await connect(broker.port)
  await findCoordinator(client, groupId)
  const joining = { groupId, memberId: name, memberEpoch: 0, rackId: null, subscribedTopicNames: ['t'] }
  assert.equal((await client.request(apis.shareGroupHeartbeat, 1, joining)).errorCode, 0)
  return new Member(client, topicId, name)
}

test('rejected and exhausted records become letters with the headers of Kafka; the topic is made when that is allowed', async t => {
  const broker = await start(t, { 'errors.deadletterqueue.auto.create.topics.enable': 'true' })
  const { client } = broker
  const topicId = await createTopic(client, 't')
  assert.equal(await group(client, queue), 'NONE')
  await send(client, { records: records('a', 'b', 'c', 'd') })
  const one = await member(broker, topicId, 'one')
  assert.deepEqual(await one.fetch(), [0, 1, 2, 3])
  await one.acknowledge(0, [accept, reject, reject, release])
  const rejected = await lettersOf(client, 2)
  const headers = { topic: 't', partition: '0', group: 's', 'delivery.count': '1', message: 'Offset rejected by client.' }
  assert.deepEqual(rejected, [
    { key: null, value: null, headers: { ...headers, offset: '1' } },
    { key: null, value: null, headers: { ...headers, offset: '2' } },
  ])
  assert.deepEqual(await one.fetch(), [3])
  await one.acknowledge(3, [release])
  const [, , exhausted] = await lettersOf(client, 3)
  const why = { 'delivery.count': '2', message: 'Offset delivery count exceeded the threshold.' }
  assert.deepEqual(exhausted, { key: null, value: null, headers: { ...headers, ...why, offset: '3' } })
  assert.deepEqual(await one.fetch(), [])
  assert.equal(
    await waitFor(
      () => startOffset(client, topicId),
      offset => offset === 4,
    ),
    4,
  )
  const described = await client.request(apis.describeConfigs, 4, {
    resources: [{ resourceType: 2, resourceName: 'dlq.s', configurationKeys: null }],
    includeSynonyms: false,
    includeDocumentation: false,
  })
  const enabled = described.results[0]!.configs.find(({ name }) => name === 'errors.deadletterqueue.group.enable')
  assert.equal(enabled?.value, 'true')
  assert.deepEqual(broker.warnings, [])
  assert.deepEqual(await broker.counted(), [3, 0])
  one.close()
})

test('with errors.deadletterqueue.copy.record.enable letters carry key and value, whatever the compression, batch by batch', async t => {
  const broker = await start(t)
  const { client } = broker
  const topicId = await createTopic(client, 't', 3)
  await createTopic(client, 'dlq.s', 2, {
    'errors.deadletterqueue.group.enable': 'true',
    'max.message.bytes': '2000',
    'compression.type': 'gzip',
  })
  assert.equal(await group(client, { ...queue, 'errors.deadletterqueue.copy.record.enable': 'true' }), 'NONE')
  const texts = Array.from({ length: 40 }, (_, index) => `${index} ${'x'.repeat(index === 20 ? 5_000 : 200)}`)
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    await send(client, { records: records(...texts.slice(0, 19), null, ...texts.slice(20)), compression }, 2)
  }
  const one = await member(broker, topicId, 'one')
  const got = await one.fetch(2)
  assert.equal(got.length, 200)
  await one.acknowledge(
    0,
    got.map(() => reject),
    2,
  )
  // Partition 2 of three goes to partition 0 of two.
  const found = await lettersOf(client, 200, 'dlq.s', 0)
  assert.equal(found.length, 200)
  for (const [index, letter] of found.entries()) {
    const nth = index % 40
    assert.equal(letter.headers.offset, String(index))
    // What is too large for the topic is told of, without content.
    if (nth === 20) assert.deepEqual([letter.key, letter.value], [null, null])
    else assert.deepEqual([letter.key, letter.value], [`k${nth}`, nth === 19 ? null : texts[nth]])
  }
  assert.deepEqual(await letters(client, 'dlq.s', 1), [])
  assert.deepEqual(broker.warnings, [])
  one.close()
})

test('a lock that ends for the last time makes a letter, too', async t => {
  const broker = await start(t, {
    'errors.deadletterqueue.auto.create.topics.enable': 'true',
    'group.share.min.record.lock.duration.ms': '1000',
  })
  const { client } = broker
  const topicId = await createTopic(client, 't')
  await group(client, { ...queue, 'share.record.lock.duration.ms': '1000' })
  await send(client, { records: records('a') })
  const one = await member(broker, topicId, 'one')
  assert.deepEqual(await one.fetch(), [0])
  assert.deepEqual(await one.fetch(0, 5_000), [0], 'the second and last time')
  const [letter] = await lettersOf(client, 1)
  assert.equal(letter?.headers.message, 'Offset delivery count exceeded the threshold.')
  one.close()
})

for (const [what, config, topicConfig, changes, warning] of [
  ['does not exist', {}, null, {}, /does not exist and auto create is disabled/],
  ['was not made for it', {}, {}, {}, /DLQ is not enabled on configured DLQ topic for share group: s, topic: dlq.s/],
  [
    'has a wrong name',
    { 'errors.deadletterqueue.topic.name.prefix': 'dead.' },
    { enable: true },
    {},
    /does not comply with the DLQ topic prefix/,
  ],
  ['takes no records without keys', {}, { enable: true, compact: true }, {}, /get no dead letters/],
] as const)
  test(`when the topic ${what}, records are archived all the same, and that is reported`, async t => {
    const broker = await start(t, config)
    const { client } = broker
    const topicId = await createTopic(client, 't')
    if (topicConfig !== null) {
      await createTopic(client, 'dlq.s', 1, {
        ...('enable' in topicConfig ? { 'errors.deadletterqueue.group.enable': 'true' } : {}),
        ...('compact' in topicConfig ? { 'cleanup.policy': 'compact' } : {}),
      })
    }
    assert.equal(await group(client, { ...queue, ...changes }), 'NONE')
    await send(client, { records: records('a', 'b') })
    const one = await member(broker, topicId, 'one')
    assert.deepEqual(await one.fetch(), [0, 1])
    await one.acknowledge(0, [reject, reject])
    assert.equal(
      await waitFor(
        () => startOffset(client, topicId),
        offset => offset === 2,
      ),
      2,
    )
    assert.equal(broker.warnings.length, 1)
    assert.deepEqual(await broker.counted(), [0, 1])
    assert.match(broker.warnings[0]!, /offsets 0 to 1 of t-0 get no dead letters from group s/)
    assert.match(broker.warnings[0]!, warning)
    assert.deepEqual(topicConfig === null ? [] : await letters(client), [])
    one.close()
  })

test('while the disk is full records wait for their letters', async t => {
  let full = false
  const files = { ...memoryFileSystem(), freeBytes: () => (full ? 0 : 2 ** 40) }
  const broker = await start(t, {}, files)
  const { client } = broker
  const topicId = await createTopic(client, 't')
  await createTopic(client, 'dlq.s', 1, { 'errors.deadletterqueue.group.enable': 'true' })
  await group(client, queue)
  await send(client, { records: records('a', 'b') })
  const one = await member(broker, topicId, 'one')
  assert.deepEqual(await one.fetch(), [0, 1])
  full = true
  // Until the broker has noticed.
  const refused = () => produce(client, 't', buildBatch({ records: records('x') })).then(({ errorCode }) => errorName(errorCode))
  await waitFor(refused, error => error === 'KAFKA_STORAGE_ERROR')
  await one.acknowledge(0, [accept, reject])
  await sleep(200)
  assert.deepEqual([await startOffset(client, topicId), await letters(client)], [1, []])
  full = false
  assert.equal((await lettersOf(client, 1))[0]?.headers.offset, '1')
  const until = await waitFor(
    () => startOffset(client, topicId),
    offset => offset === 2,
  )
  assert.equal(until, 2)
  assert.deepEqual(broker.warnings, [])
  one.close()
})

test('a broker that stopped between rejection and letter writes the letter when it is back', async t => {
  const first = await start(t)
  const topicId = await createTopic(first.client, 't')
  await createTopic(first.client, 'dlq.s', 1, { 'errors.deadletterqueue.group.enable': 'true' })
  await group(first.client, queue)
  await send(first.client, { records: records('a', 'b', 'c') })
  // As it is stored when the broker ends just then (with Kafka's number for it).
  const place = <P>(more: P) => ({ groupId, topics: [{ topicId, partitions: [{ partition: 0, ...more }] }] })
  await first.client.request(apis.initializeShareGroupState, 0, place({ stateEpoch: 0, startOffset: 0 }))
  const stateBatches = [{ firstOffset: 0, lastOffset: 1, deliveryState: 3, deliveryCount: 1 }]
  const change = { stateEpoch: 0, leaderEpoch: 0, startOffset: 0, deliveryCompleteCount: 0, stateBatches }
  const written = await first.client.request(apis.writeShareGroupState, 1, place(change))
  assert.equal(written.results[0]!.partitions[0]!.errorCode, 0)
  await first.stop()
  const second = await start(t, {}, first.files)
  const two = await member(second, topicId, 'two')
  assert.deepEqual(await two.fetch(), [2], 'what is being archived is not delivered')
  assert.deepEqual(
    (await lettersOf(second.client, 2)).map(({ headers }) => [headers.offset, headers.message]),
    ['0', '1'].map(offset => [offset, 'Offset rejected by client.']),
  )
  const until = await waitFor(
    () => startOffset(second.client, topicId),
    offset => offset === 2,
  )
  assert.equal(until, 2)
  two.close()
})

test('a group has a queue only when it names one, and the cluster knows of them (share.version 2)', async t => {
  const broker = await start(t, { 'errors.deadletterqueue.auto.create.topics.enable': 'true' })
  const { client } = broker
  assert.match(await group(client, { 'errors.deadletterqueue.topic.name': '__dlq' }), /^INVALID_CONFIG .*must not start with '__'/)
  const topicId = await createTopic(client, 't')
  await group(client, renewAll)
  await send(client, { records: records('a', 'b') })
  const one = await member(broker, topicId, 'one')
  assert.deepEqual(await one.fetch(), [0, 1])
  await one.acknowledge(0, [reject])
  assert.equal(await startOffset(client, topicId), 1, 'archived at once')
  const updates = [{ feature: 'share.version', maxVersionLevel: 1, upgradeType: 2 }]
  assert.equal(
    (await client.request(apis.updateFeatures, 1, { timeoutMs: 1000, featureUpdates: updates, validateOnly: false })).errorCode,
    0,
  )
  await group(client, queue)
  await one.acknowledge(1, [reject])
  assert.equal(await startOffset(client, topicId), 2)
  assert.deepEqual(await letters(client), [])
  assert.deepEqual(broker.warnings, [])
  one.close()
})
