/** The changes of PostgreSQL tables, which arrive in topics exactly once while they are made and PostgreSQL is killed. */
import type { Client, ReceivedRecord } from '../../src/client.ts'
import { Database, Load } from '../cdc/tables.ts'
import { type HistoryRow, judge } from '../cdc/verdict.ts'
import { type StartedPostgres, startPostgres } from '../support/stores.ts'

const prefix = 'shop'
const rowsAtFirst = 5_000
const keys = 400
const pauseMs = 200
/** Of the tables whose events have an order: the columns of their key. */
const tables = { items: ['id'], pairs: ['b', 'a'] }

export class Changes {
  readonly #postgres: StartedPostgres
  readonly #database: Database
  #load: Load | null = null

  static async start(): Promise<Changes> {
    const postgres = await startPostgres(['wal_level=logical'])
    try {
      const { user, password } = postgres
      const database = new Database({ port: postgres.postgres.port, user, password })
      await database.create(rowsAtFirst)
      return new Changes(postgres, database)
    } catch (error) {
      await postgres.remove()
      throw error
    }
  }

  private constructor(postgres: StartedPostgres, database: Database) {
    this.#postgres = postgres
    this.#database = database
  }

  get config(): Record<string, string> {
    const { postgres, user, password } = this.#postgres
    return {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'exactly.once.support': 'required',
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'key.converter.schemas.enable': 'false',
      'database.hostname': '127.0.0.1',
      'database.port': String(postgres.port),
      'database.user': user,
      'database.password': password,
      'database.dbname': 'postgres',
      'topic.prefix': prefix,
      'slot.name': prefix,
      'table.include.list': `public.(${Object.keys(tables).join('|')})`,
    }
  }

  begin(): void {
    this.#load = new Load(this.#database, keys, pauseMs)
  }

  async end(): Promise<void> {
    await this.#load?.stop()
  }

  async hurt(): Promise<void> {
    await this.#postgres.postgres.kill()
    await this.#postgres.postgres.restart()
  }

  /** Throws unless the topics have each change once, in the order of its key. */
  async judge(kafka: Client): Promise<string> {
    const found: string[] = []
    for (const [table, key] of Object.entries(tables)) {
      const history = await this.#database.ask('select tx, op, old, new from history where tab = $1 order by seq', [table])
      const rows = history.map(({ tx, op, old, new: made }) => ({ tx: Number(tx), op, old, new: made }) as HistoryRow)
      const { wrong, events, reads, readTwice } = judge(await recordsOf(kafka, `${prefix}.public.${table}`), rows, key)
      if (wrong.length > 0 || readTwice > 0) throw new Error(`${table}: ${wrong.join('; ')}, ${readTwice} rows were read twice`)
      found.push(`${table}: ${events} changes after ${reads} rows of the snapshot`)
    }
    return `(${found.join(', ')}; ${this.#load?.transactions} transactions)`
  }

  async stop(): Promise<void> {
    await this.#load?.stop()
    await this.#postgres.remove()
  }
}

async function recordsOf(kafka: Client, topic: string): Promise<ReceivedRecord[]> {
  const [info] = await kafka.topics([topic])
  const partitions = info!.partitions.map(each => each.partition)
  const until = await kafka.offsets(topic, partitions, 'stable')
  const found: ReceivedRecord[] = []
  const from = new Map(partitions.map(partition => [partition, 0n]))
  for await (const records of kafka.read({ topic, from, until, committedOnly: true })) for (const record of records) found.push(record)
  return found
}
