/** What brokers refuse for what a record is, and not for what the cluster is at the moment. */
import type { ClientError } from '../channel.ts'
import type { ErrorName } from '../protocol.ts'

/** Of a batch. */
export const tooLarge = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'] as const satisfies readonly ErrorName[]
/** Refusals of a batch that say nothing of the next one. */
const ofRecords: ReadonlySet<string> = new Set<ErrorName>([...tooLarge, 'INVALID_RECORD', 'INVALID_TIMESTAMP', 'CORRUPT_MESSAGE'])

/** Whether others than this record would be taken. */
export function concernsRecord({ code }: ClientError): boolean {
  return ofRecords.has(code)
}
