/** Schemas, access, transactions, configurations and the last hour over the console's API. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Client, openClient } from '../../src/client.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { authorizer } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { askRaw } from '../support/raw-http.ts'
import { openTransaction } from './raw.ts'

const lines: { message: string; details: Record<string, unknown> }[] = []
const keep = (details: object, message: string) => void lines.push({ message, details: details as Record<string, unknown> })
const logger = { debug() {}, info: keep, warn: keep, error: keep }

let requests = 0
const metrics = createServer((_, response) => {
  requests++
  response.end(
    [
      `kafka_server_brokertopicmetrics_bytesin_total ${requests * 1_000_000}`,
      'kafka_server_brokertopicmetrics_bytesin_total{topic="orders"} 5',
      'kafka_network_requestmetrics_totaltimems{request="Produce",quantile="0.99"} 3.5',
      'kafka_server_socket_server_metrics_connection_count{listener="A"} 2',
      'kafka_server_socket_server_metrics_connection_count{listener="B"} 3',
    ].join('\n'),
  )
})

let broker: Millrace
let services: RunningServices
let client: Client
let base: string

before(async () => {
  await new Promise<void>(resolve => metrics.listen(0, '127.0.0.1', resolve))
  broker = await startBroker({ memory: true, config: authorizer })
  const metricsUrl = `http://127.0.0.1:${(metrics.address() as AddressInfo).port}/metrics`
  services = await startServices(settingsFor(broker.address, { services: ['registry', 'console'], metricsUrl }), realSystem(), logger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}/api`
})
after(async () => {
  await client.close()
  await services.close()
  await broker.close()
  metrics.close()
})

type Json = Record<string, unknown>

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await fetch(base + path, { method, ...init })
  return { status: response.status, body: (await response.json()) as Json }
}

const record = (fields: object[]) => JSON.stringify({ type: 'record', name: 'Order', fields })
const id = { name: 'id', type: 'long' }

test('a schema is checked, saved, listed, configured and deleted', async () => {
  const first = await call('POST', '/schemas/orders-value', { type: 'AVRO', schema: record([id]) })
  assert.equal(first.status, 200, JSON.stringify([first.body, lines]))
  const broken = await call('POST', '/schemas/orders-value/check', { type: 'AVRO', schema: record([id, { name: 'n', type: 'int' }]) })
  assert.equal(broken.body['compatible'], false)
  assert.match(String(broken.body['messages']), /n/)
  assert.equal((await call('POST', '/schemas/orders-value/check', { type: 'AVRO', schema: '{' })).body['compatible'], false)
  const refused = await call('POST', '/schemas/orders-value', { type: 'AVRO', schema: record([id, { name: 'n', type: 'int' }]) })
  assert.deepEqual([refused.status, refused.body['error']], [409, '409'])
  assert.equal((await call('PATCH', '/schemas/orders-value/compatibility', { compatibility: 'NONE' })).status, 200)
  assert.equal(
    (await call('POST', '/schemas/orders-value', { type: 'AVRO', schema: record([id, { name: 'n', type: 'int' }]) })).status,
    200,
  )
  const list = await call('GET', '/schemas?search=ORDERS')
  assert.deepEqual(list.body, { total: 1, rows: [{ subject: 'orders-value', type: 'AVRO', version: 2, id: 2 }] })
  const one = await call('GET', '/schemas/orders-value')
  assert.deepEqual(one.body, { subject: 'orders-value', versions: [1, 2], compatibility: 'NONE', ownCompatibility: true })
  assert.equal((await call('PATCH', '/schemas/orders-value/compatibility', { compatibility: null })).status, 200)
  assert.equal((await call('GET', '/schemas/orders-value')).body['ownCompatibility'], false)
  assert.equal((await call('DELETE', '/schemas/orders-value?confirm=x')).status, 400)
  assert.equal((await call('DELETE', '/schemas/orders-value?confirm=orders-value')).status, 200)
  const gone = await call('GET', '/schemas/orders-value')
  assert.deepEqual([gone.status, gone.body['error']], [404, '40401'])
  const dot = await askRaw(new URL(base).origin, 'DELETE', '/api/schemas/%2e?confirm=.')
  assert.equal(dot.status, 400, dot.text)
  assert.match(dot.text, /cannot be asked for what is named/)
})

test('what a change has done is seen at once, also if it has failed half-way', async () => {
  const subjects = new Set(['kept-value', 'gone-value'])
  const registry = createServer((request, response) => {
    const [path, query] = request.url!.split('?')
    const subject = path!.split('/')[2]
    const refused = query === 'permanent=true'
    if (request.method === 'DELETE' && subject !== undefined) subjects.delete(subject)
    response.writeHead(refused ? 422 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(refused ? { error_code: 42206, message: 'It is referenced' } : [...subjects]))
  })
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
  const settings = settingsFor(broker.address, { services: ['console'], registry: { url, userInfo: null } })
  const beside = await startServices(settings, realSystem(), logger)
  try {
    const api = `http://127.0.0.1:${beside.ports.get('console')}/api`
    const found = async () => ((await (await fetch(`${api}/names?search=value`)).json()) as { subjects: string[] }).subjects
    assert.deepEqual(await found(), ['gone-value', 'kept-value'])
    const removed = await fetch(`${api}/schemas/gone-value?confirm=gone-value&permanent=true`, { method: 'DELETE' })
    assert.equal(removed.status, 422)
    assert.deepEqual(await found(), ['kept-value'])
  } finally {
    await beside.close()
    registry.close()
  }
})

test('users, ACLs with the reason why, quotas and tokens', async () => {
  await call('POST', '/security/users', { user: 'alice', password: 'wonderland', mechanism: 'SCRAM-SHA-256' })
  const users = await call('GET', '/security/users')
  assert.deepEqual(users.body['users'], [{ user: 'alice', credentials: [{ mechanism: 'SCRAM-SHA-256', iterations: 4096 }] }])
  const acl = {
    ...{ resourceType: 'TOPIC', resourceName: 'orders', patternType: 'LITERAL', principal: 'User:alice', host: '*' },
    ...{ operation: 'READ', permission: 'ALLOW' },
  }
  assert.equal((await call('POST', '/security/acls', { acls: [acl] })).status, 200)
  assert.deepEqual((await call('GET', '/security/acls')).body, { authorizer: true, total: 1, acls: [acl] })
  const why = await call('GET', '/security/why?principal=User:alice&resourceType=TOPIC&resourceName=orders&operation=DESCRIBE')
  assert.deepEqual([why.body['allowed'], why.body['acls']], [true, [acl]])
  const root = await call('GET', '/security/why?principal=User:admin&resourceType=TOPIC&resourceName=orders&operation=DESCRIBE')
  assert.match(String(root.body['reason']), /super\.users/)
  assert.equal((await call('DELETE', `/security/acls?${new URLSearchParams(acl)}`)).body['removed'], 1)
  assert.equal((await call('DELETE', '/security/users/alice?confirm=alice')).status, 200)
  assert.deepEqual((await call('GET', '/security/users')).body['users'], [])
  await call('POST', '/security/quotas', { entity: { user: null }, values: { producer_byte_rate: 1_000_000 } })
  assert.deepEqual((await call('GET', '/security/quotas')).body['quotas'], [
    { entity: { user: null }, values: { producer_byte_rate: 1_000_000 } },
  ])
  const tokens = await call('GET', '/security/tokens')
  assert.deepEqual([tokens.status, tokens.body['error']], [400, 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED'])
  const said = lines.filter(each => each.message === 'audit: console').map(each => JSON.stringify(each.details))
  assert.ok(said.some(each => each.includes('"action":"POST /security/users"') && each.includes('"principal":"User:ANONYMOUS"')))
  assert.ok(!said.some(each => each.includes('wonderland')), 'no secret is logged')
})

test('configurations have sources, and what they would be otherwise', async () => {
  await call('PATCH', '/config/brokers/default', { changes: { 'log.retention.ms': '7200000' } })
  const { body } = await call('GET', '/config/brokers/1')
  const entry = (body['entries'] as { name: string; value: string; source: string; synonyms: { source: string }[] }[]).find(
    each => each.name === 'log.retention.ms',
  )!
  assert.deepEqual([entry.value, entry.source], ['7200000', 'DYNAMIC_DEFAULT_BROKER_CONFIG'])
  assert.equal(entry.synonyms[0]!.source, 'DYNAMIC_DEFAULT_BROKER_CONFIG')
  await call('PATCH', '/config/client-metrics/java', { changes: { metrics: 'org.apache.kafka.', 'interval.ms': '5000' } })
  const subscriptions = (await call('GET', '/client-metrics')).body['subscriptions']
  assert.deepEqual(subscriptions, [{ name: 'java', metrics: 'org.apache.kafka.', intervalMs: '5000', match: '' }])
  assert.equal((await call('DELETE', '/client-metrics/java?confirm=java')).status, 200)
  assert.deepEqual((await call('GET', '/client-metrics')).body['subscriptions'], [])
})

test('a preview of other offsets is not logged as a change', async () => {
  await client.createTopic({ name: 'previewed', partitions: 1 })
  await client.setGroupOffsets('previews', [{ topic: 'previewed', partition: 0, offset: 0n }])
  for (const dryRun of [true, false])
    assert.equal((await call('POST', '/groups/previews/offsets', { topic: 'previewed', to: { kind: 'latest' }, dryRun })).status, 200)
  const said = lines.filter(each => each.details['action'] === 'POST /groups/:group/offsets')
  assert.deepEqual(
    said.map(each => [each.details['group'], each.details['topic'], each.details['outcome']]),
    [['previews', 'previewed', 'done']],
  )
})

test('a transactional id is listed, and its producer fenced', async () => {
  await client.createTopic({ name: 'fenced', partitions: 1 })
  await client.openFencedWriter({ transactionalId: 'writer', topic: 'fenced', partition: 0 })
  const list = await call('GET', '/transactions')
  const rows = list.body['rows'] as { id: string; state: string; started: string | null }[]
  const row = rows.find(each => each.id === 'writer')!
  assert.deepEqual([row.state, row.started], ['Empty', null])
  assert.equal((await call('GET', '/transactions?open=true')).body['total'], 0)
  const before = (await call('GET', '/transactions/writer')).body['producerEpoch'] as number
  assert.equal((await call('DELETE', '/transactions/writer?confirm=writer')).status, 200)
  assert.ok(((await call('GET', '/transactions/writer')).body['producerEpoch'] as number) > before)
})

test('an open transaction is aborted: what it held up can be read, and its producer is fenced', async () => {
  await client.createTopic({ name: 'held', partitions: 1 })
  const transaction = await openTransaction(broker.port, 'hanging', 'held')
  await client.send('held', [{ key: null, value: Buffer.from('behind it') }])
  const held = async (query: 'stable' | 'latest') => (await client.offsets('held', [0], query)).get(0)
  assert.deepEqual([await held('stable'), await held('latest')], [0n, 2n])
  const open = async () =>
    (await call('GET', '/transactions?open=true')).body['rows'] as { id: string; state: string; partitions: number }[]
  const [row] = await open()
  assert.deepEqual([row!.id, row!.state, row!.partitions], ['hanging', 'Ongoing', 1])
  assert.equal((await call('DELETE', '/transactions/hanging?confirm=other')).status, 400)
  assert.equal((await call('DELETE', '/transactions/hanging?confirm=hanging')).status, 200)
  assert.equal(await eventually(async () => (await held('stable')) === 3n && 'readable', 1_000), 'readable')
  assert.deepEqual(await open(), [])
  assert.match(await transaction.go(), /^(?:INVALID_PRODUCER_EPOCH|PRODUCER_FENCED)$/)
  transaction.close()
})

test('the last hour of the cluster and of a group', async () => {
  await client.createTopic({ name: 'read', partitions: 1 })
  await client.send('read', [{ key: null, value: Buffer.from('x') }])
  await client.setGroupOffsets('readers', [{ topic: 'read', partition: 0, offset: 0n }])
  interface Series {
    times: number[]
    values: (number | null)[]
  }
  const attempts = 2_000
  const lag = await eventually(async () => {
    const { body } = await call('GET', '/groups/readers/history')
    const found = body['lag'] as Series
    return found.values.length > 0 && found
  }, attempts)
  assert.equal(lag.values.at(-1), 1)
  const series = await eventually(async () => {
    const found = (await call('GET', '/history')).body['series'] as Record<string, Series>
    return found['bytesIn']!.values.at(-1) != null && found
  }, attempts)
  assert.ok(series['bytesIn']!.values.at(-1)! > 0, 'what is counted is shown per second')
  assert.equal(series['produceP99']!.values.at(-1), 3.5)
  assert.equal(series['connections']!.values.at(-1), 5, 'listeners are added up')
  assert.equal(series['memory']!.values.at(-1), null, 'what the page does not say is not known')
})
