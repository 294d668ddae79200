/**
 * Sends records: translates our options to those of the library, and hides from callers that leaders change.
 *
 * The library sends what has one leader in one request, and when that leader changes, all of it to the new leader of the first partition. So each
 * partition is sent by itself here. It is tried again until a failover, or the restart of a broker, is over; as in Kafka's producer, a sequence number
 * keeps an attempt whose answer was lost from being stored twice.
 */
import {
  type Base,
  compatibilityPartitioner,
  findErrorBy,
  type MessageToProduce,
  ProduceAcks,
  Producer,
  type ProducerOptions,
} from '@platformatic/kafka'
import { ClientError } from '../channel.ts'
import type { Placed, ProduceOptions, RecordToSend } from './types.ts'

const retryMs = { first: 20, last: 250 }
const retryForMs = 10_000

export class RecordSender {
  readonly #producer: Producer
  /** By topic, where the next record without a key goes. */
  readonly #turns = new Map<string, number>()

  constructor(options: ProducerOptions<Buffer, Buffer, Buffer, Buffer>) {
    this.#producer = new Producer({ ...options, retries: retryForMs / retryMs.last, retryDelay: pauseBefore })
  }

  async send(topic: string, records: readonly RecordToSend[], { acks = 'all', compression = 'none' }: ProduceOptions): Promise<Placed[]> {
    if (records.length === 0) return []
    const byPartition = Map.groupBy(await this.#placed(topic, records), ({ partition }) => partition)
    const send = (messages: MessageToProduce[]) =>
      this.#producer.send({
        messages,
        acks: acks === 'all' ? ProduceAcks.ALL : acks,
        compression,
        // As in Kafka's producer: retries neither repeat nor reorder.
        idempotent: acks === 'all',
        autocreateTopics: true,
        // Once and at once, which may be too early.
        repeatOnStaleMetadata: false,
      })
    const sending = Array.from(byPartition.values(), send)
    // If one fails, the others go on: nothing is under way when the caller hears of it.
    await Promise.allSettled(sending)
    const offsets = (await Promise.all(sending)).flatMap(sent => sent.offsets ?? [])
    return offsets.map(({ partition, offset }) => ({ partition, offset }))
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  /** The library would use the partition modulo the number of partitions, and the record would go to the wrong one. */
  async #placed(topic: string, records: readonly RecordToSend[]): Promise<MessageToProduce[]> {
    const { topics } = await this.#producer.metadata({ topics: [topic], autocreateTopics: true })
    const count = topics.get(topic)?.partitionsCount ?? 0
    const highest = records.reduce((max, { partition }) => Math.max(max, partition ?? -1), -1)
    if (highest >= count) {
      throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${highest}; its partitions are 0 to ${count - 1}`)
    }
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
