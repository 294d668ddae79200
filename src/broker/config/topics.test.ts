import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../../protocol.ts'
import { consumerGroupConfig } from './group-configs.ts'
import { loadBrokerConfig } from './load.ts'
import { groupSettings, logSettings, serverLimits } from './settings.ts'
import { describeTopicConfigs, effectiveTopicConfig, topicDefaults, topicRules } from './topics.ts'

const none = new Map<string, string>()

test('retention: milliseconds before minutes before hours, and negative is none', () => {
  const retention = (set: Record<string, string | number>) => effectiveTopicConfig(loadBrokerConfig({ set }), none).retentionMs
  assert.equal(retention({}), 604_800_000)
  assert.equal(retention({ 'log.retention.hours': 2 }), 7_200_000)
  assert.equal(retention({ 'log.retention.hours': 2, 'log.retention.minutes': 3 }), 180_000)
  assert.equal(retention({ 'log.retention.hours': 2, 'log.retention.minutes': 3, 'log.retention.ms': 4 }), 4)
  assert.equal(retention({ 'log.retention.hours': -1 }), -1)
})

test('the broker decides where the topic does not', () => {
  const set = {
    'log.cleanup.policy': 'compact,delete',
    'message.max.bytes': 7,
    'log.roll.hours': 1,
    'compression.type': 'zstd',
    durability: 'os',
  }
  const config = effectiveTopicConfig(
    loadBrokerConfig({ set }),
    new Map([
      ['compression.type', 'lz4'],
      ['retention.bytes', '9'],
    ]),
  )
  assert.deepEqual(config.cleanupPolicy, { delete: true, compact: true })
  assert.equal(config.maxMessageBytes, 7)
  assert.equal(config.segmentMs, 3_600_000)
  assert.equal(config.compressionType, 'lz4')
  assert.equal(config.retentionBytes, 9)
  assert.equal(config.durability, 'os')
})

test('dynamic configs: the broker overrides all brokers, which override the file; subscribers get changes; invalid ones are ignored', () => {
  const config = loadBrokerConfig({ set: { 'log.retention.ms': 10, 'max.connections': 5 } })
  const limits = serverLimits(config)
  const settings = logSettings(config)
  const before = topicDefaults(config)
  const heard: string[] = []
  const retention = config.subscribe(['log.retention.ms'], () => heard.push(`retention ${effectiveTopicConfig(config, none).retentionMs}`))
  config.subscribe(['num.partitions'], () => heard.push('partitions'))
  const problems = config.setDynamic(
    new Map([
      ['log.retention.ms', '20'],
      ['max.connections', '6'],
      ['log.cleaner.backoff.ms', '3'],
      ['num.partitions', '9'],
      ['nope', '1'],
      ['log.roll.ms', 'x'],
    ]),
    new Map([['log.retention.ms', '30']]),
  )
  assert.deepEqual(
    problems.map(({ key }) => key),
    ['num.partitions', 'log.roll.ms'],
  )
  assert.deepEqual(heard, ['retention 30'])
  assert.equal(limits.maxConnections, 6)
  assert.equal(settings.cleanerBackoffMs, 3)
  assert.equal(before['retention.ms'], 10)
  assert.equal(config.get('num.partitions'), 1)
  assert.deepEqual(
    config.layers('log.retention.ms').map(({ text, source }) => [text, source]),
    [
      ['30', 'DYNAMIC_BROKER_CONFIG'],
      ['20', 'DYNAMIC_DEFAULT_BROKER_CONFIG'],
      ['10', 'STATIC_BROKER_CONFIG'],
    ],
  )
  retention.unsubscribe()
  config.setDynamic(none, none)
  assert.equal(config.get('log.retention.ms'), 10)
  assert.deepEqual(heard, ['retention 30'])
})

test("topic configs that are refused, in Kafka's words", () => {
  const rules = topicRules(loadBrokerConfig({}))
  const refused: [string, string, string][] = [
    ['retention.ms', 'abc', 'Invalid value abc for configuration retention.ms: Not a number of type LONG'],
    ['retention.ms', '-5', 'Invalid value -5 for configuration retention.ms: Value must be at least -1'],
    ['segment.bytes', '1', 'Invalid value 1 for configuration segment.bytes: Value must be at least 1048576'],
    ['cleanup.policy', 'foo', 'Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete'],
    ['segments.bytes', '1', 'Unknown topic config name: segments.bytes. Did you mean segment.bytes?'],
    [
      'remote.storage.enable',
      'true',
      'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.',
    ],
  ]
  for (const [key, value, message] of refused) {
    assert.throws(
      () => rules.validateTopicConfigs(new Map([[key, value]])),
      (error: unknown) => {
        assert.ok(error instanceof KafkaError)
        assert.deepEqual([error.name, error.message], ['INVALID_CONFIG', message])
        return true
      },
    )
  }
  const lags = new Map([
    ['min.compaction.lag.ms', '6'],
    ['max.compaction.lag.ms', '5'],
  ])
  assert.throws(
    () => rules.validateTopicConfigs(lags),
    /^INVALID_CONFIG: conflict topic config setting min.compaction.lag.ms \(6\) > max.compaction.lag.ms \(5\)/,
  )
  rules.validateTopicConfigs(
    new Map([
      ['cleanup.policy', ''],
      ['follower.replication.throttled.replicas', '0:1,1:1'],
      ['min.insync.replicas', '2'],
    ]),
  )
})

test('a topic is described with the sources that Kafka names', () => {
  const config = loadBrokerConfig({ set: { 'log.retention.hours': 5, 'log.segment.bytes': 2_000_000 } })
  const entries = new Map(describeTopicConfigs(config, new Map([['max.message.bytes', '77']])).map(entry => [entry.name, entry]))
  const brief = (name: string) => {
    const { value, configSource, synonyms } = entries.get(name)!
    return [value, configSource, synonyms.map(synonym => `${synonym.name}=${synonym.value}/${synonym.source}`).join(' ')]
  }
  assert.deepEqual(brief('max.message.bytes'), ['77', 1, 'max.message.bytes=77/1 message.max.bytes=1048588/5'])
  assert.deepEqual(brief('segment.bytes'), ['2000000', 4, 'log.segment.bytes=2000000/4 log.segment.bytes=1073741824/5'])
  // The key itself is set nowhere; that a synonym is does not count (Kafka drops what stands before the first of its own name).
  assert.deepEqual(brief('retention.ms'), ['18000000', 5, ''])
  assert.deepEqual(brief('flush.ms'), ['9223372036854775807', 5, ''])
})

test('an internal topic can be created, however small its configured segments are', () => {
  const keys = ['offsets.topic.segment.bytes', 'transaction.state.log.segment.bytes', 'share.coordinator.state.topic.segment.bytes']
  const rules = topicRules(loadBrokerConfig({ set: Object.fromEntries(keys.map(key => [key, 1])) }))
  for (const name of ['__consumer_offsets', '__transaction_state', '__share_group_state'] as const) {
    const { configs } = rules.internalTopic(name)
    assert.equal(configs.get('segment.bytes'), '1048576')
    rules.validateTopicConfigs(configs)
  }
})

test("settings of the modules come from Kafka's keys", () => {
  const config = loadBrokerConfig({
    set: { 'group.initial.rebalance.delay.ms': 0, 'max.connections.per.ip.overrides': '10.0.0.1:3,[::1]:4' },
  })
  assert.equal(groupSettings(config, () => new Map()).groupInitialRebalanceDelayMs, 0)
  assert.equal(groupSettings(config, () => new Map()).offsetsTopicNumPartitions, 50)
  assert.equal(serverLimits(config, 5).maxConnections, 5)
  assert.equal(serverLimits(config, 1e6).maxConnections, 12_000)
  assert.equal(serverLimits(config).maxConnectionsPerIp('10.0.0.1'), 3)
  assert.equal(serverLimits(config).maxConnectionsPerIp('10.0.0.2'), 2000)
  const { numPartitions, configs } = topicRules(config).internalTopic('__consumer_offsets')
  assert.equal(numPartitions, 50)
  assert.deepEqual(Object.fromEntries(configs), {
    'cleanup.policy': 'compact',
    'compression.type': 'producer',
    'segment.bytes': '104857600',
  })
})

test('a stored config of a group that cannot be used counts as not set', () => {
  const stored = new Map([
    ['consumer.session.timeout.ms', '0'],
    ['consumer.heartbeat.interval.ms', '6000'],
  ])
  const { sessionTimeoutMs, heartbeatIntervalMs } = consumerGroupConfig(loadBrokerConfig({}), stored)
  assert.deepEqual([sessionTimeoutMs, heartbeatIntervalMs], [45_000, 6_000])
})
