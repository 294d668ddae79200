/** Sends records: translates our options to those of the library. */
import { type MessageToProduce, ProduceAcks, type Producer } from '@platformatic/kafka'
import { ClientError } from '../channel.ts'
import type { Placed, ProduceOptions, RecordToSend } from './types.ts'

export async function sendRecords(
  producer: Producer,
  topic: string,
  records: readonly RecordToSend[],
  { acks = 'all', compression = 'none' }: ProduceOptions,
): Promise<Placed[]> {
  if (records.length === 0) return []
  await checkPartitions(producer, topic, records)
  const { offsets } = await producer.send({
    messages: records.map(record => toMessage(topic, record)),
    acks: acks === 'all' ? ProduceAcks.ALL : acks,
    compression,
    // As in Kafka's producer: retries neither repeat nor reorder.
    idempotent: acks === 'all',
    autocreateTopics: true,
  })
  return (offsets ?? []).map(({ partition, offset }) => ({ partition, offset }))
}

/** The library would use the partition modulo the number of partitions, and the record would go to the wrong one. */
async function checkPartitions(producer: Producer, topic: string, records: readonly RecordToSend[]): Promise<void> {
  const highest = records.reduce((max, { partition }) => Math.max(max, partition ?? -1), -1)
  if (highest < 0) return
  const { topics } = await producer.metadata({ topics: [topic], autocreateTopics: true })
  const count = topics.get(topic)?.partitionsCount ?? 0
  if (highest >= count) {
    throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `${topic} has no partition ${highest}; its partitions are 0 to ${count - 1}`)
  }
}

function toMessage(topic: string, { key, value, headers, partition, timestampMs }: RecordToSend): MessageToProduce {
  const message: MessageToProduce = { topic }
  if (key !== null) message.key = key
  if (value !== null) message.value = value
  if (partition !== undefined) message.partition = partition
  if (timestampMs !== undefined) message.timestamp = timestampMs
  // Two headers of one name are two entries of the map, because its keys are buffers.
  if (headers !== undefined && headers.length > 0) message.headers = new Map(headers.map(header => [header.key, header.value as Buffer]))
  return message
}
