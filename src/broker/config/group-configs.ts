/** Configs of single groups for the coordinator: those stored for the group, otherwise the broker's defaults. */
import { type ConfigKey, InvalidConfig, parseValue, type ValueOf } from '../../base.ts'
import type { ConsumerGroupConfig, ShareConfig, ShareGroupConfig, StreamsGroupConfig } from '../../coordinator.ts'
import type { DeadLetterRules } from '../share/dead-letters.ts'
import type { BrokerConfig } from './broker-config.ts'
import { groupKeys } from './keys/group-scope.ts'

type GroupKey = keyof typeof groupKeys
type Stored = ReadonlyMap<string, string>

/** The group's own value, else the broker's. */
function ownOr<K extends GroupKey>(stored: Stored, key: K, fallback: ValueOf<(typeof groupKeys)[K]>): ValueOf<(typeof groupKeys)[K]> {
  const text = stored.get(key)
  if (text === undefined) return fallback
  try {
    return parseValue(key, groupKeys[key] as ConfigKey<ValueOf<(typeof groupKeys)[K]>>, text).value
  } catch (error) {
    // Stored by a version that allowed it: as if it were not set, as for topics.
    if (error instanceof InvalidConfig) return fallback
    throw error
  }
}

export function consumerGroupConfig(config: BrokerConfig, stored: Stored): ConsumerGroupConfig {
  return {
    sessionTimeoutMs: ownOr(stored, 'consumer.session.timeout.ms', config.get('group.consumer.session.timeout.ms')),
    heartbeatIntervalMs: ownOr(stored, 'consumer.heartbeat.interval.ms', config.get('group.consumer.heartbeat.interval.ms')),
    assignmentIntervalMs: ownOr(stored, 'consumer.assignment.interval.ms', config.get('group.consumer.assignment.interval.ms')),
  }
}

export function shareGroupConfig(config: BrokerConfig, stored: Stored): ShareGroupConfig {
  return {
    sessionTimeoutMs: ownOr(stored, 'share.session.timeout.ms', config.get('group.share.session.timeout.ms')),
    heartbeatIntervalMs: ownOr(stored, 'share.heartbeat.interval.ms', config.get('group.share.heartbeat.interval.ms')),
    assignmentIntervalMs: ownOr(stored, 'share.assignment.interval.ms', config.get('group.share.assignment.interval.ms')),
  }
}

export function streamsGroupConfig(config: BrokerConfig, stored: Stored): StreamsGroupConfig {
  const tags = ownOr(stored, 'streams.rack.aware.assignment.tags', config.get('group.streams.rack.aware.assignment.tags'))
  return {
    sessionTimeoutMs: ownOr(stored, 'streams.session.timeout.ms', config.get('group.streams.session.timeout.ms')),
    heartbeatIntervalMs: ownOr(stored, 'streams.heartbeat.interval.ms', config.get('group.streams.heartbeat.interval.ms')),
    assignmentIntervalMs: ownOr(stored, 'streams.assignment.interval.ms', config.get('group.streams.assignment.interval.ms')),
    initialRebalanceDelayMs: ownOr(stored, 'streams.initial.rebalance.delay.ms', config.get('group.streams.initial.rebalance.delay.ms')),
    numStandbyReplicas: ownOr(stored, 'streams.num.standby.replicas', config.get('group.streams.num.standby.replicas')),
    taskOffsetIntervalMs: ownOr(stored, 'streams.task.offset.interval.ms', config.get('group.streams.task.offset.interval.ms')),
    acceptableRecoveryLag: ownOr(stored, 'streams.acceptable.recovery.lag', config.get('group.streams.acceptable.recovery.lag')),
    rackAwareAssignmentTags: tags,
  }
}

/** Where dead letters of a share group may go (KIP-1191). */
export function deadLetterRules(config: BrokerConfig, stored: Stored): DeadLetterRules {
  const topic = ownOr(stored, 'errors.deadletterqueue.topic.name', '')
  return {
    topic: topic === '' ? null : topic,
    copyRecord: ownOr(stored, 'errors.deadletterqueue.copy.record.enable', false),
    prefix: config.get('errors.deadletterqueue.topic.name.prefix') ?? '',
    autoCreate: config.get('errors.deadletterqueue.auto.create.topics.enable'),
  }
}

/** How a share group's records are delivered. `knowsDeadLetters`: `share.version` is 2 at least. */
export function shareConfig(config: BrokerConfig, stored: Stored, knowsDeadLetters: boolean): ShareConfig {
  return {
    autoOffsetReset: ownOr(stored, 'share.auto.offset.reset', 'latest'),
    isolationLevel: ownOr(stored, 'share.isolation.level', 'read_uncommitted'),
    deliveryCountLimit: ownOr(stored, 'share.delivery.count.limit', config.get('group.share.delivery.count.limit')),
    recordLockDurationMs: ownOr(stored, 'share.record.lock.duration.ms', config.get('group.share.record.lock.duration.ms')),
    maxRecordLocks: ownOr(stored, 'share.partition.max.record.locks', config.get('group.share.partition.max.record.locks')),
    renewEnabled: ownOr(stored, 'share.renew.acknowledge.enable', true),
    deadLetters: knowsDeadLetters && deadLetterRules(config, stored).topic !== null,
  }
}
