/** A captured table as its records show it: the topic, the schemas, and rows as keys and values. */
import { type ConnectValue, DataError, type Schema, type Struct, struct } from '../../connector.ts'
import { envelopeSchema } from './envelope.ts'
import type { ChangeDataConfig } from './keys.ts'
import type { ColumnType } from './modes.ts'
import { adjusted, adjustedField, topicName } from './names.ts'

/** A value that the database did not send, because it has not changed. */
export const unchanged = Symbol('unchanged')
/** `R`: what values of the database are here: text, or what its driver makes of them. */
export type Cell<R> = R | null | typeof unchanged

export interface TableOptions {
  readonly config: ChangeDataConfig
  /** By `schema.table.column`. */
  readonly isColumnCaptured: (name: string) => boolean
  readonly source: Schema
  /** What cannot be written, where that does not fail the task. */
  warn(fields: object, message: string): void
}

/** A column of the database. */
export interface CapturedColumn<R> {
  readonly name: string
  /** null: values of its type are left out. */
  readonly type: ColumnType<R> | null
  readonly isNullable: boolean
  /** Of an enum. */
  readonly labels: readonly string[] | null
  /** undefined: it has none. */
  readonly default?: ConnectValue | undefined
}

interface Column<R> {
  readonly name: string
  /** Of records. */
  readonly field: string
  /** In rows. */
  readonly index: number
  readonly type: ColumnType<R>
  readonly isNullable: boolean
  readonly labels: ReadonlySet<unknown> | null
  readonly default: ConnectValue | undefined
}

export class CapturedTable<R = string> {
  readonly schema: string
  readonly table: string
  /** `schema.table` */
  readonly name: string
  readonly topic: string
  /** null: the table has no key. */
  readonly keySchema: Schema | null
  readonly valueSchema: Schema
  readonly #columns: readonly Column<R>[]
  readonly #keys: readonly Column<R>[]
  readonly #options: TableOptions

  /** `key`: names of columns. */
  constructor(schema: string, table: string, columns: readonly CapturedColumn<R>[], key: readonly string[], options: TableOptions) {
    const { config, isColumnCaptured, source } = options
    this.#options = options
    this.schema = schema
    this.table = table
    this.name = `${schema}.${table}`
    this.topic = topicName(config['topic.prefix'], schema, table)
    const known = columns.flatMap((column, index) => columnOf(column, index, config['field.name.adjustment.mode']))
    this.#columns = known.filter(({ name }) => isColumnCaptured(`${this.name}.${name}`))
    this.#keys = key.flatMap(name => known.filter(column => column.name === name))
    const prefix = adjusted(this.topic, config['schema.name.adjustment.mode'])
    this.keySchema = this.#keys.length === 0 ? null : schemaOf(`${prefix}.Key`, this.#keys)
    this.valueSchema = envelopeSchema(prefix, { ...schemaOf(`${prefix}.Value`, this.#columns), optional: true }, source)
  }

  /** null: there is no key, or the row does not have all of it. `isPart`: only what identifies the row is there. */
  key(cells: readonly Cell<R>[]): Struct | null {
    if (this.keySchema === null) return null
    const key = struct()
    for (const column of this.#keys) {
      const cell = cells[column.index]
      if (cell === undefined || cell === unchanged || (cell === null && !column.isNullable)) return null
      key[column.field] = cell === null ? null : column.type.read(cell)
    }
    return key
  }

  /** `old`: the same row before, for large values that have not changed. */
  row(cells: readonly Cell<R>[], old: readonly Cell<R>[] | null = null): Struct {
    const row = struct()
    for (const column of this.#columns) {
      const cell = cells[column.index]
      const known = cell === unchanged ? (old?.[column.index] ?? unchanged) : cell
      if (known === undefined) throw new DataError(`a row of ${this.name} has fewer values than the table has columns`)
      row[column.field] = known === unchanged ? (column.type.unavailable ?? absent(column)) : this.#value(column, known)
    }
    return row
  }

  #value(column: Column<R>, cell: R | null): ConnectValue {
    if (cell === null) return absent(column)
    try {
      return column.type.read(cell)
    } catch (error) {
      const { config, warn } = this.#options
      const mode = config['event.converting.failure.handling.mode']
      // The value itself may be a secret.
      if (mode === 'fail') throw new DataError(`a value of ${this.name}.${column.name} cannot be written`, error)
      if (mode === 'warn') warn({ table: this.name, column: column.name, err: error }, 'a value cannot be written and is left out')
      return absent(column)
    }
  }

  /** Why a row of the stream does not fit what the catalogue says, which may be younger: null if it fits. */
  misfit(cells: readonly Cell<R>[]): { readonly nullable: string } | { readonly label: string } | null {
    for (const { index, isNullable, labels, name } of this.#columns) {
      const cell = cells[index]
      if (cell === null && !isNullable) return { nullable: name }
      if (labels !== null && typeof cell === 'string' && !labels.has(cell)) return { label: cell }
    }
    return null
  }
}

function absent<R>(column: Column<R>): ConnectValue {
  return column.isNullable ? null : column.type.absent
}

function columnOf<R>(column: CapturedColumn<R>, index: number, mode: 'none' | 'avro'): Column<R>[] {
  const { name, type, isNullable, labels } = column
  if (type === null) return []
  const known = labels === null ? null : new Set<unknown>(labels)
  return [{ name, field: adjustedField(name, mode), index, type, isNullable, labels: known, default: column.default }]
}

/**
 * Columns that are NOT NULL have their defaults, so that a registry takes a schema with a new one. The others have none, unlike Debezium's: converters write the
 * default where a value is null.
 */
function schemaOf<R>(name: string, columns: readonly Column<R>[]): Schema {
  const fields = columns.map(({ field, type, isNullable, default: value }) => ({
    name: field,
    schema: isNullable ? { ...type.schema, optional: true } : value === undefined ? type.schema : { ...type.schema, default: value },
  }))
  return { type: 'struct', name, fields }
}
