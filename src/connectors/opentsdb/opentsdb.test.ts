import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { struct } from '../../connector.ts'
import { openSink, sinkRecord } from '../../connector-testing.ts'
import { startServer } from '../http-server.testing.ts'
import { opentsdb } from './opentsdb.ts'

interface SentPoint {
  metric: string
  timestamp: number
  value: number
  tags: Record<string, string>
}

const pointsOf = (body: Buffer) => JSON.parse(body.toString()) as SentPoint[]
const templates = { 'metric.name': 'web.${topic}', 'metric.value': '${value.ms}', 'metric.tags': 'host=${value.host},dc=${header.dc:-}' }
const event = (offset: bigint, host: string, ms: number | bigint | string | null) =>
  sinkRecord({
    offset,
    timestampMs: 1_796_000_000_123n,
    value: struct([
      ['host', host],
      ['ms', ms],
    ]),
  })

test('points are made by templates, with all digits', async t => {
  const server = await startServer(t, () => ({ status: 204 }))
  const { task, reported } = await openSink(opentsdb, { 'connection.url': server.url, ...templates })
  await task.put([
    event(0n, 'a', 1.5),
    event(1n, 'b', 9_007_199_254_740_993n),
    event(2n, 'c', '7'),
    event(3n, 'd', 'x'),
    event(4n, 'e', null),
    sinkRecord({ offset: 5n }),
  ])
  const [{ path, body }] = server.asked as [(typeof server.asked)[number]]
  assert.equal(path, '/api/put?details&sync&sync_timeout=20000')
  assert.equal(
    body.toString(),
    '[{"metric":"web.t","timestamp":1796000000123,"value":1.5,"tags":{"host":"a"}},' +
      '{"metric":"web.t","timestamp":1796000000123,"value":9007199254740993,"tags":{"host":"b"}},' +
      '{"metric":"web.t","timestamp":1796000000123,"value":7,"tags":{"host":"c"}}]',
  )
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [3n, 4n],
  )
  await task.close()
})

test('each numeric field can be a metric; seconds, gzip and legal characters', async t => {
  const server = await startServer(t, () => ({ status: 204 }))
  const { task } = await openSink(opentsdb, {
    'connection.url': server.url,
    'metric.name': 'cpu',
    'metric.fields': '*',
    'metric.tags': 'host=${value.host}',
    'metric.timestamp': '${value.at}',
    'timestamp.precision': 's',
    'compression.type': 'gzip',
    'illegal.characters.replacement': '_',
  })
  await task.put([
    sinkRecord({
      value: struct([
        ['host', 'a b'],
        ['at', '2026-11-30T00:00:00.999Z'],
        ['user', 1],
        ['idle', 2.5],
      ]),
    }),
  ])
  assert.deepEqual(pointsOf(gunzipSync(server.asked[0]!.body)), [
    { metric: 'cpu.user', timestamp: 1_795_996_800, value: 1, tags: { host: 'a_b' } },
    { metric: 'cpu.idle', timestamp: 1_795_996_800, value: 2.5, tags: { host: 'a_b' } },
  ])
  await task.close()
})

test('records can be data points already, in any form', async t => {
  const server = await startServer(t, () => ({ status: 204 }))
  const { task, reported } = await openSink(opentsdb, { 'connection.url': server.url })
  const text = '{"metric":"m","timestamp":1796000000,"value":9007199254740993,"tags":{"host":"a"}}'
  await task.put([
    sinkRecord({ value: `[${text},${text}]` }),
    sinkRecord({ offset: 1n, value: Buffer.from(text) }),
    sinkRecord({
      offset: 2n,
      value: struct([
        ['metric', 'n'],
        ['timestamp', 1_796_000_000_123n],
        ['value', 1],
        ['tags', struct([['host', 'b']])],
      ]),
    }),
    sinkRecord({ offset: 3n, value: 'no json' }),
    sinkRecord({ offset: 4n, value: '{"metric":"m"}' }),
  ])
  const body = server.asked[0]!.body.toString()
  assert.equal(body.split('"value":9007199254740993').length, 4)
  assert.match(body, /"metric":"n","timestamp":1796000000123/)
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [3n, 4n],
  )
  await task.close()
})

test('points that the daemon refuses are reported, each with its reason', async t => {
  const server = await startServer(t, ({ body }) => {
    const points = pointsOf(body)
    const errors = points.filter(({ tags }) => tags['host'] === 'bad').map(datapoint => ({ datapoint, error: 'Unable to parse value' }))
    return { status: 400, body: JSON.stringify({ success: points.length - errors.length, failed: errors.length, errors }) }
  })
  const { task, reported } = await openSink(opentsdb, { 'connection.url': server.url, ...templates, 'batch.size': '2' })
  await task.put(['a', 'bad', 'c', 'bad', 'e'].map((host, index) => event(BigInt(index), host, index)))
  assert.equal(server.asked.length, 3)
  assert.deepEqual(
    reported.map(({ record, error }) => [record.offset, error.message]),
    [
      [1n, 'OpenTSDB refuses the point: Unable to parse value'],
      [3n, 'OpenTSDB refuses the point: Unable to parse value'],
    ],
  )
  await task.close()
})

test('points that it could not store now are sent again', async t => {
  const answers = [
    { status: 400, body: '{"success":0,"failed":0,"timeouts":1,"errors":[]}' },
    { status: 400, body: '{"success":0,"failed":1,"errors":[{"datapoint":{},"error":"Please throttle writes: x"}]}' },
    { status: 503 },
    null,
    { status: 204 },
  ]
  const server = await startServer(t, () => answers.shift()!)
  const { task, reported } = await openSink(opentsdb, { 'connection.url': server.url, ...templates })
  for (let attempt = 0; attempt < 4; attempt++)
    await assert.rejects(task.put([event(0n, 'a', 1)]), { name: 'RetriableError' }, `attempt ${attempt}`)
  await task.put([event(0n, 'a', 1)])
  assert.deepEqual(reported, [])
  await task.close()
})

test('a request is as large as it may be, and one that is refused as a whole is halved', async t => {
  const server = await startServer(t, ({ body }) =>
    body.includes('bad') ? { status: 400, body: '{"error":{"code":400,"message":"Unable to parse"}}' } : { status: 204 },
  )
  const { task, reported } = await openSink(opentsdb, { 'connection.url': server.url, ...templates, 'batch.bytes': '300' })
  await task.put(['a', 'b', 'bad', 'd', 'e', 'f'].map((host, index) => event(BigInt(index), host, index)))
  assert.ok(server.asked.every(({ body }) => body.length <= 300))
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [2n],
  )
  const stored = server.asked.filter(({ body }) => !body.includes('bad')).flatMap(({ body }) => pointsOf(body))
  assert.deepEqual(stored.map(({ tags }) => tags['host']).sort(), ['a', 'b', 'd', 'e', 'f'])
  await task.close()
})

test('several requests are made at the same time, but the points of one name and time keep their order', async t => {
  let open = 0
  let most = 0
  const server = await startServer(t, async () => {
    most = Math.max(most, ++open)
    await new Promise(resolve => setImmediate(resolve))
    open--
    return { status: 204 }
  })
  const { task } = await openSink(opentsdb, { 'connection.url': server.url, 'batch.size': '1', ...templates })
  await task.put(Array.from({ length: 12 }, (_, index) => event(BigInt(index), `h${index}`, index)))
  assert(most > 1 && most <= 4, `${most} at once`)
  most = 0
  const before = server.asked.length
  await task.put([1, 2, 3].map(value => event(BigInt(11 + value), 'same', value)))
  assert.equal(most, 1)
  assert.deepEqual(
    server.asked.slice(before).map(({ body }) => pointsOf(body)[0]!.value),
    [1, 2, 3],
  )
  await task.close()
})
