/** The parts of a topic and of a group over the console's API: who reads, schemas, access, delivery, offsets. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Acl, type Client, openClient } from '../../src/client.ts'
import { silentLogger } from '../../src/logger.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { parseUuid } from '../../src/protocol.ts'
import { type RunningServices, startServices } from '../../src/services.ts'
import { eventually } from '../cluster/two-brokers.ts'
import { authorizer } from '../security/support.ts'
import { settingsFor } from '../services/settings.ts'
import { joinShareGroup } from './raw.ts'

let broker: Millrace
let services: RunningServices
let client: Client
let base: string

before(async () => {
  broker = await startBroker({ memory: true, config: { ...authorizer, 'share.coordinator.state.topic.num.partitions': 1 } })
  services = await startServices(settingsFor(broker.address, { services: ['registry', 'console'] }), realSystem(), silentLogger)
  client = openClient({ bootstrap: broker.address })
  base = `http://127.0.0.1:${services.ports.get('console')}/api`
})
after(async () => {
  await client.close()
  await services.close()
  await broker.close()
})

async function call<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await fetch(base + path, { method, ...init })
  return { status: response.status, body: (await response.json()) as T }
}

const records = (count: number, partitions = 1) =>
  Array.from({ length: count }, (_, n) => ({ key: null, value: Buffer.from(String(n)), partition: n % partitions }))

test('a topic knows which groups read it, also new ones that have committed nothing', async () => {
  await client.createTopic({ name: 'read', partitions: 2 })
  await client.createTopic({ name: 'other', partitions: 1 })
  await client.send('read', records(10, 2))
  await client.setGroupOffsets('behind', [
    { topic: 'read', partition: 0, offset: 1n },
    { topic: 'read', partition: 1, offset: 5n },
    { topic: 'other', partition: 0, offset: 0n },
  ])
  await client.setGroupOffsets('elsewhere', [{ topic: 'other', partition: 0, offset: 0n }])
  const subscription = await client.subscribe({ group: 'fresh', topics: ['read'], otherwise: 'earliest' })
  const reading = subscription[Symbol.asyncIterator]()
  try {
    await reading.next()
    interface Row {
      group: string
      state: string
      partitions: number
      lag: string | null
    }
    const { status, body } = await call<{ rows: Row[]; missing: string[] }>('GET', '/topics/read/groups')
    assert.equal(status, 200, JSON.stringify(body))
    assert.deepEqual(
      body.rows.map(({ group, state, partitions, lag }) => [group, state, partitions, lag]),
      [
        ['behind', 'Empty', 2, '4'],
        ['fresh', 'Stable', 2, null],
      ],
    )
    assert.deepEqual(body.missing, [])
  } finally {
    await subscription.close()
  }
  assert.equal((await call('GET', '/topics/nothing/groups')).status, 404)
})

test('who has read a topic that was deleted does not read a new one of its name', async () => {
  await client.createTopic({ name: 'reborn', partitions: 1 })
  await client.setGroupOffsets('earlier', [{ topic: 'reborn', partition: 0, offset: 0n }])
  // Through the console, which then asks anew.
  const reset = { topic: 'reborn', to: { kind: 'earliest' }, dryRun: false }
  assert.equal((await call('POST', '/groups/earlier/offsets', reset)).status, 200)
  const groups = async () => (await call<{ rows: { group: string }[] }>('GET', '/topics/reborn/groups')).body.rows.map(each => each.group)
  assert.deepEqual(await groups(), ['earlier'])
  assert.equal((await call('DELETE', '/topics/reborn?confirm=reborn')).status, 200)
  assert.equal((await call('POST', '/topics', { name: 'reborn', partitions: 1 })).status, 200)
  assert.deepEqual(await groups(), [])
})

test('a topic knows the schemas of its keys and values, and subjects with longer names', async () => {
  await client.createTopic({ name: 'shaped', partitions: 1 })
  const registry = `http://127.0.0.1:${services.ports.get('registry')}`
  for (const subject of ['shaped-value', 'shaped-com.example.Order'])
    await fetch(`${registry}/subjects/${subject}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: '"string"' }),
    })
  const { body } = await call('GET', '/topics/shaped/schemas')
  assert.deepEqual(body, {
    parts: [
      { part: 'key', subject: 'shaped-key', latest: null, versions: 0, compatibility: null },
      {
        ...{ part: 'value', subject: 'shaped-value', versions: 1, compatibility: 'BACKWARD' },
        latest: { id: 1, version: 1, type: 'AVRO', schema: '"string"', references: [] },
      },
    ],
    others: ['shaped-com.example.Order'],
  })
})

test('a topic knows who may do what with it, and because of which ACLs', async () => {
  const acl = (changes: Partial<Acl>): Acl => ({
    ...{ resourceType: 'TOPIC', resourceName: 'guarded', patternType: 'LITERAL', principal: 'User:alice', host: '*' },
    ...{ operation: 'READ', permission: 'ALLOW' },
    ...changes,
  })
  const touching = [
    acl({}),
    acl({ resourceName: 'guard', patternType: 'PREFIXED', principal: 'User:bob', operation: 'ALL' }),
    acl({ resourceName: '*', principal: 'User:bob', operation: 'DELETE', permission: 'DENY' }),
  ]
  await client.createAcls([...touching, acl({ resourceName: 'another', principal: 'User:carol' })])
  interface Access {
    acls: Acl[]
    principals: { principal: string; allowed: string[]; denied: string[] }[]
  }
  const { body } = await call<Access>('GET', '/topics/guarded/access')
  assert.deepEqual(new Set(body.acls.map(each => JSON.stringify(each))), new Set(touching.map(each => JSON.stringify(each))))
  const of = (name: string) => body.principals.find(each => each.principal === name)
  assert.deepEqual(of('User:alice'), { principal: 'User:alice', allowed: ['READ', 'DESCRIBE'], denied: [] })
  const bob = of('User:bob')!
  assert.deepEqual([bob.allowed.includes('WRITE'), bob.allowed.includes('DELETE'), bob.denied], [true, false, ['DELETE']])
  assert.equal(of('User:admin')!.allowed.length, 7, 'super users may do everything')
  assert.equal(of('User:carol'), undefined)
})

test('a share group tells what it has settled, what is left, its limits and its dead letters', async () => {
  await client.createTopic({ name: 'shared', partitions: 1 })
  await client.createTopic({ name: 'dlq.sharers', partitions: 1, configs: new Map([['errors.deadletterqueue.group.enable', 'true']]) })
  const limits = {
    'share.auto.offset.reset': 'earliest',
    'share.delivery.count.limit': '3',
    'errors.deadletterqueue.topic.name': 'dlq.sharers',
  }
  await client.alterConfigs({ type: 'GROUP', name: 'sharers' }, new Map(Object.entries(limits)))
  await client.send('shared', records(4))
  const [info] = await client.topics(['shared'])
  const member = await joinShareGroup(broker.port, 'sharers', { id: parseUuid(info!.id)!, name: 'shared' })
  try {
    await eventually(async () => (await member.take()) === 4, 1_000)
    await member.accept(1)
    interface Delivery {
      partitions: object[]
      limits: { name: string; value: string | null }[]
      deadLetters: object | null
      missing: string[]
    }
    const settled = { topic: 'shared', partition: 0, start: '0', end: '4', left: '3', ahead: '1' }
    const { body } = await eventually(async () => {
      const answer = await call<Delivery>('GET', '/groups/sharers/share')
      return (answer.body.partitions[0] as { ahead?: string } | undefined)?.ahead === '1' && answer
    }, 1_000)
    assert.deepEqual(body.partitions, [settled])
    assert.equal(body.limits.find(each => each.name === 'share.delivery.count.limit')!.value, '3')
    assert.deepEqual(body.deadLetters, { topic: 'dlq.sharers', records: '0' })
    assert.deepEqual(body.missing, [])
  } finally {
    member.close()
  }
})

test('offsets are reset to a time, an offset, and those of another group, for the partitions that are named', async () => {
  await client.createTopic({ name: 'again', partitions: 3 })
  const at = 1_700_000_000_000
  await client.send(
    'again',
    records(30, 3).map((record, n) => ({ ...record, timestampMs: BigInt(at + n) })),
  )
  await client.setGroupOffsets('model', [{ topic: 'again', partition: 1, offset: 7n }])
  await client.setGroupOffsets('moved', [{ topic: 'again', partition: 0, offset: 10n }])
  const preview = async (to: object, partitions?: number[]) => {
    const answer = await call<{ changes: { partition: number; before: string | null; after: string }[] }>('POST', '/groups/moved/offsets', {
      ...{ topic: 'again', to, dryRun: true },
      ...(partitions === undefined ? {} : { partitions }),
    })
    return answer.body.changes.map(({ partition, before: old, after: then }) => [partition, old, then])
  }
  assert.deepEqual(await preview({ kind: 'time', timestamp: String(at + 15) }), [
    [0, '10', '5'],
    [1, null, '5'],
    [2, null, '5'],
  ])
  assert.deepEqual(await preview({ kind: 'offset', offset: '99' }, [0, 2]), [
    [0, '10', '10'],
    [2, null, '10'],
  ])
  assert.deepEqual(await preview({ kind: 'group', group: 'model' }), [[1, null, '7']])
  assert.deepEqual(
    (await client.groupOffsets('moved', 'classic')).map(each => [each.partition, each.offset]),
    [[0, 10n]],
    'a preview changes nothing',
  )
  const to = { kind: 'group', group: 'model' }
  assert.equal((await call('POST', '/groups/moved/offsets', { topic: 'again', to, dryRun: false })).status, 200)
  assert.deepEqual(
    (await client.groupOffsets('moved', 'classic')).map(each => [each.partition, each.offset]),
    [
      [0, 10n],
      [1, 7n],
    ],
  )
  assert.equal((await call('POST', '/groups/moved/offsets', { topic: 'again', to, dryRun: true, partitions: [9] })).status, 404)
})

test('lag of a group whose partitions were emptied counts what is there, and the offsets tell what was lost', async () => {
  await client.createTopic({ name: 'emptied', partitions: 1 })
  await client.send('emptied', records(5))
  await client.setGroupOffsets('late', [{ topic: 'emptied', partition: 0, offset: 2n }])
  assert.equal((await call('DELETE', '/topics/emptied/records?confirm=emptied')).status, 200)
  const { body } = await call<{ partitions: { start: string; offset: string; end: string }[] }>('GET', '/groups/late')
  const [only] = body.partitions
  assert.deepEqual([only!.start, only!.offset, only!.end], ['5', '2', '5'])
})
