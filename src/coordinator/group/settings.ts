/** The settings of groups: Kafka's keys in camel case, with Kafka's defaults. */

import { type Int64, millisSince } from '../../base.ts'

export interface GroupSettings {
  consumer: ConsumerGroupSettings
  share: ShareGroupSettings
  streams: StreamsGroupSettings
  /** `group.initial.rebalance.delay.ms`: how long an empty group waits for more members. */
  groupInitialRebalanceDelayMs: number
  /** `max.groups`: of all protocols */
  maxGroups: number
  /** `group.max.size` */
  groupMaxSize: number
  /** `group.max.metadata.bytes`: the metadata of all members of a group */
  groupMaxMetadataBytes: number
  groupMinSessionTimeoutMs: number
  groupMaxSessionTimeoutMs: number
  offsetMetadataMaxBytes: number
  offsetsRetentionMinutes: number
  offsetsRetentionCheckIntervalMs: number
  /** Partitions that `__consumer_offsets` gets when it is created. */
  offsetsTopicNumPartitions: number
}

/** Groups of the KIP-848 protocol: `group.consumer.…`. */
export interface ConsumerGroupSettings {
  /** The first is the default. */
  assignors: readonly string[]
  maxSize: number
  migrationPolicy: string
  regexRefreshIntervalMs: number
  /** The configs of one group (`consumer.…`), or the broker's defaults for them. */
  of(groupId: string): ConsumerGroupConfig
}

export interface ConsumerGroupConfig {
  sessionTimeoutMs: number
  heartbeatIntervalMs: number
  /** Least time between two target assignments. */
  assignmentIntervalMs: number
}

/** Share groups (KIP-932): `group.share.…`. */
export interface ShareGroupSettings {
  maxSize: number
  /** The configs of one group (`share.…`), or the broker's defaults for them. */
  of(groupId: string): ShareGroupConfig
}

export type ShareGroupConfig = ConsumerGroupConfig

/** Streams groups (KIP-1071): `group.streams.…`. */
export interface StreamsGroupSettings {
  maxSize: number
  /** The configs of one group (`streams.…`), or the broker's defaults for them. */
  of(groupId: string): StreamsGroupConfig
}

export interface StreamsGroupConfig extends ConsumerGroupConfig {
  /** How long an empty group waits for more members before its first assignment. */
  initialRebalanceDelayMs: number
  numStandbyReplicas: number
  /** Clients report how far their copies of task states are. */
  taskOffsetIntervalMs: number
  acceptableRecoveryLag: number
  rackAwareAssignmentTags: readonly string[]
}

/** 0 if the next assignment is due now. If the last one is in the future (because a clock was set back), it must not block the group. */
export function nextAssignmentInMs(lastMs: Int64, assignmentIntervalMs: number, nowMs: number): number {
  const agoMs = millisSince(lastMs, nowMs)
  return agoMs < 0 ? 0 : Math.max(0, assignmentIntervalMs - agoMs)
}

const leastHeartbeatIntervalMs = 100

/**
 * The heartbeat interval for a member. `dueInMs`: when the assignment that it waits for is due, null for none. It sends its heartbeat then:
 * otherwise a member that joins just after another would stay idle for a whole interval.
 */
export function heartbeatIntervalMs(config: ConsumerGroupConfig, dueInMs: number | null): number {
  if (dueInMs === null) return config.heartbeatIntervalMs
  // Clocks tell fractions of milliseconds; the response has whole ones.
  return Math.min(config.heartbeatIntervalMs, Math.max(Math.ceil(dueInMs), leastHeartbeatIntervalMs))
}

const defaultConsumerGroupConfig: ConsumerGroupConfig = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5_000,
  assignmentIntervalMs: 1_000,
}

const defaultStreamsGroupConfig: StreamsGroupConfig = {
  ...defaultConsumerGroupConfig,
  initialRebalanceDelayMs: 3_000,
  numStandbyReplicas: 0,
  taskOffsetIntervalMs: 60_000,
  acceptableRecoveryLag: 10_000,
  rackAwareAssignmentTags: [],
}

export const defaultGroupSettings: GroupSettings = {
  consumer: {
    assignors: ['uniform', 'range'],
    maxSize: 2 ** 31 - 1,
    migrationPolicy: 'BIDIRECTIONAL',
    regexRefreshIntervalMs: 600_000,
    of: () => defaultConsumerGroupConfig,
  },
  share: { maxSize: 200, of: () => defaultConsumerGroupConfig },
  streams: { maxSize: 2 ** 31 - 1, of: () => defaultStreamsGroupConfig },
  groupInitialRebalanceDelayMs: 3_000,
  maxGroups: Number.POSITIVE_INFINITY,
  groupMaxSize: 2 ** 31 - 1,
  groupMaxMetadataBytes: Number.POSITIVE_INFINITY,
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMinutes: 7 * 24 * 60,
  offsetsRetentionCheckIntervalMs: 600_000,
  offsetsTopicNumPartitions: 50,
}
