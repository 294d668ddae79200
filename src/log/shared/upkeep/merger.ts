/**
 * Merges neighbouring pieces into larger ones, some partitions at once: flushes write small ones, and each costs a row, and a request of whoever
 * reads it.
 *
 * A merged piece is no larger, and covers no more time, than a segment of the topic would, or a quarter of what retention keeps: that removes
 * whole pieces.
 */
import { type System, severalAtOnce, Turns } from '../../../base.ts'
import type { TopicConfig } from '../../../log.ts'
import type { Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import { merge, mergeable } from '../pieces/merge.ts'
import type { PieceStore } from '../pieces/piece-store.ts'
import type { UpkeepCounts } from './counts.ts'
import type { Leftovers } from './leftovers.ts'
import type { FlushedPartition } from './ports.ts'
import { replaceRows } from './replacement.ts'
import { Retries } from './retries.ts'
import type { RowCleaner } from './row-cleaner.ts'
import type { RowWriter } from './row-writer.ts'

export interface MergerOptions {
  system: System
  rows: RowWriter
  pieces: PieceStore
  /** Of an object with cleaned pieces. */
  nameCleaned(): string
  cleaner: RowCleaner
  leftovers: Leftovers
  counts: UpkeepCounts
  rewriting: Set<FlushedPartition>
  partitions(): Iterable<FlushedPartition>
  report(what: string, error: unknown): void
}

const mergedBytes = 64 << 20
const keptPart = 1 / 4
/** Most of a small merge is waiting for the stores. */
const mergesAtOnce = 4

interface Run {
  rows: readonly SegmentRow[]
  isClean: boolean
}

export class Merger {
  readonly #options: MergerOptions
  readonly #turns: Turns
  readonly #retries: Retries
  #closed = false

  constructor(options: MergerOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#retries = new Retries(options.system, options.report)
  }

  /** The merge that runs is the last. */
  stop(): void {
    this.#closed = true
  }

  /** One round over all partitions. Never rejects. */
  async run(): Promise<void> {
    await severalAtOnce([...this.#options.partitions()], mergesAtOnce, async partition => {
      if (this.#turns.over) await this.#turns.next()
      if (!this.#stopped) await this.#tryToMerge(partition)
    })
  }

  async #tryToMerge(partition: FlushedPartition): Promise<void> {
    const { rewriting } = this.#options
    if (!partition.writable || partition.segments.length < 2 || rewriting.has(partition) || !this.#retries.isDue(partition)) return
    rewriting.add(partition)
    try {
      await this.#mergeAll(partition)
      this.#retries.succeeded(partition)
    } catch (error) {
      if (!this.#stopped && partition.writable) this.#retries.failed(partition, `merging pieces of ${partition.name}`, error)
    } finally {
      rewriting.delete(partition)
    }
  }

  get #stopped(): boolean {
    return this.#closed || this.#options.rows.ended
  }

  async #mergeAll(partition: FlushedPartition): Promise<void> {
    const { rows, leftovers, pieces, nameCleaned, counts, cleaner } = this.#options
    const cleanedTo = (partition.config.cleanupPolicy.compact ? cleaner.cleanedTo(partition) : undefined) ?? 0
    for (const run of mergeRuns(partition, cleanedTo)) {
      if (this.#stopped || !partition.writable) return
      const merged = await merge(pieces, this.#turns, run.rows, run.isClean ? nameCleaned : undefined)
      if (!(await replaceRows(rows, leftovers, partition, merged))) return
      counts.mergedPieces += run.rows.length
    }
  }
}

/** What is to be merged of a partition. Clean pieces stay by themselves, so that they stay known as clean. */
export function mergeRuns({ config, segments, logStartOffset }: FlushedPartition, cleanedTo: Offset): Run[] {
  const isClean = (row: SegmentRow) => row.endOffset <= cleanedTo
  const { bytes, ms } = mostMerged(config)
  const rows = segments.filter(row => row.endOffset > logStartOffset)
  return stretches(rows, isClean, ms).flatMap(stretch => mergeable(stretch, bytes).map(run => ({ rows: run, isClean: isClean(run[0]!) })))
}

/** How large a merged piece may be, and how much time it may cover. */
function mostMerged({ cleanupPolicy, segmentBytes, segmentMs, retentionBytes, retentionMs }: TopicConfig): { bytes: number; ms: number } {
  const kept = (most: number, retained: number) => (cleanupPolicy.delete && retained >= 0 ? Math.min(most, retained * keptPart) : most)
  return { bytes: kept(Math.min(mergedBytes, segmentBytes), retentionBytes), ms: kept(segmentMs, retentionMs) }
}

/** Neighbours that may be in one piece: all clean or all dirty, and their newest records within a segment's time. */
function stretches(rows: readonly SegmentRow[], isClean: (row: SegmentRow) => boolean, mostMs: number): SegmentRow[][] {
  const found: SegmentRow[][] = []
  for (const row of rows) {
    const first = found.at(-1)?.[0]
    const fits = first !== undefined && isClean(first) === isClean(row) && row.maxTimestamp - first.maxTimestamp <= mostMs
    if (fits) found.at(-1)!.push(row)
    else found.push([row])
  }
  return found
}
