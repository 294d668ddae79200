/**
 * coordinator: deterministic state machines ("shards") over a partition of the log.
 *
 * Hides how a shard's records become durable, how it is reloaded, and how timers are driven. One shard is one partition of an
 * internal topic (`__consumer_offsets`, `__transaction_state`, …) or the cluster metadata log. An operation returns records and a
 * response; only `replay` changes state, immediately; the response is sent when the records are durable. When an append
 * fails, the shard is discarded, its waiters get NOT_COORDINATOR, and it is reloaded from the log.
 */

export type {
  Acl,
  AclFilter,
  AppendMetadata,
  Arrival,
  BrokerRegistration,
  ClusterLimits,
  ClusterListener,
  ClusterMetadata,
  ClusterQuotas,
  ClusterSecurity,
  ConfigChange,
  ConfigResourceType,
  CopiedPartition,
  CreatedTopic,
  DatabaseMetadataLog,
  DelegationToken,
  FeatureUpdate,
  InternalTopicName,
  MetadataCopy,
  MetadataCounts,
  MetadataLog,
  MetadataView,
  NewPartitions,
  NewTopic,
  PartitionChange,
  PartitionDirectories,
  PartitionKey,
  QuotaAlteration,
  QuotaEntity,
  QuotaEntry,
  ScramCredential,
  ScramDeletion,
  ScramUpsertion,
  Topic,
  TopicConfigEntry,
  TopicPartition,
  TopicRules,
} from './coordinator/cluster.ts'
export {
  aclMatches,
  assignmentProblem,
  belongsToBroker,
  type ClusterOptions,
  checkRecordDeletion,
  checkWrite,
  internalTopics,
  MetadataClient,
  markRestored,
  openClusterMetadata,
  openDatabaseMetadataLog,
  readKafkaMetadata,
  readMetadata,
  readMetadataCopy,
  type SupportedFeature,
  serveMetadataLog,
  supportedFeatures,
  topicNameProblem,
} from './coordinator/cluster.ts'
export type { AskedTopic, CommitTopic, FetchedTopic, OffsetCommit, TopicResult } from './coordinator/group/commits.ts'
export { compileRegex } from './coordinator/group/consumer/regex.ts'
export type { GroupTopics } from './coordinator/group/group-topics.ts'
export { type Caller, joinError, syncError } from './coordinator/group/requests.ts'
export {
  type ConsumerGroupConfig,
  defaultGroupSettings,
  type GroupSettings,
  type ShareGroupConfig,
  type StreamsGroupConfig,
} from './coordinator/group/settings.ts'
export type { InitializedTopics } from './coordinator/group/share/share-records.ts'
export type { StreamsInternalTopic } from './coordinator/group/streams/internal-topics.ts'
export { statusCodes as streamsStatusCodes } from './coordinator/group/streams/progress.ts'
export { GroupCoordinator, type GroupCoordinatorOptions, offsetsTopicName } from './coordinator/group.ts'
export { openCoordinator } from './coordinator/runtime.ts'
export type {
  Coordinator,
  CoordinatorOptions,
  CoordinatorState,
  Decision,
  LogRecord,
  ProducerMarker,
  ProducerSession,
  Shard,
  ShardContext,
} from './coordinator/shard.ts'
export type { InternalTopic } from './coordinator/sharded-topic.ts'
export {
  type AcknowledgementBatch,
  type Acquisition,
  type DeadLetter,
  type ShareConfig,
  SharePartition,
} from './coordinator/share/share-partition.ts'
export { type SharePartitionKey, type ShareState, sharePartitionName } from './coordinator/share/state-shard.ts'
export {
  ShareCoordinator,
  type ShareCoordinatorOptions,
  type SharePosition,
  type ShareStates,
  shareStateTopicName,
} from './coordinator/share.ts'
export type { MarkerWatch } from './coordinator/transaction/marker-watches.ts'
export type { Place, RemoteMarker, RemoteMarkers } from './coordinator/transaction/remote-markers.ts'
export type { TransactionSettings } from './coordinator/transaction/settings.ts'
export type { EndRequest, InitProducer, TransactionalProducer } from './coordinator/transaction/shard.ts'
export {
  isTransactionStatus,
  TransactionCoordinator,
  type TransactionCoordinatorOptions,
  transactionTopicName,
} from './coordinator/transaction.ts'
