/**
 * Measures rates and computes throttle times in Kafka's two ways, so that a quota has the same effect here.
 *
 * {@link Rate} averages over sliding windows (KIP-13): bytes, time, connections. {@link TokenBucket} allows bursts (KIP-599): changes of
 * topics. Times are milliseconds of the monotonic clock.
 */
export interface Windows {
  /** `quota.window.num`. */
  readonly count: number
  /** `quota.window.size.seconds`. */
  readonly sizeMs: number
}

interface Sample {
  startMs: number
  lastMs: number
  sum: number
}

export class Rate {
  /** A ring with one more sample than there are windows, because the oldest overlaps the beginning of the measured time. */
  readonly #samples: Sample[] = []
  #current = 0
  /** When something was last recorded. */
  lastMs = 0

  record(value: number, nowMs: number, windows: Windows): void {
    this.lastMs = nowMs
    let sample = this.#samples[this.#current]
    if (sample === undefined) this.#samples.push((sample = { startMs: nowMs, lastMs: nowMs, sum: 0 }))
    else if (nowMs - sample.startMs >= windows.sizeMs) sample = this.#advance(nowMs, windows)
    sample.sum += value
    sample.lastMs = nowMs
  }

  /** How long nothing may be recorded until the average is down to the bound again; 0 when it is. */
  excessMs(bound: number, nowMs: number, windows: Windows): number {
    const spanMs = this.#spanMs(nowMs, windows)
    let sum = 0
    for (const sample of this.#samples) sum += sample.sum
    const rate = sum / (spanMs / 1000)
    return rate <= bound ? 0 : Math.round(((rate - bound) / bound) * spanMs)
  }

  #advance(nowMs: number, { count }: Windows): Sample {
    this.#current = (this.#current + 1) % (count + 1)
    const sample = this.#samples[this.#current]
    if (sample === undefined) {
      const added = { startMs: nowMs, lastMs: nowMs, sum: 0 }
      this.#samples.push(added)
      return added
    }
    return restart(sample, nowMs)
  }

  /** The time that the samples stand for: at least all windows but the last, so that a first burst does not look like a high rate. */
  #spanMs(nowMs: number, { count, sizeMs }: Windows): number {
    let oldestMs = nowMs
    for (const sample of this.#samples) {
      if (nowMs - sample.lastMs >= count * sizeMs) restart(sample, nowMs)
      oldestMs = Math.min(oldestMs, sample.startMs)
    }
    const elapsedMs = nowMs - oldestMs
    const missing = Math.max(0, count - 1 - Math.floor(elapsedMs / sizeMs))
    return Math.max(1, elapsedMs + missing * sizeMs)
  }
}

function restart(sample: Sample, nowMs: number): Sample {
  sample.startMs = sample.lastMs = nowMs
  sample.sum = 0
  return sample
}

export class TokenBucket {
  #tokens = Number.POSITIVE_INFINITY
  lastMs = 0

  /** How long until the bucket is no longer overdrawn; 0 when it is not. */
  overdrawnMs(perSecond: number, nowMs: number, windows: Windows): number {
    this.#refill(perSecond, nowMs, windows)
    return this.#tokens >= 0 ? 0 : Math.round((-this.#tokens / perSecond) * 1000)
  }

  take(tokens: number, perSecond: number, nowMs: number, windows: Windows): void {
    this.#refill(perSecond, nowMs, windows)
    this.#tokens -= tokens
  }

  #refill(perSecond: number, nowMs: number, { count, sizeMs }: Windows): void {
    const burst = (count * sizeMs * perSecond) / 1000
    this.#tokens = Math.min(burst, this.#tokens + (perSecond * (nowMs - this.lastMs)) / 1000)
    this.lastMs = nowMs
  }
}
