/** Gives out the producer ids of this broker, which it takes from the cluster in blocks, as Kafka's brokers do. */
import { addInt64, type Int64 } from '../../base.ts'
import type { ProducerIdBlock } from './shard.ts'

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>
  #block: ProducerIdBlock & { taken: number } = { first: 0, count: 0, taken: 0 }
  #refill: Promise<void> | null = null

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate
  }

  next(): Int64 | Promise<Int64> {
    const block = this.#block
    if (block.taken < block.count) return addInt64(block.first, block.taken++)
    this.#refill ??= this.#take().finally(() => {
      this.#refill = null
    })
    return this.#refill.then(() => this.next())
  }

  /** What is left of the block may be another broker's. */
  forget(): void {
    this.#block = { first: 0, count: 0, taken: 0 }
  }

  async #take(): Promise<void> {
    this.#block = { ...(await this.#allocate()), taken: 0 }
  }
}
