/**
 * Partitions whose beginning is deleted again and again. What was deleted never comes back once that was confirmed, and nothing behind it goes. One
 * record has one offset here, so each says where it has to be.
 */
import { zeroUuid } from '../../../src/protocol.ts'
import type { SeededRandom } from '../../world/random.ts'
import type { Stage } from '../exactly-once-stage.ts'
import { Insistent } from './insistent.ts'
import type { SideShow } from './side-show.ts'

const topic = 'trimmed'

interface Partition {
  number: number
  acknowledged: number
  /** All below may be deleted, and is deleted for certain. */
  asked: number
  deleted: number
}

export class Trimmed implements SideShow {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #client: Insistent
  #topicId = zeroUuid
  readonly #partitions: readonly Partition[] = [0, 1].map(number => ({ number, acknowledged: 0, asked: 0, deleted: 0 }))

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#client = new Insistent(stage, random.fork())
  }

  async run(): Promise<void> {
    this.#topicId = await this.#client.createTopic(topic, this.#partitions.length)
    await this.#client.beginProducing()
    await Promise.all(this.#partitions.flatMap(each => [this.#produce(each), this.#delete(each)]))
  }

  async #produce(partition: Partition): Promise<void> {
    while (!this.#stage.healed) {
      const sequence = partition.acknowledged
      const value = `${sequence}`.padEnd(this.#random.pick([20, 300]), '.')
      await this.#client.append({ topicId: this.#topicId, partition: partition.number, sequence, value })
      partition.acknowledged++
      await this.#client.sleep(this.#random.fraction() * 150)
    }
  }

  async #delete(partition: Partition): Promise<void> {
    while (!this.#stage.healed) {
      await this.#client.sleep(this.#random.fraction() * 2_000)
      partition.asked += this.#random.below(partition.acknowledged - partition.asked + 1)
      await this.#client.deleteBefore(topic, partition.number, partition.asked)
      partition.deleted = partition.asked
      if (this.#random.chance(0.5)) await this.#look(partition)
    }
  }

  async judge(): Promise<void> {
    for (const partition of this.#partitions) await this.#look(partition)
    this.#client.close()
  }

  async #look(partition: Partition): Promise<void> {
    const { number, acknowledged, deleted } = partition
    const start = await this.#client.offset(topic, number, -2)
    if (start < deleted) this.#stage.never(`${topic}-${number} begins at ${start}, and was deleted up to ${deleted}`)
    if (start > partition.asked)
      this.#stage.never(`${topic}-${number} begins at ${start}, and nobody deleted more than up to ${partition.asked}`)
    const found = await this.#client.readAll(this.#topicId, number, start)
    if (found === null) return this.#stage.never(`${topic}-${number} begins behind ${start}, where it began`)
    found.forEach(({ offset, value }, nth) => {
      if (offset !== start + nth || !value?.startsWith(`${offset}.`))
        this.#stage.never(`${topic}-${number} has ${value?.slice(0, 20)} at ${offset}, ${nth} records behind ${start}`)
    })
    if (start + found.length < acknowledged)
      this.#stage.never(`${topic}-${number} ends at ${start + found.length}, and ${acknowledged} were acknowledged`)
  }
}
