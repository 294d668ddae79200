/**
 * The contract between a shard, its runtime and their callers; re-exported by `coordinator.ts`.
 * An operation decides, `replay` changes state, and the response is sent when the records are durable.
 */
import type { Clock, Int64, System, Turns } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import type { KafkaError, Offset } from '../protocol.ts'
import type { TimerKey } from './timer-key.ts'

/** A record of an internal topic; `value: null` is a tombstone. Only KRaft's metadata records have no key. */
export interface LogRecord {
  readonly key: Buffer | null
  readonly value: Buffer | null
}

export interface Decision<Response> {
  records: readonly LogRecord[]
  /** May settle later (JoinGroup waits for the others); it is never sent before all records that preceded it are durable. */
  response: Response | Promise<Response>
  /** `false`: the records may be split into several batches, because each is correct without the others. */
  atomic?: boolean
  /** Bytes that must remain free in a batch, because the record that has to follow is larger. */
  headroom?: number
  /** Called instead of `replay` if the records are too large to be written: undoes the changes of the step itself. */
  rejected?(error: KafkaError): void
  /**
   * Called once the records have their place in the log, before anything later gets one, and long before they are durable. It may
   * append elsewhere what must not be found without these records: the journal keeps the order. Returns what follows, if anything.
   */
  appended?(): Decision<void> | null
}

export interface ProducerSession {
  producerId: Int64
  producerEpoch: number
}

/** How a transaction ends on a partition. */
export interface ProducerMarker extends ProducerSession {
  committed: boolean
  /** The epoch of the transaction coordinator that ends it. */
  coordinatorEpoch: number
}

export interface Shard {
  /**
   * The only place where hard state changes. Pure: the same records give the same state. `producerId` is -1 outside a transaction;
   * otherwise the record counts only once `replayMarker` commits it.
   */
  replay(record: LogRecord, offset: Offset, timestampMs: Int64, producerId: Int64): void
  /** A control batch ended the producer's transaction on this partition. */
  replayMarker?(producerId: Int64, producerEpoch: number, committed: boolean): void
  /** Called once after the whole log has been replayed, before the first operation. Arms timers. */
  loaded(): void
  /** Fails all parked responses with NOT_COORDINATOR; the shard is never used again. */
  unload(): void
}

/** What a shard may use besides its records. */
export interface ShardContext {
  clock: Clock
  /**
   * Runs `step` as an operation of this shard after `delayMs`; setting the same key again replaces the timer, which costs next to
   * nothing when the new deadline is later (heartbeats). A step whose records cannot be written is tried again.
   */
  schedule(key: TimerKey, delayMs: number, step: () => Decision<void>): void
  /** As `schedule`, unless the key is set already. */
  scheduleIfAbsent(key: TimerKey, delayMs: number, step: () => Decision<void>): void
  cancel(key: TimerKey): void
}

export interface CoordinatorOptions<S extends Shard> {
  system: System
  partitionLog: PartitionLog
  /** The slices in which it loads; by default not shared with others. */
  turns?: Turns
  /** Called for every load: a shard that was unloaded is not used again. */
  makeShard(context: ShardContext): S
  /** Puts a snapshot into the fresh shard and returns the first offset that it does not contain. Default: nothing, the log's start. */
  restore?(shard: S): Offset | Promise<Offset>
  /**
   * Called for a record that cannot be replayed, or the first one of a batch that cannot be read: the load continues without it. If this
   * is omitted, such a record makes the load fail.
   */
  skipped?(offset: Offset, error: unknown): void
  /** A failure that no caller sees: of a load, a timer's step, or an append that made the shard lose its state. */
  report?(what: string, error: unknown): void
}

/** `failed`: the log could not be read; loading is retried with growing pauses. */
export type CoordinatorState = 'loading' | 'active' | 'failed' | 'closed'

export interface Coordinator<S extends Shard> {
  readonly state: CoordinatorState
  /** The live shard, for callers that only look and may see what is not durable yet. Throws like `write` when not active. */
  readonly shard: S
  /** Settles when the load that is under way, or was last, has ended; rejects if it failed (loading is retried). */
  readonly loaded: Promise<void>
  /**
   * Serialised operation. Rejects with KafkaError: COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR (lost or closed), what `step` threw,
   * or the coordinator's name for what the log threw. Records of one turn of the event loop share a batch.
   */
  write<R>(step: (shard: S) => Decision<R>): Promise<R>
  /**
   * As `write`, for a decision with so many records that it takes several turns to make it, and to replay them; it has nothing but records and
   * a response. Settles when they have their place in the log; until then the caller writes nothing else, and looks at nothing that it may change.
   */
  writeInSlices<R>(deciding: Generator<void, Decision<R>>): Promise<{ durable: Promise<R> }>
  /**
   * As `write`, but the records belong to the producer's transaction, in a batch of their own, and count only when it commits. Rejects
   * with INVALID_PRODUCER_EPOCH when the partition knows a newer epoch; nothing has changed then.
   */
  writeTransactional<R>(producer: ProducerSession, step: (shard: S) => Decision<R>): Promise<R>
  /** Ends the producer's transaction on this partition. Throws at once when the marker cannot be appended; settles when it is durable. */
  endTransaction(marker: ProducerMarker): Promise<void>
  /** Reads the state; resolves when everything that it could see is durable. */
  read<R>(view: (shard: S) => R): Promise<R>
  /** Unloads the shard. Nothing is written after this. */
  close(): void
}
