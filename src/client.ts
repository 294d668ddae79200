/**
 * client: what the command line and the applications above the broker use to speak Kafka, to Millrace or to any other cluster.
 *
 * Hides the client library (its options, retries, callbacks and nested errors). What comes back is plain data: offsets and timestamps
 * are bigint, keys and values are bytes, and whatever goes wrong is one {@link ClientError} with Kafka's name for it.
 */
export type {
  Acl,
  AclFilter,
  AclOperation,
  AclResourceType,
  DelegationToken,
  FeatureChange,
  ProducerInfo,
  QuotaEntity,
  QuotaEntityType,
  ScramMechanism,
  TransactionInfo,
} from './client/administration.ts'
export { aclOperations, aclResourceTypes } from './client/administration.ts'
export type { Client, ClientOptions } from './client/client.ts'
export { ClientError } from './client/errors.ts'
export { openClient } from './client/open.ts'
export type {
  Acks,
  BrokerInfo,
  ClientProperties,
  Cluster,
  Compression,
  ConfigEntry,
  ConfigResource,
  GroupInfo,
  GroupListing,
  GroupMember,
  GroupOffset,
  NewTopicSpec,
  OffsetQuery,
  PartitionInfo,
  PartitionOffset,
  Placed,
  ProduceOptions,
  ReadOptions,
  ReceivedRecord,
  RecordHeader,
  RecordToSend,
  SubscribeOptions,
  Subscription,
  TopicInfo,
} from './client/types.ts'
