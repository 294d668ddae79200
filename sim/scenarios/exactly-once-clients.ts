/** The plain clients of an exactly-once run: idempotent producers for the input, readers that watch everything, and set-up clients. */
import type { Int64 } from '../../src/base.ts'
import { apis, buildBatch } from '../../src/protocol.ts'
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { type AbortedTransactions, NoAnswer, visibleRecords, type Wire } from '../world/wire.ts'
import type { Poll, Send } from './exactly-once-history.ts'
import { groupId, inputTopic, nameOf, outputTopic, type Stage } from './exactly-once-stage.ts'

interface Batch {
  partition: number
  sends: Send[]
  baseSequence: number
}

/** Writes values to the input, up to five requests in flight; every failure is repeated until it is answered. */
export async function produceInput(stage: Stage, random: SeededRandom, name: string, count: number): Promise<void> {
  let sent = 0
  for (let life = 0; sent < count; life++) {
    const process = stage.process()
    const wire = stage.wire(process, random, true)
    const producer = new InputProducer(stage, random, process, wire, `${name}.${life}`)
    await producer.start()
    // A producer that dies leaves behind requests whose fate nobody learns.
    sent += await producer.produce(sent, count, stage.healed ? 0 : 0.08)
    process.kill()
    wire.close()
  }
}

class InputProducer {
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #process: Process
  readonly #wire: Wire
  readonly #name: string
  #producerId: Int64 = -1
  #nextSequence: number[]

  constructor(stage: Stage, random: SeededRandom, process: Process, wire: Wire, name: string) {
    this.#stage = stage
    this.#random = random
    this.#process = process
    this.#wire = wire
    this.#name = name
    this.#nextSequence = Array.from({ length: stage.partitions }, () => 0)
  }

  async start(): Promise<void> {
    const answer = await persist(this.#stage, this.#process, async () => {
      const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
      const response = await this.#wire.call(apis.initProducerId, 4, request)
      return this.#stage.told('InitProducerId', response.errorCode) === 'NONE' ? response : null
    })
    this.#producerId = answer.producerId
  }

  /** Returns how many values it took, not all of which were acknowledged if it died. */
  async produce(from: number, until: number, dies: number): Promise<number> {
    let next = from
    const unacknowledged: Batch[] = []
    while (next < until || unacknowledged.length > 0) {
      while (unacknowledged.length < 1 + this.#random.below(5) && next < until) {
        const size = Math.min(1 + this.#random.below(3), until - next)
        unacknowledged.push(this.#batch(next, size))
        next += size
      }
      const answers = Promise.all(unacknowledged.map(batch => this.#send(batch)))
      if (this.#random.chance(dies)) return next - from
      const acknowledged = await answers
      for (let index = unacknowledged.length - 1; index >= 0; index--) if (acknowledged[index]) unacknowledged.splice(index, 1)
      await this.#process.sleep(this.#random.fraction() * 400)
    }
    return next - from
  }

  #batch(first: number, size: number): Batch {
    const partition = this.#random.below(this.#stage.partitions)
    const sends = Array.from({ length: size }, (_, index): Send => {
      const value = `${this.#name}-${first + index}`
      const place = nameOf(inputTopic, partition)
      return { value, partition: place, writer: this.#name, transaction: null, outcome: 'info', offset: null, ackedAt: null }
    })
    this.#stage.history.sends.push(...sends)
    const baseSequence = this.#nextSequence[partition]!
    this.#nextSequence[partition]! += size
    return { partition, sends, baseSequence }
  }

  async #send({ partition, sends, baseSequence }: Batch): Promise<boolean> {
    const stage = this.#stage
    const records = buildBatch({
      records: sends.map(({ value }) => ({ key: null, value: Buffer.from(value) })),
      timestamp: stage.world.system.clock.now(),
      producerId: this.#producerId,
      producerEpoch: 0,
      baseSequence,
    })
    try {
      const topicData = [{ name: inputTopic, partitionData: [{ index: partition, records }] }]
      const { responses } = await this.#wire.call(apis.produce, 9, { acks: -1, timeoutMs: 1000, topicData })
      const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
      const told = stage.told('Produce', errorCode)
      if (told === 'INVALID_PRODUCER_EPOCH' || told === 'UNKNOWN_SERVER_ERROR') stage.never(`a plain producer was told ${told}`)
      if (told !== 'NONE' && told !== 'DUPLICATE_SEQUENCE_NUMBER') return false
      acknowledge(stage, sends, Number(baseOffset))
      return true
    } catch (error) {
      if (error instanceof NoAnswer) return false
      throw error
    }
  }
}

/** `baseOffset` -1: a duplicate so old that the broker does not know where it is. */
export function acknowledge(stage: Stage, sends: readonly Send[], baseOffset: number): void {
  const ackedAt = stage.instant()
  for (const [index, send] of sends.entries()) {
    send.outcome = 'ok'
    send.ackedAt ??= ackedAt
    if (baseOffset >= 0) send.offset = baseOffset + index
  }
}

/** Reads all partitions from the beginning and goes on until `stage.over`, then until it has passed `ends`. */
export class Reader {
  readonly positions = new Map<string, number>()
  readonly #stage: Stage
  readonly #random: SeededRandom
  readonly #name: string
  readonly #isolation: Poll['isolation']
  readonly #process: Process
  readonly #wire: Wire

  constructor(stage: Stage, random: SeededRandom, name: string, isolation: Poll['isolation']) {
    this.#stage = stage
    this.#random = random
    this.#name = name
    this.#isolation = isolation
    this.#process = stage.process()
    this.#wire = stage.wire(this.#process, random)
    for (const topic of [inputTopic, outputTopic])
      for (let partition = 0; partition < stage.partitions; partition++) this.positions.set(nameOf(topic, partition), 0)
  }

  async follow(): Promise<void> {
    while (!this.#stage.over) {
      await this.poll(200)
      await this.#process.sleep(this.#random.fraction() * 200)
    }
  }

  /** Until the position has reached the end of each partition. */
  async readUpTo(ends: Map<string, number>): Promise<void> {
    for (let tries = 0; [...ends].some(([partition, end]) => this.positions.get(partition)! < end); tries++) {
      if (tries > 300) this.#stage.never(`${this.#name} is stuck at ${[...this.positions].join(' ')} before ${[...ends].join(' ')}`)
      await this.poll(0)
    }
  }

  async poll(maxWaitMs: number): Promise<void> {
    const askedAt = this.#stage.instant()
    const topics = [inputTopic, outputTopic].map(topic => ({
      topic,
      partitions: Array.from({ length: this.#stage.partitions }, (_, partition) => ({
        partition,
        fetchOffset: this.positions.get(nameOf(topic, partition))!,
        partitionMaxBytes: this.#random.pick([200, 1000, 100_000]),
      })),
    }))
    const isolationLevel = this.#isolation === 'committed' ? 1 : 0
    try {
      const request = { maxWaitMs, minBytes: 1, isolationLevel, topics, forgottenTopicsData: [] }
      const { responses } = await this.#wire.call(apis.fetch, 11, request)
      for (const { topic, partitions } of responses) for (const partition of partitions) this.#take(topic, partition, askedAt)
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      await this.#process.sleep(50)
    }
  }

  #take(topic: string, response: FetchedPartition, askedAt: number): void {
    const stage = this.#stage
    const partition = nameOf(topic, response.partitionIndex)
    const told = stage.told('Fetch', response.errorCode)
    if (told === 'OFFSET_OUT_OF_RANGE')
      stage.never(`${this.#name} had read ${partition} up to ${this.positions.get(partition)}: taken back`)
    if (told !== 'NONE') return
    const from = this.positions.get(partition)!
    const { records, next } = visibleRecords(response.records ?? Buffer.alloc(0), from, response.abortedTransactions)
    this.positions.set(partition, next)
    const lastStableOffset = Number(response.lastStableOffset)
    const [at, atMs] = [stage.instant(), stage.nowMs]
    const poll = { reader: this.#name, isolation: this.#isolation, partition, askedAt, at, atMs, from, next, lastStableOffset, records }
    stage.history.polls.push(poll)
  }

  close(): void {
    this.#process.kill()
    this.#wire.close()
  }
}

interface FetchedPartition {
  partitionIndex: number
  errorCode: number
  lastStableOffset: Int64
  abortedTransactions: AbortedTransactions
  records: Buffer | null
}

/** The first answer that is not null; nothing and errors are asked for again. */
export async function persist<T>(stage: Stage, process: Process, ask: () => Promise<T | null>, tries = 600): Promise<T> {
  for (let left = tries; left > 0; left--) {
    try {
      const answer = await ask()
      if (answer !== null) return answer
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
    }
    await process.sleep(50)
  }
  return stage.never(`no answer after ${tries} attempts`)
}

/** Topics, and the coordinators' own. */
export async function setUp(stage: Stage, random: SeededRandom): Promise<void> {
  const process = stage.process()
  const wire = stage.wire(process, random)
  await persist(stage, process, async () => {
    const topics = [inputTopic, outputTopic].map(name => ({
      name,
      numPartitions: stage.partitions,
      replicationFactor: 1,
      assignments: [],
      // Segments roll within the run, so that recovery meets several, with their snapshots and transaction indexes.
      configs: [{ name: 'segment.ms', value: '2000' }],
    }))
    const response = await wire.call(apis.createTopics, 4, { topics, timeoutMs: 1000 })
    const done = ['NONE', 'TOPIC_ALREADY_EXISTS']
    return response.topics.every(({ errorCode }) => done.includes(stage.told('CreateTopics', errorCode))) ? true : null
  })
  for (const [keyType, key] of [
    [0, groupId],
    [1, 'tx-0'],
  ] as const) {
    await persist(stage, process, async () => {
      const { coordinators } = await wire.call(apis.findCoordinator, 4, { keyType, coordinatorKeys: [key], key: '' })
      return stage.told('FindCoordinator', coordinators[0]!.errorCode) === 'NONE' ? true : null
    })
  }
  process.kill()
  wire.close()
}

/** The ends of all partitions, for an observer of this isolation level. */
export async function logEnds(stage: Stage, process: Process, wire: Wire, isolationLevel: 0 | 1): Promise<Map<string, number>> {
  const ask = [inputTopic, outputTopic].map(name => ({
    name,
    partitions: Array.from({ length: stage.partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 })),
  }))
  return persist(stage, process, async () => {
    const { topics } = await wire.call(apis.listOffsets, 5, { replicaId: -1, isolationLevel, topics: ask })
    const ends = new Map<string, number>()
    for (const { name, partitions } of topics) {
      for (const { partitionIndex, errorCode, offset } of partitions)
        if (stage.told('ListOffsets', errorCode) === 'NONE') ends.set(nameOf(name, partitionIndex), Number(offset))
    }
    return ends.size === 2 * stage.partitions ? ends : null
  })
}

/** Asks again and again where the group stands, also in the middle of transactions. */
export async function watchPositions(stage: Stage, random: SeededRandom): Promise<void> {
  const process = stage.process()
  const wire = stage.wire(process, random)
  while (!stage.over) {
    try {
      await committedPositions(stage, wire, false)
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
    }
    await process.sleep(random.fraction() * 100)
  }
  wire.close()
}

/** What the group has committed, by input partition; -1: nothing. null: ask again. */
export async function committedPositions(stage: Stage, wire: Wire, requireStable: boolean): Promise<Map<number, number> | null> {
  const partitionIndexes = Array.from({ length: stage.partitions }, (_, partition) => partition)
  const askedAt = stage.instant()
  const request = { groupId, topics: [{ name: inputTopic, partitionIndexes }], requireStable }
  const { topics, errorCode } = await wire.call(apis.offsetFetch, 7, request)
  if (stage.told('OffsetFetch', errorCode) !== 'NONE') return null
  const positions = new Map<number, number>()
  for (const partition of topics[0]!.partitions) {
    if (stage.told('OffsetFetch', partition.errorCode) !== 'NONE') continue
    const offset = Number(partition.committedOffset)
    positions.set(partition.partitionIndex, offset)
    const name = nameOf(inputTopic, partition.partitionIndex)
    stage.history.offsetReads.push({
      partition: name,
      askedAt,
      at: stage.instant(),
      offset,
      stable: requireStable,
    })
  }
  return positions
}
