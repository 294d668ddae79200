/** The interface of a client; see `../client.ts`. */

import type { FileSystem } from '../base.ts'
import type { ClientError, ClientProperties, TokenLogin } from '../channel.ts'
import type { Administration, PartitionName, ProducerPlace } from './administration.ts'
import type {
  ClassicGroups,
  FencedWriter,
  FencedWriterOptions,
  Rights,
  TransactionalWriter,
  TransactionalWriterOptions,
} from './coordination.ts'
import type {
  BatchReader,
  BatchSender,
  BatchWriter,
  BatchWriterOptions,
  Cluster,
  CommittedOffset,
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  FetchedBatches,
  GroupInfo,
  GroupListing,
  GroupOffset,
  Membership,
  MembershipOptions,
  NewTopicSpec,
  OffsetQuery,
  PartitionOffset,
  Placed,
  ProduceOptions,
  Reader,
  ReadOptions,
  ReceivedRecord,
  RecordToSend,
  RecordWriter,
  RecordWriterOptions,
  ReplicaSize,
  Sent,
  SubscribeOptions,
  Subscription,
  TopicInfo,
  TopicState,
} from './types.ts'

export interface ClientOptions {
  /** `host:port`, several separated by commas. */
  bootstrap: string
  /** Default `millrace-client`. */
  clientId?: string
  /** Kafka's client properties about the connection: `security.protocol`, `ssl.*`, `sasl.*`. Others are ignored. */
  properties?: ClientProperties
  /** The newest token, instead of `sasl.oauthbearer.token`: asked for at each login. */
  token?: () => string
  /** The newest delegation token, instead of a user name and password: asked for at each login. `properties` say by which SCRAM. */
  delegationToken?: () => TokenLogin
  /** The file system with the key stores that `properties` name; default: this machine's. */
  files?: FileSystem
  /** Timeout of a request. Default: 30 s, as in Kafka's clients. */
  timeoutMs?: number
}

/** Connects when first used. All methods throw ClientError. */
export interface Client extends Administration, ClassicGroups, Rights, AsyncDisposable {
  cluster(): Promise<Cluster>
  /** The sorted names of all topics, including internal ones. */
  topicNames(): Promise<string[]>
  /** Bytes on the disks of all brokers, by topic. */
  topicSizes(): Promise<Map<string, bigint>>
  /** Sorted by name, including internal ones; with one request. */
  topicStates(): Promise<TopicState[]>
  /** Of one topic, on the disks of all brokers. */
  replicaSizes(topic: string, partitions: readonly number[]): Promise<ReplicaSize[]>
  /** In the order of `names`, or sorted; throws UNKNOWN_TOPIC_OR_PARTITION. */
  topics(names: readonly string[] | 'all'): Promise<TopicInfo[]>
  /** `configs`: all that it has, as far as this principal may see them. */
  createTopic(topic: NewTopicSpec): Promise<{ partitions: number; replicas: number; configs: ConfigEntry[] }>
  deleteTopics(names: readonly string[]): Promise<void>
  /** `count`: the new partition count. */
  setPartitions(topic: string, count: number): Promise<void>
  configs(resource: ConfigResource): Promise<ConfigEntry[]>
  /** `brief`: without documentation and synonyms. */
  topicConfigs(topics: readonly string[], options?: { brief?: boolean }): Promise<Map<string, ConfigEntry[]>>
  /** null: reset to the default. */
  alterConfigs(resource: ConfigResource, changes: ReadonlyMap<string, string | null>, validateOnly?: boolean): Promise<void>
  /** Names of the resources that have configs. */
  configResources(type: ConfigResourceType): Promise<string[]>

  /** By partition. For a time after the last record: the end offset, as in Kafka's tools. */
  offsets(topic: string, partitions: readonly number[], query: OffsetQuery): Promise<Map<number, bigint>>
  /** Of partitions of many topics, by topic and partition. Partitions that have no leader or do not exist are left out. */
  manyOffsets(partitions: readonly PartitionName[], query: 'earliest' | 'latest' | 'stable'): Promise<Map<string, Map<number, bigint>>>
  /** Those with an id, of partitions of many topics. Partitions that have no leader, do not exist, or may not be seen, are left out. */
  manyProducers(partitions: readonly PartitionName[]): Promise<(PartitionName & ProducerPlace)[]>
  /** All records before these offsets, by partition. */
  deleteRecords(topic: string, before: ReadonlyMap<number, bigint>): Promise<void>
  /** Reads without a group. Yields the records of each round of fetches; there is no order between partitions. */
  read(options: ReadOptions): AsyncGenerator<ReceivedRecord[], void>
  /** The same, of all records, as unopened batches. */
  readBatches(options: ReadOptions): AsyncGenerator<FetchedBatches, void>
  subscribe(options: SubscribeOptions): Promise<Subscription>
  /** To be closed by the caller. */
  openReader(): Reader
  /** To be closed by the caller. */
  openBatchReader(): BatchReader
  /** To be closed by the caller. */
  openBatchSender(acks: 'all' | 1): BatchSender
  /** To be closed by the caller. Fences all that were opened before for the same id, as far as `fence` says. */
  openBatchWriter(options: BatchWriterOptions): Promise<BatchWriter>
  /** Becomes a member of a group that reads with a reader. */
  join(options: MembershipOptions): Promise<Membership>
  /** For a group without members. */
  commit(group: string, offsets: readonly CommittedOffset[]): Promise<void>
  /** Resolves when the records are acknowledged according to `acks`, to their places by partition. Records of one partition keep their order, also across calls. */
  send(topic: string, records: readonly RecordToSend[], options?: ProduceOptions): Promise<Placed[]>

  /**
   * The same, with an outcome for each record, in the order of the records: what one partition refuses does not affect the others. Throws if
   * nothing was sent.
   */
  sendEach(topic: string, records: readonly RecordToSend[], options?: ProduceOptions): Promise<Sent[]>
  /** Fences all writers that were opened before for the same id. */
  openFencedWriter(options: FencedWriterOptions): Promise<FencedWriter>
  /** To be closed by the caller. */
  openRecordWriter(options: RecordWriterOptions): RecordWriter
  /** To be closed by the caller. Fences all that were opened before for the same id, and aborts what they have begun. */
  openTransactionalWriter(options: TransactionalWriterOptions): Promise<TransactionalWriter>

  groups(): Promise<GroupListing[]>
  /** `type`: of the listing, which is asked for otherwise. */
  group(name: string, type?: string): Promise<GroupInfo>
  /** Committed offsets; for a share group (`type`), the start offset of each partition. */
  groupOffsets(name: string, type: string): Promise<GroupOffset[]>
  /** Committed offsets, not before the transactions that commit newer ones have ended (KIP-447). */
  stableOffsets(name: string): Promise<GroupOffset[]>
  /** The same of many groups, with few requests: the offsets of each, or why it does not tell. */
  manyGroupOffsets(groups: readonly Pick<GroupListing, 'group' | 'type'>[]): Promise<Map<string, GroupOffset[] | ClientError>>
  /** The group must have no members. */
  setGroupOffsets(name: string, offsets: readonly PartitionOffset[]): Promise<void>
  /** The group must have no members. */
  setShareGroupOffsets(name: string, offsets: readonly PartitionOffset[]): Promise<void>
  /** No member of the group may be subscribed to these topics. */
  deleteGroupOffsets(name: string, partitions: readonly PartitionName[]): Promise<void>
  /** The group must have no members. */
  deleteShareGroupOffsets(name: string, topics: readonly string[]): Promise<void>
  deleteGroup(name: string): Promise<void>
  /** The broker that coordinates the group. */
  coordinator(group: string): Promise<number>
  close(): Promise<void>
}
