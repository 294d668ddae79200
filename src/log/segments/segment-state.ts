/** How full a segment is: enough to go on with an active one after a restart without reading it, and to undo placements. Plain numbers. */
import type { Int64 } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { BatchInfo } from '../partition/batch-info.ts'

export interface SegmentState {
  size: number
  /** Largest offset in the segment; base offset - 1 when it is empty. */
  lastOffset: Offset
  /** -1 without one. `maxTimestampOffset` is the last offset of the first batch that has it. */
  maxTimestamp: Int64
  maxTimestampOffset: Offset
  /** Largest timestamp of the first batch, for segment.ms; -1 when empty. */
  firstTimestamp: Int64
  bytesSinceIndexEntry: number
  offsetEntries: number
  timeEntries: number
  abortedTransactions: number
}

export function emptyState(baseOffset: Offset): SegmentState {
  return {
    size: 0,
    lastOffset: baseOffset - 1,
    maxTimestamp: -1,
    maxTimestampOffset: baseOffset,
    firstTimestamp: -1,
    bytesSinceIndexEntry: 0,
    offsetEntries: 0,
    timeEntries: 0,
    abortedTransactions: 0,
  }
}

/** Counts the batch, which begins where the segment ends. True when the indexes must have an entry for it. */
export function countBatch(state: SegmentState, batch: BatchInfo, indexIntervalBytes: number): boolean {
  if (state.size === 0) state.firstTimestamp = batch.maxTimestamp
  if (batch.maxTimestamp > state.maxTimestamp) {
    state.maxTimestamp = batch.maxTimestamp
    state.maxTimestampOffset = batch.lastOffset
  }
  const isDue = state.bytesSinceIndexEntry > indexIntervalBytes
  state.bytesSinceIndexEntry = (isDue ? 0 : state.bytesSinceIndexEntry) + batch.sizeBytes
  state.lastOffset = batch.lastOffset
  state.size += batch.sizeBytes
  return isDue
}
