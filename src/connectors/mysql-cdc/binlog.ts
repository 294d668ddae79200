/**
 * The binlog, by the library `@vlasky/zongji`, which speaks the protocol of replicas, reads the events of MySQL and MariaDB, and tracks GTIDs.
 *
 * What the library says of its place is remembered with each event, because it goes on.
 */
import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { FrameQueue } from '../change-data/frames.ts'
import { queueBytes } from '../change-data/record-stream.ts'
import { failure, optionsOf } from './connection.ts'
import type { Config } from './keys.ts'
import type { Place } from './position.ts'
import type { Raw } from './types.ts'

export type Cells = Readonly<Record<string, Raw | null>>

export interface TableFrame {
  readonly kind: 'table'
  readonly id: number
  readonly database: string
  readonly table: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Places of columns. */
  readonly primaryKey: readonly number[]
}

export type Frame =
  | { readonly kind: 'begin'; readonly gtid: string | null; readonly gtids: string | null }
  /** Tables have other numbers now. */
  | { readonly kind: 'format' }
  | TableFrame
  | {
      readonly kind: 'rows'
      readonly op: 'insert' | 'update' | 'delete'
      readonly table: number
      readonly rows: readonly { readonly before: Cells | null; readonly after: Cells | null }[]
      readonly timestampMs: number
      /** Where in the file the event begins. */
      readonly pos: number
    }
  | { readonly kind: 'end'; readonly place: Place }
  /** Another file, between transactions. */
  | { readonly kind: 'place'; readonly place: Place }

interface Event {
  readonly timestamp: number
  /** Without its head. */
  readonly size: number
  readonly nextPosition: number
  readonly gtid?: string
  readonly tableId?: number
  readonly query?: string
  readonly rows?: readonly unknown[]
  readonly schemaName?: string
  readonly tableName?: string
  readonly primaryKey?: readonly number[]
  getEventName(): string
  hasSelfDescribingMetadata?(): boolean
  buildColumnSchemas?(): readonly { COLUMN_NAME: string; COLUMN_TYPE: string }[]
}

/** What is used of the library. */
interface Zongji {
  readonly options: { readonly filename?: string; readonly position?: number }
  readonly gtidSet?: string
  readonly connection: { pause(): void; resume(): void } | null
  on(event: 'binlog', listener: (event: Event) => void): void
  on(event: 'error', listener: (error: unknown) => void): void
  on(event: 'ready' | 'stopped', listener: () => void): void
  start(options: object): void
  stop(): void
  /** By number of the table: how its columns are read. */
  readonly tableMap: Readonly<Record<number, { readonly columns?: { type: number; charset: string | null }[] }>>
  _skipSchema(database: string, table: string): boolean
}

/** Types of columns in the binlog. */
const [jsonType, blobType] = [245, 252]

const headBytes = 19

const ops = { writerows: 'insert', updaterows: 'update', deleterows: 'delete' } as const
const ends = /^\s*(?:commit|rollback|xa\s+commit\b.*|xa\s+rollback\b.*)\s*$/is

export interface Beginning {
  readonly place: Place
  readonly serverId: number
  isCaptured(database: string, table: string): boolean
}

export class Binlog {
  readonly #zongji: Zongji
  readonly frames: FrameQueue<Frame>
  readonly #described = new Set<number>()

  /** Resolves when the stream has begun. Of tables that are not captured there are no frames. */
  static async start(config: Config, system: System, from: Beginning): Promise<Binlog> {
    const { default: Made } = (await import('@vlasky/zongji')) as unknown as { default: new (options: object) => Zongji }
    const zongji = new Made(optionsOf(config))
    // Its own lists have no patterns. Rows of other tables are not even decoded: they may be of types that it does not know.
    zongji._skipSchema = (database, table) => !from.isCaptured(database, table)
    const { place, serverId } = from
    const binlog = new Binlog(zongji, system, queueBytes(config))
    try {
      await binlog.#begin(place, serverId)
      return binlog
    } catch (error) {
      await binlog.close()
      throw error
    }
  }

  private constructor(zongji: Zongji, system: System, mostBytes: number) {
    this.#zongji = zongji
    // The library has no connection before it begins and after it has stopped.
    this.frames = new FrameQueue(system, mostBytes, { pause: () => zongji.connection?.pause(), resume: () => zongji.connection?.resume() })
  }

  #begin(place: Place, serverId: number): Promise<void> {
    const where = place.gtids !== null && place.gtids !== '' ? { gtidSet: place.gtids } : { filename: place.file, position: place.pos }
    return new Promise((resolve, reject) => {
      this.#zongji.on('ready', resolve)
      this.#zongji.on('error', error => {
        this.frames.end(failure(error))
        reject(failure(error))
      })
      this.#zongji.on('binlog', event => this.#take(event))
      this.#zongji.start({ serverId, ...where })
    })
  }

  #take(event: Event): void {
    const frame = this.#frameOf(event)
    if (frame !== null) this.frames.push(frame, event.size)
  }

  #frameOf(event: Event): Frame | null {
    const name = event.getEventName()
    switch (name) {
      case 'gtid':
      case 'mariadbgtid':
      case 'anonymousgtid':
        return { kind: 'begin', gtid: event.gtid ?? null, gtids: this.#zongji.gtidSet ?? null }
      case 'xid':
        return { kind: 'end', place: this.#place() }
      case 'rotate':
        return { kind: 'place', place: this.#place() }
      case 'query':
        return ends.test(event.query ?? '') ? { kind: 'end', place: this.#place() } : null
      case 'format':
        this.#described.clear()
        return { kind: 'format' }
      case 'tablemap':
        return this.#tableOf(event)
      case 'writerows':
      case 'updaterows':
      case 'deleterows': {
        const rows = event.rows ?? []
        const shown = rows.map(row => {
          if (name === 'updaterows') return row as { before: Cells; after: Cells }
          return name === 'writerows' ? { before: null, after: row as Cells } : { before: row as Cells, after: null }
        })
        return {
          kind: 'rows',
          op: ops[name],
          table: event.tableId!,
          rows: shown,
          timestampMs: event.timestamp,
          pos: event.nextPosition - event.size - headBytes,
        }
      }
      default:
        return null
    }
  }

  #tableOf(event: Event): Frame | null {
    const id = event.tableId!
    // Each time, because the library describes it anew: JSON is read as the bytes that it is.
    for (const column of this.#zongji.tableMap[id]?.columns ?? [])
      if (column.type === jsonType) Object.assign(column, { type: blobType, charset: null })
    if (this.#described.has(id)) return null
    if (event.hasSelfDescribingMetadata?.() !== true) {
      const table = `${event.schemaName}.${event.tableName}`
      this.frames.end(
        new Error(
          `the binlog does not describe the columns of ${table}: binlog_row_metadata was not FULL when it was written, or the type of a column is ` +
            'not known here, such as VECTOR',
        ),
      )
      return null
    }
    this.#described.add(id)
    const columns = event.buildColumnSchemas!().map(each => ({ name: each.COLUMN_NAME, type: each.COLUMN_TYPE }))
    return { kind: 'table', id, database: event.schemaName!, table: event.tableName!, columns, primaryKey: event.primaryKey ?? [] }
  }

  #place(): Place {
    const { filename = '', position = 4 } = this.#zongji.options
    return { file: filename, pos: position, gtids: this.#zongji.gtidSet ?? null }
  }

  close(): Promise<void> {
    this.frames.end(new RetriableError('the reader of the binlog was closed'))
    return new Promise(resolve => {
      this.#zongji.on('stopped', resolve)
      this.#zongji.stop()
    })
  }
}
