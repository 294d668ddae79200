/** The connectors between clusters: from one broker in this process to another, beside which a worker runs. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Client, openClient, type ReceivedRecord } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { eventually, runs, startWorkers, type TestWorker, type Workers } from './workers.ts'

let from: Millrace
let source: Client
let workers: Workers
let worker: TestWorker

before(async () => {
  from = await startBroker({ memory: true })
  source = openClient({ bootstrap: from.address })
  workers = await startWorkers()
  worker = await workers.start({ 'exactly.once.source.support': 'enabled' })
})
after(async () => {
  await workers[Symbol.asyncDispose]()
  await source.close()
  await from.close()
})

const both = () => ({
  'source.cluster.alias': 'eu',
  'source.cluster.bootstrap.servers': from.address,
  'target.cluster.alias': 'us',
  'target.cluster.bootstrap.servers': workers.bootstrap,
})

async function make(name: string, config: Record<string, string>): Promise<void> {
  const answer = await worker.insist('PUT', `/connectors/${name}/config`, config)
  assert.equal(answer.status, 201, answer.text)
}

async function recordsOf(client: Client, topic: string): Promise<ReceivedRecord[]> {
  const numbers = (await client.topics([topic]))[0]!.partitions.map(each => each.partition)
  const [start, until] = await Promise.all([client.offsets(topic, numbers, 'earliest'), client.offsets(topic, numbers, 'latest')])
  const all: ReceivedRecord[] = []
  for await (const records of client.read({ topic, from: start, until, committedOnly: true })) all.push(...records)
  return all.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
}

/** Without offsets, which differ. */
const contents = (records: readonly ReceivedRecord[]) =>
  records.map(({ partition, timestampMs, key, value, headers }) => ({
    ...{ partition, timestampMs, key: key?.toString('hex') ?? null, value: value?.toString('hex') ?? null },
    headers: headers.map(each => [String(each.key), each.value?.toString('hex') ?? null]),
  }))

async function fill(topic: string, partitions: number, count: number, tag: string): Promise<void> {
  const records = Array.from({ length: count }, (_, at) => ({
    ...{ partition: at % partitions, key: at % 5 === 0 ? null : Buffer.from(`k${at}`), timestampMs: 1_600_000_000_000n + BigInt(at) },
    value: at % 7 === 0 ? null : Buffer.from(`${tag}${at}`),
    headers: at % 3 === 0 ? [] : [{ key: Buffer.from('h'), value: at % 2 === 0 ? null : Buffer.from([at % 256, 255]) }],
  }))
  for (let at = 0; at < count; at += 20) await source.send(topic, records.slice(at, at + 20))
}

/** Some records of a transaction, of which readers see none if it is aborted. */
async function transaction(topic: string, value: string, isCommitted: boolean): Promise<void> {
  const writer = await source.openTransactionalWriter({ transactionalId: 'tx', transactionTimeoutMs: 10_000, patienceMs: 5_000 })
  await writer.send(
    topic,
    [0, 1, 2].map(partition => ({ partition, key: null, value: Buffer.from(value) })),
  )
  await (isCommitted ? writer.commit() : writer.abort())
  await writer.close()
}

/** Resolves when both have the same committed records. */
async function same(topic: string, remote: string): Promise<void> {
  const wanted = contents(await recordsOf(source, topic))
  await workers.stored(remote, wanted.length)
  assert.deepEqual(contents(await recordsOf(workers.client, remote)), wanted)
}

test('records come once, with configs, though tasks are started again; new topics are found', async () => {
  await source.createTopic({ name: 'orders', partitions: 3, configs: new Map([['retention.ms', '123456789000']]) })
  await fill('orders', 3, 300, 'a')
  await transaction('orders', 'aborted', false)
  await transaction('orders', 'committed', true)
  await make('mirror', {
    ...both(),
    'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector',
    topics: 'orders.*, absent',
    'topics.exclude': '.*-private',
    'tasks.max': '2',
    'exactly.once.support': 'required',
    'refresh.topics.interval.seconds': '1',
  })
  await worker.until('mirror', runs(2))
  await same('orders', 'eu.orders')
  const [info] = await workers.client.topics(['eu.orders'])
  assert.equal(info!.partitions.length, 3)
  const configs = await workers.client.configs({ type: 'TOPIC', name: 'eu.orders' })
  assert.equal(configs.find(each => each.name === 'retention.ms')?.value, '123456789000')

  const filling = fill('orders', 3, 400, 'b')
  await worker.insist('POST', '/connectors/mirror/restart?includeTasks=true')
  await filling
  await source.createTopic({ name: 'orders-private' })
  await source.createTopic({ name: 'orders.new', partitions: 1 })
  await source.send('orders.new', [{ key: null, value: Buffer.from('first') }])
  await same('orders.new', 'eu.orders.new')
  await same('orders', 'eu.orders')
  assert.ok(!(await workers.client.topicNames()).includes('eu.orders-private'))
})

test('a mirror that begins at the end begins there, also if it is stopped before it has copied anything', async () => {
  await source.createTopic({ name: 'newest', partitions: 2 })
  await source.send('newest', [{ partition: 0, key: null, value: Buffer.from('old') }])
  const config = { 'connector.class': 'mirror-source', topics: 'newest', 'consumer.auto.offset.reset': 'latest' }
  await make('newest', { ...both(), ...config })
  const begun = async () => {
    const { offsets } = (await worker.insist('GET', '/connectors/newest/offsets')).body
    return offsets.map((each: { offset: { offset: number } }) => each.offset.offset).sort()
  }
  await eventually(async () => JSON.stringify(await begun()) === '[-1,0]')
  await worker.insist('PUT', '/connectors/newest/stop')
  await worker.until('newest', ({ connector, tasks }) => connector.state === 'STOPPED' && tasks.length === 0)
  await source.send(
    'newest',
    [0, 1].map(partition => ({ partition, key: null, value: Buffer.from(`new${partition}`) })),
  )
  await worker.insist('PUT', '/connectors/newest/resume')
  const found = await workers.stored('eu.newest', 2)
  assert.deepEqual(found.map(({ partition, value }) => `${partition} ${value}`).sort(), ['0 new0', '1 new1'])
  await worker.ask('DELETE', '/connectors/newest')
})

test('a topic that was made again in the source is copied from its beginning, though it is longer than what was copied', async () => {
  const values = async () => (await recordsOf(workers.client, 'eu.again')).map(({ value }) => String(value))
  const remake = async (tag: string) => {
    await source.deleteTopics(['again'])
    await source.createTopic({ name: 'again', partitions: 1 })
    await source.send(
      'again',
      [0, 1, 2, 3].map(n => ({ key: null, value: Buffer.from(`${tag}${n}`) })),
    )
  }
  await source.createTopic({ name: 'again', partitions: 1 })
  await source.send(
    'again',
    [0, 1].map(n => ({ key: null, value: Buffer.from(`a${n}`) })),
  )
  await make('again', { ...both(), 'connector.class': 'mirror-source', topics: 'again' })
  await workers.stored('eu.again', 2)
  // While it is read, and while nobody reads.
  await remake('b')
  await workers.stored('eu.again', 6)
  await worker.insist('PUT', '/connectors/again/stop')
  await worker.until('again', ({ connector, tasks }) => connector.state === 'STOPPED' && tasks.length === 0)
  await remake('c')
  await worker.insist('PUT', '/connectors/again/resume')
  await workers.stored('eu.again', 10)
  assert.deepEqual(await values(), ['a0', 'a1', 'b0', 'b1', 'b2', 'b3', 'c0', 'c1', 'c2', 'c3'])
  await worker.ask('DELETE', '/connectors/again')
})

test('offsets of groups are translated exactly, and committed for groups without members', async () => {
  // Into the middle of what the first case has copied, behind an aborted transaction, and at the end.
  const ends = await source.offsets('orders', [0, 1, 2], 'latest')
  const committed = [150n, 103n, ends.get(2)!]
  await source.setGroupOffsets(
    'readers',
    committed.map((offset, partition) => ({ topic: 'orders', partition, offset })),
  )
  await make('checkpoint', {
    ...both(),
    'connector.class': 'MirrorCheckpointConnector',
    'emit.checkpoints.interval.seconds': '1',
    'sync.group.offsets.enabled': 'true',
    'sync.group.offsets.interval.seconds': '1',
  })
  const translated = async () =>
    (await workers.client.groupOffsets('readers', 'classic').catch(() => [])).filter(each => each.topic === 'eu.orders')
  const [here, there] = [await recordsOf(workers.client, 'eu.orders'), await recordsOf(source, 'orders')]
  const left = (records: readonly ReceivedRecord[], partition: number, offset: bigint) =>
    records.filter(each => each.partition === partition && each.offset >= offset).length
  // What the mirror has told in its last second comes with a later round; each round is exact or before the record.
  const wanted = committed.map((offset, partition) => left(there, partition, offset))
  await eventually(async () => {
    const found = (await translated()).map(({ partition, offset }) => [partition, left(here, partition, offset)] as const)
    for (const [partition, some] of found) assert.ok(some >= wanted[partition]!, `partition ${partition} would skip records`)
    return found.length === 3 && found.every(([partition, some]) => some === wanted[partition])
  })
  const checkpoints = await workers.stored('eu.checkpoints.internal', 3)
  assert.ok(checkpoints.every(({ key }) => key!.subarray(0, 9).equals(Buffer.from('\0\x07readers'))))
})

test('a heartbeat every second, in the format of MirrorMaker', async () => {
  await make('heart', { ...both(), 'connector.class': 'MirrorHeartbeatConnector' })
  const [first, second] = await workers.stored('heartbeats', 2)
  assert.deepEqual([String(first!.key), first!.value!.length], ['\0\x02eu\0\x02us', 10])
  assert.ok(second!.value!.readBigInt64BE(2) > first!.value!.readBigInt64BE(2))
  await worker.ask('DELETE', '/connectors/heart')
})

test('a mirror goes on where Java’s was, and topics may keep their names', async () => {
  await source.createTopic({ name: 'taken', partitions: 1 })
  await fill('taken', 1, 20, 'x')
  const config = {
    ...both(),
    'connector.class': 'mirror-source',
    topics: 'taken',
    'replication.policy.class': 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy',
    'emit.offset-syncs.enabled': 'false',
  }
  const created = await worker.insist('POST', '/connectors', { name: 'taken', config, initial_state: 'STOPPED' })
  assert.equal(created.status, 201, created.text)
  await worker.until('taken', ({ connector }) => connector.state === 'STOPPED')
  const offsets = [{ partition: { cluster: 'eu', topic: 'taken', partition: 0 }, offset: { offset: 14 } }]
  assert.equal((await worker.insist('PATCH', '/connectors/taken/offsets', { offsets })).status, 200)
  await worker.insist('PUT', '/connectors/taken/resume')
  const records = await workers.stored('taken', 5)
  assert.deepEqual(contents(records), contents((await recordsOf(source, 'taken')).slice(15)))
})

test('records go to another Kafka than that of the worker, which remembers how far they are', async () => {
  await workers.client.createTopic({ name: 'outward', partitions: 1 })
  const send = (values: string[]) =>
    workers.client.send(
      'outward',
      values.map(each => ({ key: null, value: Buffer.from(each) })),
    )
  await send(['a', 'b', 'c'])
  const config = {
    'source.cluster.alias': 'us',
    'source.cluster.bootstrap.servers': workers.bootstrap,
    'target.cluster.alias': 'eu',
    'target.cluster.bootstrap.servers': from.address,
    'producer.override.bootstrap.servers': from.address,
    'connector.class': 'mirror-source',
    topics: 'outward',
  }
  await make('outward', config)
  const arrived = async () => {
    const isThere = (await source.topicNames()).includes('us.outward')
    return isThere ? (await recordsOf(source, 'us.outward')).map(each => String(each.value)) : []
  }
  await eventually(async () => (await arrived()).length === 3)
  await eventually(async () => (await worker.ask('GET', '/connectors/outward/offsets')).text.includes('"topic":"outward"'))
  await worker.insist('POST', '/connectors/outward/restart?includeTasks=true')
  await send(['d'])
  await eventually(async () => (await arrived()).includes('d'))
  assert.deepEqual(await arrived(), ['a', 'b', 'c', 'd'])
  const path = '/connector-plugins/mirror-source/config/validate'
  const { body } = await worker.ask('PUT', path, { ...config, name: 'x', 'exactly.once.support': 'required' })
  const found = body.configs.find((each: { value: { name: string } }) => each.value.name === 'exactly.once.support')
  assert.match(found.value.errors.join(), /at least once\. Run a worker at that Kafka/)
})

test('a cluster is not copied into itself', async () => {
  const same = { 'source.cluster.bootstrap.servers': workers.bootstrap, 'target.cluster.bootstrap.servers': workers.bootstrap }
  await make('circle', { ...both(), ...same, 'connector.class': 'mirror-source', topics: 'orders' })
  const { connector } = await worker.until('circle', status => status.connector.state === 'FAILED')
  assert.match(connector.trace, /source and target are the same cluster/)
  await worker.insist('DELETE', '/connectors/circle')
})

test('what cannot be is refused by its key', async () => {
  const config: Record<string, string> = { ...both(), 'connector.class': 'mirror-source', name: 'bad' }
  const problems: [Record<string, string>, string, RegExp][] = [
    [{ 'source.cluster.bootstrap.servers': 'nowhere' }, 'source.cluster.bootstrap.servers', /must be HOST:PORT/],
    [{ 'source.cluster.bootstrap.servers': '' }, 'source.cluster.bootstrap.servers', /String must be non-empty/],
    [{ 'target.cluster.alias': 'eu' }, 'target.cluster.alias', /must not be that of the source/],
    [{ topics: '(?!x).*' }, 'topics', /invalid|Invalid/i],
    [
      { 'replication.policy.class': 'com.example.Ours' },
      'replication.policy.class',
      /DefaultReplicationPolicy or IdentityReplicationPolicy/,
    ],
    [
      { 'consumer.isolation.level': 'read_uncommitted', 'exactly.once.support': 'required' },
      'exactly.once.support',
      /does not support exactly-once/,
    ],
  ]
  for (const [changed, key, text] of problems) {
    const { body } = await worker.ask('PUT', '/connector-plugins/mirror-source/config/validate', { ...config, ...changed })
    const found = body.configs.find((each: { value: { name: string } }) => each.value.name === key)
    assert.match(found.value.errors.join(), text, key)
  }
  const secret = { 'source.cluster.sasl.jaas.config': 'x required password="hush";' }
  const { text } = await worker.ask('PUT', '/connector-plugins/mirror-source/config/validate', { ...config, ...secret })
  assert.ok(!text.includes('hush'))
})
