/** Where a database is: JDBC's URLs and those of the databases' own tools. */
import { problemBy } from '../entries.ts'

export interface Address {
  readonly kind: 'postgresql' | 'mysql'
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | null
  /** null: no TLS. */
  readonly tls: { readonly isVerified: boolean } | null
  /** PostgreSQL's currentSchema. */
  readonly schema: string | null
}

const defaultPort = { postgresql: 5432, mysql: 3306 } as const
const kinds: Readonly<Record<string, Address['kind']>> = {
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mysql',
}

/** Throws SyntaxError. */
export function addressOf(text: string): Address {
  const match = /^(?:jdbc:)?([a-z]+):\/\/(.*)$/i.exec(text)
  const kind = kinds[match?.[1]?.toLowerCase() ?? '']
  if (match === null || kind === undefined || !URL.canParse(`http://${match[2]}`))
    throw new SyntaxError('must be the URL of a PostgreSQL or MySQL database, such as jdbc:postgresql://host:5432/database')
  const url = new URL(`http://${match[2]}`)
  const parameters = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]))
  // A URL is shown to everybody.
  if (url.password !== '' || parameters.has('password'))
    throw new SyntaxError('must not have a password: set connection.password, which is never shown')
  return {
    kind,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    // `http:` takes its own port away.
    port: Number(url.port) || (/^[^/]*:80(?:\/|$)/.test(match[2]!) ? 80 : defaultPort[kind]),
    database: decodeURIComponent(url.pathname.slice(1)),
    user: parameters.get('user') ?? (url.username === '' ? null : decodeURIComponent(url.username)),
    tls: tlsOf(parameters),
    schema: parameters.get('currentschema') ?? null,
  }
}

function tlsOf(parameters: ReadonlyMap<string, string>): Address['tls'] {
  const mode = (parameters.get('sslmode') ?? '').toLowerCase().replaceAll('_', '-')
  if (mode === 'verify-ca' || mode === 'verify-full' || mode === 'verify-identity') return { isVerified: true }
  if (mode === 'require' || mode === 'required' || mode === 'trust') return { isVerified: false }
  return mode === '' && (parameters.get('ssl') ?? parameters.get('usessl')) === 'true' ? { isVerified: true } : null
}

/** For `check` of the key. */
export const databaseProblem = problemBy(addressOf)
