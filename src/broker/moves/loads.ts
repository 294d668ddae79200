/** How many bytes per second each partition takes, from what brokers say of the sizes of theirs. */

interface Seen {
  bytes: number
  atMs: number
  rate: number
}

/** Of this many partitions is a step. */
const atOnce = 500

export class Loads {
  /** By topic and partition. */
  #seen = new Map<string, Map<number, Seen>>()

  /** Bytes per second; 0 if nothing is known. */
  of(topic: string, partition: number): number {
    return this.#seen.get(topic)?.get(partition)?.rate ?? 0
  }

  /** The sizes of all partitions that could be asked for; others are forgotten. In steps, as there may be many. */
  *take(sizes: readonly { topic: string; partition: number; bytes: number }[], nowMs: number): Generator<void> {
    const seen = new Map<string, Map<number, Seen>>()
    for (const [index, { topic, partition, bytes }] of sizes.entries()) {
      if (index % atOnce === 0) yield
      const before = this.#seen.get(topic)?.get(partition)
      const seconds = before === undefined ? 0 : (nowMs - before.atMs) / 1_000
      // What retention and compaction removed is not known: then the rate before counts.
      const rate = before === undefined ? 0 : bytes >= before.bytes && seconds > 0 ? (bytes - before.bytes) / seconds : before.rate
      let ofTopic = seen.get(topic)
      if (ofTopic === undefined) seen.set(topic, (ofTopic = new Map()))
      ofTopic.set(partition, { bytes, atMs: nowMs, rate })
    }
    this.#seen = seen
  }
}
