/**
 * Snapshots while changes go on, in chunks by key (DBLog's algorithm, Debezium's DDD-3): a mark goes into the WAL, a chunk is read, another mark follows. What the
 * stream changes between the marks is newer than the chunk and takes the rows out of it; at the second mark the others are handed on.
 *
 * Marks are logical messages, so nothing is written to a table. Two things are more exact than in Debezium: a transaction that was sent before the first mark, but
 * that the chunk does not show yet, makes the chunk be read again; and so is a row whose change does not have its large values.
 */
import type { Client } from 'pg'
import type { System } from '../../base.ts'
import { RetriableError, type TaskContext } from '../../connector.ts'
import { unchanged } from '../change-data/captured-table.ts'
import type { Draft } from '../change-data/records.ts'
import { ask, askText, literal, quoted } from './connection.ts'
import type { Cell } from './pgoutput.ts'
import { type Reading, unread } from './position.ts'
import { fewestRows, greatestKey, keyCells, nextRows, type SnapshotTable } from './snapshot.ts'

export const markPrefix = 'millrace-snapshot'

export interface IncrementalOptions {
  readonly client: Client
  readonly system: System
  readonly log: TaskContext['log']
  /** Of a chunk, at most; fewer if they are large. */
  readonly chunkRows: number
  /** As it is now; null: it is gone, or has no key. */
  tableNow(name: string): Promise<SnapshotTable | null>
  read(table: SnapshotTable, row: readonly Cell[]): Draft
}

interface Chunk {
  readonly id: string
  readonly table: SnapshotTable
  /** By key. */
  readonly rows: Map<string, (string | null)[]>
  /** What it has read with the row that makes it whole. */
  readonly after: Reading
  readonly sees: (xid: number) => boolean
  isOpen: boolean
  isStale: boolean
  readonly again: Map<string, (string | null)[]>
}

/** Of transactions that were sent last, as many as may not be visible yet though they were sent. */
const mostRecent = 4_096

export class IncrementalSnapshot {
  readonly #options: IncrementalOptions
  #reading: Reading | null
  #chunk: Chunk | null = null
  /** Of the next chunk. */
  #rows: number
  /** In the order in which they were sent. */
  #recent = new Set<number>()

  constructor(options: IncrementalOptions, reading: Reading | null) {
    this.#options = options
    this.#reading = reading
    this.#rows = Math.min(fewestRows, options.chunkRows)
  }

  /** For offsets: what is left to be read. */
  get reading(): Reading | null {
    return this.#reading
  }

  add(tables: Reading['tables']): void {
    const { tables: waiting = [] } = this.#reading ?? {}
    const added = tables.filter(({ name }) => !waiting.some(each => each.name === name))
    if (added.length === 0) return
    this.#reading = { ...(this.#reading ?? unread), tables: [...waiting, ...added] }
  }

  /** `names` null: all. */
  stop(names: ((name: string) => boolean) | null): void {
    const reading = this.#reading
    if (reading === null) return
    const left = names === null ? [] : reading.tables.filter(({ name }) => !names(name))
    const isCurrentLeft = left[0] === reading.tables[0]
    if (!isCurrentLeft) this.#chunk = null
    this.#reading = left.length === 0 ? null : isCurrentLeft ? { ...reading, tables: left } : { ...unread, tables: left }
  }

  pause(isPaused: boolean): void {
    if (this.#reading !== null) this.#reading = { ...this.#reading, isPaused }
  }

  /** Reads the next chunk, unless one is on its way or there is none. */
  async step(): Promise<void> {
    const reading = this.#reading
    if (reading === null || reading.isPaused || this.#chunk !== null) return
    const { name } = reading.tables[0]!
    const table = await this.#options.tableNow(name)
    if (table === null) {
      this.#options.log.warn({ table: name }, 'the table is gone or has no key: its rows cannot be read by an incremental snapshot')
      this.#reading = next(reading)
      return
    }
    if (reading.isEnd && reading.again.length === 0) {
      this.#reading = next(reading)
      return
    }
    const { client, log } = this.#options
    const whole = reading.upTo === null ? { ...reading, upTo: await greatestKey(client, table) } : reading
    try {
      this.#chunk = await this.#read(table, whole)
    } catch (error) {
      // It would come again and again: the signal is not done until its snapshot is.
      if (reading.tables[0]!.condition === '' || error instanceof RetriableError) throw error
      await ask(client, 'rollback')
      log.warn({ table: name, err: error }, 'the rows of a table cannot be read with the condition of a signal, and are not read')
      this.#reading = next(reading)
    }
  }

  async #read(table: SnapshotTable, reading: Reading): Promise<Chunk> {
    const { client, system, chunkRows } = this.#options
    const wanted = this.#rows
    const id = `${system.random.below(2 ** 31)}-${system.random.below(2 ** 31)}`
    await this.#mark(`${id} open`)
    await ask(client, 'begin isolation level repeatable read, read only')
    const [seen] = await askText(client, 'select pg_current_snapshot()::text')
    const isAgain = reading.again.length > 0
    const rows = reading.upTo === null ? [] : await this.#select(table, reading, wanted)
    await ask(client, 'commit')
    await this.#mark(`${id} close`)
    const last = rows.at(-1)
    if (!isAgain) this.#rows = nextRows(rows, wanted, chunkRows)
    const after: Reading = isAgain
      ? { ...reading, again: [] }
      : { ...reading, after: last === undefined ? reading.after : keyCells(table, last), isEnd: rows.length < wanted }
    const keyed = rows.map(row => [keyText(keyCells(table, row)), row] as const)
    return { id, table, rows: new Map(keyed), after, sees: visibility(seen![0]!), isOpen: false, isStale: false, again: new Map() }
  }

  #mark(content: string): Promise<unknown> {
    return ask(this.#options.client, `select pg_logical_emit_message(true, ${literal(markPrefix)}, $1)`, [content])
  }

  #select({ table, key }: SnapshotTable, { tables, after, upTo, again }: Reading, wanted: number): Promise<(string | null)[][]> {
    const values: (string | null)[] = []
    const row = (cells: readonly (string | null)[]) => `(${cells.map(cell => `$${values.push(cell)}`).join(', ')})`
    const names = key.map(name => quoted(name)).join(', ')
    const where: string[] = []
    if (again.length > 0) where.push(`(${names}) in (${again.map(row).join(', ')})`)
    else {
      if (after !== null) where.push(`(${names}) > ${row(after)}`)
      where.push(`(${names}) <= ${row(upTo!)}`)
    }
    const { condition } = tables[0]!
    if (condition !== '') where.push(`(${condition})`)
    const columns = table.columns.map(column => quoted(column.name)).join(', ')
    const limit = again.length > 0 ? '' : ` limit ${wanted}`
    const sql = `select ${columns} from ${quoted(table.schema, table.name)} where ${where.join(' and ')} order by ${names}${limit}`
    return askText(this.#options.client, sql, values)
  }

  /** A mark in the stream. Records of the chunk, if it is done; the offset of the last of them is that of {@link reading}. */
  marked(content: string): Draft[] {
    const chunk = this.#chunk
    if (chunk === null) return []
    if (content === `${chunk.id} open`) {
      chunk.isOpen = true
      for (const xid of this.#recent) if (!chunk.sees(xid)) chunk.isStale = true
      return []
    }
    if (content !== `${chunk.id} close`) return []
    this.#chunk = null
    if (chunk.isStale) return []
    const again = [...chunk.again.values()]
    this.#reading = chunk.after.isEnd && again.length === 0 ? next(chunk.after) : { ...chunk.after, again }
    return Array.from(chunk.rows.values(), cells => this.#options.read(chunk.table, cells))
  }

  /** A row was changed by the stream. */
  changed(table: string, columns: readonly string[], rows: readonly (readonly Cell[] | null)[]): void {
    const chunk = this.#chunk
    if (chunk === null || !chunk.isOpen || chunk.table.captured.name !== table) return
    for (const row of rows) {
      if (row === null) continue
      const cells = chunk.table.key.map(name => row[columns.indexOf(name)])
      if (cells.some(cell => typeof cell !== 'string')) continue
      const key = keyText(cells as string[])
      const found = chunk.rows.get(key)
      chunk.rows.delete(key)
      if (!row.includes(unchanged)) chunk.again.delete(key)
      else if (found !== undefined) chunk.again.set(key, keyCells(chunk.table, found))
    }
  }

  truncated(table: string): void {
    if (this.#chunk?.table.captured.name !== table) return
    this.#chunk.rows.clear()
    this.#chunk.again.clear()
  }

  /** A transaction was sent. */
  sent(xid: number): void {
    this.#recent.add(xid)
    if (this.#recent.size > mostRecent) this.#recent.delete(this.#recent.values().next().value!)
  }
}

/** The tables that follow; null: none. */
function next({ tables, isPaused }: Reading): Reading | null {
  return tables.length <= 1 ? null : { ...unread, tables: tables.slice(1), isPaused }
}

function keyText(cells: readonly (string | null)[]): string {
  return JSON.stringify(cells)
}

/** Of `xmin:xmax:xip,xip`. The stream's numbers of transactions are the low 32 bits. */
function visibility(snapshot: string): (xid: number) => boolean {
  const [, max, running = ''] = snapshot.split(':')
  const low = (text: string) => Number(BigInt(text) & 0xffff_ffffn)
  const [xmax, hidden] = [low(max!), new Set(running === '' ? [] : running.split(',').map(low))]
  return xid => ((xid - xmax) | 0) < 0 && !hidden.has(xid)
}
