/** Records of changes, transactions and heartbeats, as Debezium makes them, of whatever database. */
import type { ConnectValue, Header, SourceRecord, Struct } from '../../connector.ts'
import { struct } from '../../connector.ts'
import type { CapturedTable, Cell } from './captured-table.ts'
import { envelope, heartbeatKeySchema, heartbeatSchema, type Operation, transactionKeySchema, transactionSchema } from './envelope.ts'
import type { ChangeDataConfig } from './keys.ts'
import { topicName } from './names.ts'

/** A record that does not know its offset yet. */
export type Draft = Omit<SourceRecord, 'sourcePartition' | 'sourceOffset' | 'partition' | 'timestampMs'>

/** The next place in the transaction; null: without metadata. */
export type NextInTransaction = () => Struct | null

/** Of the offsets of a database. */
export function sourcePartition(config: ChangeDataConfig): Struct {
  return struct([['server', config['topic.prefix']]])
}

export class ChangeRecords<R> {
  readonly #config: ChangeDataConfig
  readonly #now: () => number
  readonly #skipped: ReadonlySet<string>
  readonly #sourcePartition: Struct

  /** `now`: ms since 1970. */
  constructor(config: ChangeDataConfig, now: () => number) {
    this.#config = config
    this.#now = now
    this.#skipped = new Set(config['skipped.operations'])
    this.#sourcePartition = sourcePartition(config)
  }

  /** `sourceOffset`: from where to go on after it. */
  at(draft: Draft, sourceOffset: Struct): SourceRecord {
    return { ...draft, partition: null, timestampMs: null, sourcePartition: this.#sourcePartition, sourceOffset }
  }

  #event(
    table: CapturedTable<R>,
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

  #tombstone(table: CapturedTable<R>, key: Struct): Draft {
    return { topic: table.topic, keySchema: table.keySchema, key, valueSchema: null, value: null, headers: [] }
  }

  read(table: CapturedTable<R>, cells: readonly Cell<R>[], source: Struct): Draft {
    return this.#event(table, 'r', table.key(cells), null, table.row(cells), source, null)
  }

  insert(table: CapturedTable<R>, cells: readonly Cell<R>[], source: Struct, next: NextInTransaction): Draft[] {
    if (this.#skipped.has('c')) return []
    return [this.#event(table, 'c', table.key(cells), null, table.row(cells), source, next())]
  }

  /** A changed key is a deletion, perhaps a tombstone, and a creation. */
  update(
    table: CapturedTable<R>,
    before: readonly Cell<R>[] | null,
    isWhole: boolean,
    after: readonly Cell<R>[],
    source: Struct,
    next: NextInTransaction,
  ): Draft[] {
    if (this.#skipped.has('u')) return []
    const key = table.key(after)
    const oldKey = before === null ? null : table.key(before)
    const [oldRow, row] = [before === null ? null : table.row(before), table.row(after, isWhole ? before : null)]
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

  delete(table: CapturedTable<R>, before: readonly Cell<R>[], source: Struct, next: NextInTransaction): Draft[] {
    if (this.#skipped.has('d')) return []
    const key = table.key(before)
    const deleted = this.#event(table, 'd', key, table.row(before), null, source, next())
    return key !== null && this.#config['tombstones.on.delete'] ? [deleted, this.#tombstone(table, key)] : [deleted]
  }

  truncate(table: CapturedTable<R>, source: Struct, next: NextInTransaction): Draft[] {
    if (this.#skipped.has('t')) return []
    return [{ ...this.#event(table, 't', null, null, null, source, next()), keySchema: null }]
  }

  /** Begin or end. */
  transaction(value: Struct): Draft {
    const topic = topicName(this.#config['topic.prefix'], this.#config['topic.transaction'])
    const key = struct([['id', value['id'] as ConnectValue]])
    return { topic, keySchema: transactionKeySchema, key, valueSchema: transactionSchema, value, headers: [] }
  }

  heartbeat(): Draft {
    const topic = topicName(this.#config['topic.heartbeat.prefix'], this.#config['topic.prefix'])
    const key = struct([['serverName', this.#config['topic.prefix']]])
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
