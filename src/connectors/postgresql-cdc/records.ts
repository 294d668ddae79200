/** Records of changes, snapshots, transactions, messages and heartbeats of PostgreSQL, as Debezium makes them. */
import type { ConnectValue, Header, Schema, SourceRecord, Struct } from '../../connector.ts'
import { struct } from '../../connector.ts'
import {
  envelope,
  heartbeatKeySchema,
  heartbeatSchema,
  messageKeySchema,
  messageSchema,
  type Operation,
  type Origin,
  optionalInt64,
  optionalString,
  type SnapshotMark,
  sourceOf,
  sourceSchema,
  transactionKeySchema,
  transactionSchema,
} from '../change-data/envelope.ts'
import { binaryType } from '../change-data/modes.ts'
import { topicName } from '../change-data/names.ts'
import type { CapturedTable } from './captured-table.ts'
import type { Config } from './keys.ts'
import type { Cell, LogicalMessage } from './pgoutput.ts'

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

/** A record that does not know its offset yet. */
export type Draft = Omit<SourceRecord, 'sourcePartition' | 'sourceOffset' | 'partition' | 'timestampMs'>

/** The next place in the transaction; null: without metadata. */
export type NextInTransaction = () => Struct | null

export class Records {
  readonly #config: Config
  readonly #origin: Origin
  readonly #now: () => number
  readonly #isSkipped: (operation: Operation) => boolean
  readonly #messageSchema: Schema

  constructor(config: Config, version: string, now: () => number) {
    this.#config = config
    this.#origin = { version, connector: 'postgresql', name: config['topic.prefix'], db: config['database.dbname'] }
    this.#now = now
    const skipped: readonly string[] = config['skipped.operations']
    this.#isSkipped = operation => skipped.includes(operation)
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
    const dot = table.name.indexOf('.')
    return this.#source(table.name.slice(0, dot), table.name.slice(dot + 1), whence)
  }

  #event(
    table: CapturedTable,
    op: Operation,
    key: Struct | null,
    before: Struct | null,
    after: Struct | null,
    source: Struct,
    transaction: Struct | null,
    headers: readonly Header[] = [],
  ): Draft {
    return {
      topic: table.topic,
      keySchema: table.keySchema,
      key,
      valueSchema: table.valueSchema,
      value: envelope({ op, before, after, source, transaction, nowMs: this.#now() }),
      headers,
    }
  }

  #tombstone(table: CapturedTable, key: Struct): Draft {
    return { topic: table.topic, keySchema: table.keySchema, key, valueSchema: null, value: null, headers: [] }
  }

  read(table: CapturedTable, cells: readonly Cell[], whence: Whence): Draft {
    return this.#event(table, 'r', table.key(cells), null, table.row(cells), this.#sourceOf(table, whence), null)
  }

  insert(table: CapturedTable, cells: readonly Cell[], whence: Whence, next: NextInTransaction): Draft[] {
    if (this.#isSkipped('c')) return []
    return [this.#event(table, 'c', table.key(cells), null, table.row(cells), this.#sourceOf(table, whence), next())]
  }

  /** A changed key is a deletion, perhaps a tombstone, and a creation. */
  update(
    table: CapturedTable,
    before: readonly Cell[] | null,
    isWhole: boolean,
    after: readonly Cell[],
    whence: Whence,
    next: NextInTransaction,
  ): Draft[] {
    if (this.#isSkipped('u')) return []
    const key = table.key(after)
    const oldKey = before === null ? null : table.key(before)
    const [oldRow, row] = [before === null ? null : table.row(before), table.row(after, isWhole ? before : null)]
    const source = this.#sourceOf(table, whence)
    if (oldKey === null || key === null || isSame(oldKey, key)) {
      if (this.#config['skip.messages.without.change'] && isWhole && isSame(oldRow, row)) return []
      return [this.#event(table, 'u', key, oldRow, row, source, next())]
    }
    const header = (name: string, value: Struct): Header => ({ name, schema: table.keySchema, value })
    return [
      this.#event(table, 'd', oldKey, oldRow, null, source, next(), [header('__debezium.newkey', key)]),
      ...(this.#config['tombstones.on.delete'] ? [this.#tombstone(table, oldKey)] : []),
      this.#event(table, 'c', key, null, row, source, next(), [header('__debezium.oldkey', oldKey)]),
    ]
  }

  delete(table: CapturedTable, before: readonly Cell[], whence: Whence, next: NextInTransaction): Draft[] {
    if (this.#isSkipped('d')) return []
    const key = table.key(before)
    const deleted = this.#event(table, 'd', key, table.row(before), null, this.#sourceOf(table, whence), next())
    return key !== null && this.#config['tombstones.on.delete'] ? [deleted, this.#tombstone(table, key)] : [deleted]
  }

  truncate(table: CapturedTable, whence: Whence, next: NextInTransaction): Draft[] {
    if (this.#isSkipped('t')) return []
    return [{ ...this.#event(table, 't', null, null, null, this.#sourceOf(table, whence), next()), keySchema: null }]
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

  /** Begin or end. */
  transaction(value: Struct): Draft {
    const topic = topicName(this.#origin.name, this.#config['topic.transaction'])
    const key = struct([['id', value['id'] as ConnectValue]])
    return { topic, keySchema: transactionKeySchema, key, valueSchema: transactionSchema, value, headers: [] }
  }

  heartbeat(): Draft {
    const topic = topicName(this.#config['topic.heartbeat.prefix'], this.#origin.name)
    const key = struct([['serverName', this.#origin.name]])
    const value = struct([['ts_ms', BigInt(Math.floor(this.#now()))]])
    return { topic, keySchema: heartbeatKeySchema, key, valueSchema: heartbeatSchema, value, headers: [] }
  }
}

function isSame(one: ConnectValue, other: ConnectValue): boolean {
  if (Buffer.isBuffer(one)) return Buffer.isBuffer(other) && one.equals(other)
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null) return Object.is(one, other)
  const [ones, others] = [entriesOf(one), entriesOf(other)]
  return ones.length === others.length && ones.every(([name, value], at) => name === others[at]![0] && isSame(value, others[at]![1]))
}

function entriesOf(value: object): [unknown, ConnectValue][] {
  return value instanceof Map ? [...value] : Object.entries(value)
}
