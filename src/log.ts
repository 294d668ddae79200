/**
 * log: durable, ordered record batches for every partition of this broker.
 *
 * Hides the journal (group commit), the tail (recent batches in memory), Kafka's segment format on disk with its indexes, recovery,
 * producer state, the transaction index, retention and compaction. See `docs/ARCHITECTURE.md`.
 */
import type { Durations, Int64, System } from './base.ts'
import type { BatchRules, Contents, FoundRecord, Offset, Search, Uuid } from './protocol.ts'

export { inspectLog, type LogInspection } from './log/inspect.ts'
export {
  type KafkaDirectory,
  type KafkaPartitionDirectory,
  partitionFiles,
  readKafkaDirectory,
  writeCleanerCheckpoint,
} from './log/kafka-directory.ts'
export { openLog } from './log/open.ts'
export { readTopicId, repairFile } from './log/partition/partition-directory.ts'
export type { SessionJournal, SharedJournalCounts } from './log/shared/journal.ts'
export type { LedKey, SharedLog, SharedLogOptions } from './log/shared/log.ts'
export { openSharedLog } from './log/shared/open.ts'
export { type SharedSettings, sharedDefaults } from './log/shared/settings.ts'
export { topicIdOf, uuidOf } from './log/shared/topic-id.ts'
export type { Collector } from './log/shared/upkeep/collector.ts'
export { openCollector } from './log/shared/upkeep/open-collector.ts'
export {
  leastSegmentBytes,
  parseTopicValues,
  storedTopicConfigOf,
  type TopicKey,
  type TopicValues,
  topicConfigOf,
  topicKeys,
} from './log/topic-config.ts'
export type { ExportedPartition } from './log/transfer/cluster-export.ts'
export type { ClusterImport, ReleasedDirectory, Seen } from './log/transfer/cluster-import.ts'
export { exportPartitions, openClusterImport, readThrough } from './log/transfer/open.ts'
export { copySettings } from './log/transfer/settings.ts'
export type { Counted } from './log/transfer/tally.ts'

export interface LogOptions {
  system: System
  /** Kafka's `log.dirs` (the first), locked by the caller: holds `<topic>-<partition>/`, `journal/`, `meta.properties`. */
  directory: string
  settings: LogSettings
  /** The process must stop: an fsync failed, or an invariant of the store broke. Called at most once. */
  onFatal(error: Error): void
  /** Reports a failure that no caller sees, and that is retried or ignored. For the broker's log. */
  report?(what: string, error: unknown): void
  /** Searches a batch for a record, off the event loop if that takes long. Default: synchronously. */
  findRecord?: (search: Search) => FoundRecord | null | Promise<FoundRecord | null>
  /** False if `system.files` is not the machine's disk (memory, simulation): then no worker threads are used. Default: true. */
  onThisMachine?: boolean
}

/** Broker-wide settings of the storage engine, in bytes and milliseconds. Declared with docs and defaults in the broker's config. */
export interface LogSettings {
  /** `fsync`: high watermark = what survives a power cut. `os`: = what survives kill -9 (Kafka's own default). Topics may override. */
  durability: 'fsync' | 'os'
  journalFileBytes: number
  journalFiles: number
  /** The maximum size of the tail in memory. */
  tailBytes: number
  retentionCheckIntervalMs: number
  cleanerBackoffMs: number
  cleanerDedupeBufferBytes: number
  producerIdExpirationMs: number
  /** Producers that one partition remembers; above it, the longest idle ones expire. */
  maxProducerIdsPerPartition: number
  /** Below this many free bytes, produce requests are rejected (KAFKA_STORAGE_ERROR), while reads, deletions and commits continue. */
  freeBytesFloor: number
}

/** A topic's effective configuration, by Kafka's keys in camel case; derived from `topicConfig` declarations. */
export interface TopicConfig {
  cleanupPolicy: { delete: boolean; compact: boolean }
  compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** The level of the topic's own compression; undefined: the codec's default. */
  compressionLevel?: number | undefined
  durability: 'fsync' | 'os' | 'inline' | 'object' | 'auto' | null
  segmentBytes: number
  segmentMs: number
  segmentIndexBytes: number
  indexIntervalBytes: number
  retentionBytes: number
  retentionMs: number
  fileDeleteDelayMs: number
  deleteRetentionMs: number
  minCompactionLagMs: number
  maxCompactionLagMs: number
  minCleanableDirtyRatio: number
  maxMessageBytes: number
  messageTimestampType: 'CreateTime' | 'LogAppendTime'
  messageTimestampBeforeMaxMs: number
  messageTimestampAfterMaxMs: number
  /** For the broker, which enforces them: bytes per second of all producers, and of all consumers; undefined: unlimited. */
  producerByteRate?: number | undefined
  consumerByteRate?: number | undefined
}

export interface PartitionSpec {
  topic: string
  topicId: Uuid
  partition: number
  config: TopicConfig
}

/** Counters of the journal since the start. */
export interface JournalCounts {
  /** Group commits. */
  readonly frames: number
  readonly bytes: number
  readonly syncs: Durations
}

/** The disk space of the volume with the data. */
export interface DiskSpace {
  /** null if unknown. */
  readonly freeBytes: number | null
  /** `log.free.bytes.floor` */
  readonly floorBytes: number
  /** Why records of clients are rejected; null while there is enough space. */
  readonly shortage: string | null
}

/** A partition that belongs to no log: its directory alone has all of it. */
export interface ReleasedPartition {
  topic: string
  topicId: Uuid
  partition: number
  /** Its name in the log's directory. */
  directory: string
}

export interface Log {
  readonly journal: JournalCounts
  readonly space: DiskSpace
  readonly partitions: ReadonlyMap<string, PartitionLog>
  get(topicId: Uuid, partition: number): PartitionLog | undefined
  /**
   * The metadata says that this broker leads the partition with that epoch: its log, whether it is new, was found at start, or was released
   * and its directory is here now. Throws or rejects with KafkaError if it cannot be opened; the caller may try again.
   */
  lead(spec: PartitionSpec, leaderEpoch: number): PartitionLog | Promise<PartitionLog>
  /** The partition found at start, or an empty one, whose directory (in Kafka's layout, with `partition.metadata`) is created by the first append. */
  create(spec: PartitionSpec): PartitionLog
  /**
   * From now on the partition rejects all operations; its files are removed after `file.delete.delay.ms`. Resolves when they are no longer used, so that a
   * topic of the same name may be created.
   */
  delete(topicId: Uuid, partition: number): Promise<void>
  /**
   * Gives the partition away. From a moment on it rejects appends (NOT_LEADER_OR_FOLLOWER); what it took before becomes as durable as was promised.
   * When this resolves, all of it is in its directory, nothing here uses that any more, and no restart of this log will. The caller may then rename the
   * directory into that of another log on the same volume, where `adopt` opens it, and so does `lead` if the directory keeps its name. If the process ends
   * before this resolves, the partition is either still this log's, or one of `released`. Rejects if the disk refuses; then it goes on as before.
   */
  release(topicId: Uuid, partition: number): Promise<ReleasedPartition>
  /**
   * Opens a partition whose directory the caller has renamed into this log's directory: one that was released, or, after all its segments are
   * checked, any that no log has. Rejects with KAFKA_STORAGE_ERROR if it is another partition's, or this log has the partition.
   */
  adopt(directory: string, spec: PartitionSpec): Promise<PartitionLog>
  /** Released partitions whose directories are here: to be adopted, or to be renamed to where they shall be. No others may be renamed. */
  released(): readonly ReleasedPartition[]
  /** Directories found at start that belong to no topic. The broker calls this after replaying the metadata. */
  strays(): readonly { topic: string; topicId: Uuid; partition: number }[]
  readonly pressure: Pressure
  /** Writes gathered appends (`AppendOptions.gather`). Afterwards callers may change their bytes again. */
  writeOut(): void
  /** Flushes the tail, writes snapshots and a clean-shutdown mark. Later appends are rejected. */
  close(): Promise<void>
}

/** Back-pressure: appends for clients wait while it is on, because checkpoints fall behind. */
export interface Pressure {
  readonly on: boolean
  /** Calls back once when it ends; immediately if it is off. */
  whenOff(callback: () => void): void
}

export interface AppendOptions {
  /** The caller does not change `records` until `Log.writeOut`, so that several appends are written together. */
  gather?: boolean
  /** `client`: Kafka's rules for producers apply. `coordinator`: internal records, may be control batches. */
  origin: 'client' | 'coordinator'
  /** Written into the batch headers when set; default the partition's current epoch. */
  leaderEpoch?: number
  /** Rejected (NOT_LEADER_OR_FOLLOWER) unless the log ends exactly here: fences an old coordinator. */
  expectedOffset?: Offset
  /** For a client's batch that has been checked (`RecordConverter.open`): it is not checked again. */
  contents?: Contents
  /**
   * The first batch of a transaction whose epoch is its own (KIP-890): a producer that is not known here has to begin with sequence 0. Were a
   * later batch taken because the first one is to be sent again, the first could never be taken.
   */
  isFirst?: boolean
}

export interface Appended {
  baseOffset: Offset
  lastOffset: Offset
  /** -1 with CreateTime. */
  logAppendTimeMs: Int64
  logStartOffset: Offset
  /** Shared by all appends of one group commit. `null` if these batches are already durable, so that nothing need be awaited. */
  written: Promise<void> | null
  durable: Promise<void> | null
  /** The same producer batch was appended before; offsets are the original ones. */
  duplicate: boolean
}

export interface ReadLimit {
  maxBytes: number
  /** Return the first batch even when it is larger than maxBytes (KIP-74). */
  atLeastOne: boolean
  /** Where visibility ends: the high watermark, the last stable offset, or the log end (replica and internal readers). */
  upTo: 'high-watermark' | 'last-stable' | 'log-end'
}

/** Whole batches, verbatim, from the one that contains the requested offset. */
export interface Slice {
  /** Raw bytes in order; empty at the end of the log. Owned by the caller until `release`. */
  chunks: Buffer[]
  bytes: number
  /** Aborted transactions that overlap the slice; only with `upTo: 'last-stable'`. */
  abortedTransactions: { producerId: Int64; firstOffset: Offset }[] | null
  /** Call exactly once, when the bytes have left (buffers may be pooled). */
  release(): void
}

export interface PartitionLog {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  /** First offset that may be read. */
  readonly logStartOffset: Offset
  /** Next offset to be assigned. */
  readonly logEndOffset: Offset
  /** Readers see offsets below this; never passes the durable end (or the written end with durability=os). */
  readonly highWatermark: Offset
  /** Lowest first offset of an open transaction, at most the high watermark. */
  readonly lastStableOffset: Offset
  readonly leaderEpoch: number
  /** null while healthy; otherwise why this partition is offline (KAFKA_STORAGE_ERROR). */
  readonly offline: string | null
  config: TopicConfig

  /**
   * Takes the batches' place in order, synchronously: checks them (CRC, header, sequence, timestamps, size), writes base offset and
   * leader epoch into `records` in place, and hands them to the group commit. `records` belongs to the caller again when this returns, unless it gathers.
   * Throws KafkaError; nothing is appended then. OddRecords: the batch must be opened first.
   */
  append(records: Buffer, options: AppendOptions): Appended
  /** The current rules for a client's batch. The object is reused by the next call or append. */
  produceRules(): BatchRules
  /** Reads synchronously from memory if possible. Throws KafkaError OFFSET_OUT_OF_RANGE. */
  read(from: Offset, limit: ReadLimit): Slice | Promise<Slice>
  /** Calls back once, when the given end (see ReadLimit.upTo) passes `offset`, the partition is deleted or released, or goes offline. */
  whenPast(offset: Offset, upTo: ReadLimit['upTo'], callback: () => void): { cancel(): void }
  /** First offset whose timestamp is at least the given one (within what upTo shows), null when there is none. KIP-79. */
  offsetForTimestamp(timestampMs: Int64, upTo: ReadLimit['upTo']): Promise<TimestampedOffset | null>
  /** KIP-734: the first record with the largest timestamp, also where none has one; null when there are no records. */
  offsetOfMaxTimestamp(): Promise<TimestampedOffset | null>
  /** End offset of the largest epoch ≤ the given one; epoch and offset are -1 when there is none. KIP-101/320. */
  endOffsetForEpoch(epoch: number): { leaderEpoch: number; endOffset: Offset }
  /** DeleteRecords: raises the log start offset; durable when resolved. Throws OFFSET_OUT_OF_RANGE above the high watermark. */
  deleteBefore(offset: Offset): Promise<void>
  producers(): ActiveProducer[]
  /** Raises the leader epoch to at least this one, because another broker led the partition up to a lower epoch. Never lowers it. */
  raiseLeaderEpoch(epoch: number): void
  /** Whether the producer has an open transaction here in this epoch. Then its further batches belong to it without another check. */
  inTransaction(producerId: Int64, producerEpoch: number): boolean
  /** Bytes in segments plus tail, as DescribeLogDirs reports them. */
  sizeBytes(): number
}

export type TimestampedOffset = FoundRecord

/** As DescribeProducers reports it. */
export interface ActiveProducer {
  producerId: Int64
  producerEpoch: number
  lastSequence: number
  lastTimestampMs: Int64
  coordinatorEpoch: number
  /** -1 without an open transaction. */
  currentTransactionStartOffset: Offset
}
