/** The console acts as the person who uses it: what the broker does not allow them, it neither shows nor does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type AclOperation, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { startServices } from '../../src/services.ts'
import { authorizer, startSecured } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'

interface Body {
  rows?: { name: string }[]
  may?: string[]
  error?: string | null
}

test('a principal sees and does what its ACLs allow, and nothing else', async t => {
  const secured = await startSecured(t, authorizer)
  const admin = openClient({ bootstrap: `127.0.0.1:${secured.port('PLAINTEXT')}` })
  const properties = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'PLAIN' }
  const own = { ...properties, 'sasl.username': 'admin', 'sasl.password': 'admin-pw' }
  const settings = settingsFor(`127.0.0.1:${secured.port('SASL_PLAINTEXT')}`, { services: ['console'], properties, ownProperties: own })
  const services = await startServices(settings, realSystem(), silentLogger)
  t.after(async () => {
    await services.close()
    await admin.close()
  })
  await admin.createTopic({ name: 'orders', partitions: 1 })
  await admin.createTopic({ name: 'secret', partitions: 1 })
  await admin.send('orders', [{ key: null, value: Buffer.from('seen') }])
  const allow = (operation: AclOperation) =>
    admin.createAcls([
      {
        ...{ resourceType: 'TOPIC', resourceName: 'orders', patternType: 'LITERAL' },
        ...{ principal: 'User:alice', host: '*', operation, permission: 'ALLOW' },
      },
    ])
  await allow('READ')

  const ask = (path: string, { user = 'alice', method = 'GET', body }: { user?: string | null; method?: string; body?: object } = {}) =>
    fetch(`http://127.0.0.1:${services.ports.get('console')}/api${path}`, {
      method,
      headers: {
        ...(user === null ? {} : { authorization: `Basic ${Buffer.from(`${user}:${user}-pw`).toString('base64')}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const answer = async (path: string, options?: Parameters<typeof ask>[1]): Promise<[number, Body]> => {
    const response = await ask(path, options)
    return [response.status, (await response.json()) as Body]
  }

  assert.equal((await ask('/topics', { user: null })).status, 401)
  assert.match(
    (await ask('/topics', { user: 'mallory' })).headers.get('www-authenticate')!,
    /^Session/,
    'a browser must not ask for a password itself',
  )
  const [, list] = await answer('/topics')
  assert.deepEqual(
    list.rows!.map(each => each.name),
    ['orders'],
  )
  const [, both] = await answer('/topics', { user: 'admin' })
  assert.equal(both.rows!.length, 2, 'what one principal sees is not kept for another')
  const [, orders] = await answer('/topics/orders')
  assert.deepEqual(orders.may, ['READ', 'DESCRIBE'])
  assert.match(await (await ask('/topics/orders/messages')).text(), /"text":"seen"/)
  const rights = async (user: string, query: string) =>
    (await (await ask(`/rights?${query}`, { user })).json()) as Record<string, string[] | null>
  assert.deepEqual(await rights('alice', 'topic=orders&group=billing'), { cluster: [], topic: ['READ', 'DESCRIBE'], group: [] })
  assert.deepEqual(await rights('alice', 'topic=secret'), { cluster: [], topic: [], group: null })
  const all = await rights('admin', 'topic=orders&group=billing')
  assert.ok(all['cluster']!.includes('CREATE') && all['topic']!.includes('ALTER_CONFIGS') && all['group']!.includes('DELETE'))

  const record = { key: null, value: { text: 'x' } }
  const refusals: [string, Parameters<typeof ask>[1]][] = [
    ['/topics/secret', {}],
    ['/topics/secret/messages', {}],
    ['/config/topics/orders', {}],
    ['/topics/orders/messages', { method: 'POST', body: record }],
    ['/topics/orders?confirm=orders', { method: 'DELETE' }],
    ['/topics/orders/records?confirm=orders', { method: 'DELETE' }],
    ['/topics/orders/partitions', { method: 'POST', body: { count: 2 } }],
  ]
  for (const [path, options] of refusals) {
    const [status, { error }] = await answer(path, options)
    assert.equal(status, 403, `${options?.method ?? 'GET'} ${path}`)
    // Who may write to no topic at all may not begin a producer either, which is a right on the cluster.
    assert.match(error!, /^(?:TOPIC|CLUSTER)_AUTHORIZATION_FAILED$/)
  }
  await allow('WRITE')
  assert.equal((await ask('/topics/orders/messages', { method: 'POST', body: record })).status, 200)
})
