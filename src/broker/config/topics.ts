/** Topic defaults from the broker's keys, and the config rules that the metadata needs. */
import { InvalidConfig, UnknownConfig } from '../../base.ts'
import type { TopicRules } from '../../coordinator.ts'
import {
  leastSegmentBytes,
  parseTopicValues,
  storedTopicConfigOf,
  type TopicConfig,
  type TopicValues,
  topicConfigOf,
  topicKeys,
} from '../../log.ts'
import { KafkaError } from '../../protocol.ts'
import type { BrokerConfig } from './broker-config.ts'
import { type Described, describeTopic } from './describe.ts'
import type { BrokerKey } from './keys.ts'

/** The broker's keys that decide about topics which do not decide themselves. */
export const topicDefaultKeys: readonly BrokerKey[] = Object.values(topicKeys).flatMap(({ synonyms }) =>
  synonyms.map(({ name }) => name as BrokerKey),
)

interface Defaults {
  generation: number
  texts: ReadonlyMap<string, string>
  values: TopicValues
}

const computed = new WeakMap<BrokerConfig, Defaults>()

function defaultsFrom(config: BrokerConfig): Defaults {
  const { generation } = config
  let defaults = computed.get(config)
  if (defaults?.generation !== generation) {
    const texts = translate(config)
    defaults = { generation, texts, values: parseTopicValues(texts) }
    computed.set(config, defaults)
  }
  return defaults
}

/** The values for a topic that has no configs of its own. */
export function topicDefaults(config: BrokerConfig): TopicValues {
  return defaultsFrom(config).values
}

function translate(config: BrokerConfig): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [key, { synonyms }] of Object.entries(topicKeys)) {
    for (const { name, factor } of synonyms) {
      const text = config.text(name)
      if (text === null) continue
      texts.set(key, inUnits(text, factor))
      break
    }
  }
  // Kafka's rule for every unit of log.retention: a negative number means no limit.
  if (Number(texts.get('retention.ms')) < 0) texts.set('retention.ms', '-1')
  return texts
}

/** All configs of a topic, as clients see them. */
export function describeTopicConfigs(config: BrokerConfig, overrides: ReadonlyMap<string, string>): readonly Described[] {
  return describeTopic(config, defaultsFrom(config).texts, overrides)
}

/** `7` hours in milliseconds, exactly. */
function inUnits(text: string, factor: number): string {
  return factor === 1 ? text : String(BigInt(text) * BigInt(factor))
}

/** `unusable`: told of stored values that count as not set. */
export function effectiveTopicConfig(
  config: BrokerConfig,
  overrides: ReadonlyMap<string, string>,
  unusable: (key: string, reason: string) => void = () => {},
): TopicConfig {
  return storedTopicConfigOf(topicDefaults(config), overrides, unusable)
}

/** For `openCluster`: what the configuration decides about topics, live. */
export function topicRules(config: BrokerConfig, unusable?: (key: string, reason: string) => void): TopicRules {
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
    effectiveTopicConfig: configs => effectiveTopicConfig(config, configs, unusable),
    describeTopicConfigs: configs => describeTopicConfigs(config, configs),
    internalTopic: name => internalTopic(config, name),
  }
}

function internalTopic(config: BrokerConfig, name: Parameters<TopicRules['internalTopic']>[0]): ReturnType<TopicRules['internalTopic']> {
  // Kafka takes any size, and can then never create the topic.
  const sizeOf = (segmentBytes: number) => String(Math.max(segmentBytes, leastSegmentBytes))
  const compacted = (segmentBytes: number, policy: string, ...more: [string, string][]) =>
    new Map([['cleanup.policy', policy], ['compression.type', 'producer'], ['segment.bytes', sizeOf(segmentBytes)], ...more])
  switch (name) {
    case '__consumer_offsets':
      return {
        numPartitions: config.get('offsets.topic.num.partitions'),
        replicationFactor: config.get('offsets.topic.replication.factor'),
        configs: compacted(config.get('offsets.topic.segment.bytes'), 'compact'),
      }
    case '__transaction_state': {
      const configs = compacted(config.get('transaction.state.log.segment.bytes'), 'compact')
      configs.set('compression.type', 'uncompressed')
      configs.set('unclean.leader.election.enable', 'false')
      return {
        numPartitions: config.get('transaction.state.log.num.partitions'),
        replicationFactor: config.get('transaction.state.log.replication.factor'),
        configs,
      }
    }
    case '__share_group_state': {
      const configs = compacted(config.get('share.coordinator.state.topic.segment.bytes'), 'delete', ['retention.ms', '-1'])
      return {
        numPartitions: config.get('share.coordinator.state.topic.num.partitions'),
        replicationFactor: config.get('share.coordinator.state.topic.replication.factor'),
        configs,
      }
    }
  }
}
