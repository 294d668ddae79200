/**
 * JDBC sink: PostgreSQL, MySQL and MariaDB, with the keys of Confluent's connector.
 *
 * A batch is one transaction. The offsets are in it, so that a record is written once whatever ends when. A row that the database refuses is looked for by
 * halves between savepoints, and reported, while the others are written.
 */
import {
  DataError,
  defineSink,
  type OpenedPartition,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  type TopicPartition,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { NextOffsets } from '../next-offsets.ts'
import { requireNone } from '../required.ts'
import { TopicNames } from '../topic-names.ts'
import { openDatabase, serverOf } from './connect.ts'
import { type Database, DatabaseError } from './database.ts'
import { type Config, keys } from './keys.ts'
import { type Progress, StoredOffsets } from './offsets.ts'
import { type Operation, Operations, operationProblems } from './operations.ts'
import { refuses } from './refusals.ts'
import { areAlike, quoted, type Run, Statements } from './statements.ts'
import { Tables } from './tables.ts'

const check = (config: Config) => operationProblems(config)

export const jdbc = defineSink({
  name: 'jdbc',
  classes: ['io.confluent.connect.jdbc.JdbcSinkConnector', 'io.aiven.connect.jdbc.JdbcSinkConnector'],
  version: '1',
  summary: 'Writes records as rows of PostgreSQL, MySQL or MariaDB tables, each record once.',
  example: {
    'connection.url': 'jdbc:postgresql://127.0.0.1:5432/postgres',
    'connection.user': 'postgres',
    'connection.password': '${env:PGPASSWORD}',
    'insert.mode': 'upsert',
    'pk.mode': 'kafka',
    'auto.create': 'true',
    'auto.evolve': 'true',
  },
  config: keys,
  refuses,
  withoutOffsets: { 'exactly.once': 'false' },
  check,
  async open(config, context): Promise<SinkTask> {
    requireNone(check(config))
    return new JdbcTask(config, context)
  },
})

interface Connected {
  readonly database: Database
  readonly tables: Tables
  readonly statements: Statements
  /** null: they are Kafka's. */
  readonly offsets: StoredOffsets | null
}

interface Refused {
  readonly record: SinkRecord
  readonly error: DataError
}

class JdbcTask implements SinkTask {
  readonly #config: Config
  readonly #context: SinkContext
  readonly #operations: Operations
  readonly #batches: Batches
  #connected: Connected | null = null
  /** With offsets in the database. */
  readonly #next = new NextOffsets()
  readonly #names = new TopicNames()
  #failures = 0

  constructor(config: Config, context: SinkContext) {
    this.#config = config
    this.#context = context
    this.#operations = new Operations(config)
    this.#batches = new Batches(config['batch.size'])
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    if (!this.#config['exactly.once']) return
    this.#names.opened(partitions)
    await this.#guarded(async ({ offsets }) => {
      const stored = await offsets!.of(partitions)
      this.#next.set(stored)
      const known = stored.filter(({ offset }) => offset > 0n)
      if (known.length > 0) this.#context.seek(known)
    })
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#guarded(connected => this.#write(connected, batch)))
  }

  async #write(connected: Connected, batch: readonly SinkRecord[]): Promise<void> {
    // What is written already, by a transaction of which this task did not hear the end, or before it sought.
    const records = connected.offsets === null ? batch : batch.filter(record => record.original.offset >= this.#next.of(record.original))
    const refused: Refused[] = []
    const runs = await this.#runsOf(connected, records, refused)
    const refusedNow = await this.#transaction(connected, runs, records, refused)
    if (refusedNow !== null) await this.#carefully(connected, runs, records, [...refused, ...refusedNow])
    this.#next.set(progressOf(records).map(({ topic, partition, next }) => ({ topic, partition, offset: next })))
    this.#failures = 0
  }

  async #runsOf({ database, tables }: Connected, records: readonly SinkRecord[], refused: Refused[]): Promise<Run[]> {
    const runs: (Run & { operations: Operation[] })[] = []
    for (const record of records) {
      try {
        const operation = this.#operations.of(record)
        const last = runs.at(-1)
        if (last !== undefined && areAlike(last.operations[0]!, operation)) last.operations.push(operation)
        else {
          const columns = await tables.columnsFor(operation)
          runs.push({ table: quoted(database.dialect, operation.table, true), columns, operations: [operation] })
        }
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    return runs
  }

  /** Resolves to null when all are written, or to a list when a row is refused: nothing is written then. */
  async #transaction(
    connected: Connected,
    runs: readonly Run[],
    records: readonly SinkRecord[],
    refused: readonly Refused[],
  ): Promise<Refused[] | null> {
    const { database, statements } = connected
    await database.query('BEGIN')
    try {
      for (const run of runs) await statements.run(run)
    } catch (error) {
      if (!isOfRow(error)) throw error
      await database.query('ROLLBACK')
      return []
    }
    await this.#commit(connected, records, refused)
    return null
  }

  /** As above, but the rows that are refused are left out. */
  async #carefully(connected: Connected, runs: readonly Run[], records: readonly SinkRecord[], refused: Refused[]): Promise<void> {
    await connected.database.query('BEGIN')
    for (const run of runs) await this.#halves(connected, run, refused)
    await this.#commit(connected, records, refused)
  }

  async #halves(connected: Connected, run: Run, refused: Refused[]): Promise<void> {
    const { database, statements } = connected
    const { operations } = run
    await database.query('SAVEPOINT run')
    try {
      await statements.run(run)
      await database.query('RELEASE SAVEPOINT run')
    } catch (error) {
      if (!isOfRow(error)) throw error
      await database.query('ROLLBACK TO SAVEPOINT run')
      if (operations.length === 1) {
        refused.push({
          record: operations[0]!.record,
          error: new DataError(`${database.dialect.name} refuses the row: ${(error as Error).message}`, error),
        })
        return
      }
      const middle = operations.length >> 1
      await this.#halves(connected, { ...run, operations: operations.slice(0, middle) }, refused)
      await this.#halves(connected, { ...run, operations: operations.slice(middle) }, refused)
    }
  }

  /** Reports first: what is reported twice after a failure is better than what is never. */
  async #commit({ database, offsets }: Connected, records: readonly SinkRecord[], refused: readonly Refused[]): Promise<void> {
    await offsets?.advance(progressOf(records))
    for (const { record, error } of refused) await this.#context.report(record, error)
    await database.query('COMMIT')
  }

  /** After a failure the connection is given up, and with it the transaction. */
  async #guarded(work: (connected: Connected) => Promise<void>): Promise<void> {
    try {
      await work((this.#connected ??= await this.#connect()))
    } catch (error) {
      await this.#disconnect()
      throw error instanceof DatabaseError && error.kind === 'passing' ? this.#retried(error) : error
    }
  }

  #retried(error: Error): Error {
    const most = this.#config['max.retries']
    const text = `${serverOf(this.#config)}: ${error.message}`
    if (++this.#failures <= most) return new RetriableError(text, { cause: error, retryAfterMs: this.#config['retry.backoff.ms'] })
    this.#failures = 0
    return new Error(`${text}, also after ${most} retries`, { cause: error })
  }

  async #connect(): Promise<Connected> {
    const config = this.#config
    const database = await openDatabase(config, this.#context)
    try {
      const offsets = config['exactly.once'] ? new StoredOffsets(database, config, this.#context.connector, this.#names) : null
      await offsets?.prepare()
      // The transaction before may have been committed, although its end was not heard.
      this.#next.set((await offsets?.of(this.#next.all())) ?? [])
      return { database, tables: new Tables(database, config), statements: new Statements(database, config), offsets }
    } catch (error) {
      await database.close().catch(() => {})
      throw error
    }
  }

  async #disconnect(): Promise<void> {
    const connected = this.#connected
    this.#connected = null
    // It may be broken: then there is nothing to close.
    await connected?.database.close().catch(() => {})
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(partitions: readonly TopicPartition[]): Promise<void> {
    this.#next.forget(partitions)
    this.#batches.forget()
  }

  async close(): Promise<void> {
    await this.#disconnect()
  }
}

function isOfRow(error: unknown): boolean {
  return error instanceof DatabaseError && error.kind === 'row'
}

function progressOf(records: readonly SinkRecord[]): Progress[] {
  const progress = new Map<string, Progress>()
  for (const { original } of records) {
    const { topic, partition, offset } = original
    const name = `${topic} ${partition}`
    progress.set(name, { topic, partition, first: progress.get(name)?.first ?? offset, next: offset + 1n })
  }
  return [...progress.values()]
}
