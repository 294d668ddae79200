/** Turns whatever was thrown into the error that a client is told. */
import { DiskError } from '../base.ts'
import { type ErrorName, KafkaError } from '../protocol.ts'

/** `fallback` is told for what nobody foresaw; whoever calls logs that. */
export function toKafkaError(error: unknown, fallback: ErrorName = 'UNKNOWN_SERVER_ERROR'): KafkaError {
  if (error instanceof KafkaError) return error
  if (error instanceof DiskError) return new KafkaError('KAFKA_STORAGE_ERROR', `${error.operation}: ${error.code}`)
  return new KafkaError(fallback)
}
