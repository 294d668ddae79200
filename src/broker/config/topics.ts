/** How the broker's keys become the defaults of topics, and the rules that the cluster's metadata asks for. */
import { InvalidConfig, UnknownConfig } from '../../base.ts'
import type { TopicConfigEntry, TopicRules } from '../../coordinator.ts'
import { parseTopicValues, type TopicConfig, type TopicValues, topicConfigOf, topicKeys } from '../../log.ts'
import { KafkaError } from '../../protocol.ts'
import type { BrokerConfig, ConfigSource } from './broker-config.ts'
import type { BrokerKey } from './keys.ts'

/** The broker's keys that decide about topics which do not decide themselves. */
export const topicDefaultKeys: readonly BrokerKey[] = Object.values(topicKeys).flatMap(({ synonyms }) =>
  synonyms.map(({ name }) => name as BrokerKey),
)

const computed = new WeakMap<BrokerConfig, { generation: number; values: TopicValues }>()

/** Every topic key's value for a topic that has no configs of its own. */
export function topicDefaults(config: BrokerConfig): TopicValues {
  const { generation } = config
  let entry = computed.get(config)
  if (entry?.generation !== generation) {
    entry = { generation, values: parseTopicValues(topicDefaultTexts(config)) }
    computed.set(config, entry)
  }
  return entry.values
}

function topicDefaultTexts(config: BrokerConfig): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [key, { synonyms }] of Object.entries(topicKeys)) {
    for (const { name, factor } of synonyms) {
      const text = config.text(name)
      if (text === null) continue
      texts.set(key, inUnits(text, factor))
      break
    }
  }
  // Kafka's rule for every unit of log.retention: a negative number is no limit.
  if (Number(texts.get('retention.ms')) < 0) texts.set('retention.ms', '-1')
  return texts
}

/** `7` hours in milliseconds, exactly. */
export function inUnits(text: string, factor: number): string {
  return factor === 1 ? text : String(BigInt(text) * BigInt(factor))
}

export function effectiveTopicConfig(config: BrokerConfig, overrides: ReadonlyMap<string, string>): TopicConfig {
  return topicConfigOf(topicDefaults(config), overrides)
}

/** For `openCluster`: what the configuration decides about topics, live. */
export function topicRules(config: BrokerConfig): TopicRules {
  return {
    numPartitions: () => config.get('num.partitions'),
    defaultReplicationFactor: () => config.get('default.replication.factor'),
    validateTopicConfigs(configs) {
      try {
        topicConfigOf(topicDefaults(config), configs)
      } catch (error) {
        if (error instanceof InvalidConfig || error instanceof UnknownConfig) throw new KafkaError('INVALID_CONFIG', error.message)
        throw error
      }
    },
    effectiveTopicConfig: configs => effectiveTopicConfig(config, configs),
    describeTopicConfigs: configs => describeTopicConfigs(config, configs),
    internalTopic: name => internalTopic(config, name),
  }
}

/** Kafka's numbers of the places that a value may come from. */
const sourceIds: Record<ConfigSource, number> = {
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
}
const dynamicTopicConfig = 1

const described = new WeakMap<BrokerConfig, readonly TopicConfigEntry[]>()

function describeTopicConfigs(config: BrokerConfig, overrides: ReadonlyMap<string, string>): readonly TopicConfigEntry[] {
  let defaults = described.get(config)
  if (defaults === undefined) {
    defaults = Object.keys(topicKeys)
      .sort()
      .map(name => describeDefault(config, name as keyof typeof topicKeys))
    described.set(config, defaults)
    const subscription = config.subscribe(topicDefaultKeys, () => {
      described.delete(config)
      subscription.unsubscribe()
    })
  }
  if (overrides.size === 0) return defaults
  return defaults.map(entry => {
    const value = overrides.get(entry.name)
    return value === undefined ? entry : { ...entry, value, configSource: dynamicTopicConfig }
  })
}

function describeDefault(config: BrokerConfig, name: keyof typeof topicKeys): TopicConfigEntry {
  const entry = { name, readOnly: false, isSensitive: false }
  for (const synonym of topicKeys[name].synonyms) {
    const layer = config.layers(synonym.name)[0]
    if (layer !== undefined) return { ...entry, value: inUnits(layer.text, synonym.factor), configSource: sourceIds[layer.source] }
  }
  return { ...entry, value: topicKeys[name].default, configSource: sourceIds.DEFAULT_CONFIG }
}

function internalTopic(config: BrokerConfig, name: Parameters<TopicRules['internalTopic']>[0]): ReturnType<TopicRules['internalTopic']> {
  const compacted = (segmentBytes: number, policy: string, ...more: [string, string][]) =>
    new Map([['cleanup.policy', policy], ['compression.type', 'producer'], ['segment.bytes', String(segmentBytes)], ...more])
  switch (name) {
    case '__consumer_offsets':
      return {
        numPartitions: config.get('offsets.topic.num.partitions'),
        configs: compacted(config.get('offsets.topic.segment.bytes'), 'compact'),
      }
    case '__transaction_state': {
      const configs = compacted(config.get('transaction.state.log.segment.bytes'), 'compact')
      configs.set('compression.type', 'uncompressed')
      configs.set('unclean.leader.election.enable', 'false')
      return { numPartitions: config.get('transaction.state.log.num.partitions'), configs }
    }
    case '__share_group_state': {
      const configs = compacted(config.get('share.coordinator.state.topic.segment.bytes'), 'delete', ['retention.ms', '-1'])
      return { numPartitions: config.get('share.coordinator.state.topic.num.partitions'), configs }
    }
  }
}
