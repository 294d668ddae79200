/** Records of changes, snapshots, transactions, messages and heartbeats of PostgreSQL, as Debezium makes them. */
import type { Schema, SourceRecord, Struct } from '../../connector.ts'
import { struct } from '../../connector.ts'
import type { CapturedTable } from '../change-data/captured-table.ts'
import {
  messageKeySchema,
  messageSchema,
  type Origin,
  optionalInt64,
  optionalString,
  type SnapshotMark,
  sourceOf,
  sourceSchema,
} from '../change-data/envelope.ts'
import { binaryType } from '../change-data/modes.ts'
import { topicName } from '../change-data/names.ts'
import { ChangeRecords, type Draft, type NextInTransaction } from '../change-data/records.ts'
import type { Config } from './keys.ts'
import type { Cell, LogicalMessage, RowChange } from './pgoutput.ts'

export const postgresSource = sourceSchema(
  'io.debezium.connector.postgresql.Source',
  ['schema', { type: 'string' }],
  ['table', { type: 'string' }],
  ['txId', optionalInt64],
  ['lsn', optionalInt64],
  ['xmin', optionalInt64],
  ['origin', optionalString],
  ['origin_lsn', optionalInt64],
)

/** Where a record is from. */
export interface Whence {
  readonly lsn: bigint | null
  readonly xid: number | null
  /** When it was committed, since 1970. */
  readonly micros: bigint
  /** Where the transaction before it ended; null: not known. */
  readonly previousCommit: bigint | null
  readonly snapshot: SnapshotMark
  readonly origin: { readonly name: string; readonly lsn: bigint } | null
}

export class Records {
  readonly #config: Config
  readonly #origin: Origin
  readonly #now: () => number
  readonly #changes: ChangeRecords<string>
  readonly #messageSchema: Schema

  constructor(config: Config, version: string, now: () => number) {
    this.#config = config
    this.#origin = { version, connector: 'postgresql', name: config['topic.prefix'], db: config['database.dbname'] }
    this.#now = now
    this.#changes = new ChangeRecords(config, now)
    this.#messageSchema = messageSchema(postgresSource, binaryType(config['binary.handling.mode']).schema)
  }

  #source(schema: string, table: string, { lsn, xid, micros, previousCommit, snapshot, origin }: Whence): Struct {
    const isIncremental = snapshot === 'incremental'
    const sequence = `[${previousCommit === null ? 'null' : `"${previousCommit}"`},${lsn === null ? 'null' : `"${lsn}"`}]`
    return sourceOf(this.#origin, micros, snapshot, sequence, [
      ['schema', schema],
      ['table', table],
      ['txId', isIncremental || xid === null ? null : BigInt(xid)],
      ['lsn', isIncremental ? null : lsn],
      ['xmin', null],
      ['origin', origin?.name ?? null],
      ['origin_lsn', origin?.lsn ?? null],
    ])
  }

  #sourceOf(table: CapturedTable, whence: Whence): Struct {
    return this.#source(table.schema, table.table, whence)
  }

  read(table: CapturedTable, cells: readonly Cell[], whence: Whence): Draft {
    return this.#changes.read(table, cells, this.#sourceOf(table, whence))
  }

  change({ kind, before, beforeIs, after }: RowChange, table: CapturedTable, whence: Whence, next: NextInTransaction): Draft[] {
    const source = this.#sourceOf(table, whence)
    if (kind === 'insert') return this.#changes.insert(table, after!, source, next)
    if (kind === 'delete') return this.#changes.delete(table, before!, source, next)
    return this.#changes.update(table, before, beforeIs === 'row', after!, source, next)
  }

  truncate(table: CapturedTable, whence: Whence, next: NextInTransaction): Draft[] {
    return this.#changes.truncate(table, this.#sourceOf(table, whence), next)
  }

  message({ prefix, content }: LogicalMessage, whence: Whence, next: NextInTransaction): Draft {
    const value = struct([
      ['op', 'm'],
      ['ts_ms', BigInt(Math.floor(this.#now()))],
      ['source', this.#source('', '', whence)],
      ['transaction', next()],
      [
        'message',
        struct([
          ['prefix', prefix],
          ['content', binaryType(this.#config['binary.handling.mode']).of(content)],
        ]),
      ],
    ])
    const key = struct([['prefix', prefix]])
    return {
      topic: topicName(this.#origin.name, 'message'),
      keySchema: messageKeySchema,
      key,
      valueSchema: this.#messageSchema,
      value,
      headers: [],
    }
  }

  at(draft: Draft, sourceOffset: Struct): SourceRecord {
    return this.#changes.at(draft, sourceOffset)
  }

  /** Begin or end. */
  transaction(value: Struct): Draft {
    return this.#changes.transaction(value)
  }

  heartbeat(): Draft {
    return this.#changes.heartbeat()
  }
}
