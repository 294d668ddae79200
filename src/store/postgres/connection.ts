/**
 * One connection of `pg`: errors sorted into what may go later and what never will, int8 as checked numbers, transactions.
 *
 * The socket, TLS, and the time-out of connecting are pg's. It is loaded when the first connection is opened: a broker on one machine never
 * loads it.
 */
import type { Client, Query } from 'pg'
import { assert, type Timers } from '../../base.ts'
import { DatabaseRefused, DatabaseUnavailable, NoCluster } from '../database/backend.ts'
import type { DatabaseUrl } from './database-url.ts'

const connectTimeoutMs = 5_000
/** On the server, so that a backend whose client is gone does not hold locks for long. */
const serverTimeouts = {
  statement_timeout: 30_000,
  // About a lease: who is paused in the middle of a transaction must not keep others from taking its place.
  idle_in_transaction_session_timeout: 3_000,
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  client_connection_check_interval: 2_000,
} as const

export interface Certificates {
  readonly authority: Buffer | null
  readonly certificate: Buffer | null
  readonly key: Buffer | null
}

/** Later it may go: connection, resources, operator intervention, system errors, a standby's refusal, deadlocks and lock time-outs. */
const passing = /^(?:08|53|57|58|40|55P03|25006|25P0[34])/

/** The program names only its own tables, which are made together. */
const undefinedTable = '42P01'

export class Connection {
  /** Set when the server was checked. */
  throughPooler = false
  readonly #client: Client
  readonly #newQuery: (text: string) => Query
  #lost: ((error: Error) => void) | null = null
  #broken: Error | null = null
  #closed = false

  private constructor(client: Client, newQuery: (text: string) => Query) {
    this.#client = client
    this.#newQuery = newQuery
    // Without a listener an error of an idle connection would end the process.
    client.on('error', error => this.#break(error))
    client.on('end', () => this.#break(new Error('the server closed the connection')))
  }

  /** Several queries may be on their way at once, see `pipelined`; each is answered in order. */
  static async open(timers: Timers, url: DatabaseUrl, certificates: Certificates | null, pipelined: boolean): Promise<Connection> {
    const { Client, Query, types } = (await import('pg')).default
    const client = new Client({
      host: url.host,
      port: url.port,
      database: url.database,
      user: url.user,
      password: url.password ?? '',
      application_name: 'millrace',
      ssl: certificates === null ? false : tlsOptions(url, certificates),
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      ...(pipelined ? { pipeline: true } : {}),
      types: {
        getTypeParser: ((oid: number, mode?: 'text' | 'binary') =>
          oid === int8 ? checkedInt8 : types.getTypeParser(oid, mode as 'text')) as typeof types.getTypeParser,
      },
    })
    const connection = new Connection(client, text => new Query(text))
    const timer = timers.after(2 * connectTimeoutMs, () => connection.close())
    try {
      await client.connect()
      const settings = Object.entries(serverTimeouts).map(([name, value]) => `set ${name} = ${value}`)
      await client.query([...settings, `set search_path to "${url.schema}"`].join('; '))
    } catch (error) {
      connection.close()
      throw new DatabaseUnavailable(`no connection to ${url.host}:${url.port}: ${reasonOf(error as Error, url)}`, { cause: error })
    } finally {
      timer.cancel()
    }
    return connection
  }

  /** As the server told at the beginning. */
  get processId(): number | null {
    return (this.#client as unknown as { processID: number | null }).processID
  }

  onLost(callback: (error: Error) => void): void {
    this.#lost = callback
    if (this.#broken !== null && !this.#closed) callback(this.#broken)
  }

  /** `name`: of a statement that the server prepares once for this connection; only for texts that are constants. */
  async query<Row>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
    return (await this.#query(text, values, name)).rows as Row[]
  }

  /**
   * The rows of a SELECT, each column in PostgreSQL's binary form. So bytes come as they are; to a query they are sent as text of twice the length,
   * which pg makes strings of first. Without parameters: the text has them.
   */
  async copy(select: string): Promise<Buffer[][]> {
    const chunks: Buffer[] = []
    if (this.#broken !== null) throw new DatabaseUnavailable(`the connection is lost: ${this.#broken.message}`)
    const done = Promise.withResolvers<void>()
    const query = Object.assign(this.#newQuery(`copy (${select}) to stdout (format binary)`), {
      callback: (error: Error | null | undefined) => (error ? done.reject(error) : done.resolve()),
      // pg reads the next bytes into the same memory.
      handleCopyData: ({ chunk }: { chunk: Buffer }) => void chunks.push(Buffer.from(chunk)),
    })
    this.#client.query(query)
    try {
      await done.promise
    } catch (error) {
      throw this.#sorted(error as Error & { code?: string; severity?: string })
    }
    return copiedRows(chunks)
  }

  /** How many rows were changed. */
  async change(text: string, values?: readonly unknown[], name?: string): Promise<number> {
    return (await this.#query(text, values, name)).rowCount ?? 0
  }

  async listen(channel: string, callback: (payload: string) => void): Promise<void> {
    this.#client.on('notification', message => {
      if (message.channel === channel) callback(message.payload ?? '')
    })
    await this.query(`listen ${channel}`)
  }

  /** Commits what `work` did, or rolls it back if it throws. {@link RolledBack} gives a result nonetheless. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('begin')
    let result: T
    try {
      result = await work()
    } catch (error) {
      if (this.#broken === null) await this.query('rollback')
      if (error instanceof RolledBack) return error.result as T
      throw error
    }
    const { command } = await this.#query('commit')
    // The server answers a commit of a failed transaction with a rollback, not with an error.
    assert(command === 'COMMIT', `a transaction was committed, and the server says ${command}`)
    return result
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#broken ??= new Error('closed')
    // `end` would wait for queries; the stream is cut, so they end now.
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } }
    connection.stream.destroy()
  }

  async #query(text: string, values?: readonly unknown[], name?: string) {
    if (this.#broken !== null) throw new DatabaseUnavailable(`the connection is lost: ${this.#broken.message}`)
    try {
      return await this.#client.query({
        text,
        ...(values === undefined ? {} : { values: [...values] }),
        ...(name === undefined ? {} : { name }),
      })
    } catch (error) {
      throw this.#sorted(error as Error & { code?: string; severity?: string })
    }
  }

  #sorted(error: Error & { code?: string; severity?: string }): Error {
    const { code, severity, message } = error
    // Only errors of the server have a severity; the others are of the socket.
    if (severity === undefined || this.#broken !== null) return new DatabaseUnavailable(message, { cause: error })
    const told = `${code}: ${message}${cures[code ?? ''] ?? ''}`
    if (code !== undefined && passing.test(code)) return new DatabaseUnavailable(told, { cause: error })
    if (code === undefinedTable) return new NoCluster({ cause: error })
    return new DatabaseRefused(told, { cause: error })
  }

  #break(error: Error): void {
    if (this.#broken !== null) return
    this.#broken = error
    if (!this.#closed) this.#lost?.(new DatabaseUnavailable(`the connection is lost: ${error.message}`, { cause: error }))
  }
}

const copySignature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')

/** A header, and rows of columns with their lengths, up to the row with -1 columns. The server sends each row by itself, the first one with the header. */
function copiedRows(chunks: readonly Buffer[]): Buffer[][] {
  const rows: Buffer[][] = []
  for (const [nth, chunk] of chunks.entries()) {
    let at = 0
    if (nth === 0) {
      assert(chunk.subarray(0, copySignature.length).equals(copySignature), 'what is copied begins like a binary copy')
      at = copySignature.length + 8 + chunk.readInt32BE(copySignature.length + 4)
    }
    while (at < chunk.length) {
      const columns = chunk.readInt16BE(at)
      at += 2
      if (columns === -1) return rows
      const row: Buffer[] = []
      for (let column = 0; column < columns; column++) {
        const length = chunk.readInt32BE(at)
        assert(length >= 0 && at + 4 + length <= chunk.length, `a column of ${length} bytes in a row of ${chunk.length}`)
        row.push(chunk.subarray(at + 4, at + 4 + length))
        at += 4 + length
      }
      rows.push(row)
    }
  }
  throw new DatabaseUnavailable('what was copied has no end')
}

/** What the server's own words do not say. */
const cures: Readonly<Record<string, string>> = {
  '25006': '; is it a standby, or is default_transaction_read_only set?',
  '28P01': '; check the user in the URL, and PGPASSWORD',
  '3D000': '; make the database, or correct the URL',
  '42501': '; the user must be able to create a schema in the database, and to read and write its tables',
  '53100': '; the disk of PostgreSQL is full: make room there',
  '53300': '; raise max_connections, or end other programs: each broker needs three connections, and a fourth at times',
}

/** pg speaks of its own types where it has no password to give. */
function reasonOf({ message, code = '' }: Error & { code?: string }, { password, user }: DatabaseUrl): string {
  if (password !== null || !/password must be/.test(message)) return message + (cures[code] ?? '')
  return `the server wants a password for ${user}; set PGPASSWORD, or write it into the URL`
}

/** Thrown within a transaction that must not happen, though nothing failed. */
export class RolledBack extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('rolled back')
    this.result = result
  }
}

const int8 = 20

function checkedInt8(text: string): number {
  const value = Number(text)
  assert(Number.isSafeInteger(value), `${text} is too large for a number`)
  return value
}

function tlsOptions({ host }: DatabaseUrl, { authority, certificate, key }: Certificates) {
  return {
    rejectUnauthorized: true,
    // Also an address is compared with the certificate.
    host,
    ...(authority === null ? {} : { ca: authority }),
    ...(certificate === null || key === null ? {} : { cert: certificate, key }),
  }
}
