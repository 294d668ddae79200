/** Duration histograms as plain numbers, because some are updated for every request. */

/** Upper bounds of the buckets. */
export const durationBoundsMs = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096] as const

export class Durations {
  count = 0
  totalMs = 0
  /** Counts by upper bound in {@link durationBoundsMs}, the last for everything above. */
  readonly buckets = new Uint32Array(durationBoundsMs.length + 1)

  add(elapsedMs: number): void {
    this.count++
    this.totalMs += elapsedMs
    let bucket = 0
    while (bucket < durationBoundsMs.length && elapsedMs > durationBoundsMs[bucket]!) bucket++
    this.buckets[bucket]!++
  }
}
