/** Tables as the database has them; created and evolved where that is allowed. */
import { DataError } from '../../connector.ts'
import { type Database, DatabaseError, type TableColumn } from './database.ts'
import type { Config } from './keys.ts'
import type { Column, Operation } from './operations.ts'
import { quoted } from './statements.ts'

/** That are remembered. */
const mostTables = 10_000

export class Tables {
  readonly #database: Database
  readonly #config: Config
  /** By quoted name. */
  readonly #known = new Map<string, readonly TableColumn[]>()

  constructor(database: Database, config: Config) {
    this.#database = database
    this.#config = config
  }

  /** The columns by the names that records have. Throws DataError if the table lacks one that this record has. Not within a transaction. */
  async columnsFor(operation: Operation): Promise<ReadonlyMap<string, TableColumn>> {
    const table = quoted(this.#database.dialect, operation.table, true)
    const wanted = [...operation.keys, ...operation.others]
    let columns = this.#known.get(table) ?? (await this.#lookUp(table))
    if (columns === null) {
      if (!this.#config['auto.create']) throw new Error(`Table ${table} is missing and auto-creation is disabled`)
      columns = await this.#create(table, operation)
    }
    let found = this.#match(wanted, columns)
    if (found.size < wanted.length) {
      // It may have been changed since.
      columns = (await this.#lookUp(table)) ?? columns
      found = this.#match(wanted, columns)
    }
    const lacking = wanted.filter(({ name }) => !found.has(name))
    if (lacking.length === 0) return found
    if (!this.#config['auto.evolve'] || operation.kind === 'delete')
      throw new DataError(`Table ${table} is missing fields (${lacking.map(({ name }) => name).join(', ')}) and auto-evolution is disabled`)
    return this.#match(wanted, await this.#evolve(table, lacking))
  }

  #match(wanted: readonly Column[], columns: readonly TableColumn[]): Map<string, TableColumn> {
    const isExact = this.#database.dialect.quote !== ''
    const found = new Map<string, TableColumn>()
    for (const { name } of wanted) {
      const column = columns.find(each => (isExact ? each.name === name : each.name.toLowerCase() === name.toLowerCase()))
      if (column !== undefined) found.set(name, column)
    }
    return found
  }

  async #lookUp(table: string): Promise<readonly TableColumn[] | null> {
    const columns = await this.#database.columns(table)
    if (this.#known.size >= mostTables) this.#known.clear()
    if (columns !== null) this.#known.set(table, columns)
    return columns
  }

  #create(table: string, { keys, others }: Operation): Promise<readonly TableColumn[]> {
    const { dialect } = this.#database
    const columns = [
      ...keys.map(column => `${quoted(dialect, column.name)} ${dialect.typeFor(column.typed, true)} NOT NULL`),
      ...others.map(column => this.#definition(column)),
    ]
    const key = keys.length === 0 ? [] : [`PRIMARY KEY (${keys.map(({ name }) => quoted(dialect, name)).join(',')})`]
    return this.#define(table, `CREATE TABLE ${table} (${[...columns, ...key].join(', ')})`, () => true)
  }

  #evolve(table: string, lacking: readonly Column[]): Promise<readonly TableColumn[]> {
    for (const { name, typed } of lacking)
      if (typed.schema !== null && typed.schema.optional !== true && typed.schema.default === undefined)
        throw new DataError(
          `Cannot ALTER table ${table} to add missing field ${name}, as the field is not optional and does not have a default value`,
        )
    const changes = lacking.map(column => `ADD COLUMN ${this.#definition(column)}`).join(', ')
    return this.#define(table, `ALTER TABLE ${table} ${changes}`, columns => this.#match(lacking, columns).size === lacking.length)
  }

  /** What has no schema may be missing in the next record. */
  #definition({ name, typed }: Column): string {
    const { dialect } = this.#database
    const isRequired = typed.schema !== null && typed.schema.optional !== true && typed.schema.default === undefined
    return `${quoted(dialect, name)} ${dialect.typeFor(typed, false)}${isRequired ? ' NOT NULL' : ' NULL'}`
  }

  /** Another task may do the same at the same time. */
  async #define(table: string, sql: string, isDone: (columns: readonly TableColumn[]) => boolean): Promise<readonly TableColumn[]> {
    try {
      await this.#database.query(sql)
    } catch (error) {
      if (error instanceof DatabaseError && error.kind === 'passing') throw error
      const columns = await this.#lookUp(table)
      if (columns === null || !isDone(columns)) throw error
    }
    const columns = await this.#lookUp(table)
    if (columns === null) throw new Error(`table ${table} is not there, though it was created`)
    return columns
  }
}
