import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../../../base.ts'
import type { ClusterMetadata, ConfigChange, ConfigResourceType } from '../../../coordinator.ts'
import type { Logger } from '../../../logger.ts'
import { type apis, KafkaError, type MessageOf } from '../../../protocol.ts'
import { loadBrokerConfig } from '../../config.ts'
import type { Broker } from '../../dispatch/context.ts'
import type { Handler, RequestContext } from '../../dispatch/handler.ts'
import { alterConfigs } from './alter-configs.ts'
import { describeConfigs } from './describe-configs.ts'
import { incrementalAlterConfigs } from './incremental-alter-configs.ts'
import { listConfigResources } from './list-config-resources.ts'

type AlterResponse = MessageOf<typeof apis.alterConfigs.response>
type DescribeResponse = MessageOf<typeof apis.describeConfigs.response>
type DescribeResult = DescribeResponse['results'][number]
type ListResponse = MessageOf<typeof apis.listConfigResources.response>

const types = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 }
const operations = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 }

/** Stored configs as the cluster's metadata keeps them, and a broker around them. */
class World {
  readonly stored = new Map<string, Map<string, string>>()
  readonly config = loadBrokerConfig({
    set: { 'log.segment.bytes': 2_000_000, 'password.encoder.secret': 'hunter2', 'zookeeper.connect': 'zk:2181' },
  })
  readonly logger: Logger = { level: 'info', debug() {}, info() {}, warn() {}, error() {} }
  denied: string | null = null

  configs(type: ConfigResourceType, name: string): Map<string, string> {
    return this.stored.get(`${type} ${name}`) ?? new Map()
  }

  readonly metadata = {
    topic: (name: string) => (name === 't' ? { name } : undefined),
    topics: () => [{ name: 't' }],
    brokers: () => [{ id: 1 }],
    configs: (type: ConfigResourceType, name: string) => this.configs(type, name),
    configResources: (type: ConfigResourceType) =>
      [...this.stored.keys()].filter(key => key.startsWith(`${type} `)).map(key => key.slice(type.length + 1)),
    applyConfigs: async (changes: readonly ConfigChange[], validateOnly: boolean) =>
      changes.map(({ type, name, edit }) => {
        const current = this.configs(type, name)
        try {
          const edited = edit(current)
          if (validateOnly) return null
          const next = new Map(current)
          for (const [key, value] of edited) value === null ? next.delete(key) : next.set(key, value)
          this.stored.set(`${type} ${name}`, next)
          if (type === 'BROKER') this.config.setDynamic(this.configs('BROKER', ''), this.configs('BROKER', '1'))
          return null
        } catch (error) {
          if (error instanceof KafkaError) return error
          throw error
        }
      }),
  } as unknown as ClusterMetadata

  async call<Response>(handler: Handler, request: object, version = handler.versions[1]): Promise<Response> {
    const turns = new Turns(realSystem())
    const broker = { turns, config: this.config, metadata: this.metadata, logger: this.logger, self: { id: 1 } } as unknown as Broker
    const context = {
      broker,
      version,
      async expects() {},
      allowed: (_: string, resource: string) => resource !== this.denied,
    } as unknown as RequestContext
    return (await handler.handle(request as never, context)) as Response
  }

  /** One resource, one entry; what came of it in one line. */
  async alter(
    type: keyof typeof types,
    resourceName: string,
    operation: keyof typeof operations,
    name: string,
    value: string | null,
    validateOnly = false,
  ) {
    const configs = [{ name, configOperation: operations[operation], value }]
    const { responses } = await this.call<AlterResponse>(incrementalAlterConfigs, {
      validateOnly,
      resources: [{ resourceType: types[type], resourceName, configs }],
    })
    const { errorCode, errorMessage } = responses[0]!
    return errorCode === 0 ? 'ok' : `${errorCode} ${errorMessage}`
  }

  async describe(type: keyof typeof types, resourceName: string, keys: string[] | null = null, version = 4): Promise<DescribeResult> {
    const resources = [{ resourceType: types[type], resourceName, configurationKeys: keys }]
    const { results } = await this.call<DescribeResponse>(
      describeConfigs,
      { resources, includeSynonyms: true, includeDocumentation: false },
      version,
    )
    return results[0]!
  }
}

test('incremental changes of a topic: set, append, subtract, delete', async () => {
  const world = new World()
  assert.equal(await world.alter('TOPIC', 't', 'SET', 'retention.ms', '5'), 'ok')
  assert.equal(await world.alter('TOPIC', 't', 'APPEND', 'cleanup.policy', 'compact,delete'), 'ok')
  assert.equal(world.configs('TOPIC', 't').get('cleanup.policy'), 'delete,compact', 'the default is what is appended to')
  assert.equal(await world.alter('TOPIC', 't', 'SUBTRACT', 'cleanup.policy', 'delete'), 'ok')
  assert.equal(await world.alter('TOPIC', 't', 'SET', 'retention.bytes', '7', true), 'ok')
  assert.deepEqual(Object.fromEntries(world.configs('TOPIC', 't')), { 'retention.ms': '5', 'cleanup.policy': 'compact' })
  assert.equal(await world.alter('TOPIC', 't', 'DELETE', 'retention.ms', null), 'ok')
  assert.deepEqual(Object.fromEntries(world.configs('TOPIC', 't')), { 'cleanup.policy': 'compact' })
})

test("what is refused, with Kafka's codes and words", async () => {
  const world = new World()
  const cases: [Parameters<World['alter']>, string][] = [
    [['TOPIC', 't', 'SET', 'retention.ms', 'abc'], '40 Invalid value abc for configuration retention.ms: Not a number of type LONG'],
    [['TOPIC', 't', 'APPEND', 'retention.ms', '1'], "40 Can't APPEND to key retention.ms because its type is not LIST."],
    [['TOPIC', 't', 'SET', 'retention.ms', null], '42 Null value not supported for : retention.ms'],
    [['TOPIC', '', 'SET', 'retention.ms', '1'], '42 Default topic resources are not allowed.'],
    [
      ['BROKER', '1', 'SET', 'log.retention.ms', 'abc'],
      '42 Invalid value abc for configuration log.retention.ms: Not a number of type LONG',
    ],
    [['BROKER', '', 'SET', 'num.partitions', '4'], '42 Cannot update these configs dynamically: [num.partitions]'],
    [
      ['BROKER', '1', 'SET', 'listeners', 'PLAINTEXT://:9093'],
      '42 The address of listener PLAINTEXT (127.0.0.1:9092) cannot change while the broker runs; remove the listener first',
    ],
    [
      ['BROKER', '', 'SET', 'ssl.key.password', 'x'],
      '42 These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.key.password]',
    ],
    [['BROKER', '2', 'SET', 'log.retention.ms', '4'], '42 Unexpected broker id, expected 1, but received 2'],
    [['BROKER', 'x', 'SET', 'log.retention.ms', '4'], '42 Node id must be an integer, but it is: x'],
    [['GROUP', 'g', 'SET', 'nope', '1'], '40 Unknown group config name: nope'],
    [
      ['GROUP', 'g', 'SET', 'consumer.session.timeout.ms', '1'],
      '40 consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms',
    ],
    [
      ['GROUP', 'g', 'SET', 'streams.assignor.name', 'nope'],
      "40 streams.assignor.name 'nope' is not a registered task assignor. Registered assignors are: [sticky].",
    ],
    [
      ['GROUP', 'g', 'SET', 'streams.rack.aware.assignment.tags', 'zone, zone'],
      '40 streams.rack.aware.assignment.tags must not contain duplicate tag keys.',
    ],
    [
      ['GROUP', 'g', 'SET', 'streams.num.standby.replicas', '3'],
      '40 streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas',
    ],
    [
      ['CLIENT_METRICS', 'm', 'SET', 'interval.ms', '5'],
      '42 Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)',
    ],
    [['CLIENT_METRICS', 'm', 'SET', 'match', 'client_id=['], '40 Illegal client matching pattern: client_id=['],
    [['BROKER_LOGGER', '1', 'SET', 'a.b', 'DEBUG'], '40 Logger a.b does not exist!'],
    [['BROKER_LOGGER', '1', 'APPEND', 'root', 'X'], '42 APPEND operation is not allowed for the BROKER_LOGGER resource'],
    [
      ['BROKER_LOGGER', '1', 'SET', 'root', 'X'],
      '40 Cannot set the log level of root to X as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN',
    ],
  ]
  for (const [args, expected] of cases) assert.equal(await world.alter(...args), expected)
  assert.equal(world.stored.size, 0)
})

test('duplicates: of keys, and of resources', async () => {
  const world = new World()
  const entry = { name: 'retention.ms', configOperation: 0, value: '1' }
  const resource = { resourceType: types.TOPIC, resourceName: 't', configs: [entry] }
  const twice = await world.call<AlterResponse>(incrementalAlterConfigs, {
    validateOnly: false,
    resources: [resource, { ...resource, resourceType: types.GROUP, resourceName: '' }, resource],
  })
  assert.deepEqual(
    twice.responses.map(response => response.errorMessage),
    ['Each resource must appear at most once.', 'Default group resources are not allowed.', 'Each resource must appear at most once.'],
  )
  const keys = await world.call<AlterResponse>(incrementalAlterConfigs, {
    validateOnly: false,
    resources: [{ ...resource, configs: [entry, entry] }],
  })
  assert.deepEqual([keys.responses[0]!.errorCode, keys.responses[0]!.errorMessage], [42, 'Error due to duplicate config keys'])
})

test('AlterConfigs replaces everything, and knows no loggers', async () => {
  const world = new World()
  await world.alter('TOPIC', 't', 'SET', 'retention.ms', '5')
  const request = (resourceType: number, resourceName: string, name: string) => ({
    validateOnly: false,
    resources: [{ resourceType, resourceName, configs: [{ name, value: '9' }] }],
  })
  const { responses } = await world.call<AlterResponse>(alterConfigs, request(types.TOPIC, 't', 'retention.bytes'))
  assert.equal(responses[0]!.errorCode, 0)
  assert.deepEqual(Object.fromEntries(world.configs('TOPIC', 't')), { 'retention.bytes': '9' })
  const logger = await world.call<AlterResponse>(alterConfigs, request(types.BROKER_LOGGER, '1', 'root'))
  assert.deepEqual([logger.responses[0]!.errorCode, logger.responses[0]!.errorMessage], [42, 'Unknown resource type 8'])
})

test('a dynamic broker config takes effect immediately, and is described with its sources', async () => {
  const world = new World()
  await world.alter('BROKER', '', 'SET', 'log.segment.bytes', '3000000')
  await world.alter('BROKER', '1', 'SET', 'log.segment.bytes', '4000000')
  assert.equal(world.config.get('log.segment.bytes'), 4_000_000)
  const entry = (await world.describe('BROKER', '1', ['log.segment.bytes'])).configs[0]!
  assert.deepEqual([entry.value, entry.configSource, entry.readOnly, entry.configType, entry.documentation], ['4000000', 2, false, 3, null])
  assert.deepEqual(
    entry.synonyms.map(({ value, source }) => [value, source]),
    [
      ['4000000', 2],
      ['3000000', 3],
      ['2000000', 4],
      ['1073741824', 5],
    ],
  )
  const shared = (await world.describe('BROKER', '')).configs
  assert.deepEqual(
    shared.map(({ name, value, configSource }) => [name, value, configSource]),
    [
      ['log.segment.bytes', '3000000', 3],
      ['min.insync.replicas', '1', 3],
    ],
  )
})

test('secrets are never returned', async () => {
  const world = new World()
  await world.alter('BROKER', '1', 'SET', 'listener.name.a.ssl.key.password', 'hunter2')
  const result = await world.describe('BROKER', '1')
  const entry = result.configs.find(({ name }) => name === 'listener.name.a.ssl.key.password')!
  assert.deepEqual([entry.value, entry.isSensitive, entry.synonyms[0]!.value], [null, true, null])
  assert.ok(!JSON.stringify(result).includes('hunter2'))
})

test('describing: unknown topics, bad names, groups, subscriptions, the logger, v0', async () => {
  const world = new World()
  assert.equal((await world.describe('TOPIC', 'nosuch')).errorCode, 3)
  assert.equal((await world.describe('TOPIC', 'a b')).errorCode, 17)
  assert.equal((await world.describe('BROKER', '2')).errorMessage, 'Unexpected broker id, expected 1, but received 2')
  await world.alter('GROUP', 'g', 'SET', 'consumer.session.timeout.ms', '50000')
  const group = (await world.describe('GROUP', 'g', ['consumer.session.timeout.ms'])).configs[0]!
  assert.deepEqual([group.value, group.configSource, group.synonyms.length], ['50000', 8, 2])
  assert.deepEqual(
    (await world.describe('CLIENT_METRICS', 'm')).configs.map(({ name, value }) => [name, value]),
    [
      ['interval.ms', '300000'],
      ['match', ''],
      ['metrics', ''],
    ],
  )
  assert.equal(await world.alter('BROKER_LOGGER', '1', 'SET', 'root', 'DEBUG'), 'ok')
  assert.equal(world.logger.level, 'debug')
  assert.deepEqual(
    (await world.describe('BROKER_LOGGER', '1')).configs.map(({ name, value }) => [name, value]),
    [['root', 'DEBUG']],
  )
  const old = (await world.describe('TOPIC', 't', ['retention.ms'], 0)).configs[0]!
  assert.equal(old.isDefault, true)
})

test('without permission nothing is returned or changed', async () => {
  const world = new World()
  world.denied = 'CLUSTER'
  assert.equal((await world.describe('BROKER', '1')).errorCode, 31)
  assert.match(await world.alter('BROKER', '1', 'SET', 'log.retention.ms', '4'), /^31 /)
  assert.equal((await world.call<ListResponse>(listConfigResources, { resourceTypes: [] })).errorCode, 31)
  world.denied = 'TOPIC'
  assert.equal((await world.describe('TOPIC', 't')).errorCode, 29)
  assert.match(await world.alter('TOPIC', 't', 'SET', 'retention.ms', '4'), /^29 /)
  assert.equal(world.stored.size, 0)
})

test('resources are listed: all, of some types, and only subscriptions in v0', async () => {
  const world = new World()
  await world.alter('GROUP', 'g', 'SET', 'consumer.session.timeout.ms', '50000')
  await world.alter('CLIENT_METRICS', 'm', 'SET', 'interval.ms', '500')
  const list = async (resourceTypes: number[], version = 1) =>
    (await world.call<ListResponse>(listConfigResources, { resourceTypes }, version)).configResources.map(
      one => `${one.resourceType} ${one.resourceName}`,
    )
  assert.deepEqual(await list([]), ['32 g', '16 m', '8 1', '4 1', '2 t'])
  assert.deepEqual(await list([types.TOPIC]), ['2 t'])
  assert.deepEqual(await list([], 0), ['16 m'])
  assert.equal((await world.call<ListResponse>(listConfigResources, { resourceTypes: [3] })).errorCode, 35)
})

/** As ConfigCommand prints it: value, source, read-only, sensitive, type, and the synonyms with theirs. Sources and types by Kafka's numbers. */
function inShort({ value, configSource, readOnly, isSensitive, configType, synonyms }: DescribeResult['configs'][number]): string {
  const flags = `${readOnly ? ' ro' : ''}${isSensitive ? ' sensitive' : ''}`
  return `${value} ${configSource}${flags} ${configType} [${synonyms.map(each => `${each.source}:${each.name}=${each.value}`).join(', ')}]`
}

/** What Apache Kafka 4.3.1 answered to the same, as the result of SET and then what is described of the key. */
const kafkaAnswers: [
  type: 'BROKER' | 'TOPIC' | 'GROUP',
  resource: string,
  key: string,
  value: string,
  result: string,
  described: string | null,
][] = [
  ['BROKER', '1', 'leader.replication.throttled.rate', '1000', 'ok', '1000 2 5 [2:leader.replication.throttled.rate=1000]'],
  ['BROKER', '', 'follower.replication.throttled.rate', '1000', 'ok', '1000 3 5 [3:follower.replication.throttled.rate=1000]'],
  [
    'BROKER',
    '',
    'leader.replication.throttled.rate',
    '-1',
    '42 Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0',
    null,
  ],
  ['BROKER', '1', 'some.unknown.key', 'x', 'ok', 'null 2 ro sensitive 0 [2:some.unknown.key=null]'],
  ['BROKER', '', 'some.unknown.key', 'x', 'ok', 'null 3 ro sensitive 0 [3:some.unknown.key=null]'],
  ['BROKER', '', 'internal.foo', 'x', 'ok', 'null 3 ro sensitive 0 [3:internal.foo=null]'],
  [
    'BROKER',
    '1',
    'ssl.keystore.location',
    '/x',
    '42 These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]',
    'null 5 2 []',
  ],
  [
    'BROKER',
    '',
    'ssl.truststore.location',
    '/x',
    '42 These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.truststore.location]',
    null,
  ],
  [
    'BROKER',
    '1',
    'listener.name.plaintext.ssl.keystore.location',
    '/x',
    'ok',
    '/x 2 ro 2 [2:listener.name.plaintext.ssl.keystore.location=/x]',
  ],
  ['BROKER', '1', 'min.insync.replicas', '2', '40 Broker-level min.insync.replicas cannot be altered while ELR is enabled.', null],
  [
    'BROKER',
    '',
    'num.io.threads',
    '30',
    '42 Dynamic thread count update validation failed for num.io.threads=30, value should not be greater than double the current value 8',
    null,
  ],
  ['TOPIC', 't', 'internal.segment.bytes', '1048576', 'ok', '1048576 1 3 [1:internal.segment.bytes=1048576]'],
  ['TOPIC', 't', 'internal.foo', '1', '40 Unknown topic config name: internal.foo', null],
  ['TOPIC', 't', 'compression.type', 'gzip', 'ok', 'gzip 1 2 [1:compression.type=gzip, 5:compression.type=producer]'],
  ['TOPIC', 't', 'min.insync.replicas', '1', 'ok', '1 1 3 [1:min.insync.replicas=1, 3:min.insync.replicas=2, 5:min.insync.replicas=1]'],
  [
    'GROUP',
    'g',
    'share.auto.offset.reset',
    'earliest',
    'ok',
    'earliest 8 2 [8:share.auto.offset.reset=earliest, 5:share.auto.offset.reset=latest]',
  ],
]

test('altered and described as Kafka does', async () => {
  for (const [type, resource, key, value, result, described] of kafkaAnswers) {
    const world = new World()
    if (type === 'TOPIC') assert.equal(await world.alter('BROKER', '', 'SET', 'min.insync.replicas', '2'), 'ok')
    assert.equal(await world.alter(type, resource, 'SET', key, value), result, `${type} ${resource} ${key}`)
    if (described === null) continue
    const { configs } = await world.describe(type, resource, [key])
    assert.equal(configs.length === 0 ? 'nothing' : inShort(configs[0]!), described, `${type} ${resource} ${key}`)
  }
})

test('keys that Kafka has removed are described without values, as by Kafka: some are secrets', async () => {
  const { configs } = await new World().describe('BROKER', '1', ['password.encoder.secret', 'zookeeper.connect'])
  assert.deepEqual(
    configs.map(config => `${config.name} ${inShort(config)}`),
    [
      'password.encoder.secret null 4 ro sensitive 0 [4:password.encoder.secret=null]',
      'zookeeper.connect null 4 ro sensitive 0 [4:zookeeper.connect=null]',
    ],
  )
})

test('keys that are described only if they are set; min.insync.replicas stays', async () => {
  const world = new World()
  const names = async (type: 'BROKER' | 'TOPIC', resource: string) => (await world.describe(type, resource)).configs.map(({ name }) => name)
  assert.ok(!(await names('BROKER', '1')).some(name => name.endsWith('.throttled.rate')))
  assert.ok(!(await names('TOPIC', 't')).some(name => name.startsWith('internal.')))
  assert.equal(
    await world.alter('BROKER', '', 'DELETE', 'min.insync.replicas', null),
    '40 Cluster-level min.insync.replicas cannot be removed while ELR is enabled.',
  )
})
