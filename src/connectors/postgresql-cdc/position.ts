/**
 * How far the changes of a slot are done, as the offset of a record says it.
 *
 * The slot sends whole transactions in the order of their commits, and only from the beginning of one. So an offset says up to which commit all is done, and what
 * is done of the next transaction: the last change by its LSN, how many messages of this LSN (COPY writes many rows at one), and how many records of the next message
 * (a change of a key makes three). No two records have the same offset, and none that is done is made again.
 */
import { type Struct, struct } from '../../connector.ts'

export interface Position {
  /** Transactions that ended before are done. */
  readonly commit: bigint
  /** What is done of the next transaction; null: nothing. */
  readonly within: Within | null
  /** The last logical message outside of transactions. */
  readonly message: bigint
}

export interface Within {
  /** The LSN of the transaction's commit; null: the first one that is sent (of Debezium's offsets, which do not tell). */
  readonly transaction: bigint | null
  readonly lsn: bigint
  readonly messages: number
  readonly records: number
}

/** Keys are Debezium's where they mean the same. */
export function offsetOf({ commit, within, message }: Position, xid: number | null, micros: bigint | null): Struct {
  const offset = struct([['lsn_commit', commit]])
  if (within !== null) {
    offset['lsn_transaction'] = within.transaction
    offset['lsn'] = within.lsn
    offset['lsn_events_processed'] = within.messages
    if (within.records > 0) offset['lsn_records_processed'] = within.records
  }
  if (message > commit) offset['lsn_message'] = message
  if (xid !== null) offset['txId'] = xid
  if (micros !== null) offset['ts_usec'] = micros
  return offset
}

/** null: a snapshot was not finished. Throws RangeError if it is no offset of this kind. */
export function positionOf(offset: Struct): Position | null {
  const number = (name: string): bigint | null => {
    const value = offset[name] ?? null
    if (value === null) return null
    if (typeof value !== 'number' && typeof value !== 'bigint') throw new RangeError(`the offset has a field ${name} that is no number`)
    return BigInt(value)
  }
  if (offset['snapshot'] !== undefined && offset['snapshot'] !== null && !isLastOfSnapshot(offset)) return null
  const lsn = number('lsn')
  const commit = number('lsn_commit') ?? number('lsn_proc') ?? lsn
  if (commit === null) throw new RangeError('the offset says no position in the WAL')
  const transaction = number('lsn_transaction')
  // Debezium's offset within a transaction does not name it; the last message tells whether there is one.
  const isWithin = transaction !== null || /^(?:INSERT|UPDATE|DELETE|TRUNCATE)$/.test(String(offset['messageType'] ?? ''))
  const within =
    isWithin && lsn !== null
      ? { transaction, lsn, messages: Number(number('lsn_events_processed') ?? 1n), records: Number(number('lsn_records_processed') ?? 0n) }
      : null
  return { commit, within, message: number('lsn_message') ?? 0n }
}

function isLastOfSnapshot(offset: Struct): boolean {
  return offset['snapshot_completed'] === true || offset['last_snapshot_record'] === true
}
