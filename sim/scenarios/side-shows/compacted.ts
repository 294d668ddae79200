/**
 * A compacted topic: whoever reads all of it finds the newest value of each key, or nothing once that was deleted; older ones only before it, and
 * each offset has one value for ever.
 */
import { zeroUuid } from '../../../src/protocol.ts'
import type { SeededRandom } from '../../world/random.ts'
import type { Stage } from '../exactly-once-stage.ts'
import { Insistent, type Read } from './insistent.ts'
import type { SideShow } from './side-show.ts'

const topic = 'compacted'
const keys = ['a', 'b', 'c', 'd', 'e']
const config = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.01',
  'segment.ms': '1000',
  'delete.retention.ms': '8000',
}
/** Who reads for longer may have passed a value whose deletion was forgotten before it got there. */
const longestReadMs = 5_000

export class Compacted implements SideShow {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #client: Insistent
  #topicId = zeroUuid
  readonly #partitions = [0, 1].map(number => new Ledger(number))

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#client = new Insistent(stage, random.fork())
  }

  async run(): Promise<void> {
    this.#topicId = await this.#client.createTopic(topic, this.#partitions.length, config)
    await this.#client.beginProducing()
    await Promise.all(this.#partitions.flatMap(each => [this.#produce(each), this.#follow(each)]))
  }

  async #produce(ledger: Ledger): Promise<void> {
    for (let sequence = 0; !this.#stage.healed; sequence++) {
      const key = this.#random.pick(keys)
      const value = this.#random.chance(0.1) ? null : `${sequence}`.padEnd(this.#random.pick([20, 200]), '.')
      ledger.sent.push({ offset: sequence, key, value })
      await this.#client.append({ topicId: this.#topicId, partition: ledger.number, sequence, key, value })
      ledger.acknowledged = ledger.sent.length
      await this.#client.sleep(this.#random.fraction() * 100)
    }
  }

  async #follow(ledger: Ledger): Promise<void> {
    while (!this.#stage.healed) {
      await this.#client.sleep(500 + this.#random.fraction() * 2_500)
      await this.#look(ledger)
    }
  }

  async judge(): Promise<void> {
    for (const ledger of this.#partitions) await this.#look(ledger)
    this.#client.close()
  }

  async #look(ledger: Ledger): Promise<void> {
    const { acknowledged } = ledger
    const begunMs = this.#stage.nowMs
    const found = await this.#client.readAll(this.#topicId, ledger.number, 0)
    if (found === null) return this.#stage.never(`${topic}-${ledger.number} does not begin at 0 any more, and nobody deletes what is old`)
    const wrong = ledger.wrongIn(found, acknowledged, this.#stage.nowMs - begunMs <= longestReadMs)
    if (wrong !== null) this.#stage.never(`${topic}-${ledger.number}: ${wrong}`)
  }
}

/** What was sent to a partition. Nobody else writes there, so the nth record has the offset n. */
class Ledger {
  readonly number: number
  readonly sent: Read[] = []
  acknowledged = 0

  constructor(number: number) {
    this.number = number
  }

  /** `acknowledged`: so many were when the reader began. `fast`: it must have seen deletions. */
  wrongIn(found: readonly Read[], acknowledged: number, fast: boolean): string | null {
    let before = -1
    const there = new Map<string | null, number>()
    for (const { offset, key, value } of found) {
      const sent = this.sent[offset]
      if (offset <= before) return `offset ${offset} comes after ${before}`
      if (sent?.key !== key || sent.value !== value)
        return `${key}: ${value?.slice(0, 20)} is at ${offset}, where ${sent?.key}: ${sent?.value} was sent`
      before = offset
      there.set(key, offset)
    }
    const newest = new Map<string | null, Read>()
    for (const each of this.sent.slice(0, acknowledged)) newest.set(each.key, each)
    for (const [key, { offset, value }] of newest) {
      const last = there.get(key)
      // A deletion is forgotten in the end.
      if (last === undefined && value !== null) return `${key} is missing, whose newest value is that at ${offset}`
      if (last !== undefined && last < offset && (value !== null || fast))
        return `${key} has the value at ${last}, and a newer one at ${offset} was acknowledged`
    }
    return null
  }
}
