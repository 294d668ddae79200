/**
 * The records of the metadata log that this broker writes and understands, and their bytes (Kafka's KRaft records).
 *
 * The versions are those that go with the `metadata.version` of `features.ts`. A record of another kind, of a cluster that another
 * program wrote, cannot be kept and so stops the load.
 */
import {
  decodeMetadataRecord as decode,
  encodeMetadataRecord as encode,
  type MessageOf,
  metadataRecords,
  zeroUuid,
} from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import type { ConfigResourceType } from './types.ts'

const { topic, partition, removeTopic, config, featureLevel, producerIds, noOp } = metadataRecords

export type PartitionRecord = { type: 'PartitionRecord' } & MessageOf<typeof partition.fields>

export type MetadataRecord =
  | ({ type: 'TopicRecord' } & MessageOf<typeof topic.fields>)
  | PartitionRecord
  | ({ type: 'RemoveTopicRecord' } & MessageOf<typeof removeTopic.fields>)
  | { type: 'ConfigRecord'; resourceType: ConfigResourceType; resourceName: string; name: string; value: string | null }
  | ({ type: 'FeatureLevelRecord' } & MessageOf<typeof featureLevel.fields>)
  | ({ type: 'ProducerIdsRecord' } & MessageOf<typeof producerIds.fields>)
  | { type: 'NoOpRecord' }

/** Kafka's ConfigResource types. */
const resourceTypeIds: Record<ConfigResourceType, number> = { TOPIC: 2, BROKER: 4, CLIENT_METRICS: 16, GROUP: 32 }
const resourceTypes = new Map(Object.entries(resourceTypeIds).map(([name, id]) => [id, name as ConfigResourceType]))

/** A partition whose only replicas are these, as a new one is. */
export function newPartitionRecord(
  topicId: MessageOf<typeof partition.fields>['topicId'],
  partitionId: number,
  replicas: number[],
): PartitionRecord {
  return {
    type: 'PartitionRecord',
    partitionId,
    topicId,
    replicas,
    isr: replicas,
    removingReplicas: [],
    addingReplicas: [],
    leader: replicas[0]!,
    leaderRecoveryState: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    // Kafka's DirectoryId.UNASSIGNED: a broker with one directory needs none.
    directories: replicas.map(() => zeroUuid),
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  }
}

export function encodeMetadataRecord(record: MetadataRecord): LogRecord {
  return { key: null, value: bytesOf(record) }
}

function bytesOf(record: MetadataRecord): Buffer {
  switch (record.type) {
    case 'TopicRecord':
      return encode(topic, 0, record)
    case 'PartitionRecord':
      return encode(partition, 2, record)
    case 'RemoveTopicRecord':
      return encode(removeTopic, 0, record)
    case 'ConfigRecord':
      return encode(config, 0, { ...record, resourceType: resourceTypeIds[record.resourceType] })
    case 'FeatureLevelRecord':
      return encode(featureLevel, 0, record)
    case 'ProducerIdsRecord':
      return encode(producerIds, 0, record)
    case 'NoOpRecord':
      return encode(noOp, 0, {})
  }
}

export function decodeMetadataRecord(bytes: Buffer): MetadataRecord {
  const record = decode(bytes)
  switch (record.type) {
    case 'topic':
      return { type: 'TopicRecord', ...record.value }
    case 'partition':
      return { type: 'PartitionRecord', ...record.value }
    case 'removeTopic':
      return { type: 'RemoveTopicRecord', ...record.value }
    case 'config': {
      const resourceType = resourceTypes.get(record.value.resourceType)
      if (resourceType === undefined) throw new Error(`a ConfigRecord of the unknown resource type ${record.value.resourceType}`)
      return { type: 'ConfigRecord', ...record.value, resourceType }
    }
    case 'featureLevel':
      return { type: 'FeatureLevelRecord', ...record.value }
    case 'producerIds':
      return { type: 'ProducerIdsRecord', ...record.value }
    case 'noOp':
      return { type: 'NoOpRecord' }
    default:
      throw new Error(`the metadata log holds a record of the kind ${record.type}, which this broker does not keep`)
  }
}
