/**
 * The topics that belong to the broker, and the one rule about what clients may do to them. Every path that creates, changes or deletes
 * topics, or writes or deletes records, checks it here.
 *
 * Coordinators spread their state over the partitions of three topics by a hash of names, and read it back when they load. With more
 * partitions, names no longer map to the partition of their state; deletion, another cleanup policy or a retention time destroys the state;
 * with a small limit on batches or segments the coordinator cannot write. Only the broker itself uses `__cluster_metadata`.
 */
import { leastSegmentBytes, type TopicConfig } from '../../log.ts'
import { KafkaError } from '../../protocol.ts'

const names = ['__consumer_offsets', '__transaction_state', '__share_group_state'] as const
export type InternalTopicName = (typeof names)[number]

/** As Kafka lists them: the topic of the metadata is not among them. */
export const internalTopics: ReadonlySet<string> = new Set(names)
export const clusterMetadataTopic = '__cluster_metadata'

/** The client id from which Kafka takes records for internal topics. */
const adminClientId = '__admin_client'
/** Kafka's default of `max.message.bytes`; coordinators need no more, and no less is safe. */
const leastMessageBytes = 1_048_588

export function belongsToBroker(topic: string): boolean {
  return internalTopics.has(topic) || topic === clusterMetadataTopic
}

/** Throws for the topic that no client may create. */
export function checkCreation(topic: string): void {
  if (topic === clusterMetadataTopic) throw new KafkaError('INVALID_REQUEST', `Creation of internal topic ${topic} is prohibited.`)
}

export function checkDeletion(topic: string): void {
  if (belongsToBroker(topic)) throw refused(topic, 'cannot be deleted, because its coordinator would lose its state')
}

export function checkMorePartitions(topic: string): void {
  if (belongsToBroker(topic)) throw refused(topic, 'cannot get more partitions, because its coordinator would no longer find its state')
}

/** Throws if a client may not write to the topic. `clientId` null: not a client with an id, such as another coordinator. */
export function checkWrite(topic: string, clientId: string | null): void {
  if (topic === clusterMetadataTopic || (internalTopics.has(topic) && clientId !== adminClientId)) {
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Cannot append to internal topic ${topic}.`)
  }
}

export function checkRecordDeletion(topic: string): void {
  if (belongsToBroker(topic)) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Cannot delete records of internal topic ${topic}.`)
}

/** Throws for configs that would make the coordinator lose its state or stop, unless `before` was already like that. */
export function checkConfig(topic: string, before: TopicConfig, after: TopicConfig): void {
  for (const { key, reason, harms } of guardsOf(topic)) {
    if (harms(after) && !harms(before)) throw refused(topic, `does not allow this value of ${key}: ${reason}`)
  }
}

/** The effective config of the topic, whatever the broker's defaults are and whatever was stored before this rule existed. */
export function guardedConfig(topic: string, config: TopicConfig): TopicConfig {
  let guarded = config
  for (const { harms, safe } of guardsOf(topic)) if (harms(config)) guarded = { ...guarded, ...safe }
  return guarded
}

interface Guard {
  key: string
  reason: string
  harms(config: TopicConfig): boolean
  safe: Partial<TopicConfig>
}

const wholeBatches: Guard = {
  key: 'max.message.bytes',
  reason: `with less than ${leastMessageBytes} its coordinator would stop`,
  harms: ({ maxMessageBytes }) => maxMessageBytes < leastMessageBytes,
  safe: { maxMessageBytes: leastMessageBytes },
}

/** A batch must fit into a segment. `segment.bytes` has this lower bound for all topics; `internal.segment.bytes`, which overrides it, has none. */
const wholeSegments: Guard = {
  key: 'internal.segment.bytes',
  reason: `less than ${leastSegmentBytes} would stop its coordinator`,
  harms: ({ segmentBytes }) => segmentBytes < leastSegmentBytes,
  safe: { segmentBytes: leastSegmentBytes },
}

const compacted: readonly Guard[] = [
  {
    key: 'cleanup.policy',
    reason: 'with anything but compact its coordinator would lose its state',
    harms: ({ cleanupPolicy }) => cleanupPolicy.delete || !cleanupPolicy.compact,
    safe: { cleanupPolicy: { delete: false, compact: true } },
  },
  wholeBatches,
  wholeSegments,
]

/** The share coordinator deletes old records itself. Its records are incremental changes, of which compaction would keep only the last. */
const kept: readonly Guard[] = [
  {
    key: 'cleanup.policy',
    reason: 'with compact its coordinator would lose its state, because its records are incremental changes',
    harms: ({ cleanupPolicy }) => cleanupPolicy.compact,
    safe: { cleanupPolicy: { delete: true, compact: false } },
  },
  {
    key: 'retention.ms',
    reason: 'with anything but -1 its coordinator would lose its state',
    harms: ({ retentionMs }) => retentionMs !== -1,
    safe: { retentionMs: -1 },
  },
  {
    key: 'retention.bytes',
    reason: 'with anything but -1 its coordinator would lose its state',
    harms: ({ retentionBytes }) => retentionBytes !== -1,
    safe: { retentionBytes: -1 },
  },
  wholeBatches,
  wholeSegments,
]

const guards: Record<InternalTopicName, readonly Guard[]> = {
  __consumer_offsets: compacted,
  __transaction_state: compacted,
  __share_group_state: kept,
}

function guardsOf(topic: string): readonly Guard[] {
  return internalTopics.has(topic) ? guards[topic as InternalTopicName] : []
}

function refused(topic: string, reason: string): KafkaError {
  return new KafkaError('POLICY_VIOLATION', `The internal topic ${topic} ${reason}.`)
}
