/**
 * An idempotent producer that sends one record after the other to a partition, as soon as the one before is acknowledged, and notes every answer: what a
 * client would not try again is a fault of the cluster.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, buildBatch, errorName, isRetriable } from '../../src/protocol.ts'
import { connect, fetchValues, type RawClient } from '../../test/support/client.ts'
import { ask, eventually, expect, same, type World, within } from './world.ts'

const patienceMs = 1_000

export class Writer {
  readonly topic: string
  readonly partition: number
  acknowledged = 0
  /** When the last one was. */
  lastMs = performance.now()
  /** The longest time between two. */
  longestMs = 0
  readonly refusals: string[] = []
  readonly #world: World
  #producer: { id: number; epoch: number } | null = null
  #client: { id: number; raw: RawClient } | null = null
  #isOver = false
  #running: Promise<void> = Promise.resolve()

  constructor(world: World, topic: string, partition: number) {
    this.#world = world
    this.topic = topic
    this.partition = partition
  }

  start(): void {
    this.lastMs = performance.now()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
    this.#client?.raw.close()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      // A connection that broke, or an answer that did not come: the client looks for the leader again.
      const error = await this.#send().catch(() => null)
      if (error === 'NONE') {
        const nowMs = performance.now()
        this.longestMs = Math.max(this.longestMs, nowMs - this.lastMs)
        this.lastMs = nowMs
        this.acknowledged++
        await sleep(5)
        continue
      }
      if (error !== null && !isRetriable(error)) this.refusals.push(`${this.topic}-${this.partition}: ${error}`)
      this.#drop()
      await sleep(25)
    }
  }

  #drop(): void {
    this.#client?.raw.close()
    this.#client = null
  }

  async #send() {
    this.#producer ??= await this.#identify()
    const { id: producerId, epoch: producerEpoch } = this.#producer
    const records = buildBatch({
      records: [{ key: null, value: Buffer.from(String(this.acknowledged)) }],
      timestamp: Date.now(),
      producerId,
      producerEpoch,
      baseSequence: this.acknowledged,
    })
    const topicData = [{ name: this.topic, partitionData: [{ index: this.partition, records }] }]
    const client = await this.#leader()
    const { responses } = await within(patienceMs, client.request(apis.produce, 10, { acks: -1, timeoutMs: 30_000, topicData }))
    const error = errorName(responses[0]!.partitionResponses[0]!.errorCode)
    // It was taken the first time, when the answer did not come.
    return error === 'DUPLICATE_SEQUENCE_NUMBER' ? 'NONE' : error
  }

  /** By whoever answers. */
  async #identify(): Promise<{ id: number; epoch: number }> {
    for (const id of this.#world.brokers.keys()) {
      const answer = await this.#world
        .ask(id, apis.initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 60_000 })
        .catch(() => null)
      if (answer?.errorCode === 0) return { id: Number(answer.producerId), epoch: answer.producerEpoch }
    }
    throw new Error('no broker gave a producer id')
  }

  async #leader(): Promise<RawClient> {
    if (this.#client !== null) return this.#client.raw
    for (const { port } of this.#world.brokers.values()) {
      const answer = await ask(port, apis.metadata, 7, { topics: [{ name: this.topic }], allowAutoTopicCreation: false }).catch(() => null)
      const leader = answer?.topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === this.partition)?.leaderId ?? -1
      const node = answer?.brokers.find(({ nodeId }) => nodeId === leader)
      if (node === undefined) continue
      this.#client = { id: leader, raw: await within(patienceMs, connect(node.port)) }
      return this.#client.raw
    }
    throw new Error(`nobody knows the leader of ${this.topic}-${this.partition}`)
  }
}

/** One for each partition of a topic. */
export class Writers {
  readonly topic: string
  readonly #world: World
  readonly #all: readonly Writer[]

  constructor(world: World, topic: string, partitions: number) {
    this.#world = world
    this.topic = topic
    this.#all = Array.from({ length: partitions }, (_, partition) => new Writer(world, topic, partition))
  }

  async start(): Promise<void> {
    for (const writer of this.#all) writer.start()
    await this.goOn(10_000)
  }

  /** Until each has some more acknowledged; how long that took. */
  goOn(withinMs: number): Promise<number> {
    const before = this.#all.map(({ acknowledged }) => acknowledged)
    return eventually('every partition takes records', withinMs, () =>
      this.#all.every(({ acknowledged }, at) => acknowledged > before[at]!),
    )
  }

  get longestMs(): number {
    return Math.max(...this.#all.map(({ longestMs }) => longestMs))
  }

  forget(): void {
    for (const writer of this.#all) writer.longestMs = 0
  }

  /** What was sent is acknowledged; nothing more is sent. */
  async pause(): Promise<void> {
    await Promise.all(this.#all.map(writer => writer.stop()))
  }

  /** Nothing was refused that a client would not send again; all that was acknowledged is there, once and in order. */
  async stop(): Promise<number> {
    await this.pause()
    same(
      this.#all.flatMap(({ refusals }) => refusals),
      [],
      'what a client would not try again',
    )
    let total = 0
    for (const { partition, acknowledged } of this.#all) {
      // It may be on its way to another broker.
      let values: string[] = []
      await eventually(`${this.topic}-${partition} is read`, 10_000, async () => {
        values = await this.#values(partition)
        return true
      })
      // The last one may be there without having been acknowledged.
      expect(
        values.length === acknowledged || values.length === acknowledged + 1,
        `${values.length} records of ${acknowledged} acknowledged`,
      )
      for (const [at, value] of values.entries()) expect(value === String(at), `${this.topic}-${partition} has ${value} at ${at}`)
      total += acknowledged
    }
    return total
  }

  async #values(partition: number): Promise<string[]> {
    const [id] = this.#world.brokers.keys()
    const { leader } = (await this.#world.partitions(id!, this.topic))[partition]!
    const client = await connect(this.#world.broker(leader).port)
    try {
      return await within(10_000, fetchValues(client, this.topic, partition))
    } finally {
      client.close()
    }
  }
}
