/**
 * HBase sink, by the REST server that HBase has.
 *
 * Cells have the record's time or its offset as their version, so that a record may be written twice without harm, and an older one never hides a newer
 * one. Puts go in batches; a record without value deletes what is there up to its version.
 */
import { severalAtOnce } from '../../base.ts'
import { DataError, defineSink, type SinkContext, type SinkRecord, type SinkTask } from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { type HttpClient, said } from '../http-client/http-client.ts'
import { HttpServers } from '../http-client/servers.ts'
import { authorization, openHttpClient } from '../http-client/settings.ts'
import { missing, requireNone } from '../required.ts'
import { type Row, Rows } from './cells.ts'
import { type Config, keys } from './keys.ts'
import { refuses } from './refusals.ts'
import { HBaseRest, requireWritten } from './rest.ts'

const check = (config: Config) => missing(config, ['table.name.format', 'column.family'])

export const hbase = defineSink({
  name: 'hbase',
  classes: ['io.confluent.connect.hbase.HBaseSinkConnector'],
  version: '1',
  summary: 'Writes records as rows of HBase tables, by the REST server.',
  example: {
    'hbase.rest.url': 'http://127.0.0.1:8080',
    'table.name.format': 'events',
    'row.key': '${key}',
    'auto.create.tables': 'true',
    'auto.create.column.families': 'true',
  },
  config: keys,
  refuses,
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new HBaseTask(config, context)
  },
})

const deletesAtOnce = 8
/** That are remembered. */
const mostTables = 10_000

class HBaseTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #client: HttpClient
  readonly #rest: HBaseRest
  readonly #rows: Rows
  readonly #batches: Batches
  /** Families by table, as last seen. */
  readonly #families = new Map<string, ReadonlySet<string>>()
  /** Of the batch that is written. They are reported when the others are written, because after a failure all are tried again. */
  #refused: { readonly record: SinkRecord; readonly error: DataError }[] = []

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#client = openHttpClient(config, context)
    this.#rest = new HBaseRest(new HttpServers(this.#client, context.system.clock, config['hbase.rest.url']), authorization(config))
    this.#rows = new Rows(config)
    this.#batches = new Batches(config['max.batch.size'])
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#write(batch))
  }

  /** Runs of puts and of deletes, in the order of the records. */
  async #write(records: readonly SinkRecord[]): Promise<void> {
    this.#refused = []
    let run: Row[] = []
    const end = async () => {
      const rows = run
      run = []
      if (rows.length > 0) await (rows[0]!.cells === null ? this.#deleteAll(rows) : this.#putAll(rows))
    }
    for (const record of records) {
      const row = await this.#rowOf(record)
      if (row === null) continue
      const [first] = run
      if (first !== undefined && (first.table !== row.table || (first.cells === null) !== (row.cells === null))) await end()
      run.push(row)
    }
    await end()
    for (const { record, error } of this.#refused) await this.#context.report(record, error)
  }

  /** null: nothing to write, or refused. */
  async #rowOf(record: SinkRecord): Promise<Row | null> {
    try {
      const row = this.#rows.of(record)
      if (row !== null) await this.#requireFamilies(row)
      return row
    } catch (error) {
      if (!(error instanceof DataError)) throw error
      this.#refused.push({ record, error })
      return null
    }
  }

  async #requireFamilies({ table, cells }: Row): Promise<void> {
    const needed = [...new Set((cells ?? []).map(({ family }) => family))]
    const remembered = this.#families.get(table)
    if (remembered !== undefined && needed.every(family => remembered.has(family))) return
    const known = await this.#lookUp(table)
    const wanted = needed.filter(family => !known?.has(family))
    if (known !== null && wanted.length === 0) return
    if (known === null && !this.#config['auto.create.tables'])
      throw new Error(`there is no table ${table}; create it, or set auto.create.tables`)
    if (known !== null && !this.#config['auto.create.column.families'])
      throw new DataError(`table ${table} has no column family ${wanted.join(', ')}`)
    await this.#rest.define(table, wanted.length === 0 ? [this.#config['column.family']] : wanted, known === null)
    await this.#lookUp(table)
  }

  async #lookUp(table: string): Promise<ReadonlySet<string> | null> {
    const families = await this.#rest.families(table)
    if (this.#families.size >= mostTables) this.#families.clear()
    if (families !== null) this.#families.set(table, families)
    return families
  }

  async #putAll(rows: readonly Row[]): Promise<void> {
    const { table } = rows[0]!
    const answer = await this.#rest.put(table, rows)
    // What is wrong with one row refuses all of them: it is found by halves.
    if (answer.status === 400 && rows.length > 1) {
      const middle = rows.length >> 1
      await this.#putAll(rows.slice(0, middle))
      await this.#putAll(rows.slice(middle))
      return
    }
    if (answer.status === 400) {
      this.#refused.push({ record: rows[0]!.record, error: new DataError(`HBase refuses the row: ${said(answer)}`) })
      return
    }
    // Changed since they were looked up.
    if (answer.status === 404) this.#families.delete(table)
    requireWritten(`put to ${table}`, answer)
    if (this.#config['null.fields'] === 'delete') await this.#deleteNulls(rows)
  }

  /** Each column that a record has as null, if no later one of the batch has a value there. */
  async #deleteNulls(rows: readonly Row[]): Promise<void> {
    const last = new Map<string, { row: Row; column: string; isNull: boolean }>()
    for (const row of rows)
      for (const { column, value } of row.cells ?? [])
        last.set(`${row.key.toString('base64')} ${column.toString('base64')}`, { row, column: column.toString(), isNull: value === null })
    const columns = new Map<Row, string[]>()
    for (const { row, column, isNull } of last.values()) if (isNull) columns.set(row, [...(columns.get(row) ?? []), column])
    await severalAtOnce(columns, deletesAtOnce, async ([row, names]) => {
      requireWritten(`delete from ${row.table}`, await this.#rest.delete(row.table, row.key, names, row.version))
    })
  }

  async #deleteAll(rows: readonly Row[]): Promise<void> {
    // Of several deletes of a row, the one up to the greatest version deletes what all delete.
    const widest = new Map<string, Row>()
    for (const row of rows) {
      const name = row.key.toString('base64')
      const other = widest.get(name)
      if (other === undefined || (row.version ?? 0n) >= (other.version ?? 0n)) widest.set(name, row)
    }
    await severalAtOnce(widest.values(), deletesAtOnce, async ({ record, table, key, version }) => {
      const families = [...(this.#families.get(table) ?? [])]
      const answer = await this.#rest.delete(table, key, families, version)
      if (answer.status === 404) this.#families.delete(table)
      if (answer.status === 400) this.#refused.push({ record, error: new DataError(`HBase refuses the delete: ${said(answer)}`) })
      else requireWritten(`delete from ${table}`, answer)
    })
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(): Promise<void> {
    this.#batches.forget()
  }

  async close(): Promise<void> {
    this.#client.close()
  }
}
