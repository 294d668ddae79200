/** Connections to MySQL and MariaDB by `mysql2`, which is loaded when the first one is opened, and what their errors mean. */
import type { Connection, ConnectionOptions } from 'mysql2/promise'
import { RetriableError } from '../../connector.ts'
import { isUntrusted } from '../certificates.ts'
import type { Config } from './keys.ts'

/** Values are as exact as they can be: large numbers and times are text, times without zone are in UTC. */
export function optionsOf(config: Config): ConnectionOptions {
  const mode = config['database.ssl.mode']
  const password = config['database.password']
  return {
    host: config['database.hostname'],
    port: config['database.port'],
    user: config['database.user'],
    ...(password !== null && { password }),
    ...(mode !== 'disabled' &&
      mode !== 'preferred' && {
        ssl: { rejectUnauthorized: mode !== 'required', verifyIdentity: mode === 'verify_identity' },
      }),
    connectTimeout: config['connect.timeout.ms'],
    enableKeepAlive: true,
    charset: 'utf8mb4',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
  } as ConnectionOptions
}

/** Throws RetriableError when the server is away, and Error when it refuses. */
export async function connect(config: Config): Promise<Connection> {
  const { createConnection } = await import('mysql2/promise')
  const connection = await createConnection(optionsOf(config)).catch(fail)
  // Without a listener an error of an idle connection would end the process; the next query fails.
  connection.on('error', () => {})
  await ask(connection, `set session time_zone = '+00:00', sql_mode = '', net_write_timeout = 31536000, wait_timeout = 31536000`)
  return connection
}

/** The server has dropped the binlog from which the reader wants to go on. */
export class LostBinlog extends Error {}

/** Many connections, shutdown, deadlock, lock time-out, resources. */
const passing: ReadonlySet<number> = new Set([1_040, 1_053, 1_129, 1_203, 1_205, 1_213, 1_037, 1_041, 3_169])
const secureTransportRequired = 3_159
const fatalReading = 1_236

export function fail(error: unknown): never {
  throw failure(error)
}

/** What the worker is to make of it. */
export function failure(error: unknown): Error {
  if (error instanceof RetriableError) return error
  const { errno, code = '', sqlState, message } = error as { errno?: number; code?: string; sqlState?: string; message: string }
  if (errno === fatalReading) return new LostBinlog(message)
  if (isUntrusted(error)) return new Error(`the server's certificate is not accepted: ${message}`, { cause: error })
  if (errno === secureTransportRequired) return new Error(`${message} database.ssl.mode=required uses TLS`, { cause: error })
  // Only errors of the server have a state; the others are of the connection.
  if (sqlState === undefined && (code !== '' || /connection|closed|timeout/i.test(message)))
    return new RetriableError(`the database is away: ${message || code}`, { cause: error })
  if (errno !== undefined && passing.has(errno)) return new RetriableError(message, { cause: error })
  return error instanceof Error ? error : new Error(String(error))
}

export type Row = Readonly<Record<string, unknown>>

export async function ask(connection: Connection, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const [rows] = await connection.query(sql, values as unknown[]).catch(fail)
  return Array.isArray(rows) ? (rows as Row[]) : []
}

export function quoted(...names: readonly string[]): string {
  return names.map(name => `\`${name.replaceAll('`', '``')}\``).join('.')
}
