/**
 * store: the two services that a cluster trusts, as two small ports: an object store and a database.
 *
 * Hides what is uncertain about them. For objects: HTTP, signing, credentials and their renewal, retries, throttling, partial answers.
 * For the database: SQL, connections, time-outs, and above all what became of a commit whose answer never came. Knows nothing about what the
 * bytes mean: records and their recovery belong to `log`.
 *
 * Time, chance and files come from the System, so both ports run unchanged in `sim/`. What cannot are the sockets of Node's HTTP client
 * and of `pg`, with the time-outs of a connection attempt. They are behind {@link Transport} and {@link Backend}, which `sim/` replaces.
 */
import type { Durations } from './base.ts'
import type { FrameKind } from './store/frame-kind.ts'

export {
  type Backend,
  DatabaseRefused,
  DatabaseUnavailable,
  type FenceResult,
  type Found,
  NoCluster,
  type Queries,
  rowsOfOthers,
  StreamGrown,
  type TransactResult,
} from './store/database/backend.ts'
export { type DatabaseOptions, openDatabase } from './store/database/database.ts'
export { type FrameKind, frameKind } from './store/frame-kind.ts'
export { objectNameAllowed, objectNames, objectsPerList } from './store/objects/object-name.ts'
export { type Environment, ObjectError, type ObjectStoreOptions, openObjectStore } from './store/objects/object-store.ts'
export { type ObjectsUrl, parseObjectsUrl } from './store/objects/objects-url.ts'
export { type Claim, WrongObjectStore, wrongOwner } from './store/objects/owner.ts'
export type { HttpRequest, HttpResponse, Transport } from './store/objects/transport.ts'
export { parseDatabaseUrl } from './store/postgres/database-url.ts'
export { type PostgresOptions, postgres } from './store/postgres/postgres.ts'

/** Names are relative to the prefix of the store's URL. */
export interface ObjectStore {
  readonly counts: ObjectCounts
  /** Its URL, without credentials. */
  readonly place: string
  /**
   * Durable when resolved. A name is only ever written with the same bytes: so an attempt may be repeated, and one that was given up may
   * still arrive. The buffers must not change before it settles.
   */
  put(name: string, content: readonly Uint8Array[]): Promise<void>
  /** The same for what need not be in memory at once, in parts. */
  upload(name: string, content: AsyncIterable<Uint8Array>): Promise<void>
  /** Exactly so many bytes, or an {@link ObjectError}: `NoSuchKey`, or `InvalidRange` where the object ends earlier. */
  get(name: string, position: number, length: number): Promise<Buffer>
  /** Neighbours with one request, each in memory of its own: as many bytes of each as `lengths` says. */
  getSeveral(name: string, position: number, lengths: readonly number[]): Promise<readonly Buffer[]>
  /** Those that are not there are no error. */
  delete(names: readonly string[]): Promise<void>
  /** In order of their names. May be late: an object that was just written can be missing, one just deleted can be named. */
  list(prefix: string, after?: string): Promise<ObjectList>
  /** What is under way is refused. */
  close(): void
}

export interface ObjectList {
  readonly objects: readonly ListedObject[]
  /** There are more behind the last one. */
  readonly more: boolean
}

export interface ListedObject {
  readonly name: string
  readonly bytes: number
}

export type ObjectRequest = 'put' | 'get' | 'list' | 'delete'
/** As the store bills them: attempts, not calls. */
export type ObjectCounts = Readonly<Record<ObjectRequest, RequestCounts>>

export interface RequestCounts {
  /** Sent, the failed ones among them. */
  readonly requests: number
  readonly failures: number
  /** Of the failures: those by which the store asked for fewer requests. */
  readonly throttled: number
  /** Of content, of requests that succeeded. */
  readonly bytes: number
  readonly durations: Durations
}

/** One group commit of a session. Its bytes never change once it was handed over. */
export interface Frame {
  readonly session: number
  readonly seq: number
  readonly kind: FrameKind
  readonly body: Uint8Array
  /** Objects that the body refers to; all of them are durable. */
  readonly objects: readonly string[]
}

/** Records at `offset`, if the log ends there. */
export interface MetadataAppend {
  readonly offset: number
  /** How many records: the next append is at `offset + count`. */
  readonly count: number
  readonly records: Uint8Array
}

export interface MetadataBatch extends MetadataAppend {
  readonly session: number
}

/** A topic's id, as PostgreSQL writes it: 8-4-4-4-12 hexadecimal digits in lower case. */
export type TopicId = string

export interface PartitionKey {
  readonly topicId: TopicId
  readonly partition: number
}

/** Where the bytes of a partition begin that are in no segment yet, and the state of the partition there. */
export interface PartitionRow extends PartitionKey {
  readonly session: number
  readonly fromSeq: number
  readonly flushedEnd: number
  readonly logStart: number
  readonly state: Uint8Array
}

export interface SegmentRow extends PartitionKey {
  readonly baseOffset: number
  readonly endOffset: number
  readonly object: string
  readonly position: number
  readonly bytes: number
  readonly indexBytes: number
  readonly maxTimestamp: number
}

export interface SegmentKey extends PartitionKey {
  readonly baseOffset: number
}

/** Where the bytes of a partition begin from now on: in the session that writes this, at `fromSeq`. Its state is not touched. */
export interface MovedRow extends PartitionKey {
  readonly fromSeq: number
  /** As the row was read. Nobody else may have changed it since then. */
  readonly before: Pick<PartitionRow, 'session' | 'fromSeq'>
}

/**
 * What a frame changes beside the journal, in the same transaction; carried out in this order. If a row turns out to be another session's,
 * nothing happens, and `commit` rejects: this session has lost track, and ends. That a row is gone is no harm: its topic was deleted.
 */
export interface Writes {
  /** A frame with metadata is committed alone: the next one follows when its outcome is known. */
  readonly metadata?: MetadataAppend
  readonly takeOver?: readonly MovedRow[]
  /** Rows of the session that they name are replaced; others are added. */
  readonly partitions?: readonly PartitionRow[]
  readonly removeSegments?: readonly SegmentKey[]
  readonly addSegments?: readonly SegmentRow[]
  readonly removePartitions?: readonly PartitionKey[]
  /** Deletes own frames below; never those that a partition still begins in, nor the newest. Their objects become garbage. */
  readonly trimBelow?: number
}

/**
 * `fenced`: another broker ended this session; nothing of this frame happened or ever will. `predecessor-missing`: the database forgot an
 * acknowledged frame; acknowledged records are lost, and nothing more can be committed. `metadata-taken`: nothing happened, and the seq is free.
 */
export type CommitOutcome = 'committed' | 'fenced' | 'predecessor-missing' | 'metadata-taken'

export interface SessionStart {
  readonly brokerId: number
  /** Of this start of the broker; a start that is tried again has the same. */
  readonly incarnation: string
  readonly info: Readonly<Record<string, unknown>>
}

export interface SessionRow extends SessionStart {
  readonly session: number
  readonly ended: boolean
}

/** How far a stream has grown. */
export interface StreamHead {
  readonly session: number
  readonly seq: number
  readonly kind: FrameKind
}

export interface ClusterRow {
  readonly id: string
  /** Rises when the database is restored to a point in time. */
  readonly incarnation: number
  readonly format: number
  /** What the server's clock showed when it was asked. */
  readonly nowMs: number
}

export interface DatabaseTrouble {
  readonly what: string
  /** Brokers cannot go on meanwhile. */
  readonly isOutage: boolean
}

/** Offset 0 and no object: none was made. */
export interface MetadataSnapshot {
  readonly offset: number
  readonly object: string
}

/**
 * Reads and idempotent writes are tried again until `timeoutMs` has passed, then they reject with {@link DatabaseUnavailable}. What has an
 * ambiguous outcome (`commit`, `appendMetadata`) is tried until the outcome is known, or the database is closed.
 */
export interface Database {
  readonly counts: DatabaseCounts
  /** Whether the server can be reached and keeps what it confirms. Changes nothing. */
  check(): Promise<void>
  /** What hinders brokers although the server answers, in words, with what to do. */
  troubles(): Promise<DatabaseTrouble[]>
  /** The row of the cluster; makes it, and the tables, when there are none. */
  start(newId: string): Promise<ClusterRow>
  /** Where the objects of the cluster are: what the first one asked who asked. */
  claimPlace(place: string): Promise<string>
  /** After a restore, if the incarnation still is `from`. */
  raiseIncarnation(from: number): Promise<void>
  /** Inserts the session and its frame 0. Returns its id. The frames of this database are its from now on. */
  beginSession(start: SessionStart): Promise<number>
  /**
   * Frames of the session in order of seq, each one more than the last. Settles in that order. Rejects with {@link DatabaseRefused} when the
   * database will never take it, or it was closed.
   */
  commit(frame: Frame, writes?: Writes): Promise<CommitOutcome>
  /**
   * Ends a session on behalf of another, or of itself, and appends metadata in the same transaction. One that ended before is no error.
   * False, and nothing happened: the metadata log does not end at that offset. `after`: only if this is the seq of its newest frame, or if it has
   * ended; otherwise rejects with {@link StreamGrown}, and nothing happened.
   */
  fence(session: number, by: number, metadata?: MetadataAppend, after?: number): Promise<boolean>
  /** False: the metadata log does not end at that offset. */
  appendMetadata(append: MetadataAppend, session: number): Promise<boolean>
  /** In order, from that offset on, about so many bytes but at least one. */
  readMetadata(from: number, mostBytes: number): Promise<MetadataBatch[]>
  metadataEnd(): Promise<number>
  /** Calls back with the end of the metadata log soon after it has grown; at the latest after a second, if the database answers. */
  onMetadata(callback: (end: number) => void): { cancel(): void }
  metadataSnapshot(): Promise<MetadataSnapshot | null>
  /**
   * The object, which `session` has written, holds all below `offset`. Older snapshots become garbage, and metadata below `trimBelow` goes, but for
   * the newest batch. False, and nothing happened: the session has ended, and the object may be swept with it.
   */
  putMetadataSnapshot(snapshot: MetadataSnapshot, trimBelow: number, session: number): Promise<boolean>
  /** All that are not swept. */
  sessions(): Promise<SessionRow[]>
  /** Of all sessions that have not ended. */
  heads(): Promise<StreamHead[]>
  /** In order of seq, without holes, about so many bytes but at least one. */
  frames(session: number, from: number, mostBytes: number): Promise<Frame[]>
  partitionsOf(session: number): Promise<PartitionRow[]>
  partitions(keys: readonly PartitionKey[]): Promise<PartitionRow[]>
  /** Of all of them, in order of partition and offset. */
  segments(keys: readonly PartitionKey[]): Promise<SegmentRow[]>
  /** Objects whose time has come. */
  dueGarbage(most: number): Promise<string[]>
  /** After the objects were deleted. */
  forgetGarbage(objects: readonly string[]): Promise<void>
  /** Of these objects, those that no frame, segment, snapshot or garbage row names. */
  unreferenced(objects: readonly string[]): Promise<string[]>
  /** Sessions that ended so long ago, in which no partition begins, and that were not swept since then. */
  sweepable(endedForMs: number): Promise<number[]>
  /** Its frames go as well, and objects that only they named become garbage. */
  markSwept(session: number): Promise<void>
  /** Gives the space of deleted frames back for new ones. */
  vacuum(): Promise<void>
  /** What waits is refused. */
  close(): Promise<void>
}

export interface DatabaseCounts {
  readonly commits: number
  readonly commitBytes: number
  /** From being handed over until the outcome is known. */
  readonly commitDurations: Durations
  /** Commits that were sent again because the answer to the first attempt did not come. */
  readonly resent: number
  readonly reconnects: number
  readonly queries: number
  readonly failures: number
}
