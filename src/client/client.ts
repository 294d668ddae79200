/** The interface of a client; see `../client.ts`. */

import type { FileSystem } from '../base.ts'
import type { Administration } from './administration.ts'
import type {
  ClientProperties,
  Cluster,
  ConfigEntry,
  ConfigResource,
  ConfigResourceType,
  GroupInfo,
  GroupListing,
  GroupOffset,
  NewTopicSpec,
  OffsetQuery,
  PartitionOffset,
  Placed,
  ProduceOptions,
  ReadOptions,
  ReceivedRecord,
  RecordToSend,
  SubscribeOptions,
  Subscription,
  TopicInfo,
} from './types.ts'

export interface ClientOptions {
  /** `host:port`, several separated by commas. */
  bootstrap: string
  /** Default `millrace-client`. */
  clientId?: string
  /** Kafka's client properties about the connection: `security.protocol`, `ssl.*`, `sasl.*`. Others are passed over. */
  properties?: ClientProperties
  /** Where key stores lie that `properties` name; default: on this machine. */
  files?: FileSystem
  /** Of one request. Default 30 s, as in Kafka's clients. */
  timeoutMs?: number
}

/** Connects when first used. All methods throw ClientError. */
export interface Client extends Administration, AsyncDisposable {
  cluster(): Promise<Cluster>
  /** Names of all topics, internal ones too, sorted. */
  topicNames(): Promise<string[]>
  /** Bytes on the disks of all brokers, by topic. */
  topicSizes(): Promise<Map<string, bigint>>
  /** In the order asked for; throws UNKNOWN_TOPIC_OR_PARTITION. */
  topics(names: readonly string[]): Promise<TopicInfo[]>
  createTopic(topic: NewTopicSpec): Promise<{ partitions: number; replicas: number }>
  deleteTopics(names: readonly string[]): Promise<void>
  /** `count`: how many there shall be. */
  setPartitions(topic: string, count: number): Promise<void>
  configs(resource: ConfigResource): Promise<ConfigEntry[]>
  /** null: back to the default. */
  alterConfigs(resource: ConfigResource, changes: ReadonlyMap<string, string | null>): Promise<void>
  /** Names of what has configs. */
  configResources(type: ConfigResourceType): Promise<string[]>

  /** By partition. For a time after the last record: the end, as Kafka's tools show it. */
  offsets(topic: string, partitions: readonly number[], query: OffsetQuery): Promise<Map<number, bigint>>
  /** Without a group. Yields what one round of fetches brought; several partitions are in no particular order. */
  read(options: ReadOptions): AsyncGenerator<ReceivedRecord[], void>
  subscribe(options: SubscribeOptions): Promise<Subscription>
  /** Resolves when acknowledged as `acks` says. Records of one partition keep their order, across calls too. */
  send(topic: string, records: readonly RecordToSend[], options?: ProduceOptions): Promise<Placed[]>

  groups(): Promise<GroupListing[]>
  group(name: string): Promise<GroupInfo>
  /** Committed offsets; of a share group (`type`) where each partition begins. */
  groupOffsets(name: string, type: string): Promise<GroupOffset[]>
  /** The group must have no members. */
  setGroupOffsets(name: string, offsets: readonly PartitionOffset[]): Promise<void>
  /** The group must have no members. */
  setShareGroupOffsets(name: string, offsets: readonly PartitionOffset[]): Promise<void>
  deleteGroup(name: string): Promise<void>
  close(): Promise<void>
}
