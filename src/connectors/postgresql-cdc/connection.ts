/** Connections to PostgreSQL by `pg`, which is loaded when the first one is opened, and what their errors mean. */
import type { Client, ClientConfig, CustomTypesConfig } from 'pg'
import type { FileSystem } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { isUntrusted } from '../certificates.ts'
import type { Config } from './keys.ts'

/** Values have the same text then, whatever the server's settings are, in queries and in the stream. */
const settings = {
  datestyle: 'ISO,YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  lc_monetary: 'C',
}

type Ssl = NonNullable<ClientConfig['ssl']>

/** Throws RetriableError when the server is away, and Error when it refuses. */
export async function connect(config: Config, files: FileSystem, purpose: 'queries' | 'replication'): Promise<Client> {
  const mode = config['database.sslmode']
  const ssl = mode === 'disable' ? false : sslOf(config, files)
  try {
    return await open(config, purpose, ssl)
  } catch (error) {
    if (mode === 'prefer' && ssl !== false && noTls.test((error as Error).message)) return open(config, purpose, false).catch(fail)
    return fail(error)
  }
}

function sslOf(config: Config, files: FileSystem): Ssl {
  const read = (key: 'database.sslrootcert' | 'database.sslcert' | 'database.sslkey') => {
    const path = config[key]
    if (path === '') return undefined
    const content = files.readFile(path)
    if (content === null) throw new Error(`${key}: there is no file ${path}`)
    return content.toString()
  }
  const mode = config['database.sslmode']
  const [ca, cert, key] = [read('database.sslrootcert'), read('database.sslcert'), read('database.sslkey')]
  const passphrase = config['database.sslpassword']
  return {
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full',
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(passphrase !== null && { passphrase }),
    ...(mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
  }
}

async function open(config: Config, purpose: 'queries' | 'replication', ssl: boolean | Ssl): Promise<Client> {
  const { Client } = (await import('pg')).default
  const password = config['database.password']
  const timeout = config['database.query.timeout.ms']
  const client = new Client({
    host: config['database.hostname'],
    port: config['database.port'],
    user: config['database.user'],
    database: config['database.dbname'],
    ...(password !== null && { password }),
    ssl,
    connectionTimeoutMillis: config['connection.validation.timeout.ms'],
    keepAlive: true,
    application_name: 'millrace connect',
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    ...(purpose === 'replication' ? { replication: 'database' } : timeout > 0 && { query_timeout: timeout, statement_timeout: timeout }),
  } as ClientConfig)
  // Without a listener an error of an idle connection would end the process; the next query fails.
  client.on('error', () => {})
  await client.connect()
  const statements = config['database.initial.statements']
  if (purpose === 'queries' && statements !== '') await client.query(statements)
  return client
}

/** Later it may go: connections, resources, an operator's intervention, a slot that its last reader has not left yet. */
const passing = /^(?:08|53|57|58|40|55006|55P03|25P0[34])/

const noTls = /does not support SSL/

export function fail(error: unknown): never {
  throw failure(error)
}

/** What the worker is to make of it. */
export function failure(error: unknown): Error {
  if (error instanceof RetriableError) return error
  const { code = '', severity, message } = error as { code?: string; severity?: string; message: string }
  if (noTls.test(message)) return new Error(`${message}; database.sslmode=prefer or disable goes without`, { cause: error })
  if (isUntrusted(error)) return new Error(`PostgreSQL's certificate is not accepted: ${message}`, { cause: error })
  // Only errors of the server have a severity; the others are of the connection.
  if (severity === undefined && error instanceof Error && (code !== '' || /connection|timeout|socket|terminated|closed/i.test(message)))
    return new RetriableError(`PostgreSQL is away: ${message || code}`, { cause: error })
  if (severity !== undefined && passing.test(code)) return new RetriableError(`PostgreSQL: ${message}`, { cause: error })
  return error instanceof Error ? error : new Error(String(error))
}

export type Row = Readonly<Record<string, unknown>>

export async function ask(client: Client, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
  const result = await client.query(sql, values as unknown[]).catch(fail)
  return (result.rows ?? []) as Row[]
}

const asText = { getTypeParser: () => (text: string) => text } as unknown as CustomTypesConfig

/** Rows as the server writes their values. */
export async function askText(client: Client, sql: string, values: readonly unknown[] = []): Promise<(string | null)[][]> {
  const result = await client.query({ text: sql, values: values as unknown[], rowMode: 'array', types: asText }).catch(fail)
  return result.rows as (string | null)[][]
}

export function quoted(...names: readonly string[]): string {
  return names.map(name => `"${name.replaceAll('"', '""')}"`).join('.')
}

export function literal(text: string): string {
  return `${text.includes('\\') ? 'E' : ''}'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
