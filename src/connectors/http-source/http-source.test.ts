import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SourceRecord } from '../../connector.ts'
import { openSource, TestContext, valuesOf } from '../../connector-testing.ts'
import { startServer } from '../http-server.testing.ts'
import { httpSource } from './http-source.ts'
import { at, pointerOf } from './pointer.ts'
import { rendered, templateProblem } from './template.ts'

const json = (body: unknown) => ({ status: 200, body: JSON.stringify(body) })
const ids = (records: readonly SourceRecord[]) => records.map(record => Number((record.value as { id: number }).id))
const quick = { 'http.timer.interval.millis': '0', 'kafka.topic': 'orders' }

test('records after the offset are asked for, and a start goes on behind them', async t => {
  const orders = [1, 2, 3, 4, 5].map(id => ({ id, big: 7 }))
  const server = await startServer(t, ({ path }) => {
    const after = Number(new URL(path, 'http://h').searchParams.get('after'))
    return json({ data: { items: orders.filter(({ id }) => id > after).slice(0, 2) } })
  })
  const config = {
    ...quick,
    'http.request.url': `${server.url}/v1/orders?limit=2`,
    'http.request.params': 'after=${offset.key!"0"}',
    'http.request.headers': 'Accept: application/json, X-After: ${offset.key!"none"}',
    'http.response.list.pointer': '/data/items',
    'http.response.record.offset.pointer': 'key=/id',
    'http.auth.type': 'Static',
    'http.headers.authorization': 'Bearer token',
  }
  const first = await openSource(httpSource, config)
  const records = await first.read()
  assert.deepEqual(ids(records), [1, 2])
  assert.deepEqual([records[0]!.key, records[0]!.topic, { ...records[1]!.sourceOffset }], ['1', 'orders', { key: '2' }])
  const [asked] = server.asked
  assert.deepEqual(
    [asked!.path, asked!.headers.authorization, asked!.headers['x-after']],
    ['/v1/orders?limit=2&after=0', 'Bearer token', 'none'],
  )
  await first.task.close()
  const again = await openSource(httpSource, config, Object.assign(new TestContext(), { offsets: first.context.offsets }))
  assert.deepEqual(ids(await again.read(3)), [3, 4, 5])
  await again.task.close()
})

test('what an answer repeats is given once: by its offset, and by its time', async t => {
  let items = [
    { id: 'b', at: '2026-11-30T00:00:02Z' },
    { id: 'a', at: '2026-11-30T00:00:01Z' },
  ]
  const server = await startServer(t, () => json(items))
  const config = { ...quick, 'http.request.url': server.url, 'http.response.record.offset.pointer': 'key=/id, timestamp=/at' }
  const keys = (records: readonly SourceRecord[]) => records.map(record => record.key)
  const { task, read } = await openSource(httpSource, config)
  const first = await read()
  assert.deepEqual(keys(first), ['a', 'b'], 'the newest was first')
  assert.equal(first[0]!.timestampMs, BigInt(Date.UTC(2026, 10, 30, 0, 0, 1)))
  assert.deepEqual(keys(await read()), [])
  // Of the same moment, behind it.
  items = [{ id: 'c', at: '2026-11-30T00:00:02Z' }, ...items]
  assert.deepEqual(keys(await read()), ['c'])
  // The one with the offset is not in the answer any more; an older one is.
  items = [
    { id: 'z', at: '2026-11-30T00:00:01Z' },
    { id: 'd', at: '2026-11-30T00:00:03Z' },
  ]
  assert.deepEqual(keys(await read()), ['d'])
  await task.close()
})

test('the cursor of a page belongs to its last record: a page of which only some were stored is read again', async t => {
  const pages: Record<string, { items: object[]; next: string | null }> = {
    '': { items: [{ id: 1 }, { id: 2 }], next: 'p2' },
    p2: { items: [{ id: 3 }], next: null },
  }
  const server = await startServer(t, ({ path }) => json(pages[new URL(path, 'http://h').searchParams.get('cursor') ?? '']))
  const config = {
    ...quick,
    'http.request.url': server.url,
    'http.request.params': 'cursor=${offset.cursor!""}',
    'http.response.list.pointer': '/items',
    'http.response.record.offset.pointer': 'key=/id',
    'http.response.offset.pointer': 'cursor=/next',
  }
  const first = await openSource(httpSource, config)
  const [one] = await first.task.poll()
  first.context.store([one!])
  await first.task.close()
  const again = await openSource(httpSource, config, first.context)
  assert.deepEqual(ids(await again.read(4)), [2, 3])
  await again.task.close()
})

test('answers that pass are waited for, others fail the task', async t => {
  let answer: { status: number; body?: string; headers?: Record<string, string> } | null = null
  const server = await startServer(t, () => answer)
  const config = { ...quick, 'http.request.url': server.url, 'http.client.read.timeout.millis': '1000' }
  const { task, read } = await openSource(httpSource, config)
  await assert.rejects(read(), { name: 'RetriableError' })
  answer = { status: 429, headers: { 'retry-after': '2' } }
  await assert.rejects(read(), { name: 'RetriableError', retryAfterMs: 2000 })
  answer = { status: 200, body: '<html>' }
  await assert.rejects(read(), { name: 'RetriableError', message: /no JSON/ })
  answer = { status: 304 }
  assert.deepEqual(await read(), [])
  answer = { status: 200, body: ' '.repeat(16 * 2 ** 20 + 1) }
  await assert.rejects(read(), { name: 'Error', message: /GET http.*: the answer has more than 16777216 bytes/ })
  answer = { status: 404, body: 'nothing here' }
  await assert.rejects(read(), { name: 'Error', message: /status 404: nothing here/ })
  await task.close()
})

test('forms of the value', async t => {
  const server = await startServer(t, () => ({ status: 200, body: '[{"id":9007199254740993,"__proto__":{"x":1}}]' }))
  const base = { ...quick, 'http.request.url': server.url, 'http.response.record.offset.pointer': 'key=/id' }
  const valueWith = async (mapper: string) => {
    const { task, read } = await openSource(httpSource, { ...base, 'http.response.record.mapper': mapper })
    const [record] = await read()
    await task.close()
    return record!.value as Record<string, unknown>
  }
  const plain = await valueWith('json')
  assert.equal(plain['id'], 9007199254740993n)
  assert.deepEqual({ ...Object.getOwnPropertyDescriptor(plain, '__proto__')?.value }, { x: 1 })
  const text = '{"id":9007199254740993,"__proto__":{"x":1}}'
  assert.equal(await valueWith('string'), text)
  assert.deepEqual({ ...(await valueWith('com.github.castorm.kafka.connect.http.record.SchemedKvSourceRecordMapper')) }, { value: text })
})

test('templates take what is documented, and say so of the rest', () => {
  const offset = new Map([
    ['timestamp', '2026-11-30T00:00:00Z'],
    ['id', 'a b&c'],
  ])
  assert.equal(rendered('?a=${offset.id}&b=${offset.none!"x y"}', offset, encodeURIComponent), '?a=a%20b%26c&b=x%20y')
  assert.equal(rendered('${offset.timestamp?datetime.iso?long}', offset), '1795996800000')
  assert.throws(() => rendered('${offset.none}', offset), /http\.offset\.initial/)
  assert.match(templateProblem('${offset.id?upper_case}')!, /understands/)
  assert.match(templateProblem('<#if x>')!, /understands/)
  const required = { 'http.request.url': 'http://h', 'kafka.topic': 't' }
  assert.ok(valuesOf(httpSource.config, required))
  for (const [key, value] of [
    ['http.request.url', 'ftp://h'],
    ['http.request.params', 'a=${now}'],
    ['http.request.headers', 'Accept: text/plain, application/json'],
    ['http.request.headers', 'X Tenant: 7'],
    ['http.response.record.offset.pointer', 'id'],
    ['http.response.record.offset.pointer', 'id=items'],
    ['http.response.policy.codes.skip', '99'],
    ['http.record.filter.factory', 'com.example.Other'],
  ] as const)
    assert.throws(() => valuesOf(httpSource.config, { ...required, [key]: value }), { name: 'InvalidConfig', key })
})

test('pointers', () => {
  const whole = { a: [{ 'x/y': 1 }], '': 2 }
  assert.equal(at(whole, pointerOf('/a/0/x~1y')!), 1)
  assert.equal(at(whole, pointerOf('/')!), whole)
  assert.equal(at(whole, pointerOf('/a/-1')!), undefined)
  assert.equal(at(whole, pointerOf('/constructor')!), undefined)
  assert.equal(pointerOf('a'), null)
})
