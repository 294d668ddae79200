/** The types of the cluster metadata's interface; re-exported by `../cluster.ts`. */
import type { Int64 } from '../../base.ts'
import type { PartitionLog, TopicConfig } from '../../log.ts'
import type { KafkaError, Uuid } from '../../protocol.ts'
import type { ClusterQuotas } from './client-quotas.ts'
import type { FeatureUpdate } from './feature-updates.ts'
import type { InternalTopicName } from './internal-topics.ts'
import type { AppendMetadata, MetadataLog } from './metadata-log.ts'
import type { ClusterSecurity } from './security.ts'

/** One partition as the metadata describes it. The object stays the same while what it says changes. */
export interface TopicPartition {
  readonly index: number
  /** Broker id; -1: nobody serves it now. */
  readonly leader: number
  readonly leaderEpoch: number
  /** The first is preferred as leader. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Of a reassignment that is under way: the replicas that it adds, and those that go when another one leads. */
  readonly adding: readonly number[]
  readonly removing: readonly number[]
  /** Its log, if this broker leads it and has opened it; null otherwise. */
  readonly log: PartitionLog | null
  /** While this broker is opening it, which can take a while in a cluster; null otherwise. */
  readonly arrival: Arrival | null
}

export interface Arrival {
  /** On the monotonic clock. */
  readonly sinceMs: number
  /** It is open, or could not be opened. Never rejects. */
  readonly over: Promise<void>
}

/**
 * A topic as clients may see it: durable, with every partition open that this broker led when it became visible. Never changes but for
 * `partitions`, which only grows, and what they say.
 */
export interface Topic {
  readonly name: string
  readonly id: Uuid
  /** One of Kafka's own topics, which ordinary clients may not write. */
  readonly internal: boolean
  /** By partition index, without holes. */
  readonly partitions: readonly TopicPartition[]
}

/** A broker that belongs to the cluster, running or not. */
export interface BrokerRegistration {
  readonly id: number
  /** Grows with each registration of the id. */
  readonly epoch: number
  readonly rack: string | null
  /** It does not serve now: clients are not sent there. */
  readonly fenced: boolean
  /** It is about to stop (Kafka's controlled shutdown): it is given no partitions. */
  readonly leaving: boolean
  /** By the name of the listener. */
  readonly endpoints: ReadonlyMap<string, { host: string; port: number }>
}

/** What a broker says of itself when it starts. */
export interface NewRegistration extends Omit<BrokerRegistration, 'epoch' | 'leaving'> {
  /** Of this run of the process. */
  incarnation: Uuid
  /** In a cluster over a database, that of the session. By default it is assigned. */
  epoch?: number
  /** The epoch with which this process registered last. */
  follows?: number | undefined
}

/** In a cluster over a database: the session can change nothing any more. */
export interface EndedSession {
  brokerId: number
  /** Of the session: the broker's registration with another one stays. */
  epoch: number
  /** Brokers that have probably failed as well: they get none of its partitions if there is anybody else. */
  avoid: ReadonlySet<number>
  /** The broker does not belong to the cluster any more. */
  unregister?: boolean
}

/** The resources that have stored configs; Kafka's ConfigResource types but BROKER_LOGGER, whose levels are not stored. */
export type ConfigResourceType = 'TOPIC' | 'BROKER' | 'CLIENT_METRICS' | 'GROUP'

/** As in a CreateTopics request: -1 and empty mean the default. */
export interface NewTopic {
  name: string
  numPartitions: number
  replicationFactor: number
  assignments: readonly { partitionIndex: number; brokerIds: readonly number[] }[]
  configs: readonly { name: string; value: string | null }[]
}

export interface CreatedTopic {
  id: Uuid
  numPartitions: number
  replicationFactor: number
  /** The topic's own configs, without the defaults. */
  configs: ReadonlyMap<string, string>
}

/** Called with the number of partitions that an otherwise valid change would create or delete. Throws KafkaError to reject it. */
export type Admit = (partitions: number) => void

/** As in a CreatePartitions request. */
export interface NewPartitions {
  name: string
  /** The target number. */
  count: number
  assignments: readonly { brokerIds: readonly number[] }[] | null
}

export interface PartitionKey {
  readonly topicId: Uuid
  readonly partition: number
}

/** What is left out stays. */
export interface PartitionChange extends PartitionKey {
  /** Who leads it now, or the change is refused with NOT_LEADER_OR_FOLLOWER. */
  from?: number
  /**
   * A reassignment. It is done at once if the leader is among these; otherwise it is under way, and the leader one of {@link TopicPartition.removing},
   * until one of these leads. null: ends the one that is under way, as if it had never been asked for.
   */
  replicas?: readonly number[] | null
  /** With the leader epoch + 1, also where it leads already. If it is no replica, it takes the place of the leader before it. */
  leader?: number
}

export interface ConfigChange {
  type: ConfigResourceType
  /** Topic, group or subscription name; the broker's id, or '' for the default of all brokers. */
  name: string
  /**
   * Called synchronously with the newest stored configs of the resource, so that read-modify-write needs no lock. Returns what
   * changes, null for what is removed. Throws KafkaError to refuse.
   */
  edit(current: ReadonlyMap<string, string>): ReadonlyMap<string, string | null>
}

/** Events, sent after the change is durable and visible. */
export interface ClusterListener {
  topicCreated?(topic: Topic): void
  topicDeleted?(topic: Topic): void
  partitionsAdded?(topic: Topic, from: number): void
  /** This broker leads the partition of a topic that it knew before, and has opened its log. */
  partitionOpened?(topic: Topic, partition: number): void
  /** This broker no longer leads the partition. Its log is closed after this returns. */
  partitionClosed?(topic: Topic, partition: number): void
  configChanged?(type: ConfigResourceType, name: string): void
  quotasChanged?(): void
}

/** The configuration's rules for topics. They are read each time, because they may change while the broker runs. */
export interface TopicRules {
  /** `num.partitions`. */
  numPartitions(): number
  /** `default.replication.factor`. */
  defaultReplicationFactor(): number
  /** Throws KafkaError INVALID_CONFIG for an unknown key or a bad value. */
  validateTopicConfigs(configs: ReadonlyMap<string, string>): void
  effectiveTopicConfig(configs: ReadonlyMap<string, string>): TopicConfig
  /** All of a topic's configs, defaults too, as a CreateTopics response returns them; sorted by name. */
  describeTopicConfigs(configs: ReadonlyMap<string, string>): readonly TopicConfigEntry[]
  /** How one of Kafka's own topics is made (`offsets.topic.num.partitions` and the like). */
  internalTopic(name: InternalTopicName): { numPartitions: number; replicationFactor: number; configs: ReadonlyMap<string, string> }
}

export interface TopicConfigEntry {
  name: string
  value: string | null
  readOnly: boolean
  /** Kafka's ConfigSource. */
  configSource: number
  isSensitive: boolean
}

/** Hard limits of this broker; requests beyond them fail with POLICY_VIOLATION. */
export interface ClusterLimits {
  topics: number
  partitions: number
}

/** The metadata of the cluster. Reading is synchronous and shows only what is durable; changes settle when durable and visible. */
export interface ClusterMetadata {
  topic(name: string): Topic | undefined
  topicById(id: Uuid): Topic | undefined
  topicId(name: string): Uuid | undefined
  topicName(id: Uuid): string | undefined
  /** The log of the partition; undefined where it is not here. */
  partition(topicId: Uuid, partition: number): PartitionLog | undefined
  partitionByName(topicName: string, partition: number): PartitionLog | undefined
  /** All topics, sorted by name. */
  topics(): readonly Topic[]
  /** Of the cluster. */
  readonly partitionCount: number
  /** The broker that leads the partition, -1 for none; undefined: there is no such partition. */
  leaderOf(topicId: Uuid, partition: number): number | undefined
  /** All that belong to the cluster, by id. This one does until it is unregistered. */
  brokers(): readonly BrokerRegistration[]
  broker(id: number): BrokerRegistration | undefined
  /** Users and permissions. */
  readonly security: ClusterSecurity
  readonly quotas: ClusterQuotas

  /** As {@link TopicRules.describeTopicConfigs}. */
  describeTopicConfigs(configs: ReadonlyMap<string, string>): readonly TopicConfigEntry[]
  /** Stored configs of one resource; empty when it has none. */
  configs(type: ConfigResourceType, name: string): ReadonlyMap<string, string>
  /** Names that have stored configs, sorted. */
  configResources(type: ConfigResourceType): readonly string[]
  /** Finalized feature levels (KIP-584), and the offset of the metadata log they are as of. */
  finalizedFeatures(): { epoch: number; levels: ReadonlyMap<string, number> }
  /** 0 when the feature is off. */
  featureLevel(name: string): number

  /** One outcome per topic, in order. Names must be distinct. */
  createTopics(topics: readonly NewTopic[], validateOnly: boolean, admit?: Admit): Promise<(CreatedTopic | KafkaError)[]>
  /** null: deleted. */
  deleteTopics(ids: readonly Uuid[], admit?: Admit): Promise<(KafkaError | null)[]>
  createPartitions(topics: readonly NewPartitions[], validateOnly: boolean, admit?: Admit): Promise<(KafkaError | null)[]>
  applyConfigs(changes: readonly ConfigChange[], validateOnly: boolean): Promise<(KafkaError | null)[]>
  /** All or none: throws KafkaError INVALID_UPDATE_VERSION for the first that is refused. */
  updateFeatures(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<void>
  /** Resolves to the epoch of the registration. */
  registerBroker(broker: NewRegistration): Promise<number>
  /**
   * The session of this broker has ended, or is about to end: it leads nothing until it has registered again. Resolves when nobody finds its logs here any
   * more; there may be tens of thousands.
   */
  sessionEnded(): Promise<void>
  /** Throws KafkaError BROKER_ID_NOT_REGISTERED. `epoch`: does nothing if the broker has registered with another one since then. */
  fenceBroker(id: number, fenced: boolean, epoch?: number): Promise<void>
  /** From now on, until it registers again, the broker is {@link BrokerRegistration.leaving}. Throws KafkaError BROKER_ID_NOT_REGISTERED. */
  leaveBroker(id: number): Promise<void>
  /** Where each broker has its own data. Throws KafkaError for a broker that is running, or that leads partitions. */
  unregisterBroker(id: number): Promise<void>
  /**
   * One outcome per partition, in order. `append`: puts the records into the log, all in one batch; it is not called if one of the changes is refused, and
   * then none is made.
   */
  changePartitions(changes: readonly PartitionChange[], append?: AppendMetadata): Promise<(KafkaError | null)[]>
  /** Fences the broker and elects other leaders. `append` ends the session with the records; it is not called if there is nothing to record. */
  endSession(ended: EndedSession, append: AppendMetadata): Promise<void>
  /** Elects leaders where the leader is fenced, and replaces replicas that are not registered any more. */
  electLeaders(): Promise<void>
  /**
   * This broker is about to give these partitions away: at once nobody finds their logs here any more, and those who use them let go. One answer
   * per partition, in order: false where its log is not here. A change that gives them another leader, or {@link takeBack}, has to follow.
   */
  letGo(partitions: readonly PartitionKey[]): boolean[]
  /** They stay after all: resolves when those that this broker still leads are open again, or cannot be opened now. */
  takeBack(partitions: readonly PartitionKey[]): Promise<void>
  /** The topic, created with Kafka's settings when it is missing. */
  ensureInternalTopic(name: InternalTopicName): Promise<Topic>
  /** A producer id that was never assigned before and never will be again. */
  newProducerId(): Int64 | Promise<Int64>

  /**
   * Resolves when all is published that was in the metadata log when it was called. `anew`: the log was restored to an earlier state; nothing counts that
   * was read or taken from it before.
   */
  catchUp(anew?: boolean): Promise<void>
  /** Of all topics that the metadata log has when it is called, also of those that cannot be opened here and that clients do not see. */
  topicIds(): Promise<ReadonlySet<Uuid>>
  subscribe(listener: ClusterListener): { unsubscribe(): void }
  /** The metadata log, for the brokers that follow it; null if this broker follows another one's. */
  readonly sharedLog: MetadataLog | null
  /** Computes every topic's effective config again, after defaults of the broker changed by something other than stored configs. */
  refreshTopicConfigs(): Promise<void>
  /** Resolves when nothing more will touch the log or the disk. */
  close(): Promise<void>
}
