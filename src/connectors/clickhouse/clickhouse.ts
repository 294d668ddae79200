/**
 * ClickHouse sink, by the official client: inserts in the format JSONEachRow.
 *
 * An insert of one table and one partition of the topic carries the offsets as `insert_deduplication_token`: where a table remembers such tokens (replicated
 * tables do; others by `non_replicated_deduplication_window`), the same insert is not done twice.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { parseLossless, stringifyLossless } from '../../base.ts'
import {
  boolean,
  DataError,
  defineSink,
  int,
  list,
  type OpenedPartition,
  password,
  RetriableError,
  type SinkContext,
  type SinkRecord,
  type SinkTask,
  string,
  type ValuesOf,
} from '../../connector.ts'
import { Batches } from '../batches/batches.ts'
import { firstProblem, pairOf } from '../entries.ts'
import { AnswerTooLong, bounded } from '../http-client/bounded-agent.ts'
import { isPassing, mostAnswerBytes, shown } from '../http-client/http-client.ts'
import { parseTemplate, type Template, templateProblem } from '../template/template.ts'
import { TopicNames } from '../topic-names.ts'
import { jsonText, typedValue } from '../values/json.ts'
import { parsed } from '../values/parsed.ts'
import { refuses } from './refusals.ts'

const pairsProblem = (text: string) =>
  firstProblem(text, entry => (/^[^=]+=[^=]*$/.test(entry) ? null : `"${entry}" is no pair such as name=value`))

/** Names as ClickHouse's own connector has them. */
const keys = {
  hostname: string({ required: true, importance: 'high', doc: 'Host of the server.' }),
  port: int({ default: 8_443, min: 1, max: 65_535, importance: 'high', doc: 'Port of its HTTP interface: 8443, without TLS 8123.' }),
  ssl: boolean({ default: true, doc: 'Whether the connection uses TLS.' }),
  database: string({ default: 'default', doc: 'The database.' }),
  username: string({ default: 'default', doc: 'User of the database.' }),
  password: password({ doc: 'Password of the user.' }),
  topic2TableMap: list({ default: '', check: pairsProblem, doc: 'Tables for topics: `orders=shop_orders,users=people`.' }),
  'table.name.format': string({
    default: '${topic}',
    check: templateProblem,
    doc: 'The table of topics that `topic2TableMap` does not have, as a template.',
  }),
  timeoutSeconds: int({ default: 30, min: 1, max: 600, doc: 'How long a request may take.' }),
  clickhouseSettings: list({
    default: '',
    check: pairsProblem,
    doc: 'Settings of inserts: `insert_quorum=2,input_format_skip_unknown_fields=1`.',
  }),
  'batch.size': int({ default: 10_000, min: 1, max: 1_000_000, doc: 'How many records one insert has at most.' }),
  'compression.enabled': boolean({ default: true, importance: 'low', doc: 'Whether inserts are compressed.' }),
} as const

type Config = ValuesOf<typeof keys>

export const clickhouse = defineSink({
  name: 'clickhouse',
  classes: ['com.clickhouse.kafka.connect.ClickHouseSinkConnector'],
  version: '1',
  summary: 'Inserts records into ClickHouse tables.',
  example: { hostname: '127.0.0.1', port: '8123', ssl: 'false', database: 'default', username: 'default', topic2TableMap: 'events=events' },
  config: keys,
  refuses,
  async open(config, context): Promise<SinkTask> {
    return await ClickHouseTask.open(config, context)
  },
})

/** `answered` hears the status of each answer: errors that are not of ClickHouse itself do not tell it. */
async function connect(config: Config, { system }: SinkContext, answered: (status: number) => void) {
  const { ClickHouseLogLevel, createClient } = await import('@clickhouse/client')
  const timeoutMs = config.timeoutSeconds * 1_000
  const connections = { keepAlive: true, maxSockets: 10 }
  return createClient({
    http_agent: bounded(config.ssl ? new HttpsAgent(connections) : new HttpAgent(connections), {
      ...{ system, timeoutMs, mostBytes: mostAnswerBytes, answered },
    }),
    url: `${config.ssl ? 'https' : 'http'}://${config.hostname}:${config.port}`,
    database: config.database,
    username: config.username,
    password: config.password ?? '',
    request_timeout: timeoutMs,
    compression: { request: config['compression.enabled'] },
    application: 'millrace connect',
    // What it would say is thrown as well.
    log: { level: ClickHouseLogLevel.OFF },
    // int64 and decimals with all their digits.
    json: {
      parse: text => parseLossless(text) as never,
      stringify: value => (value instanceof RowText ? value.text : stringifyLossless(value)),
    },
    clickhouse_settings: {
      date_time_input_format: 'best_effort',
      // Errors come as statuses, and not in the middle of an answer.
      wait_end_of_query: 1,
      ...Object.fromEntries(config.clickhouseSettings.map(entry => pairOf(entry))),
    },
  })
}

type Client = Awaited<ReturnType<typeof connect>>

/** Codes for values that a column does not take: an insert is refused because of a row. */
const ofRows: ReadonlySet<number> = new Set([
  6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 190, 321, 349, 407, 441, 467, 675, 676, 691,
])
/** Codes for what the caller cannot mend by waiting: unknown names, missing rights, wrong settings, syntax. */
const ofCaller: ReadonlySet<number> = new Set([15, 16, 46, 47, 48, 50, 60, 62, 81, 115, 192, 193, 194, 195, 291, 407, 497, 516])

interface Row {
  readonly record: SinkRecord
  readonly values: RowText
}

class ClickHouseTask implements SinkTask {
  readonly #context: SinkContext
  readonly #client: Client
  readonly #tables: ReadonlyMap<string, string>
  readonly #table: Template
  readonly #batches: Batches
  readonly #names = new TopicNames()

  /** Of the last answer. Inserts are made one after the other. */
  #status = 0

  static async open(config: Config, context: SinkContext): Promise<ClickHouseTask> {
    let task: ClickHouseTask | null = null
    const client = await connect(config, context, status => {
      if (task !== null) task.#status = status
    })
    task = new ClickHouseTask(config, context, client)
    return task
  }

  private constructor(config: Config, context: SinkContext, client: Client) {
    this.#context = context
    this.#client = client
    this.#tables = new Map(config.topic2TableMap.map(entry => pairOf(entry)))
    this.#table = parseTemplate(config['table.name.format'])
    this.#batches = new Batches(config['batch.size'])
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    this.#names.opened(partitions)
  }

  put(records: readonly SinkRecord[]): Promise<void> {
    return this.#batches.write(records, batch => this.#write(batch, records))
  }

  /** `put`: all that was put with it. */
  async #write(batch: readonly SinkRecord[], put: readonly SinkRecord[]): Promise<void> {
    const refused: { record: SinkRecord; error: DataError }[] = []
    const inserts = new Map<string, { table: string; rows: Row[] }>()
    for (const record of batch) {
      // There is nothing to delete by.
      if (record.value === null) continue
      try {
        const table = this.#tables.get(record.topic) ?? this.#table.render(record)
        const name = `${table} ${record.original.topic} ${record.original.partition}`
        const insert = inserts.get(name) ?? { table, rows: [] }
        inserts.set(name, insert)
        insert.rows.push({ record, values: rowOf(record) })
      } catch (error) {
        if (!(error instanceof DataError)) throw error
        refused.push({ record, error })
      }
    }
    for (const { table, rows } of inserts.values()) await this.#insert(table, rows, refused, put)
    for (const { record, error } of refused) await this.#context.report(record, error)
  }

  async #insert(
    table: string,
    rows: readonly Row[],
    refused: { record: SinkRecord; error: DataError }[],
    put: readonly SinkRecord[],
  ): Promise<void> {
    const token = `${this.#context.connector}-${placeOf(rows, put, this.#names)}`
    this.#status = 0
    try {
      const { response_headers: headers } = await this.#client.insert({
        table: table.split('.').map(quoted).join('.'),
        values: rows.map(row => row.values),
        format: 'JSONEachRow',
        clickhouse_settings: { insert_deduplication_token: token },
        abort_signal: this.#context.signal,
      })
      if (!Object.keys(headers).some(name => name.startsWith('x-clickhouse-')))
        throw new RetriableError(`insert into ${table}: this is no answer of ClickHouse`)
    } catch (error) {
      if (error instanceof RetriableError) throw error
      const code = codeOf(error)
      if (code !== null && ofCaller.has(code)) throw error
      if (code === null || !ofRows.has(code)) throw this.#sorted(table, error as Error)
      if (rows.length === 1) {
        refused.push({ record: rows[0]!.record, error: new DataError(`ClickHouse refuses the row: ${(error as Error).message}`, error) })
        return
      }
      const middle = rows.length >> 1
      await this.#insert(table, rows.slice(0, middle), refused, put)
      await this.#insert(table, rows.slice(middle), refused, put)
    }
  }

  /** Of what is not about a row: something in between may refuse, too. */
  #sorted(table: string, error: Error): Error {
    const status = this.#status
    const text = `insert into ${table}: ClickHouse${status >= 300 ? ` answers with status ${status}` : ''}: ${shown(error.message.slice(0, 500))}`
    const isRefused = codeOf(error) === null && status >= 300 && !isPassing(status)
    return isRefused || error instanceof AnswerTooLong ? new Error(text, { cause: error }) : new RetriableError(text, { cause: error })
  }

  async flush(): Promise<undefined> {
    return undefined
  }

  async closed(): Promise<void> {
    this.#batches.forget()
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

/** The same when they are put again, and no other rows'. What a trigger makes of one record has one offset: then it says where in the put they are. */
function placeOf(rows: readonly Row[], put: readonly SinkRecord[], names: TopicNames): string {
  const first = rows[0]!.record.original
  const place = `${names.of(first.topic)}-${first.partition}-${first.offset}-${rows.at(-1)!.record.original.offset}`
  const [one, other] = put.slice(0, 2).map(({ original }) => original)
  const isShared = other !== undefined && one!.offset === other.offset && one!.partition === other.partition && one!.topic === other.topic
  return isShared ? `${place}-${put.indexOf(rows[0]!.record)}` : place
}

/** null: it is not the server that says it. */
function codeOf(error: unknown): number | null {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && /^\d+$/.test(code) ? Number(code) : null
}

function quoted(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``
}

/** JSON as it is sent: no digit of a decimal goes through a float. */
class RowText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Of a struct, or of a text that is a JSON object. */
function rowOf(record: SinkRecord): RowText {
  const { value } = record
  const isText = typeof value === 'string' || Buffer.isBuffer(value)
  const text = isText ? value.toString() : jsonText(typedValue(record))
  const row = isText ? parsed(text) : value
  if (typeof row !== 'object' || row === null || Array.isArray(row) || !text.trimStart().startsWith('{'))
    throw new DataError('the value has no fields: it must be a struct or a JSON object')
  return new RowText(text)
}
