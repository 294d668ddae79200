/**
 * Compaction of partitions in pieces: chooses the dirtiest one, has it cleaned, and replaces its rows group by group, one partition at a time.
 *
 * Hides when a partition is due, and where its clean part ends. That survives a move and a restart without a column of its own: objects of cleaned
 * pieces have names of their own kind, and clean is what the first pieces of that kind cover.
 */
import { type System, Turns } from '../../../base.ts'
import type { LogSettings } from '../../../log.ts'
import type { Offset } from '../../../protocol.ts'
import { objectNames, type SegmentRow } from '../../../store.ts'
import { Compactor } from '../pieces/compactor.ts'
import type { Rewritten } from '../pieces/merge.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import { type CleanableRows, cleanableRows, isOverdue } from './cleanable-rows.ts'
import type { UpkeepCounts } from './counts.ts'
import type { Leftovers } from './leftovers.ts'
import type { FlushedPartition } from './ports.ts'
import { replaceRows } from './replacement.ts'
import { Retries } from './retries.ts'
import type { RowAges } from './row-ages.ts'
import type { RowWriter } from './row-writer.ts'

export interface RowCleanerOptions {
  system: System
  rows: RowWriter
  pieces: PieceStore
  /** Of an object with cleaned pieces. */
  nameCleaned(): string
  /** As `CompactorOptions`. */
  useThread: boolean
  ages: RowAges
  leftovers: Leftovers
  counts: UpkeepCounts
  /** What is being rewritten by somebody is left alone by everybody else. */
  rewriting: Set<FlushedPartition>
  settings: Pick<LogSettings, 'cleanerDedupeBufferBytes'>
  partitions(): Iterable<FlushedPartition>
  report(what: string, error: unknown): void
}

interface Candidate extends CleanableRows {
  partition: FlushedPartition
}

/** Names objects with cleaned pieces. No others are called so. */
export function cleanedNames(random: System['random'], session: number): () => string {
  const nameOf = objectNames(random, 'c')
  return () => nameOf(session)
}

const isCleaned = /^\d+\/c\d+(?:-|$)/

/** Where the clean part of a partition ends, as its rows say; undefined where there is none. */
function cleanedEnd(rows: readonly SegmentRow[]): Offset | undefined {
  const first = rows.findIndex(row => !isCleaned.test(row.object))
  return (first < 0 ? rows.at(-1) : rows[first - 1])?.endOffset
}

export class RowCleaner {
  readonly #options: RowCleanerOptions
  readonly #turns: Turns
  readonly #retries: Retries
  /**
   * As the last job of this session said. Where its map of keys was full in the middle of a piece, that is less than the rows say; whoever leads
   * next knows only these, and keeps what the rest of that piece supersedes until their keys are written again.
   */
  readonly #cleanedTo = new WeakMap<FlushedPartition, Offset>()
  readonly #firstTimestamps = new WeakMap<SegmentRow, number>()
  readonly #compactor: Compactor
  #cleaning: AbortController | null = null
  #closed = false

  constructor(options: RowCleanerOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#retries = new Retries(options.system, options.report)
    this.#compactor = new Compactor({ system: options.system, store: options.pieces, useThread: options.useThread })
  }

  /** Where the clean part of the partition ends; undefined: it was never cleaned. */
  cleanedTo(partition: FlushedPartition): Offset | undefined {
    return this.#cleanedTo.get(partition) ?? cleanedEnd(partition.segments)
  }

  /** The job that runs stops soon. */
  stop(): void {
    this.#closed = true
    this.#cleaning?.abort()
  }

  /** When no job runs any more. */
  async close(): Promise<void> {
    await this.#compactor.close()
  }

  /** Cleans until no partition is due. Never rejects. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      const dirtiest = await this.#dirtiest()
      if (dirtiest === null) return
      const { partition } = dirtiest
      const abort = new AbortController()
      this.#cleaning = abort
      this.#options.rewriting.add(partition)
      try {
        if (await this.#clean(dirtiest, abort)) this.#retries.succeeded(partition)
        else this.#retries.failed(partition, null, 'its rows changed, or have to')
      } catch (error) {
        if (!this.#stopped && partition.writable) this.#retries.failed(partition, `compacting ${partition.name}`, error)
      } finally {
        this.#options.rewriting.delete(partition)
        this.#cleaning = null
      }
    }
  }

  get #stopped(): boolean {
    return this.#closed || this.#options.rows.ended
  }

  async #dirtiest(): Promise<Candidate | null> {
    const { partitions, ages, system, rewriting } = this.#options
    let dirtiest: Candidate | null = null
    for (const partition of [...partitions()]) {
      if (this.#turns.over) await this.#turns.next()
      if (this.#stopped) return null
      if (!partition.config.cleanupPolicy.compact || !partition.writable || rewriting.has(partition)) continue
      if (!this.#retries.isDue(partition)) continue
      const history = system.clock.history()
      const found = cleanableRows(partition, this.cleanedTo(partition), ages, history)
      if (found === null || found.ratio <= (dirtiest?.ratio ?? 0)) continue
      try {
        const isDue = found.ratio > partition.config.minCleanableDirtyRatio
        if (isDue || (await isOverdue(found, partition, history, row => this.#firstTimestamp(row)))) dirtiest = { ...found, partition }
      } catch (error) {
        this.#retries.failed(partition, `compacting ${partition.name}`, error)
      }
    }
    return dirtiest
  }

  /** False: it stopped, because rows were removed meanwhile, or nothing could be cleaned: a transaction ended, but its marker is in no piece yet. */
  async #clean({ partition, rows, firstDirty, end }: Candidate, abort: AbortController): Promise<boolean> {
    const { system, settings, nameCleaned, counts } = this.#options
    let stopped = false
    const onRewritten = async (rewritten: Rewritten) => {
      const done = await replaceRows(this.#options.rows, this.#options.leftovers, partition, rewritten)
      if (done) counts.cleanedPieces += rewritten.removed.length
      stopped = !done || abort.signal.aborted
      return stopped ? 'stop' : 'go on'
    }
    const cleanedTo = await this.#compactor.compact({
      rows,
      firstDirty,
      end,
      config: partition.config,
      history: system.clock.history(),
      mapBytes: settings.cleanerDedupeBufferBytes,
      lastRecords: partition.lastRecords(),
      nameObject: nameCleaned,
      onRewritten,
      signal: abort.signal,
    })
    // After a job that stopped half way, the rows say how far it came.
    if (!stopped) this.#cleanedTo.set(partition, cleanedTo)
    return !stopped && cleanedTo > firstDirty
  }

  async #firstTimestamp(row: SegmentRow): Promise<number> {
    const known = this.#firstTimestamps.get(row)
    if (known !== undefined) return known
    const { firstTimestamp } = await this.#options.pieces.index(row)
    this.#firstTimestamps.set(row, Number(firstTimestamp))
    return Number(firstTimestamp)
  }
}
