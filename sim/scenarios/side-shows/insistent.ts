/** A client that repeats each request until it is answered as it has to be; nobody else writes to its topics. */
import type { Int64 } from '../../../src/base.ts'
import { apis, batchesIn, buildBatch, type ErrorName, forEachRecordOf, type Uuid } from '../../../src/protocol.ts'
import type { Process } from '../../world/process.ts'
import type { SeededRandom } from '../../world/random.ts'
import { NoAnswer, type Wire } from '../../world/wire.ts'
import type { Stage } from '../exactly-once-stage.ts'

export interface Written {
  topicId: Uuid
  partition: number
  /** Of its producer in this partition; null: without a producer id, so it may be there more than once. */
  sequence: number | null
  key?: string
  value: string | null
  /** For how long one request is waited for. Default: drawn for each. Who waits for long may be told of what was decided long ago. */
  patienceMs?: number | undefined
}

export interface Read {
  offset: number
  key: string | null
  value: string | null
}

export class Insistent {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #process: Process
  readonly #wire: Wire
  /** A broker that is behind may know them still. */
  readonly #deleted = new Set<Uuid>()
  #producerId: Int64 = -1

  constructor(stage: Stage, random: SeededRandom) {
    this.#stage = stage
    this.#random = random
    this.#process = stage.process()
    this.#wire = stage.wire(this.#process, random.fork())
  }

  /** Answers its id. */
  async createTopic(name: string, numPartitions: number, configs: Readonly<Record<string, string>> = {}): Promise<Uuid> {
    const values = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const topics = [{ name, numPartitions, replicationFactor: 2, assignments: [], configs: values }]
    await this.#ask('CreateTopics', ['NONE', 'TOPIC_ALREADY_EXISTS'], async () => {
      return (await this.#wire.call(apis.createTopics, 4, { topics, timeoutMs: 1000 })).topics[0]!.errorCode
    })
    let id: Uuid | null = null
    while (id === null || this.#deleted.has(id))
      await this.#ask('Metadata', ['NONE'], async () => {
        const flags = { allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
        const [topic] = (await this.#wire.call(apis.metadata, 12, { topics: [{ name }], ...flags })).topics
        id = topic!.topicId
        return topic!.errorCode
      })
    return id
  }

  async deleteTopic(topicId: Uuid): Promise<void> {
    const ask = () =>
      this.#ask('DeleteTopics', ['NONE', 'UNKNOWN_TOPIC_ID'], async () => {
        const request = { topics: [{ name: null, topicId }], topicNames: [], timeoutMs: 1000 }
        return (await this.#wire.call(apis.deleteTopics, 6, request)).responses[0]!.errorCode
      })
    // A broker that is behind may not know of it yet.
    for (let unknown = 0; unknown < 2 && (await ask()) !== 'NONE'; unknown++) await this.#process.sleep(2_000)
    this.#deleted.add(topicId)
  }

  /** A producer id of its own, whose sequences begin anew. */
  async beginProducing(): Promise<void> {
    await this.#ask('InitProducerId', ['NONE'], async () => {
      const response = await this.#wire.call(apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 })
      this.#producerId = response.producerId
      return response.errorCode
    })
  }

  /** Once it is acknowledged. */
  async append({ topicId, partition, sequence, key, value, patienceMs }: Written): Promise<void> {
    const stage = this.#stage
    await this.#ask('Produce', ['NONE', 'DUPLICATE_SEQUENCE_NUMBER'], async () => {
      const records = buildBatch({
        records: [{ key: key === undefined ? null : Buffer.from(key), value: value === null ? null : Buffer.from(value) }],
        timestamp: stage.world.system.clock.now(),
        ...(sequence === null ? {} : { producerId: this.#producerId, producerEpoch: 0, baseSequence: sequence }),
      })
      const topicData = [{ topicId, partitionData: [{ index: partition, records }] }]
      const timeoutMs = patienceMs ?? this.#random.pick([1_000, 8_000])
      const { responses } = await this.#wire.call(apis.produce, 13, { acks: -1, timeoutMs, topicData }, timeoutMs)
      return responses[0]!.partitionResponses[0]!.errorCode
    })
  }

  async deleteBefore(topic: string, partition: number, offset: number): Promise<void> {
    await this.#ask('DeleteRecords', ['NONE'], async () => {
      const request = { topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }], timeoutMs: 1000 }
      return (await this.#wire.call(apis.deleteRecords, 2, request)).topics[0]!.partitions[0]!.errorCode
    })
  }

  /** `timestamp` -2: where the partition begins; -1: where it ends. */
  async offset(topic: string, partition: number, timestamp: -1 | -2): Promise<number> {
    let found = -1
    await this.#ask('ListOffsets', ['NONE'], async () => {
      const topics = [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }]
      const response = await this.#wire.call(apis.listOffsets, 5, { replicaId: -1, isolationLevel: 0, topics })
      const [answer] = response.topics[0]!.partitions
      found = Number(answer!.offset)
      return answer!.errorCode
    })
    return found
  }

  /** All from there up to the end. null: the partition begins behind that by now. */
  async readAll(topicId: Uuid, partition: number, from: number): Promise<Read[] | null> {
    const found: Read[] = []
    let [next, end] = [from, -1]
    while (end === -1 || next < end) {
      const told = await this.#ask('Fetch', ['NONE', 'OFFSET_OUT_OF_RANGE'], async () => {
        const wanted = [{ topicId, partitions: [{ partition, fetchOffset: next, partitionMaxBytes: this.#random.pick([2_000, 100_000]) }] }]
        const request = { maxWaitMs: 0, minBytes: 0, isolationLevel: 0, topics: wanted, forgottenTopicsData: [] }
        const { responses } = await this.#wire.call(apis.fetch, 13, request)
        const answer = responses[0]!.partitions[0]!
        if (answer.errorCode !== 0) return answer.errorCode
        end = Number(answer.highWatermark)
        for (const batch of batchesIn(answer.records ?? Buffer.alloc(0))) {
          forEachRecordOf(batch, ({ offset, key, value }) => {
            if (offset >= next) found.push({ offset, key: key?.toString() ?? null, value: value?.toString() ?? null })
            return true
          })
          next = Math.max(next, batch.header.lastOffset + 1)
        }
        return 0
      })
      if (told === 'OFFSET_OUT_OF_RANGE') return null
    }
    return found
  }

  sleep(ms: number): Promise<void> {
    return this.#process.sleep(ms)
  }

  close(): void {
    this.#process.kill()
    this.#wire.close()
  }

  /** Until it is told one of these. */
  async #ask(api: string, wanted: readonly ErrorName[], ask: () => Promise<number>): Promise<ErrorName> {
    const stage = this.#stage
    for (let tries = 0; tries < mostTries; tries++) {
      try {
        const told = stage.told(api, await ask())
        if (wanted.includes(told)) return told
        if (neverTold.includes(told)) stage.never(`${api} was answered with ${told}`)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
      }
      await this.#process.sleep(20 + this.#random.fraction() * 30)
    }
    return stage.never(`${api} is never answered`)
  }
}

const mostTries = 3_000
const neverTold: readonly ErrorName[] = ['UNKNOWN_SERVER_ERROR', 'INVALID_PRODUCER_EPOCH', 'INVALID_REQUEST', 'CORRUPT_MESSAGE']
