/** The data types of the client's interface. An int64 is a bigint here, because users must see every digit. */
import type { Int64 } from '../base.ts'
import type { ClientError } from '../channel.ts'
import type { BatchHeader } from '../protocol.ts'
import type { PartitionName } from './administration.ts'

export interface BrokerInfo {
  id: number
  host: string
  port: number
  rack: string | null
}

export interface Cluster {
  id: string
  controllerId: number
  brokers: BrokerInfo[]
}

export interface PartitionInfo {
  partition: number
  leader: number
  replicas: number[]
  isr: number[]
}

export interface TopicInfo {
  name: string
  /** As Kafka prints it; empty if the cluster is too old for topic ids. */
  id: string
  /** Kafka's own, such as `__consumer_offsets`. */
  isInternal: boolean
  partitions: PartitionInfo[]
}

/** What a list of topics shows; see `topics` for all of it. */
export interface TopicState {
  name: string
  internal: boolean
  partitions: number
  replicas: number
  /** Partitions with fewer in-sync replicas than replicas. */
  underReplicated: number
  /** Partitions without a leader. */
  offline: number
}

export interface ReplicaSize {
  broker: number
  partition: number
  bytes: bigint
  directory: string
}

export interface NewTopicSpec {
  name: string
  /** undefined: the cluster's default. */
  partitions?: number | undefined
  replicas?: number | undefined
  /** The replicas of each partition, instead of `partitions` and `replicas`. */
  assignments?: ReadonlyMap<number, readonly number[]>
  configs?: ReadonlyMap<string, string | null>
  validateOnly?: boolean
}

export type ConfigResourceType = 'TOPIC' | 'BROKER' | 'BROKER_LOGGER' | 'GROUP' | 'CLIENT_METRICS'

/** `BROKER` with the name '' is the default of all brokers. */
export interface ConfigResource {
  type: ConfigResourceType
  name: string
}

export interface ConfigEntry {
  name: string
  /** null: not set, or secret. */
  value: string | null
  /** Kafka's ConfigSource: `DYNAMIC_TOPIC_CONFIG`, `DEFAULT_CONFIG`, … */
  source: string
  readOnly: boolean
  sensitive: boolean
  /** Kafka's ConfigType: `BOOLEAN`, `INT`, `LIST`, …; `UNKNOWN` from old brokers. */
  type: string
  /** From brokers that send it. */
  documentation: string | null
  /** What the value comes from and what it would be without that, the first of them in force. */
  synonyms: ConfigSynonym[]
}

export interface ConfigSynonym {
  name: string
  value: string | null
  source: string
}

/** `stable`: the end of what readers of committed records see. */
export type OffsetQuery = 'earliest' | 'latest' | 'stable' | { timestampMs: bigint }

export interface PartitionOffset {
  topic: string
  partition: number
  offset: bigint
}

export interface RecordHeader {
  key: Buffer
  value: Buffer | null
}

export interface ReceivedRecord extends PartitionOffset {
  timestampMs: bigint
  key: Buffer | null
  /** null: a tombstone. */
  value: Buffer | null
  headers: readonly RecordHeader[]
  /** The time is the broker's (LogAppendTime). Of members of groups (`subscribe`) it is not known. */
  isAppendTime?: true
}

export interface RecordToSend {
  key: Buffer | null
  value: Buffer | null
  headers?: readonly RecordHeader[]
  /** undefined: chosen by the hash of the key, or round-robin without a key. */
  partition?: number | undefined
  /** undefined: now. */
  timestampMs?: bigint | undefined
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
export type Acks = 'all' | 1 | 0

export interface ProduceOptions {
  acks?: Acks | undefined
  compression?: Compression | undefined
  /** Whether a topic that is missing is made, where the brokers do that. Default: true. */
  creates?: boolean | undefined
}

/** The position of the first record of a batch. */
export interface Placed {
  partition: number
  offset: bigint
}

/** Records of one list that were sent together. */
export interface Written {
  readonly partition: number
  /** Their places in the list. */
  readonly at: readonly number[]
  /** Of the first of them; the others follow it. -1: an earlier attempt, whose answer was lost, has stored them. */
  readonly offset: bigint
}

/**
 * Has a connection of its own, and a producer id, so that records are stored once and in order. One call at a time. After an error it must not be used again: what
 * was sent may be stored or not.
 */
export interface RecordWriter {
  /**
   * Resolves when all in-sync replicas have the records. `refused` takes, by its place in the list, what is refused for the record itself, such as one that is too large, and the
   * others are sent; without it, that is thrown.
   */
  send(topic: string, records: readonly RecordToSend[], refused?: Map<number, ClientError>): Promise<readonly Written[]>
  close(): Promise<void>
}

export interface RecordWriterOptions {
  readonly compression?: Compression
  /** How long to go on trying while brokers are away. */
  readonly patienceMs: number
}

/** What became of one record. */
export type Sent = Placed | ClientError

export interface Reassignment {
  topic: string
  partition: number
  replicas: number[]
  adding: number[]
  removing: number[]
}

export interface ReadOptions {
  topic: string
  /** First offset to read, by partition; other partitions are not read. */
  from: ReadonlyMap<number, bigint>
  /** Where to stop, by partition (exclusive). null: never. */
  until: ReadonlyMap<number, bigint> | null
  /** Skip records of aborted and open transactions. */
  committedOnly?: boolean
  /** How long the broker waits before it answers a fetch without records. */
  maxWaitMs?: number | undefined
  signal?: AbortSignal
}

/** Batches of one partition as they are in the log. */
export interface FetchedBatches {
  partition: number
  /** Records before it were not asked for. */
  from: bigint
  /** Where to go on. */
  next: bigint
  batches: Buffer
  /** Nothing else is in their memory, so that it can be given away. */
  alone: boolean
}

export interface PollOptions {
  /** Where to read, in each partition. */
  positions: readonly PartitionOffset[]
  /** How long the broker waits for a first record. */
  maxWaitMs: number
  /** About as much is returned, but at least one batch. */
  maxBytes: number
  committedOnly?: boolean
}

export interface Polled {
  records: ReceivedRecord[]
  /** Where to read next, in those partitions that answered. */
  next: PartitionOffset[]
  /** Those whose position is before the first or behind the last record, or in a topic that was made again since the last poll. */
  outOfRange: { topic: string; partition: number }[]
}

/** What was fetched, in the order of each partition. Each record is made when it is asked for. Throws ClientError where a batch is damaged. */
export interface UnopenedRecords extends Iterable<ReceivedRecord> {
  readonly isEmpty: boolean
}

export interface PolledUnopened extends Omit<Polled, 'records'> {
  readonly records: UnopenedRecords
}

/** Has a connection of its own. */
export interface Reader {
  poll(options: PollOptions): Promise<Polled>
  /** The same for whoever takes records some at a time. */
  pollUnopened(options: PollOptions): Promise<PolledUnopened>
  close(): Promise<void>
}

/** A stored batch: its header, and all its bytes. */
export interface StoredBatch {
  readonly header: BatchHeader
  readonly bytes: Buffer
}

export interface PolledBatches {
  /**
   * Those that answered: their batches with records, where to read next, and the end of what readers of committed records see. `topicId`: of the topic that
   * they are of, because one that was made again has the same name; '' if the cluster has no ids.
   */
  partitions: { topic: string; topicId: string; partition: number; batches: StoredBatch[]; next: bigint; stableOffset: bigint }[]
  outOfRange: { topic: string; partition: number }[]
  failed: (PartitionOffset & { error: ClientError })[]
  /** That were fetched. */
  bytes: number
}

/** Has a connection of its own. */
export interface BatchReader {
  poll(options: PollOptions): Promise<PolledBatches>
  close(): Promise<void>
}

/** Has a connection of its own. */
export interface BatchSender {
  /** Resolves when it is acknowledged; a failure is not tried again. */
  send(topic: string, partition: number, batch: Buffer): Promise<void>
  close(): Promise<void>
}

export interface BatchesToAppend {
  topic: string
  partition: number
  /** In their order, each with the producer and sequence that it shall have. */
  batches: readonly Buffer[]
}

export interface AppendedBatches {
  /** How many of them; those behind the first one that is refused are not sent. */
  appended: number
  /** Offset of the first record of each appended batch; -1: it was there already. */
  baseOffsets: bigint[]
  error: ClientError | null
}

/** Has a connection of its own, and a producer id that is its own. Errors that concern all partitions are thrown; the writer must not be used again then. */
export interface BatchWriter {
  readonly producerId: Int64
  readonly producerEpoch: number
  /** Resolves when all are acknowledged by all in-sync replicas, or refused for a reason that does not pass. In the order of the partitions. */
  append(partitions: readonly BatchesToAppend[]): Promise<AppendedBatches[]>
  /** From now on these partitions refuse what earlier writers of the same id have sent and what is still on its way. Takes one offset. */
  fence(partitions: readonly PartitionName[]): Promise<void>
  close(): Promise<void>
}

export interface BatchWriterOptions {
  transactionalId: string
  /** How long to go on trying while brokers are away. */
  patienceMs: number
  /** Brokers do not answer, or do so again (null). */
  onWaiting?: (reason: ClientError | null) => void
}

export interface MembershipOptions {
  group: string
  topics: readonly string[]
}

export interface CommittedOffset extends PartitionOffset {
  metadata?: string
}

export interface Membership {
  /** What is assigned to it now; nothing while it has lost its place and joins again. Throws when it cannot: the group refuses it. */
  assignments(): OwnPartition[]
  /**
   * Of partitions that are its own, as it has seen by `assignments`: those that are others', or may have been since, are left out. REBALANCE_IN_PROGRESS: it is
   * not known yet which these are.
   */
  commit(offsets: readonly CommittedOffset[]): Promise<void>
  /** As whom its partitions were assigned to it: for offsets that are committed by a transaction. */
  identity(): MemberIdentity
  close(): Promise<void>
}

export interface OwnPartition {
  readonly topic: string
  readonly partition: number
  /** The joining since which it is its own without a gap. Another one than before: others may have read the partition meanwhile, so what was read of it is forgotten, and it goes on as committed. */
  readonly since: number
}

export interface MemberIdentity {
  readonly generation: number
  readonly memberId: string
}

export interface SubscribeOptions {
  group: string
  topics: string[]
  /** Where to start in partitions without a committed offset. */
  otherwise: 'earliest' | 'latest'
  committedOnly?: boolean
}

/** Membership of a group. Offsets are committed explicitly, so that unprocessed records are delivered again. */
export interface Subscription extends AsyncIterable<ReceivedRecord> {
  /** Of partitions that are assigned to it now: those of others are left out. Waits, at most a minute, while the group divides its partitions anew or brokers are away. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>
  close(): Promise<void>
}

export interface GroupListing {
  group: string
  state: string
  protocolType: string
  /** `classic`, `consumer`, `share`, …; empty if the cluster is too old. */
  type: string
}

export interface GroupTask {
  role: 'active' | 'standby' | 'warm-up'
  subtopology: string
  partition: number
}

export interface GroupMember {
  id: string
  instanceId: string | null
  clientId: string
  host: string
  partitions: { topic: string; partition: number }[]
  /** Of a streams group. */
  tasks: GroupTask[]
}

export interface GroupInfo {
  group: string
  type: string
  state: string
  protocolType: string
  /** The assignor. */
  protocol: string
  /** The epoch of a group of the newer protocols. */
  epoch: number | null
  members: GroupMember[]
}

export interface GroupOffset extends PartitionOffset {
  /** The lag according to the broker, for share groups; otherwise null. */
  lag: bigint | null
  /** What the committer added. */
  metadata: string
}
