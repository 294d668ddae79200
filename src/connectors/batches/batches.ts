/**
 * Records in batches, one after the other. A worker calls `put` again with the same records after a RetriableError: what was written then is not
 * written once more, which matters for targets without keys.
 */
import type { SinkRecord } from '../../connector.ts'

export class Batches {
  readonly #size: number
  /** Of the call that failed last. */
  #failed: string | null = null
  #done = 0

  constructor(size: number) {
    this.#size = size
  }

  async write(records: readonly SinkRecord[], write: (batch: readonly SinkRecord[]) => Promise<void>): Promise<void> {
    if (records.length === 0) return
    const these = nameOf(records)
    if (these !== this.#failed) this.#done = 0
    this.#failed = these
    while (this.#done < records.length) {
      const end = Math.min(this.#done + this.#size, records.length)
      await write(records.slice(this.#done, end))
      this.#done = end
    }
    this.#failed = null
  }

  /** After others have read these partitions, nothing is known of what was written. */
  forget(): void {
    this.#failed = null
  }
}

function nameOf(records: readonly SinkRecord[]): string {
  return [records[0]!, records.at(-1)!]
    .map(({ original }) => `${original.topic} ${original.partition} ${original.offset}`)
    .concat(String(records.length))
    .join(' ')
}
