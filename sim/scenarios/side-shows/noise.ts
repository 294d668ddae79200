/**
 * Bursts of idempotent appends, so close to each other that a broker always has several frames on their way. At the end all that was acknowledged
 * must be there, once and in order; and whoever asks meanwhile, also a broker that does not know yet that others lead, is told of no end before that.
 */
import { zeroUuid } from '../../../src/protocol.ts'
import type { SeededRandom } from '../../world/random.ts'
import type { Stage } from '../exactly-once-stage.ts'
import { Insistent } from './insistent.ts'
import { Onlooker } from './onlooker.ts'
import type { SideShow } from './side-show.ts'

const topic = 'noise'
const partitions = 3

export class Noise implements SideShow {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #client: Insistent
  readonly #observer: Insistent
  #topicId = zeroUuid
  /** How many, by partition. */
  readonly #acknowledged = Array.from({ length: partitions }, () => 0)

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#client = new Insistent(stage, random.fork())
    this.#observer = new Insistent(stage, random.fork())
  }

  async run(): Promise<void> {
    this.#topicId = await this.#client.createTopic(topic, partitions)
    await this.#client.beginProducing()
    const lookingOn = Array.from({ length: this.#stage.brokers }, (_, broker) => this.#lookOn(broker))
    await Promise.all([this.#observe(), ...lookingOn, ...this.#acknowledged.map((_, partition) => this.#produce(partition))])
  }

  async #observe(): Promise<void> {
    while (!this.#stage.healed) {
      await this.#observer.sleep(this.#random.fraction() * 200)
      const partition = this.#random.below(partitions)
      const least = this.#acknowledged[partition]!
      const end = await this.#observer.offset(topic, partition, -1)
      if (end < least) this.#stage.never(`noise ${partition} ends at ${end}, as somebody is told, and ${least} were acknowledged before`)
    }
    this.#observer.close()
  }

  async #lookOn(broker: number): Promise<void> {
    const onlooker = new Onlooker(this.#stage, broker, this.#random.fork())
    while (!this.#stage.healed) {
      await onlooker.sleep(this.#random.fraction() * 150)
      const partition = this.#random.below(partitions)
      const least = this.#acknowledged[partition]!
      if ((await onlooker.reaches(topic, partition, least)) === false)
        this.#stage.never(`broker ${broker} says that noise ${partition} ends before ${least}, which were acknowledged before`)
    }
    onlooker.close()
  }

  async #produce(partition: number): Promise<void> {
    for (let next = 0; !this.#stage.healed; ) {
      await this.#client.sleep(this.#random.fraction() * 800)
      // A broker that knows nothing of a producer takes any first batch; later it remembers the last five.
      const count = next === 0 ? 1 : 3 + this.#random.below(3)
      // A burst whose producer does not wait for a broker that was cut off is soon with the next leader, while that broker still answers.
      const patienceMs = this.#random.chance(0.7) ? 1_000 : undefined
      const sent: Promise<void>[] = []
      for (let nth = 0; nth < count; nth++) {
        const sequence = next + nth
        const value = `${partition}/${sequence}`.padEnd(this.#random.pick([20, 400]), '.')
        const acknowledged = () => {
          this.#acknowledged[partition] = Math.max(this.#acknowledged[partition]!, sequence + 1)
        }
        sent.push(this.#client.append({ topicId: this.#topicId, partition, sequence, value, patienceMs }).then(acknowledged))
        await this.#client.sleep(this.#random.fraction() * 2)
      }
      await Promise.all(sent)
      next += count
    }
  }

  async judge(): Promise<void> {
    const stage = this.#stage
    for (const [partition, expected] of this.#acknowledged.entries()) {
      const found = (await this.#client.readAll(this.#topicId, partition, 0)) ?? []
      for (let sequence = 0; sequence < expected; sequence++) {
        const value = found[sequence]?.value
        if (!value?.startsWith(`${partition}/${sequence}.`)) {
          const first = `of ${expected} acknowledged and ${found.length} found`
          stage.never(`noise ${partition}/${sequence} ${first} is not in its place: ${value?.slice(0, 20)}`)
        }
      }
      if (found.length > expected) stage.never(`noise of partition ${partition} is there ${found.length - expected} times too often`)
    }
    this.#client.close()
  }
}
