/** What the slot sends as records, each with the offset from where to go on after it. Changes that are done already give none. */
import { MalformedInput } from '../../base.ts'
import type { SourceRecord } from '../../connector.ts'
import { included } from '../change-data/lists.ts'
import type { Draft, NextInTransaction } from '../change-data/records.ts'
import { TransactionEvents } from '../change-data/transactions.ts'
import type { Config } from './keys.ts'
import {
  type Begin,
  type Cell,
  type Commit,
  decodeMessage,
  type LogicalMessage,
  type Message,
  type RowChange,
  type Truncate,
} from './pgoutput.ts'
import { offsetOf, type Position, type Reading, type Within } from './position.ts'
import type { Records, Whence } from './records.ts'
import type { Frame } from './replication.ts'
import type { DescribedTable, Tables } from './tables.ts'

interface Transaction {
  readonly begin: Begin
  /** null: no metadata is wanted. */
  readonly events: TransactionEvents | null
  /** What of it was done before; null: nothing, or what follows is not. */
  done: Within | null
  origin: Whence['origin']
}

/** What snapshots and signals hear of the stream, in its order. */
export interface Listener {
  /** For offsets. */
  readonly reading: Reading | null
  readonly markPrefix: string
  /** Records of a chunk that is whole. */
  marked(content: string): Draft[]
  changed(table: string, columns: readonly string[], rows: readonly (readonly Cell[] | null)[]): void
  truncated(table: string): void
  sent(xid: number): void
  /** A row of the table of signals. */
  signal(columns: readonly string[], cells: readonly Cell[]): Promise<void>
}

interface Described {
  readonly name: string
  /** null: it is not captured. */
  readonly table: DescribedTable | null
  readonly columns: readonly string[]
}

const noTransaction: NextInTransaction = () => null

export class Changes {
  readonly #config: Config
  readonly #tables: Tables
  readonly #records: Records
  readonly #isPrefix: (prefix: string) => boolean
  readonly #relations = new Map<number, Described>()
  readonly #listener: Listener
  #position: Position
  #resumed: Position
  #transaction: Transaction | null = null
  #lsn = 0n
  /** How many messages of this LSN have come. */
  #messages = 0
  #previousCommit: bigint | null = null

  constructor(config: Config, tables: Tables, records: Records, position: Position, listener: Listener) {
    this.#listener = listener
    this.#config = config
    this.#tables = tables
    this.#records = records
    this.#position = this.#resumed = position
    this.#isPrefix = included(config['message.prefix.include.list'], config['message.prefix.exclude.list'])
  }

  get position(): Position {
    return { ...this.#position, reading: this.#listener.reading }
  }

  /** Adds its records to `out`. */
  async take(frame: Frame, out: SourceRecord[]): Promise<void> {
    if (frame.kind === 'alive') {
      if (this.#transaction === null) this.#advance(frame.lsn)
      return
    }
    const message = decodeMessage(frame.body)
    switch (message.kind) {
      case 'relation':
        this.#relations.set(message.id, await this.#described(message))
        return
      case 'begin':
        return this.#begin(message, frame.lsn, out)
      case 'commit':
        return this.#commit(message, frame.lsn, out)
      case 'origin':
        if (this.#transaction !== null) this.#transaction.origin = { name: message.name, lsn: message.lsn }
        return
      case 'type':
        return
      case 'message':
        if (!message.isTransactional) return this.#outside(message, out)
    }
    await this.#change(message, frame.lsn, out)
  }

  async #described(relation: Extract<Message, { kind: 'relation' }>): Promise<Described> {
    const { schema, table } = relation
    const described = this.#tables.isCaptured(schema, table) ? await this.#tables.described(relation) : null
    return { name: `${schema}.${table}`, table: described, columns: relation.columns.map(({ name }) => name) }
  }

  #advance(commit: bigint): void {
    if (commit > this.#position.commit) this.#position = { ...this.#position, commit, within: null }
  }

  #begin(begin: Begin, lsn: bigint, out: SourceRecord[]): void {
    if (this.#transaction !== null) throw new MalformedInput('a transaction begins within another one')
    const { within } = this.#resumed
    const isResumed = within !== null && (within.transaction ?? begin.finalLsn) === begin.finalLsn
    // Transactions come in the order of their commits: the one that was begun is this one, or was before.
    this.#resumed = { ...this.#resumed, within: null }
    const events = this.#config['provide.transaction.metadata'] ? new TransactionEvents() : null
    this.#transaction = { begin, events, done: isResumed ? within : null, origin: null }
    this.#lsn = 0n
    this.#messages = 0
    if (isResumed) return
    this.#position = { ...this.#position, within: { transaction: begin.finalLsn, lsn: 0n, messages: 0, records: 0 } }
    if (events !== null)
      this.#add(out, this.#records.transaction(events.begin(`${begin.xid}:${lsn}`, begin.committedMicros)), this.#position)
  }

  #commit({ endLsn, committedMicros }: Commit, lsn: bigint, out: SourceRecord[]): void {
    const { begin, events } = this.#open()
    const position: Position = { ...this.#position, commit: endLsn > this.#position.commit ? endLsn : this.#position.commit, within: null }
    if (events !== null) this.#add(out, this.#records.transaction(events.end(`${begin.xid}:${lsn}`, committedMicros)), position)
    this.#position = position
    this.#previousCommit = endLsn
    this.#transaction = null
    this.#listener.sent(begin.xid)
  }

  #open(): Transaction {
    if (this.#transaction === null) throw new MalformedInput('a change is in no transaction')
    return this.#transaction
  }

  async #change(message: RowChange | Truncate | LogicalMessage, lsn: bigint, out: SourceRecord[]): Promise<void> {
    const transaction = this.#open()
    this.#messages = lsn === this.#lsn ? this.#messages + 1 : 1
    this.#lsn = lsn
    const isDone = this.#isDone(transaction, lsn)
    const before = this.#listener.reading
    if (!isDone) await this.#tell(message)
    const drafts = await this.#drafts(message, lsn, transaction, isDone)
    const skipped = isDone ? drafts.length : this.#doneOf(transaction, lsn, drafts.length)
    const after: Within = { transaction: transaction.begin.finalLsn, lsn, messages: this.#messages, records: 0 }
    for (let at = skipped; at < drafts.length; at++) {
      const isLast = at === drafts.length - 1
      const within = isLast ? after : { ...after, messages: this.#messages - 1, records: at + 1 }
      this.#add(out, drafts[at]!, { ...this.#position, within }, isLast ? this.#listener.reading : before)
    }
    if (transaction.done === null) this.#position = { ...this.#position, within: after }
  }

  /** What a snapshot and signals make of it comes before its records. */
  async #tell(message: RowChange | Truncate | LogicalMessage): Promise<void> {
    if (message.kind === 'message') return
    if (message.kind === 'truncate') {
      for (const id of message.relations) this.#listener.truncated(this.#relation(id).name)
      return
    }
    const { name, columns } = this.#relation(message.relation)
    this.#listener.changed(name, columns, [message.before, message.after])
    if (message.kind === 'insert' && name === this.#config['signal.data.collection']) await this.#listener.signal(columns, message.after!)
  }

  #isDone({ done }: Transaction, lsn: bigint): boolean {
    return done !== null && (lsn < done.lsn || (lsn === done.lsn && this.#messages <= done.messages))
  }

  /** How many records of this message, which is not wholly done, were made before. */
  #doneOf(transaction: Transaction, lsn: bigint, records: number): number {
    const { done } = transaction
    if (done === null) return 0
    transaction.done = null
    return lsn === done.lsn && this.#messages === done.messages + 1 ? Math.min(done.records, records) : 0
  }

  async #drafts(message: RowChange | Truncate | LogicalMessage, lsn: bigint, transaction: Transaction, isDone: boolean): Promise<Draft[]> {
    const { begin, events, origin } = transaction
    const whence: Whence = {
      ...{ lsn, xid: begin.xid, micros: begin.committedMicros, origin },
      ...{ previousCommit: this.#previousCommit ?? this.#position.commit, snapshot: 'false' },
    }
    const nextOf = (table: string): NextInTransaction => (events === null ? noTransaction : () => events.next(`${begin.xid}:${lsn}`, table))
    if (message.kind === 'message' && message.prefix === this.#listener.markPrefix)
      return isDone ? [] : this.#listener.marked(message.content.toString())
    if (message.kind === 'message')
      return this.#isPrefix(message.prefix) ? [this.#records.message(message, whence, nextOf('LOGICAL_DECODING_MESSAGE'))] : []
    if (message.kind === 'truncate')
      return message.relations.flatMap(id => {
        const captured = this.#relation(id).table?.captured
        return captured === undefined ? [] : this.#records.truncate(captured, whence, nextOf(captured.name))
      })
    const { table } = this.#relation(message.relation)
    if (table === null) return []
    if (message.after !== null && !table.fits(message.after)) await table.fit(message.after)
    return this.#records.change(message, table.captured, whence, nextOf(table.captured.name))
  }

  #relation(id: number): Described {
    const known = this.#relations.get(id)
    if (known === undefined) throw new MalformedInput(`a change is of the relation ${id}, which was not described`)
    return known
  }

  /** A logical message outside of transactions is sent at its own place. */
  #outside(message: LogicalMessage, out: SourceRecord[]): void {
    if (message.lsn <= this.#resumed.message || message.lsn <= this.#position.message) return
    this.#position = { ...this.#position, message: message.lsn }
    if (!this.#isPrefix(message.prefix)) return
    const whence: Whence = {
      lsn: message.lsn,
      xid: null,
      micros: 0n,
      previousCommit: this.#previousCommit,
      snapshot: 'false',
      origin: null,
    }
    this.#add(out, this.#records.message(message, whence, noTransaction), this.#position)
  }

  /** Says from where to go on, though nothing has changed. */
  heartbeat(out: SourceRecord[]): void {
    this.#add(out, this.#records.heartbeat(), this.#position)
  }

  #add(out: SourceRecord[], draft: Draft, position: Position, reading: Reading | null = this.#listener.reading): void {
    const begin = this.#transaction?.begin ?? null
    out.push(this.#records.at(draft, offsetOf({ ...position, reading }, begin?.xid ?? null, begin?.committedMicros ?? null)))
  }
}
