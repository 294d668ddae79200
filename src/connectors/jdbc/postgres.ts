/** PostgreSQL by `pg`, which is loaded when the first task is opened. */
import { isUtf8 } from 'node:buffer'
import type { Client, CustomTypesConfig } from 'pg'
import { Decimal, logical, type TaskContext } from '../../connector.ts'
import { isUntrusted } from '../certificates.ts'
import { jsonText } from '../values/json.ts'
import type { Typed } from '../values/select.ts'
import { microsOf, temporalKind, temporalText } from '../values/temporal.ts'
import type { Address } from './address.ts'
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

export interface ConnectSettings {
  readonly address: Address
  readonly user: string | null
  readonly password: string | null
  readonly connectTimeoutMs: number
  readonly queryTimeoutMs: number
  readonly timezone: string
  readonly limits: Pick<TaskContext, 'system' | 'signal'>
}

export async function openPostgres(settings: ConnectSettings, quote: string): Promise<Database> {
  const { Client } = (await import('pg')).default
  const { address } = settings
  const client = new Client({
    host: address.host,
    port: address.port,
    database: address.database,
    ...(settings.user !== null && { user: settings.user }),
    ...(settings.password !== null && { password: settings.password }),
    ssl: address.tls === null ? false : { rejectUnauthorized: address.tls.isVerified },
    connectionTimeoutMillis: settings.connectTimeoutMs,
    query_timeout: settings.queryTimeoutMs,
    statement_timeout: settings.queryTimeoutMs,
    keepAlive: true,
    application_name: 'millrace connect',
  })
  // Without a listener an error of an idle connection would end the process; the next query fails.
  client.on('error', () => {})
  const limits = new Limits(settings.limits, () => void client.connection.stream.destroy())
  await limits.within(settings.connectTimeoutMs, () => client.connect()).catch(fail)
  const database = new Postgres(client, postgresDialect(quote), limits, settings.queryTimeoutMs)
  // Texts of times and bytes have these forms then, whatever the server's settings are.
  await database.query(
    `set datestyle to 'ISO, YMD'; set timezone to '${settings.timezone}'; set bytea_output to 'hex'; set extra_float_digits to 3`,
  )
  const schemas = address.schema?.split(',').map(name => `"${name.trim().replaceAll('"', '""')}"`) ?? []
  if (schemas.length > 0) await database.query(`set search_path to ${schemas.join(', ')}`)
  return database
}

class Postgres implements Database {
  readonly dialect: Dialect
  readonly #client: Client
  /** By number and modifier, as `format_type` says it. */
  readonly #typeNames = new Map<string, string>()

  readonly #limits: Limits
  readonly #timeoutMs: number

  constructor(client: Client, dialect: Dialect, limits: Limits, timeoutMs: number) {
    this.#limits = limits
    this.#timeoutMs = timeoutMs
    this.#client = client
    this.dialect = dialect
  }

  async query(sql: string, values: readonly unknown[] = []): Promise<Result> {
    const result = await this.#limits.within(this.#timeoutMs, () => this.#client.query(sql, values as unknown[])).catch(fail)
    // Of several statements at once it is a list.
    return { rows: (result.rows ?? []) as Record<string, unknown>[], count: result.rowCount ?? 0 }
  }

  async columns(table: string): Promise<readonly TableColumn[] | null> {
    const { rows } = await this.query(
      `select attname as name, format_type(atttypid, atttypmod) as type, not attnotnull as nullable from pg_attribute
       where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum`,
      [table],
    )
    if (rows.length === 0) return null
    return rows.map(row => ({ name: String(row['name']), type: String(row['type']).toLowerCase(), isNullable: row['nullable'] === true }))
  }

  async tables(): Promise<readonly string[]> {
    const { rows } = await this.query(
      `select table_schema || '.' || table_name as name from information_schema.tables
       where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') and table_schema not like 'pg\\_%' order by 1`,
    )
    return rows.map(row => String(row['name']))
  }

  async read(sql: string, values: readonly unknown[] = []): Promise<RawRows> {
    const types = { getTypeParser: () => (text: string) => text } as unknown as CustomTypesConfig
    const asked = { text: sql, values: values as unknown[], rowMode: 'array' as const, types }
    const result = await this.#limits.within(this.#timeoutMs, () => this.#client.query(asked)).catch(fail)
    const columns: TableColumn[] = []
    for (const { name, dataTypeID, dataTypeModifier } of result.fields)
      columns.push({ name, type: await this.#typeName(dataTypeID, dataTypeModifier), isNullable: true })
    return { columns, rows: result.rows as (string | null)[][] }
  }

  async #typeName(oid: number, modifier: number): Promise<string> {
    const key = `${oid} ${modifier}`
    const known = this.#typeNames.get(key)
    if (known !== undefined) return known
    const { rows } = await this.query('select format_type($1, $2) as type', [oid, modifier])
    const name = String(rows[0]!['type']).toLowerCase()
    this.#typeNames.set(key, name)
    return name
  }

  async *pages(sql: string, rows: number): AsyncGenerator<RawRows> {
    await this.query('begin isolation level repeatable read, read only')
    await this.query(`declare millrace_pages no scroll cursor for ${sql}`)
    for (;;) {
      const page = await this.read(`fetch ${rows} from millrace_pages`)
      yield page
      if (page.rows.length < rows) break
    }
    await this.query('commit')
  }

  close(): Promise<void> {
    return this.#limits.close(() => this.#client.end())
  }
}

const types: Readonly<Record<string, string>> = {
  int8: 'SMALLINT',
  int16: 'SMALLINT',
  int32: 'INT',
  int64: 'BIGINT',
  float32: 'REAL',
  float64: 'DOUBLE PRECISION',
  boolean: 'BOOLEAN',
  string: 'TEXT',
  bytes: 'BYTEA',
}

const times = { date: 'DATE', time: 'TIME', timestamp: 'TIMESTAMP' } as const

/** Later it may go: connections, resources, an operator's intervention, serialization, deadlocks and lock time-outs. */
const passing = /^(?:08|53|57|58|40|55P03|25P0[34])/

function fail(error: unknown): never {
  if (isUntrusted(error)) throw new DatabaseError('other', error)
  const { code = '', severity } = error as { code?: string; severity?: string }
  // Only errors of the server have a severity; the others are of the connection.
  throw new DatabaseError(severity === undefined || passing.test(code) ? 'passing' : /^2[23]/.test(code) ? 'row' : 'other', error)
}

export function postgresDialect(quote: string): Dialect {
  return {
    name: 'PostgreSQL',
    quote,
    parameter: index => `$${index}`,
    mostParameters: 65_535,
    typeFor: columnType,
    lists: { rows: listsOf, parameter: listText },
    onDuplicate: (keys, others) =>
      ` ON CONFLICT (${keys.join(',')}) DO ${others.length === 0 ? 'NOTHING' : `UPDATE SET ${others.map(name => `${name}=EXCLUDED.${name}`).join(',')}`}`,
    valueFor,
  }
}

/**
 * Types of which lists are made, without length and precision: to keep to these is left to the assignment, which refuses what a cast would cut off. `character` and
 * `bit` are cut off all the same; other types are lists themselves, or have names that need quotes.
 */
const listTypes: ReadonlySet<string> = new Set([
  ...['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'boolean', 'text', 'character varying', 'bytea'],
  ...['uuid', 'json', 'jsonb', 'date', 'time without time zone', 'timestamp without time zone', 'timestamp with time zone'],
])

function listsOf(columns: readonly TableColumn[]): string | null {
  // "timestamp(3) without time zone", "numeric(10,2)"
  const types = columns.map(({ type }) => type.replace(/\(.*?\)/, ''))
  if (!types.every(type => listTypes.has(type))) return null
  return `SELECT * FROM unnest(${types.map((type, index) => `$${index + 1}::${type}[]`).join(',')})`
}

/** As the text of an array, of which every element but null is quoted. */
function listText(values: readonly unknown[], { type }: TableColumn): string {
  let text = '{'
  for (let index = 0; index < values.length; index++) {
    const value = values[index]
    if (index > 0) text += ','
    if (value === null) text += 'NULL'
    else {
      const plain = Buffer.isBuffer(value) ? textOfBytes(value, type) : String(value)
      text += `"${/["\\]/.test(plain) ? plain.replace(/["\\]/g, '\\$&') : plain}"`
    }
  }
  return `${text}}`
}

/** In a column that is no bytea, bytes are text. */
function textOfBytes(bytes: Buffer, type: string): string {
  if (type === 'bytea') return `\\x${bytes.toString('hex')}`
  if (!isUtf8(bytes))
    throw new DatabaseError('row', new Error(`${bytes.length} bytes are no UTF-8 text, which the column of type ${type} holds`))
  return bytes.toString()
}

function columnType(typed: Typed): string {
  const kind = temporalKind(typed.schema)
  if (kind !== null) return times[kind]
  if (typed.schema?.name === logical.decimal || typed.value instanceof Decimal) return 'DECIMAL'
  const type = typeOf(typed)
  if (type === 'array' && typed.schema?.items !== undefined) {
    const item = types[typed.schema.items.type]
    if (item !== undefined && temporalKind(typed.schema.items) === null) return `${item}[]`
  }
  return types[type] ?? 'JSONB'
}

function valueFor(typed: Typed, column: TableColumn, localText: (micros: bigint) => LocalTime): unknown {
  const { schema, value } = typed
  if (value === null || typeof value === 'boolean' || Buffer.isBuffer(value)) return value
  if (/^jsonb?$/.test(column.type)) return typeof value === 'string' && isJson(value) ? value : jsonText(typed)
  if (typeof value === 'string') return value
  if (value instanceof Decimal) return value.toString()
  if (typeof value === 'number' || typeof value === 'bigint') {
    const kind = temporalKind(schema)
    if (column.type.startsWith('timestamp') || (kind === 'timestamp' && !isNumeric(column.type))) {
      const { text, offset } = localText(microsOf(typed)!)
      // A column without zone ignores the offset.
      return text + offset
    }
    if (kind !== null && !isNumeric(column.type)) return temporalText({ kind, micros: microsOf(typed)! })
    if (column.type === 'date') return temporalText({ kind: 'date', micros: microsOf(typed)! })
    return String(value)
  }
  if (Array.isArray(value) && column.type.endsWith('[]')) {
    const item = { ...column, type: column.type.slice(0, -2) }
    return value.map(each => valueFor({ schema: schema?.items ?? null, value: each }, item, localText))
  }
  return jsonText(typed)
}

function isNumeric(type: string): boolean {
  return /^(?:smallint|integer|bigint|numeric|real|double)/.test(type)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
