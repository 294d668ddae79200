/**
 * Sends records: translates our options to those of the library, and hides from callers that leaders change.
 *
 * The library sends what has one leader in one request, and when that leader changes, all of it to the new leader of the first partition. So each
 * partition is sent by itself here. It is tried again until a failover, or the restart of a broker, is over; as in Kafka's producer, a sequence number
 * keeps an attempt whose answer was lost from being stored twice.
 */

import type { Base, MessageToProduce, ProducerOptions } from '@platformatic/kafka'
import type { Turns } from '../base.ts'
import { ClientError, toClientError } from '../channel.ts'
import { compatibilityPartitioner, findErrorBy, ProduceAcks, Producer } from '../library.ts'
import { concernsRecord, refusals } from './refusals.ts'
import type { Placed, ProduceOptions, RecordToSend, Sent } from './types.ts'

const retryMs = { first: 20, last: 250 }
const retryForMs = 10_000

/** Of records for one partition, with where they are among all records. */
interface Share {
  readonly messages: MessageToProduce[]
  readonly indexes: number[]
  /** The first message of each batch. */
  readonly starts: number[]
  /** Of the last batch. */
  bytes: number
}

/**
 * What goes to a partition together: less than a broker takes by default (`message.max.bytes`), and no more than can be encoded without holding up the
 * event loop. What a topic refuses, because it takes less or does not take one of the records, is divided.
 */
const batch = { bytes: 900_000, records: 1_000 }
/** Of a record without its key, value and headers, and of a header without its name and value. */
const overhead = { record: 40, header: 10 }

export class RecordSender {
  readonly #producer: Producer
  readonly #turns: Turns
  /** By topic, where the next record without a key goes. */
  readonly #next = new Map<string, number>()
  /** By topic, what takes more than one batch and is still being sent: others wait, so that records keep their order. */
  readonly #long = new Map<string, Promise<unknown>>()

  constructor(options: ProducerOptions<Buffer, Buffer, Buffer, Buffer>, turns: Turns) {
    this.#producer = new Producer({ ...options, retries: retryForMs / retryMs.last, retryDelay: pauseBefore })
    this.#turns = turns
  }

  send(topic: string, records: readonly RecordToSend[], options: ProduceOptions): Promise<Placed[]> {
    return this.#inOrder(topic, records, async () => {
      if (records.length === 0) return []
      const { shares, refused } = await this.#divide(topic, records, options)
      for (const error of refused.values()) throw error
      const placed = shares.map((): Placed[] => [])
      const sending = shares.map((share, at) =>
        this.#sendShare(share, options, (_from, _to, outcome) => {
          if (outcome instanceof Error) throw outcome
          if (outcome !== null) placed[at]!.push(outcome)
          return true
        }),
      )
      // If one fails, the others go on: nothing is under way when the caller hears of it.
      await Promise.allSettled(sending)
      await Promise.all(sending)
      return placed.flat()
    })
  }

  /** As `send`, with an outcome for each record. */
  sendEach(topic: string, records: readonly RecordToSend[], options: ProduceOptions, bootstrap: string): Promise<Sent[]> {
    return this.#inOrder(topic, records, async () => {
      const { shares, refused } = await this.#divide(topic, records, options)
      const outcomes = new Array<Sent>(records.length)
      for (const [index, error] of refused) outcomes[index] = error
      await Promise.all(
        shares.map(share =>
          this.#sendShare(share, options, (from, to, outcome) => {
            const { messages, indexes } = share
            const error = outcome instanceof Error ? toClientError(outcome, bootstrap) : null
            const concernsAll = error !== null && !concernsRecord(error)
            const { partition } = messages[0]!
            const base = error === null ? ((outcome as Placed | null)?.offset ?? -1n) : 0n
            for (let at = from; at < (concernsAll ? messages.length : to); at++)
              outcomes[indexes[at]!] = error ?? { partition: partition!, offset: base < 0n ? -1n : base + BigInt(at - from) }
            return !concernsAll
          }),
        ),
      )
      return outcomes
    })
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  /** Messages of one partition. */
  #sendTogether(messages: MessageToProduce[], { acks = 'all', compression = 'none', creates = true }: ProduceOptions) {
    return this.#producer.send({
      messages,
      acks: acks === 'all' ? ProduceAcks.ALL : acks,
      compression,
      // As in Kafka's producer: retries neither repeat nor reorder.
      idempotent: acks === 'all',
      autocreateTopics: creates,
      // Once and at once, which may be too early.
      repeatOnStaleMetadata: false,
    })
  }

  /**
   * In batches, one after the other, so that one that has to be sent again stays in front of the next. `sent`: what became of the messages `from` to `to`
   * (not included): where the first is, if the broker says so. When it returns false, the others are not sent.
   */
  async #sendShare(
    { messages, starts }: Share,
    options: ProduceOptions,
    sent: (from: number, to: number, outcome: Placed | null | Error) => boolean,
  ): Promise<void> {
    const waiting = starts.map((from, at) => ({ from, to: starts[at + 1] ?? messages.length })).reverse()
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { from, to } = next
      if (from > 0 && this.#turns.over) await this.#turns.next()
      const together = to - from === messages.length ? messages : messages.slice(from, to)
      try {
        const { offsets } = await this.#sendTogether(together, options)
        const [place] = offsets ?? []
        if (!sent(from, to, place === undefined ? null : { partition: place.partition, offset: place.offset })) return
      } catch (error) {
        if (to - from > 1 && refusals.some(name => findErrorBy(error as Error, 'apiId', name) !== null)) {
          const middle = from + ((to - from) >> 1)
          waiting.push({ from: middle, to }, { from, to: middle })
        } else if (!sent(from, to, error as Error)) return
      }
    }
  }

  /** Behind what is long; what is not is sent at once. */
  async #inOrder<T>(topic: string, records: readonly RecordToSend[], work: () => Promise<T>): Promise<T> {
    const before = this.#long.get(topic)
    if (!isLong(records)) {
      if (before !== undefined) await before
      return work()
    }
    const done = before === undefined ? work() : before.then(work)
    const ended = done.then(
      () => {},
      () => {},
    )
    this.#long.set(topic, ended)
    try {
      return await done
    } finally {
      if (this.#long.get(topic) === ended) this.#long.delete(topic)
    }
  }

  async #partitionCount(topic: string, { creates = true }: ProduceOptions, forceUpdate = false): Promise<number> {
    const { topics } = await this.#producer.metadata({ topics: [topic], autocreateTopics: creates, forceUpdate })
    return topics.get(topic)?.partitionsCount ?? 0
  }

  /** By partition. The library would use the partition modulo the number of partitions, and the record would go to the wrong one. */
  async #divide(
    topic: string,
    records: readonly RecordToSend[],
    options: ProduceOptions,
  ): Promise<{ shares: Share[]; refused: Map<number, ClientError> }> {
    let count = await this.#partitionCount(topic, options)
    if (count === 0) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    const shares = new Map<number, Share>()
    const refused = new Map<number, ClientError>()
    const isSliced = records.length > batch.records
    let isFresh = false
    for (const [index, record] of records.entries()) {
      if (isSliced && this.#turns.over) await this.#turns.next()
      const partition = record.partition ?? this.#choose(topic, record, count)
      if (partition >= count && !isFresh) {
        // The library remembers how many there were. Some may have been added since.
        count = await this.#partitionCount(topic, options, true)
        isFresh = true
      }
      if (partition < 0 || partition >= count) {
        refused.set(index, noPartition(topic, partition, count))
        continue
      }
      let share = shares.get(partition)
      if (share === undefined) shares.set(partition, (share = { messages: [], indexes: [], starts: [0], bytes: 0 }))
      const size = sizeOf(record)
      const { length } = share.messages
      const isFull = share.bytes + size > batch.bytes || length - share.starts.at(-1)! === batch.records
      if (isFull && length > 0) {
        share.starts.push(length)
        share.bytes = 0
      }
      share.bytes += size
      share.messages.push(toMessage(topic, record, partition))
      share.indexes.push(index)
    }
    return { shares: [...shares.values()], refused }
  }

  /** As Kafka's producers do with a key. */
  #choose(topic: string, { key }: RecordToSend, count: number): number {
    if (key !== null) return compatibilityPartitioner({ topic }, key) % count
    const turn = this.#next.get(topic) ?? 0
    this.#next.set(topic, turn + 1)
    return turn % count
  }
}

function isLong(records: readonly RecordToSend[]): boolean {
  if (records.length > batch.records) return true
  let bytes = 0
  for (const record of records) bytes += sizeOf(record)
  return bytes > batch.bytes
}

/** At most. */
function sizeOf({ key, value, headers = [] }: RecordToSend): number {
  let bytes = overhead.record + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += overhead.header + header.key.length + (header.value?.length ?? 0)
  return bytes
}

function noPartition(topic: string, partition: number, count: number): ClientError {
  return new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${partition}; its partitions are 0 to ${count - 1}`)
}

function pauseBefore(client: object, _operation: string, attempt: number, _retries: number, error: Error): number {
  // The next attempt asks for the leader again. The library does so by itself only after errors of the network.
  if (findErrorBy(error, 'hasStaleMetadata', true) !== null) (client as Base).currentMetadata?.topics.clear()
  return Math.min(retryMs.last, retryMs.first * 2 ** attempt)
}

function toMessage(topic: string, { key, value, headers, timestampMs }: RecordToSend, partition: number): MessageToProduce {
  const message: MessageToProduce = { topic, partition }
  if (key !== null) message.key = key
  if (value !== null) message.value = value
  if (timestampMs !== undefined) message.timestamp = timestampMs
  // Two headers of one name are two entries of the map, because its keys are buffers.
  if (headers !== undefined && headers.length > 0) message.headers = new Map(headers.map(header => [header.key, header.value as Buffer]))
  return message
}
