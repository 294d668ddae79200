/** Which tables are captured, and each as it is now, or was when the stream last spoke of it. */
import type { Schema } from '../../connector.ts'
import { CapturedTable, type TableOptions } from '../change-data/captured-table.ts'
import { keyColumns } from '../change-data/keys.ts'
import { included } from '../change-data/lists.ts'
import type { Catalog, Table, TableColumn } from './catalog.ts'
import type { Config } from './keys.ts'
import type { Cell, Relation } from './pgoutput.ts'
import type { SnapshotTable } from './snapshot.ts'
import { defaultOf, typeOf } from './types.ts'

/** What it asks of the catalogue. */
export type Lookup = Pick<Catalog, 'tables' | 'table' | 'columns' | 'forgetTypes'>

export class Tables {
  readonly #config: Config
  readonly #catalog: Lookup
  readonly #options: TableOptions
  readonly #isSchema: (name: string) => boolean
  readonly #isTable: (name: string) => boolean

  constructor(config: Config, catalog: Lookup, source: Schema, warn: TableOptions['warn']) {
    this.#config = config
    this.#catalog = catalog
    this.#isSchema = included(config['schema.include.list'], config['schema.exclude.list'])
    this.#isTable = included(config['table.include.list'], config['table.exclude.list'])
    const isColumnCaptured = included(config['column.include.list'], config['column.exclude.list'])
    this.#options = { config, isColumnCaptured, source, warn }
  }

  isCaptured(schema: string, table: string): boolean {
    return this.#isSchema(schema) && this.#isTable(`${schema}.${table}`)
  }

  async captured(): Promise<readonly { readonly schema: string; readonly name: string }[]> {
    const all = await this.#catalog.tables(this.#config['publish.via.partition.root'])
    return all.filter(({ schema, name }) => this.isCaptured(schema, name))
  }

  /** As it is now; null: it is gone. */
  async now(schema: string, name: string): Promise<SnapshotTable | null> {
    const table = await this.#catalog.table(schema, name)
    if (table === null) return null
    const key = table.primaryKey.length > 0 ? table.primaryKey : table.uniqueKey
    return {
      table,
      key,
      captured: capturedTable(schema, name, table.columns, keyOf(table, this.#config, null), this.#config, this.#options),
    }
  }

  /** As the stream describes it. What the stream does not tell, the catalogue does, which may be younger. */
  async described(relation: Relation): Promise<DescribedTable> {
    const { schema, table: name } = relation
    const table = (await this.#catalog.table(schema, name)) ?? {
      id: 0,
      schema,
      name,
      columns: [],
      primaryKey: [],
      identityIndex: [],
      uniqueKey: [],
    }
    const key = keyOf(table, this.#config, relation).filter(column => relation.columns.some(each => each.name === column))
    const columns = await this.#catalog.columns(
      relation.columns.map(({ name: column, type, modifier }) => {
        const known = table.columns.find(each => each.name === column)
        return { name: column, type, modifier, isNullable: known?.isNullable ?? !key.includes(column), default: known?.default ?? null }
      }),
    )
    return new DescribedTable(relation, columns, key, this.#config, this.#options, this.#catalog)
  }
}

/** Of the stream: corrected where a row shows that the catalogue is younger than the row. */
export class DescribedTable {
  readonly #relation: Relation
  #columns: readonly TableColumn[]
  readonly #key: readonly string[]
  readonly #config: Config
  readonly #options: TableOptions
  readonly #catalog: Lookup
  #captured: CapturedTable

  constructor(
    relation: Relation,
    columns: readonly TableColumn[],
    key: readonly string[],
    config: Config,
    options: TableOptions,
    catalog: Lookup,
  ) {
    this.#config = config
    this.#relation = relation
    this.#columns = columns
    this.#key = key
    this.#options = options
    this.#catalog = catalog
    this.#captured = this.#make()
  }

  #make(): CapturedTable {
    return capturedTable(this.#relation.schema, this.#relation.table, this.#columns, this.#key, this.#config, this.#options)
  }

  get captured(): CapturedTable {
    return this.#captured
  }

  /** Of a new row. */
  fits(cells: readonly Cell[]): boolean {
    return this.#captured.misfit(cells) === null
  }

  async fit(cells: readonly Cell[]): Promise<void> {
    for (let misfit = this.#captured.misfit(cells); misfit !== null; misfit = this.#captured.misfit(cells)) {
      if ('nullable' in misfit) {
        const { nullable } = misfit
        this.#columns = this.#columns.map(column => (column.name === nullable ? { ...column, isNullable: true } : column))
        this.#captured = this.#make()
      } else {
        this.#catalog.forgetTypes()
        const wanted = this.#relation.columns.map(({ name, type, modifier }, at) => {
          const { isNullable, default: sql } = this.#columns[at]!
          return { name, type, modifier, isNullable, default: sql }
        })
        this.#columns = await this.#catalog.columns(wanted)
        this.#captured = this.#make()
        // A label that was renamed since is nowhere to be found.
        return
      }
    }
  }
}

function capturedTable(
  schema: string,
  table: string,
  columns: readonly TableColumn[],
  key: readonly string[],
  config: Config,
  options: TableOptions,
): CapturedTable {
  const typed = columns.map(({ name, type, modifier, isNullable, default: sql }) => {
    const made = typeOf(type, modifier, config)
    return { name, type: made, isNullable, labels: type.labels, default: made === null || sql === null ? undefined : defaultOf(sql, made) }
  })
  return new CapturedTable(schema, table, typed, key, options)
}

/**
 * The columns of the key: those that the configuration names, those by which deleted rows can be told, which the stream says as they were, or else a unique key.
 * `relation`: null: of a snapshot.
 */
function keyOf(table: Table, config: Config, relation: Relation | null): readonly string[] {
  const named = keyColumns(config['message.key.columns']).get(`${table.schema}.${table.name}`.toLowerCase())
  if (named !== undefined) return named
  const known = [table.identityIndex, table.primaryKey, table.uniqueKey].find(each => each.length > 0) ?? []
  const isTold = relation?.identity === 'd' || relation?.identity === 'i'
  const told = isTold ? relation.columns.filter(column => column.isIdentity).map(({ name }) => name) : []
  // The catalogue knows the order of the columns, but it may be younger.
  return told.length === 0 || (told.length === known.length && told.every(name => known.includes(name))) ? known : told
}
