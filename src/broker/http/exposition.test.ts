import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { mock, type TestContext, test } from 'node:test'
import { DiskError, Durations, durationBoundsMs, realSystem, type Timers, Turns } from '../../base.ts'
import type { PartitionLog } from '../../log.ts'
import type { Broker } from '../dispatch/context.ts'
import { BrokerMetrics } from '../metrics.ts'
import { readGroups } from './exposition/groups.ts'
import { LagAges } from './exposition/lag-age.ts'
import { quantile, Recent } from './exposition/recent.ts'
import { labelText } from './exposition/text.ts'
import { exposition } from './exposition.ts'
import { type HttpEndpoint, startHttp } from './http.ts'
import { Pages } from './pages.ts'

function partitionLog(topic: string, partition: number, end: number): PartitionLog {
  const header = Buffer.alloc(61)
  header[16] = 2
  const read = (offset: number) => {
    header.writeBigInt64BE(BigInt(Date.now() - 1000 * (end - offset)), 27)
    return { chunks: [header], release() {} }
  }
  const log = {
    topic,
    partition,
    offline: null,
    logStartOffset: 2,
    highWatermark: end,
    logEndOffset: end,
    sizeBytes: () => 100 * end,
    read,
  }
  return log as unknown as PartitionLog
}

const theClient = {
  client_id: 'c',
  client_instance_id: 'i',
  client_software_name: 's',
  client_software_version: '1',
  client_source_address: '',
}

const syncs = new Durations()
for (const ms of [0.5, 3]) syncs.add(ms)
const stalls = new Durations()
stalls.add(30)

function brokerWith(partitionsOf: Record<string, number>): Broker {
  const topics = Object.entries(partitionsOf).map(([name, count]) => ({
    name,
    partitions: Array.from({ length: count }, (_, index) => ({
      index,
      leader: 7,
      replicas: [7],
      isr: [7],
      log: partitionLog(name, index, 10 + index),
    })),
  }))
  const broker = {
    system: realSystem(),
    turns: new Turns(realSystem()),
    metrics: new BrokerMetrics(),
    telemetry: {
      series: () => [{ name: 'org.apache.kafka.a.b', attributes: [['k-1', 'v']], value: 7, isCounter: true, client: theClient }].values(),
    },
    self: { id: 7, advertised: () => ({ host: 'broker.example', port: 9092 }) },
    config: { listeners: [{ name: 'PLAINTEXT' }] },
    log: { pressure: { on: true }, space: { freeBytes: 5000, floorBytes: 400 }, journal: { frames: 3, bytes: 300, syncs } },
    logger: { error() {} },
    stalls: { durations: stalls },
    requestMemory: { heldBytes: 500 },
    responseMemory: { heldBytes: 600 },
    largeRequests: { waiting: 3 },
    metadata: {
      topics: () => topics,
      topic: (name: string) => topics.find(each => each.name === name),
      brokers: () => [{ id: 7, fenced: false }],
      partitionCount: topics.reduce((sum, { partitions }) => sum + partitions.length, 0),
    },
    shares: { position: async () => ({ startOffset: 3, deliveryCompleteCount: 2 }) },
    peers: null,
    cluster: null,
    groups: {
      listGroups: async () => [{ groupId: 'a "group"' }, { groupId: 'loading' }, { groupId: 'shared', groupType: 'share' }],
      shareGroupTopics: async () => new Map([['id', { name: 'orders', partitions: new Set([0]) }]]),
      memberCount: async (group: string) => {
        if (group === 'loading') throw new Error('still loading')
        return 2
      },
      fetchOffsets: async () => [
        {
          name: 'orders',
          partitions: [{ partitionIndex: 0, committedOffset: 4 }],
        },
        { name: 'gone', partitions: [{ partitionIndex: 0, committedOffset: 1 }] },
      ],
    },
  }
  return broker as unknown as Broker
}

async function pageOf(broker: Broker): Promise<string[]> {
  const page = exposition(broker)
  let text = ''
  for await (const piece of page.render()) text += piece
  page.close()
  return text.split('\n')
}

test('samples carry the names and labels that dashboards for Kafka query', async () => {
  const broker = brokerWith({ orders: 2 })
  broker.metrics.produced('orders', 3, 300)
  broker.metrics.fetched('orders', 100)
  broker.metrics.produced('deleted', 1, 10)
  broker.metrics.request('Fetch', 3)
  broker.metrics.request('Fetch', 3)
  broker.metrics.requestFailed('Fetch')
  broker.metrics.connections.add({ listener: 'PLAINTEXT', bytesIn: 0, bytesOut: 0 })
  const lines = await pageOf(broker)
  for (const expected of [
    'kafka_client_a_b{k_1="v",client_id="c",client_instance_id="i",client_software_name="s",client_software_version="1"} 7',
    'kafka_server_brokertopicmetrics_messagesin_total 4',
    'kafka_server_brokertopicmetrics_messagesin_total{topic="orders"} 3',
    'kafka_server_brokertopicmetrics_bytesin_total{topic="orders"} 300',
    'kafka_server_brokertopicmetrics_bytesout_total{topic="orders"} 100',
    'kafka_network_requestmetrics_requests_total{request="FetchConsumer"} 2',
    'kafka_network_requestmetrics_errors_total{request="Fetch"} 1',
    'kafka_network_requestmetrics_totaltimems{request="Fetch",quantile="0.5"} 3',
    'kafka_network_requestmetrics_totaltimems_count{request="Fetch"} 2',
    'millrace_request_duration_seconds_bucket{request="Fetch",le="0.002"} 0',
    'millrace_request_duration_seconds_bucket{request="Fetch",le="0.004"} 2',
    'kafka_server_replicamanager_partitioncount 2',
    'kafka_controller_kafkacontroller_activecontrollercount 1',
    'kafka_server_socket_server_metrics_connection_count{listener="PLAINTEXT"} 1',
    'kafka_broker_info{id="7",address="broker.example:9092"} 1',
    'kafka_topic_partitions{topic="orders"} 2',
    'kafka_topic_partition_current_offset{topic="orders",partition="1"} 11',
    'kafka_topic_partition_oldest_offset{topic="orders",partition="0"} 2',
    'kafka_topic_partition_in_sync_replica{topic="orders",partition="0"} 1',
    'kafka_log_log_size{topic="orders",partition="0"} 1000',
    'kafka_consumergroup_members{consumergroup="a \\"group\\""} 2',
    'kafka_consumergroup_current_offset{consumergroup="a \\"group\\"",topic="orders",partition="0"} 4',
    'kafka_consumergroup_lag{consumergroup="a \\"group\\"",topic="orders",partition="0"} 6',
    'kafka_consumergroup_current_offset{consumergroup="a \\"group\\"",topic="orders",partition="1"} -1',
    'kafka_consumergroup_lag{consumergroup="a \\"group\\"",topic="orders",partition="1"} 9',
    'kafka_consumergroup_lag_sum{consumergroup="a \\"group\\"",topic="orders"} 15',
    'kafka_consumergroup_current_offset_sum{consumergroup="a \\"group\\"",topic="orders"} 4',
    'millrace_sharegroup_members{group="shared"} 2',
    'millrace_sharegroup_start_offset{group="shared",topic="orders",partition="0"} 3',
    'millrace_sharegroup_lag{group="shared",topic="orders",partition="0"} 5',
    'kafka_server_brokertopicmetrics_messagesinpersec_total{topic="orders"} 3',
    'kafka_server_brokertopicmetrics_failedfetchrequestspersec_total{topic="orders"} 0',
    'kafka_cluster_partition_atminisr{topic="orders",partition="0"} 1',
    'kafka_log_logmanager_offlinelogdirectorycount 0',
    'millrace_log_pressure 1',
    'millrace_request_memory_bytes 500',
    'millrace_response_memory_bytes 600',
    'millrace_large_requests_waiting 3',
    'millrace_connections_closed_for_memory_total 0',
    'millrace_journal_frames_total 3',
    'millrace_journal_bytes_total 300',
    'millrace_journal_sync_duration_seconds_bucket{le="0.0005"} 1',
    'millrace_journal_sync_duration_seconds_bucket{le="0.004"} 2',
    'millrace_journal_sync_duration_seconds_sum 0.0035',
    'millrace_event_loop_stall_seconds_bucket{le="0.016"} 0',
    'millrace_event_loop_stall_seconds_bucket{le="0.032"} 1',
  ]) {
    assert.ok(lines.includes(expected), expected)
  }
  assert.ok(!lines.some(line => /topic="(?:deleted|gone)"/.test(line)), 'series of topics that do not exist')
  assert.ok(!lines.some(line => /consumergroup="loading"/.test(line)), 'a group that is loading')
  assert.ok(lines.some(line => /^process_resident_memory_bytes \d+/.test(line)))
  assert.ok(lines.some(line => /^nodejs_eventloop_lag_p99_seconds /.test(line)))
})

test('partitions whose log is on another broker have no samples here', async () => {
  const broker = brokerWith({ orders: 3 })
  Object.assign(broker.metadata.topic('orders')!.partitions[1]!, { leader: 8, log: null })
  Object.assign(broker.metadata, { brokers: () => [6, 7, 8].map(id => ({ id, fenced: id === 8 })) })
  const lines = await pageOf(broker)
  for (const expected of [
    'kafka_server_replicamanager_leadercount 2',
    'kafka_controller_kafkacontroller_activecontrollercount 0',
    'kafka_controller_kafkacontroller_activebrokercount 2',
    'kafka_controller_kafkacontroller_globalpartitioncount 3',
    'kafka_topic_partitions{topic="orders"} 3',
    'kafka_topic_partition_current_offset{topic="orders",partition="2"} 12',
    'kafka_consumergroup_lag_sum{consumergroup="a \\"group\\"",topic="orders"} 16',
  ]) {
    assert.ok(lines.includes(expected), expected)
  }
  assert.ok(!lines.some(line => line.includes('partition="1"')))
})

test('the lag in seconds is the age of the next record, and only what has moved is read again', async () => {
  const broker = brokerWith({ orders: 2 })
  const page = exposition(broker)
  const ages = async () => {
    let text = ''
    for await (const piece of page.render()) text += piece
    return Array.from(text.matchAll(/^kafka_consumergroup_lag_seconds\{.*partition="(\d)"\} (.+)$/gm), ([, partition, value]) => [
      partition,
      Math.round(Number(value)),
    ])
  }
  const read = mock.method(broker.metadata.topic('orders')!.partitions[0]!.log!, 'read')
  assert.deepEqual(await ages(), [
    ['0', 6],
    ['1', 9],
  ])
  await ages()
  assert.equal(read.mock.callCount(), 1)
  page.close()
})

test('the page obeys the text format: one block per family, every sample parses', async () => {
  const lines = await pageOf(brokerWith({ orders: 2, empty: 0 }))
  const seen = new Set<string>()
  let family = ''
  for (const line of lines) {
    const type = /^# TYPE (\S+) (?:counter|gauge|summary|histogram)$/.exec(line)
    if (type !== null) {
      family = type[1]!
      assert.ok(!seen.has(family), `${family} is there twice`)
      seen.add(family)
    } else if (line !== '' && !line.startsWith('#')) {
      assert.match(
        line,
        /^[a-z_][a-z0-9_]*(?:\{(?:[a-z][a-z0-9_]*="(?:[^"\\\n]|\\.)*",?)+\})? (?:[-+]?[0-9.]+(?:e[-+]?\d+)?|NaN|Nan|[+-]Inf)$/,
      )
      assert.ok(line.startsWith(family), `${line} is not of the family ${family}`)
    }
  }
})

test('10,000 partitions come in pieces, with turns of the event loop between them', async () => {
  const page = exposition(brokerWith({ wide: 10_000 }))
  let turns = 0
  let rendering = true
  const tick = () => {
    turns++
    if (rendering) setImmediate(tick)
  }
  setImmediate(tick)
  let pieces = 0
  let lines = 0
  for await (const piece of page.render()) {
    pieces++
    lines += piece.split('\n').length - 1
    assert.ok(piece.length < 200_000, `a piece of ${piece.length}`)
  }
  rendering = false
  page.close()
  assert.ok(lines > 120_000, `${lines} lines`)
  assert.ok(pieces > 50 && turns > 5, `${pieces} pieces in ${turns} turns`)
})

/** Over before any work; counts who waits. */
function endlessTurns(): { turns: Turns; waits: () => number } {
  let waits = 0
  const turns = {
    over: true,
    async next() {
      waits++
      await new Promise(resolve => setImmediate(resolve))
    },
  }
  return { turns: turns as Turns, waits: () => waits }
}

test('the lag of the partitions of one topic is looked at in turns', async () => {
  const { turns, waits } = endlessTurns()
  await readGroups({ ...brokerWith({ orders: 300 }), turns }, new LagAges())
  assert.ok(waits() >= 300, `${waits()} turns`)
})

test('groups that have a commit in a wide topic cannot make the page as long as they like', async () => {
  const broker = brokerWith({ orders: 40_000 })
  broker.groups.listGroups = async () => Array.from({ length: 5 }, (_, n) => ({ groupId: `g${n}`, groupType: 'consumer' })) as never
  const lines = await pageOf(broker)
  assert.equal(lines.filter(line => line.startsWith('kafka_consumergroup_lag{')).length, 80_000)
  assert.ok(lines.includes('millrace_groups_omitted 3'))
  assert.ok(lines.includes('kafka_coordinator_group_groupmetadatamanager_numgroups 5'))
})

test('the partitions of a group that is omitted are not read first', async () => {
  const { turns, waits } = endlessTurns()
  const broker = { ...brokerWith({ orders: 51_000, returns: 51_000 }), turns }
  broker.groups.fetchOffsets = async () => ['orders', 'returns'].map(name => ({ name, partitions: [] })) as never
  broker.groups.listGroups = async () => [{ groupId: 'group', groupType: 'consumer' }] as never
  const { rows, omitted } = await readGroups(broker, new LagAges())
  assert.deepEqual([rows, omitted], [[], 1])
  assert.ok(waits() < 10, `${waits()} turns`)
})

test('a process that may not read its own disk counters still serves the page', async () => {
  const system = realSystem()
  const readFile = (path: string): never => {
    throw new DiskError('read', path, 'EACCES')
  }
  const lines = await pageOf({ ...brokerWith({}), system: { ...system, files: { ...system.files, readFile } } })
  assert.ok(lines.includes('kafka_brokers 1'))
})

test('quantiles forget', () => {
  const metrics = new BrokerMetrics()
  const recent = new Recent(0, 0)
  for (let i = 0; i < 100; i++) metrics.request('Produce', 1000)
  const counts = metrics.requests.get('Produce')!
  assert.ok(quantile(recent.buckets('Produce', counts), 0.5) > 500)
  recent.advance(60_000, metrics.requests, 0)
  recent.advance(120_000, metrics.requests, 6_000)
  assert.ok(Number.isNaN(quantile(recent.buckets('Produce', counts), 0.5)), 'nothing came since')
  metrics.request('Produce', 0.1)
  assert.ok(quantile(recent.buckets('Produce', counts), 0.99) <= 0.25)
  assert.equal(recent.idleShare(180_000, 60_000), 0.5)
})

test('quantiles are within their bucket; beyond the last bound they are the last bound', () => {
  const buckets = new Uint32Array(durationBoundsMs.length + 1)
  buckets[4] = 10
  assert.equal(quantile(buckets, 0.5), 3)
  assert.equal(quantile(buckets, 1), 4)
  buckets[buckets.length - 1] = 1000
  assert.equal(quantile(buckets, 0.99), 4096)
})

test('labels are escaped', () => {
  assert.equal(labelText({ group: 'a\\b"c\nd', n: 1 }), '{group="a\\\\b\\"c\\nd",n="1"}')
  assert.equal(labelText({}), '')
})

async function listen(t: TestContext, port = 0, given: { timers?: Timers; turns?: Turns } = {}): Promise<HttpEndpoint> {
  const { timers } = realSystem()
  const logger = { error: assert.fail, debug() {} }
  const endpoint = await startHttp({ host: '127.0.0.1', port, logger, timers, turns: new Turns(realSystem()), ...given })
  t.after(() => endpoint.close())
  return endpoint
}

test('the HTTP endpoint answers three paths and refuses the rest', async t => {
  const endpoint = await listen(t)
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${endpoint.port}${path}`, init)
  const notReady = await get('/health/ready')
  assert.equal(notReady.status, 503)
  assert.deepEqual(await notReady.json(), { ready: false, reason: 'the broker is starting' })
  assert.equal((await get('/health/live')).status, 200)
  const early = await get('/metrics')
  assert.equal(early.status, 503)
  assert.deepEqual(await early.json(), { error: 'the broker is starting' })
  endpoint.setMetrics(exposition(brokerWith({ orders: 1 })))
  endpoint.setReadiness(() => null)
  assert.deepEqual(await (await get('/health/ready')).json(), { ready: true })
  const metrics = await get('/metrics?name=x')
  assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(await metrics.text(), /^kafka_brokers 1$/m)
  const head = await get('/metrics', { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(await head.text(), '')
  assert.equal((await get('/')).status, 404)
  const post = await get('/metrics', { method: 'POST', body: 'x' })
  assert.equal(post.status, 405)
  assert.equal(post.headers.get('allow'), 'GET, HEAD')
  assert.equal((await get('/metrics', { headers: { x: 'y'.repeat(9_000) } })).status, 431)
})

test('a probe can connect, however many idle connections there are', async t => {
  const endpoint = await listen(t)
  const silent = await Promise.all(Array.from({ length: 100 }, () => connectTo(endpoint.port)))
  for (const socket of silent) socket.resume()
  t.after(() => {
    for (const socket of silent) socket.destroy()
  })
  assert.equal((await fetch(`http://127.0.0.1:${endpoint.port}/health/live`)).status, 200)
  await until(() => silent.filter(({ closed }) => closed).length >= 37)
})

test('simultaneous scrapes share one page, which is written once', async t => {
  // So large that it takes some turns to write.
  const broker = brokerWith({ orders: 5_000 })
  let pages = 0
  const listGroups = broker.groups.listGroups.bind(broker.groups)
  broker.groups.listGroups = (...args: Parameters<typeof listGroups>) => {
    pages++
    return listGroups(...args)
  }
  const endpoint = await listen(t)
  endpoint.setMetrics(exposition(broker))
  const sockets = await Promise.all(Array.from({ length: 20 }, () => connectTo(endpoint.port)))
  const answers = sockets.map(async socket => {
    socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const data of socket) text += data
    return text
  })
  for (const answer of await Promise.all(answers)) assert.match(answer, /^kafka_brokers 1$/m)
  assert.ok(pages < 20, `${pages} pages`)
})

test('scrapers that wait for the same page take turns to send each piece of it', async t => {
  const { turns, waits } = endlessTurns()
  const endpoint = await listen(t, 0, { turns })
  async function* render() {
    for (let n = 0; n < 10; n++) yield 'x'.repeat(1_000)
  }
  endpoint.setMetrics({ contentType: 'text/plain', render, close() {} })
  const texts = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(`http://127.0.0.1:${endpoint.port}/metrics`)).text()))
  for (const text of texts) assert.equal(text.length, 10_000)
  assert.equal(waits(), 200)
})

test('while two pages are being read, further scrapers get the later one', async () => {
  let written = 0
  const pages = new Pages(async function* () {
    yield String(++written)
  })
  const ends: (() => void)[] = []
  const seen: string[] = []
  const scrape = () =>
    pages.lend(([text]) => {
      seen.push(String(text))
      return new Promise(resolve => ends.push(resolve))
    })
  const reading: Promise<void>[] = []
  for (let n = 1; n <= 4; n++) {
    reading.push(scrape())
    await until(() => seen.length === n)
  }
  assert.deepEqual(seen, ['1', '2', '2', '2'])
  ends[0]!()
  await reading[0]
  reading.push(scrape())
  await until(() => seen.length === 5)
  assert.equal(seen.at(-1), '3')
  for (const end of ends) end()
  await Promise.all(reading)
})

test('a client that does not read a response, or sends more requests before it, loses its connection', async t => {
  const deadlines: (() => void)[] = []
  const { timers } = realSystem()
  const after = (delayMs: number, callback: () => void) => {
    if (delayMs === 10_000) deadlines.push(callback)
    return timers.after(delayMs, callback)
  }
  const endpoint = await listen(t, 0, { timers: { soon: callback => timers.soon(callback), after } })
  // So large that it takes some turns to write.
  endpoint.setMetrics(exposition(brokerWith({ orders: 20_000 })))
  const socket = (await connectTo(endpoint.port)).resume()
  socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => deadlines.length === 1)
  deadlines[0]!()
  await until(() => socket.closed)
  const hasty = (await connectTo(endpoint.port)).resume()
  hasty.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100))
  await until(() => hasty.closed)
})

test('a client that ends its side of the connection gets the whole response, and no connection stays', async t => {
  const { turns } = endlessTurns()
  const endpoint = await listen(t, 0, { turns })
  async function* render() {
    for (let n = 0; n < 100; n++) yield 'x'.repeat(10_000)
  }
  endpoint.setMetrics({ contentType: 'text/plain', render, close() {} })
  const answers = ['/metrics', '/health/live'].map(async path => {
    const socket = await connectTo(endpoint.port)
    socket.end(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    let text = ''
    for await (const data of socket) text += data
    return text
  })
  const [page, live] = await Promise.all(answers)
  assert.equal(page?.split('\r\n\r\n')[1]?.length, 1_000_000)
  assert.match(live ?? '', /\{"live":true\}\n/)
  const silent = await connectTo(endpoint.port)
  silent.resume().end()
  await until(() => silent.closed)
})

async function connectTo(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket.on('error', () => {})
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) await new Promise(resolve => setTimeout(resolve, 4))
  assert.ok(condition(), `gave up waiting: ${condition}`)
}

test('a port that is taken is named together with its key', async t => {
  const first = await listen(t)
  const second = listen(t, first.port)
  await assert.rejects(second, new RegExp(`cannot listen on 127.0.0.1:${first.port} \\(http.listen\\)`))
})
