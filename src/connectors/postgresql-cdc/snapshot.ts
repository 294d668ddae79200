/** The rows that are there when the changes of a slot begin, read as of that moment. */
import type { Client } from 'pg'
import type { SourceRecord, Struct } from '../../connector.ts'
import type { CapturedTable } from '../change-data/captured-table.ts'
import { type RowBatches, snapshotRecords } from '../change-data/snapshot.ts'
import type { Table } from './catalog.ts'
import { ask, askText, quoted } from './connection.ts'
import { type Reading, unread } from './position.ts'
import type { Records, Whence } from './records.ts'
import type { ExportedSnapshot } from './slot.ts'

export interface SnapshotTable {
  readonly table: Table
  readonly captured: CapturedTable
  /** Columns by which its rows can be told apart and put in order; none: a snapshot of it cannot go on after an interruption. */
  readonly key: readonly string[]
}

export function keyCells({ table, key }: SnapshotTable, row: readonly (string | null)[]): (string | null)[] {
  return key.map(name => row[table.columns.findIndex(column => column.name === name)]!)
}

/** null: the table is empty. */
export async function greatestKey(client: Client, { table, key }: SnapshotTable): Promise<readonly (string | null)[] | null> {
  const names = key.map(name => quoted(name))
  const order = names.map(name => `${name} desc`).join(', ')
  const [row] = await askText(client, `select ${names.join(', ')} from ${quoted(table.schema, table.name)} order by ${order} limit 1`)
  return row ?? null
}

export interface SnapshotOptions {
  readonly client: Client
  readonly exported: ExportedSnapshot
  readonly tables: readonly SnapshotTable[]
  readonly records: Records
  readonly mostRows: number
  readonly micros: bigint
  /** `reading`: what is left after a record; null: all, because it cannot be told. `isLast`: the snapshot is done with it. */
  offset(reading: Reading | null, isLast: boolean): Struct
}

/** How many are read first, when nobody knows how large they are. */
export const fewestRows = 16
/** Of what is read at once. */
const aimBytes = 1_048_576

/** How many rows to read next, at most `most`, so that they have about a megabyte: after these, of which so many were wanted. */
export function nextRows(rows: readonly (readonly (string | null)[])[], wanted: number, most: number): number {
  const bytes = rows.reduce((sum, row) => sum + row.reduce((all, cell) => all + (cell?.length ?? 0), 16), 0)
  if (bytes === 0) return wanted
  return Math.min(most, Math.max(1, Math.min(wanted * 4, Math.floor((aimBytes / bytes) * rows.length))))
}

/** From now on the client sees what the snapshot shows. */
export async function enterSnapshot(client: Client, { name }: ExportedSnapshot): Promise<void> {
  await ask(client, 'begin isolation level repeatable read, read only')
  await ask(client, `set transaction snapshot '${name.replaceAll("'", "''")}'`)
}

interface ReadTable {
  readonly read: SnapshotTable
  /** With the key of a row: what is left after it; null: it cannot be told. */
  readonly left: Reading | null
}

/** Of a client that has entered it. Batches of records; the last one ends the snapshot. */
export function readSnapshot(options: SnapshotOptions): AsyncGenerator<SourceRecord[]> {
  const { records, exported, micros } = options
  return snapshotRecords(batchesOf(options), ({ read, left }, row, snapshot) => {
    const whence: Whence = { lsn: exported.lsn, xid: null, micros, previousCommit: null, snapshot, origin: null }
    const reading = left === null ? null : { ...left, after: keyCells(read, row) }
    return records.at(records.read(read.captured, row, whence), options.offset(reading, snapshot === 'last'))
  })
}

async function* batchesOf({ client, tables, mostRows }: SnapshotOptions): RowBatches<ReadTable, (string | null)[]> {
  // What cannot go on after an interruption comes first.
  const ordered = [...tables].sort((one, other) => Math.min(one.key.length, 1) - Math.min(other.key.length, 1))
  for (const [at, read] of ordered.entries()) {
    const names = ordered.slice(at).map(({ captured }) => ({ name: captured.name, condition: '' }))
    const left = read.key.length === 0 ? null : { ...unread, tables: names, upTo: await greatestKey(client, read) }
    const table = { read, left }
    for await (const rows of rowsOf(client, read, mostRows)) yield { table, rows }
  }
  await ask(client, 'commit')
}

/** As many at once as have about a megabyte. */
async function* rowsOf(
  client: Client,
  { table: { schema, name, columns }, key }: SnapshotTable,
  mostRows: number,
): AsyncGenerator<(string | null)[][]> {
  if (columns.length === 0) return
  const selected = columns.map(column => quoted(column.name)).join(', ')
  const order = key.length === 0 ? '' : ` order by ${key.map(column => quoted(column)).join(', ')}`
  await ask(client, `declare millrace_snapshot no scroll cursor for select ${selected} from ${quoted(schema, name)}${order}`)
  for (let wanted = Math.min(fewestRows, mostRows); ; ) {
    const rows = await askText(client, `fetch ${wanted} from millrace_snapshot`)
    if (rows.length > 0) yield rows
    if (rows.length < wanted) break
    wanted = nextRows(rows, wanted, mostRows)
  }
  await ask(client, 'close millrace_snapshot')
}
