/**
 * cluster: the durable metadata of the cluster, such as topics, partitions, stored configs, producer id blocks and feature levels.
 *
 * Hides the shard over `__cluster_metadata-0` (Kafka's KRaft records), its snapshots, Kafka's rules for names, counts and
 * assignments, and how partitions of the log are opened and dropped as records become durable.
 */

export { type AclFilter, matches as aclMatches } from './cluster/acl-filters.ts'
export type { ClusterQuotas, QuotaAlteration, QuotaEntity, QuotaEntry } from './cluster/client-quotas.ts'
export type { FeatureUpdate } from './cluster/feature-updates.ts'
export { type SupportedFeature, supportedFeatures } from './cluster/features.ts'
export { belongsToBroker, checkRecordDeletion, checkWrite, type InternalTopicName, internalTopics } from './cluster/internal-topics.ts'
export { readKafkaMetadata } from './cluster/kafka-metadata.ts'
export type { CopiedPartition, MetadataCopy, MetadataCounts } from './cluster/metadata-copy.ts'
export { MetadataClient } from './cluster/metadata-log/client.ts'
export type { DatabaseMetadataLog } from './cluster/metadata-log/database.ts'
export { openDatabaseMetadataLog } from './cluster/metadata-log/open-database.ts'
export { serveMetadataLog } from './cluster/metadata-log/server.ts'
export type { AppendMetadata, MetadataLog } from './cluster/metadata-log.ts'
export { type ClusterOptions, openClusterMetadata } from './cluster/open-cluster.ts'
export type { PartitionDirectories, Reporter } from './cluster/open-topics.ts'
export { assignmentProblem } from './cluster/placement.ts'
export { type MetadataView, readMetadata, readMetadataCopy } from './cluster/read-metadata.ts'
export { markRestored } from './cluster/restored-metadata.ts'
export type { ClusterSecurity, ScramDeletion, ScramUpsertion } from './cluster/security.ts'
export type { Acl, DelegationToken, ScramCredential } from './cluster/security-state.ts'
export { topicNameProblem } from './cluster/topic-names.ts'
export type {
  Arrival,
  BrokerRegistration,
  ClusterLimits,
  ClusterListener,
  ClusterMetadata,
  ConfigChange,
  ConfigResourceType,
  CreatedTopic,
  NewPartitions,
  NewTopic,
  PartitionChange,
  PartitionKey,
  Topic,
  TopicConfigEntry,
  TopicPartition,
  TopicRules,
} from './cluster/types.ts'
