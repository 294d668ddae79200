/** The rows that are there at one position of the binlog. */
import type { Readable } from 'node:stream'
import type { Connection } from 'mysql2/promise'
import type { System } from '../../base.ts'
import type { SourceRecord } from '../../connector.ts'
import { type RowBatches, snapshotRecords } from '../change-data/snapshot.ts'
import { type Server, type Table, tableOf, tables } from './catalog.ts'
import type { Shapes } from './changes.ts'
import { ask, fail, quoted } from './connection.ts'
import type { Config } from './keys.ts'
import { offsetOf, type Place } from './position.ts'
import { type Raw, typeOf } from './types.ts'

/** Begins a transaction that sees everything as it is at the position that is returned. */
export async function enterSnapshot(connection: Connection, server: Server, config: Config): Promise<Place> {
  await ask(connection, 'set session transaction isolation level repeatable read')
  if (server.isMariadb) {
    await ask(connection, 'start transaction with consistent snapshot')
    const rows = await ask(connection, `show status where variable_name in ('binlog_snapshot_file', 'binlog_snapshot_position')`)
    const value = (name: string) => String(rows.find(row => String(row['Variable_name']).toLowerCase() === name)?.['Value'] ?? '')
    const [file, pos] = [value('binlog_snapshot_file'), Number(value('binlog_snapshot_position'))]
    const [row] = await ask(connection, 'select binlog_gtid_pos(?, ?) as gtids', [file, pos])
    return { file, pos, gtids: String(row?.['gtids'] ?? '') }
  }
  const isLocked = config['snapshot.locking.mode'] === 'minimal'
  if (isLocked) await ask(connection, 'flush tables with read lock')
  try {
    await ask(connection, 'start transaction with consistent snapshot')
    const [row] = await ask(connection, 'show binary log status').catch(() => ask(connection, 'show master status'))
    if (row === undefined) throw new Error('the server does not say its position in the binlog')
    const gtids = String(row['Executed_Gtid_Set'] ?? '').replaceAll(/\s/g, '')
    return { file: String(row['File']), pos: Number(row['Position']), gtids: server.hasGtids ? gtids : null }
  } finally {
    if (isLocked) await ask(connection, 'unlock tables')
  }
}

export interface SnapshotOptions {
  readonly connection: Connection
  readonly config: Config
  readonly shapes: Shapes
  readonly place: Place
  readonly system: System
  isRead(name: string): boolean
}

interface ReadTable {
  readonly table: Table
  readonly captured: ReturnType<Shapes['table']>
}

/** Of a connection that has entered it. Batches of records; the last one ends the snapshot. */
export function readSnapshot(options: SnapshotOptions): AsyncGenerator<SourceRecord[]> {
  const { shapes, place, system } = options
  const { file, pos } = place
  const micros = BigInt(Math.floor(system.clock.now())) * 1_000n
  return snapshotRecords(batchesOf(options), ({ table: { database, name }, captured }, row, snapshot) => {
    const source = shapes.source({ database, table: name, micros, snapshot, gtid: null, file, pos, row: 0 })
    return shapes.records.at(
      shapes.records.read(captured, row, source),
      offsetOf({ place, rows: 0, records: 0 }, null, snapshot !== 'last'),
    )
  })
}

async function* batchesOf({ connection, config, shapes, isRead }: SnapshotOptions): RowBatches<ReadTable, (Raw | null)[]> {
  for (const { database, name } of await tables(connection)) {
    if (!shapes.isCaptured(database, name) || !isRead(`${database}.${name}`)) continue
    const found = await tableOf(connection, database, name)
    if (found === null) continue
    // Others would be read for nothing.
    const columns = found.columns.filter(column => typeOf(column.type, config) !== null)
    const table = { table: { ...found, columns }, captured: shapes.table(database, name, columns, found.key) }
    for await (const rows of rowsOf(connection, table.table)) yield { table, rows }
  }
  await ask(connection, 'commit')
}

const batchRows = 1_000
const batchBytes = 1_048_576

/** As the server sends them: it waits while nobody takes them. */
async function* rowsOf(connection: Connection, { database, name, columns }: Table): AsyncGenerator<(Raw | null)[][]> {
  if (columns.length === 0) return
  // The text of FLOAT has six digits only.
  const selected = columns.map(({ name: column, type }) => (type.startsWith('float') ? `${quoted(column)} * 1e0` : quoted(column)))
  const { connection: core } = connection as unknown as { connection: { query(options: object): { stream(options: object): Readable } } }
  const stream = core
    .query({ sql: `select ${selected.join(', ')} from ${quoted(database, name)}`, rowsAsArray: true })
    .stream({ highWaterMark: 100 })
  let batch: (Raw | null)[][] = []
  let bytes = 0
  try {
    for await (const row of stream as AsyncIterable<(Raw | null)[]>) {
      batch.push(row)
      for (const cell of row) bytes += typeof cell === 'string' || Buffer.isBuffer(cell) ? cell.length : 8
      if (batch.length < batchRows && bytes < batchBytes) continue
      yield batch
      batch = []
      bytes = 0
    }
  } catch (error) {
    fail(error)
  }
  if (batch.length > 0) yield batch
}
