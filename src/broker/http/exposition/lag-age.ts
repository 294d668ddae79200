/**
 * The lag in seconds: the age of the next record that a group has to read. It comes from the batch with that record, which is read only if
 * the group has moved since the last scrape, and only for a limited number of partitions per scrape, so that scrapes stay cheap.
 */
import type { PartitionLog } from '../../../log.ts'
import { batchHeaderSize, header } from '../../../protocol.ts'

/** More have no figure until a later scrape. */
const readsPerScrape = 200
/** What is remembered beyond the last scrapes is dropped, the oldest first. */
const mostRemembered = 100_000

interface Known {
  offset: number
  timestampMs: number
}

export class LagAges {
  readonly #known = new Map<string, Known>()
  #left = 0

  begin(): void {
    this.#left = readsPerScrape
  }

  /** Seconds at the time `nowMs`; null when unknown. `key` names the group and the partition; `offset` lies below the high watermark. */
  async seconds(key: string, log: PartitionLog, offset: number, nowMs: number): Promise<number | null> {
    let known = this.#known.get(key)
    if (known?.offset !== offset) {
      const timestampMs = await this.#timestampAt(log, Math.max(offset, log.logStartOffset))
      if (timestampMs === null) return null
      known = { offset, timestampMs }
    }
    this.#known.delete(key)
    this.#known.set(key, known)
    if (this.#known.size > mostRemembered) this.#known.delete(this.#known.keys().next().value!)
    return known.timestampMs < 0 ? null : Math.max(0, nowMs - known.timestampMs) / 1000
  }

  async #timestampAt(log: PartitionLog, offset: number): Promise<number | null> {
    if (this.#left === 0) return null
    this.#left--
    const slice = await log.read(offset, { maxBytes: 1, atLeastOne: true, upTo: 'high-watermark' })
    try {
      const batch = slice.chunks[0]
      if (batch === undefined || batch.length < batchHeaderSize || header.magic(batch, 0) !== 2) return null
      return Number(header.baseTimestamp(batch, 0))
    } finally {
      slice.release()
    }
  }
}
