/**
 * How far the changes of the binlog are done, as the offset of a record says it: up to which transaction all is done, and how many rows of the next one.
 *
 * Rows are counted, and not the events that hold them: on another server of the same replication they may be grouped otherwise.
 */
import { type Struct, struct } from '../../connector.ts'

/** Before a transaction. */
export interface Place {
  readonly file: string
  readonly pos: number
  /** Executed transactions: a GTID set of MySQL, or a position of MariaDB; null: the server has none. */
  readonly gtids: string | null
}

export interface Position {
  readonly place: Place
  /** Rows of the next transaction that are done, and records of the row after them. */
  readonly rows: number
  readonly records: number
  /** Which tables were captured when these were counted; undefined: the same as now. */
  readonly tables?: string
}

/** Keys are Debezium's where they mean the same. */
export function offsetOf({ place, rows, records, tables }: Position, seconds: number | null, isSnapshot: boolean): Struct {
  const offset = struct([
    ['file', place.file],
    ['pos', place.pos],
  ])
  if (place.gtids !== null) offset['gtids'] = place.gtids
  if (rows > 0) offset['rows'] = rows
  if (records > 0) offset['records'] = records
  if (tables !== undefined && rows + records > 0) offset['tables'] = tables
  if (seconds !== null) offset['ts_sec'] = seconds
  if (isSnapshot) offset['snapshot'] = 'INITIAL'
  return offset
}

/** null: a snapshot was not finished. Throws RangeError if it is no offset of this kind, or if Debezium was within a transaction, whose events it counts otherwise. */
export function positionOf(offset: Struct): Position | null {
  if (offset['snapshot'] !== undefined && offset['snapshot'] !== null && offset['snapshot_completed'] !== true) return null
  const { file, pos, gtids = null, rows = 0, records = 0, event = 0, row = 0 } = offset
  const isText = typeof file === 'string' && (gtids === null || typeof gtids === 'string')
  if (!isText || ![pos, rows, records, event, row].every(each => typeof each === 'number' || typeof each === 'bigint'))
    throw new RangeError('the offset says no position in the binlog')
  if (Number(event) > 0 || Number(row) > 1)
    throw new RangeError('the offset of Debezium is within a transaction: let it go on to the end of one first')
  const place = { file, pos: Number(pos), gtids: gtids as string | null }
  const { tables } = offset
  return { place, rows: Number(rows), records: Number(records), ...(typeof tables === 'string' && { tables }) }
}
