/** How a sink reads: Kafka's `consumer.*` of the worker and `consumer.override.*` of the connector, as far as they are known here. */
import { type WorkerConfig, withPrefix } from '../worker-config.ts'
import type { TaskRun } from './run.ts'
import type { SinkGroupOptions } from './sink-group.ts'

export interface ConsumerSettings {
  readonly group: string
  readonly reset: string
  readonly committedOnly: boolean
  readonly mostRecords: number
  readonly mostBytes: number
  /** Of the membership in the group. */
  readonly timing: Pick<SinkGroupOptions, 'sessionTimeoutMs' | 'heartbeatMs' | 'rebalanceTimeoutMs' | 'refreshMs'>
}

const mostRecords = 2_000

/** `recordsAtOnce`: of the connector's definition. */
export function consumerSettings({ order, config }: TaskRun, recordsAtOnce = mostRecords): ConsumerSettings {
  const given = { ...withPrefix(order.worker.properties, 'consumer.'), ...withPrefix(config, 'consumer.override.') }
  const number = (key: string, otherwise: number) => {
    const value = Number(given[key])
    return given[key] !== undefined && Number.isInteger(value) && value > 0 ? value : otherwise
  }
  const sessionTimeoutMs = number('session.timeout.ms', 45_000)
  return {
    group: sinkGroupOf(order.connector, config, order.worker),
    reset: given['auto.offset.reset'] ?? 'earliest',
    committedOnly: given['isolation.level'] === 'read_committed',
    mostRecords: number('max.poll.records', recordsAtOnce),
    mostBytes: number('fetch.max.bytes', 8_388_608),
    timing: {
      sessionTimeoutMs,
      heartbeatMs: Math.min(3_000, Math.floor(sessionTimeoutMs / 3)),
      rebalanceTimeoutMs: 60_000,
      refreshMs: Math.min(number('metadata.max.age.ms', 300_000), 300_000),
    },
  }
}

/** Kafka Connect's name, unless the connector or the worker has another one. */
export function sinkGroupOf(connector: string, config: Readonly<Record<string, string | null>>, { properties }: WorkerConfig): string {
  return config['consumer.override.group.id'] ?? properties['consumer.group.id'] ?? `connect-${connector}`
}
