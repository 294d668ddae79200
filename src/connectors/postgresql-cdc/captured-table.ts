/** A captured table as its records show it: the topic, the schemas, and rows as keys and values. */
import { type ConnectValue, DataError, type Schema, type Struct, struct } from '../../connector.ts'
import { envelopeSchema } from '../change-data/envelope.ts'
import { keyColumns } from '../change-data/keys.ts'
import type { ColumnType } from '../change-data/modes.ts'
import { adjusted, adjustedField, topicName } from '../change-data/names.ts'
import type { Table, TableColumn } from './catalog.ts'
import type { Config } from './keys.ts'
import { type Cell, type Relation, unchanged } from './pgoutput.ts'
import { typeOf } from './types.ts'

export interface TableOptions {
  readonly config: Config
  /** By `schema.table.column`. */
  readonly isColumnCaptured: (name: string) => boolean
  readonly source: Schema
  /** What cannot be written, where that does not fail the task. */
  warn(fields: object, message: string): void
}

interface Column {
  readonly name: string
  /** Of records. */
  readonly field: string
  /** In rows. */
  readonly index: number
  readonly type: ColumnType
  readonly isNullable: boolean
  readonly labels: ReadonlySet<string> | null
}

export class CapturedTable {
  /** `schema.table` */
  readonly name: string
  readonly topic: string
  /** null: the table has no key. */
  readonly keySchema: Schema | null
  readonly valueSchema: Schema
  readonly #columns: readonly Column[]
  readonly #keys: readonly Column[]
  readonly #options: TableOptions

  constructor(schema: string, table: string, columns: readonly TableColumn[], key: readonly string[], options: TableOptions) {
    const { config, isColumnCaptured, source } = options
    this.#options = options
    this.name = `${schema}.${table}`
    this.topic = topicName(config['topic.prefix'], schema, table)
    const known = columns.flatMap((column, index) => columnOf(column, index, config))
    this.#columns = known.filter(({ name }) => isColumnCaptured(`${this.name}.${name}`))
    this.#keys = key.flatMap(name => known.filter(column => column.name === name))
    const prefix = adjusted(this.topic, config['schema.name.adjustment.mode'])
    this.keySchema = this.#keys.length === 0 ? null : schemaOf(`${prefix}.Key`, this.#keys)
    this.valueSchema = envelopeSchema(prefix, { ...schemaOf(`${prefix}.Value`, this.#columns), optional: true }, source)
  }

  /** null: there is no key, or the row does not have all of it. `isPart`: only what identifies the row is there. */
  key(cells: readonly Cell[]): Struct | null {
    if (this.keySchema === null) return null
    const key = struct()
    for (const column of this.#keys) {
      const cell = cells[column.index]
      if (typeof cell !== 'string' && !(cell === null && column.isNullable)) return null
      key[column.field] = cell === null ? null : column.type.read(cell)
    }
    return key
  }

  /** `old`: the same row before, for large values that have not changed. */
  row(cells: readonly Cell[], old: readonly Cell[] | null = null): Struct {
    const row = struct()
    for (const column of this.#columns) {
      const cell = cells[column.index]
      const known = cell === unchanged ? (old?.[column.index] ?? unchanged) : cell
      if (known === undefined) throw new DataError(`a row of ${this.name} has fewer values than the table has columns`)
      row[column.field] = known === unchanged ? (column.type.unavailable ?? absent(column)) : this.#value(column, known)
    }
    return row
  }

  #value(column: Column, cell: string | null): ConnectValue {
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
  misfit(cells: readonly Cell[]): { readonly nullable: string } | { readonly label: string } | null {
    for (const { index, isNullable, labels, name } of this.#columns) {
      const cell = cells[index]
      if (cell === null && !isNullable) return { nullable: name }
      if (labels !== null && typeof cell === 'string' && !labels.has(cell)) return { label: cell }
    }
    return null
  }
}

function absent(column: Column): ConnectValue {
  return column.isNullable ? null : column.type.absent
}

function columnOf({ name, type, modifier, isNullable }: TableColumn, index: number, config: Config): Column[] {
  const made = typeOf(type, modifier, config)
  if (made === null) return []
  const field = adjustedField(name, config['field.name.adjustment.mode'])
  return [{ name, field, index, type: made, isNullable, labels: type.labels === null ? null : new Set(type.labels) }]
}

function schemaOf(name: string, columns: readonly Column[]): Schema {
  const fields = columns.map(({ field, type, isNullable }) => ({
    name: field,
    schema: isNullable ? { ...type.schema, optional: true } : type.schema,
  }))
  return { type: 'struct', name, fields }
}

/** The columns of the key: those that the configuration names, the primary key if deleted rows have it, or else what identifies rows. */
export function keyOf(table: Table, config: Config, relation: Relation | null): readonly string[] {
  const named = keyColumns(config['message.key.columns']).get(`${table.schema}.${table.name}`.toLowerCase())
  if (named !== undefined) return named
  const identity = relation?.columns.filter(column => column.isIdentity).map(({ name }) => name) ?? null
  const isIdentified = (names: readonly string[]) => identity === null || names.every(name => identity.includes(name))
  if (table.primaryKey.length > 0 && (isIdentified(table.primaryKey) || relation?.identity === 'n')) return table.primaryKey
  if (table.identityIndex.length > 0) return table.identityIndex
  return table.primaryKey.length > 0 ? table.primaryKey : table.uniqueKey
}
