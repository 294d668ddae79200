/**
 * Removes whole pieces that retention.ms, retention.bytes and DeleteRecords allow to remove, oldest first: the rules of
 * `cleaner/retention.ts`, over rows.
 *
 * First the log start moves up, then rows go, and the database sees to their objects. Who has read a row before goes on reading: its object
 * lives on for a while.
 */
import { type ClockHistory, type System, Turns } from '../../../base.ts'
import type { SegmentRow } from '../../../store.ts'
import type { UpkeepCounts } from './counts.ts'
import { type FlushedPartition, keyOfRow } from './ports.ts'
import { Retries } from './retries.ts'
import type { RowAges } from './row-ages.ts'
import type { RowWriter } from './row-writer.ts'

export interface RowRetentionOptions {
  system: System
  rows: RowWriter
  ages: RowAges
  counts: UpkeepCounts
  partitions(): Iterable<FlushedPartition>
  report(what: string, error: unknown): void
}

/** In one transaction. */
const mostRows = 1_000
const mostPartitions = 64

/** How many of the partition's first rows may go. */
export function removableRows(partition: FlushedPartition, ages: RowAges, history: ClockHistory): number {
  const { config, segments, logStartOffset, highWatermark } = partition
  // The log start offset never passes the high watermark.
  const isEligible = (nth: number) => nth < segments.length && segments[nth]!.endOffset <= highWatermark
  let count = 0
  while (isEligible(count) && segments[count]!.endOffset <= logStartOffset) count++
  if (!config.cleanupPolicy.delete) return count
  if (config.retentionBytes >= 0) {
    let excess = partition.unflushedBytes - config.retentionBytes
    for (let nth = count; nth < segments.length; nth++) excess += segments[nth]!.bytes
    while (isEligible(count) && excess >= segments[count]!.bytes) excess -= segments[count++]!.bytes
  }
  if (config.retentionMs >= 0) while (isEligible(count) && ages.ageMs(segments[count]!, history) > config.retentionMs) count++
  return count
}

interface Removal {
  partition: FlushedPartition
  /** The first of its rows. */
  removed: readonly SegmentRow[]
  /** More of them may go. */
  isPart: boolean
}

export class RowRetention {
  readonly #options: RowRetentionOptions
  readonly #turns: Turns
  readonly #retries: Retries
  #closed = false

  constructor(options: RowRetentionOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
    this.#retries = new Retries(options.system, options.report)
  }

  stop(): void {
    this.#closed = true
  }

  /** One round over all partitions. Never rejects. */
  async run(): Promise<void> {
    const waiting: FlushedPartition[] = []
    const { system, partitions } = this.#options
    for (const partition of [...partitions()]) {
      if (this.#turns.over) await this.#turns.next()
      if (this.#stopped) return
      partition.expireProducers(system.clock.history())
      if (this.#removalOf(partition, 1) !== null) waiting.push(partition)
    }
    while (waiting.length > 0 && !this.#stopped) await this.#remove(waiting)
  }

  get #stopped(): boolean {
    return this.#closed || this.#options.rows.ended
  }

  #removalOf(partition: FlushedPartition, mostOfThem: number): Removal | null {
    const { system, ages } = this.#options
    if (!partition.writable || !this.#retries.isDue(partition)) return null
    const count = removableRows(partition, ages, system.clock.history())
    if (count === 0) return null
    return { partition, removed: partition.segments.slice(0, Math.min(count, mostOfThem)), isPart: count > mostOfThem }
  }

  /** Of as many of those that wait as fit into one transaction; who has more to remove waits again. */
  async #remove(waiting: FlushedPartition[]): Promise<void> {
    const removals: Removal[] = []
    for (let rows = 0; waiting.length > 0 && removals.length < mostPartitions && rows < mostRows; ) {
      const removal = this.#removalOf(waiting.shift()!, mostRows - rows)
      if (removal === null) continue
      removals.push(removal)
      rows += removal.removed.length
    }
    const begun = (await Promise.all(removals.map(each => this.#moveLogStart(each)))).filter(each => each !== null)
    if (begun.length === 0) return
    let done: Removal[] = []
    const make = () => {
      // Others may have replaced rows meanwhile: then the next round looks again.
      done = begun.filter(({ partition, removed }) => partition.writable && removed.every((row, nth) => row === partition.segments[nth]))
      return { removeSegments: done.flatMap(({ removed }) => removed.map(keyOfRow)) }
    }
    const apply = () => {
      for (const { partition, removed } of done) {
        partition.replaceSegments(removed, [])
        this.#options.counts.removedPieces += removed.length
      }
    }
    try {
      await this.#options.rows.commit(make, apply)
    } catch (error) {
      for (const { partition } of begun) this.#failed(partition, error)
      return
    }
    for (const { partition, isPart } of done) {
      this.#retries.succeeded(partition)
      if (isPart) waiting.push(partition)
    }
  }

  /** null: it failed, which concerns this partition alone. */
  async #moveLogStart(removal: Removal): Promise<Removal | null> {
    const { partition, removed } = removal
    try {
      const start = removed.at(-1)!.endOffset
      if (start > partition.logStartOffset) await partition.moveLogStart(start)
      return removal
    } catch (error) {
      this.#failed(partition, error)
      return null
    }
  }

  #failed(partition: FlushedPartition, error: unknown): void {
    // Who gives it away refuses, too, and nobody need hear of it.
    if (!this.#options.rows.ended && partition.writable) this.#retries.failed(partition, `retention of ${partition.name}`, error)
  }
}
