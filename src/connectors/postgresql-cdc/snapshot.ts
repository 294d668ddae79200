/** The rows that are there when the changes of a slot begin, read as of that moment. */
import type { Client } from 'pg'
import type { SourceRecord, Struct } from '../../connector.ts'
import type { SnapshotMark } from '../change-data/envelope.ts'
import type { CapturedTable } from './captured-table.ts'
import type { Table } from './catalog.ts'
import { ask, askText, quoted } from './connection.ts'
import type { Draft, Records, Whence } from './records.ts'
import type { ExportedSnapshot } from './slot.ts'

export interface SnapshotTable {
  readonly table: Table
  readonly captured: CapturedTable
}

export interface SnapshotOptions {
  readonly client: Client
  readonly exported: ExportedSnapshot
  readonly tables: readonly SnapshotTable[]
  readonly records: Records
  readonly mostRows: number
  readonly micros: bigint
  readonly sourcePartition: Struct
  /** `isLast`: the snapshot is done with this record. */
  offset(isLast: boolean): Struct
}

const fewestRows = 16
/** Of what is read at once. */
const aimBytes = 1_048_576

/** From now on the client sees what the snapshot shows. */
export async function enterSnapshot(client: Client, { name }: ExportedSnapshot): Promise<void> {
  await ask(client, 'begin isolation level repeatable read, read only')
  await ask(client, `set transaction snapshot '${name.replaceAll("'", "''")}'`)
}

/** Of a client that has entered it. Batches of records; the last one ends the snapshot. */
export async function* readSnapshot(options: SnapshotOptions): AsyncGenerator<SourceRecord[]> {
  const { client, records, exported, micros } = options
  const finish = (draft: Draft, isLast: boolean): SourceRecord => ({
    ...draft,
    partition: null,
    timestampMs: null,
    sourcePartition: options.sourcePartition,
    sourceOffset: options.offset(isLast),
  })
  /** Each row waits for the next one, which tells whether it is the last of its table. */
  let held: { captured: CapturedTable; row: (string | null)[]; isFirst: boolean } | null = null
  let isVeryFirst = true
  const made = (isLastOfTable: boolean, isLast: boolean): SourceRecord => {
    const { captured, row, isFirst } = held!
    const mark: SnapshotMark = isLast
      ? 'last'
      : isVeryFirst
        ? 'first'
        : isFirst
          ? 'first_in_data_collection'
          : isLastOfTable
            ? 'last_in_data_collection'
            : 'true'
    isVeryFirst = false
    const whence: Whence = { lsn: exported.lsn, xid: null, micros, previousCommit: null, snapshot: mark, origin: null }
    return finish(records.read(captured, row, whence), isLast)
  }
  for (const { table, captured } of options.tables) {
    let isFirst = true
    for await (const rows of rowsOf(client, table, options.mostRows)) {
      const batch: SourceRecord[] = []
      for (const row of rows) {
        if (held !== null) batch.push(made(isFirst, false))
        held = { captured, row, isFirst }
        isFirst = false
      }
      if (batch.length > 0) yield batch
    }
  }
  await ask(client, 'commit')
  yield held === null ? [] : [made(true, true)]
}

/** As many at once as have about a megabyte. */
async function* rowsOf(client: Client, { schema, name, columns }: Table, mostRows: number): AsyncGenerator<(string | null)[][]> {
  if (columns.length === 0) return
  const selected = columns.map(column => quoted(column.name)).join(', ')
  await ask(client, `declare millrace_snapshot no scroll cursor for select ${selected} from ${quoted(schema, name)}`)
  for (let wanted = Math.min(fewestRows, mostRows); ; ) {
    const rows = await askText(client, `fetch ${wanted} from millrace_snapshot`)
    if (rows.length > 0) yield rows
    if (rows.length < wanted) break
    const bytes = rows.reduce((sum, row) => sum + row.reduce((all, cell) => all + (cell?.length ?? 0), 16), 0)
    wanted = Math.min(mostRows, Math.max(1, Math.min(wanted * 4, Math.floor((aimBytes / bytes) * rows.length))))
  }
  await ask(client, 'close millrace_snapshot')
}
