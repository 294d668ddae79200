/** Latencies by buckets that grow by one percent: percentiles of any number of records in little memory. */

const growth = Math.log(1.01)
/** Milliseconds of the first bucket. */
const least = 0.001
const buckets = 3_000

export interface LatencySummary {
  avg: number
  p50: number
  p95: number
  p99: number
  p999: number
  max: number
}

export class Latencies {
  readonly #counts = new Float64Array(buckets)
  #count = 0
  #sum = 0
  #max = 0

  /** `times`: of so many records. */
  add(ms: number, times = 1): void {
    const bucket = ms <= least ? 0 : Math.min(buckets - 1, Math.floor(Math.log(ms / least) / growth))
    this.#counts[bucket]! += times
    this.#count += times
    this.#sum += ms * times
    if (ms > this.#max) this.#max = ms
  }

  /** null: nothing was added. */
  summary(): LatencySummary | null {
    if (this.#count === 0) return null
    const at = (part: number) => rounded(this.#quantile(part))
    return {
      avg: rounded(this.#sum / this.#count),
      ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999) },
      max: rounded(this.#max),
    }
  }

  /** The upper end of its bucket, but not more than the largest. */
  #quantile(part: number): number {
    let left = this.#count * part
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#counts[bucket]!
      if (left <= 0) return Math.min(this.#max, least * Math.exp(growth * (bucket + 1)))
    }
    return this.#max
  }
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(3))
}

export function latencyText(summary: LatencySummary | null): string {
  if (summary === null) return ''
  const { avg, p50, p95, p99, p999, max } = summary
  return `latency ms: avg ${avg}, p50 ${p50}, p95 ${p95}, p99 ${p99}, p99.9 ${p999}, max ${max}\n`
}
