/**
 * Takes partitions over: new ones, and those of sessions that ended or gave them away.
 *
 * The rows say where a partition stands: pieces up to an offset with the state there, and the stream that has the rest, from a frame on. All
 * streams are read at once, each one once. Then one frame of this session carries what is in no piece, and moves the rows to it. Until that
 * is committed everything stays where it was, so whatever fails, or dies, on the way costs nothing.
 *
 * Memory is bounded: when much is unflushed, it is put into pieces on the way, and the same frame gives them their rows. What cannot be put
 * into a piece is carried like everything else, however much it is: one partition must not keep all the others from being led.
 */
import { inSlices, type Turns } from '../../base.ts'
import type { PartitionSpec } from '../../log.ts'
import { KafkaError } from '../../protocol.ts'
import {
  type Database,
  DatabaseRefused,
  DatabaseUnavailable,
  frameKind,
  type MovedRow,
  type ObjectStore,
  type PartitionRow,
  type SegmentRow,
} from '../../store.ts'
import type { SharedContext } from './context.ts'
import { SharedPartition } from './partition.ts'
import { emptyStart, gapIn, type SharedStart, startOf } from './partition-start.ts'
import { PieceFault } from './pieces/piece.ts'
import { type Replayed, replayStream } from './replay.ts'
import { nameOf, partitionRows, segmentRows } from './rows.ts'
import type { SharedSettings } from './settings.ts'
import { topicIdOf } from './topic-id.ts'
import type { ForFlush } from './upkeep/ports.ts'

export interface TakeOverOptions {
  readonly context: SharedContext
  readonly database: Database
  readonly objects: ObjectStore
  readonly shared: SharedSettings
  readonly turns: Turns
}

export interface Wanted {
  readonly spec: PartitionSpec
  readonly leaderEpoch: number
  resolve(partition: SharedPartition): void
  reject(error: unknown): void
}

interface Taken {
  readonly wanted: Wanted
  readonly partition: SharedPartition
  /** null: a new one. */
  readonly row: PartitionRow | null
  /** Written on the way, in no row yet; and what the last of them goes with. */
  readonly pieces: SegmentRow[]
  flush: ForFlush | null
  /** No piece can be made of it. */
  isFaulty: boolean
}

interface Flush {
  readonly taken: Taken
  readonly flush: ForFlush
}

/** Settles each of them. */
export async function takeOver(wanted: readonly Wanted[], options: TakeOverOptions): Promise<void> {
  const takeOver = new TakeOver(options)
  try {
    await takeOver.run(wanted)
  } catch (error) {
    // Those that are settled already do not hear of it.
    for (const each of wanted) each.reject(retriable(error))
  }
}

class TakeOver {
  readonly #options: TakeOverOptions
  readonly #taken: Taken[] = []
  /** Bytes that were replayed and are in no piece. */
  #unflushed = 0
  /** They are being put into pieces; whoever replays more waits for it. */
  #relief: Promise<void> | null = null

  constructor(options: TakeOverOptions) {
    this.#options = options
  }

  async run(wanted: readonly Wanted[]): Promise<void> {
    const { turns } = this.#options
    try {
      await this.#begin(wanted)
      await this.#replayAll()
      const taken = this.#taken.filter(({ partition }) => partition.gone === null)
      for (const { partition, wanted } of taken) {
        if (turns.over) await turns.next()
        const gap = gapIn(partition.segments, partition.logStartOffset, partition.flushedEnd)
        if (gap !== null) partition.goOffline(gap)
        partition.raiseLeaderEpoch(wanted.leaderEpoch)
      }
      await this.#carry(taken.filter(({ partition }) => partition.damage === null))
      for (const { partition, wanted } of taken) wanted.resolve(partition)
    } catch (error) {
      for (const { partition } of this.#taken) partition.markGone('released')
      throw error
    }
  }

  async #begin(wanted: readonly Wanted[]): Promise<void> {
    const { database, turns } = this.#options
    const keys = wanted.map(({ spec }) => ({ topicId: topicIdOf(spec.topicId), partition: spec.partition }))
    const rows = await partitionRows(database, keys)
    const flushed = [...rows.values()].filter(({ flushedEnd }) => flushedEnd > 0)
    const segments = await segmentRows(database, flushed)
    await inSlices(turns, wanted, (each, index) => {
      const name = nameOf(keys[index]!)
      this.#taken.push(this.#open(each, rows.get(name) ?? null, segments.get(name) ?? []))
    })
  }

  #open(wanted: Wanted, row: PartitionRow | null, segments: readonly SegmentRow[]): Taken {
    const { context } = this.#options
    const { spec } = wanted
    const begun = (start: SharedStart) => ({
      wanted,
      row,
      pieces: [],
      flush: null,
      isFaulty: false,
      partition: new SharedPartition(context, spec, start),
    })
    if (row === null) return begun(emptyStart())
    try {
      return begun(startOf(row, segments, spec, context.settings, context.system.clock.history()))
    } catch (error) {
      const { flushedEnd, logStart } = row
      const taken = begun({ ...emptyStart(), flushedEnd, logStart, segments })
      taken.partition.goOffline(`the state in its row is damaged: ${(error as Error).message}`)
      return taken
    }
  }

  /** Those of a stream that cannot be read now are told, and are gone. */
  async #replayAll(): Promise<void> {
    const streams = new Map<number, (Taken & Replayed)[]>()
    for (const taken of this.#taken) {
      const { row, partition } = taken
      if (row === null || partition.damage !== null) continue
      const others = streams.get(row.session)
      if (others === undefined) streams.set(row.session, [{ ...taken, row }])
      else others.push({ ...taken, row })
    }
    const replayed = (bytes: number) => this.#relieveAfter(bytes)
    const replays = [...streams].map(async ([session, of]) => {
      try {
        await replayStream(session, of, { ...this.#options, replayed })
      } catch (error) {
        for (const { partition, wanted } of of) {
          partition.markGone('released')
          wanted.reject(retriable(error))
        }
      }
    })
    await Promise.all(replays)
  }

  #relieveAfter(bytes: number): Promise<void> | undefined {
    this.#unflushed += bytes
    if (this.#relief === null && this.#unflushed <= this.#options.shared.flushBytes) return undefined
    this.#relief ??= this.#relieve().finally(() => {
      this.#relief = null
    })
    return this.#relief
  }

  async #relieve(): Promise<void> {
    const { turns } = this.#options
    const flushes: Flush[] = []
    for (const taken of this.#taken) {
      if (turns.over) await turns.next()
      if (taken.isFaulty) continue
      try {
        const flush = taken.partition.takeForFlush()
        if (flush !== null) flushes.push({ taken, flush })
      } catch (error) {
        this.#isAtFault(taken, error)
      }
    }
    this.#unflushed = 0
    const rows = await this.#write(flushes)
    for (const { taken, flush } of flushes) {
      const row = rows.get(flush)
      if (row === undefined) continue
      taken.partition.flushed({ flushedEnd: flush.end, fromSeq: 0 }, [row])
      taken.pieces.push(row)
      taken.flush = flush
    }
  }

  /** Of those of which a piece can be made. */
  async #write(flushes: readonly Flush[]): Promise<Map<ForFlush, SegmentRow>> {
    const { pieces } = this.#options.context
    for (let left = flushes; ; ) {
      try {
        const rows = await pieces.write(left.map(({ flush }) => flush.piece))
        return new Map(left.map(({ flush }, nth) => [flush, rows[nth]!]))
      } catch (error) {
        const culprit = error instanceof PieceFault ? left.find(({ flush }) => flush.piece === error.piece) : undefined
        if (culprit === undefined) throw error
        this.#isAtFault(culprit.taken, error)
        left = left.filter(each => each !== culprit)
      }
    }
  }

  #isAtFault(taken: Taken, error: unknown): void {
    taken.isFaulty = true
    this.#options.context.report(`flushing ${taken.partition.name} failed; it is carried as it is`, error)
  }

  /** From the moment at which this is committed they are this session's. */
  async #carry(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return
    const carried = taken.filter(({ partition, row }) => partition.unflushedBytes > 0 || partition.askedLogStart > (row?.logStart ?? 0))
    const shares = carried.map(({ partition }) => partition.carried(false))
    await this.#options.context.journal.write(frameKind.carry, shares, seq => {
      const partitions: PartitionRow[] = []
      const takeOver: MovedRow[] = []
      const addSegments: SegmentRow[] = []
      for (const { partition, row, pieces, flush } of taken) {
        partition.sent(seq, partition.logEndOffset)
        partition.fromSeq = seq
        addSegments.push(...pieces)
        if (row !== null) takeOver.push({ ...partition.key, fromSeq: seq, before: row })
        if (row === null || flush !== null) partitions.push(partition.rowAt(seq, flush)!)
      }
      return { takeOver, partitions, addSegments }
    })
  }
}

/** What went wrong may go well the next time; but not a mistake of this program. */
function retriable(error: unknown): unknown {
  if (!(error instanceof DatabaseUnavailable || error instanceof DatabaseRefused)) return error
  return new KafkaError('KAFKA_STORAGE_ERROR', `The database: ${error.message}`)
}
