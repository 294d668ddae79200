/** Errors of Kafka as Confluent's REST proxy tells them: a status, and a code of five digits. */
import { ClientError } from '../client.ts'
import { HttpError, unauthorized } from '../http.ts'
import { Unauthorized } from '../sessions.ts'

const badRequest: ReadonlySet<string> = new Set([
  'INVALID_REPLICATION_FACTOR',
  'SECURITY_DISABLED',
  'UNSUPPORTED_VERSION',
  'INVALID_PARTITIONS',
  'INVALID_REQUEST',
  'INVALID_REPLICA_ASSIGNMENT',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_CONFIG',
  'UNKNOWN_SERVER_ERROR',
  'POLICY_VIOLATION',
  'TOPIC_ALREADY_EXISTS',
  'TOPIC_DELETION_DISABLED',
  'INVALID',
])
const retriable: ReadonlySet<string> = new Set([
  'UNREACHABLE',
  'TIMEOUT',
  'REQUEST_TIMED_OUT',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'NOT_CONTROLLER',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION',
  'CORRUPT_MESSAGE',
])

export const codes = { badRequest: 40_002, unauthenticated: 40_101, forbidden: 40_301, kafka: 50_002, retriable: 50_003 } as const

/** What is no error of Kafka or of a login stays as it is. */
export function toHttpError(error: unknown): unknown {
  if (error instanceof Unauthorized) return unauthorized(error, codes.unauthenticated)
  return error instanceof ClientError ? ofKafka(error) : error
}

export function ofKafka(error: ClientError): HttpError {
  const { code, message } = error
  const make = (status: number, restCode: number, headers: Record<string, string> = {}) =>
    new HttpError(status, restCode, message, { headers, cause: error })
  if (code === 'REFUSED' || code === 'SASL_AUTHENTICATION_FAILED') return make(401, codes.unauthenticated)
  if (code.endsWith('_AUTHORIZATION_FAILED')) return make(403, codes.forbidden)
  if (code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID') return make(404, 40_403)
  if (code === 'BROKER_NOT_AVAILABLE') return make(503, 50_302)
  if (code === 'THROTTLING_QUOTA_EXCEEDED') return make(429, 42_901, { 'retry-after': '1' })
  if (code === 'MESSAGE_TOO_LARGE' || code === 'RECORD_LIST_TOO_LARGE') return make(413, 413)
  if (badRequest.has(code)) return make(400, codes.badRequest)
  return make(500, retriable.has(code) ? codes.retriable : codes.kafka)
}

export function isRetriable({ code }: ClientError): boolean {
  return retriable.has(code)
}

export function notFound(message: string): HttpError {
  return new HttpError(404, 404, `HTTP 404 Not Found: ${message}`)
}

export function noPartition(): HttpError {
  return new HttpError(404, 40_402, 'Partition not found.')
}

export function badRequestOf(message: string): HttpError {
  return new HttpError(400, 400, `Bad Request: ${message}`)
}

export function unprocessable(code: number, message: string): HttpError {
  return new HttpError(422, code, message)
}

/** Confluent's `Payload error.` */
export function invalidPayload(message: string): HttpError {
  return unprocessable(42_206, `Payload error. ${message}`)
}

/** Confluent's: the schema registry does not give what it takes to serialize. */
export function unserializable(message: string): HttpError {
  return unprocessable(42_207, `Error serializing message. ${message}`)
}

export function noRegistry(): HttpError {
  return invalidPayload('Schema Registry must be configured when using schemas.')
}
