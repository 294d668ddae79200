/** What the server says of itself and of its tables. */
import type { Connection } from 'mysql2/promise'
import { ask } from './connection.ts'
import { labelsOf } from './types.ts'

export interface TableColumn {
  readonly name: string
  /** In lower case but for labels: `int(11) unsigned`. */
  readonly type: string
  readonly isNullable: boolean
  readonly default: Default | null
}

/** `text`: as a value; null: an expression. */
export interface Default {
  readonly text: string | null
}

export interface Table {
  readonly database: string
  readonly name: string
  readonly columns: readonly TableColumn[]
  /** The primary key, or a unique key whose columns are NOT NULL. */
  readonly key: readonly string[]
}

export interface Server {
  readonly isMariadb: boolean
  /** MySQL's gtid_mode is on; MariaDB's always is. */
  readonly hasGtids: boolean
  readonly id: number
}

/** Throws Error if the server does not say enough in its binlog. */
export async function requireBinlog(connection: Connection): Promise<Server> {
  const rows = await ask(
    connection,
    `show global variables where variable_name in ('version', 'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', 'gtid_mode', 'server_id',
     'binlog_transaction_compression', 'binlog_row_value_options')`,
  )
  const value = (name: string) =>
    String(rows.find(row => String(row['Variable_name']).toLowerCase() === name)?.['Value'] ?? '').toUpperCase()
  const wanted: readonly (readonly [name: string, value: RegExp, should: string])[] = [
    ['log_bin', /^(?:ON|1)$/, 'ON (the server must be started with log_bin)'],
    ['binlog_format', /^ROW$/, 'ROW'],
    ['binlog_row_image', /^FULL$/, 'FULL'],
    [
      'binlog_row_metadata',
      /^FULL$/,
      'FULL, so that the binlog says the names and types of columns (SET GLOBAL binlog_row_metadata = FULL)',
    ],
    ['binlog_transaction_compression', /^(?:|OFF|0)$/, 'OFF'],
    ['binlog_row_value_options', /^$/, 'empty'],
  ]
  for (const [name, allowed, should] of wanted)
    if (!allowed.test(value(name))) throw new Error(`the server's ${name} is ${value(name) || 'not there'}; it must be ${should}`)
  const isMariadb = value('version').includes('MARIADB')
  return { isMariadb, hasGtids: isMariadb || value('gtid_mode') === 'ON', id: Number(value('server_id')) }
}

export async function tables(connection: Connection): Promise<readonly { readonly database: string; readonly name: string }[]> {
  const rows = await ask(
    connection,
    `select table_schema as db, table_name as name from information_schema.tables where table_type = 'BASE TABLE'
     and table_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema') order by 1, 2`,
  )
  return rows.map(row => ({ database: String(row['db']), name: String(row['name']) }))
}

/** null: there is none. */
export async function tableOf(connection: Connection, database: string, name: string): Promise<Table | null> {
  const rows = await ask(
    connection,
    `select column_name as name, column_type as type, is_nullable as nullable, column_default as preset, extra, version() like '%MariaDB%' as isMariadb
     from information_schema.columns where table_schema = ? and table_name = ?
     order by ordinal_position`,
    [database, name],
  )
  if (rows.length === 0) return null
  const columns = rows.map(row => ({
    name: String(row['name']),
    type: lowered(String(row['type'])),
    isNullable: row['nullable'] === 'YES',
    default: row['preset'] === null ? null : presetOf(String(row['preset']), String(row['extra']), Number(row['isMariadb']) === 1),
  }))
  const keys = await ask(
    connection,
    `select index_name as name, group_concat(if(nullable = 'YES' or sub_part is not null, null, column_name) order by seq_in_index separator '\\0') as columns,
       count(*) as length from information_schema.statistics where table_schema = ? and table_name = ? and non_unique = 0
     group by index_name order by index_name <> 'PRIMARY', index_name`,
    [database, name],
  )
  const usable = keys
    .map(row => ({
      columns: String(row['columns'] ?? '')
        .split('\0')
        .filter(each => each !== ''),
      length: Number(row['length']),
    }))
    .find(each => each.columns.length === each.length)
  return { database, name, columns, key: usable?.columns ?? [] }
}

/** MariaDB writes SQL, MySQL the text of a value, or SQL and that it is some. */
function presetOf(preset: string, extra: string, isMariadb: boolean): Default | null {
  if (!isMariadb) return { text: /DEFAULT_GENERATED/i.test(extra) ? null : preset }
  if (preset === 'NULL') return null
  const quoted = /^'((?:[^']|'')*)'$/s.exec(preset)
  if (quoted !== null) return { text: quoted[1]!.replaceAll("''", "'") }
  return { text: /^(?:-?\d+(?:\.\d+)?|b'[01]+')$/.test(preset) ? preset : null }
}

function lowered(type: string): string {
  const at = type.indexOf('(')
  const name = (at === -1 ? type : type.slice(0, at)).toLowerCase()
  if (name === 'enum' || name === 'set') return name + type.slice(at)
  return type.toLowerCase()
}

/** null: it is no enum. */
export function labelsOfType(type: string): readonly string[] | null {
  return type.startsWith('enum(') ? labelsOf(type.slice(5, -1)) : null
}
