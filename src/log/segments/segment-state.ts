/** The fill level of a segment as plain numbers: enough to continue an active segment after a restart without reading it, and to undo placements. */
import { type Int64, millisSince } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import type { BatchInfo } from '../partition/batch-info.ts'
import { offsetEntryBytes } from './offset-index.ts'
import { timeEntryBytes } from './time-index.ts'

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

export interface RollLimits {
  segmentBytes: number
  segmentMs: number
  segmentIndexBytes: number
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

/** Kafka's LogSegment.shouldRoll without jitter: must this batch start a new segment? For the timestamp -1 the wall clock counts. */
export function isFull(state: SegmentState, batch: BatchInfo, createdMs: number, nowMs: number, limits: RollLimits): boolean {
  if (state.size > limits.segmentBytes - batch.sizeBytes) return true
  if (state.offsetEntries >= Math.floor(limits.segmentIndexBytes / offsetEntryBytes)) return true
  if (state.timeEntries >= Math.floor(limits.segmentIndexBytes / timeEntryBytes) - 1) return true
  const since = state.firstTimestamp >= 0 ? state.firstTimestamp : createdMs
  const until = state.firstTimestamp >= 0 && batch.maxTimestamp >= 0 ? batch.maxTimestamp : nowMs
  return state.size > 0 && millisSince(since, until) > limits.segmentMs
}
