/** What a person shows: a user name with its password, or a token of the issuer that the broker trusts. */
import { createHmac } from 'node:crypto'
import type { ClientProperties } from '../client.ts'

export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }

/** The credentials are missing or wrong, or it was tried too often. */
export class Unauthorized extends Error {
  /** null: it may be tried again at once. */
  readonly retryAfterSeconds: number | null

  constructor(message: string, retryAfterSeconds: number | null = null) {
    super(message)
    this.name = 'Unauthorized'
    this.retryAfterSeconds = retryAfterSeconds
  }
}

const mostCharacters = 16_384

/** Of an Authorization header: Basic (RFC 7617) or Bearer (RFC 6750). Throws Unauthorized. */
export function credentialsIn(authorization: string | undefined): Credentials {
  const [, scheme, value] = /^(Basic|Bearer) +([A-Za-z0-9+/=._~-]+)$/i.exec(authorization ?? '') ?? []
  if (scheme === undefined) throw new Unauthorized('Log in with HTTP Basic: the user name and password of the Kafka user')
  if (scheme.toLowerCase() === 'bearer') return { kind: 'token', token: value! }
  const text = Buffer.from(value!, 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at <= 0) throw new Unauthorized('The Authorization header has no user name')
  return { kind: 'password', username: text.slice(0, at), password: text.slice(at + 1) }
}

/** The header that says the same. */
export function authorizationFor(credentials: Credentials): string {
  if (credentials.kind === 'token') return `Bearer ${credentials.token}`
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
}

/** Under which credentials are remembered: without the secret of this process it tells nothing. */
export function hashOf(credentials: Credentials, secret: Buffer): string {
  const parts = credentials.kind === 'token' ? ['token', credentials.token] : ['password', credentials.username, credentials.password]
  const hmac = createHmac('sha256', secret)
  for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part)
  return hmac.digest('base64')
}

/** What no broker would take, and libraries would stumble over. Throws Unauthorized. */
export function checkCredentials(credentials: Credentials): void {
  const parts = credentials.kind === 'token' ? [credentials.token] : [credentials.username, credentials.password]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (parts.some(part => part === '' || part.length > mostCharacters || /[\0-\x1f\x7f]/.test(part)))
    throw new Unauthorized('The user name or the password is wrong')
}

/** How a client logs in with them. A token is asked for again at each connection, because it may have been renewed. */
export function loginProperties(credentials: Credentials, mechanism: string): ClientProperties {
  if (credentials.kind === 'token') return { 'sasl.mechanism': 'OAUTHBEARER', 'sasl.oauthbearer.token': credentials.token }
  return { 'sasl.mechanism': mechanism, 'sasl.username': credentials.username, 'sasl.password': credentials.password }
}

/** The user, or who the token is about. The broker has verified the token, or the login has failed. */
export function principalOf(credentials: Credentials, subjectClaim: string): string {
  if (credentials.kind === 'password') return `User:${credentials.username}`
  try {
    const claims = JSON.parse(Buffer.from(credentials.token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
    const subject = Object.hasOwn(claims, subjectClaim) ? claims[subjectClaim] : undefined
    if (typeof subject === 'string' && subject !== '') return `User:${subject}`
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return 'User:(token)'
}

/** Of whoever brings credentials of their own. With TLS and no SASL, a certificate would be the services' own login. */
export function withoutLogin(properties: ClientProperties): ClientProperties {
  const isCertificateLogin = (properties['security.protocol'] ?? '').trim().toUpperCase() === 'SSL'
  const own = isCertificateLogin ? /^(?:sasl\.|ssl\.(?:keystore|key|certificate)\.)/ : /^sasl\./
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !own.test(name)))
}

/** Of a client with a password, as it would say it to a service over HTTP; undefined: it has none. */
export function basicLogin(properties: Readonly<Record<string, string>>): string | undefined {
  const { 'sasl.username': username, 'sasl.password': password } = properties
  return username === undefined || password === undefined ? undefined : authorizationFor({ kind: 'password', username, password })
}
