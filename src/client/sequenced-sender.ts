/**
 * Sends records with the sequence numbers of one producer: to each partition one batch at a time, and again while brokers are away, so that it is stored once
 * and keeps its place.
 *
 * Hides who leads, which partition a record goes to, and that a topic may take smaller batches than others.
 */
import type { Int64, System } from '../base.ts'
import { ClientError, settled } from '../channel.ts'
import { compatibilityPartitioner } from '../library.ts'
import { apis, buildBatch, type ErrorName, errorName, errorText } from '../protocol.ts'
import { patiently } from './patience.ts'
import { concernsRecord } from './refusals.ts'
import type { Compression, RecordToSend, Written } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

export interface Producer {
  /** null: without transactions. */
  readonly transactionalId: string | null
  readonly producerId: Int64
  readonly producerEpoch: number
}

export interface SendingOptions {
  readonly bootstrap: string
  readonly compression?: Compression | undefined
  /** How long to go on trying while brokers are away. */
  readonly patienceMs: number
}

export interface Handling {
  /** Is awaited before the first record is sent. */
  enter?(partitions: readonly number[]): Promise<void>
  /** Takes, by its place in the list, what is refused for the record itself, and the others are sent. Default: it is thrown. */
  readonly refused?: Map<number, ClientError> | undefined
}

/** Those of one partition. */
interface Share {
  readonly records: readonly RecordToSend[]
  readonly indexes: readonly number[]
  readonly written: Written[]
  readonly refused: Map<number, ClientError> | undefined
}

interface Place {
  readonly topic: string
  readonly partition: number
}

const produceTimeoutMs = 30_000
/** Later versions enter partitions into transactions by themselves, or name topics by id. */
const newestProduce = 11
/** Below what a topic takes by default. */
const mostBatchBytes = 900_000

export class SequencedSender {
  readonly #connections: WriterConnections
  readonly #system: System
  readonly #options: SendingOptions
  /** Of whom the sequence numbers are. */
  producer: Producer = { transactionalId: null, producerId: -1, producerEpoch: -1 }
  readonly #sequences = new Map<string, number>()
  /** By topic, where the next record without a key goes. */
  readonly #next = new Map<string, number>()

  constructor(connections: WriterConnections, system: System, options: SendingOptions) {
    this.#connections = connections
    this.#system = system
    this.#options = options
  }

  /** Resolves when all in-sync replicas have them. Throws ClientError. */
  async send(topic: string, records: readonly RecordToSend[], { enter, refused }: Handling = {}): Promise<readonly Written[]> {
    if (records.length === 0) return []
    const shares = await this.#shares(topic, records)
    await enter?.([...shares.keys()])
    const written: Written[] = []
    const sending = Array.from(shares, ([partition, indexes]) => this.#place({ topic, partition }, { records, indexes, written, refused }))
    // Nothing is under way when the caller hears of a failure.
    await Promise.allSettled(sending)
    await Promise.all(sending)
    return written
  }

  /** Runs it again while brokers are away. */
  patiently<T>(work: () => Promise<T>): Promise<T> {
    return patiently(this.#system, this.#options.patienceMs, work, () => this.#connections.forget())
  }

  async #shares(topic: string, records: readonly RecordToSend[]): Promise<Map<number, number[]>> {
    // A topic that was just made is not known to every broker.
    const count = async () => (await this.patiently(() => this.#connections.leadersOf(topic))).size
    const known = await count()
    try {
      return this.#divide(topic, records, known)
    } catch {
      // There is no such partition; or some were added since.
      this.#connections.forget()
      return this.#divide(topic, records, await count())
    }
  }

  /** By partition, the places of its records in the list. */
  #divide(topic: string, records: readonly RecordToSend[], count: number): Map<number, number[]> {
    const shares = new Map<number, number[]>()
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      const partition = record.partition ?? this.#choose(topic, record, count)
      if (partition < 0 || partition >= count)
        throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${partition}; it has ${count}`)
      const share = shares.get(partition)
      if (share === undefined) shares.set(partition, [index])
      else share.push(index)
    }
    return shares
  }

  /** As Kafka's producers do with a key. */
  #choose(topic: string, { key }: RecordToSend, count: number): number {
    if (key !== null) return compatibilityPartitioner({ topic }, key) % count
    const turn = this.#next.get(topic) ?? 0
    this.#next.set(topic, turn + 1)
    return turn % count
  }

  /** What is refused is divided, until it is known which records it is for. */
  async #place(place: Place, { records, indexes, written, refused }: Share): Promise<void> {
    const waiting = [...inBatches(records, indexes)].reverse()
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop())
      try {
        written.push({ partition: place.partition, at, offset: await this.#append(place, records, at) })
      } catch (error) {
        if (!(error instanceof ClientError) || !concernsRecord(error)) throw error
        const middle = at.length >> 1
        if (middle > 0) waiting.push(at.slice(middle), at.slice(0, middle))
        else if (refused === undefined) throw error
        else refused.set(at[0]!, error)
      }
  }

  /** Resolves to the offset of the first one; -1: an earlier attempt, whose answer was lost, has stored them. What is refused takes no sequence numbers. */
  async #append(place: Place, records: readonly RecordToSend[], at: readonly number[]): Promise<bigint> {
    const name = `${place.topic} ${place.partition}`
    const baseSequence = this.#sequences.get(name) ?? 0
    const batch = this.#batch(records, at, baseSequence)
    const base = await this.patiently(() => this.#produce(place, batch))
    this.#sequences.set(name, (baseSequence + at.length) % 2 ** 31)
    return base
  }

  #batch(records: readonly RecordToSend[], at: readonly number[], baseSequence: number): Buffer {
    const { transactionalId, producerId, producerEpoch } = this.producer
    return buildBatch({
      records: at.map(index => {
        const { key, value, headers, timestampMs } = records[index]!
        return { key, value, headers, timestamp: timestampMs === undefined ? undefined : Number(timestampMs) }
      }),
      timestamp: this.#system.clock.now(),
      compression: this.#options.compression ?? 'none',
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional: transactionalId !== null,
    })
  }

  /** Resolves to the offset of the first record. */
  async #produce({ topic, partition }: Place, batch: Buffer): Promise<bigint> {
    const { requests } = this.#connections
    const node = (await this.#connections.leadersOf(topic)).get(partition) ?? -1
    if (node < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
    const request = {
      transactionalId: this.producer.transactionalId,
      acks: -1,
      timeoutMs: produceTimeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    }
    const answer = await settled(this.#options.bootstrap, requests.ask(apis.produce, request, { node }, newestProduce))
    const { errorCode, errorMessage, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    const error: ErrorName = errorName(errorCode)
    if (error === 'DUPLICATE_SEQUENCE_NUMBER') return -1n
    if (error !== 'NONE') throw new ClientError(error, `${topic}-${partition}: ${errorMessage || errorText(error)}`)
    return BigInt(baseOffset)
  }
}

function* inBatches(records: readonly RecordToSend[], indexes: readonly number[]): Generator<readonly number[]> {
  let from = 0
  let bytes = 0
  for (let to = 0; to < indexes.length; to++) {
    const size = sizeOf(records[indexes[to]!]!)
    if (to > from && bytes + size > mostBatchBytes) {
      yield indexes.slice(from, to)
      from = to
      bytes = 0
    }
    bytes += size
  }
  yield from === 0 ? indexes : indexes.slice(from)
}

/** At most. */
function sizeOf({ key, value, headers = [] }: RecordToSend): number {
  let bytes = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += 8 + header.key.length + (header.value?.length ?? 0)
  return bytes
}
