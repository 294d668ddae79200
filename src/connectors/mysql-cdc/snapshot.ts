/** The rows that are there at one position of the binlog. */
import type { Readable } from 'node:stream'
import type { Connection } from 'mysql2/promise'
import type { System } from '../../base.ts'
import type { SourceRecord, Struct } from '../../connector.ts'
import type { SnapshotMark } from '../change-data/envelope.ts'
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
  readonly sourcePartition: Struct
}

/** Of a connection that has entered it. Batches of records; the last one ends the snapshot. */
export async function* readSnapshot(options: SnapshotOptions): AsyncGenerator<SourceRecord[]> {
  const { connection, shapes, place, system } = options
  const micros = BigInt(Math.floor(system.clock.now())) * 1_000n
  /** Each row waits for the next one, which tells whether it is the last of its table. */
  let held: { table: Table; captured: ReturnType<Shapes['table']>; row: (Raw | null)[]; isFirst: boolean } | null = null
  let isVeryFirst = true
  const made = (isLastOfTable: boolean, isLast: boolean): SourceRecord => {
    const { table, captured, row, isFirst } = held!
    const snapshot: SnapshotMark = isLast
      ? 'last'
      : isVeryFirst
        ? 'first'
        : isFirst
          ? 'first_in_data_collection'
          : isLastOfTable
            ? 'last_in_data_collection'
            : 'true'
    isVeryFirst = false
    const { file, pos } = place
    const source = shapes.source({ database: table.database, table: table.name, micros, snapshot, gtid: null, file, pos, row: 0 })
    const sourceOffset = offsetOf({ place, rows: 0, records: 0 }, null, !isLast)
    return {
      ...shapes.records.read(captured, row, source),
      partition: null,
      timestampMs: null,
      sourcePartition: options.sourcePartition,
      sourceOffset,
    }
  }
  for (const { database, name } of await tables(connection)) {
    if (!shapes.isCaptured(database, name) || !options.isRead(`${database}.${name}`)) continue
    const table = await tableOf(connection, database, name)
    if (table === null) continue
    // Others would be read for nothing.
    const columns = table.columns.filter(column => typeOf(column.type, options.config) !== null)
    const captured = shapes.table(database, name, columns, table.key)
    let isFirst = true
    for await (const rows of rowsOf(connection, { ...table, columns })) {
      const batch: SourceRecord[] = []
      for (const row of rows) {
        if (held !== null) batch.push(made(isFirst, false))
        held = { table, captured, row, isFirst }
        isFirst = false
      }
      if (batch.length > 0) yield batch
    }
  }
  await ask(connection, 'commit')
  yield held === null ? [] : [made(true, true)]
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
