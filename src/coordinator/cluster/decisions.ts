/**
 * The decisions of the broker that keeps the metadata log, one after the other.
 *
 * Hides that some take many turns: then all others wait, and nobody sees what is half replayed. Small ones are made at once, so that those of
 * one turn share a batch of the log.
 */
import type { Turns } from '../../base.ts'
import type { Coordinator } from '../shard.ts'
import { isDeciding, type Step } from './deciding.ts'
import type { ClusterShard } from './shard.ts'

export class Decisions {
  readonly #coordinator: Coordinator<ClusterShard>
  readonly #turns: Turns
  /** Settles when what takes many turns is done; null: nothing does. */
  #long: Promise<unknown> | null = null

  constructor(coordinator: Coordinator<ClusterShard>, turns: Turns) {
    this.#coordinator = coordinator
    this.#turns = turns
  }

  async write<R>(step: Step<R>): Promise<R> {
    while (this.#long !== null) await this.#long
    const coordinator = this.#coordinator
    const made = step(coordinator.shard)
    if (!isDeciding(made)) return coordinator.write(() => made)
    while (!this.#turns.over) {
      const { done, value } = made.next()
      if (done) return coordinator.write(() => value)
    }
    const { durable } = await this.#keep(() => coordinator.writeInSlices(made))
    return durable
  }

  /** Runs what must not see a part of a change, and takes many turns. */
  async alone<R>(work: () => Promise<R>): Promise<R> {
    while (this.#long !== null) await this.#long
    return this.#keep(work)
  }

  async #keep<R>(work: () => Promise<R>): Promise<R> {
    const over = Promise.withResolvers<void>()
    this.#long = over.promise
    try {
      return await work()
    } finally {
      this.#long = null
      over.resolve()
    }
  }
}
