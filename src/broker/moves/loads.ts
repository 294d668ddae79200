/** How many bytes per second each partition takes, from what brokers say of the sizes of theirs. */
import { joinedKey } from '../../base.ts'

interface Seen {
  bytes: number
  atMs: number
  rate: number
}

export class Loads {
  #seen = new Map<string, Seen>()

  /** The sizes of all partitions that could be asked for; others are forgotten. */
  take(sizes: Iterable<{ topic: string; partition: number; bytes: number }>, nowMs: number): void {
    const seen = new Map<string, Seen>()
    for (const { topic, partition, bytes } of sizes) {
      const key = joinedKey(topic, String(partition))
      const before = this.#seen.get(key)
      const seconds = before === undefined ? 0 : (nowMs - before.atMs) / 1_000
      // What retention and compaction removed is not known: then the rate before counts.
      const rate = before === undefined ? 0 : bytes >= before.bytes && seconds > 0 ? (bytes - before.bytes) / seconds : before.rate
      seen.set(key, { bytes, atMs: nowMs, rate })
    }
    this.#seen = seen
  }

  /** Bytes per second; 0 if nothing is known. */
  of(topic: string, partition: number): number {
    return this.#seen.get(joinedKey(topic, String(partition)))?.rate ?? 0
  }
}
