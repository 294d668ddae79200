/**
 * What PostgreSQL 15.18 sent for a slot, recorded: inserts, one of three rows, a transaction with an update that leaves a large value alone, a change of a key and a
 * deletion, a table with REPLICA IDENTITY FULL, logical messages within and outside of a transaction, columns that are added and dropped, TRUNCATE of two tables.
 */
import { fileURLToPath } from 'node:url'
import { readValues, realSystem } from '../../base.ts'
import type { SourceRecord, Struct } from '../../connector.ts'
import type { PostgresType, Table, TableColumn, WantedColumn } from './catalog.ts'
import { Changes, type Listener } from './changes.ts'
import { type Config, keys } from './keys.ts'
import { type Position, positionOf, start } from './position.ts'
import { postgresSource, Records } from './records.ts'
import type { Frame } from './replication.ts'
import { type Lookup, Tables } from './tables.ts'

export const recorded: readonly Frame[] = realSystem()
  .files.readFile(fileURLToPath(new URL('recorded.txt', import.meta.url)))!
  .toString()
  .trim()
  .split('\n')
  .map(line => {
    const [first, second] = line.split(' ') as [string, string]
    return first === 'alive'
      ? { kind: 'alive', lsn: BigInt(second) }
      : { kind: 'data', lsn: BigInt(first), body: Buffer.from(second, 'base64') }
  })

export const begin: Position = { ...start, commit: 26_421_928n }

export function configOf(given: Readonly<Record<string, string>>): Config {
  return readValues(keys, { 'database.hostname': 'h', 'database.user': 'u', 'topic.prefix': 'shop', 'database.dbname': 'lab', ...given })
}

const named = (name: string): PostgresType => ({ name, labels: null, element: null })
const types: Readonly<Record<number, PostgresType>> = {
  23: named('int4'),
  25: named('text'),
  1114: named('timestamp'),
  1700: named('numeric'),
  1009: { name: '_text', labels: null, element: named('text') },
  16396: { name: 'mood', labels: ['sad', 'ok'], element: null },
}

export class FakeCatalog implements Lookup {
  forgotten = 0
  /** By name: a column that is NOT NULL. */
  required = ['id', 'name']
  primaryKey = ['id']

  async tables() {
    return [
      { schema: 'public', name: 'orders' },
      { schema: 'public', name: 'notes' },
    ]
  }

  async table(schema: string, name: string): Promise<Table> {
    const columns =
      name === 'orders'
        ? this.required.map(column => ({ name: column, type: named('int4'), modifier: -1, isNullable: false, default: null }))
        : []
    return { id: 1, schema, name, columns, primaryKey: name === 'orders' ? this.primaryKey : [], identityIndex: [], uniqueKey: [] }
  }

  async columns(wanted: readonly WantedColumn[]): Promise<TableColumn[]> {
    return wanted.map(column => ({ ...column, type: types[column.type] ?? named(`type ${column.type}`) }))
  }

  forgetTypes(): void {
    this.forgotten++
  }
}

const deaf: Listener = {
  reading: null,
  markPrefix: 'none',
  marked: () => [],
  changed() {},
  truncated() {},
  sent() {},
  async signal() {},
}

export function changesOf(
  config: Config,
  offset: Struct | null = null,
  catalog: Lookup = new FakeCatalog(),
  listener: Listener = deaf,
): Changes {
  const tables = new Tables(config, catalog, postgresSource, () => {})
  const position = offset === null ? begin : positionOf(offset)!
  return new Changes(config, tables, new Records(config, 'test', () => 1_796_000_000_000), position, listener)
}

/** Those that the server sends from there: whole transactions that end after it, and messages. */
export function sentFrom(commit: bigint): readonly Frame[] {
  const sent: Frame[] = []
  let transaction: Frame[] = []
  for (const frame of recorded) {
    const kind = frame.kind === 'data' ? String.fromCharCode(frame.body[0]!) : ''
    if (kind === 'B' || transaction.length > 0) {
      transaction.push(frame)
      if (kind !== 'C' || frame.kind !== 'data') continue
      if (frame.body.readBigUInt64BE(2) >= commit) sent.push(...transaction)
      else sent.push(...transaction.filter(each => each.kind === 'data' && /[RY]/.test(String.fromCharCode(each.body[0]!))))
      transaction = []
    } else if (kind !== 'M' || frame.lsn >= commit) sent.push(frame)
  }
  return sent
}

export async function recordsOf(changes: Changes, frames: readonly Frame[] = recorded): Promise<SourceRecord[]> {
  const out: SourceRecord[] = []
  for (const frame of frames) await changes.take(frame, out)
  return out
}
