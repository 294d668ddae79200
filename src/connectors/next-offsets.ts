/** By partition, the next record to write: for targets that keep the offsets themselves. */
import type { Offsets, TopicPartition } from '../connector.ts'

export class NextOffsets {
  readonly #next = new Map<string, Offsets[number]>()

  /** 0: not known. */
  of(partition: TopicPartition): bigint {
    return this.#next.get(nameOf(partition))?.offset ?? 0n
  }

  all(): Offsets {
    return [...this.#next.values()]
  }

  set(offsets: Offsets): void {
    for (const each of offsets) this.#next.set(nameOf(each), each)
  }

  forget(partitions: readonly TopicPartition[]): void {
    for (const each of partitions) this.#next.delete(nameOf(each))
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic} ${partition}`
}
