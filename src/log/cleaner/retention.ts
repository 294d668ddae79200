/**
 * Determines which segments retention.ms, retention.bytes and DeleteRecords allow to remove, with one timer for all partitions.
 *
 * Hides Kafka's rules, and does the work in slices, so that 10,000 partitions do not block the event loop.
 */
import { ageOf, type ClockHistory, type System, type Timer, Turns } from '../../base.ts'
import type { TopicConfig } from '../../log.ts'
import type { Offset } from '../../protocol.ts'
import type { Segment } from '../segments/segment.ts'
import type { SegmentList } from '../segments/segment-list.ts'
import type { RollLimits } from '../segments/segment-state.ts'

/** What retention needs of a partition. */
export interface RetainedPartition {
  readonly config: TopicConfig
  readonly segments: SegmentList
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly logEndOffset: Offset
  /**
   * Removes the first `count` segments: the log start offset moves up to the first that stays. With `count` = all of them a new, empty
   * one is begun first.
   */
  removeSegments(count: number): void
  /** Removes producers that have been idle for too long. */
  expireProducers(history: ClockHistory): void
}

export interface Removable {
  /** How many segments, from the oldest on, may go. */
  count: number
  /** The next one, when it has to be proven first how old it is: see {@link Segment.prove}. */
  unproven: Segment | null
}

export function removableSegments(partition: RetainedPartition, history: ClockHistory): Removable {
  const { config, segments, logStartOffset } = partition
  const all = segments.all
  let count = 0
  while (isEligible(partition, count) && (all[count + 1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= logStartOffset) count++
  if (!config.cleanupPolicy.delete) return { count, unproven: null }
  if (config.retentionBytes >= 0) {
    let excess = segments.sizeBytes() - config.retentionBytes
    for (const gone of all.slice(0, count)) excess -= gone.size
    while (isEligible(partition, count) && excess >= all[count]!.size) excess -= all[count++]!.size
  }
  if (config.retentionMs < 0) return { count, unproven: null }
  for (; isEligible(partition, count); count++) {
    const segment = all[count]!
    const isOld = ageOf(segment.newestMs(), history) > config.retentionMs
    if (!segment.isProven && (isOld || segment.maxTimestamp < 0)) return { count, unproven: segment }
    if (!isOld) break
  }
  return { count, unproven: null }
}

/** Everything in it is below the high watermark, so that the log start offset never passes that; and it is not an empty last one. */
function isEligible(partition: RetainedPartition, index: number): boolean {
  const segment = partition.segments.all[index]
  if (segment === undefined) return false
  const next = partition.segments.all[index + 1]
  if (next === undefined && segment.size === 0) return false
  return partition.highWatermark >= (next?.baseOffset ?? partition.logEndOffset)
}

/** When a partition's active segment is full. With compaction no record may wait longer for it than max.compaction.lag.ms. */
export function rollLimits(config: TopicConfig): RollLimits {
  const { segmentBytes, segmentIndexBytes, segmentMs, maxCompactionLagMs, cleanupPolicy } = config
  return {
    segmentBytes,
    segmentIndexBytes,
    segmentMs: cleanupPolicy.compact ? Math.min(segmentMs, Math.max(maxCompactionLagMs, 0)) : segmentMs,
  }
}

export interface RetentionOptions {
  system: System
  intervalMs: number
  partitions(): Iterable<RetainedPartition>
  /** A partition could not be looked after; the others are. */
  onError(partition: RetainedPartition, error: unknown): void
}

export class Retention {
  readonly #options: RetentionOptions
  readonly #turns: Turns
  #timer: Timer | null = null
  #closed = false

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#options.system.timers.after(this.#options.intervalMs, () => void this.#run())
  }

  async #run(): Promise<void> {
    const { system, partitions, onError } = this.#options
    for (const partition of [...partitions()]) {
      if (this.#turns.over) await this.#turns.next()
      if (this.#closed) return
      try {
        let removable = removableSegments(partition, system.clock.history())
        while (removable.unproven !== null && !this.#closed) {
          await removable.unproven.prove()
          removable = removableSegments(partition, system.clock.history())
        }
        if (removable.count > 0) partition.removeSegments(removable.count)
        partition.expireProducers(system.clock.history())
      } catch (error) {
        onError(partition, error)
      }
    }
    if (!this.#closed) this.#arm()
  }
}
