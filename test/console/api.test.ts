/** The console's API over a real broker. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { settingsFor } from '../services/settings.ts'

let broker: Millrace
let services: RunningServices
let client: Client
let base: string

before(async () => {
  broker = await startBroker({ memory: true })
  services = await startServices(settingsFor(broker.address, { services: ['console'] }), realSystem(), silentLogger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}`
})
after(async () => {
  await client.close()
  await services.close()
  await broker.close()
})

type Json = Record<string, never>

async function call<T = Json>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T; headers: Headers }> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await fetch(`${base}/api${path}`, { method, ...init })
  return { status: response.status, body: (await response.json()) as T, headers: response.headers }
}

interface Event {
  kind: string
  records: { partition: number; offset: string; value: { text: string } | null }[]
  next: string | null
  scanned: number
}

/** The events of a stream, until it ends or `enough` says so. */
async function events(path: string, enough: (events: readonly Event[]) => boolean = () => false): Promise<Event[]> {
  const stop = new AbortController()
  const response = await fetch(`${base}/api${path}`, { signal: stop.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const found: Event[] = []
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const parts = text.split('\n\n')
    text = parts.pop()!
    for (const part of parts) if (part.startsWith('data: ')) found.push(JSON.parse(part.slice(6)) as Event)
    if (enough(found)) break
  }
  stop.abort()
  return found
}

const recordsOf = (all: readonly Event[]) => all.flatMap(each => (each.kind === 'records' ? each.records : []))

test('a topic is created, found, filled, changed and deleted', async () => {
  assert.equal((await call('POST', '/topics', { name: 'orders', partitions: 3 })).status, 200)
  const list = await call<{ total: number; rows: { name: string; partitions: number; records: string }[] }>('GET', '/topics?search=ORD')
  assert.deepEqual([list.body.total, list.body.rows[0]!.name, list.body.rows[0]!.partitions], [1, 'orders', 3])
  const produced = await call('POST', '/topics/orders/messages', {
    key: { text: 'k' },
    value: { text: '{"id":9007199254740993}' },
    partition: 1,
  })
  assert.deepEqual(produced.body, { partition: 1, offset: '0' })
  const all = await events('/topics/orders/messages?from=newest&limit=10')
  assert.equal(recordsOf(all)[0]!.value!.text, '{"id":9007199254740993}', 'no digit is lost')
  const one = await call<{ records: string; partitions: { end: string }[] }>('GET', '/topics/orders')
  assert.deepEqual([one.body.records, one.body.partitions[1]!.end], ['1', '1'])
  await call('PATCH', '/config/topics/orders', { changes: { 'retention.ms': '60000' } })
  const config = await call<{ entries: { name: string; value: string; source: string; documentation: string }[] }>(
    'GET',
    '/config/topics/orders',
  )
  const retention = config.body.entries.find(each => each.name === 'retention.ms')!
  assert.deepEqual([retention.value, retention.source], ['60000', 'DYNAMIC_TOPIC_CONFIG'])
  assert.ok(retention.documentation.length > 20)
  assert.equal((await call('POST', '/topics/orders/partitions', { count: 5 })).status, 200)
  assert.equal((await call('DELETE', '/topics/orders/records?confirm=orders')).status, 200)
  assert.equal((await call<{ records: string }>('GET', '/topics/orders')).body.records, '0')
  assert.equal((await call('DELETE', '/topics/orders?confirm=other')).status, 400)
  assert.equal((await call('DELETE', '/topics/orders?confirm=orders')).status, 200)
  assert.equal((await call<{ total: number }>('GET', '/topics?search=orders')).body.total, 0)
})

test('errors are problem documents with the name that Kafka gives them', async () => {
  const missing = await call<{ status: number; error: string }>('GET', '/topics/nothing')
  assert.deepEqual([missing.status, missing.body.error], [404, 'UNKNOWN_TOPIC_OR_PARTITION'])
  assert.equal(missing.headers.get('content-type'), 'application/problem+json')
  const bad = await call<{ error: string }>('POST', '/topics', { name: 'no spaces' })
  assert.deepEqual([bad.status, bad.body.error], [400, 'INVALID_TOPIC_EXCEPTION'])
  assert.equal((await call('POST', '/topics', { name: 7 })).status, 400)
  assert.equal((await call('GET', '/no/such')).status, 404)
  assert.equal((await call('POST', '/topics/nothing/messages', { key: null, value: null })).status, 404, 'nothing is created by the way')
})

test('records of several partitions are merged in the order of time, from both ends, page by page', async () => {
  await client.createTopic({ name: 'merged', partitions: 4 })
  const count = 300
  const records = Array.from({ length: count }, (_, n) => ({
    key: null,
    value: Buffer.from(`n=${n}`),
    partition: (n * 7) % 4,
    timestampMs: BigInt(1_700_000_000_000 + n),
  }))
  await client.send('merged', records)
  const numbers = (all: readonly Event[]) => recordsOf(all).map(each => Number(each.value!.text.slice(2)))
  const first = await events('/topics/merged/messages?from=newest&limit=100')
  assert.deepEqual(
    numbers(first),
    Array.from({ length: 100 }, (_, n) => count - 1 - n),
  )
  const second = await events(`/topics/merged/messages?newestFirst=true&limit=250&from=${first.at(-1)!.next}`)
  assert.deepEqual(
    numbers(second),
    Array.from({ length: 200 }, (_, n) => 199 - n),
  )
  assert.equal(second.at(-1)!.next, null)
  const fromTime = await events('/topics/merged/messages?from=time:1700000000250&limit=10')
  assert.deepEqual(
    numbers(fromTime),
    Array.from({ length: 10 }, (_, n) => 250 + n),
  )
  const search = await events('/topics/merged/messages?from=oldest&contains=n=29&limit=1000')
  assert.deepEqual(numbers(search), [29, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299])
  assert.equal(search.findLast(each => each.kind === 'progress')!.scanned, count)
})

test('the live tail shows what is produced, and ends with the service', async () => {
  await client.createTopic({ name: 'live', partitions: 2 })
  let sent = false
  const all = await events('/topics/live/messages?live=true', found => {
    if (found.length > 0 && !sent) {
      sent = true
      void client.send('live', [{ key: null, value: Buffer.from('now') }])
    }
    return recordsOf(found).length > 0
  })
  assert.equal(recordsOf(all)[0]!.value!.text, 'now')
})

test('offsets of a group are reset after a preview', async () => {
  await client.createTopic({ name: 'read', partitions: 2 })
  await client.send(
    'read',
    Array.from({ length: 10 }, (_, n) => ({ key: null, value: Buffer.from('x'), partition: n % 2 })),
  )
  await client.setGroupOffsets('readers', [{ topic: 'read', partition: 0, offset: 2n }])
  const list = await call<{ rows: { group: string; lag: string }[] }>('GET', '/groups?search=reader')
  assert.deepEqual(
    list.body.rows.map(({ group, lag }) => [group, lag]),
    [['readers', '3']],
  )
  const preview = await call<{ changes: unknown }>('POST', '/groups/readers/offsets', {
    topic: 'read',
    to: { kind: 'earliest' },
    dryRun: true,
  })
  const changes = [
    { partition: 0, before: '2', after: '0', end: '5' },
    { partition: 1, before: null, after: '0', end: '5' },
  ]
  assert.deepEqual(preview.body.changes, changes)
  assert.equal((await client.groupOffsets('readers', 'classic')).length, 1, 'a preview changes nothing')
  await call('POST', '/groups/readers/offsets', { topic: 'read', to: { kind: 'earliest' }, dryRun: false })
  const one = await call<{ lag: string }>('GET', '/groups/readers')
  assert.equal(one.body.lag, '10')
  assert.equal((await call('DELETE', '/groups/readers?confirm=readers')).status, 200)
  assert.equal((await call('GET', '/groups/readers')).status, 404)
})

test('every place of the application is its page, with a policy that allows no script of others', async () => {
  const response = await fetch(`${base}/topics/some/messages`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type')!, /^text\/html/)
  const policy = response.headers.get('content-security-policy')!
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe/)
})

test('a page of another origin can change nothing', async () => {
  const response = await fetch(`${base}/api/topics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'http://evil.example' },
    body: JSON.stringify({ name: 'planted' }),
  })
  assert.equal(response.status, 403)
})
