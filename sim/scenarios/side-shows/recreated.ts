/** A topic that is deleted and made again under the same name: it has what was written since, and nothing of those before it. */
import type { Uuid } from '../../../src/protocol.ts'
import type { SeededRandom } from '../../world/random.ts'
import type { Stage } from '../exactly-once-stage.ts'
import { Insistent } from './insistent.ts'
import type { SideShow } from './side-show.ts'

const topic = 'again'
const partitions = 2

export class Recreated implements SideShow {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #client: Insistent

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#client = new Insistent(stage, random.fork())
  }

  async run(): Promise<void> {
    for (let generation = 0; !this.#stage.healed; generation++) {
      const topicId = await this.#client.createTopic(topic, partitions)
      await this.#client.beginProducing()
      const count = 1 + this.#random.below(12)
      for (let sequence = 0; sequence < count; sequence++) {
        for (let partition = 0; partition < partitions; partition++) {
          const value = `${generation}/${sequence}`.padEnd(this.#random.pick([20, 300]), '.')
          await this.#client.append({ topicId, partition, sequence, value })
        }
        await this.#client.sleep(this.#random.fraction() * 200)
      }
      for (let partition = 0; partition < partitions; partition++) await this.#look(topicId, generation, partition, count)
      await this.#client.deleteTopic(topicId)
    }
  }

  async #look(topicId: Uuid, generation: number, partition: number, count: number): Promise<void> {
    const found = (await this.#client.readAll(topicId, partition, 0)) ?? []
    const isRight = found.length === count && found.every(({ value }, nth) => value?.startsWith(`${generation}/${nth}.`))
    const values = found.map(({ value }) => value?.slice(0, 8)).join(' ')
    if (!isRight)
      this.#stage.never(`${topic}-${partition} was made for the ${generation}th time, ${count} were written, and it has ${values}`)
  }

  /** What a topic leaves behind is found when the stores are at rest. */
  async judge(): Promise<void> {
    this.#client.close()
  }
}
