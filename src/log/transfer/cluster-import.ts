/**
 * Puts partitions of a directory into the shared home, where brokers then take them over like those of a session that has ended.
 *
 * The import is a session in the database: it has heartbeats, and everything that it writes is a frame of it. So a second import, or a
 * broker that starts meanwhile, can only end it, never write beside it. A frame with rows comes after the object that they name was written
 * and read again; so whatever is committed is right, and an import that was killed goes on behind it. When it goes on, it reads again what it
 * finds: pieces that are not, byte for byte, those of the directory are replaced.
 *
 * A large partition is copied piece by piece, each in an object of its own and with a transaction of its own. Small ones are copied together: as few
 * objects as possible, and one transaction.
 */
import { chunks, type System, severalAtOnce, Turns } from '../../base.ts'
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
import type { Piece } from '../shared/pieces/piece.ts'
import { readPieceIndex } from '../shared/pieces/piece-index.ts'
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
  /** About as many as its segments have. */
  readonly bytes: number
}

/** Is called with all batches of a partition, in order; with some twice, if what was found of them turns out to be something else. */
export type Seen = (of: ReleasedDirectory, batches: Buffer) => void

/** As the cluster has it now. */
interface Imported {
  readonly name: string
  readonly key: { readonly topicId: string; readonly partition: number }
  readonly logStart: Offset
  readonly endOffset: Offset
}

/** Reads all of it, as `ClusterImport.take` does. Rejects with an error that says what is wrong. */
export async function readThrough(system: System, of: ReleasedDirectory, seen: Seen): Promise<Counted> {
  const report = () => {}
  const chores = new Chores({ system, report, onFatal: report })
  const source = await PartitionSource.open(segmentContext(system.files, { openFiles, indexBytes }), chores, of.path, system.clock.now())
  const total = new Tally()
  try {
    for (const piece of source.pieces) {
      await source.aborted(piece)
      for await (const batches of source.batches(piece)) {
        total.add(batches)
        seen(of, batches)
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
const smallBytes = 256 << 10
/** They are in memory until their rows are committed. */
const bytesTogether = 4 << 20
const mostTogether = 128
/** In one transaction. */
const mostStateBytes = 8 << 20
/** Small partitions of which is read at once what an earlier import wrote. */
const readsAtOnce = 8

/** A piece of a small partition, in memory. */
interface Read {
  readonly copy: PartitionCopy
  readonly piece: Piece
  readonly tally: Tally
}

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

  /** Which partitions are to be taken together: small ones, and each of the others by itself. */
  groupsOf(partitions: readonly ReleasedDirectory[]): ReleasedDirectory[][] {
    const groups: ReleasedDirectory[][] = []
    let group: ReleasedDirectory[] = []
    let bytes = 0
    for (const each of partitions) {
      if (each.bytes > smallBytes) {
        groups.push([each])
        continue
      }
      if (group.length === 0 || group.length === mostTogether || bytes + each.bytes > bytesTogether) {
        group = []
        bytes = 0
        groups.push(group)
      }
      group.push(each)
      bytes += each.bytes
    }
    return groups
  }

  /** Copies these partitions, of {@link groupsOf}, or what of them is not there yet. Rejects with an error that says what is wrong. */
  async take(group: readonly ReleasedDirectory[], seen: Seen): Promise<Counted> {
    const { system, database } = this.#options
    const copies: PartitionCopy[] = []
    try {
      const rows = await partitionRows(database, group.map(keyOf))
      const segments = await segmentRows(database, [...rows.values()])
      for (const of of group) {
        const source = await PartitionSource.open(this.#segments, this.#chores, of.path, system.clock.now())
        const name = nameOf(keyOf(of))
        copies.push(new PartitionCopy(of, source, rows.get(name) ?? null, segments.get(name) ?? []))
      }
      if (copies.length === 1) await this.#copyAlone(copies[0]!, seen)
      else await this.#copyTogether(copies, seen)
      const total = new Tally()
      for (const copy of copies) {
        const { topic, partition } = copy.of
        const { logStartOffset: logStart, endOffset } = copy.source.state
        this.#imported.push({ name: `${topic}-${partition}`, key: keyOf(copy.of), logStart, endOffset })
        total.join(copy.total)
      }
      return total
    } finally {
      for (const { source } of copies) source.close()
    }
  }

  async #copyAlone(copy: PartitionCopy, seen: Seen): Promise<void> {
    for (const piece of copy.source.pieces) if (!(await this.#isThere(copy, piece, seen))) await this.#write(copy, piece, seen)
    if (copy.isOutdated()) await this.#commit(copy.rowsFor(copy.source.state, []))
  }

  async #copyTogether(copies: readonly PartitionCopy[], seen: Seen): Promise<void> {
    const read: Read[] = []
    await severalAtOnce(copies, readsAtOnce, async copy => {
      for (const piece of copy.source.pieces) if (!(await this.#isThere(copy, piece, seen))) read.push(await this.#read(copy, piece, seen))
    })
    const rows = await this.#pieces.write(read.map(({ piece }) => piece))
    await this.#verify(read, rows)
    const added = Map.groupBy(rows.keys(), nth => read[nth]!.copy)
    let some: RowsAt[] = []
    let stateBytes = 0
    for (const copy of copies) {
      const own = (added.get(copy) ?? []).map(nth => rows[nth]!)
      if (own.length > 0 || copy.isOutdated()) {
        some.push(copy.rowsFor(copy.source.state, own))
        stateBytes += copy.stateBytes
      }
      if (some.length > 0 && (stateBytes >= mostStateBytes || copy === copies.at(-1))) {
        const together = some
        await this.#commit((session, seq) => joined(together.map(each => each(session, seq))))
        some = []
        stateBytes = 0
      }
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
      seen(copy.of, batches)
    }
    if (!(await this.#holds(row, tally))) return false
    copy.keep(tally, open, true)
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
        seen(copy.of, each)
        yield each
      }
    }
    const { baseOffset, endOffset } = piece
    const ending = () => ({ aborted, lastStableOffset: open.lastStable(endOffset) })
    const row = await this.#pieces.writeStream({ topicId, partition, baseOffset, endOffset }, batches(), ending)
    if (!tally.equals(await this.#readAgain(row))) throw notWritten(row.object)
    await this.#commit(copy.rowsFor(stateAt(source.state, endOffset), [row]))
    copy.keep(tally, open, false)
  }

  async #read(copy: PartitionCopy, piece: SourcePiece, seen: Seen): Promise<Read> {
    const { of, source } = copy
    const { baseOffset, endOffset } = piece
    const [tally, open, batches]: [Tally, OpenTransactions, Buffer[]] = [new Tally(), new OpenTransactions(copy.open), []]
    for await (const each of source.batches(piece)) {
      tally.add(each)
      open.take(each)
      seen(of, each)
      batches.push(each)
    }
    const aborted = (await source.aborted(piece)).all()
    copy.keep(tally, open, false)
    const range = { topicId: of.topicId, partition: of.partition, baseOffset, endOffset }
    return { copy, piece: { ...range, batches, aborted, lastStableOffset: open.lastStable(endOffset) }, tally }
  }

  /** Each object is read again as a whole. */
  async #verify(read: readonly Read[], rows: readonly SegmentRow[]): Promise<void> {
    const { system, objects } = this.#options
    const turns = new Turns(system)
    for (const [object, some] of Map.groupBy(rows.keys(), nth => rows[nth]!.object)) {
      const end = Math.max(...some.map(nth => rows[nth]!.position + rows[nth]!.bytes + rows[nth]!.indexBytes))
      const content = await objects.get(object, 0, end)
      for (const nth of some) {
        if (turns.over) await turns.next()
        const row = rows[nth]!
        const indexAt = row.position + row.bytes
        const isWhole = read[nth]!.tally.isOf(content.subarray(row.position, indexAt))
        const index = content.subarray(indexAt, indexAt + row.indexBytes)
        const isIndex = await readPieceIndex(index, row, sharedDefaults.blockBytes, turns).then(
          () => true,
          () => false,
        )
        if (!isWhole || !isIndex) throw notWritten(object)
      }
    }
  }

  async #readAgain(row: SegmentRow): Promise<Tally> {
    const tally = new Tally()
    for await (const batches of this.#pieces.batches(row)) tally.add(batches)
    return tally
  }

  async #commit(rows: RowsAt): Promise<'committed' | 'metadata-taken'> {
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

/** For a frame of the session with that seq. */
type RowsAt = (session: number, seq: number) => Writes

function joined(all: readonly Writes[]): Writes {
  return {
    takeOver: all.flatMap(({ takeOver = [] }) => takeOver),
    partitions: all.flatMap(({ partitions = [] }) => partitions),
    removeSegments: all.flatMap(({ removeSegments = [] }) => removeSegments),
    addSegments: all.flatMap(({ addSegments = [] }) => addSegments),
  }
}

function keyOf({ topicId, partition }: ReleasedDirectory): { topicId: string; partition: number } {
  return { topicId: topicIdOf(topicId), partition }
}

function notWritten(object: string): CopyFailed {
  return new CopyFailed(`the object ${object} does not hold what was written to it: check the object store`)
}

/** One partition on its way. */
class PartitionCopy {
  readonly of: ReleasedDirectory
  readonly source: PartitionSource
  readonly total = new Tally()
  /** Where the copy has come to. */
  open = new OpenTransactions()
  /** Of the state in the rows that were made last. */
  stateBytes = 0
  /** Whatever was found from here on is of no use. */
  #isNew = false
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
    const [row] = this.#isNew ? [] : this.#found
    return row !== undefined && row.baseOffset === baseOffset && row.endOffset === endOffset ? row : null
  }

  /** The next piece is in the cluster, or on its way there. `wasFound`: in the row that was found for it. */
  keep(tally: Tally, open: OpenTransactions, wasFound: boolean): void {
    this.open = open
    this.total.join(tally)
    if (wasFound) this.#found = this.#found.slice(1)
    else this.#isNew = true
  }

  /** Rows that were found and not kept go: they are of other pieces, or behind them. */
  rowsFor(state: PartitionState, addSegments: readonly SegmentRow[]): RowsAt {
    const key = keyOf(this.of)
    const removeSegments = this.#found.map(keyOfRow)
    const before = this.#row
    this.#row = null
    this.#found = []
    this.#written = state
    const { endOffset: flushedEnd, logStartOffset: logStart } = state
    const row = { ...key, flushedEnd, logStart, state: encodedState(state) }
    this.stateBytes = row.state.length
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
