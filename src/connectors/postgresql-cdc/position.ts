/**
 * How far the changes of a slot are done, as the offset of a record says it.
 *
 * The slot sends whole transactions in the order of their commits, and only from the beginning of one. So an offset says up to which commit all is done, and what
 * is done of the next transaction: the last change by its LSN, how many messages of this LSN (COPY writes many rows at one), and how many records of the next message
 * (a change of a key makes three). No two records have the same offset, and none that is done is made again.
 */
import { type ConnectValue, type Struct, struct } from '../../connector.ts'

export interface Position {
  /** Transactions that ended before are done. */
  readonly commit: bigint
  /** What is done of the next transaction; null: nothing. */
  readonly within: Within | null
  /** The last logical message outside of transactions. */
  readonly message: bigint
  /** What an incremental snapshot has still to read; null: there is none. */
  readonly reading: Reading | null
  /** Of the server's WAL; null: not known. */
  readonly timeline: number | null
  /** It is of the first snapshot, which was interrupted. */
  readonly isOfSnapshot?: boolean
}

/** Nothing is done. */
export const start: Position = { commit: 0n, within: null, message: 0n, reading: null, timeline: null }

/** Keys are texts as the database writes them. */
export interface Reading {
  /** The first one is being read. `name`: `schema.table`; `condition`: in SQL, or empty. */
  readonly tables: readonly { readonly name: string; readonly condition: string }[]
  /** The key of the last row that was read; null: none. */
  readonly after: readonly (string | null)[] | null
  /** The greatest key when it began; null: not known yet, or the table is empty. */
  readonly upTo: readonly (string | null)[] | null
  /** Keys of rows that must be read once more. */
  readonly again: readonly (readonly (string | null)[])[]
  /** All others of the table are read. */
  readonly isEnd: boolean
  readonly isPaused: boolean
}

/** Of no table. */
export const unread: Reading = { tables: [], after: null, upTo: null, again: [], isEnd: false, isPaused: false }

export interface Within {
  /** The LSN of the transaction's commit; null: the first one that is sent (of Debezium's offsets, which do not tell). */
  readonly transaction: bigint | null
  readonly lsn: bigint
  readonly messages: number
  readonly records: number
}

/** Keys are Debezium's where they mean the same. */
export function offsetOf({ commit, within, message, reading, timeline }: Position, xid: number | null, micros: bigint | null): Struct {
  const offset = struct([['lsn_commit', commit]])
  if (within !== null) {
    offset['lsn_transaction'] = within.transaction
    offset['lsn'] = within.lsn
    offset['lsn_events_processed'] = within.messages
    if (within.records > 0) offset['lsn_records_processed'] = within.records
  }
  if (message > commit) offset['lsn_message'] = message
  if (timeline !== null) offset['timeline'] = timeline
  if (reading !== null) offset['incremental_snapshot'] = JSON.stringify(reading)
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
  const reading = readingOf(offset['incremental_snapshot'] ?? null)
  const isBegun = offset['snapshot'] !== undefined && offset['snapshot'] !== null
  if (isBegun && reading === null && offset['snapshot_completed'] !== true && offset['last_snapshot_record'] !== true) return null
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
  const timeline = number('timeline')
  return {
    ...{ commit, within, message: number('lsn_message') ?? 0n, reading },
    timeline: timeline === null ? null : Number(timeline),
    isOfSnapshot: isBegun && reading !== null,
  }
}

/** Only what was written here is read. Throws RangeError. */
function readingOf(text: ConnectValue): Reading | null {
  if (text === null) return null
  try {
    const { tables, after, upTo, again, isEnd, isPaused } = JSON.parse(String(text)) as Reading
    if (tables.length > 0 && tables.every(each => typeof each.name === 'string' && typeof each.condition === 'string'))
      return { tables, after, upTo, again, isEnd, isPaused }
  } catch {
    // It is said below.
  }
  throw new RangeError('the offset has a field incremental_snapshot that is not understood')
}
