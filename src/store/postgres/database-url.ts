/** Parses `postgres://user@host:port/database?sslmode=…`. Each error names the part, its value and what is allowed. */

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

const parameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'schema'] as const

/** `environment`: for PGPASSWORD and PGUSER. Throws an error that says what to write, and never holds the password. */
export function parseDatabaseUrl(text: string, environment: Readonly<Record<string, string | undefined>>): DatabaseUrl {
  const bad = (reason: string) => new Error(`the URL of the database is wrong: ${reason} (it is ${withoutPassword(text)})`)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol) || url.hash !== '')
    throw bad('it must look like postgres://user:password@host:port/database')
  for (const [name, value] of url.searchParams) {
    if (!parameters.some(each => each === name)) throw bad(`unknown parameter ${name}; allowed: ${parameters.join(', ')}`)
    if (value === '') throw bad(`${name} is empty`)
  }
  if (url.hostname === '') throw bad('a host is missing')
  const database = decodeURIComponent(url.pathname.slice(1))
  if (database === '' || database.includes('/')) throw bad('the path must be the name of a database')
  const user = decodeURIComponent(url.username) || environment['PGUSER'] || ''
  if (user === '') throw bad('a user is missing; write it before the host, or set PGUSER')
  const schema = url.searchParams.get('schema') ?? 'millrace'
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) throw bad(`the schema "${schema}" must have lower-case letters, digits and underscores`)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    user,
    password: decodeURIComponent(url.password) || environment['PGPASSWORD'] || null,
    schema,
    tls: tlsOf(url, bad),
  }
}

/** Over a network the server must prove who it is: there is no mode that encrypts without that. */
function tlsOf(url: URL, bad: (reason: string) => Error): DatabaseUrl['tls'] {
  const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
  const mode = url.searchParams.get('sslmode') ?? (loopback ? 'disable' : 'verify-full')
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

function withoutPassword(text: string): string {
  return text.replace(/(\/\/[^:/?@]*):[^/?]*@/, '$1:…@')
}
