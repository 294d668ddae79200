/**
 * Bursts of idempotent appends to a topic of their own, so close to each other that a broker always has several frames on their way. At the end
 * all that was acknowledged must be there, once and in order.
 */
import type { Int64 } from '../../src/base.ts'
import { apis, buildBatch } from '../../src/protocol.ts'
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { NoAnswer, visibleRecords, type Wire } from '../world/wire.ts'
import { persist } from './exactly-once-clients.ts'
import type { Stage } from './exactly-once-stage.ts'

const topic = 'noise'
const partitions = 3

export class Noise {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #process: Process
  readonly #wire: Wire
  readonly #acknowledged: string[][] = Array.from({ length: partitions }, () => [])
  #producerId: Int64 = -1

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#process = stage.process()
    this.#wire = stage.wire(this.#process, random.fork())
  }

  /** Until the faults are over. */
  async make(): Promise<void> {
    const stage = this.#stage
    await persist(stage, this.#process, async () => {
      const topics = [{ name: topic, numPartitions: partitions, replicationFactor: 2, assignments: [], configs: [] }]
      const response = await this.#wire.call(apis.createTopics, 4, { topics, timeoutMs: 1000 })
      return ['NONE', 'TOPIC_ALREADY_EXISTS'].includes(stage.told('CreateTopics', response.topics[0]!.errorCode)) ? true : null
    })
    const { producerId } = await persist(stage, this.#process, async () => {
      const response = await this.#wire.call(apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 })
      return stage.told('InitProducerId', response.errorCode) === 'NONE' ? response : null
    })
    this.#producerId = producerId
    await Promise.all(this.#acknowledged.map((_, partition) => this.#burst(partition)))
  }

  async #burst(partition: number): Promise<void> {
    for (let next = 0; !this.#stage.healed; ) {
      await this.#process.sleep(this.#random.fraction() * 800)
      // A broker that knows nothing of a producer takes any first batch; later it remembers the last five.
      const count = next === 0 ? 1 : 3 + this.#random.below(3)
      const sent: Promise<void>[] = []
      for (let nth = 0; nth < count; nth++) {
        sent.push(this.#insist(partition, next + nth))
        await this.#process.sleep(this.#random.fraction() * 2)
      }
      await Promise.all(sent)
      next += count
    }
  }

  /** As a client does it: what fails is sent again, until it is answered. */
  async #insist(partition: number, sequence: number): Promise<void> {
    const stage = this.#stage
    const value = `${partition}/${sequence}`.padEnd(this.#random.pick([20, 400]), '.')
    for (let tries = 0; tries < 2_000; tries++) {
      const records = buildBatch({
        records: [{ key: null, value: Buffer.from(value) }],
        timestamp: stage.world.system.clock.now(),
        producerId: this.#producerId,
        producerEpoch: 0,
        baseSequence: sequence,
      })
      try {
        const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }]
        const { responses } = await this.#wire.call(apis.produce, 9, { acks: -1, timeoutMs: 1000, topicData })
        const told = stage.told('Produce', responses[0]!.partitionResponses[0]!.errorCode)
        if (told === 'NONE' || told === 'DUPLICATE_SEQUENCE_NUMBER') {
          this.#acknowledged[partition]!.push(value)
          return
        }
        if (told === 'UNKNOWN_SERVER_ERROR' || told === 'INVALID_PRODUCER_EPOCH') stage.never(`noise was told ${told}`)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      await this.#process.sleep(20 + this.#random.fraction() * 30)
    }
    stage.never(`noise ${value} is never acknowledged`)
  }

  /** Throws a Finding when something is missing, twice, or out of order. */
  async judge(): Promise<void> {
    const stage = this.#stage
    for (const [partition, acknowledged] of this.#acknowledged.entries()) {
      const found: string[] = []
      let next = 0
      await persist(stage, this.#process, async () => {
        const wanted = [{ topic, partitions: [{ partition, fetchOffset: next, partitionMaxBytes: 100_000 }] }]
        const request = { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics: wanted, forgottenTopicsData: [] }
        const { responses } = await this.#wire.call(apis.fetch, 11, request)
        const answer = responses[0]!.partitions[0]!
        if (stage.told('Fetch', answer.errorCode) !== 'NONE') return null
        const visible = visibleRecords(answer.records ?? Buffer.alloc(0), next, null)
        found.push(...visible.records.map(([, value]) => value))
        next = visible.next
        return next >= Number(answer.highWatermark) ? true : null
      })
      const expected = acknowledged.length
      for (let sequence = 0; sequence < expected; sequence++) {
        const value = found[sequence]
        if (value === undefined || !value.startsWith(`${partition}/${sequence}.`)) {
          const first = `of ${expected} acknowledged and ${found.length} found`
          stage.never(`noise ${partition}/${sequence} ${first} is not in its place: ${value?.slice(0, 20)}`)
        }
      }
      if (found.length > expected) stage.never(`noise of partition ${partition} is there ${found.length - expected} times too often`)
    }
    this.#process.kill()
    this.#wire.close()
  }
}
