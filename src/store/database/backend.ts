/**
 * What a PostgreSQL does in one transaction each, tried once: the seam between the protocols (who resends what) and the server (SQL over
 * `pg`, or rows in the simulator). If a call rejects with {@link DatabaseUnavailable}, its transaction may have committed, may commit later,
 * or never.
 */
import type { Database, Frame, FrameKind, MetadataAppend, MetadataBatch, PartitionKey, Writes } from '../../store.ts'

/** The connection broke, a time-out passed, or the server is starting, stopping, or out of something: later it may go. */
export class DatabaseUnavailable extends Error {
  constructor(message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'DatabaseUnavailable'
  }
}

/** The server will not do this, however often it is asked: settings, rights, another format, an error in a statement; or it was closed. */
export class DatabaseRefused extends Error {
  constructor(message: string, options?: { cause: unknown }) {
    super(message, options)
    this.name = 'DatabaseRefused'
  }
}

/** See {@link Writes}. */
export function rowsOfOthers(rows: readonly PartitionKey[]): DatabaseRefused {
  const [{ topicId, partition }, ...more] = rows as [PartitionKey, ...PartitionKey[]]
  const others = more.length === 0 ? '' : `, or of one of ${more.length} others,`
  return new DatabaseRefused(`the row of partition ${topicId}-${partition}${others} is another session's by now`)
}

/** There are no tables. */
export class NoCluster extends DatabaseRefused {
  constructor(options: { cause: unknown }) {
    super('it holds no cluster yet; the first broker makes one', options)
  }
}

/** A session that was to be fenced at a certain place has gone on. */
export class StreamGrown extends Error {
  constructor(session: number) {
    super(`session ${session} has written more frames`)
    this.name = 'StreamGrown'
  }
}

/** Calls on one connection are carried out in the order in which they are made. */
export interface Backend {
  /** Where the frame before is there and is no fence. False: no row was inserted, see {@link Queries.frameAt}. */
  insertFrame(frame: Frame): Promise<boolean>
  /**
   * The same, and more in its transaction; `frame` and `metadata` say what was refused, and then nothing happened. Nor when it rejects with
   * {@link rowsOfOthers}.
   */
  transact(frame: Frame, writes: Writes): Promise<TransactResult>
  readonly queries: Queries
  /** Called once, when the connection breaks; not after {@link close}. */
  onLost(callback: (error: Error) => void): void
  /** Calls back with the end of the metadata log when it has grown, once this connection listens. */
  listen(callback: (end: number) => void): Promise<void>
  /** Drops the connection, whatever is under way. */
  close(): void
}

export type TransactResult = 'done' | 'frame' | 'metadata'
/** `raced`: the session wrote at the same time, or since `after`, so its last seq is another one now. */
export type FenceResult = 'done' | 'raced' | 'metadata'

/** What is at a place of a stream. */
export interface Found {
  readonly kind: FrameKind
  readonly bodyBytes: number
}

/** What may be called again after an unknown outcome. Most of it is what the port offers, tried once. */
export interface Queries
  extends Pick<
    Database,
    | 'check'
    | 'troubles'
    | 'start'
    | 'claimPlace'
    | 'raiseIncarnation'
    | 'beginSession'
    | 'appendMetadata'
    | 'readMetadata'
    | 'metadataEnd'
    | 'metadataSnapshot'
    | 'putMetadataSnapshot'
    | 'sessions'
    | 'heads'
    | 'frames'
    | 'partitionsOf'
    | 'partitions'
    | 'segments'
    | 'dueGarbage'
    | 'forgetGarbage'
    | 'unreferenced'
    | 'sweepable'
    | 'markSwept'
    | 'vacuum'
  > {
  /** Which session this start has begun; null: none. */
  sessionOf(incarnation: string): Promise<number | null>
  /**
   * A fence as well where the session has ended, though its frames are gone; null: nothing is there. What is found is as durable as a commit that was
   * answered.
   */
  frameAt(session: number, seq: number): Promise<Found | null>
  /** Metadata that this very call appended before counts as appended. */
  fence(session: number, metadata: MetadataAppend | null, by: number, after: number | null): Promise<FenceResult>
  /** As durable as what `frameAt` finds. */
  metadataAt(offset: number): Promise<MetadataBatch | null>
}
