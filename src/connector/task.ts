/** Tasks: the running parts of a connector. Their methods are called one at a time, except for `close` of a source that still polls when its signal is aborted. */
import type { System } from '../base.ts'
import type { SinkRecord, SourceRecord } from './record.ts'
import type { Struct } from './value.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** One that a sink reads from now on. */
export interface OpenedPartition extends TopicPartition {
  /** Of its topic: a topic that was made again, or one of another cluster, has another one. Not there if the cluster has no ids. */
  readonly topicId?: string
}

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface TaskContext {
  readonly connector: string
  /** From 0. */
  readonly task: number
  readonly system: System
  readonly log: Log
  /** Aborted when the task is to end: calls to the target may be given up then. */
  readonly signal: AbortSignal
  /** Shown as `connect_task_*` in the worker's metrics: counters and the newest value of gauges. */
  count(name: string, by?: number): void
  gauge(name: string, value: number): void
}

/** By topic and partition: the offset of the next record to read. */
export type Offsets = readonly (TopicPartition & { readonly offset: bigint })[]

export interface SinkContext extends TaskContext {
  /** What becomes of a record that the target refuses: the dead-letter topic, the log, or, if errors are not tolerated, a failure that is thrown here. */
  report(record: SinkRecord, error: unknown): Promise<void>
  /** Goes on reading there, and not at the committed offsets: for targets that keep the offsets themselves. */
  seek(offsets: Offsets): void
}

export interface SinkTask {
  /** Before the first record of these partitions. */
  opened?(partitions: readonly OpenedPartition[]): Promise<void>
  /**
   * In the order of each partition. Resolves when the task can take more, not necessarily when they are written. Throws RetriableError to be called again
   * with the same records: what it has written of them then must do no harm when it is written again.
   */
  put(records: readonly SinkRecord[]): Promise<void>
  /** Writes what it has taken. Resolves to the offsets that may be committed, if they are not all that were put. */
  flush(): Promise<Offsets | undefined> | Promise<void>
  /** After a flush, after a failure, or when others have taken them over already: what is left of these partitions is forgotten, because others read them. */
  closed?(partitions: readonly TopicPartition[]): Promise<void>
  close(): Promise<void>
}

/** Ends of transactions, as a source asks for them while it is polled (`transaction.boundary=connector`, KIP-618). */
export interface SourceTransaction {
  /** After this record, which the poll gives; default: after all that it gives. */
  commit(after?: SourceRecord): void
  /** The same, and nobody sees the records of this transaction; their offsets are stored, so that they do not come again. */
  abort(after?: SourceRecord): void
}

/** From where to go on in a partition of the source. */
export type SourceOffset = Pick<SourceRecord, 'sourcePartition' | 'sourceOffset'>

export interface SourceContext extends TaskContext {
  /** null: the worker decides. */
  readonly transaction: SourceTransaction | null
  /** The offsets that were stored last, by source partition; null: none. */
  storedOffsets(partitions: readonly Struct[]): Promise<(Struct | null)[]>
  /**
   * Stores from where to go on, though no record says it: a source that begins with what comes next would begin later if it was started again before the first
   * record. In `open` and `poll`; resolves when they are stored, or, within a transaction that the source ends, when they will be with it.
   */
  storeOffsets(offsets: readonly SourceOffset[]): Promise<void>
  /** The connector's partitions have changed: tasks are made again. */
  reconfigure(): void
}

export interface SourceTask {
  /** The next records, at most some megabytes; may wait about a second, and resolves to none then. */
  poll(): Promise<readonly SourceRecord[]>
  /** These are stored, with their offsets. `placed`: where each of them is in Kafka; null: it was left out, or the broker does not say. */
  committed?(records: readonly SourceRecord[], placed: readonly (Offsets[number] | null)[]): Promise<void>
  close(): Promise<void>
}
