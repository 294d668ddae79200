/**
 * Sends records: translates our options to those of the library, and hides from callers that leaders change.
 *
 * The library sends what has one leader in one request, and when that leader changes, all of it to the new leader of the first partition. So each
 * partition is sent by itself here. It is tried again until a failover, or the restart of a broker, is over; as in Kafka's producer, a sequence number
 * keeps an attempt whose answer was lost from being stored twice.
 */
import type { Base, MessageToProduce, ProducerOptions } from '@platformatic/kafka'
import { ClientError, toClientError } from '../channel.ts'
import { compatibilityPartitioner, findErrorBy, ProduceAcks, Producer } from '../library.ts'
import type { Placed, ProduceOptions, RecordToSend, Sent } from './types.ts'

const retryMs = { first: 20, last: 250 }
const retryForMs = 10_000

export class RecordSender {
  readonly #producer: Producer
  /** By topic, where the next record without a key goes. */
  readonly #turns = new Map<string, number>()

  constructor(options: ProducerOptions<Buffer, Buffer, Buffer, Buffer>) {
    this.#producer = new Producer({ ...options, retries: retryForMs / retryMs.last, retryDelay: pauseBefore })
  }

  async send(topic: string, records: readonly RecordToSend[], options: ProduceOptions): Promise<Placed[]> {
    if (records.length === 0) return []
    const byPartition = Map.groupBy(await this.#placed(topic, records), ({ partition }) => partition)
    const sending = Array.from(byPartition.values(), messages => this.#sendTogether(messages, options))
    // If one fails, the others go on: nothing is under way when the caller hears of it.
    await Promise.allSettled(sending)
    const offsets = (await Promise.all(sending)).flatMap(sent => sent.offsets ?? [])
    return offsets.map(({ partition, offset }) => ({ partition, offset }))
  }

  /** As `send`, with an outcome for each record. */
  async sendEach(topic: string, records: readonly RecordToSend[], options: ProduceOptions, bootstrap: string): Promise<Sent[]> {
    const outcomes = new Array<Sent>(records.length)
    const count = await this.#partitionCount(topic)
    if (count === 0) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${topic}`)
    const shares = new Map<number, { messages: MessageToProduce[]; indexes: number[] }>()
    for (const [index, record] of records.entries()) {
      const partition = record.partition ?? this.#choose(topic, record, count)
      if (partition < 0 || partition >= count) {
        outcomes[index] = noPartition(topic, partition, count)
        continue
      }
      let share = shares.get(partition)
      if (share === undefined) shares.set(partition, (share = { messages: [], indexes: [] }))
      share.messages.push(toMessage(topic, record, partition))
      share.indexes.push(index)
    }
    const sendShare = async (partition: number, { messages, indexes }: { messages: MessageToProduce[]; indexes: number[] }) => {
      try {
        const { offsets } = await this.#sendTogether(messages, options)
        const base = offsets?.[0]?.offset ?? -1n
        for (const [at, index] of indexes.entries()) outcomes[index] = { partition, offset: base < 0n ? -1n : base + BigInt(at) }
      } catch (error) {
        const told = toClientError(error, bootstrap)
        for (const index of indexes) outcomes[index] = told
      }
    }
    await Promise.all(Array.from(shares, ([partition, share]) => sendShare(partition, share)))
    return outcomes
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  /** Messages of one partition. */
  #sendTogether(messages: MessageToProduce[], { acks = 'all', compression = 'none' }: ProduceOptions) {
    return this.#producer.send({
      messages,
      acks: acks === 'all' ? ProduceAcks.ALL : acks,
      compression,
      // As in Kafka's producer: retries neither repeat nor reorder.
      idempotent: acks === 'all',
      autocreateTopics: true,
      // Once and at once, which may be too early.
      repeatOnStaleMetadata: false,
    })
  }

  async #partitionCount(topic: string): Promise<number> {
    const { topics } = await this.#producer.metadata({ topics: [topic], autocreateTopics: true })
    return topics.get(topic)?.partitionsCount ?? 0
  }

  /** The library would use the partition modulo the number of partitions, and the record would go to the wrong one. */
  async #placed(topic: string, records: readonly RecordToSend[]): Promise<MessageToProduce[]> {
    const count = await this.#partitionCount(topic)
    const highest = records.reduce((max, { partition }) => Math.max(max, partition ?? -1), -1)
    if (highest >= count) throw noPartition(topic, highest, count)
    return records.map(record => toMessage(topic, record, record.partition ?? this.#choose(topic, record, count)))
  }

  /** As Kafka's producers do with a key. */
  #choose(topic: string, { key }: RecordToSend, count: number): number {
    if (key !== null) return compatibilityPartitioner({ topic }, key) % count
    const turn = this.#turns.get(topic) ?? 0
    this.#turns.set(topic, turn + 1)
    return turn % count
  }
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
