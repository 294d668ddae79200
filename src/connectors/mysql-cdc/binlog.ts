/**
 * The binlog, by the library `@vlasky/zongji`, which speaks the protocol of replicas, reads the events of MySQL and MariaDB, and tracks GTIDs.
 *
 * What is not taken yet is bounded: then the socket is not read. What the library says of its place is remembered with each event, because it goes on.
 */

import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { fail, optionsOf } from './connection.ts'
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
      readonly pos: number
      /** In the binlog. */
      readonly bytes: number
    }
  | { readonly kind: 'end'; readonly place: Place }
  /** Another file, between transactions. */
  | { readonly kind: 'place'; readonly place: Place }

interface Event {
  readonly timestamp: number
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
}

const ops = { writerows: 'insert', updaterows: 'update', deleterows: 'delete' } as const
const ends = /^\s*(?:commit|rollback|xa\s+commit\b.*|xa\s+rollback\b.*)\s*$/is

export class Binlog {
  readonly #zongji: Zongji
  readonly #system: System
  readonly #mostBytes: number
  #frames: { readonly frame: Frame; readonly bytes: number }[] = []
  #next = 0
  #bytes = 0
  #isPaused = false
  #error: unknown = null
  #wake: (() => void) | null = null
  readonly #described = new Set<number>()

  /** Resolves when the stream has begun. */
  static async start(config: Config, system: System, place: Place, serverId: number, mostBytes: number): Promise<Binlog> {
    const { default: Made } = (await import('@vlasky/zongji')) as unknown as { default: new (options: object) => Zongji }
    const binlog = new Binlog(new Made(optionsOf(config)), system, mostBytes)
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
    this.#system = system
    this.#mostBytes = mostBytes
  }

  #begin(place: Place, serverId: number): Promise<void> {
    const where = place.gtids !== null && place.gtids !== '' ? { gtidSet: place.gtids } : { filename: place.file, position: place.pos }
    return new Promise((resolve, reject) => {
      this.#zongji.on('ready', resolve)
      this.#zongji.on('error', error => {
        this.#error ??= error
        this.#wakeUp()
        reject(thrownBy(error))
      })
      this.#zongji.on('binlog', event => this.#take(event))
      this.#zongji.start({ serverId, ...where })
    })
  }

  #take(event: Event): void {
    const frame = this.#frameOf(event)
    if (frame === null) return
    this.#bytes += event.size
    this.#frames.push({ frame, bytes: event.size })
    if (this.#bytes > this.#mostBytes && !this.#isPaused) {
      this.#isPaused = true
      this.#zongji.connection?.pause()
    }
    this.#wakeUp()
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
          pos: event.nextPosition,
          bytes: event.size,
        }
      }
      default:
        return null
    }
  }

  #tableOf(event: Event): Frame | null {
    const id = event.tableId!
    if (this.#described.has(id)) return null
    if (event.hasSelfDescribingMetadata?.() !== true) {
      this.#error ??= new Error(
        `the binlog does not describe the columns of ${event.schemaName}.${event.tableName}: binlog_row_metadata was not FULL when it was written`,
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

  /** The next one that has arrived; null: none yet. Throws when the stream has ended and all before that was taken. */
  take(): Frame | null {
    const found = this.#frames[this.#next]
    if (found === undefined) {
      this.#frames = []
      this.#next = 0
      if (this.#error !== null) fail(this.#error)
      return null
    }
    this.#next++
    if (this.#next === 1_024) {
      this.#frames = this.#frames.slice(this.#next)
      this.#next = 0
    }
    this.#bytes -= found.bytes
    if (this.#isPaused && this.#bytes <= this.#mostBytes / 2) {
      this.#isPaused = false
      this.#zongji.connection?.resume()
    }
    return found.frame
  }

  /** Resolves when there is something to take, or after this time. */
  arrival(ms: number): Promise<void> {
    if (this.#next < this.#frames.length || this.#error !== null) return Promise.resolve()
    return new Promise(resolve => {
      const timer = this.#system.timers.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  close(): Promise<void> {
    this.#error ??= new RetriableError('the reader of the binlog was closed')
    this.#wakeUp()
    return new Promise(resolve => {
      this.#zongji.on('stopped', resolve)
      this.#zongji.stop()
    })
  }
}

function thrownBy(error: unknown): unknown {
  try {
    return fail(error)
  } catch (thrown) {
    return thrown
  }
}
