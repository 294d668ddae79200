/** PostgreSQL as the database's backend: opens connections that are checked, over TLS unless on this machine. */
import type { System } from '../../base.ts'
import type { Frame, Writes } from '../../store.ts'
import { type Backend, DatabaseRefused, type Queries } from '../database/backend.ts'
import { type Certificates, Connection } from './connection.ts'
import { type DatabaseUrl, parseDatabaseUrl } from './database-url.ts'
import { PostgresQueries } from './queries.ts'
import { checkServer, refusePooler } from './schema.ts'
import { insertFrame, metadataChannel, transact } from './transact.ts'

export interface PostgresOptions {
  system: System
  /** `postgres://user@host:port/database?sslmode=…` */
  url: string
  environment: Readonly<Record<string, string | undefined>>
  /** How long an object outlives the last row that names it: longer than any read, and than the window of point-in-time recovery. */
  graceMs: number
  /** What an operator should know. */
  warn?(what: string): void
}

const checkTimeoutMs = 5_000

/** Throws an error that says what is wrong with the URL; connects to nobody yet. */
export function postgres(options: PostgresOptions): () => Promise<Backend> {
  const url = parseDatabaseUrl(options.url, options.environment)
  return async () => {
    const { timers } = options.system
    const open = (pipelined: boolean) => Connection.open(timers, url, certificatesOf(options.system, url), pipelined)
    const connection = await open(true)
    const timer = timers.after(checkTimeoutMs, () => connection.close())
    try {
      await checkServer(connection, options.warn ?? (() => {}))
    } catch (error) {
      connection.close()
      throw error
    } finally {
      timer.cancel()
    }
    return new PostgresBackend(connection, { schema: url.schema, graceMs: options.graceMs, open: () => open(false) })
  }
}

/** Read for each connection: they are renewed while a broker runs. */
function certificatesOf({ files }: System, { tls }: DatabaseUrl): Certificates | null {
  if (tls === null) return null
  const read = (path: string | null) => {
    if (path === null) return null
    const content = files.readFile(path)
    if (content === null) throw new DatabaseRefused(`the file ${path} of the database's URL is missing`)
    return content
  }
  return { authority: read(tls.authority), certificate: read(tls.certificate), key: read(tls.key) }
}

class PostgresBackend implements Backend {
  readonly queries: Queries
  readonly #connection: Connection
  readonly #schema: string
  readonly #graceMs: number

  constructor(connection: Connection, { schema, graceMs, open }: { schema: string; graceMs: number; open: () => Promise<Connection> }) {
    this.#connection = connection
    this.#schema = schema
    this.#graceMs = graceMs
    this.queries = new PostgresQueries(connection, { schema, graceMs, checkPooler: () => refusePooler(connection, open) })
  }

  insertFrame(frame: Frame): Promise<boolean> {
    return insertFrame(this.#connection, frame)
  }

  transact(frame: Frame, writes: Writes) {
    return transact(this.#connection, frame, writes, this.#graceMs)
  }

  onLost(callback: (error: Error) => void): void {
    this.#connection.onLost(callback)
  }

  /** The channel is one for the database: other clusters in it have other schemas. */
  listen(callback: (end: number) => void): Promise<void> {
    return this.#connection.listen(metadataChannel, payload => {
      const [schema, end] = payload.split(' ')
      if (schema === this.#schema && Number.isSafeInteger(Number(end))) callback(Number(end))
    })
  }

  close(): void {
    this.#connection.close()
  }
}
