/** Configs of single groups as the coordinator asks for them: those stored for the group, over the broker's defaults. */
import { type ConfigKey, parseValue, type ValueOf } from '../../base.ts'
import type { ConsumerGroupConfig } from '../../coordinator.ts'
import type { BrokerConfig } from './broker-config.ts'
import { groupKeys } from './keys/group-scope.ts'

type GroupKey = keyof typeof groupKeys
type Stored = ReadonlyMap<string, string>

/** The group's own value, else the broker's. */
function ownOr<K extends GroupKey>(stored: Stored, key: K, fallback: ValueOf<(typeof groupKeys)[K]>): ValueOf<(typeof groupKeys)[K]> {
  const text = stored.get(key)
  return text === undefined ? fallback : parseValue(key, groupKeys[key] as ConfigKey<ValueOf<(typeof groupKeys)[K]>>, text).value
}

export function consumerGroupConfig(config: BrokerConfig, stored: Stored): ConsumerGroupConfig {
  return {
    sessionTimeoutMs: ownOr(stored, 'consumer.session.timeout.ms', config.get('group.consumer.session.timeout.ms')),
    heartbeatIntervalMs: ownOr(stored, 'consumer.heartbeat.interval.ms', config.get('group.consumer.heartbeat.interval.ms')),
    assignmentIntervalMs: ownOr(stored, 'consumer.assignment.interval.ms', config.get('group.consumer.assignment.interval.ms')),
  }
}
