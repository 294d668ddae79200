/** Who may see and change which subjects: what Kafka's ACLs say of the topics that they are named after. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Acl, openClient } from '../../src/client.ts'
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
