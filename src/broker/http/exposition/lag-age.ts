/**
 * How old the next record is that a group has to read: its lag in seconds. Told by the batch that holds the record, which is read only when
 * the group has moved since the last scrape, and for so many partitions of a scrape, so that a scrape costs little whatever groups do.
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
