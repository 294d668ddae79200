/** The mirror source without a worker: what changes in the source while it is copied. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Acl, type Client, openClient } from '../../src/client.ts'
import { type SourceDefinition, type SourceRecord, type SourceTask, struct } from '../../src/connector.ts'
import { openSource, TestContext, valuesOf } from '../../src/connector-testing.ts'
import { connectors } from '../../src/connectors.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { eventually } from './workers.ts'

let brokers: Millrace[]
let source: Client
let target: Client
let definition: SourceDefinition

before(async () => {
  const config = {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  }
  brokers = [await startBroker({ memory: true, config }), await startBroker({ memory: true, config })]
  source = openClient({ bootstrap: brokers[0]!.address })
  target = openClient({ bootstrap: brokers[1]!.address })
  definition = (await connectors.find(each => each.name === 'mirror-source')!.load()) as SourceDefinition
})
after(async () => {
  for (const each of [source, target, ...brokers]) await each.close()
})

/** The first task, as a worker would start it. */
async function opened(topics: string, context = new TestContext()): Promise<{ task: SourceTask; context: TestContext }> {
  const config = {
    'source.cluster.alias': 'eu',
    'source.cluster.bootstrap.servers': brokers[0]!.address,
    'target.cluster.alias': 'us',
    'target.cluster.bootstrap.servers': brokers[1]!.address,
    'refresh.topics.interval.seconds': '1',
    'consumer.poll.timeout.ms': '50',
    topics,
  }
  const [own] = await definition.tasks!(valuesOf(definition.config, config), 1)
  const { task } = await openSource(definition, { ...config, ...own }, context)
  return { task, context }
}

const send = (topic: string, partition: number, ...values: string[]) =>
  source.send(
    topic,
    values.map(value => ({ partition, key: null, value: Buffer.from(value) })),
  )

/** Polls until so many have come. */
async function taken(task: SourceTask, count: number): Promise<string[]> {
  const records: SourceRecord[] = []
  await eventually(async () => {
    records.push(...(await task.poll()))
    return records.length >= count
  })
  return records.map(({ partition, value }) => `${partition} ${value}`).sort()
}

test('who may read a topic may read its copy, and nobody else may write there', async () => {
  await source.createTopic({ name: 'orders' })
  const of = (user: string, fields: Partial<Acl>): Acl => ({
    ...{ resourceType: 'TOPIC', patternType: 'LITERAL', resourceName: 'orders', principal: `User:${user}`, host: '*' },
    ...{ operation: 'READ', permission: 'ALLOW', ...fields },
  })
  await source.createAcls([
    of('reader', {}),
    of('all', { operation: 'ALL' }),
    of('writer', { operation: 'WRITE' }),
    of('denied', { operation: 'WRITE', permission: 'DENY' }),
    of('prefixed', { patternType: 'PREFIXED', resourceName: 'ord' }),
    of('elsewhere', { resourceName: 'others' }),
    of('member', { resourceType: 'GROUP' }),
  ])
  const { task } = await opened('orders')
  const found = async () =>
    (await target.acls({})).map(acl => `${acl.principal} ${acl.permission} ${acl.operation} ${acl.resourceType} ${acl.resourceName}`).sort()
  const wanted = ['User:all ALLOW READ TOPIC eu.orders', 'User:denied DENY WRITE TOPIC eu.orders', 'User:reader ALLOW READ TOPIC eu.orders']
  await eventually(async () => (await found()).length >= wanted.length)
  assert.deepEqual(await found(), wanted)
  await task.close()
})

test('partitions that are added are found, made in the target, and copied from their beginning', async () => {
  await source.createTopic({ name: 'grows', partitions: 1 })
  await send('grows', 0, 'a')
  const { task, context } = await opened('grows')
  const first = await task.poll()
  assert.deepEqual(
    first.map(({ value }) => String(value)),
    ['a'],
  )
  context.store(first)
  await source.setPartitions('grows', 3)
  await send('grows', 2, 'b', 'c')
  await eventually(() => context.reconfigured > 0)
  await task.close()
  const again = await opened('grows', context)
  assert.equal((await target.topics(['eu.grows']))[0]!.partitions.length, 3)
  assert.deepEqual(await taken(again.task, 2), ['2 b', '2 c'])
  await again.task.close()
})

test('what retention has deleted before it was copied is skipped, and told', async () => {
  await source.createTopic({ name: 'short', partitions: 1 })
  await send('short', 0, '0', '1', '2', '3', '4')
  const context = new TestContext()
  const sourcePartition = struct([
    ['cluster', 'eu'],
    ['partition', 0],
    ['topic', 'short'],
  ])
  context.store([{ sourcePartition, sourceOffset: struct([['offset', 0]]) }])
  await source.deleteRecords('short', new Map([[0, 3n]]))
  const { task } = await opened('short', context)
  assert.deepEqual(await taken(task, 2), ['0 3', '0 4'])
  assert.deepEqual(context.warnings, ['records were deleted in the source before they were copied'])
  assert.equal(context.counts.get('positions_out_of_range'), 1)
  await task.close()
})
