/** What brokers refuse for what a record is, and not for what the cluster is at the moment. */
import { ClientError } from '../channel.ts'
import type { ErrorName } from '../protocol.ts'

/** Of a batch, and they say nothing of the next one. */
export const refusals = [
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TIMESTAMP',
  'CORRUPT_MESSAGE',
] as const satisfies readonly ErrorName[]
const codes: ReadonlySet<string> = new Set(refusals)

/** Whether others than this record would be taken. */
export function concernsRecord({ code }: ClientError): boolean {
  return codes.has(code)
}

/** For its topic; with less in it, it may be taken. */
export function isTooLarge(error: unknown): error is ClientError {
  return error instanceof ClientError && (error.code === 'MESSAGE_TOO_LARGE' || error.code === 'RECORD_LIST_TOO_LARGE')
}
