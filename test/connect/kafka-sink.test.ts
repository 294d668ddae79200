import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readValues, realSystem } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { workerConfig } from '../../src/connect.ts'
import { type Offsets, type SinkDefinition, type SinkRecord, struct } from '../../src/connector.ts'
import { connectors } from '../../src/connectors.ts'
import { startBroker } from '../../src/millrace.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }

async function openSink(config: Readonly<Record<string, string>>, task = 0) {
  const definition = (await connectors.find(each => each.name === 'kafka-sink')!.load()) as SinkDefinition
  const sought: Offsets[number][] = []
  const refused: string[] = []
  const sink = await definition.open(readValues(definition.config, config) as never, {
    ...{ connector: 'c', task, system: realSystem(), log, signal: new AbortController().signal },
    count() {},
    gauge() {},
    report: async ({ original }, error) => void refused.push(`${original.offset} ${(error as Error).name} ${(error as Error).message}`),
    seek: offsets => void sought.push(...offsets),
  })
  return { task: sink, sought, refused }
}

function sinkRecord(given: Partial<Omit<SinkRecord, 'offset'>> & { offset: number }): SinkRecord {
  const place = { topic: 't', partition: given.partition ?? 0, offset: BigInt(given.offset) }
  const rest = { keySchema: null, key: null, valueSchema: null, value: null, timestampMs: 1_796_000_000_123n, headers: [] }
  return { ...rest, timestampType: 'CREATE_TIME', ...given, ...place, original: place }
}

const assigned = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
]
const event = (partition: number, offset: number) =>
  sinkRecord({ partition, offset, key: `k${offset}`, value: Buffer.from(`${partition}-${offset}`) })

async function valuesIn(client: Client, topic: string): Promise<string[]> {
  const found: string[] = []
  const { partitions } = (await client.topics([topic]))[0]!
  const ids = partitions.map(each => each.partition)
  const [from, until] = [await client.offsets(topic, ids, 'earliest'), await client.offsets(topic, ids, 'latest')]
  for await (const records of client.read({ topic, from, until, committedOnly: true }))
    for (const { partition, value } of records) found.push(`${partition}:${value}`)
  return found.sort()
}

test('records go to the same partitions, once, whatever was committed in the source', async t => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  const config = { 'kafka.bootstrap.servers': broker.address, 'kafka.topic': 'copy', 'kafka.topic.partitions': '2' }
  const first = await openSink(config)
  await first.task.opened!(assigned)
  assert.deepEqual(first.sought, [])
  await first.task.put([event(0, 0), event(1, 0), event(0, 5)])
  assert.deepEqual(await first.task.flush(), [
    { topic: 't', partition: 0, offset: 6n },
    { topic: 't', partition: 1, offset: 1n },
  ])
  // Its transaction is never ended.
  await first.task.put([event(0, 6), event(1, 1)])
  const again = await openSink(config)
  t.after(() => first.task.close())
  await again.task.opened!(assigned)
  assert.deepEqual(again.sought, [
    { topic: 't', partition: 0, offset: 6n },
    { topic: 't', partition: 1, offset: 1n },
  ])
  await again.task.put([event(0, 5), event(0, 6), event(1, 1)])
  await again.task.flush()
  await assert.rejects(first.task.flush(), 'the one before is fenced')
  assert.deepEqual(await valuesIn(client, 'copy'), ['0:0-0', '0:0-5', '0:0-6', '1:1-0', '1:1-1'])
  // Given up before it is committed: others write it.
  await again.task.put([event(0, 7)])
  await again.task.closed!(assigned)
  await again.task.close()
  assert.equal((await valuesIn(client, 'copy')).length, 5)
})

test('a task that was overtaken writes nothing more, in whatever task the partition is now', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  const config = { 'kafka.bootstrap.servers': broker.address, 'kafka.topic': 'copy', 'kafka.topic.partitions': '2' }
  const [old, young] = [await openSink(config, 0), await openSink(config, 1)]
  await old.task.opened!(assigned)
  await old.task.put([event(0, 0), event(1, 0)])
  await old.task.flush()
  await old.task.put([event(0, 1), event(1, 1)])
  // It stands still, and the group goes on without it.
  await young.task.opened!([assigned[1]!])
  assert.deepEqual(young.sought, [{ topic: 't', partition: 1, offset: 1n }])
  await young.task.put([event(1, 1), event(1, 2)])
  await assert.rejects(old.task.put([event(1, 2)]), { code: 'INVALID_PRODUCER_EPOCH' })
  await assert.rejects(old.task.flush(), { code: 'PRODUCER_FENCED' })
  await young.task.flush()
  await old.task.closed!(assigned)
  // The other partition is still its own.
  await old.task.opened!([assigned[0]!])
  await old.task.put([event(0, 1), event(0, 2)])
  await old.task.flush()
  assert.deepEqual(await valuesIn(client, 'copy'), ['0:0-0', '0:0-1', '0:0-2', '1:1-0', '1:1-1', '1:1-2'])
  for (const { task } of [old, young]) await task.close()
})

test('offsets of a topic are not taken for those of another one with its name', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  const config = { 'kafka.bootstrap.servers': broker.address, 'kafka.topic': 'copy', 'kafka.topic.partitions': '2' }
  const of = (topicId: string) => [{ ...assigned[0]!, topicId }]
  const [one, other] = [await openSink(config), await openSink(config)]
  await one.task.opened!(of('before'))
  await one.task.put([event(0, 0), event(0, 1)])
  assert.deepEqual(await one.task.flush(), [{ topic: 't', partition: 0, offset: 2n }])
  await other.task.opened!(of('after'))
  assert.deepEqual(other.sought, [])
  await other.task.put([event(0, 0)])
  // Nor does one fence the other: they may be of two clusters.
  await one.task.put([event(0, 2)])
  for (const { task } of [one, other]) await task.flush()
  assert.deepEqual(await valuesIn(client, 'copy'), ['0:0-0', '0:0-0', '0:0-1', '0:0-2'])
  const again = await openSink(config)
  await again.task.opened!(of('before'))
  assert.deepEqual(again.sought, [{ topic: 't', partition: 0, offset: 3n }])
  for (const { task } of [one, other, again]) await task.close()
})

test('a record that the target refuses is reported, the others are written once', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  await client.createTopic({ name: 'small', partitions: 2, configs: new Map([['max.message.bytes', '2000']]) })
  for (const once of ['true', 'false']) {
    const { task, refused } = await openSink({
      ...{ 'kafka.bootstrap.servers': broker.address, 'kafka.topic': 'small', 'kafka.exactly.once': once },
    })
    await task.opened?.(assigned)
    await task.put([...Array(40).keys()].map(n => sinkRecord({ offset: n, value: Buffer.alloc(n === 7 ? 5_000 : 100, 'x') })))
    await task.put([sinkRecord({ offset: 40, value: Buffer.from('last') })])
    await task.flush()
    await task.close()
    assert.match(refused.join(), /^7 DataError small refuses it: [^,]+$/)
    assert.equal((await valuesIn(client, 'small')).length, once === 'true' ? 40 : 80)
  }
})

test('without transactions; what is no bytes is JSON, headers and tombstones go on', async () => {
  await using broker = await startBroker({ memory: true })
  await using client = openClient({ bootstrap: broker.address })
  const config = { 'kafka.bootstrap.servers': broker.address, 'kafka.exactly.once': 'false', 'kafka.partitioner': 'key' }
  const { task } = await openSink(config)
  const value = struct([
    ['n', 2n ** 60n],
    ['s', 'ü'],
  ])
  await task.put([
    sinkRecord({ offset: 0, key: 7, value, headers: [{ name: 'h', schema: null, value: 'x' }], timestampMs: 1_796_000_000_000n }),
    sinkRecord({ offset: 1, key: 'gone', value: null }),
  ])
  assert.equal(await task.flush(), undefined)
  await task.close()
  const from = await client.offsets('t', [0], 'earliest')
  const until = await client.offsets('t', [0], 'latest')
  const seen: string[] = []
  for await (const records of client.read({ topic: 't', from, until }))
    for (const each of records)
      seen.push(`${each.key} ${each.value} ${each.timestampMs} ${each.headers.map(({ key, value: text }) => `${key}=${text}`)}`)
  assert.deepEqual(seen, ['7 {"n":1152921504606846976,"s":"ü"} 1796000000000 h=x', 'gone null 1796000000123 '])
})

test('every login of the mirrors can be given', async () => {
  const config = {
    'kafka.bootstrap.servers': '127.0.0.1:1',
    'kafka.security.protocol': 'SASL_PLAINTEXT',
    'kafka.sasl.mechanism': 'OAUTHBEARER',
    'kafka.sasl.oauthbearer.token.endpoint.url': 'https://login.example.org/token',
    'kafka.sasl.oauthbearer.client.credentials.client.id': 'me',
  }
  await assert.rejects(openSink(config), /the client id or the client secret is missing/)
  const { task } = await openSink({ ...config, 'kafka.sasl.oauthbearer.client.credentials.client.secret': 'hush' })
  await task.close()
})

test('a transaction lasts for longer than the interval at which it is committed, by default', async () => {
  const { config } = (await connectors.find(each => each.name === 'kafka-sink')!.load()) as SinkDefinition
  const { values } = workerConfig({ 'bootstrap.servers': '127.0.0.1:9092', 'group.id': 'g' })
  assert.ok(Number(config['kafka.transaction.timeout.ms']!.default) >= 2 * values['offset.flush.interval.ms'])
})
