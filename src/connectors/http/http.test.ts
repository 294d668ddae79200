import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { struct } from '../../connector.ts'
import { openSink, sinkRecord } from '../../connector-testing.ts'
import { startServer } from '../http-server.testing.ts'
import { http } from './http.ts'

const event = (offset: bigint, n: number | bigint) => sinkRecord({ offset, key: `k/${offset}`, value: struct([['n', n]]) })

test('each record is a request, in order, with its own key for doing it once', async t => {
  const server = await startServer(t, () => ({ status: 200 }))
  const { task } = await openSink(http, {
    'http.url': `${server.url}/events/\${key}`,
    'http.headers.additional': 'x-from:${topic},x-fixed:yes',
    'signature.secret': 'shh',
  })
  await task.put([
    event(0n, 1),
    event(1n, 9_007_199_254_740_993n),
    sinkRecord({ offset: 2n, key: 'raw', value: 'text' }),
    sinkRecord({ offset: 3n, key: 'gone' }),
  ])
  assert.deepEqual(
    server.asked.map(({ method, path, body }) => [method, path, body.toString()]),
    [
      ['POST', '/events/k%2F0', '{"n":1}'],
      ['POST', '/events/k%2F1', '{"n":9007199254740993}'],
      ['POST', '/events/raw', 'text'],
    ],
  )
  const { headers } = server.asked[1]!
  assert.equal(headers['idempotency-key'], 'test-t-0-1')
  assert.equal(headers['x-from'], 't')
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['x-signature'], `sha256=${createHmac('sha256', 'shh').update('{"n":9007199254740993}').digest('hex')}`)
  await task.close()
})

test('a batch is one request; a tombstone can be a DELETE', async t => {
  const server = await startServer(t, () => ({ status: 204 }))
  const { task } = await openSink(http, {
    'http.url': `${server.url}/bulk`,
    'batching.enabled': 'true',
    'batch.max.size': '3',
    'batch.prefix': '[',
    'batch.separator': ',',
    'batch.suffix': ']',
    'behavior.on.null.values': 'delete',
  })
  await task.put([event(0n, 0), event(1n, 1), sinkRecord({ offset: 2n }), event(3n, 3)])
  assert.deepEqual(
    server.asked.map(({ method, body, headers }) => [method, body.toString(), headers['idempotency-key']]),
    [
      ['POST', '[{"n":0},{"n":1}]', 'test-t-0-0-to-t-0-1'],
      ['DELETE', '', 'test-t-0-2'],
      ['POST', '[{"n":3}]', 'test-t-0-3'],
    ],
  )
  await task.close()
})

test('lines end with line feeds, which a configuration writes as \\n', async t => {
  const server = await startServer(t, () => ({ status: 204 }))
  const { task } = await openSink(http, { 'http.url': server.url, 'batching.enabled': 'true', 'http.body': '${value.n}' })
  await task.put([event(0n, 0), event(1n, 1)])
  assert.equal(server.asked[0]!.body.toString(), '0\n1\n')
  await task.close()
})

test('what passes is tried again with the same key, and what was sent before is not sent again', async t => {
  const answers = [{ status: 200 }, { status: 503, headers: { 'retry-after': '7' } }, null, { status: 429 }, { status: 200 }]
  const server = await startServer(t, () => answers.shift()!)
  const { task, reported } = await openSink(http, { 'http.url': server.url, 'retry.backoff.ms': '5' })
  const records = [event(0n, 0), event(1n, 1)]
  await assert.rejects(task.put(records), { name: 'RetriableError', retryAfterMs: 7_000 })
  await assert.rejects(task.put(records), { name: 'RetriableError' })
  await assert.rejects(task.put(records), { name: 'RetriableError', retryAfterMs: 5 })
  await task.put(records)
  assert.deepEqual(
    server.asked.map(({ headers }) => headers['idempotency-key']),
    ['test-t-0-0', 'test-t-0-1', 'test-t-0-1', 'test-t-0-1', 'test-t-0-1'],
  )
  assert.deepEqual(reported, [])
  await task.close()
})

test('after the retries that are allowed the task fails', async t => {
  const server = await startServer(t, () => ({ status: 500 }))
  const { task } = await openSink(http, { 'http.url': server.url, 'max.retries': '1' })
  await assert.rejects(task.put([event(0n, 0)]), { name: 'RetriableError' })
  await assert.rejects(task.put([event(0n, 0)]), { name: 'Error', message: /also after 1 retries/ })
  await task.close()
})

test('a record that is refused is reported; missing rights and a wrong address fail the task', async t => {
  const server = await startServer(t, ({ body, path }) => ({
    status: path === '/denied' ? 403 : path === '/gone' ? 404 : body.includes('"n":1') ? 422 : 200,
  }))
  const batching = { 'batching.enabled': 'true' }
  const { task, reported } = await openSink(http, { 'http.url': server.url, ...batching })
  await task.put([event(0n, 0), event(1n, 1), event(2n, 2), event(3n, 3)])
  assert.deepEqual(
    reported.map(({ record }) => record.offset),
    [1n],
  )
  assert.deepEqual(
    server.asked.map(({ body }) => body.toString()),
    ['{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n', '{"n":0}\n{"n":1}\n', '{"n":0}\n', '{"n":1}\n', '{"n":2}\n{"n":3}\n'],
  )
  for (const path of ['denied', 'gone']) {
    const other = await openSink(http, { 'http.url': `${server.url}/${path}`, ...batching })
    await assert.rejects(other.task.put([event(0n, 0)]), { name: 'Error' }, path)
    await other.task.close()
  }
  await task.close()
})

test('tokens of OAuth 2 are kept, and asked for again when they are refused', async t => {
  let current = 0
  const server = await startServer(t, ({ path, headers }) => {
    if (path === '/token') return { status: 200, body: JSON.stringify({ access_token: `token${++current}`, expires_in: 3600 }) }
    return { status: headers.authorization === `Bearer token${current}` ? 200 : 401 }
  })
  const { task } = await openSink(http, {
    'http.url': `${server.url}/events`,
    'http.authorization.type': 'oauth2',
    'oauth2.access.token.url': `${server.url}/token`,
    'oauth2.client.id': 'id',
    'oauth2.client.secret': 's&t',
    'oauth2.client.scope': 'write',
  })
  await task.put([event(0n, 0), event(1n, 1)])
  assert.deepEqual(
    server.asked.map(({ path }) => path),
    ['/token', '/events', '/events'],
  )
  assert.equal(server.asked[0]!.headers.authorization, `Basic ${Buffer.from('id:s%26t').toString('base64')}`)
  assert.equal(server.asked[0]!.body.toString(), 'grant_type=client_credentials&scope=write')
  current = 5
  await task.put([event(2n, 2)])
  assert.deepEqual(
    server.asked.slice(3).map(({ path }) => path),
    ['/events', '/token', '/events'],
  )
  await task.close()
})

test('requests of a topic that was made again have other keys than those of the one before', async t => {
  const server = await startServer(t, () => ({ status: 200 }))
  const { task } = await openSink(http, { 'http.url': server.url })
  for (const topicId of ['one', 'two']) {
    await task.opened!([{ topic: 't', partition: 0, topicId }])
    await task.put([event(0n, 1)])
  }
  assert.deepEqual(
    server.asked.map(({ headers }) => headers['idempotency-key']),
    ['test-t:one-0-0', 'test-t:two-0-0'],
  )
  await task.close()
})
