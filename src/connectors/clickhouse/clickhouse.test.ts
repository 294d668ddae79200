import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Decimal, struct } from '../../connector.ts'
import { openSink, sinkRecord } from '../../connector-testing.ts'
import { startServer } from '../http-server.testing.ts'
import { clickhouse } from './clickhouse.ts'

const configOf = (url: string) => ({ hostname: '127.0.0.1', port: new URL(url).port, ssl: 'false', 'compression.enabled': 'false' })
/** As the server does it in each answer. */
const told = { 'x-clickhouse-query-id': 'q' }
const queryOf = (path: string) => new URL(path, 'http://h').searchParams

test('rows are inserted as JSON with all digits, by table and partition', async t => {
  const server = await startServer(t, () => ({ status: 200, headers: told }))
  const { task, reported } = await openSink(clickhouse, {
    ...configOf(server.url),
    topic2TableMap: 't=shop.events',
    clickhouseSettings: 'insert_quorum=2',
  })
  await task.put([
    sinkRecord({
      offset: 3n,
      value: struct([
        ['n', 9_007_199_254_740_993n],
        ['price', new Decimal(1250n, 2)],
      ]),
    }),
    sinkRecord({ offset: 4n, value: '{"n":9007199254740993}' }),
    sinkRecord({ offset: 5n }),
    sinkRecord({ offset: 6n, value: 'no json' }),
    sinkRecord({ topic: 'other', partition: 1, value: struct([['a', 'b']]) }),
  ])
  const [first, second] = server.asked as [(typeof server.asked)[number], (typeof server.asked)[number]]
  assert.equal(first.body.toString(), '{"n":9007199254740993,"price":12.50}\n{"n":9007199254740993}\n')
  assert.match(queryOf(first.path).get('query')!, /INSERT INTO `shop`\.`events`\s+FORMAT JSONEachRow/)
  assert.equal(queryOf(first.path).get('insert_deduplication_token'), 'test-t-0-3-4')
  assert.equal(queryOf(first.path).get('insert_quorum'), '2')
  assert.match(queryOf(second.path).get('query')!, /`other`/)
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [6n],
  )
  await task.close()
})

test('a row that is refused is reported; the rest is written', async t => {
  const written: string[] = []
  const server = await startServer(t, ({ body }) => {
    if (body.includes('bad'))
      return {
        status: 400,
        headers: { 'x-clickhouse-exception-code': '27' },
        body: "Code: 27. DB::Exception: Cannot parse input: expected '\"'. (CANNOT_PARSE_INPUT_ASSERTION_FAILED)",
      }
    written.push(...body.toString().trim().split('\n'))
    return { status: 200, headers: told }
  })
  const { task, reported } = await openSink(clickhouse, configOf(server.url))
  await task.put(['a', 'bad', 'c'].map((x, index) => sinkRecord({ offset: BigInt(index), value: struct([['x', x]]) })))
  assert.deepEqual(written, ['{"x":"a"}', '{"x":"c"}'])
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [1n],
  )
  await task.close()
})

test('what passes is tried again with the same token; what does not fails the task', async t => {
  const answers = [
    { status: 500, body: 'Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)' },
    null,
    { status: 404, body: 'Code: 60. DB::Exception: Table default.t does not exist. (UNKNOWN_TABLE)' },
    { status: 200, headers: told },
  ]
  const server = await startServer(t, () => answers.shift()!)
  const { task } = await openSink(clickhouse, { ...configOf(server.url), 'compression.enabled': 'true' })
  const records = [sinkRecord({ value: struct([['x', 1]]) })]
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await assert.rejects(task.put(records), /UNKNOWN_TABLE|does not exist/)
  await task.put(records)
  assert.equal(gunzipSync(server.asked.at(-1)!.body).toString(), '{"x":1}\n')
  assert.deepEqual([...new Set(server.asked.map(({ path }) => queryOf(path).get('insert_deduplication_token')))], ['test-t-0-0-0'])
  await task.close()
})

test('inserts of records that share an offset have different tokens, and the same ones when they are tried again', async t => {
  const answers = [{ status: 200, headers: told }, null, { status: 200, headers: told }]
  const server = await startServer(t, () => answers.shift()!)
  const { task } = await openSink(clickhouse, { ...configOf(server.url), 'batch.size': '2' })
  const records = [1, 2, 3].map(x => sinkRecord({ offset: 9n, value: struct([['x', x]]) }))
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await task.put(records)
  assert.deepEqual(
    server.asked.map(({ path }) => queryOf(path).get('insert_deduplication_token')),
    ['test-t-0-9-9-0', 'test-t-0-9-9-2', 'test-t-0-9-9-2'],
  )
  await task.close()
})

test('inserts of a topic that was made again have other tokens than those of the one before', async t => {
  const server = await startServer(t, () => ({ status: 200, headers: told }))
  const { task } = await openSink(clickhouse, configOf(server.url))
  for (const topicId of ['one', 'two']) {
    await task.opened!([{ topic: 't', partition: 0, topicId }])
    await task.put([sinkRecord({ offset: 0n, value: '{}' })])
  }
  assert.deepEqual(
    server.asked.map(({ path }) => queryOf(path).get('insert_deduplication_token')),
    ['test-t:one-0-0-0', 'test-t:two-0-0-0'],
  )
  await task.close()
})
