/**
 * Decides which errors a session has to repeat. Kafka repeats every error in every response: to an empty request of sixty bytes, a session with
 * a hundred thousand partitions of unknown topics would immediately return four megabytes, again and again. Here an unchanged error is repeated
 * after a second; one that only makes clients refresh their metadata, after a minute, because changes are reported immediately.
 */
import { errorCode } from '../../protocol.ts'

const repeatMs = 1_000
const unknownRepeatMs = 60_000
const unknown: ReadonlySet<number> = new Set([errorCode('UNKNOWN_TOPIC_OR_PARTITION'), errorCode('UNKNOWN_TOPIC_ID')])

/** Of a partition in a session. */
export interface ToldError {
  /** The last reported error; 0 for none, or if the client has requested the partition again since. */
  toldError: number
  /** Monotonic. */
  toldErrorMs: number
}

export function mustTell({ toldError, toldErrorMs }: ToldError, error: number, nowMs: number): boolean {
  if (error === 0) return false
  return error !== toldError || nowMs - toldErrorMs >= (unknown.has(error) ? unknownRepeatMs : repeatMs)
}
