/** v3 of the REST proxy: everything but records. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RestProxy, startProxy } from './proxy.testing.ts'

let proxy: RestProxy
before(async () => {
  proxy = await startProxy()
})
after(() => proxy[Symbol.asyncDispose]())

test('the cluster and its brokers, with absolute links', async () => {
  const { body } = await proxy.ask('GET', '/v3/clusters')
  assert.equal(body.kind, 'KafkaClusterList')
  assert.equal(body.data[0].metadata.self, `${proxy.url}${proxy.cluster}`)
  assert.equal(body.data[0].topics.related, `${proxy.url}${proxy.cluster}/topics`)
  const brokers = await proxy.ask('GET', `${proxy.cluster}/brokers`)
  assert.equal(brokers.body.data.length, 1)
  const [broker] = brokers.body.data
  assert.equal(broker.kind, 'KafkaBroker')
  const one = await proxy.ask('GET', `${proxy.cluster}/brokers/${broker.broker_id}`)
  assert.deepEqual(one.body, broker)
  assert.equal((await proxy.ask('GET', `${proxy.cluster}/brokers/99`)).status, 404)
  assert.equal((await proxy.ask('GET', '/v3/clusters/other/topics')).body.error_code, 404)
})

test('an unknown route answers JSON', async () => {
  const { status, body } = await proxy.ask('GET', '/v3/no/such/route')
  assert.deepEqual([status, body.error_code], [404, 404])
})

test('a topic is created, described, extended, deleted', async () => {
  const created = await proxy.ask('POST', `${proxy.cluster}/topics`, {
    topic_name: 'orders',
    partitions_count: 2,
    configs: [{ name: 'cleanup.policy', value: 'compact' }],
  })
  assert.equal(created.status, 201)
  assert.equal(created.headers.get('location'), `${proxy.url}${proxy.cluster}/topics/orders`)
  assert.equal(created.body.partitions_count, 2)
  const dry = await proxy.ask('POST', `${proxy.cluster}/topics`, { topic_name: 'dry', validate_only: true })
  assert.equal(dry.status, 200)
  const placed = await proxy.ask('POST', `${proxy.cluster}/topics`, {
    topic_name: 'placed',
    replicas_assignments: { 0: [await brokerId()] },
  })
  assert.deepEqual([placed.status, placed.body.partitions_count, placed.body.replication_factor], [201, 1, 1])
  const listed = await proxy.ask('GET', `${proxy.cluster}/topics`)
  assert.deepEqual(
    listed.body.data.filter((each: { is_internal: boolean }) => !each.is_internal).map((each: { topic_name: string }) => each.topic_name),
    ['orders', 'placed'],
  )
  const more = await proxy.ask('PATCH', `${proxy.cluster}/topics/orders`, { partitions_count: 3 })
  assert.deepEqual([more.status, more.body.partitions_count], [200, 3])
  const operations = await proxy.ask('GET', `${proxy.cluster}/topics/orders?include_authorized_operations=true`)
  assert.ok(operations.body.authorized_operations.includes('WRITE'))
  assert.equal((await proxy.ask('DELETE', `${proxy.cluster}/topics/placed`)).status, 204)
  assert.equal((await proxy.ask('GET', `${proxy.cluster}/topics/placed`)).status, 404)
})

test('bad topic name: 422 with 42206', async () => {
  const { status, body } = await proxy.ask('POST', `${proxy.cluster}/topics`, { topic_name: 'a b' })
  assert.deepEqual([status, body], [422, { error_code: 42_206, message: 'Payload error. Invalid topic name.' }])
})

test('topic exists, bad config, fewer partitions: 400 with 40002', async () => {
  await proxy.ask('POST', `${proxy.cluster}/topics`, { topic_name: 'there', partitions_count: 2 })
  const again = await proxy.ask('POST', `${proxy.cluster}/topics`, { topic_name: 'there' })
  assert.deepEqual([again.status, again.body.error_code], [400, 40_002])
  const config = await proxy.ask('POST', `${proxy.cluster}/topics`, { topic_name: 'bad', configs: [{ name: 'no.such', value: '1' }] })
  assert.deepEqual([config.status, config.body.error_code], [400, 40_002])
  const fewer = await proxy.ask('PATCH', `${proxy.cluster}/topics/there`, { partitions_count: 1 })
  assert.deepEqual([fewer.status, fewer.body.error_code], [400, 40_002])
})

test('unknown topic: 404 with 40403', async () => {
  for (const path of ['', '/configs', '/partitions', '/partitions/0', '/partitions/0/offset', '/partitions/-/reassignment']) {
    const { status, body } = await proxy.ask('GET', `${proxy.cluster}/topics/missing${path}`)
    assert.deepEqual([path, status, body.error_code], [path, 404, 40_403])
  }
  const deleted = await proxy.ask('DELETE', `${proxy.cluster}/topics/missing`)
  assert.deepEqual([deleted.status, deleted.body.error_code], [404, 40_403])
})

test('an unknown partition: 404 with 40402', async () => {
  await proxy.client.createTopic({ name: 'few' })
  const { status, body } = await proxy.ask('GET', `${proxy.cluster}/topics/few/partitions/7`)
  assert.deepEqual([status, body.error_code], [404, 40_402])
})

test('configs of a topic: read, set, reset, altered together', async () => {
  await proxy.client.createTopic({ name: 'configured' })
  const path = `${proxy.cluster}/topics/configured/configs`
  const read = async (name: string) => (await proxy.ask('GET', `${path}/${name}`)).body
  assert.equal((await read('retention.ms')).is_default, true)
  assert.equal((await proxy.ask('PUT', `${path}/retention.ms`, { value: '9007199254740993' })).status, 204)
  const entry = await read('retention.ms')
  assert.deepEqual([entry.value, entry.source, entry.is_default], ['9007199254740993', 'DYNAMIC_TOPIC_CONFIG', false])
  await proxy.ask('PUT', `${path}/compression.type`, { value: 'gzip' })
  assert.deepEqual(
    (await read('compression.type')).synonyms.map((each: { source: string }) => each.source),
    ['DYNAMIC_TOPIC_CONFIG', 'DEFAULT_CONFIG'],
  )
  assert.equal((await proxy.ask('DELETE', `${path}/retention.ms`)).status, 204)
  assert.equal((await read('retention.ms')).is_default, true)
  const data = [
    { name: 'cleanup.policy', value: 'compact' },
    { name: 'retention.ms', operation: 'DELETE' },
  ]
  assert.equal((await proxy.ask('POST', `${path}:alter`, { data, validate_only: true })).status, 204)
  assert.equal((await read('cleanup.policy')).value, 'delete')
  assert.equal((await proxy.ask('POST', `${path}:alter`, { data })).status, 204)
  assert.equal((await read('cleanup.policy')).value, 'compact')
  assert.equal((await proxy.ask('POST', `${path}:alter`, { data: [{ name: 'no.such', value: '1' }] })).status, 404)
  assert.equal((await proxy.ask('GET', `${path}/no.such`)).status, 404)
  const invalid = await proxy.ask('PUT', `${path}/retention.ms`, { value: 'soon' })
  assert.deepEqual([invalid.status, invalid.body.error_code], [400, 40_002])
  const all = await proxy.ask('GET', `${proxy.cluster}/topics/-/configs`)
  assert.ok(all.body.data.some((each: { topic_name: string }) => each.topic_name === 'configured'))
})

test('the configs that a topic would have, without making it', async () => {
  const path = `${proxy.cluster}/topics/not-made/default-configs`
  const { status, body } = await proxy.ask('GET', path)
  assert.deepEqual([status, body.kind, body.metadata.self], [200, 'KafkaTopicConfigList', proxy.url + path])
  const policy = body.data.find((each: { name: string }) => each.name === 'cleanup.policy')
  assert.deepEqual([policy.topic_name, policy.value, policy.is_default], ['not-made', 'delete', true])
  assert.equal((await proxy.ask('GET', `${proxy.cluster}/topics/not-made`)).status, 404)
  const there = await proxy.ask('GET', `${proxy.cluster}/topics/configured/default-configs`)
  assert.deepEqual([there.status, there.body.error_code], [400, 40_002])
})

test('configs of one broker and of all brokers', async () => {
  const id = await brokerId()
  const one = await proxy.ask('GET', `${proxy.cluster}/brokers/${id}/configs`)
  assert.ok(one.body.data.length > 50)
  assert.equal(one.body.data[0].broker_id, id)
  assert.equal((await proxy.ask('PUT', `${proxy.cluster}/broker-configs/log.retention.ms`, { value: '86400000' })).status, 204)
  const all = await proxy.ask('GET', `${proxy.cluster}/broker-configs`)
  assert.deepEqual(
    all.body.data
      .filter((each: { name: string }) => each.name === 'log.retention.ms')
      .map((each: { config_type: string; value: string }) => [each.config_type, each.value]),
    [['BROKER', '86400000']],
  )
  assert.equal((await proxy.ask('DELETE', `${proxy.cluster}/broker-configs/log.retention.ms`)).status, 204)
  assert.equal((await proxy.ask('GET', `${proxy.cluster}/brokers/-/configs`)).status, 200)
})

test('partitions, replicas and offsets; earliest_and_latest', async () => {
  await proxy.client.createTopic({ name: 'parts', partitions: 2 })
  await proxy.client.send('parts', [{ key: null, value: Buffer.from('v'), partition: 1 }])
  const path = `${proxy.cluster}/topics/parts/partitions`
  const { body } = await proxy.ask('GET', path)
  assert.deepEqual(
    body.data.map((each: { partition_id: number }) => each.partition_id),
    [0, 1],
  )
  const id = await brokerId()
  assert.equal(body.data[1].leader.related, `${proxy.url}${path}/1/replicas/${id}`)
  const replicas = await proxy.ask('GET', `${path}/1/replicas`)
  assert.deepEqual([replicas.body.data[0].broker_id, replicas.body.data[0].is_leader, replicas.body.data[0].is_in_sync], [id, true, true])
  assert.deepEqual((await proxy.ask('GET', `${path}/1/replicas/${id}`)).body, replicas.body.data[0])
  const ofBroker = await proxy.ask('GET', `${proxy.cluster}/brokers/${id}/partition-replicas`)
  assert.ok(ofBroker.body.data.length >= 2)
  for (const query of ['', '?offset_type=earliest_and_latest']) {
    const offsets = await proxy.ask('GET', `${path}/1/offset${query}`)
    assert.deepEqual([offsets.body.earliest_offset, offsets.body.latest_offset], [0, 1])
  }
  assert.equal((await proxy.ask('GET', `${path}/1/offset?offset_type=other`)).status, 400)
  assert.deepEqual((await proxy.ask('GET', `${proxy.cluster}/topics/-/partitions/-/reassignment`)).body.data, [])
  assert.equal((await proxy.ask('GET', `${path}/1/reassignment`)).status, 404)
})

test('groups, consumers, assignments and lags', async () => {
  await proxy.client.createTopic({ name: 'lagging', partitions: 1 })
  await proxy.client.send(
    'lagging',
    ['a', 'b', 'c'].map(value => ({ key: null, value: Buffer.from(value) })),
  )
  const subscription = await proxy.client.subscribe({ group: 'readers', topics: ['lagging'], otherwise: 'earliest' })
  try {
    for await (const record of subscription) {
      await subscription.commit([{ ...record, offset: record.offset + 1n }])
      break
    }
    const path = `${proxy.cluster}/consumer-groups/readers`
    const listed = await proxy.ask('GET', `${proxy.cluster}/consumer-groups`)
    assert.deepEqual(
      listed.body.data.map((each: { consumer_group_id: string; state: string }) => [each.consumer_group_id, each.state]),
      [['readers', 'STABLE']],
    )
    assert.deepEqual((await proxy.ask('GET', path)).body, listed.body.data[0])
    const { body } = await proxy.ask('GET', `${path}/lags`)
    const [lag] = body.data
    assert.deepEqual([lag.topic_name, lag.partition_id, lag.current_offset, lag.log_end_offset, lag.lag], ['lagging', 0, 1, 3, 2])
    assert.deepEqual((await proxy.ask('GET', `${path}/lags/lagging/partitions/0`)).body, lag)
    const summary = await proxy.ask('GET', `${path}/lag-summary`)
    assert.deepEqual([summary.body.max_lag, summary.body.total_lag, summary.body.max_lag_topic_name], [2, 2, 'lagging'])
    const consumers = await proxy.ask('GET', `${path}/consumers`)
    const id = consumers.body.data[0].consumer_id
    assert.equal(lag.consumer_id, id)
    const assignments = await proxy.ask('GET', `${path}/consumers/${id}/assignments`)
    assert.deepEqual([assignments.body.data[0].topic_name, assignments.body.data[0].partition_id], ['lagging', 0])
    assert.equal((await proxy.ask('GET', `${path}/consumers/${id}/assignments/lagging/partitions/0`)).status, 200)
    assert.equal((await proxy.ask('GET', `${path}/consumers/other`)).status, 404)
    assert.equal((await proxy.ask('GET', `${proxy.cluster}/consumer-groups/missing`)).status, 404)
  } finally {
    await subscription.close()
  }
})

test('no authorizer: 400 with 40002', async () => {
  const { status, body } = await proxy.ask('GET', `${proxy.cluster}/acls`)
  assert.deepEqual([status, body.error_code], [400, 40_002])
})

async function brokerId(): Promise<number> {
  return (await proxy.client.cluster()).brokers[0]!.id
}
