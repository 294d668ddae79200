/**
 * The records of the metadata log that this broker supports, and their encoding (Kafka's KRaft records).
 *
 * Their versions match the `metadata.version` in `features.ts`. Loading fails on a record of another type, written by
 * another program, because it could not be preserved.
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
const { accessControlEntry, removeAccessControlEntry, userScramCredential, removeUserScramCredential } = metadataRecords
const { delegationToken, removeDelegationToken } = metadataRecords
const { clientQuota } = metadataRecords
const { partitionChange, registerBroker, unregisterBroker, brokerRegistrationChange, fenceBroker, unfenceBroker } = metadataRecords

export type PartitionRecord = { type: 'PartitionRecord' } & MessageOf<typeof partition.fields>

export type PartitionChangeRecord = { type: 'PartitionChangeRecord' } & MessageOf<typeof partitionChange.fields>

export type RegisterBrokerRecord = { type: 'RegisterBrokerRecord' } & MessageOf<typeof registerBroker.fields>

export type BrokerRecord =
  | RegisterBrokerRecord
  | ({ type: 'UnregisterBrokerRecord' } & MessageOf<typeof unregisterBroker.fields>)
  | ({ type: 'BrokerRegistrationChangeRecord' } & MessageOf<typeof brokerRegistrationChange.fields>)
  | ({ type: 'FenceBrokerRecord' } & MessageOf<typeof fenceBroker.fields>)
  | ({ type: 'UnfenceBrokerRecord' } & MessageOf<typeof unfenceBroker.fields>)

export type SecurityRecord =
  | ({ type: 'AccessControlEntryRecord' } & MessageOf<typeof accessControlEntry.fields>)
  | ({ type: 'RemoveAccessControlEntryRecord' } & MessageOf<typeof removeAccessControlEntry.fields>)
  | ({ type: 'UserScramCredentialRecord' } & MessageOf<typeof userScramCredential.fields>)
  | ({ type: 'RemoveUserScramCredentialRecord' } & MessageOf<typeof removeUserScramCredential.fields>)
  | ({ type: 'DelegationTokenRecord' } & MessageOf<typeof delegationToken.fields>)
  | ({ type: 'RemoveDelegationTokenRecord' } & MessageOf<typeof removeDelegationToken.fields>)

export type QuotaRecord = { type: 'ClientQuotaRecord' } & MessageOf<typeof clientQuota.fields>

export type MetadataRecord =
  | SecurityRecord
  | QuotaRecord
  | BrokerRecord
  | PartitionChangeRecord
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

/** A new partition, led by the first of its replicas that is in sync. */
export function newPartitionRecord(
  topicId: MessageOf<typeof partition.fields>['topicId'],
  partitionId: number,
  replicas: number[],
  isr = replicas,
): PartitionRecord {
  return {
    type: 'PartitionRecord',
    partitionId,
    topicId,
    replicas,
    isr,
    removingReplicas: [],
    addingReplicas: [],
    leader: isr[0]!,
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
    case 'PartitionChangeRecord':
      return encode(partitionChange, 2, record)
    case 'RegisterBrokerRecord':
      return encode(registerBroker, 3, record)
    case 'UnregisterBrokerRecord':
      return encode(unregisterBroker, 0, record)
    case 'BrokerRegistrationChangeRecord':
      return encode(brokerRegistrationChange, 2, record)
    case 'FenceBrokerRecord':
      return encode(fenceBroker, 0, record)
    case 'UnfenceBrokerRecord':
      return encode(unfenceBroker, 0, record)
    case 'RemoveTopicRecord':
      return encode(removeTopic, 0, record)
    case 'ConfigRecord':
      return encode(config, 0, { ...record, resourceType: resourceTypeIds[record.resourceType] })
    case 'FeatureLevelRecord':
      return encode(featureLevel, 0, record)
    case 'ProducerIdsRecord':
      return encode(producerIds, 0, record)
    case 'AccessControlEntryRecord':
      return encode(accessControlEntry, 0, record)
    case 'RemoveAccessControlEntryRecord':
      return encode(removeAccessControlEntry, 0, record)
    case 'UserScramCredentialRecord':
      return encode(userScramCredential, 0, record)
    case 'RemoveUserScramCredentialRecord':
      return encode(removeUserScramCredential, 0, record)
    case 'DelegationTokenRecord':
      return encode(delegationToken, 0, record)
    case 'RemoveDelegationTokenRecord':
      return encode(removeDelegationToken, 0, record)
    case 'ClientQuotaRecord':
      return encode(clientQuota, 0, record)
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
    case 'partitionChange':
      return { type: 'PartitionChangeRecord', ...record.value }
    case 'registerBroker':
      return { type: 'RegisterBrokerRecord', ...record.value }
    case 'unregisterBroker':
      return { type: 'UnregisterBrokerRecord', ...record.value }
    case 'brokerRegistrationChange':
      return { type: 'BrokerRegistrationChangeRecord', ...record.value }
    case 'fenceBroker':
      return { type: 'FenceBrokerRecord', ...record.value }
    case 'unfenceBroker':
      return { type: 'UnfenceBrokerRecord', ...record.value }
    case 'removeTopic':
      return { type: 'RemoveTopicRecord', ...record.value }
    case 'config': {
      const resourceType = resourceTypes.get(record.value.resourceType)
      if (resourceType === undefined) throw new Error(`a ConfigRecord has the unknown resource type ${record.value.resourceType}`)
      return { type: 'ConfigRecord', ...record.value, resourceType }
    }
    case 'featureLevel':
      return { type: 'FeatureLevelRecord', ...record.value }
    case 'producerIds':
      return { type: 'ProducerIdsRecord', ...record.value }
    case 'accessControlEntry':
      return { type: 'AccessControlEntryRecord', ...record.value }
    case 'removeAccessControlEntry':
      return { type: 'RemoveAccessControlEntryRecord', ...record.value }
    case 'userScramCredential':
      return { type: 'UserScramCredentialRecord', ...ownBuffers(record.value) }
    case 'removeUserScramCredential':
      return { type: 'RemoveUserScramCredentialRecord', ...record.value }
    case 'delegationToken':
      return { type: 'DelegationTokenRecord', ...record.value }
    case 'removeDelegationToken':
      return { type: 'RemoveDelegationTokenRecord', ...record.value }
    case 'clientQuota':
      return { type: 'ClientQuotaRecord', ...record.value }
    case 'noOp':
      return { type: 'NoOpRecord' }
    default:
      throw new Error(`the metadata log contains a record of type ${record.type}, which this broker does not support`)
  }
}

/** What is kept must not hold on to the batch that it was read from. */
function ownBuffers(credential: MessageOf<typeof userScramCredential.fields>): typeof credential {
  const { salt, storedKey, serverKey } = credential
  return { ...credential, salt: Buffer.from(salt), storedKey: Buffer.from(storedKey), serverKey: Buffer.from(serverKey) }
}
