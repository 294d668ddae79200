/**
 * client: the Kafka client of the command line and of applications above the broker, for Millrace and any other cluster.
 *
 * Hides the client library (its options, retries, callbacks and nested errors). Results are plain data: offsets and timestamps
 * are bigints, keys and values are bytes, and every failure is a {@link ClientError} with Kafka's error name.
 */
export { ClientError, type ClientProperties, mayPass, type TokenLogin } from './channel.ts'
export type {
  Acl,
  AclFilter,
  AclOperation,
  AclResourceType,
  DelegationToken,
  FeatureChange,
  PartitionName,
  PartitionPlace,
  ProducerInfo,
  QuotaEntity,
  QuotaEntityType,
  ScramMechanism,
  TransactionInfo,
} from './client/administration.ts'
export { aclOperations, aclResourceTypes, everyPartition } from './client/administration.ts'
export type { Client, ClientOptions } from './client/client.ts'
export type { ClassicMembership, FencedWriter, JoinOptions, TopicRights, TransactionalWriter } from './client/coordination.ts'
export { ensureTopic } from './client/ensure-topic.ts'
export { openClient } from './client/open.ts'
export { Patience, patiently, untilReached } from './client/patience.ts'
export { isTooLarge } from './client/refusals.ts'
export type {
  Acks,
  AppendedBatches,
  BatchesToAppend,
  BatchReader,
  BatchSender,
  BatchWriter,
  BrokerInfo,
  Cluster,
  CommittedOffset,
  Compression,
  ConfigEntry,
  ConfigResource,
  ConfigSynonym,
  FetchedBatches,
  GroupInfo,
  GroupListing,
  GroupMember,
  GroupOffset,
  Membership,
  NewTopicSpec,
  OffsetQuery,
  OwnPartition,
  PartitionInfo,
  PartitionOffset,
  Placed,
  Polled,
  PolledBatches,
  PolledUnopened,
  ProduceOptions,
  Reader,
  ReadOptions,
  Reassignment,
  ReceivedRecord,
  RecordHeader,
  RecordToSend,
  RecordWriter,
  ReplicaSize,
  Sent,
  StoredBatch,
  SubscribeOptions,
  Subscription,
  TopicInfo,
  TopicState,
  Written,
} from './client/types.ts'
