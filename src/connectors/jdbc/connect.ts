/** The keys of the database that sink and source have in common, and the connection that they make. */
import { intMs, password, string, type TaskContext, type ValuesOf } from '../../connector.ts'
import { datePatternProblem } from '../template/date-pattern.ts'
import { addressOf, databaseProblem } from './address.ts'
import type { Database } from './database.ts'
import { openMysql } from './mysql.ts'
import { openPostgres } from './postgres.ts'

export const connectionKeys = {
  'connection.url': string({
    required: true,
    importance: 'high',
    check: databaseProblem,
    allowed: 'jdbc:postgresql://…, jdbc:mysql://…, jdbc:mariadb://…, or the same without jdbc:',
    doc: 'The database: `jdbc:postgresql://db:5432/shop?sslmode=require`, `jdbc:mysql://db:3306/shop`.',
  }),
  'connection.user': string({ default: null, importance: 'high', doc: 'User of the database.' }),
  'connection.password': password({ importance: 'high', doc: 'Password of the user.' }),
  'connection.timeout.ms': intMs({ default: 10_000, min: 1, importance: 'low', doc: 'How long connecting may take.' }),
  'query.timeout.ms': intMs({ default: 60_000, min: 1, importance: 'low', doc: 'How long one statement may take.' }),
} as const

export const zoneKey = {
  'db.timezone': string({
    default: 'UTC',
    check: zone => datePatternProblem(`yyyy@${zone}`),
    doc: 'The time zone of columns that are times without a zone.',
  }),
} as const

type ConnectionConfig = ValuesOf<typeof connectionKeys & typeof zoneKey> & { readonly 'quote.sql.identifiers': 'always' | 'never' }

/** Throws DatabaseError. `context`: of the task; when its signal is aborted, what is asked is given up. */
export async function openDatabase(
  config: ConnectionConfig,
  { system, signal }: Pick<TaskContext, 'system' | 'signal'>,
): Promise<Database> {
  const address = addressOf(config['connection.url'])
  const isQuoted = config['quote.sql.identifiers'] === 'always'
  const settings = {
    address,
    user: config['connection.user'] ?? address.user,
    password: config['connection.password'],
    connectTimeoutMs: config['connection.timeout.ms'],
    queryTimeoutMs: config['query.timeout.ms'],
    timezone: config['db.timezone'],
    limits: { system, signal },
  }
  return address.kind === 'postgresql' ? openPostgres(settings, isQuoted ? '"' : '') : openMysql(settings, isQuoted ? '`' : '')
}

/** For errors. */
export function serverOf(config: Pick<ConnectionConfig, 'connection.url'>): string {
  const { kind, host, port } = addressOf(config['connection.url']!)
  return `${kind} at ${host}:${port}`
}
