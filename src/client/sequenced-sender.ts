/**
 * Sends records with the sequence numbers of one producer: to each partition one batch at a time, and again while brokers are away, so that it is stored once
 * and keeps its place.
 *
 * Hides who leads, and that a topic may take smaller batches than others.
 */
import { type Int64, toInt64 } from '../base.ts'
import { ClientError, settled } from '../channel.ts'
import { apis, buildBatch, type ErrorName, errorName, errorText } from '../protocol.ts'
import { Partitioner } from './partitioner.ts'
import { patiently } from './patience.ts'
import { concernsRecord } from './refusals.ts'
import type { Acks, Compression, RecordToSend, Written } from './types.ts'
import type { WriterConnections } from './writer-connections.ts'

export interface Producer {
  /** null: without transactions. */
  readonly transactionalId: string | null
  readonly producerId: Int64
  readonly producerEpoch: number
}

export interface SendingOptions {
  /** Others than `all` are for a sender without a producer id. */
  readonly acks?: Acks | undefined
  readonly compression?: Compression | undefined
  /** Whether a topic that is missing is made, where the brokers do that. Default: false. */
  readonly creates?: boolean | undefined
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
export interface Share {
  readonly records: readonly RecordToSend[]
  /** Which of them. */
  readonly indexes: readonly number[]
  readonly written: Written[]
  readonly refused: Map<number, ClientError> | undefined
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

const produceTimeoutMs = 30_000
/** Later versions enter partitions into transactions by themselves, or name topics by id. */
const newestProduce = 11
/** Brokers say so before they store anything; others, such as NOT_LEADER_OR_FOLLOWER, also when they wait for replicas. */
const before: ReadonlySet<string> = new Set<ErrorName>([
  ...(['TOPIC_AUTHORIZATION_FAILED', 'INVALID_TOPIC_EXCEPTION', 'LEADER_NOT_AVAILABLE', 'NOT_ENOUGH_REPLICAS'] as const),
  ...(['POLICY_VIOLATION', 'UNSUPPORTED_COMPRESSION_TYPE', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'] as const),
])
/** Of a batch: below what a topic takes by default (`message.max.bytes`), and no more than is encoded without holding up the event loop. */
const most = { bytes: 900_000, records: 5_000 }

export class SequencedSender {
  readonly #connections: WriterConnections
  readonly #options: SendingOptions
  readonly #partitioner: Partitioner
  /** Of whom the sequence numbers are. */
  producer: Producer = { transactionalId: null, producerId: -1, producerEpoch: -1 }
  /** A batch that was given up may be stored, so the next numbers of its partition are not known. */
  isUncertain = false
  readonly #sequences = new Map<string, number>()

  constructor(connections: WriterConnections, options: SendingOptions) {
    this.#connections = connections
    this.#options = options
    this.#partitioner = new Partitioner(connections, options.patienceMs)
  }

  /** Resolves when all in-sync replicas have them. Throws ClientError. */
  async send(topic: string, records: readonly RecordToSend[], { enter, refused }: Handling = {}): Promise<readonly Written[]> {
    if (records.length === 0) return []
    const division = await this.#partitioner.divide(topic, records, this.#options.creates === true)
    for (const error of division.refused.values()) throw error
    await enter?.([...division.shares.keys()])
    const written: Written[] = []
    const sending = Array.from(division.shares, ([partition, indexes]) =>
      this.place({ topic, partition }, { records, indexes, written, refused }),
    )
    // Nothing is under way when the caller hears of a failure.
    await Promise.allSettled(sending)
    await Promise.all(sending)
    return written
  }

  /** Runs it again while brokers are away. */
  patiently<T>(work: () => Promise<T>): Promise<T> {
    const connections = this.#connections
    const { system, closing: signal } = connections
    return patiently(system, { patienceMs: this.#options.patienceMs, forget: () => connections.forget(), signal }, work)
  }

  /** For one partition, one call at a time. What is refused is divided, until it is known which records it is for. */
  async place(place: Place, { records, indexes, written, refused }: Share): Promise<void> {
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
    const baseSequence = this.producer.producerId === -1 ? -1 : (this.#sequences.get(name) ?? 0)
    const batch = this.#batch(records, at, baseSequence)
    let mayBeStored = false
    const produce = async () => {
      try {
        return await this.#produce(place, batch)
      } catch (error) {
        mayBeStored ||= !(error instanceof ClientError && (before.has(error.code) || concernsRecord(error)))
        throw error
      }
    }
    const base = await this.patiently(produce).catch(error => {
      this.isUncertain ||= mayBeStored
      throw error
    })
    if (baseSequence >= 0) this.#sequences.set(name, (baseSequence + at.length) % 2 ** 31)
    return base
  }

  #batch(records: readonly RecordToSend[], at: readonly number[], baseSequence: number): Buffer {
    const { transactionalId, producerId, producerEpoch } = this.producer
    return buildBatch({
      records: at.map(index => {
        const { key, value, headers, timestampMs } = records[index]!
        return { key, value, headers, timestamp: timestampMs === undefined ? undefined : toInt64(timestampMs) }
      }),
      timestamp: this.#connections.system.clock.now(),
      compression: this.#options.compression ?? 'none',
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional: transactionalId !== null,
    })
  }

  /** Resolves to the offset of the first record. */
  async #produce({ topic, partition }: Place, batch: Buffer): Promise<bigint> {
    const { requests, bootstrap } = this.#connections
    const node = (await this.#connections.leadersOf(topic, this.#options.creates === true)).get(partition) ?? -1
    if (node < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
    const { acks = 'all' } = this.#options
    const request = {
      transactionalId: this.producer.transactionalId,
      acks: acks === 'all' ? -1 : acks,
      timeoutMs: produceTimeoutMs,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    }
    if (acks === 0) {
      await settled(bootstrap, requests.tell(apis.produce, request, { node }, newestProduce))
      return -1n
    }
    const answer = await settled(bootstrap, requests.ask(apis.produce, request, { node }, newestProduce))
    const { errorCode, errorMessage, baseOffset, recordErrors } = answer.responses[0]!.partitionResponses[0]!
    const error: ErrorName = errorName(errorCode)
    if (error === 'DUPLICATE_SEQUENCE_NUMBER') return -1n
    if (error !== 'NONE') throw new ClientError(error, recordErrors[0]?.batchIndexErrorMessage || errorMessage || errorText(error))
    return BigInt(baseOffset)
  }
}

function* inBatches(records: readonly RecordToSend[], indexes: readonly number[]): Generator<readonly number[]> {
  let from = 0
  let bytes = 0
  for (let to = 0; to < indexes.length; to++) {
    const size = sizeOf(records[indexes[to]!]!)
    if (to - from === most.records || (to > from && bytes + size > most.bytes)) {
      yield indexes.slice(from, to)
      from = to
      bytes = 0
    }
    bytes += size
  }
  yield from === 0 ? indexes : indexes.slice(from)
}

/** At most, in bytes. */
export function sizeOf({ key, value, headers = [] }: RecordToSend): number {
  let bytes = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += 8 + header.key.length + (header.value?.length ?? 0)
  return bytes
}
