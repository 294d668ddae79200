/** What the binlog says as records, each with the offset from where to go on after it. Rows that are done already give none. */
import { createHash } from 'node:crypto'
import type { Schema, SourceRecord, Struct } from '../../connector.ts'
import { CapturedTable, type TableOptions } from '../change-data/captured-table.ts'
import { type Origin, optionalInt64, optionalString, type SnapshotMark, sourceOf, sourceSchema } from '../change-data/envelope.ts'
import { keyColumns } from '../change-data/keys.ts'
import { included } from '../change-data/lists.ts'
import { ChangeRecords, type Draft, type NextInTransaction } from '../change-data/records.ts'
import { TransactionEvents } from '../change-data/transactions.ts'
import type { Cells, Frame, TableFrame } from './binlog.ts'
import { labelsOfType, type Server, type Table, type TableColumn } from './catalog.ts'
import type { Config } from './keys.ts'
import { offsetOf, type Place, type Position } from './position.ts'
import { defaultOf, type Raw, typeOf } from './types.ts'

const mysqlSource: Schema = sourceSchema(
  'io.debezium.connector.mysql.Source',
  ['table', optionalString],
  ['server_id', { type: 'int64' }],
  ['gtid', optionalString],
  ['file', { type: 'string' }],
  ['pos', { type: 'int64' }],
  ['row', { type: 'int32' }],
  ['thread', optionalInt64],
  ['query', optionalString],
)

/** Where a record is from. */
interface Whence {
  readonly database: string
  readonly table: string
  readonly micros: bigint
  readonly snapshot: SnapshotMark
  readonly gtid: string | null
  readonly file: string
  readonly pos: number
  readonly row: number
}

/** Tables and records, as the configuration wants them. */
export class Shapes {
  readonly #config: Config
  readonly #server: Server
  readonly #options: TableOptions
  readonly #isDatabase: (name: string) => boolean
  readonly #isTable: (name: string) => boolean
  /** Which tables are captured, in short. */
  readonly tables: string
  readonly records: ChangeRecords<Raw>

  constructor(config: Config, server: Server, now: () => number, warn: TableOptions['warn']) {
    this.#config = config
    this.#server = server
    const [databases, tables] = (['database', 'table'] as const).map(
      of => [config[`${of}.include.list`], config[`${of}.exclude.list`]] as const,
    )
    this.#isDatabase = included(...databases!)
    this.#isTable = included(...tables!)
    this.tables = createHash('sha256')
      .update(JSON.stringify([databases, tables]))
      .digest('hex')
      .slice(0, 16)
    const isColumnCaptured = included(config['column.include.list'], config['column.exclude.list'])
    this.#options = { config, isColumnCaptured, source: mysqlSource, warn }
    this.records = new ChangeRecords<Raw>(config, now)
  }

  warn(fields: object, message: string): void {
    this.#options.warn(fields, message)
  }

  isCaptured(database: string, table: string): boolean {
    return this.#isDatabase(database) && this.#isTable(`${database}.${table}`)
  }

  table(database: string, name: string, columns: readonly TableColumn[], key: readonly string[]): CapturedTable<Raw> {
    const typed = columns.map(({ name: column, type: text, isNullable, default: value }) => {
      const type = typeOf(text, this.#config)
      return { name: column, isNullable, type, labels: labelsOfType(text), default: type === null ? undefined : defaultOf(value, type) }
    })
    const named = keyColumns(this.#config['message.key.columns']).get(`${database}.${name}`.toLowerCase())
    return new CapturedTable<Raw>(database, name, typed, named ?? key, this.#options)
  }

  source({ database, table, micros, snapshot, gtid, file, pos, row }: Whence): Struct {
    const origin: Origin = {
      version: 'millrace',
      connector: this.#server.isMariadb ? 'mariadb' : 'mysql',
      name: this.#config['topic.prefix'],
      db: database,
    }
    return sourceOf(origin, micros, snapshot, null, [
      ['table', table],
      ['server_id', BigInt(this.#server.id)],
      ['gtid', gtid],
      ['file', file],
      ['pos', BigInt(pos)],
      ['row', row],
      ['thread', null],
      ['query', null],
    ])
  }
}

interface Described {
  readonly frame: TableFrame
  /** null: it is not captured. */
  captured: CapturedTable<Raw> | null
  columns: readonly TableColumn[]
  readonly key: readonly string[]
}

export class Changes {
  readonly #config: Config
  readonly #shapes: Shapes
  /** As it is now; the binlog does not say which columns may be null. */
  readonly #tableNow: (database: string, name: string) => Promise<Table | null>
  readonly #tables = new Map<number, Described>()
  #place: Place
  /** Rows of this transaction. */
  #rows = 0
  #done: { readonly rows: number; readonly records: number }
  #gtid: string | null = null
  #events: TransactionEvents | null = null
  #seconds: number | null = null

  constructor(config: Config, shapes: Shapes, tableNow: (database: string, name: string) => Promise<Table | null>, position: Position) {
    this.#config = config
    this.#shapes = shapes
    this.#tableNow = tableNow
    this.#place = position.place
    const isOther = position.tables !== undefined && position.tables !== shapes.tables
    if (isOther) shapes.warn({}, 'other tables are captured than before, in the middle of a transaction: all of it is read again')
    this.#done = isOther ? { rows: 0, records: 0 } : position
  }

  get position(): Position {
    return { place: this.#place, ...(this.#rows > this.#done.rows ? { rows: this.#rows, records: 0 } : this.#done) }
  }

  /** When the last change was committed; null: not known. */
  get seconds(): number | null {
    return this.#seconds
  }

  /** Adds its records to `out`. */
  async take(frame: Frame, out: SourceRecord[]): Promise<void> {
    switch (frame.kind) {
      case 'format':
        this.#tables.clear()
        return
      case 'place':
        this.#place = frame.place
        return
      case 'begin':
        this.#begin(frame.gtid, frame.gtids)
        return
      case 'end':
        this.#end(frame.place, out)
        return
      case 'table':
        this.#tables.set(frame.id, await this.#described(frame))
        return
      case 'rows':
        for (const [at, row] of frame.rows.entries()) this.#row(frame, row, at, out)
    }
  }

  /** A transaction begins, so all before it is done, also what has no end of its own, such as CREATE TABLE. */
  #begin(gtid: string | null, gtids: string | null): void {
    if (gtids !== null && gtids !== this.#place.gtids) {
      this.#place = { ...this.#place, gtids }
      this.#done = { rows: 0, records: 0 }
    }
    this.#rows = 0
    this.#gtid = gtid
    this.#events = null
  }

  #end(place: Place, out: SourceRecord[]): void {
    const events = this.#events
    this.#place = place
    this.#rows = 0
    this.#done = { rows: 0, records: 0 }
    this.#events = null
    if (events !== null) this.#add(out, this.#shapes.records.transaction(events.end(this.#id, this.#micros)), this.position)
  }

  get #id(): string {
    return this.#gtid ?? `file=${this.#place.file},pos=${this.#place.pos}`
  }

  get #micros(): bigint {
    return BigInt(this.#seconds ?? 0) * 1_000_000n
  }

  async #described(frame: TableFrame): Promise<Described> {
    const { database, table } = frame
    if (!this.#shapes.isCaptured(database, table)) return { frame, captured: null, columns: [], key: [] }
    const now = await this.#tableNow(database, table)
    const primary = frame.primaryKey.map(at => frame.columns[at]?.name ?? '')
    const others = (now?.key ?? []).filter(name => frame.columns.some(each => each.name === name))
    const key = primary.length > 0 ? primary : others
    const columns = frame.columns.map(({ name, type }) => {
      const known = now?.columns.find(each => each.name === name)
      return { name, type, isNullable: !key.includes(name) && (known?.isNullable ?? true), default: known?.default ?? null }
    })
    return { frame, columns, key, captured: this.#shapes.table(database, table, columns, key) }
  }

  #row(
    { op, table, timestampMs, pos }: Extract<Frame, { kind: 'rows' }>,
    { before, after }: { readonly before: Cells | null; readonly after: Cells | null },
    index: number,
    out: SourceRecord[],
  ): void {
    const described = this.#tables.get(table)
    if (described === undefined) throw new Error(`a change is of the table number ${table}, which was not described`)
    if (described.captured === null) return
    this.#seconds = Math.floor(timestampMs / 1_000)
    this.#rows++
    const drafts = this.#drafts(described, op, before, after, { pos, row: index })
    const isDone = this.#rows <= this.#done.rows
    const skipped = isDone ? drafts.length : this.#rows === this.#done.rows + 1 ? Math.min(this.#done.records, drafts.length) : 0
    for (let at = skipped; at < drafts.length; at++) {
      const isLast = at === drafts.length - 1
      const position: Position = { place: this.#place, rows: isLast ? this.#rows : this.#rows - 1, records: isLast ? 0 : at + 1 }
      this.#add(out, drafts[at]!, position)
    }
  }

  #drafts(
    described: Described,
    op: 'insert' | 'update' | 'delete',
    before: Cells | null,
    after: Cells | null,
    at: Pick<Whence, 'pos' | 'row'>,
  ): Draft[] {
    const { frame, columns } = described
    const cellsOf = (row: Cells | null) => (row === null ? null : columns.map(({ name }) => row[name] ?? null))
    const [old, made] = [cellsOf(before), cellsOf(after)]
    for (const cells of [old, made]) if (cells !== null) this.#fit(described, cells)
    const table = described.captured!
    const source = this.#shapes.source({
      ...{ database: frame.database, table: frame.table, micros: this.#micros, snapshot: 'false', gtid: this.#gtid },
      ...{ file: this.#place.file, ...at },
    })
    const begun = this.#begun()
    const events = this.#events
    const next: NextInTransaction = () => events?.next(this.#id, table.name) ?? null
    const { records } = this.#shapes
    if (op === 'insert') return [...begun, ...records.insert(table, made!, source, next)]
    if (op === 'delete') return [...begun, ...records.delete(table, old!, source, next)]
    return [...begun, ...records.update(table, old, true, made!, source, next)]
  }

  /** The catalogue may be younger than the row. */
  #fit(described: Described, cells: readonly (Raw | null)[]): void {
    for (
      let misfit = described.captured!.misfit(cells);
      misfit !== null && 'nullable' in misfit;
      misfit = described.captured!.misfit(cells)
    ) {
      const { nullable } = misfit
      described.columns = described.columns.map(column => (column.name === nullable ? { ...column, isNullable: true } : column))
      const { database, table } = described.frame
      described.captured = this.#shapes.table(database, table, described.columns, described.key)
    }
  }

  /** The first captured row of a transaction brings its begin with it. */
  #begun(): Draft[] {
    if (!this.#config['provide.transaction.metadata'] || this.#events !== null) return []
    this.#events = new TransactionEvents()
    return [this.#shapes.records.transaction(this.#events.begin(this.#id, this.#micros))]
  }

  /** Says from where to go on, though nothing has changed. */
  heartbeat(out: SourceRecord[]): void {
    this.#add(out, this.#shapes.records.heartbeat(), this.position)
  }

  #add(out: SourceRecord[], draft: Draft, position: Position): void {
    out.push(this.#shapes.records.at(draft, offsetOf({ ...position, tables: this.#shapes.tables }, this.#seconds, false)))
  }
}
