/** What the two databases have in common for the sink, and what each does in its own way. */
import type { Schema, TaskContext } from '../../connector.ts'
import type { Typed } from '../values/select.ts'
import { within } from '../waits.ts'
import type { Raw } from './row-values.ts'

export interface TableColumn {
  /** As the database has it. */
  readonly name: string
  /** In lower case, such as `timestamp(3) with time zone`, `int4`, `jsonb`, `integer[]`. */
  readonly type: string
  readonly isNullable: boolean
}

/** Rows as the database writes them. */
export interface RawRows {
  readonly columns: readonly TableColumn[]
  readonly rows: readonly (readonly Raw[])[]
}

export interface Result {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Rows that were changed. */
  readonly count: number
}

/** What the database or its driver says: the row is to blame, the same may go well later, or neither. */
export class DatabaseError extends Error {
  readonly kind: 'row' | 'passing' | 'other'

  constructor(kind: DatabaseError['kind'], cause: unknown) {
    super((cause as Error).message || String((cause as { code?: string }).code ?? cause), { cause })
    this.name = 'DatabaseError'
    this.kind = kind
  }
}

/** How long a connection that is closed may take for its farewell. */
const farewellMs = 1_000

/** What both drivers lack: they end at a time, and when the task ends, whatever the server does. `destroy` ends the connection at once. */
export class Limits {
  readonly #context: Pick<TaskContext, 'system' | 'signal'>
  readonly #destroy: () => void

  constructor(context: Pick<TaskContext, 'system' | 'signal'>, destroy: () => void) {
    this.#context = context
    this.#destroy = destroy
  }

  /** Rejects with what `work` rejects with, RetriableError, or the signal's reason. */
  within<T>(ms: number, work: () => Promise<T>): Promise<T> {
    return within(this.#context, ms, this.#destroy, work)
  }

  async close(end: () => Promise<void>): Promise<void> {
    try {
      await this.within(farewellMs, end)
    } catch {
      // It did not hear it.
      this.#destroy()
    }
  }
}

/** One connection. Throws DatabaseError. */
export interface Database {
  readonly dialect: Dialect
  query(sql: string, values?: readonly unknown[]): Promise<Result>
  /** null: there is no such table. */
  columns(table: string): Promise<readonly TableColumn[] | null>
  /** `schema.name` of those that are no part of the system. */
  tables(): Promise<readonly string[]>
  read(sql: string, values?: readonly unknown[]): Promise<RawRows>
  /** All rows as of one moment, so many at once. */
  pages(sql: string, rows: number): AsyncGenerator<RawRows>
  close(): Promise<void>
}

export interface Dialect {
  readonly name: string
  /** What quotes names. */
  readonly quote: string
  /** `$2` or `?`; `index`: from 1. */
  parameter(index: number): string
  /** How many one statement may have. */
  readonly mostParameters: number
  /** The type of a new column. `isKey`: it is part of the primary key. */
  typeFor(typed: Typed, isKey: boolean): string
  /** Rows as one list of values for each column, which is far less for the database to parse than a parameter for each value. null: it has no such thing. */
  readonly lists: Lists | null
  /** What follows the rows of an insert, so that rows that are there are replaced. `keys`, `others`: quoted. */
  onDuplicate(keys: readonly string[], others: readonly string[]): string
  /** A value as the driver takes it for a column of this type. `localText`: a time without zone in `db.timezone`, and its offset. */
  valueFor(typed: Typed, column: TableColumn, localText: (micros: bigint) => LocalTime): unknown
}

export interface Lists {
  /** What takes the place of the rows in an insert; its parameters are the lists of these columns. null: they cannot be given so. */
  rows(columns: readonly TableColumn[]): string | null
  /** The parameter: all values of this column, as `valueFor` gives them. Throws DatabaseError. */
  parameter(values: readonly unknown[], column: TableColumn): string
}

export interface LocalTime {
  /** `2026-11-30 04:05:06.789` */
  readonly text: string
  /** `+08:00` */
  readonly offset: string
}

/** The type of values without schema. */
export function typeOf({ schema, value }: Typed): Schema['type'] {
  if (schema !== null) return schema.type
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'string' || value === null) return 'string'
  if (Buffer.isBuffer(value)) return 'bytes'
  return Array.isArray(value) ? 'array' : 'struct'
}
