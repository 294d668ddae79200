import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis, errorCode } from '../../../protocol.ts'
import { alterClientQuotas } from './alter-client-quotas.ts'
import { inEveryVersion, type TestBroker } from './cluster-apis.testing.ts'
import { describeClientQuotas } from './describe-client-quotas.ts'

type Entity = [type: string, name: string | null][]

async function alter(
  broker: TestBroker,
  version: number,
  entity: Entity,
  ops: [key: string, value: number | null][],
  validateOnly = false,
) {
  const entry = {
    entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
  }
  const { entries } = await broker.call(apis.alterClientQuotas, alterClientQuotas, version, { entries: [entry], validateOnly })
  return entries[0]!.errorCode
}

async function describe(broker: TestBroker, version: number, components: [string, number, string | null][], strict = false) {
  const { entries, errorCode } = await broker.call(apis.describeClientQuotas, describeClientQuotas, version, {
    components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
    strict,
  })
  if (entries === null) return errorCode
  return entries.map(({ entity, values }) => [
    ...entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`),
    ...values.map(({ key, value }) => `${key}:${value}`),
  ])
}

const exact = 0
const byDefault = 1
const specified = 2
const invalid = errorCode('INVALID_REQUEST')

test('quotas are set, described by every kind of filter, and removed again', () =>
  inEveryVersion(apis.alterClientQuotas, alterClientQuotas, async (version, _call, broker) => {
    const set = async (entity: Entity, ops: [string, number | null][]) => assert.equal(await alter(broker, version, entity, ops), 0)
    await set([['user', 'a']], [['producer_byte_rate', 1000]])
    await set([['user', null]], [['consumer_byte_rate', 2000]])
    const both: Entity = [
      ['user', 'a'],
      ['client-id', 'c'],
    ]
    await set(both, [
      ['request_percentage', 12.5],
      ['controller_mutation_rate', 0.5],
    ])
    await set([['ip', '1.2.3.4']], [['connection_creation_rate', 10]])
    const ofBoth = ['user=a', 'client-id=c', 'request_percentage:12.5', 'controller_mutation_rate:0.5']
    const ofA = ['user=a', 'producer_byte_rate:1000']
    const ofDefault = ['user=null', 'consumer_byte_rate:2000']
    assert.deepEqual(await describe(broker, version, [['user', exact, 'a']]), [ofA, ofBoth])
    assert.deepEqual(await describe(broker, version, [['user', exact, 'a']], true), [ofA])
    assert.deepEqual(await describe(broker, version, [['user', byDefault, null]]), [ofDefault])
    assert.deepEqual(await describe(broker, version, [['user', specified, null]]), [ofA, ofDefault, ofBoth])
    assert.deepEqual(await describe(broker, version, [['client-id', specified, null]]), [ofBoth])
    assert.equal(((await describe(broker, version, [])) as unknown[]).length, 4)
    assert.deepEqual(await describe(broker, version, [], true), [])
    await set(both, [
      ['request_percentage', null],
      ['controller_mutation_rate', null],
    ])
    await set(
      [['user', 'a']],
      [
        ['producer_byte_rate', 1],
        ['consumer_byte_rate', null],
      ],
    )
    assert.deepEqual(await describe(broker, version, [['user', exact, 'a']]), [['user=a', 'producer_byte_rate:1']])
  }))

test('what Kafka refuses is refused, and changes nothing', () =>
  inEveryVersion(apis.alterClientQuotas, alterClientQuotas, async (version, _call, broker) => {
    const rate: [string, number][] = [['producer_byte_rate', 1]]
    const bad: [Entity, [string, number | null][]][] = [
      [[], rate],
      [[['group', 'g']], rate],
      [[['user', '']], rate],
      [
        [
          ['user', 'a'],
          ['user', 'b'],
        ],
        rate,
      ],
      [
        [
          ['ip', '1.2.3.4'],
          ['user', 'a'],
        ],
        rate,
      ],
      [[['ip', '1.2.3.4']], rate],
      [[['ip', 'no address']], [['connection_creation_rate', 1]]],
      [[['ip', '1.2.3.4']], [['connection_creation_rate', 2 ** 31]]],
      [[['user', 'a']], [['connection_creation_rate', 1]]],
      [[['user', 'a']], [['no_such', 1]]],
      [[['user', 'a']], [['producer_byte_rate', 0]]],
      [[['user', 'a']], [['producer_byte_rate', -1]]],
      [[['user', 'a']], [['producer_byte_rate', Number.NaN]]],
      [[['user', 'a']], [['producer_byte_rate', 1.5]]],
      [
        [['user', 'a']],
        [
          ['producer_byte_rate', 1],
          ['producer_byte_rate', 2],
        ],
      ],
    ]
    for (const [entity, ops] of bad) assert.equal(await alter(broker, version, entity, ops), invalid, JSON.stringify([entity, ops]))
    assert.equal(await alter(broker, version, [['user', 'a']], rate, true), 0)
    assert.deepEqual(await describe(broker, version, []), [])
  }))

test('filters that contradict themselves are refused', () =>
  inEveryVersion(apis.describeClientQuotas, describeClientQuotas, async (version, _call, broker) => {
    assert.equal(await describe(broker, version, [['', exact, 'a']]), invalid)
    assert.equal(await describe(broker, version, [['user', exact, null]]), invalid)
    assert.equal(await describe(broker, version, [['user', byDefault, 'a']]), invalid)
    assert.equal(await describe(broker, version, [['user', specified, 'a']]), invalid)
    assert.equal(await describe(broker, version, [['user', 3, null]]), invalid)
    assert.equal(
      await describe(broker, version, [
        ['user', exact, 'a'],
        ['user', specified, null],
      ]),
      invalid,
    )
    assert.equal(
      await describe(broker, version, [
        ['user', exact, 'a'],
        ['ip', specified, null],
      ]),
      invalid,
    )
    assert.equal(await describe(broker, version, [['group', exact, 'a']]), errorCode('UNSUPPORTED_VERSION'))
  }))

test('only who may alter and describe configs of the cluster', async () => {
  await inEveryVersion(apis.alterClientQuotas, alterClientQuotas, async (version, _call, broker) => {
    broker.denied.add('ALTER_CONFIGS CLUSTER kafka-cluster').add('DESCRIBE_CONFIGS CLUSTER kafka-cluster')
    const refused = errorCode('CLUSTER_AUTHORIZATION_FAILED')
    assert.equal(await alter(broker, version, [['user', 'a']], [['producer_byte_rate', 1]]), refused)
    assert.equal(await describe(broker, version, []), refused)
  })
})
