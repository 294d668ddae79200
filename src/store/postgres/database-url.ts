/**
 * Parses `postgres://user@host:port/database?sslmode=…`. Each error names the part that is wrong and what is allowed, and never shows the URL: in a
 * wrong one nobody knows where the password ends.
 */
import { isLoopback } from '../../base.ts'

export interface DatabaseUrl {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** null: none is given; a server that asks for one refuses. */
  readonly password: string | null
  /** The schema that holds the tables. */
  readonly schema: string
  /** null: in clear text. */
  readonly tls: { readonly authority: string | null; readonly certificate: string | null; readonly key: string | null } | null
}

const encoded = 'with special characters of the password percent-encoded (/ as %2F, ? as %3F, # as %23, @ as %40, % as %25)'
const parameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'schema'] as const

/** `environment`: for PGPASSWORD and PGUSER. Throws an error that says what to write. */
export function parseDatabaseUrl(text: string, environment: Readonly<Record<string, string | undefined>>): DatabaseUrl {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol) || url.hash !== '')
    throw bad(`it must look like postgres://user:password@host:port/database, ${encoded}`)
  for (const [name, value] of url.searchParams) {
    if (!parameters.some(each => each === name)) {
      const named = /^[a-z_]+$/.test(name) ? `parameter ${name}` : `parameter, or a password that holds a question mark`
      throw bad(`unknown ${named}; allowed: ${parameters.join(', ')}`)
    }
    if (value === '') throw bad(`${name} is empty`)
  }
  if (url.hostname === '') throw bad('a host is missing')
  const database = decoded(url.pathname.slice(1))
  if (database === '' || database.includes('/')) throw bad('the path must be the name of a database')
  const user = decoded(url.username) || environment['PGUSER'] || ''
  if (user === '') throw bad('a user is missing; write it before the host, or set PGUSER')
  const schema = url.searchParams.get('schema') ?? 'millrace'
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) throw bad(`the schema "${schema}" must have lower-case letters, digits and underscores`)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    user,
    password: decoded(url.password) || environment['PGPASSWORD'] || null,
    schema,
    tls: tlsOf(url),
  }
}

/** Over a network the server must prove who it is: there is no mode that encrypts without that. */
function tlsOf(url: URL): DatabaseUrl['tls'] {
  const mode = url.searchParams.get('sslmode') ?? (isLoopback(url.hostname) ? 'disable' : 'verify-full')
  const [authority, certificate, key] = ['sslrootcert', 'sslcert', 'sslkey'].map(name => url.searchParams.get(name))
  if (mode === 'disable') {
    if (authority || certificate || key) throw bad('sslmode=disable does not go with certificates')
    return null
  }
  if (mode !== 'verify-full' && mode !== 'require')
    throw bad(`sslmode=${mode} is not supported; allowed: verify-full (require means the same), disable`)
  if ((certificate === null) !== (key === null)) throw bad('sslcert and sslkey belong together')
  return { authority: authority!, certificate: certificate!, key: key! }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw bad(`a percent sign is not followed by two hexadecimal digits; ${encoded}`)
  }
}

function bad(reason: string): Error {
  return new Error(`the URL of the database is wrong: ${reason}`)
}
