/** ACLs by the REST proxy, over a broker with an authorizer. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy({
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  })
})
after(() => proxy[Symbol.asyncDispose]())

const acl = {
  ...{ resource_type: 'TOPIC', resource_name: 'orders-', pattern_type: 'PREFIXED', principal: 'User:alice', host: '*' },
  ...{ operation: 'READ', permission: 'ALLOW' },
}

test('an ACL is created, found and deleted; DELETE needs every filter', async () => {
  const path = `${proxy.cluster}/acls`
  const created = await proxy.ask('POST', path, acl)
  assert.deepEqual([created.status, created.text], [201, ''])
  assert.ok(created.headers.get('location')!.startsWith(`${proxy.url}${path}?resource_type=TOPIC`))
  const found = await proxy.ask('GET', `${path}?principal=User:alice`)
  const { kind, metadata, cluster_id, ...fields } = found.body.data[0]
  assert.equal(kind, 'KafkaAcl')
  assert.ok(cluster_id !== undefined && metadata.self.includes('principal=User%3Aalice'))
  assert.deepEqual(fields, acl)
  assert.deepEqual((await proxy.ask('GET', `${path}?principal=User:bob`)).body.data, [])
  for (const query of ['', '?resource_type=TOPIC', '?resource_type=TOPIC&pattern_type=ANY&operation=ANY']) {
    const refused = await proxy.ask('DELETE', path + query)
    assert.deepEqual([query, refused.status, refused.body.error_code], [query, 400, 400])
  }
  const deleted = await proxy.ask('DELETE', `${path}?resource_type=TOPIC&pattern_type=ANY&operation=ANY&permission=ANY`)
  assert.deepEqual([deleted.status, deleted.body.data.length], [200, 1])
})

test('acls:batch is 201', async () => {
  const path = `${proxy.cluster}/acls`
  const data = [acl, { ...acl, operation: 'WRITE' }]
  assert.equal((await proxy.ask('POST', `${path}:batch`, { data })).status, 201)
  assert.equal((await proxy.ask('GET', path)).body.data.length, 2)
  assert.equal((await proxy.ask('POST', path, { ...acl, operation: 'FLY' })).status, 400)
  assert.equal((await proxy.ask('POST', path, { resource_type: 'TOPIC' })).status, 400)
  assert.equal((await proxy.ask('POST', path)).status, 422)
})
