/**
 * Puts partitions of a directory into the shared home, where brokers then take them over like those of a session that has ended.
 *
 * The import is a session in the database: it has heartbeats, and everything that it writes is a frame of it. So a second import, or a
 * broker that starts meanwhile, can only end it, never write beside it. A frame with rows comes after the object that they name was written
 * and read again; so whatever is committed is right, and an import that was killed goes on behind it. When it goes on, it reads again what it
 * finds: pieces that are not, byte for byte, those of the directory are replaced.
 */
import { chunks, type System } from '../../base.ts'
import { KafkaError, type Offset, type Uuid } from '../../protocol.ts'
import {
  type Database,
  frameKind,
  type MetadataAppend,
  type ObjectStore,
  objectNames,
  type PartitionRow,
  type SegmentRow,
  type Writes,
} from '../../store.ts'
import { Chores } from '../chores.ts'
import { encodePartition, type PartitionState } from '../journal/state-record.ts'
import { type SegmentContext, segmentContext } from '../segments/segment.ts'
import { SessionJournal } from '../shared/journal.ts'
import { gapIn } from '../shared/partition-start.ts'
import { PieceStore } from '../shared/pieces/piece-store.ts'
import { nameOf, partitionRows, segmentRows } from '../shared/rows.ts'
import { sharedDefaults } from '../shared/settings.ts'
import { topicIdOf } from '../shared/topic-id.ts'
import { keyOfRow } from '../shared/upkeep/ports.ts'
import { CopyFailed } from './copy-failed.ts'
import { OpenTransactions, PartitionSource, type SourcePiece } from './partition-source.ts'
import { type Counted, Tally } from './tally.ts'

export interface ClusterImportOptions {
  system: System
  database: Database
  objects: ObjectStore
  /** Begun for this. */
  session: number
  report(what: string, error: unknown): void
}

/** A partition, and where it lies. */
export interface ReleasedDirectory {
  readonly topic: string
  readonly topicId: Uuid
  readonly partition: number
  /** Absolute. */
  readonly path: string
}

/** Is called with all batches of a partition, in order; with some twice, if what was found of them turns out to be something else. */
export type Seen = (batches: Buffer) => void

/** As the cluster has it now. */
interface Imported {
  readonly name: string
  readonly key: { readonly topicId: string; readonly partition: number }
  readonly logStart: Offset
  readonly endOffset: Offset
}

/** Reads all of it, as `ClusterImport.take` does. Rejects with an error that says what is wrong. */
export async function readThrough(system: System, path: string, seen: Seen): Promise<Counted> {
  const report = () => {}
  const chores = new Chores({ system, report, onFatal: report })
  const source = await PartitionSource.open(segmentContext(system.files, { openFiles, indexBytes }), chores, path, system.clock.now())
  const total = new Tally()
  try {
    for (const piece of source.pieces) {
      await source.aborted(piece)
      for await (const batches of source.batches(piece)) {
        total.add(batches)
        seen(batches)
      }
    }
    return total
  } finally {
    source.close()
    chores.close()
  }
}

const openFiles = 200
const indexBytes = 8 << 20
/** Of the cache of what is read again, which is read only once. */
const cacheBytes = 1 << 20
const partitionsAtOnce = 250

export class ClusterImport {
  readonly #options: ClusterImportOptions
  readonly #journal: SessionJournal
  readonly #pieces: PieceStore
  readonly #segments: SegmentContext
  readonly #chores: Chores
  readonly #imported: Imported[] = []
  /** What went wrong last. */
  #trouble = ''

  constructor(options: ClusterImportOptions) {
    this.#options = options
    const { system, objects, session } = options
    const settings = { ...sharedDefaults, cacheBytes }
    const report = (what: string, error: unknown) => {
      this.#trouble = error instanceof Error ? `${what}: ${error.message}` : what
      options.report(what, error)
    }
    this.#journal = new SessionJournal({ ...options, settings, report, onEnded() {} })
    const nameOf = objectNames(system.random, 'i')
    this.#pieces = new PieceStore({ system, objects, settings, nameObject: () => nameOf(session), report })
    this.#segments = segmentContext(system.files, { openFiles, indexBytes })
    this.#chores = new Chores({ system, report, onFatal: error => report('reading the directory', error) })
  }

  get session(): number {
    return this.#options.session
  }

  /** Copies the partition, or what of it is not there yet. Rejects with an error that says what is wrong. */
  async take(from: ReleasedDirectory, seen: Seen): Promise<Counted> {
    const { system, database } = this.#options
    const source = await PartitionSource.open(this.#segments, this.#chores, from.path, system.clock.now())
    try {
      const key = { topicId: topicIdOf(from.topicId), partition: from.partition }
      const row = (await database.partitions([key]))[0] ?? null
      const copy = new PartitionCopy(from, source, row, await database.segments([key]))
      for (const piece of source.pieces) {
        if (!(await this.#isThere(copy, piece, seen))) await this.#write(copy, piece, seen)
      }
      if (copy.isOutdated()) await this.#commit(copy.rowsFor(source.state, []))
      const { logStartOffset: logStart, endOffset } = source.state
      this.#imported.push({ name: `${from.topic}-${from.partition}`, key, logStart, endOffset })
      return copy.total
    } finally {
      source.close()
    }
  }

  /** Whether an earlier import has written it, and it is what the directory has. */
  async #isThere(copy: PartitionCopy, piece: SourcePiece, seen: Seen): Promise<boolean> {
    const row = copy.found(piece)
    if (row === null) return false
    const [tally, open] = [new Tally(), new OpenTransactions(copy.open)]
    for await (const batches of copy.source.batches(piece)) {
      tally.add(batches)
      open.take(batches)
      seen(batches)
    }
    if (!(await this.#holds(row, tally))) return false
    copy.keep(tally, open)
    return true
  }

  /** False also for an object that is damaged, or gone: it is written anew. */
  async #holds(row: SegmentRow, tally: Tally): Promise<boolean> {
    try {
      return tally.equals(await this.#readAgain(row))
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      this.#options.report('what an earlier import wrote cannot be used, and is written again', error)
      return false
    }
  }

  async #write(copy: PartitionCopy, piece: SourcePiece, seen: Seen): Promise<void> {
    const { source, open } = copy
    const { topicId, partition } = copy.of
    const tally = new Tally()
    const aborted = await source.aborted(piece)
    const batches = async function* () {
      for await (const each of source.batches(piece)) {
        tally.add(each)
        open.take(each)
        seen(each)
        yield each
      }
    }
    const { baseOffset, endOffset } = piece
    const ending = () => ({ aborted, lastStableOffset: open.lastStable(endOffset) })
    const row = await this.#pieces.writeStream({ topicId, partition, baseOffset, endOffset }, batches(), ending)
    if (!tally.equals(await this.#readAgain(row)))
      throw new CopyFailed(`the object ${row.object} does not hold what was written to it: check the object store`)
    await this.#commit(copy.rowsFor(stateAt(source.state, endOffset), [row]))
    copy.keep(tally, open)
  }

  async #readAgain(row: SegmentRow): Promise<Tally> {
    const tally = new Tally()
    for await (const batches of this.#pieces.batches(row)) tally.add(batches)
    return tally
  }

  async #commit(rows: (session: number, seq: number) => Writes): Promise<'committed' | 'metadata-taken'> {
    try {
      return await this.#journal.write(frameKind.checkpoint, [], seq => rows(this.#journal.session, seq))
    } catch (error) {
      const { ended } = this.#journal
      if (ended === 'fenced')
        throw new CopyFailed('a broker has ended the session of the import: stop all brokers, and run the same import again')
      throw ended === null ? error : new CopyFailed(`the session of the import has ended: ${this.#trouble}`)
    }
  }

  /** False: the metadata log does not end there. */
  async append(metadata: MetadataAppend): Promise<boolean> {
    return (await this.#commit(() => ({ metadata }))) === 'committed'
  }

  /** What the cluster lacks of what was taken; empty: nothing. */
  async missing(): Promise<string[]> {
    const { database } = this.#options
    const problems: string[] = []
    for (const some of chunks(this.#imported, partitionsAtOnce)) {
      const keys = some.map(({ key }) => key)
      const rows = await partitionRows(database, keys)
      const segments = await segmentRows(database, keys)
      for (const { name, key, logStart, endOffset } of some) {
        const row = rows.get(nameOf(key))
        if (row === undefined) problems.push(`${name}: its row is missing`)
        else if (row.flushedEnd !== endOffset || row.logStart !== logStart)
          problems.push(`${name}: it has the offsets ${row.logStart} to ${row.flushedEnd}, but should have ${logStart} to ${endOffset}`)
        else {
          const gap = gapIn(segments.get(nameOf(key)) ?? [], logStart, endOffset)
          if (gap !== null) problems.push(`${name}: ${gap}`)
        }
      }
    }
    return problems
  }

  /** The session ends. What was committed stays. */
  async close(): Promise<void> {
    const { database, session } = this.#options
    await this.#journal.close()
    this.#chores.close()
    this.#segments.handles.closeAll()
    await database.fence(session, session)
  }
}

/** One partition on its way. */
class PartitionCopy {
  readonly of: ReleasedDirectory
  readonly source: PartitionSource
  readonly total = new Tally()
  /** Where the copy has come to. */
  open = new OpenTransactions()
  /** Rows that an earlier import has left, from here on. */
  #found: readonly SegmentRow[]
  /** As an earlier import has left it; null: it has not, or the row is this session's by now. */
  #row: PartitionRow | null
  #written: PartitionState | null = null

  constructor(of: ReleasedDirectory, source: PartitionSource, row: PartitionRow | null, found: readonly SegmentRow[]) {
    this.of = of
    this.source = source
    this.#row = row
    this.#found = found
  }

  /** The row that may be that of this piece. */
  found({ baseOffset, endOffset }: SourcePiece): SegmentRow | null {
    const [row] = this.#found
    return row !== undefined && row.baseOffset === baseOffset && row.endOffset === endOffset ? row : null
  }

  /** The next piece is in the cluster. */
  keep(tally: Tally, open: OpenTransactions): void {
    this.open = open
    this.total.join(tally)
    this.#found = this.#found.slice(1)
  }

  /** Rows that were found and not kept go: they are of other pieces, or behind them. */
  rowsFor(state: PartitionState, addSegments: readonly SegmentRow[]): (session: number, seq: number) => Writes {
    const key = { topicId: topicIdOf(this.of.topicId), partition: this.of.partition }
    const removeSegments = this.#found.map(keyOfRow)
    const before = this.#row
    this.#row = null
    this.#found = []
    this.#written = state
    const { endOffset: flushedEnd, logStartOffset: logStart } = state
    const row = { ...key, flushedEnd, logStart, state: encodedState(state) }
    return (session, fromSeq) => ({
      takeOver: before === null ? [] : [{ ...key, fromSeq, before }],
      partitions: [{ ...row, session, fromSeq }],
      removeSegments,
      addSegments,
    })
  }

  /** Whether the last state of the partition is not in its row yet. */
  isOutdated(): boolean {
    const { state } = this.source
    if (this.#found.length > 0) return true
    if (this.#written !== null) return this.#written !== state
    const row = this.#row
    return row === null || row.logStart !== state.logStartOffset || !encodedState(state).equals(row.state)
  }
}

/** As a row has it: without an active segment. */
function encodedState(state: PartitionState): Buffer {
  return encodePartition({ ...state, synced: true, active: null })
}

/** While later pieces are not there yet: nobody takes the partition over then, but the row has to be one that fits its pieces. */
function stateAt(state: PartitionState, endOffset: Offset): PartitionState {
  if (endOffset === state.endOffset) return state
  const epochs = state.epochs.filter(({ startOffset }) => startOffset < endOffset)
  return { ...state, endOffset, logStartOffset: Math.min(state.logStartOffset, endOffset), epochs, producers: null }
}
