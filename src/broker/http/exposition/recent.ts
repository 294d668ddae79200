/**
 * Quantiles of the last minutes, from counters that only grow. Kafka's dashboards expect quantiles of recent values. So
 * each scrape compares the counters with their values one to two windows ago. Several scrapers do not interfere.
 */
import { durationBoundsMs } from '../../../base.ts'
import type { RequestCounts } from '../../metrics.ts'

const windowMs = 60_000

interface Snapshot {
  atMs: number
  buckets: Map<string, Uint32Array>
  cpuMs: number
}

export class Recent {
  #older: Snapshot
  #newer: Snapshot

  constructor(nowMs: number, cpuMs: number) {
    this.#older = this.#newer = { atMs: nowMs, buckets: new Map(), cpuMs }
  }

  /** To be called at each scrape, before the others. */
  advance(nowMs: number, requests: ReadonlyMap<string, RequestCounts>, cpuMs: number): void {
    if (nowMs - this.#newer.atMs < windowMs) return
    this.#older = this.#newer
    this.#newer = {
      atMs: nowMs,
      buckets: new Map(Array.from(requests, ([name, { durations }]) => [name, durations.buckets.slice()])),
      cpuMs,
    }
  }

  /** Counts per bucket since the older snapshot. */
  buckets(name: string, { durations }: RequestCounts): Uint32Array {
    const before = this.#older.buckets.get(name)
    return before === undefined ? durations.buckets : durations.buckets.map((count, index) => count - before[index]!)
  }

  /** Share of one core that the process left idle since the older snapshot. */
  idleShare(nowMs: number, cpuMs: number): number {
    const elapsed = nowMs - this.#older.atMs
    return elapsed <= 0 ? 1 : Math.min(1, Math.max(0, 1 - (cpuMs - this.#older.cpuMs) / elapsed))
  }
}

/** Within its bucket a value is assumed to be evenly distributed. NaN without values. */
export function quantile(buckets: Uint32Array, share: number): number {
  let total = 0
  for (const count of buckets) total += count
  if (total === 0) return Number.NaN
  const rank = share * total
  let below = 0
  for (let index = 0; index < durationBoundsMs.length; index++) {
    const count = buckets[index]!
    if (count > 0 && below + count >= rank) {
      const low = index === 0 ? 0 : durationBoundsMs[index - 1]!
      return low + ((rank - below) / count) * (durationBoundsMs[index]! - low)
    }
    below += count
  }
  return durationBoundsMs.at(-1)!
}
