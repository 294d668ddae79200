/**
 * The metadata log of a cluster: rows of the database, each one append, and a snapshot in the object store.
 *
 * A row holds the records of one append as a record batch, and behind them the append's id (see `metadata-log.ts`), which has no offset:
 * `count` is that of the records. So the bytes of a row differ from those of every other append, and one whose answer was lost finds itself.
 *
 * Nobody keeps this log: the first broker in rank takes the snapshots. The log is trimmed up to the snapshot before the newest one, so that
 * who is a little behind need not load the whole state.
 *
 * The server behind the database may change: a standby takes over that lacks the end of the log, or it was restored, and others have appended
 * since. So when the database was connected to again, it is first made sure that the log has what was read of it.
 */
import { type System, Turns } from '../../../base.ts'
import { batchesIn, buildBatch, KafkaError, type Offset } from '../../../protocol.ts'
import {
  type Database,
  DatabaseUnavailable,
  type MetadataAppend,
  type MetadataBatch,
  type ObjectStore,
  objectNames,
} from '../../../store.ts'
import { sizeOf } from '../../runtime-records.ts'
import type { LogRecord } from '../../shard.ts'
import {
  type AppendMetadata,
  type MetadataLog,
  type MetadataSlice,
  markOf,
  newImage,
  type PlacedRecord,
  recordsOf,
  type SnapshotPlace,
} from '../metadata-log.ts'
import { isWholeSnapshot } from '../snapshot-file.ts'

export interface DatabaseMetadataLogOptions {
  system: System
  database: Database
  objects: ObjectStore
  /** Which the rows bear that this broker writes. It stays the same when a later one follows: appends are found again by it. */
  session: number
  /** The session in which this broker takes the snapshots now; null: another one takes them. */
  snapshotSession(): number | null
  snapshotAfterRecords?: number
}

const readBytes = 1024 * 1024
/** Of the records of one append. */
const mostBytes = 8 * 1024 * 1024
const snapshotAfterRecords = 50_000
/** A config may have 32 KiB: who starts should not have to read a gigabyte. */
const snapshotAfterBytes = 20 * 1024 * 1024
/** Of a snapshot, at once. */
const pieceBytes = 8 * 1024 * 1024

export class DatabaseMetadataLog implements MetadataLog {
  readonly append: AppendMetadata
  readonly snapshots: SnapshotPlace
  readonly #options: DatabaseMetadataLogOptions
  readonly #turns: Turns
  readonly #nameObject: (session: number) => string
  readonly #subscriptions = new Set<{ cancel(): void }>()
  /** Of the newest snapshot that is known here. */
  #lastSnapshot: Offset = 0
  /** Of the appends that were read or made here since then. */
  #bytes = 0
  /** The newest appends that were read or made here since the snapshot was read; two, for the image may not have the last one yet. */
  #known: readonly MetadataAppend[] = []
  /** How often the database had been connected to again when the log was known to be the one that is followed. */
  #reconnects = 0

  constructor(options: DatabaseMetadataLogOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#nameObject = objectNames(options.system.random, 'metadata-')
    this.append = this.by(append => options.database.appendMetadata(append, options.session))
    this.snapshots = { isDue: end => this.#isDue(end), put: (batches, end) => this.#putSnapshot(batches, end) }
  }

  /**
   * Appends by something that does more in the same transaction. `vehicle` answers false when the log does not end at the offset, rejects with a
   * KafkaError if nothing was appended and never will be, and with any other error if nobody knows: then it is called again with the same.
   */
  by(vehicle: (append: MetadataAppend) => Promise<boolean>, most: number = mostBytes): AppendMetadata {
    return async (expected, records, id) => {
      if (sizeOf(records) > most) {
        throw new KafkaError('RECORD_LIST_TOO_LARGE', `a change of the metadata has at most ${most} bytes`)
      }
      const append = { offset: expected, count: records.length, records: encode(expected, records, id) }
      if ((await this.#followed(expected)) === false) throw otherLog()
      if (await vehicle(append)) {
        this.#note(append)
        this.#bytes += append.records.length
        return true
      }
      const end = await this.#options.database.metadataEnd()
      if (end < expected) throw new KafkaError('OFFSET_OUT_OF_RANGE', `the metadata log ends at ${end}, before ${expected}`)
      return false
    }
  }

  async read(from: Offset): Promise<MetadataSlice> {
    try {
      return await this.#read(from)
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `The database that keeps the metadata cannot be reached: ${error.message}`)
    }
  }

  async #read(from: Offset): Promise<MetadataSlice> {
    const { counts } = this.#options.database
    if (from === newImage) {
      this.#known = []
      this.#reconnects = counts.reconnects
      return this.#readSnapshot()
    }
    if (!(await this.#followed(from))) throw otherLog()
    const { slice, last } = await this.#readOn(from)
    // Another server may have answered.
    if (counts.reconnects !== this.#reconnects) return this.#read(from)
    if (last !== null) this.#note(last)
    return slice
  }

  #note(append: MetadataAppend): void {
    const newest = this.#known.at(-1)
    if (newest === undefined) this.#known = [append]
    else if (newest.offset < append.offset) this.#known = [newest, append]
  }

  /** Whether the database has the log that was read up to `end`; null: that cannot be seen. */
  async #followed(end: Offset): Promise<boolean | null> {
    const { database } = this.#options
    const { reconnects } = database.counts
    if (reconnects === this.#reconnects) return true
    if (end > 0) {
      const last = this.#known.find(({ offset, count }) => offset + count === end)
      if (last === undefined) return null
      const [found] = await database.readMetadata(last.offset, 1)
      if (found?.offset !== last.offset || !asBuffer(found.records).equals(last.records)) return false
    }
    this.#reconnects = reconnects
    return true
  }

  /** With the last append of the slice; null: it is a snapshot, or empty. */
  async #readOn(from: Offset): Promise<{ slice: MetadataSlice; last: MetadataAppend | null }> {
    const { database } = this.#options
    for (let attempt = 0; attempt < 2; attempt++) {
      const batches = await database.readMetadata(from, readBytes)
      // What is in front of it was trimmed.
      if (batches.length > 0 && batches[0]!.offset > from) break
      if (batches.length > 0) return this.#sliceOf(batches)
      const end = await database.metadataEnd()
      if (end < from) throw new KafkaError('OFFSET_OUT_OF_RANGE', `the metadata log ends at ${end}, before ${from}`)
      if (end === from) return { slice: { isSnapshot: false, records: [], end }, last: null }
      // It has grown meanwhile; or, the second time, no append ends at `from`: this is not the log that was followed.
    }
    return { slice: await this.#readSnapshot(), last: null }
  }

  async #sliceOf(batches: readonly MetadataBatch[]) {
    let last: MetadataAppend | null = null
    const records: PlacedRecord[] = []
    let end = batches[0]!.offset
    for (const { offset, count, records: bytes } of batches) {
      if (offset !== end) break
      const decoded = await recordsOf(batchesIn(asBuffer(bytes)), offset, this.#turns)
      // Without the id behind them.
      if (decoded.length !== count + 1) throw new Error(`the metadata at offset ${offset} has ${decoded.length - 1} records, not ${count}`)
      for (const placed of decoded.slice(0, count)) records.push(placed)
      end = offset + count
      last = { offset, count, records: bytes }
      this.#bytes += bytes.length
    }
    return { slice: { isSnapshot: false, records, end }, last }
  }

  async #readSnapshot(): Promise<MetadataSlice> {
    const { database } = this.#options
    const snapshot = await database.metadataSnapshot()
    if (snapshot === null) {
      const [first] = await database.readMetadata(0, 1)
      if (first !== undefined && first.offset > 0) {
        throw new Error(`the metadata log begins at offset ${first.offset}, but there is no snapshot of the state before it`)
      }
      return { isSnapshot: true, records: [], end: 0 }
    }
    const bytes = await this.#fetch(snapshot.object)
    if (!isWholeSnapshot(bytes)) throw new Error(`the metadata snapshot ${snapshot.object} is damaged`)
    this.#follows(snapshot.offset)
    return { isSnapshot: true, records: await recordsOf(batchesIn(bytes), 0, this.#turns), end: snapshot.offset }
  }

  onChanged(callback: (end: Offset) => void): { cancel(): void } {
    const watching = this.#options.database.onMetadata(callback)
    const subscription = {
      cancel: () => {
        this.#subscriptions.delete(subscription)
        watching.cancel()
      },
    }
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** The database belongs to who opened it. */
  close(): void {
    for (const subscription of [...this.#subscriptions]) subscription.cancel()
  }

  // ---- snapshots

  #isDue(end: Offset): boolean {
    const after = this.#options.snapshotAfterRecords ?? snapshotAfterRecords
    const isLong = end - this.#lastSnapshot >= after || this.#bytes >= snapshotAfterBytes
    return isLong && this.#options.snapshotSession() !== null
  }

  /** A snapshot is known. */
  #follows(offset: Offset): void {
    if (offset <= this.#lastSnapshot) return
    this.#lastSnapshot = offset
    this.#bytes = 0
  }

  async #putSnapshot(batches: readonly Buffer[], end: Offset): Promise<void> {
    const { database, objects, snapshotSession } = this.#options
    const session = snapshotSession()
    const before = (await database.metadataSnapshot())?.offset ?? 0
    this.#follows(before)
    // Another broker was the first in rank until now.
    if (session === null || !this.#isDue(end) || !(await this.#followed(end))) return
    const bytes = batches.reduce((sum, batch) => sum + batch.length, 0)
    // It says how many bytes it has: there is no other way to ask.
    const object = `${this.#nameObject(session)}-${bytes}`
    await objects.put(object, batches)
    if (await database.putMetadataSnapshot({ offset: end, object }, before, session)) this.#follows(end)
  }

  async #fetch(object: string): Promise<Buffer> {
    const bytes = Number(/-(\d+)$/.exec(object)?.[1] ?? Number.NaN)
    if (!Number.isSafeInteger(bytes)) throw new Error(`the name of the metadata snapshot ${object} does not say how long it is`)
    const pieces: Buffer[] = []
    for (let at = 0; at < bytes; at += pieceBytes) {
      pieces.push(await this.#options.objects.get(object, at, Math.min(pieceBytes, bytes - at)))
    }
    return Buffer.concat(pieces)
  }
}

/** The same arguments give the same bytes: by them an append is recognised. */
function encode(expected: Offset, records: readonly LogRecord[], id: Buffer): Buffer {
  return buildBatch({ records: [...records, markOf(id)], baseOffset: expected, timestamp: 0 })
}

function otherLog(): KafkaError {
  return new KafkaError('OFFSET_OUT_OF_RANGE', 'the database does not have the metadata log that was followed')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
