/** MySQL and MariaDB by `mysql2`, which is loaded when the first task is opened. */
import { connect as connectSocket } from 'node:net'
import type { Connection, ConnectionOptions, QueryOptions } from 'mysql2/promise'
import { Decimal, logical } from '../../connector.ts'
import { isUntrusted } from '../certificates.ts'
import { jsonText } from '../values/json.ts'
import type { Typed } from '../values/select.ts'
import { microsOf, temporalKind, temporalText } from '../values/temporal.ts'
import {
  type Database,
  DatabaseError,
  type Dialect,
  Limits,
  type LocalTime,
  type RawRows,
  type Result,
  type TableColumn,
  typeOf,
} from './database.ts'
import type { ConnectSettings } from './postgres.ts'

export async function openMysql(settings: ConnectSettings, quote: string): Promise<Database> {
  const { createConnection } = await import('mysql2/promise')
  const { address } = settings
  const socket = connectSocket({ host: address.host, port: address.port, noDelay: true, keepAlive: true })
  // Its errors are the connection's.
  socket.on('error', () => {})
  const limits = new Limits(settings.limits, () => void socket.destroy())
  const options: ConnectionOptions = {
    stream: () => socket,
    // For the name in its certificate.
    host: address.host,
    ...(address.database !== '' && { database: address.database }),
    ...(settings.user !== null && { user: settings.user }),
    ...(settings.password !== null && { password: settings.password }),
    ...(address.tls !== null && { ssl: { rejectUnauthorized: address.tls.isVerified } }),
    connectTimeout: settings.connectTimeoutMs,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    charset: 'utf8mb4',
  }
  const connection = await limits
    .within(settings.connectTimeoutMs, () => createConnection(options))
    .catch((error: unknown) => {
      socket.destroy()
      return fail(error)
    })
  connection.on('error', () => {})
  const database = new Mysql(connection, mysqlDialect(quote), limits, settings.queryTimeoutMs)
  // Numbers and texts that do not fit are errors, and not cut.
  await database.query("set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
  await database.query('set session time_zone = ?', [settings.timezone === 'UTC' ? '+00:00' : settings.timezone])
  return database
}

class Mysql implements Database {
  readonly dialect: Dialect
  readonly #connection: Connection
  readonly #timeoutMs: number

  readonly #limits: Limits

  constructor(connection: Connection, dialect: Dialect, limits: Limits, timeoutMs: number) {
    this.#limits = limits
    this.#connection = connection
    this.dialect = dialect
    this.#timeoutMs = timeoutMs
  }

  async query(sql: string, values: readonly unknown[] = []): Promise<Result> {
    const asked = () => this.#connection.query({ sql, timeout: this.#timeoutMs, values: values as unknown[] })
    const [result] = await this.#limits.within(this.#timeoutMs, asked).catch(fail)
    if (Array.isArray(result)) return { rows: result as unknown as Record<string, unknown>[], count: 0 }
    return { rows: [], count: result.affectedRows }
  }

  async columns(table: string): Promise<readonly TableColumn[] | null> {
    const { quote } = this.dialect
    const names = table.split('.').map(name => (quote === '' ? name : name.slice(1, -1).replaceAll(quote + quote, quote)))
    const { rows } = await this.query(
      `select column_name as name, column_type as type, is_nullable as nullable from information_schema.columns
       where table_schema = coalesce(?, database()) and table_name = ? order by ordinal_position`,
      [names.length > 1 ? names[0] : null, names.at(-1)],
    )
    if (rows.length === 0) return null
    return rows.map(row => ({ name: String(row['name']), type: String(row['type']).toLowerCase(), isNullable: row['nullable'] === 'YES' }))
  }

  async tables(): Promise<readonly string[]> {
    const { rows } = await this.query(
      `select concat(table_schema, '.', table_name) as name from information_schema.tables
       where table_type = 'BASE TABLE' and table_schema = database() order by 1`,
    )
    return rows.map(row => String(row['name']))
  }

  async read(sql: string, values: readonly unknown[] = []): Promise<RawRows> {
    const options: QueryOptions = {
      sql,
      values: values as unknown[],
      timeout: this.#timeoutMs,
      rowsAsArray: true,
      typeCast: field => field.buffer(),
    }
    const [rows, fields] = await this.#limits.within(this.#timeoutMs, () => this.#connection.query(options)).catch(fail)
    const columns = (fields as unknown as ResultField[]).map(field => ({ name: field.name, type: typeNameOf(field), isNullable: true }))
    return { columns, rows: rows as unknown as (Buffer | null)[][] }
  }

  async *pages(sql: string, rows: number): AsyncGenerator<RawRows> {
    await this.query('start transaction with consistent snapshot, read only')
    for (let at = 0; ; at += rows) {
      const page = await this.read(`${sql} limit ${rows} offset ${at}`)
      yield page
      if (page.rows.length < rows) break
    }
    await this.query('commit')
  }

  close(): Promise<void> {
    return this.#limits.close(() => this.#connection.end())
  }
}

interface ResultField {
  readonly name: string
  readonly columnType: number
  readonly columnLength: number
  readonly decimals: number
  readonly flags: number
  readonly characterSet: number
}

const binaryCharset = 63
const unsignedFlag = 32

/** Of the result of a query, where there is no table to ask; by the numbers of the protocol. */
function typeNameOf({ columnType, columnLength, decimals, flags, characterSet }: ResultField): string {
  const unsigned = (flags & unsignedFlag) === 0 ? '' : ' unsigned'
  if (columnType === 246 || columnType === 0) {
    // The length counts the sign and the point.
    return `decimal(${columnLength - (decimals > 0 ? 1 : 0) - (unsigned === '' ? 1 : 0)},${decimals})`
  }
  const whole = { 1: 'tinyint', 2: 'smallint', 3: 'int', 8: 'bigint', 9: 'mediumint' }[columnType]
  if (whole !== undefined) return whole + unsigned
  const other = { 4: 'float', 5: 'double', 7: 'timestamp', 10: 'date', 11: 'time', 12: 'datetime', 13: 'year', 16: 'bit' }[columnType]
  return other ?? (characterSet === binaryCharset ? 'blob' : 'text')
}

const types: Readonly<Record<string, string>> = {
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INT',
  int64: 'BIGINT',
  float32: 'FLOAT',
  float64: 'DOUBLE',
  boolean: 'TINYINT',
  string: 'TEXT',
  bytes: 'LONGBLOB',
}

const times = { date: 'DATE', time: 'TIME(6)', timestamp: 'DATETIME(6)' } as const

/** Of the server, by number: too many connections, lock wait, deadlock, read-only, shutdown, disk or table full, lost connection to a member. */
const passing: ReadonlySet<number> = new Set([1021, 1026, 1114, 1040, 1053, 1037, 1041, 1203, 1205, 1213, 1226, 1290, 1836, 3101, 3572])

/** Values that a column does not take, and rules of the table; other states begin with 22 and 23. */
const ofRows: ReadonlySet<number> = new Set([1265, 1364, 1366, 1411, 3140, 3819, 4025])

function fail(error: unknown): never {
  if (isUntrusted(error)) throw new DatabaseError('other', error)
  const { errno = 0, sqlState, fatal, message = '' } = error as { errno?: number; sqlState?: string; fatal?: boolean; message?: string }
  // Access denied ends the connection, and is of the server nevertheless.
  if (errno === 1045 || errno === 1044 || errno === 1049) throw new DatabaseError('other', error)
  // 1030 is any error of a storage engine: 28 is the system's number of a full disk.
  const isFull = errno === 1030 && /\b28\b/.test(message)
  if (sqlState === undefined || fatal === true || passing.has(errno) || isFull || /^(?:08|40)/.test(sqlState))
    throw new DatabaseError('passing', error)
  throw new DatabaseError(/^2[23]/.test(sqlState) || ofRows.has(errno) ? 'row' : 'other', error)
}

export function mysqlDialect(quote: string): Dialect {
  return {
    name: 'MySQL',
    quote,
    parameter: () => '?',
    mostParameters: 65_535,
    typeFor: columnType,
    lists: null,
    onDuplicate: (keys, others) =>
      ` ON DUPLICATE KEY UPDATE ${(others.length === 0 ? keys.slice(0, 1) : others).map(name => `${name}=VALUES(${name})`).join(',')}`,
    valueFor,
  }
}

function columnType(typed: Typed, isKey: boolean): string {
  const kind = temporalKind(typed.schema)
  if (kind !== null) return times[kind]
  if (typed.schema?.name === logical.decimal) return `DECIMAL(65,${Math.min(Number(typed.schema.parameters?.['scale'] ?? 0), 30)})`
  if (typed.value instanceof Decimal) return 'DECIMAL(65,30)'
  const type = typeOf(typed)
  // A key needs a length.
  if (isKey && type === 'string') return 'VARCHAR(256)'
  if (isKey && type === 'bytes') return 'VARBINARY(1024)'
  return types[type] ?? 'JSON'
}

function valueFor(typed: Typed, column: TableColumn, localText: (micros: bigint) => LocalTime): unknown {
  const { schema, value } = typed
  if (value === null || Buffer.isBuffer(value) || typeof value === 'string') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Decimal) return value.toString()
  if (typeof value === 'number' || typeof value === 'bigint') {
    const kind = temporalKind(schema)
    if (/^(?:timestamp|datetime)/.test(column.type) || (kind === 'timestamp' && !isNumeric(column.type)))
      return localText(microsOf(typed)!).text
    if (kind !== null && !isNumeric(column.type)) return temporalText({ kind, micros: microsOf(typed)! })
    if (column.type === 'date') return temporalText({ kind: 'date', micros: microsOf(typed)! })
    return String(value)
  }
  return jsonText(typed)
}

function isNumeric(type: string): boolean {
  return /^(?:tinyint|smallint|mediumint|int|bigint|decimal|float|double)/.test(type)
}
