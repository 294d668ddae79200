/** Maps errors of the log (and bugs) to the errors that a coordinator's client gets, as in Kafka. */
import { type ErrorName, KafkaError } from '../protocol.ts'

const renamed: Partial<Record<ErrorName, ErrorName>> = {
  // Older clients do not expect it from a coordinator; a retry without a new lookup helps.
  NETWORK_EXCEPTION: 'COORDINATOR_LOAD_IN_PROGRESS',
  UNKNOWN_TOPIC_OR_PARTITION: 'COORDINATOR_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS: 'COORDINATOR_NOT_AVAILABLE',
  REQUEST_TIMED_OUT: 'COORDINATOR_NOT_AVAILABLE',
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  KAFKA_STORAGE_ERROR: 'NOT_COORDINATOR',
  MESSAGE_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  RECORD_LIST_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  INVALID_FETCH_SIZE: 'UNKNOWN_SERVER_ERROR',
}

/** Maps `error` as a coordinator does; other errors than KafkaErrors become UNKNOWN_SERVER_ERROR with the original as cause. */
export function coordinatorError(error: unknown): KafkaError {
  if (!(error instanceof KafkaError)) {
    const wrapped = new KafkaError('UNKNOWN_SERVER_ERROR', error instanceof Error ? error.message : String(error))
    wrapped.cause = error
    return wrapped
  }
  const name = renamed[error.name as ErrorName]
  return name === undefined ? error : new KafkaError(name, error.message)
}
