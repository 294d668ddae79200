/** Who may see and change which subjects: what Kafka's ACLs say of the topics that they are named after. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type Acl, type Client, openClient } from '../../src/client.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { startRegistry } from './registry.ts'

const schema = { schema: '{"type":"record","name":"R","fields":[]}' }
const as = (user: string, password = `${user}-pw`) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` })

test('a subject is read with READ or WRITE on its topic, and changed with WRITE', async t => {
  const secured = await startSecured(t, { ...authorizer, 'super.users': 'User:admin' })
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  await using admin = openClient({ bootstrap, properties: ownProperties })
  const acl = (principal: string, operation: Acl['operation'], resourceName: string, patternType: Acl['patternType']): Acl => ({
    resourceType: 'TOPIC',
    resourceName,
    patternType,
    principal,
    host: '*',
    operation,
    permission: 'ALLOW',
  })
  await admin.createTopic({ name: 'orders', partitions: 1 })
  await admin.createAcls([
    acl('User:alice', 'WRITE', 'orders', 'LITERAL'),
    acl('User:alice', 'WRITE', 'planned-', 'PREFIXED'),
    acl('User:bob', 'READ', 'orders', 'LITERAL'),
    acl('User:bob', 'READ', 'planned-', 'PREFIXED'),
  ])
  await using registry = await startRegistry(bootstrap, { properties, ownProperties })
  const code = async (user: string, method: string, path: string, body?: unknown) => {
    const answer = await registry.ask(method, path, body, as(user))
    return answer.status === 200 ? 200 : answer.body.error_code
  }
  const without = await registry.ask('GET', '/subjects')
  assert.deepEqual([without.status, without.body.error_code], [401, 40_101])
  assert.equal((await registry.ask('GET', '/subjects', undefined, as('alice', 'wrong'))).status, 401)

  assert.equal(await code('alice', 'POST', '/subjects/orders-value/versions', schema), 200)
  assert.equal(await code('bob', 'POST', '/subjects/orders-value/versions', { schema: '"string"' }), 40_301)
  assert.equal(await code('bob', 'DELETE', '/subjects/orders-value'), 40_301)
  assert.equal(await code('bob', 'PUT', '/config/orders-value', { compatibility: 'NONE' }), 40_301)
  assert.equal(await code('bob', 'GET', '/subjects/orders-value/versions/latest'), 200)
  assert.equal(await code('bob', 'GET', '/schemas/ids/1'), 200)

  // Of topics that do not exist yet, too.
  assert.equal(await code('alice', 'POST', '/subjects/planned-x-value/versions', schema), 200)
  assert.equal(await code('bob', 'POST', '/subjects/planned-y-value/versions', schema), 40_301)
  assert.equal(await code('alice', 'POST', '/subjects/payroll-value/versions', schema), 40_301)
  assert.equal(await code('admin', 'POST', '/subjects/payroll-value/versions', { schema: '"long"' }), 200)
  assert.equal(await code('bob', 'GET', '/subjects/payroll-value/versions/latest'), 40_301)
  assert.equal(await code('bob', 'GET', '/schemas/ids/2'), 40_301)
  assert.deepEqual((await registry.ask('GET', '/subjects', undefined, as('bob'))).body, ['orders-value', 'planned-x-value'])
  assert.deepEqual((await registry.ask('GET', '/subjects', undefined, as('admin'))).body, [
    'orders-value',
    'payroll-value',
    'planned-x-value',
  ])

  // What concerns all subjects.
  assert.equal(await code('alice', 'PUT', '/config', { compatibility: 'NONE' }), 40_301)
  assert.equal(await code('alice', 'PUT', '/mode', { mode: 'READONLY' }), 40_301)
  assert.equal(await code('admin', 'PUT', '/config', { compatibility: 'FULL' }), 200)
  assert.equal(await code('bob', 'GET', '/config'), 200)
})

test('a stranger in the group of the registries is not sent the credentials of others, and does not keep them from having a leader', async t => {
  const secured = await startSecured(t, { ...authorizer, 'super.users': 'User:admin' })
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  await using admin = openClient({ bootstrap, properties: ownProperties })
  await using bob = openClient({ bootstrap, properties: { ...properties, 'sasl.username': 'bob', 'sasl.password': 'bob-pw' } })
  const anyGroup = {
    resourceType: 'GROUP',
    resourceName: '*',
    patternType: 'LITERAL',
    host: '*',
    operation: 'READ',
    permission: 'ALLOW',
  } as const
  await admin.createAcls([{ ...anyGroup, principal: 'User:bob' }])
  // Its URL is not the smallest one.
  await using registry = await startRegistry(bootstrap, { properties, ownProperties, advertisedRegistry: 'http://localhost:1' })
  const write = () => registry.ask('POST', '/subjects/a-value/versions', schema, as('admin'))
  assert.equal((await write()).status, 200)

  const seen: unknown[] = []
  const trap = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  })
  trap.listen(0, '127.0.0.1')
  await once(trap, 'listening')
  try {
    const { port } = trap.address() as AddressInfo
    const claim = { version: 1, host: '127.0.0.1', port, scheme: 'http', master_eligibility: true }
    const leave = await joinRegistries(bob, JSON.stringify(claim))
    const asked = registry.ask('PUT', '/config/a-value', { compatibility: 'NONE' }, as('admin'))
    await new Promise(resolve => setTimeout(resolve, 1_000))
    assert.deepEqual(seen, [])
    await leave()
    assert.equal((await asked).status, 200)
    assert.deepEqual(seen, [])
    await (await joinRegistries(bob, 'no registry'))()
    assert.equal((await registry.ask('PUT', '/config/a-value', { compatibility: 'FULL' }, as('admin'))).status, 200)
  } finally {
    trap.closeAllConnections()
    trap.close()
  }
})

/** Resolves when the member is in; returns how it leaves. */
async function joinRegistries(client: Client, metadata: string): Promise<() => Promise<void>> {
  const membership = await client.joinGroup({
    ...{ group: 'schema-registry', protocolType: 'sr', memberId: '', sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000 },
    protocols: [{ name: 'v0', metadata: Buffer.from(metadata) }],
  })
  await client.syncGroup(membership, new Map())
  return () => client.leaveGroup(membership)
}
