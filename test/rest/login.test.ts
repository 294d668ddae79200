/** Each caller of the REST proxy is the Kafka user whose credentials it brings, towards the broker and the registry. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Acl, openClient } from '../../src/client.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { proxyOver } from './proxy.testing.ts'

const as = (user: string, password = `${user}-pw`) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` })

test("what a caller may do is what Kafka's ACLs say of the user", async t => {
  const secured = await startSecured(t, { ...authorizer, 'super.users': 'User:admin' })
  const bootstrap = `127.0.0.1:${secured.port('SASL_PLAINTEXT')}`
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const ownProperties = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const admin = openClient({ bootstrap, properties: ownProperties })
  const acl = (principal: string, operation: Acl['operation'], resourceType: Acl['resourceType'] = 'TOPIC'): Acl => ({
    ...{ resourceType, resourceName: resourceType === 'TOPIC' ? 'orders' : 'shop', patternType: 'LITERAL', principal, host: '*' },
    ...{ operation, permission: 'ALLOW' },
  })
  await using proxy = await proxyOver(bootstrap, admin, { services: ['registry', 'rest'], properties, ownProperties }, as('admin'))
  await admin.createTopic({ name: 'orders', partitions: 1 })
  await admin.createAcls([acl('User:alice', 'WRITE'), acl('User:bob', 'READ'), acl('User:bob', 'READ', 'GROUP')])
  const path = `${proxy.cluster}/topics/orders/records`
  const json = { 'content-type': 'application/vnd.kafka.json.v2+json' }
  const avro = { value: { type: 'AVRO', schema: '"int"', data: 1 } }

  const nobody = await proxy.ask('GET', '/topics')
  assert.deepEqual([nobody.status, nobody.body.error_code], [401, 40_101])
  assert.match(nobody.headers.get('www-authenticate')!, /^Basic/)
  assert.equal((await proxy.ask('GET', '/topics', undefined, as('alice', 'wrong'))).status, 401)

  // The schema is registered with alice's rights, and bob has none to register another.
  const sent = await proxy.ask('POST', path, avro, as('alice'))
  assert.equal(sent.body.error_code, 200, sent.text)
  const denied = await proxy.ask('POST', path, { value: { ...avro.value, schema: '"long"' } }, as('bob'))
  assert.equal(denied.body.error_code, 40_301, denied.text)
  const plain = await proxy.ask('POST', path, { value: { type: 'JSON', data: 1 } }, as('bob'))
  assert.deepEqual([plain.status, plain.body.error_code], [200, 40_301])
  const old = await proxy.ask('POST', '/topics/orders', { records: [{ value: 1 }] }, { ...json, ...as('bob') })
  assert.deepEqual([old.status, old.body.offsets[0].error_code], [403, 40_301])

  const page = await proxy.ask('GET', `${path}?value_format=AUTO`, undefined, as('bob'))
  assert.deepEqual(
    page.body.data.map((each: { value: { type: string; data: unknown } }) => [each.value.type, each.value.data]),
    [['AVRO', 1]],
  )
  const unread = await proxy.ask('GET', path, undefined, as('alice'))
  assert.deepEqual([unread.status, unread.body.error_code], [403, 40_301])

  // An instance is its owner's, whatever others know of its name.
  assert.equal((await proxy.ask('POST', '/consumers/shop', { name: 'c1' }, as('bob'))).status, 200)
  const foreign = await proxy.ask('GET', '/consumers/shop/instances/c1/records', undefined, as('alice'))
  assert.deepEqual([foreign.status, foreign.body.error_code], [404, 40_403])
  assert.equal((await proxy.ask('POST', '/consumers/shop', { name: 'c1' }, as('alice'))).status, 200)
})
