/**
 * Decisions that may need many records. They are generators, which yield often: whoever runs them does so in time slices, and lets nothing
 * else change what they are decided on meanwhile.
 */
import { KafkaError } from '../../protocol.ts'
import type { Decision, LogRecord } from '../shard.ts'
import { encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'
import type { ClusterShard } from './shard.ts'

export type Deciding<R> = Generator<void, Decision<R>>

/** Decides on the state of the shard. May be called again on a newer one, so it has no effects. */
export type Step<R> = (shard: ClusterShard) => Decision<R> | Deciding<R>

/** Kafka's bound on the records of one operation. */
export const maxRecordsPerOperation = 10_000

export function isDeciding<R>(made: Decision<R> | Deciding<R>): made is Deciding<R> {
  return 'next' in made
}

/** `validateOnly`: without the records. Throws POLICY_VIOLATION if they are too many. */
export function* decide<R>(records: readonly MetadataRecord[], response: R, validateOnly = false): Deciding<R> {
  requireFew(records)
  const encoded: LogRecord[] = []
  if (!validateOnly) {
    for (const record of records) {
      yield
      encoded.push(encodeMetadataRecord(record))
    }
  }
  return { records: encoded, response }
}

/** The same for some records, which are encoded at once. */
export function decideAtOnce<R>(records: readonly MetadataRecord[], response: R): Decision<R> {
  requireFew(records)
  return { records: records.map(encodeMetadataRecord), response }
}

function requireFew({ length }: readonly MetadataRecord[]): void {
  if (length > maxRecordsPerOperation) throw new KafkaError('POLICY_VIOLATION', 'Unable to perform excessively large batch operation.')
}

/** For each item the value, or the KafkaError that refused it: one item's failure leaves the others alone. */
export function* attemptEach<T, R>(items: Iterable<T>, step: (item: T) => R | Generator<void, R>): Generator<void, (R | KafkaError)[]> {
  const outcomes: (R | KafkaError)[] = []
  for (const item of items) {
    yield
    try {
      const made = step(item)
      outcomes.push(isSteps(made) ? yield* made : made)
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      outcomes.push(error)
    }
  }
  return outcomes
}

function isSteps<R>(made: R | Generator<void, R>): made is Generator<void, R> {
  return typeof made === 'object' && made !== null && 'next' in made
}
