/**
 * Which part of a partition can be compacted now, and how urgently: the rules of `cleaner/cleaner-plan.ts`, over rows. What is in no piece yet
 * is the active segment.
 */
import { ageOf, type ClockHistory } from '../../../base.ts'
import type { Offset } from '../../../protocol.ts'
import type { SegmentRow } from '../../../store.ts'
import type { FlushedPartition } from './ports.ts'
import type { RowAges } from './row-ages.ts'

export interface CleanableRows {
  /** From the log start on, also those behind `end`. */
  rows: readonly SegmentRow[]
  /** Those of them from `firstDirty` to `end`. */
  dirty: readonly SegmentRow[]
  firstDirty: Offset
  end: Offset
  /** Dirty bytes over all that would be read. */
  ratio: number
}

/** `lastCleaned`: where the last cleaning ended, as far as known. null: there is nothing to clean. */
export function cleanableRows(
  partition: FlushedPartition,
  lastCleaned: Offset | undefined,
  ages: RowAges,
  history: ClockHistory,
): CleanableRows | null {
  const { config, logStartOffset, lastStableOffset, flushedEnd } = partition
  if (!config.cleanupPolicy.compact) return null
  const isKnown = lastCleaned !== undefined && lastCleaned >= logStartOffset && lastCleaned <= flushedEnd
  const firstDirty = isKnown ? lastCleaned : logStartOffset
  const rows = partition.segments.filter(row => row.endOffset > logStartOffset)
  const isYoung = (row: SegmentRow) => config.minCompactionLagMs > 0 && ages.ageMs(row, history) < config.minCompactionLagMs
  const stop = rows.findIndex(row => row.endOffset > lastStableOffset || (row.endOffset > firstDirty && isYoung(row)))
  const read = stop < 0 ? rows : rows.slice(0, stop)
  const dirty = read.filter(row => row.endOffset > firstDirty)
  const dirtyBytes = bytesOf(dirty)
  if (dirtyBytes === 0) return null
  return { rows, dirty, firstDirty, end: read.at(-1)!.endOffset, ratio: dirtyBytes / bytesOf(read) }
}

/** max.compaction.lag.ms: some dirty piece began longer ago. `firstTimestampOf` may have to read its index. */
export async function isOverdue(
  { dirty }: CleanableRows,
  { config }: FlushedPartition,
  history: ClockHistory,
  firstTimestampOf: (row: SegmentRow) => Promise<number>,
): Promise<boolean> {
  const lagMs = Math.max(config.maxCompactionLagMs, 0)
  // The default is to keep them forever: then nothing need be read.
  if (lagMs >= history.at(-1)!.to) return false
  for (const row of dirty) {
    const first = await firstTimestampOf(row)
    if (first > 0 && ageOf(first, history) > lagMs) return true
  }
  return false
}

function bytesOf(rows: readonly SegmentRow[]): number {
  return rows.reduce((bytes, row) => bytes + row.bytes, 0)
}
