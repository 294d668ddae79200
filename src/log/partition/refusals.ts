/** What a partition answers to those who ask for what it cannot do: the same errors, with Kafka's words, in every home. */
import { KafkaError, type Offset } from '../../protocol.ts'

interface Refusing {
  /** `topic-partition`. */
  readonly name: string
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly highWatermark: Offset
  readonly gone: 'deleted' | 'released' | null
}

/** For those who still ask a partition that was deleted, or that was or is being released. */
export function goneError({ gone, name }: Pick<Refusing, 'gone' | 'name'>): KafkaError {
  return gone === 'deleted'
    ? new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Partition ${name} was deleted`)
    : new KafkaError('NOT_LEADER_OR_FOLLOWER', `Partition ${name} was released`)
}

export function offlineError({ name }: Pick<Refusing, 'name'>, reason: string): KafkaError {
  return new KafkaError('KAFKA_STORAGE_ERROR', `Partition ${name} is offline: ${reason}`)
}

export function unexpectedEnd({ name, logEndOffset }: Refusing, expected: Offset): KafkaError {
  return new KafkaError('NOT_LEADER_OR_FOLLOWER', `Append to ${name} expected the log to end at ${expected}, it ends at ${logEndOffset}`)
}

export function outOfRange({ name, logStartOffset, logEndOffset }: Refusing, from: Offset): KafkaError {
  return new KafkaError(
    'OFFSET_OUT_OF_RANGE',
    `Received request for offset ${from} for partition ${name}, but we only have log segments from offset ${logStartOffset} up to ${logEndOffset}.`,
  )
}

export function beyondHighWatermark({ name, highWatermark }: Refusing, offset: Offset): KafkaError {
  return new KafkaError(
    'OFFSET_OUT_OF_RANGE',
    `Cannot increment the log start offset to ${offset} of partition ${name} since it is larger than the high watermark ${highWatermark}`,
  )
}
