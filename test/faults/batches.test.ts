/**
 * Record batches of unusual producers, as bytes, each with Apache Kafka 4.3.1's response: wrong headers, data that cannot be decompressed,
 * shapes that Kafka accepts. Accepted batches are read back in every possible way, also after a restart.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { codecs, rawBatch } from '../../sim/world/raw-batches.ts'
import { openClient } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { apis, errorCode, forEachRecord } from '../../src/protocol.ts'
import { connect, createTopic, produce, type RawClient } from '../support/client.ts'

interface Case {
  name: string
  about: string
  answer: 'refused' | 'taken' | 'timed' | 'six keys' | 'at the end of time'
  records: number
  batch: string
}

const cases: Case[] = JSON.parse(readFileSync(new URL('./fixtures/batches.json', import.meta.url), 'utf8'))
const refusals = [errorCode('CORRUPT_MESSAGE'), errorCode('INVALID_RECORD')]
const topics: Record<string, Record<string, string>> = {
  producer: {},
  uncompressed: { 'compression.type': 'uncompressed' },
  zstd: { 'compression.type': 'zstd' },
  gzip: { 'compression.type': 'gzip' },
  compacted: { 'cleanup.policy': 'compact' },
}

/** `[offset, key]` of every record, by a Fetch of this version. */
async function read(client: RawClient, topic: string, version: number): Promise<[number, string][]> {
  const response = await client.request(apis.fetch, version, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 2 ** 20,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 2 ** 20 }] }],
    forgottenTopicsData: [],
  })
  const { errorCode: error, records } = response.responses[0]!.partitions[0]!
  assert.equal(error, 0)
  const found: [number, string][] = []
  forEachRecord(records!, ({ offset, key }) => void found.push([offset, String(key)]))
  return found
}

async function lookUp(client: RawClient, name: string, timestamp: number): Promise<[number, unknown]> {
  const response = await client.request(apis.listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp }] }],
  })
  const { errorCode: error, offset, timestamp: found } = response.topics[0]!.partitions[0]!
  assert.equal(error, 0)
  return [offset as number, found]
}

async function withBroker(work: (client: RawClient, restart: () => Promise<RawClient>, address: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(`${tmpdir()}/millrace-batches-`)
  const start = () => startBroker({ directory, config: { 'group.initial.rebalance.delay.ms': 0 } })
  let broker: Millrace = await start()
  let client = await connect(broker.port)
  const restart = async (): Promise<RawClient> => {
    client.close()
    await broker.close()
    broker = await start()
    client = await connect(broker.port)
    return client
  }
  try {
    await work(client, restart, broker.address)
  } finally {
    client.close()
    await broker.close()
    await rm(directory, { recursive: true })
  }
}

test('each is refused or taken as Kafka does, whatever the topic makes of it, and no reader is stopped', () =>
  withBroker(async (client, restart) => {
    for (const [topic, configs] of Object.entries(topics)) await createTopic(client, topic, 1, configs)
    const counts = new Map<string, number>()
    for (const { name, about, answer, records, batch } of cases) {
      if (answer === 'at the end of time') continue
      for (const topic of Object.keys(topics)) {
        const what = `${name} into ${topic}: ${about}`
        // The log takes the request's bytes over.
        const { errorCode: error, baseOffset } = await produce(client, topic, Buffer.from(batch, 'hex'))
        const keyless = topic === 'compacted' && answer !== 'six keys'
        if (answer === 'refused' || keyless) assert.ok(refusals.includes(error), `${what}: error ${error}`)
        else {
          assert.equal(error, 0, what)
          assert.equal(baseOffset, counts.get(topic) ?? 0, what)
          counts.set(topic, baseOffset + records)
        }
      }
    }
    const check = async (reader: RawClient): Promise<void> => {
      for (const [topic, count] of counts) {
        const found = await read(reader, topic, 11)
        assert.deepEqual(
          found.map(([offset]) => offset),
          Array.from({ length: count }, (_, offset) => offset),
          `every record of ${topic} has its offset`,
        )
        assert.equal(found.filter(([, key]) => key === 'k5').length, 3, topic)
        // To consumers of 2014; what is zstd they cannot read.
        if (topic === 'uncompressed' || topic === 'gzip')
          for (const version of [0, 2]) assert.deepEqual(await read(reader, topic, version), found)
      }
    }
    await check(client)
    await check(await restart())
  }))

test('a consumer group of millrace/client reads batches of several frames and members', () =>
  withBroker(async (client, _, address) => {
    await createTopic(client, 'framed')
    const framed = cases.filter(({ answer }) => answer === 'six keys')
    for (const { batch } of framed) assert.equal((await produce(client, 'framed', Buffer.from(batch, 'hex'))).errorCode, 0)
    const reader = openClient({ bootstrap: address })
    try {
      const subscription = await reader.subscribe({ group: 'g', topics: ['framed'], otherwise: 'earliest' })
      const keys: string[] = []
      for await (const { key } of subscription) if (keys.push(String(key)) === 6 * framed.length) break
      assert.deepEqual(
        keys,
        framed.flatMap(() => ['k0', 'k1', 'k2', 'k3', 'k4', 'k5']),
      )
      await subscription.close()
    } finally {
      await reader.close()
    }
  }))

test('the largest timestamp is derived from the records: look-ups by time are right, also after a restart', () =>
  withBroker(async (client, restart) => {
    const timed = cases.filter(({ answer }) => answer === 'timed')
    for (const { name, batch } of timed) {
      await createTopic(client, name)
      assert.equal((await produce(client, name, Buffer.from(batch, 'hex'))).errorCode, 0)
    }
    const check = async (reader: RawClient): Promise<void> => {
      for (const { name, about } of timed) {
        assert.deepEqual(await lookUp(reader, name, 1_795_000_600_000), [1, 1_795_001_800_000], about)
        assert.deepEqual(await lookUp(reader, name, 1_795_001_800_001), [-1, -1], about)
        assert.deepEqual(await lookUp(reader, name, -3), [1, 1_795_001_800_000], about)
      }
    }
    await check(client)
    await check(await restart())
  }))

test('a record at the end of time stops neither the partition nor a restart, whatever the codec', () =>
  withBroker(async (client, restart) => {
    const most = 2n ** 63n - 1n
    await createTopic(client, 'late', 1, { 'message.timestamp.after.max.ms': String(most) })
    const given = cases.filter(({ answer }) => answer === 'at the end of time').map(({ batch }) => Buffer.from(batch, 'hex'))
    const own = codecs.map(codec => rawBatch({ codec, baseTimestamp: 5n, maxTimestamp: -1n, records: [{}, { timestampDelta: most - 5n }] }))
    for (const batch of [...given, ...own]) assert.equal((await produce(client, 'late', batch)).errorCode, 0)
    const check = async (reader: RawClient): Promise<void> => {
      assert.equal((await read(reader, 'late', 11)).length, given.length + 2 * own.length)
      assert.deepEqual(await lookUp(reader, 'late', -3), [0, most])
    }
    await check(client)
    await check(await restart())
  }))

test('record errors are in the answer, for the records that are at fault and no others (KIP-467)', () =>
  withBroker(async client => {
    await createTopic(client, 'compacted', 1, topics['compacted'])
    for (const codec of ['none', 'lz4'] as const) {
      const batch = rawBatch({ codec, baseTimestamp: BigInt(Date.now()), records: [{}, { key: -1 }, {}, { key: -1 }] })
      const ask = async (version: number) => {
        const topicData = [{ name: 'compacted', partitionData: [{ index: 0, records: Buffer.from(batch) }] }]
        const response = await client.request(apis.produce, version, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData })
        return response.responses[0]!.partitionResponses[0]!
      }
      const { errorCode: error, errorMessage, recordErrors, logStartOffset } = await ask(9)
      assert.equal(error, errorCode('INVALID_RECORD'))
      const message = 'Compacted topic cannot accept message without key in topic partition compacted-0'
      assert.deepEqual(
        recordErrors.map(each => ({ ...each })),
        [1, 3].map(batchIndex => ({ batchIndex, batchIndexErrorMessage: message })),
      )
      assert.match(errorMessage!, /^One or more records have been rejected due to 2 record errors in total/)
      assert.equal(logStartOffset, 0)
      assert.equal((await ask(7)).errorCode, errorCode('INVALID_RECORD'))
    }
    // An answer does not grow far beyond its request.
    const many = rawBatch({ codec: 'zstd', records: Array.from({ length: 20_000 }, () => ({ key: -1, value: -1 })) })
    const response = await client.request(apis.produce, 9, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ name: 'compacted', partitionData: [0, 0].map(index => ({ index, records: Buffer.from(many) })) }],
    })
    const named = response.responses[0]!.partitionResponses.map(({ recordErrors }) => recordErrors.length)
    assert.deepEqual(named, [10_000, 0])
  }))

test('batches of one partition keep their order, although some are looked at on a thread', () =>
  withBroker(async client => {
    await createTopic(client, 'ordered', 2, { 'max.message.bytes': '10000000' })
    const large = () => rawBatch({ codec: 'zstd', records: [{ value: 'x'.repeat(8_000_000) }] })
    const small = (value: string) => rawBatch({ codec: 'none', records: [{ value }] })
    // In one request, and in further ones of the connection that do not wait for the answer.
    const requests = [[large(), small('a'), small('b')], [small('c')], [large(), small('d')], [small('e')]]
    const answers = await Promise.all(
      requests.map(async batches => {
        const partitionData = batches.map(records => ({ index: 0, records }))
        const message = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData: [{ name: 'ordered', partitionData }] }
        const response = await client.request(apis.produce, 9, message)
        return response.responses[0]!.partitionResponses.map(({ errorCode: error, baseOffset }) => [error, baseOffset])
      }),
    )
    assert.deepEqual(
      answers.flat(),
      [0, 1, 2, 3, 4, 5, 6].map(offset => [0, offset]),
    )
  }))

test('a request of very many entries is worked on in slices, and answered in full and in order', () =>
  withBroker(async client => {
    await createTopic(client, 'many', 3)
    const entries = Array.from({ length: 1500 }, (_, entry) => ({
      index: entry % 5 < 3 ? entry % 5 : 99,
      records: rawBatch({ codec: codecs[entry % codecs.length]!, records: [{ value: `${entry}` }] }),
    }))
    const topicData = [{ name: 'many', partitionData: entries }]
    const { responses } = await client.request(apis.produce, 9, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData })
    const next = [0, 0, 0]
    assert.deepEqual(
      responses[0]!.partitionResponses.map(({ index, errorCode: error, baseOffset }) => [index, error, baseOffset]),
      entries.map(({ index }) => (index < 3 ? [index, 0, next[index]!++] : [index, errorCode('UNKNOWN_TOPIC_OR_PARTITION'), -1])),
    )
    assert.deepEqual(next, [300, 300, 300])
  }))
