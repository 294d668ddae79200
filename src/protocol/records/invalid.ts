/** The error for invalid records: Kafka's INVALID_RECORD, with errors per record where Kafka names the records. */
import { KafkaError } from '../errors.ts'

/** Kafka's InvalidRecordException. */
export function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_RECORD', message)
}

/** One record that its topic refuses; `batchIndex` is its place in the batch (ProduceResponse.recordErrors, KIP-467). */
export interface RecordError {
  batchIndex: number
  message: string
}

/** The batch is sound but its topic refuses some of its records. */
export class InvalidRecords extends KafkaError {
  readonly recordErrors: readonly RecordError[]

  constructor(name: 'INVALID_RECORD' | 'INVALID_TIMESTAMP', message: string, recordErrors: readonly RecordError[]) {
    super(name, message)
    this.recordErrors = recordErrors
  }
}

/** Kafka accepts the batch, but it must be rewritten before it is stored: see `open.ts`. */
export class OddRecords extends KafkaError {
  constructor() {
    super('INVALID_RECORD', 'The batch must be written anew before it is stored')
  }
}
