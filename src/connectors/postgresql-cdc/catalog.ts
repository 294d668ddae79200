/** What PostgreSQL's catalogue says of tables: their columns, their keys and the types of their values. */
import type { Client } from 'pg'
import { ask, type Row } from './connection.ts'

/** A type, or what an array or a domain is made of. */
export interface PostgresType {
  readonly name: string
  /** Of an enum, in its order. */
  readonly labels: readonly string[] | null
  /** Of an array. */
  readonly element: PostgresType | null
}

export interface TableColumn {
  readonly name: string
  readonly type: PostgresType
  /** -1: none. Of a domain: its own. */
  readonly modifier: number
  readonly isNullable: boolean
  /** As SQL; null: none. */
  readonly default: string | null
}

/** What the stream says of a column, and what it does not say. */
export type WantedColumn = Omit<TableColumn, 'type'> & { readonly type: number }

export interface Table {
  readonly id: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly TableColumn[]
  /** Names of the columns of the primary key. */
  readonly primaryKey: readonly string[]
  /** Of the index that is the replica identity. */
  readonly identityIndex: readonly string[]
  /** Of a unique index whose columns are NOT NULL. */
  readonly uniqueKey: readonly string[]
}

interface TypeRow {
  readonly name: string
  readonly kind: string
  readonly category: string
  readonly element: number
  readonly base: number
  readonly baseModifier: number
  readonly labels: readonly string[] | null
}

export class Catalog {
  readonly #client: Client
  readonly #types = new Map<number, TypeRow>()

  constructor(client: Client) {
    this.#client = client
  }

  /** `schema.table` of those that can be captured. `viaRoot`: a table with partitions instead of these. */
  async tables(viaRoot: boolean): Promise<readonly { readonly schema: string; readonly name: string }[]> {
    const rows = await ask(
      this.#client,
      `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where ${viaRoot ? `c.relkind in ('r', 'p') and not c.relispartition` : `c.relkind = 'r'`} and c.relpersistence = 'p'
       and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%' order by 1, 2`,
    )
    return rows.map(row => ({ schema: String(row['schema']), name: String(row['name']) }))
  }

  /** null: there is no such table any more. */
  async table(schema: string, name: string): Promise<Table | null> {
    const rows = await ask(
      this.#client,
      `select c.oid, a.attname as name, a.atttypid as type, a.atttypmod as modifier, a.attnotnull as required,
         pg_get_expr(d.adbin, d.adrelid) as default
       from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_attribute a
       on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
       left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
       where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p') order by a.attnum`,
      [schema, name],
    )
    if (rows.length === 0) return null
    const own = rows.filter(row => row['name'] !== null)
    await this.#learn(own.map(row => Number(row['type'])))
    const columns = own.map(row =>
      this.#column({
        ...{ name: String(row['name']), type: Number(row['type']), modifier: Number(row['modifier']) },
        ...{ isNullable: row['required'] !== true, default: row['default'] as string | null },
      }),
    )
    const id = Number(rows[0]!['oid'])
    return { id, schema, name, columns, ...(await this.#keys(id, columns)) }
  }

  async #keys(id: number, columns: readonly TableColumn[]): Promise<Pick<Table, 'primaryKey' | 'identityIndex' | 'uniqueKey'>> {
    const rows = await ask(
      this.#client,
      `select i.indisprimary as primary, i.indisreplident as identity, array(select a.attname::text from unnest(i.indkey) with ordinality k(attnum, place)
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.place <= i.indnkeyatts order by k.place) as columns
       from pg_index i where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null order by i.indexrelid`,
      [id],
    )
    const names = (row: Row | undefined) => (row === undefined ? [] : (row['columns'] as string[]))
    const isRequired = (name: string) => columns.some(column => column.name === name && !column.isNullable)
    return {
      primaryKey: names(rows.find(row => row['primary'] === true)),
      identityIndex: names(rows.find(row => row['identity'] === true)),
      uniqueKey: names(rows.find(row => names(row).every(isRequired))),
    }
  }

  /** Columns as the stream names their types. */
  async columns(wanted: readonly WantedColumn[]): Promise<TableColumn[]> {
    await this.#learn(wanted.map(({ type }) => type))
    return wanted.map(each => this.#column(each))
  }

  #column(column: WantedColumn): TableColumn {
    const domain = this.#types.get(column.type)
    const modifier = domain?.kind === 'd' && column.modifier === -1 ? domain.baseModifier : column.modifier
    return { ...column, type: this.#type(column.type, 0), modifier }
  }

  #type(id: number, depth: number): PostgresType {
    const row = this.#types.get(id)
    if (row === undefined || depth > 16) return { name: `type ${id}`, labels: null, element: null }
    if (row.kind === 'd') return this.#type(row.base, depth + 1)
    const element = row.category === 'A' && row.element !== 0 ? this.#type(row.element, depth + 1) : null
    return { name: row.name, labels: row.labels, element }
  }

  /** An enum may have got values since. */
  forgetTypes(): void {
    this.#types.clear()
  }

  async #learn(ids: readonly number[]): Promise<void> {
    let unknown = ids.filter(id => !this.#types.has(id))
    while (unknown.length > 0) {
      const rows = await ask(
        this.#client,
        `select oid, typname as name, typtype as kind, typcategory as category, typelem as element, typbasetype as base, typtypmod as modifier,
           case when typtype = 'e' then array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder) end as labels
         from pg_type t where oid = any($1::oid[])`,
        [[...new Set(unknown)]],
      )
      for (const row of rows)
        this.#types.set(Number(row['oid']), {
          name: String(row['name']),
          kind: String(row['kind']),
          category: String(row['category']),
          element: Number(row['element']),
          base: Number(row['base']),
          baseModifier: Number(row['modifier']),
          labels: row['labels'] as string[] | null,
        })
      unknown = rows.flatMap(row => [Number(row['element']), Number(row['base'])]).filter(id => id !== 0 && !this.#types.has(id))
    }
  }
}
