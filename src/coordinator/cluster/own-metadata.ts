/**
 * The metadata of the broker that keeps the metadata log itself: the partition `__cluster_metadata-0`, a coordinator over it, and
 * snapshots.
 *
 * Other brokers reach it as a {@link MetadataLog}. What they decided goes through the same coordinator as the broker's own changes, so there
 * is one order, and one image that it is checked against.
 */
import { assert, type System, Turns } from '../../base.ts'
import type { Log, PartitionLog } from '../../log.ts'
import { KafkaError, metadataTopicUuid, type Offset } from '../../protocol.ts'
import { openCoordinator } from '../runtime.ts'
import { batchesOf } from '../runtime-records.ts'
import type { Coordinator, LogRecord } from '../shard.ts'
import type { Deciding, Step } from './deciding.ts'
import { Decisions } from './decisions.ts'
import { clusterMetadataTopic } from './internal-topics.ts'
import type { MetadataHome } from './metadata-home.ts'
import { type AppendMetadata, type MetadataLog, type MetadataSlice, markOf, newImage, recordsOf } from './metadata-log.ts'
import { decodeMetadataRecord } from './metadata-records.ts'
import type { Reporter } from './open-topics.ts'
import type { ClusterShard } from './shard.ts'
import { Snapshots } from './snapshots.ts'
import type { TopicRules } from './types.ts'

export interface OwnMetadataOptions {
  system: System
  log: Log
  /** The log's directory. */
  directory: string
  rules: TopicRules
  reporter: Reporter
  /** A snapshot is taken after this many records. */
  snapshotAfterRecords: number
  makeShard(): ClusterShard
  /** Another broker's records have been replayed and are durable. */
  changed(): void
}

/** Kafka's `metadata.log.max.record.bytes.between.snapshots`. */
const snapshotAfterBytes = 20 * 1024 * 1024
const readBytes = 1024 * 1024

export class OwnMetadata implements MetadataHome {
  readonly shared: MetadataLog
  readonly #log: PartitionLog
  readonly #coordinator: Coordinator<ClusterShard>
  readonly #snapshots: Snapshots
  readonly #decisions: Decisions

  constructor({ system, log, directory, rules, reporter, snapshotAfterRecords, makeShard, changed }: OwnMetadataOptions) {
    const turns = new Turns(system)
    this.#log = openMetadataLog(log, rules)
    this.#snapshots = new Snapshots({
      files: system.files,
      clock: system.clock,
      turns,
      directory: `${directory}/${clusterMetadataTopic}-0`,
      log: this.#log,
      reporter,
      afterBytes: snapshotAfterBytes,
      afterRecords: snapshotAfterRecords,
    })
    this.#coordinator = openCoordinator({
      system,
      turns,
      partitionLog: this.#log,
      makeShard,
      restore: shard => this.#snapshots.restore(shard),
      report: (what, error) => reporter.warn({ err: error }, `cluster metadata: ${what}`),
    })
    this.#decisions = new Decisions(this.#coordinator, turns)
    this.shared = new SharedLog(this.#log, this.#decisions, this.#snapshots, turns, changed)
  }

  get loaded(): Promise<void> {
    return this.#coordinator.loaded
  }

  get durableOffset(): Offset {
    return this.#log.highWatermark
  }

  write<R>(step: Step<R>, append?: AppendMetadata): Promise<R> {
    assert(append === undefined, 'who keeps the metadata log appends to it')
    return this.#decisions.write(step)
  }

  /** The log is here. */
  writeFirst<R>(step: Step<R>): Promise<R> {
    return this.write(step)
  }

  /** Nobody else appends. */
  async catchUp(): Promise<void> {}

  published(): Promise<void> {
    return this.#snapshots.maybeTake(this.#coordinator, this.#decisions)
  }

  close(): void {
    this.shared.close()
    this.#coordinator.close()
  }
}

class SharedLog implements MetadataLog {
  readonly #log: PartitionLog
  readonly #decisions: Decisions
  readonly #snapshots: Snapshots
  readonly #turns: Turns
  readonly #changed: () => void
  readonly #callbacks = new Set<{ call(): void }>()
  #watch: { cancel(): void } | null = null

  constructor(log: PartitionLog, decisions: Decisions, snapshots: Snapshots, turns: Turns, changed: () => void) {
    this.#log = log
    this.#decisions = decisions
    this.#snapshots = snapshots
    this.#turns = turns
    this.#changed = changed
  }

  async append(expected: Offset, records: readonly LogRecord[], id: Buffer): Promise<boolean> {
    const mark = markOf(id)
    let shard = null as ClusterShard | null
    const place = function* (current: ClusterShard): Deciding<boolean> {
      const end = current.nextOffset
      if (expected > end) throw new KafkaError('OFFSET_OUT_OF_RANGE', `the metadata log ends at ${end}, before ${expected}`)
      if (expected < end) return { records: [], response: false }
      for (const record of records) {
        yield
        checkReadable(record)
      }
      shard = current
      return { records: [...records, mark], response: true }
    }
    try {
      if (await this.#decisions.write(place)) {
        this.#changed()
        return true
      }
    } catch (error) {
      // What the shard has replayed has its place, if it was not refused; whether it becomes durable shows later, or after a restart.
      const mayBePlaced = shard !== null && shard.nextOffset > expected + records.length
      throw mayBePlaced ? new Error('the records were appended, but it is not known whether they are durable', { cause: error }) : error
    }
    return this.#holds(mark, expected + records.length)
  }

  /** Whether an earlier call with this mark appended its records before `offset`. All that was appended before the call is durable now. */
  async #holds(mark: LogRecord, offset: Offset): Promise<boolean> {
    if (offset < this.#log.logStartOffset || offset >= this.#log.highWatermark) return false
    const { isSnapshot, records } = await this.read(offset)
    const [found] = records
    return !isSnapshot && found?.offset === offset && found.record.value?.equals(mark.value!) === true
  }

  async read(from: Offset): Promise<MetadataSlice> {
    const log = this.#log
    if (log.offline !== null) throw new KafkaError('KAFKA_STORAGE_ERROR', log.offline)
    // Only then: a broker that is merely far behind has to see which topics were deleted.
    if (from === newImage || from < log.logStartOffset) return this.#snapshot()
    const durable = log.highWatermark
    if (from > durable) throw new KafkaError('OFFSET_OUT_OF_RANGE', `the metadata log ends at ${durable}, before ${from}`)
    if (from === durable) return { isSnapshot: false, records: [], end: from }
    const slice = await log.read(from, { maxBytes: readBytes, atLeastOne: true, upTo: 'high-watermark' })
    try {
      const batches = [...batchesOf(slice.chunks)].filter(batch => batch.header.lastOffset < durable)
      const records = await recordsOf(batches, from, this.#turns)
      return { isSnapshot: false, records, end: (batches.at(-1)?.header.lastOffset ?? from - 1) + 1 }
    } finally {
      slice.release()
    }
  }

  async #snapshot(): Promise<MetadataSlice> {
    const { offset, batches } = this.#snapshots.newest()
    return { isSnapshot: true, records: await recordsOf(batches, 0, this.#turns), end: offset }
  }

  onChanged(callback: () => void): { cancel(): void } {
    const entry = { call: callback }
    this.#callbacks.add(entry)
    this.#watchEnd()
    return { cancel: () => this.#forget(entry) }
  }

  #forget(entry: { call(): void }): void {
    if (!this.#callbacks.delete(entry) || this.#callbacks.size > 0) return
    this.#watch?.cancel()
    this.#watch = null
  }

  #watchEnd(): void {
    if (this.#watch !== null || this.#callbacks.size === 0) return
    const log = this.#log
    const seen = log.highWatermark
    this.#watch = log.whenPast(seen, 'high-watermark', () => {
      this.#watch = null
      // Offline, or deleted: it will not grow any more in this process.
      if (log.highWatermark <= seen) return
      this.#watchEnd()
      for (const { call } of [...this.#callbacks]) call()
    })
  }

  close(): void {
    this.#callbacks.clear()
    this.#watch?.cancel()
    this.#watch = null
  }
}

/** What no broker can replay must not get into the log. */
function checkReadable({ key, value }: LogRecord): void {
  try {
    if (key !== null || value === null) throw new Error('it has a key, or no value')
    decodeMetadataRecord(value)
  } catch (error) {
    throw new KafkaError('INVALID_RECORD', `not a record of the metadata: ${(error as Error).message}`)
  }
}

function openMetadataLog(log: Log, rules: TopicRules): PartitionLog {
  const config = {
    ...rules.effectiveTopicConfig(new Map()),
    cleanupPolicy: { delete: true, compact: false },
    retentionMs: -1,
    retentionBytes: -1,
    compressionType: 'producer' as const,
    // Acknowledged metadata survives a power cut, whatever the durability of the topics; producer ids must never be assigned twice.
    durability: 'fsync' as const,
    segmentBytes: 16 * 1024 * 1024,
    maxMessageBytes: 8 * 1024 * 1024,
    messageTimestampType: 'CreateTime' as const,
  }
  return log.create({ topic: clusterMetadataTopic, topicId: metadataTopicUuid, partition: 0, config })
}
