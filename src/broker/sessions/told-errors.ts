/**
 * Which errors a session has to be told again. Kafka repeats each with every response: to an empty request of sixty bytes a session of a
 * hundred thousand partitions without a topic would answer four megabytes, at once and again and again. Here an error that has not changed
 * is told again after a second; one that only has clients look at the metadata after a minute, because what comes to be is told at once.
 */
import { errorCode } from '../../protocol.ts'

const repeatMs = 1_000
const unknownRepeatMs = 60_000
const unknown: ReadonlySet<number> = new Set([errorCode('UNKNOWN_TOPIC_OR_PARTITION'), errorCode('UNKNOWN_TOPIC_ID')])

/** Of a partition in a session. */
export interface ToldError {
  /** What the client was told last; 0 for no error, and when it has asked anew since. */
  toldError: number
  /** Monotonic. */
  toldErrorMs: number
}

export function mustTell({ toldError, toldErrorMs }: ToldError, error: number, nowMs: number): boolean {
  if (error === 0) return false
  return error !== toldError || nowMs - toldErrorMs >= (unknown.has(error) ? unknownRepeatMs : repeatMs)
}
