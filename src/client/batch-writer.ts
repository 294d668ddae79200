/**
 * Appends finished batches to any number of partitions, over a connection of its own: for copies, which keep batches as they are.
 *
 * The id hands out a producer id whose epoch grows, so that sequence numbers keep an attempt whose answer was lost from being stored twice, and that a writer
 * that is opened later can fence this one. No data is written in transactions: nobody ever sees records that are taken back.
 */
import type { Int64, System } from '../base.ts'
import { ClientError, type Connections, mayPass, settled } from '../channel.ts'
import { apis, type ErrorName, errorName, errorText, isRetriable, type MessageOf } from '../protocol.ts'
import type { PartitionName } from './administration.ts'
import { Patience, type PatienceOptions, patiently } from './patience.ts'
import { endTransaction, enterPartitions, identifyProducer, type ProducerIdentity } from './producing.ts'
import { type Ask, Requests } from './requests.ts'
import type { AppendedBatches, BatchesToAppend, BatchWriter, BatchWriterOptions } from './types.ts'

const transactionTimeoutMs = 60_000
const produceTimeoutMs = 30_000
/** Of one request, unless a single batch is larger. */
const maxRequestBytes = 16_777_216
/** Later versions name topics by id. */
const newestProduceWithNames = 12
const partitionsPerRequest = 1_000

interface Lane extends AppendedBatches, BatchesToAppend {
  /** Why the last attempt failed, for a reason that may pass. */
  failure: ClientError | null
  /** Whether the batch may be there though nothing says so. */
  isUncertain: boolean
}

export async function openBatchWriter(
  connections: Connections,
  ask: Ask,
  system: System,
  options: BatchWriterOptions & { bootstrap: string; forget: () => void },
): Promise<BatchWriter> {
  const { transactionalId, patienceMs } = options
  const identify = () => ask(requests => identifyProducer(requests, transactionalId, transactionTimeoutMs))
  return new StoredBatchWriter(
    connections,
    ask,
    system,
    options,
    await patiently(system, { patienceMs, forget: () => connections.clearMetadata() }, identify),
  )
}

class StoredBatchWriter implements BatchWriter {
  readonly producerId: Int64
  readonly producerEpoch: number
  readonly #producer: ProducerIdentity
  readonly #connections: Connections
  readonly #ask: Ask
  readonly #requests: Requests
  readonly #system: System
  readonly #options: BatchWriterOptions & { bootstrap: string; forget: () => void }
  readonly #patience: PatienceOptions
  readonly #closing = new AbortController()
  readonly #leaders = new Map<string, ReadonlyMap<number, number>>()

  constructor(
    connections: Connections,
    ask: Ask,
    system: System,
    options: BatchWriterOptions & { bootstrap: string; forget: () => void },
    producer: ProducerIdentity,
  ) {
    this.#connections = connections
    this.#ask = ask
    this.#requests = new Requests(connections, system)
    this.#system = system
    this.#options = options
    this.#patience = { patienceMs: options.patienceMs, forget: () => this.#forget(), signal: this.#closing.signal }
    this.#producer = producer
    this.producerId = producer.producerId
    this.producerEpoch = producer.producerEpoch
  }

  async append(partitions: readonly BatchesToAppend[]): Promise<AppendedBatches[]> {
    const lanes = partitions.map(
      (each): Lane => ({ ...each, appended: 0, baseOffsets: [], error: null, failure: null, isUncertain: false }),
    )
    let patience: Patience | null = null
    let done = 0
    for (;;) {
      const left = lanes.filter(({ error, appended, batches }) => error === null && appended < batches.length)
      if (left.length === 0) break
      await this.#appendSome(left)
      const failure = left.find(lane => lane.failure !== null)?.failure ?? null
      const doneNow = lanes.reduce((sum, lane) => sum + lane.appended, 0)
      if (failure === null && patience !== null) this.#options.onWaiting?.(null)
      if (failure === null || doneNow > done) {
        done = doneNow
        patience = null
      }
      if (failure === null) continue
      patience ??= new Patience(this.#system, this.#patience)
      if (patience.isOver) giveUp(left)
      if (patience.failures > 3) this.#options.onWaiting?.(failure)
      await patience.next()
    }
    return lanes.map(({ appended, baseOffsets, error }) => ({ appended, baseOffsets, error }))
  }

  async fence(partitions: readonly PartitionName[]): Promise<void> {
    const end = () => this.#askPatiently(requests => endTransaction(requests, this.#producer, true))
    for (let at = 0; at < partitions.length; at += partitionsPerRequest) {
      const topics = Array.from(
        Map.groupBy(partitions.slice(at, at + partitionsPerRequest), each => each.topic),
        ([name, some]) => ({ name, partitions: some.map(each => each.partition) }),
      )
      await this.#askPatiently(requests => enterPartitions(requests, this.#producer, topics))
      await end()
      // The first answer comes when it is decided. Asked again, a broker of any age says CONCURRENT_TRANSACTIONS until the markers are there.
      await end()
    }
  }

  #askPatiently(work: (requests: Requests) => Promise<void>): Promise<void> {
    return patiently(this.#system, this.#patience, () => this.#ask(work))
  }

  /** Who leads. */
  #forget(): void {
    this.#leaders.clear()
    this.#connections.clearMetadata()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#options.forget()
    await this.#connections.close()
  }

  /** One request to each leader, with the next batch of as many partitions as one takes. */
  async #appendSome(lanes: Lane[]): Promise<void> {
    for (const lane of lanes) lane.failure = null
    const byLeader = new Map<number, Lane[]>()
    try {
      await this.#learn(lanes)
    } catch (error) {
      if (!(error instanceof ClientError) || !mayPass(error)) throw error
      for (const lane of lanes) lane.failure = error
      return
    }
    for (const lane of lanes) {
      const leader = this.#leaders.get(lane.topic)?.get(lane.partition)
      if (leader === undefined)
        lane.error = new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `partition not found: ${lane.topic}-${lane.partition}`)
      else if (leader < 0) lane.failure = new ClientError('LEADER_NOT_AVAILABLE', `${lane.topic}-${lane.partition} has no leader`)
      else if (byLeader.has(leader)) byLeader.get(leader)!.push(lane)
      else byLeader.set(leader, [lane])
    }
    await Promise.all(Array.from(byLeader, ([node, some]) => this.#appendTo(node, some)))
  }

  async #learn(lanes: readonly Lane[]): Promise<void> {
    const unknown = new Set(lanes.map(each => each.topic).filter(topic => !this.#leaders.has(topic)))
    if (unknown.size === 0) return
    const topics = await this.#requests.retrying(this.#options.bootstrap, () => this.#requests.metadata([...unknown]))
    for (const { name, partitions } of topics)
      this.#leaders.set(name!, new Map(partitions.map(each => [each.partitionIndex, each.leaderId])))
  }

  async #appendTo(node: number, lanes: readonly Lane[]): Promise<void> {
    for (let at = 0; at < lanes.length; ) {
      const some: Lane[] = []
      for (let bytes = 0; at < lanes.length && (some.length === 0 || bytes < maxRequestBytes); at++) {
        const lane = lanes[at]!
        const size = lane.batches[lane.appended]!.length
        if (some.length > 0 && bytes + size > maxRequestBytes) break
        bytes += size
        some.push(lane)
      }
      await this.#send(node, some)
    }
  }

  async #send(node: number, lanes: readonly Lane[]): Promise<void> {
    const topicData = Array.from(
      Map.groupBy(lanes, each => each.topic),
      ([name, some]) => ({
        name,
        partitionData: some.map(({ partition, batches, appended }) => ({ index: partition, records: batches[appended]! })),
      }),
    )
    const request = { acks: -1, timeoutMs: produceTimeoutMs, topicData }
    try {
      const answer = this.#requests.ask(apis.produce, request, { node }, newestProduceWithNames)
      this.#settle(lanes, (await settled(this.#options.bootstrap, answer)).responses)
    } catch (error) {
      if (!(error instanceof ClientError) || !mayPass(error)) throw error
      for (const lane of lanes) Object.assign(lane, { failure: error, isUncertain: true })
    }
  }

  #settle(lanes: readonly Lane[], responses: MessageOf<typeof apis.produce.response>['responses']): void {
    const byPlace = new Map(
      responses.flatMap(({ name, partitionResponses }) => partitionResponses.map(each => [`${name} ${each.index}`, each] as const)),
    )
    for (const lane of lanes) {
      const answer = byPlace.get(`${lane.topic} ${lane.partition}`)
      const name: ErrorName = answer === undefined ? 'UNKNOWN_SERVER_ERROR' : errorName(answer.errorCode)
      if (name === 'NONE' || name === 'DUPLICATE_SEQUENCE_NUMBER') {
        lane.baseOffsets.push(name === 'NONE' ? BigInt(answer!.baseOffset) : -1n)
        lane.appended++
        lane.isUncertain = false
        continue
      }
      const error = new ClientError(name, `${lane.topic}-${lane.partition}: ${answer?.errorMessage || errorText(name)}`)
      if (ofAll.has(name)) throw error
      if (name === 'REQUEST_TIMED_OUT' || name === 'NOT_ENOUGH_REPLICAS_AFTER_APPEND') lane.isUncertain = true
      if (isRetriable(name)) lane.failure = error
      else lane.error = error
    }
  }
}

/** What is certainly not there is refused for good; for the rest all ends, because nobody knows where the partition ends. */
function giveUp(lanes: readonly Lane[]): void {
  for (const lane of lanes) {
    if (lane.failure !== null && lane.isUncertain) throw lane.failure
    lane.error ??= lane.failure
  }
}

/** Another writer with this id was opened, or the partition has lost what it knew of this one. */
const ofAll: ReadonlySet<string> = new Set<ErrorName>([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
])
