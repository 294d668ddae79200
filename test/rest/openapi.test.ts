/** The OpenAPI document of the REST proxy: what it says of each route is what the route answers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Contract } from './openapi.testing.ts'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy()
  await proxy.client.createTopic({ name: 'told', partitions: 1 })
  await proxy.client.send('told', [{ key: Buffer.from('k'), value: Buffer.from('v') }])
  await proxy.client.commit('tellers', [{ topic: 'told', partition: 0, offset: 1n }])
})
after(() => proxy[Symbol.asyncDispose]())

test('the document is OpenAPI 3.1 and names all routes', () => {
  const { openapi, paths } = proxy.document
  assert.equal(openapi, '3.1.0')
  for (const path of [
    '/v3/clusters/{cluster_id}/topics/{topic_name}/records',
    '/v3/clusters/{cluster_id}/topics/{topic_name}/records:batch',
    '/v3/clusters/{cluster_id}/topics/-/configs:alter',
    '/v3/clusters/{cluster_id}/acls:batch',
    '/consumers/{group}/instances/{instance}/records',
    '/topics/{topic}/partitions/{partition}',
  ])
    assert.ok(paths[path], path)
  assert.deepEqual(Object.keys(paths['/v3/clusters/{cluster_id}/topics/{topic_name}/records']!).sort(), ['get', 'post'])
})

test('each GET answers, and `ask` holds the answer against the document', async () => {
  const { broker_id } = (await proxy.ask('GET', `${proxy.cluster}/brokers`)).body.data[0]
  const values: Record<string, string> = {
    ...{ cluster_id: proxy.cluster.split('/').at(-1)!, broker_id: String(broker_id), topic_name: 'told', topic: 'told' },
    ...{ partition_id: '0', partition: '0', consumer_group_id: 'tellers' },
  }
  let answered = 0
  for (const [path, operations] of Object.entries(proxy.document.paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(each => each[1]!)
    if (operations['get'] === undefined || names.some(each => each !== 'name' && values[each] === undefined)) continue
    const name = path.includes('/topics/') ? 'cleanup.policy' : 'log.retention.ms'
    const { status } = await proxy.ask(
      'GET',
      path.replaceAll(/\{(\w+)\}/g, (_, each: string) => values[each] ?? name),
    )
    if (status === 200) answered++
  }
  assert.ok(answered >= 25, `${answered} routes`)
})

test('an answer that the document does not describe is found', () => {
  const contract = new Contract(proxy.document)
  const told = { method: 'GET', path: '/brokers', status: 200, contentType: 'application/json', text: '{"brokers":[1]}' }
  contract.check(told)
  assert.throws(() => contract.check({ ...told, text: '{"brokers":["1"]}' }))
  assert.throws(() => contract.check({ ...told, status: 201 }))
  assert.throws(() => contract.check({ ...told, contentType: 'text/html' }))
  assert.throws(() => contract.check({ ...told, path: '/other' }))
})
