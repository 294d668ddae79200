/**
 * The topics that belong to the broker, and the one rule of what clients may do to them. Every path that creates, changes or deletes
 * topics, or writes and deletes records, asks here.
 *
 * Coordinators spread their state over the partitions of three topics by a hash of names and read it back when they load. More
 * partitions move the names away from their state; deletion, another cleanup policy or a retention time destroys it; a small limit on
 * batches or segments stops the coordinator from writing. Nobody but the broker has any business in `__cluster_metadata`.
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
  if (belongsToBroker(topic)) throw refused(topic, 'cannot be deleted: the state of its coordinator would be lost')
}

export function checkMorePartitions(topic: string): void {
  if (belongsToBroker(topic)) throw refused(topic, 'cannot get more partitions: names would no longer be found where their state is')
}

/** Throws where a client may not write. Null: some other client, such as another coordinator. */
export function checkWrite(topic: string, clientId: string | null): void {
  if (topic === clusterMetadataTopic || (internalTopics.has(topic) && clientId !== adminClientId)) {
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Cannot append to internal topic ${topic}.`)
  }
}

export function checkRecordDeletion(topic: string): void {
  if (belongsToBroker(topic)) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Cannot delete records of internal topic ${topic}.`)
}

/** Throws for configs that would lose the coordinator's state or stop it, when `before` was better. */
export function checkConfig(topic: string, before: TopicConfig, after: TopicConfig): void {
  for (const { key, reason, harms } of guardsOf(topic)) {
    if (harms(after) && !harms(before)) throw refused(topic, `needs ${key} as it is: ${reason}`)
  }
}

/** What holds for the topic, whatever the defaults of the broker are and whatever was stored before there was this rule. */
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
  reason: `less than ${leastMessageBytes} would stop its coordinator`,
  harms: ({ maxMessageBytes }) => maxMessageBytes < leastMessageBytes,
  safe: { maxMessageBytes: leastMessageBytes },
}

/** A batch must fit a segment. `segment.bytes` has this bound for all topics; `internal.segment.bytes`, which takes its place, has none. */
const wholeSegments: Guard = {
  key: 'internal.segment.bytes',
  reason: `less than ${leastSegmentBytes} would stop its coordinator`,
  harms: ({ segmentBytes }) => segmentBytes < leastSegmentBytes,
  safe: { segmentBytes: leastSegmentBytes },
}

const compacted: readonly Guard[] = [
  {
    key: 'cleanup.policy',
    reason: 'anything but compact would lose the state of its coordinator',
    harms: ({ cleanupPolicy }) => cleanupPolicy.delete || !cleanupPolicy.compact,
    safe: { cleanupPolicy: { delete: false, compact: true } },
  },
  wholeBatches,
  wholeSegments,
]

/** The share coordinator deletes what it no longer needs by itself; its records are changes, of which compaction would keep the last. */
const kept: readonly Guard[] = [
  {
    key: 'cleanup.policy',
    reason: 'compact would lose the state of its coordinator, whose records are changes',
    harms: ({ cleanupPolicy }) => cleanupPolicy.compact,
    safe: { cleanupPolicy: { delete: true, compact: false } },
  },
  {
    key: 'retention.ms',
    reason: 'anything but -1 would lose the state of its coordinator',
    harms: ({ retentionMs }) => retentionMs !== -1,
    safe: { retentionMs: -1 },
  },
  {
    key: 'retention.bytes',
    reason: 'anything but -1 would lose the state of its coordinator',
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
