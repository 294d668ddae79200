/** Positions by partition: topics may have any name that Kafka allows, none of which has a space. */
import type { PartitionName, PartitionOffset } from '../../client.ts'

export class Positions {
  readonly #offsets = new Map<string, PartitionOffset>()

  /** To ask which partitions are among these. */
  static of(partitions: readonly PartitionName[]): Positions {
    const positions = new Positions()
    for (const each of partitions) positions.set(each, 0n)
    return positions
  }

  get(partition: PartitionName): bigint | undefined {
    return this.#offsets.get(keyOf(partition))?.offset
  }

  set({ topic, partition }: PartitionName, offset: bigint): void {
    this.#offsets.set(keyOf({ topic, partition }), { topic, partition, offset })
  }

  has(partition: PartitionName): boolean {
    return this.#offsets.has(keyOf(partition))
  }

  delete(partition: PartitionName): void {
    this.#offsets.delete(keyOf(partition))
  }

  clear(): void {
    this.#offsets.clear()
  }

  all(): PartitionOffset[] {
    return [...this.#offsets.values()]
  }
}

function keyOf({ topic, partition }: PartitionName): string {
  return `${topic} ${partition}`
}
