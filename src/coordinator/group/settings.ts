/** What operators may tune about groups: Kafka's keys in camel case, with Kafka's defaults. */

export interface GroupSettings {
  /** `group.initial.rebalance.delay.ms`: how long an empty group waits for more members. */
  groupInitialRebalanceDelayMs: number
  /** `group.max.size` */
  groupMaxSize: number
  groupMinSessionTimeoutMs: number
  groupMaxSessionTimeoutMs: number
  offsetMetadataMaxBytes: number
  offsetsRetentionMinutes: number
  offsetsRetentionCheckIntervalMs: number
  /** Partitions that `__consumer_offsets` gets when it is created. */
  offsetsTopicNumPartitions: number
}

export const defaultGroupSettings: GroupSettings = {
  groupInitialRebalanceDelayMs: 3_000,
  groupMaxSize: 2 ** 31 - 1,
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMinutes: 7 * 24 * 60,
  offsetsRetentionCheckIntervalMs: 600_000,
  offsetsTopicNumPartitions: 50,
}
