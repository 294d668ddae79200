/** Statements for runs of operations: of one table, of one kind, with the same columns. */

import { zoneShift } from '../template/date-pattern.ts'
import { floorDivide } from '../values/temporal.ts'
import type { Database, Dialect, LocalTime, TableColumn } from './database.ts'
import type { Config } from './keys.ts'
import type { Column, Operation } from './operations.ts'

export interface Run {
  /** Quoted. */
  readonly table: string
  readonly operations: readonly Operation[]
  /** Of the table, by the names that records have. */
  readonly columns: ReadonlyMap<string, TableColumn>
}

/** The name of a table, of which dots are the ends of schemas, or of a column, which has none. */
export function quoted(dialect: Dialect, name: string, isTable = false): string {
  const { quote } = dialect
  if (quote === '') return name
  return (isTable ? name.split('.') : [name]).map(part => quote + part.replaceAll(quote, quote + quote) + quote).join('.')
}

/** Those that may go into one statement. */
export function areAlike(a: Operation, b: Operation): boolean {
  const sameNames = (one: readonly Column[], other: readonly Column[]) =>
    one.length === other.length && one.every(({ name }, index) => name === other[index]!.name)
  return a.table === b.table && a.kind === b.kind && sameNames(a.keys, b.keys) && sameNames(a.others, b.others)
}

/** Characters and bytes. Lists are texts, of which V8 and PostgreSQL allow a certain size; escaped, a value may be four times as long. */
const enoughInLists = 32 * 2 ** 20

export class Statements {
  readonly #database: Database
  readonly #mode: string
  readonly #localText: (micros: bigint) => LocalTime

  constructor(database: Database, config: Config) {
    this.#database = database
    this.#mode = config['insert.mode']
    this.#localText = localTimes(config['db.timezone'])
  }

  async run(run: Run): Promise<void> {
    const [first] = run.operations
    if (first === undefined) return
    if (first.kind === 'delete') return this.#delete(run)
    if (this.#mode === 'update') return this.#update(run)
    await this.#insert(run, this.#mode === 'upsert' ? lastOfEachKey(run.operations) : run.operations)
  }

  async #insert({ table, columns }: Run, operations: readonly Operation[]): Promise<void> {
    const { dialect } = this.#database
    const { keys, others } = operations[0]!
    const found = [...keys, ...others]
    const names = found.map(({ name }) => quoted(dialect, name))
    const onDuplicate = this.#mode === 'upsert' ? dialect.onDuplicate(names.slice(0, keys.length), names.slice(keys.length)) : ''
    const into = `INSERT INTO ${table} (${names.join(',')}) `
    const inTable = found.map(({ name }) => columns.get(name)!)
    const lists = dialect.lists?.rows(inTable) ?? null
    if (lists !== null) return this.#insertLists(`${into}${lists}${onDuplicate}`, inTable, operations)
    const most = Math.max(1, Math.floor(dialect.mostParameters / names.length))
    for (let at = 0; at < operations.length; at += most) {
      const values: unknown[] = []
      const rows = operations.slice(at, at + most).map(operation => {
        const parameters = [...operation.keys, ...operation.others].map(column => this.#parameter(column, columns, values))
        return `(${parameters.join(',')})`
      })
      await this.#database.query(`${into}VALUES ${rows.join(',')}${onDuplicate}`, values)
    }
  }

  async #insertLists(sql: string, columns: readonly TableColumn[], operations: readonly Operation[]): Promise<void> {
    const { dialect } = this.#database
    for (let at = 0; at < operations.length; ) {
      const lists = columns.map((): unknown[] => [])
      for (let size = 0; at < operations.length && size < enoughInLists; at++) {
        const { keys, others } = operations[at]!
        for (let index = 0; index < columns.length; index++) {
          const { typed } = index < keys.length ? keys[index]! : others[index - keys.length]!
          const value = dialect.valueFor(typed, columns[index]!, this.#localText)
          if (typeof value === 'string' || Buffer.isBuffer(value)) size += value.length
          lists[index]!.push(value)
        }
      }
      await this.#database.query(
        sql,
        lists.map((list, index) => dialect.lists!.parameter(list, columns[index]!)),
      )
    }
  }

  async #update({ table, operations, columns }: Run): Promise<void> {
    const { dialect } = this.#database
    for (const { keys, others } of operations) {
      if (others.length === 0) continue
      const values: unknown[] = []
      const equal = (column: Column) => `${quoted(dialect, column.name)}=${this.#parameter(column, columns, values)}`
      const changes = others.map(equal).join(',')
      await this.#database.query(`UPDATE ${table} SET ${changes} WHERE ${keys.map(equal).join(' AND ')}`, values)
    }
  }

  async #delete({ table, operations, columns }: Run): Promise<void> {
    const { dialect } = this.#database
    const most = Math.max(1, Math.floor(Math.min(dialect.mostParameters, 10_000) / operations[0]!.keys.length))
    for (let at = 0; at < operations.length; at += most) {
      const values: unknown[] = []
      const rows = operations.slice(at, at + most).map(({ keys }) => {
        const terms = keys.map(column => `${quoted(dialect, column.name)}=${this.#parameter(column, columns, values)}`)
        return `(${terms.join(' AND ')})`
      })
      await this.#database.query(`DELETE FROM ${table} WHERE ${rows.join(' OR ')}`, values)
    }
  }

  #parameter({ name, typed }: Column, columns: ReadonlyMap<string, TableColumn>, values: unknown[]): string {
    const { dialect } = this.#database
    return dialect.parameter(values.push(dialect.valueFor(typed, columns.get(name)!, this.#localText)))
  }
}

/** One statement cannot change a row twice. */
function lastOfEachKey(operations: readonly Operation[]): readonly Operation[] {
  const last = new Map<string, Operation>()
  for (const operation of operations) {
    const name = JSON.stringify(
      operation.keys.map(({ typed: { value } }) => (Buffer.isBuffer(value) ? value.toString('hex') : String(value))),
    )
    // Set again, so that it has its place in the order.
    last.delete(name)
    last.set(name, operation)
  }
  return last.size === operations.length ? operations : [...last.values()]
}

export function localTimes(zone: string): (micros: bigint) => LocalTime {
  const shift = zoneShift(zone)
  return micros => {
    const ms = Number(floorDivide(micros, 1_000n))
    const ahead = shift(ms)
    const [day, time] = new Date(ms + ahead).toISOString().slice(0, -1).split('T')
    const rest = String(((micros % 1_000n) + 1_000n) % 1_000n).padStart(3, '0')
    const minutes = Math.abs(ahead) / 60_000
    const offset = `${ahead < 0 ? '-' : '+'}${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(Math.floor(minutes % 60)).padStart(2, '0')}`
    return { text: `${day} ${time}${rest === '000' ? '' : rest}`, offset }
  }
}
