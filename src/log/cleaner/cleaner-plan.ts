/** Decides which part of a partition can be compacted now, how urgently, and in which groups: Kafka's LogCleanerManager as functions. */
import { ageOf, type ClockHistory } from '../../base.ts'
import type { TopicConfig } from '../../log.ts'
import type { Offset } from '../../protocol.ts'
import type { LastRecord } from '../partition/producer-state.ts'
import type { Segment } from '../segments/segment.ts'
import type { SegmentList } from '../segments/segment-list.ts'

/** What the cleaner needs of a partition. */
export interface CleanablePartition {
  readonly topic: string
  readonly partition: number
  readonly config: TopicConfig
  readonly segments: SegmentList
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly lastStableOffset: Offset
  /** Deleted, offline or closing: nothing more is done to it. */
  readonly closed: boolean
  /** ProducerStates.lastRecords(). */
  lastRecords(): LastRecord[]
  /** Puts `cleaned` in the place of `old`. When it rejects, nothing was replaced and `cleaned` is of no use. */
  replaceSegments(old: readonly Segment[], cleaned: Segment): Promise<void>
}

/** The dirty part [firstDirty, end) of a partition, in whole segments at its end. */
export interface Cleanable {
  partition: CleanablePartition
  firstDirty: Offset
  end: Offset
  /** Dirty bytes over all that would be read. */
  ratio: number
  isDue: boolean
}

export interface Chosen {
  /** null when there is nothing to do. */
  candidate: Cleanable | null
  /** A segment of which has to be proven first how young it is: see {@link Segment.prove}. */
  unproven: Segment | null
}

const nothing: Chosen = { candidate: null, unproven: null }

/** `lastCleaned`: where the last cleaning ended, as far as known. */
export function cleanable(partition: CleanablePartition, lastCleaned: Offset | undefined, history: ClockHistory): Chosen {
  const { config, segments, logStartOffset } = partition
  const active = segments.active
  if (!config.cleanupPolicy.compact || active === undefined || partition.closed || segments.isSwapping) return nothing
  const isKnown = lastCleaned !== undefined && lastCleaned >= logStartOffset && lastCleaned <= partition.logEndOffset
  const firstDirty = isKnown ? lastCleaned : logStartOffset
  const dirtyFrom = Math.max(0, segments.indexOf(firstDirty))
  const unproven = config.minCompactionLagMs > 0 ? segments.all.slice(dirtyFrom, -1).find(segment => !segment.isProven) : undefined
  if (unproven !== undefined) return { candidate: null, unproven }
  const end = endOfCleanable(partition, dirtyFrom, history)
  const cleanBytes = bytesOf(segments.all.filter(segment => segment.baseOffset < firstDirty))
  const dirty = segments.all.slice(dirtyFrom).filter(segment => segment.baseOffset < end)
  const dirtyBytes = end <= firstDirty ? 0 : bytesOf(dirty)
  if (dirtyBytes === 0) return nothing
  const ratio = dirtyBytes / (cleanBytes + dirtyBytes)
  const isDue = isOverdue(dirty, config, history) || ratio > config.minCleanableDirtyRatio
  return { candidate: { partition, firstDirty, end, ratio, isDue }, unproven: null }
}

/** Base offset of the first segment that may not be cleaned: the active one, one with undecided records, or one too young. */
function endOfCleanable(partition: CleanablePartition, dirtyFrom: number, history: ClockHistory): Offset {
  const { segments, config } = partition
  const active = segments.active!
  let end = active.baseOffset
  const undecided = segments.floor(partition.lastStableOffset)
  if (undecided !== undefined) end = Math.min(end, undecided.baseOffset)
  if (config.minCompactionLagMs > 0) {
    const young = segments.all.slice(dirtyFrom, -1).find(segment => ageOf(segment.newestMs(), history) < config.minCompactionLagMs)
    if (young !== undefined) end = Math.min(end, young.baseOffset)
  }
  return end
}

/** max.compaction.lag.ms: some dirty segment began longer ago. */
function isOverdue(dirty: readonly Segment[], config: TopicConfig, history: ClockHistory): boolean {
  const lagMs = Math.max(config.maxCompactionLagMs, 0)
  // The default is to keep them forever: then no file need be read.
  if (lagMs >= history.at(-1)!.to) return false
  return dirty.some(segment => segment.firstTimestamp > 0 && ageOf(segment.firstTimestamp, history) > lagMs)
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((bytes, segment) => bytes + segment.size, 0)
}

/** Neighbours whose result fits into one segment: otherwise cleaning again and again would leave ever smaller ones. */
export function groupSegments(segments: readonly Segment[], config: TopicConfig, end: Offset): Segment[][] {
  const groups: Segment[][] = []
  let bytes = 0
  let indexBytes = 0
  for (const [nth, segment] of segments.entries()) {
    const group = groups.at(-1)
    const last = (segments[nth + 1]?.baseOffset ?? end) - 1
    const fits =
      group !== undefined &&
      bytes + segment.size <= config.segmentBytes &&
      indexBytes + segment.indexBytes <= config.segmentIndexBytes &&
      (segment.size === 0 || last - group[0]!.baseOffset <= 2 ** 31 - 1)
    if (fits) group.push(segment)
    else groups.push([segment])
    bytes = (fits ? bytes : 0) + segment.size
    indexBytes = (fits ? indexBytes : 0) + segment.indexBytes
  }
  return groups
}
