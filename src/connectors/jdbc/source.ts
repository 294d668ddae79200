/**
 * SQL polling source: tables or a query of PostgreSQL, MySQL or MariaDB, asked again and again for rows with a greater number or a later time.
 *
 * Offsets are those of Confluent's connector, so that it can be taken over. They say exactly where to go on: rows that changed at the same moment are always
 * read together.
 */
import { pause, realSystem } from '../../base.ts'
import {
  type ConnectValue,
  defineSource,
  isStruct,
  RetriableError,
  type Schema,
  type SourceContext,
  type SourceRecord,
  type SourceTask,
  type Struct,
  struct,
} from '../../connector.ts'
import { dealt } from '../dealt.ts'
import { missing, requireNone } from '../required.ts'
import { jsonValues } from '../values/formats.ts'
import { floorDivide } from '../values/temporal.ts'
import { addressOf } from './address.ts'
import { openDatabase, serverOf } from './connect.ts'
import { type Database, DatabaseError, type RawRows } from './database.ts'
import { sourceRefuses } from './refusals.ts'
import { type ColumnReader, type Raw, readerOf } from './row-values.ts'
import { type SourceConfig, sourceKeys } from './source-keys.ts'
import { localTimes, quoted } from './statements.ts'

function check(config: SourceConfig): Map<string, string> {
  const problems = missing(config, config.query === '' ? [] : ['topic.prefix'])
  if (config.mode.includes('incrementing') && config['incrementing.column.name'] === '')
    problems.set('incrementing.column.name', `mode=${config.mode} needs it`)
  if (config.mode.includes('timestamp') && config['timestamp.column.name'].length === 0)
    problems.set('timestamp.column.name', `mode=${config.mode} needs it`)
  if (config['table.whitelist'].length > 0 && config['table.blacklist'].length > 0)
    problems.set('table.blacklist', 'must not be set together with table.whitelist')
  return problems
}

export const jdbcSource = defineSource({
  name: 'jdbc-source',
  classes: ['io.confluent.connect.jdbc.JdbcSourceConnector', 'io.aiven.connect.jdbc.JdbcSourceConnector'],
  version: '1',
  summary: 'Reads rows of PostgreSQL, MySQL or MariaDB tables as they are added or changed, by asking for them.',
  example: {
    'connection.url': 'jdbc:postgresql://127.0.0.1:5432/postgres',
    'connection.user': 'postgres',
    'connection.password': '${env:PGPASSWORD}',
    mode: 'incrementing',
    'incrementing.column.name': 'id',
    'topic.prefix': 'shop-',
  },
  formats: jsonValues,
  config: sourceKeys,
  refuses: sourceRefuses,
  check,
  exactlyOnce: config => config.mode !== 'bulk',
  async tasks(config, most) {
    requireNone(check(config))
    if (config.query !== '') return [{}]
    const database = await openDatabase(config, { system: realSystem(), signal: new AbortController().signal })
    try {
      const tables = await chosenTables(database, config)
      return dealt(tables, most).map(some => ({ 'task.tables': some.join(',') }))
    } finally {
      await database.close()
    }
  },
  async open(config, context): Promise<SourceTask> {
    requireNone(check(config))
    return new PollingTask(config, context)
  },
})

async function chosenTables(database: Database, config: SourceConfig): Promise<string[]> {
  const all = await database.tables()
  const names = (list: readonly string[]) => new Set(list)
  const [wanted, unwanted] = [names(config['table.whitelist']), names(config['table.blacklist'])]
  const isIn = (set: ReadonlySet<string>, table: string) => set.has(table) || set.has(bareName(table))
  return all.filter(table => (wanted.size === 0 || isIn(wanted, table)) && !isIn(unwanted, table))
}

function bareName(table: string): string {
  return table.slice(table.indexOf('.') + 1)
}

const longestWaitMs = 1_000

class PollingTask implements SourceTask {
  readonly #config: SourceConfig
  readonly #context: SourceContext
  #database: Database | null = null
  #queriers: Querier[] | null = null
  #tables = ''
  #tablesSeenMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(config: SourceConfig, context: SourceContext) {
    this.#config = config
    this.#context = context
  }

  async poll(): Promise<readonly SourceRecord[]> {
    try {
      const database = (this.#database ??= await openDatabase(this.#config, this.#context))
      this.#queriers ??= await this.#makeQueriers(database)
      await this.#lookForTables(database)
      const now = () => this.#context.system.clock.monotonic()
      for (const querier of this.#queriers) {
        if (querier.dueMs > now()) continue
        // The next time the others come first.
        this.#queriers = [...this.#queriers.filter(each => each !== querier), querier]
        const records = await querier.next(database)
        if (!querier.hasMore) querier.dueMs = now() + this.#config['poll.interval.ms']
        if (records.length > 0) return records
      }
    } catch (error) {
      await this.#disconnect()
      if (this.#isClosed) return []
      if (!(error instanceof DatabaseError) || error.kind !== 'passing') throw error
      throw new RetriableError(`${serverOf(this.#config)}: ${error.message}`, { cause: error })
    }
    await this.#wait()
    return []
  }

  async #makeQueriers(database: Database): Promise<Querier[]> {
    const { query } = this.#config
    const places =
      query === ''
        ? this.#config['task.tables'].map(table =>
            struct([
              ['protocol', '1'],
              ['table', table],
            ]),
          )
        : [struct([['query', 'query']])]
    const stored = (await this.#context.storedOffsets(places)).map(placeOf)
    const first = await this.#firstTime(database)
    const begun = stored.map(({ number, micros }) => ({ number, micros: micros ?? first }))
    if (first !== null)
      await this.#context.storeOffsets(
        places.flatMap((sourcePartition, index) =>
          stored[index]!.micros === null ? [{ sourcePartition, sourceOffset: offsetOf(begun[index]!) }] : [],
        ),
      )
    return places.map(
      (place, index) => new Querier(this.#config, place, query === '' ? this.#config['task.tables'][index]! : null, begun[index]!),
    )
  }

  /** After which time a table begins of which none is stored; null: with all rows. */
  async #firstTime(database: Database): Promise<bigint | null> {
    const initial = this.#config['timestamp.initial']
    if (initial === null || !this.#config.mode.includes('timestamp')) return null
    return initial === -1 ? nowOf(database, this.#config) : BigInt(initial) * 1_000n
  }

  /** One task looks for all. */
  async #lookForTables(database: Database): Promise<void> {
    const nowMs = this.#context.system.clock.monotonic()
    if (this.#context.task !== 0 || this.#config.query !== '' || nowMs - this.#tablesSeenMs < this.#config['table.poll.interval.ms']) return
    const isFirst = this.#tablesSeenMs === Number.NEGATIVE_INFINITY
    this.#tablesSeenMs = nowMs
    const tables = (await chosenTables(database, this.#config)).join(',')
    if (!isFirst && tables !== this.#tables) this.#context.reconfigure()
    this.#tables = tables
  }

  #wait(): Promise<void> {
    const { system, signal } = this.#context
    const dueMs = Math.min(...(this.#queriers ?? []).map(({ dueMs }) => dueMs))
    const ms = Math.min(longestWaitMs, Math.max(1, dueMs - system.clock.monotonic()))
    return pause(system, ms, signal)
  }

  async #disconnect(): Promise<void> {
    const database = this.#database
    this.#database = null
    for (const querier of this.#queriers ?? []) querier.restart()
    // It may be broken: then there is nothing to close.
    await database?.close().catch(() => {})
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#disconnect()
  }
}

interface Place {
  /** The incrementing column. */
  readonly number: bigint | null
  /** The timestamp columns. */
  readonly micros: bigint | null
}

function readerSettings(config: SourceConfig) {
  return { bestFit: config['numeric.mapping'] === 'best_fit', timezone: config['db.timezone'] }
}

/** By the clock of the database. */
async function nowOf(database: Database, config: SourceConfig): Promise<bigint> {
  const { rows } = await database.read('SELECT CURRENT_TIMESTAMP(6)')
  const type = database.dialect.name === 'PostgreSQL' ? 'timestamp with time zone' : 'datetime'
  return readerOf(type, false, readerSettings(config)).micros(rows[0]![0]!)!
}

/** One table, or the query. */
class Querier {
  /** When it is asked next, on the monotonic clock. */
  dueMs = 0
  hasMore = false
  readonly #config: SourceConfig
  readonly #partition: Struct
  /** null: the query. */
  readonly #table: string | null
  readonly #topic: string
  #place: Place
  #isValidated = false
  #schema: { readonly of: string; readonly readers: readonly ColumnReader[]; readonly schema: Schema } | null = null
  #bulk: AsyncGenerator<RawRows> | null = null

  constructor(config: SourceConfig, partition: Struct, table: string | null, place: Place) {
    this.#config = config
    this.#partition = partition
    this.#table = table
    this.#topic = config['topic.prefix'] + (table === null ? '' : bareName(table))
    this.#place = place
  }

  /** After the connection was lost. What was given was given. */
  restart(): void {
    this.#bulk = null
    this.hasMore = false
  }

  async next(database: Database): Promise<SourceRecord[]> {
    if (!this.#isValidated) await this.#validate(database)
    if (this.#config.mode === 'bulk') return this.#nextOfAll(database)
    const most = this.#config['batch.max.rows']
    const end = this.#config.mode.includes('timestamp') ? await this.#end(database) : null
    let found = await this.#rows(database, end, most)
    this.hasMore = found.rows.length === most
    // Rows of one moment are given together, because the next question is for later ones.
    if (this.#config.mode === 'timestamp' && this.hasMore) found = await this.#wholeMoments(database, found)
    return this.#recordsOf(database, found)
  }

  async #nextOfAll(database: Database): Promise<SourceRecord[]> {
    this.#bulk ??= database.pages(this.#select(database), this.#config['batch.max.rows'])
    const { value, done } = await this.#bulk.next()
    this.hasMore = done !== true
    if (done === true) this.#bulk = null
    return done === true ? [] : this.#recordsOf(database, value)
  }

  #select(database: Database): string {
    return this.#table === null ? this.#config.query : `SELECT * FROM ${quoted(database.dialect, this.#table, true)}`
  }

  async #validate(database: Database): Promise<void> {
    const { mode } = this.#config
    if (this.#table !== null && mode !== 'bulk' && this.#config['validate.non.null']) {
      const columns = (await database.columns(quoted(database.dialect, this.#table, true))) ?? []
      const isNullable = (name: string) => columns.find(column => column.name.toLowerCase() === name.toLowerCase())?.isNullable !== false
      const number = this.#config['incrementing.column.name']
      if (mode.includes('incrementing') && isNullable(number))
        throw new Error(
          `column ${number} of ${this.#table} is missing, or may be null; set validate.non.null=false to read it nevertheless`,
        )
      if (mode.includes('timestamp') && this.#config['timestamp.column.name'].every(isNullable))
        throw new Error(
          `the timestamp columns of ${this.#table} are missing, or may be null; set validate.non.null=false to read them nevertheless`,
        )
    }
    this.#isValidated = true
  }

  /** Without what is too young. */
  async #end(database: Database): Promise<bigint> {
    return (await nowOf(database, this.#config)) - BigInt(this.#config['timestamp.delay.interval.ms']) * 1_000n
  }

  #names(database: Database): { number: string; time: string } {
    const { dialect } = database
    const times = this.#config['timestamp.column.name'].map(name => quoted(dialect, name))
    return {
      number: quoted(dialect, this.#config['incrementing.column.name']),
      time: times.length === 1 ? times[0]! : `COALESCE(${times.join(',')})`,
    }
  }

  #rows(database: Database, end: bigint | null, most: number): Promise<RawRows> {
    const { number, time } = this.#names(database)
    const values: unknown[] = []
    const parameter = (value: unknown) => database.dialect.parameter(values.push(value))
    const at = (micros: bigint) => parameter(this.#timeText(micros))
    const { number: lastNumber, micros } = this.#place
    const terms: string[] = []
    // In the order of the parameters.
    if (end !== null) terms.push(`${time} < ${at(end)}`)
    if (this.#config.mode === 'incrementing' && lastNumber !== null) terms.push(`${number} > ${parameter(String(lastNumber))}`)
    if (this.#config.mode === 'timestamp' && micros !== null) terms.push(`${time} > ${at(micros)}`)
    if (this.#config.mode === 'timestamp+incrementing' && micros !== null)
      terms.push(`(${time} > ${at(micros)} OR (${time} = ${at(micros)} AND ${number} > ${parameter(String(lastNumber ?? -(2n ** 63n)))}))`)
    const order = { incrementing: [number], timestamp: [time], 'timestamp+incrementing': [time, number], bulk: [] }[this.#config.mode]
    const where = terms.length === 0 ? '' : ` WHERE ${terms.join(' AND ')}`
    return database.read(`${this.#select(database)}${where} ORDER BY ${order.map(name => `${name} ASC`).join(',')} LIMIT ${most}`, values)
  }

  async #wholeMoments(database: Database, found: RawRows): Promise<RawRows> {
    const placeIn = this.#placesIn(found)
    const moments = found.rows.map(row => placeIn(row).micros!)
    const last = moments.at(-1)!
    const whole = found.rows.filter((_, index) => moments[index] !== last)
    if (whole.length > 0) return { ...found, rows: whole }
    const { time } = this.#names(database)
    return database.read(`${this.#select(database)} WHERE ${time} = ${database.dialect.parameter(1)}`, [this.#timeText(last)])
  }

  #timeText(micros: bigint): string {
    const { text, offset } = localTimes(this.#config['db.timezone'])(micros)
    return addressOf(this.#config['connection.url']).kind === 'postgresql' ? text + offset : text
  }

  /** How the place of a row of this result is found. */
  #placesIn({ columns }: RawRows): (row: readonly Raw[]) => Place {
    const { mode } = this.#config
    const indexOf = (name: string) => {
      const index = columns.findIndex(column => column.name.toLowerCase() === name.toLowerCase())
      if (index === -1) throw new Error(`there is no column ${name}`)
      return index
    }
    const number = mode.includes('incrementing') ? indexOf(this.#config['incrementing.column.name']) : null
    const names = mode.includes('timestamp') ? this.#config['timestamp.column.name'] : []
    const times = names.map(name => {
      const index = indexOf(name)
      return { index, reader: readerOf(columns[index]!.type, true, readerSettings(this.#config)) }
    })
    return row => {
      let micros: bigint | null = null
      for (const { index, reader } of times) micros ??= reader.micros(row[index]!)
      const raw = number === null ? null : row[number]!
      return { number: raw === null ? null : BigInt(raw.toString()), micros }
    }
  }

  async #recordsOf(database: Database, found: RawRows): Promise<SourceRecord[]> {
    const { readers, schema } = await this.#schemaOf(database, found)
    const placeIn = this.#config.mode === 'bulk' || found.rows.length === 0 ? null : this.#placesIn(found)
    return found.rows.map(row => {
      if (placeIn !== null) this.#place = placeIn(row)
      const value = struct(found.columns.map(({ name }, index) => [name, readers[index]!.read(row[index]!)] as const))
      return {
        topic: this.#topic,
        partition: null,
        keySchema: null,
        key: null,
        valueSchema: schema,
        value,
        timestampMs: null,
        headers: [],
        sourcePartition: this.#partition,
        sourceOffset: offsetOf(this.#place),
      }
    })
  }

  async #schemaOf(database: Database, { columns }: RawRows) {
    const of = columns.map(({ name, type }) => `${name} ${type}`).join(',')
    if (this.#schema?.of === of) return this.#schema
    // A result does not tell which columns are never null, and of some types less than the table.
    const known = this.#table === null ? null : await database.columns(quoted(database.dialect, this.#table, true))
    const readers = columns.map(column => {
      const { type, isNullable } = known?.find(({ name }) => name === column.name) ?? column
      return readerOf(type, isNullable, readerSettings(this.#config))
    })
    const fields = columns.map(({ name }, index) => ({ name, schema: readers[index]!.schema }))
    this.#schema = { of, readers, schema: { type: 'struct', ...(this.#table !== null && { name: bareName(this.#table) }), fields } }
    return this.#schema
  }
}

/** As Confluent's connector stores them. */
function offsetOf({ number, micros }: Place): Struct {
  const fields: [string, ConnectValue][] = []
  if (number !== null) fields.push(['incrementing', number])
  if (micros !== null) {
    const ms = floorDivide(micros, 1_000n)
    fields.push(['timestamp', ms], ['timestamp_nanos', floorMod(ms, 1_000n) * 1_000_000n + (micros - ms * 1_000n) * 1_000n])
  }
  return struct(fields)
}

function floorMod(dividend: bigint, divisor: bigint): bigint {
  return dividend - floorDivide(dividend, divisor) * divisor
}

function placeOf(stored: Struct | null): Place {
  const whole = (name: string) => {
    const value = stored !== null && isStruct(stored) ? stored[name] : null
    return typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : null
  }
  const [ms, nanos] = [whole('timestamp'), whole('timestamp_nanos')]
  const micros =
    ms === null ? null : floorDivide(ms, 1_000n) * 1_000_000n + (nanos === null ? floorMod(ms, 1_000n) * 1_000n : nanos / 1_000n)
  return { number: whole('incrementing'), micros }
}
