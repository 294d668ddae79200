/**
 * What a member of a share group is told when its progress cannot be read or stored. The coordinators are the business of this broker:
 * members know neither them nor the errors of connections between brokers.
 */
import { type ErrorName, KafkaError, toKafkaError } from '../../protocol.ts'

/** Errors of a coordinator, and of the way to it, as an acknowledgement reports them: Kafka's `SharePartition.fetchPersisterError`. */
const ofState: Partial<Record<ErrorName, ErrorName>> = {
  NOT_COORDINATOR: 'COORDINATOR_NOT_AVAILABLE',
  COORDINATOR_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE',
  COORDINATOR_LOAD_IN_PROGRESS: 'COORDINATOR_NOT_AVAILABLE',
  LEADER_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE',
  NETWORK_EXCEPTION: 'COORDINATOR_NOT_AVAILABLE',
  REQUEST_TIMED_OUT: 'COORDINATOR_NOT_AVAILABLE',
  GROUP_ID_NOT_FOUND: 'GROUP_ID_NOT_FOUND',
  UNKNOWN_TOPIC_OR_PARTITION: 'UNKNOWN_TOPIC_OR_PARTITION',
  FENCED_LEADER_EPOCH: 'NOT_LEADER_OR_FOLLOWER',
  FENCED_STATE_EPOCH: 'NOT_LEADER_OR_FOLLOWER',
}

/** Of what can happen here, Kafka's consumer accepts these in a ShareFetch response (`ShareFetchCollector.handleInitializeErrors`). Any other ends it. */
const ofFetch: ReadonlySet<string> = new Set<ErrorName>([
  'NOT_LEADER_OR_FOLLOWER',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'TOPIC_AUTHORIZATION_FAILED',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_SERVER_ERROR',
  'CORRUPT_MESSAGE',
])

/** For what reads or stores the state of a share partition: rejects with an error that an acknowledgement may report. */
export async function stateOf<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    const { name, message } = toKafkaError(error)
    throw new KafkaError(ofState[name as ErrorName] ?? 'UNKNOWN_SERVER_ERROR', message)
  }
}

/**
 * For a partition of a ShareFetch response. null: the coordinator cannot be asked now, and nothing is said of the partition, as while it is
 * being initialized in Kafka; the next request finds it again.
 */
export function fetchError(error: unknown): KafkaError | null {
  const known = toKafkaError(error)
  if (known.name === 'COORDINATOR_NOT_AVAILABLE') return null
  return ofFetch.has(known.name) ? known : new KafkaError('UNKNOWN_SERVER_ERROR', known.message)
}
