/** Rows of a snapshot as records that say where in it they are. */
import type { SourceRecord } from '../../connector.ts'
import type { SnapshotMark } from './envelope.ts'

/** Rows of one table after the other; `table` is the same object for all of one. */
export type RowBatches<T, R> = AsyncIterable<{ readonly table: T; readonly rows: readonly R[] }>

interface Held<T, R> {
  readonly table: T
  readonly row: R
  readonly isFirst: boolean
}

/** Batches of records; the last one ends the snapshot. Each row waits for the next one, which tells whether it is the last of its table. */
export async function* snapshotRecords<T, R>(
  batches: RowBatches<T, R>,
  recordOf: (table: T, row: R, mark: SnapshotMark) => SourceRecord,
): AsyncGenerator<SourceRecord[]> {
  let held = null as Held<T, R> | null
  let isVeryFirst = true
  for await (const { table, rows } of batches) {
    const records: SourceRecord[] = []
    for (const row of rows) {
      const isFirst = held?.table !== table
      if (held !== null) records.push(recordOf(held.table, held.row, markOf(isVeryFirst, held.isFirst, isFirst)))
      isVeryFirst &&= held === null
      held = { table, row, isFirst }
    }
    if (records.length > 0) yield records
  }
  yield held === null ? [] : [recordOf(held.table, held.row, 'last')]
}

function markOf(isVeryFirst: boolean, isFirstOfTable: boolean, isLastOfTable: boolean): SnapshotMark {
  // The only row of a table is its last one, as in Debezium.
  if (isLastOfTable) return 'last_in_data_collection'
  if (isVeryFirst) return 'first'
  return isFirstOfTable ? 'first_in_data_collection' : 'true'
}
