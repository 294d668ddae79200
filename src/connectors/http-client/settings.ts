/** Keys that connectors to HTTP targets have in common, and the client that they make. */
import type { System } from '../../base.ts'
import { boolean, intMs, password, string, type ValuesOf } from '../../connector.ts'
import { HttpClient, type TlsSettings } from './http-client.ts'

export const tlsKeys = {
  'ssl.ca.location': string({
    default: null,
    importance: 'low',
    doc: 'PEM file of the authorities that are trusted. Default: those of Node.js.',
  }),
  'ssl.certificate.location': string({
    default: null,
    importance: 'low',
    doc: 'PEM file of the certificate with which this client shows who it is.',
  }),
  'ssl.key.location': string({ default: null, importance: 'low', doc: 'PEM file of the key of that certificate.' }),
  'ssl.key.password': password({ importance: 'low', doc: 'Password of that key.' }),
  'ssl.verify': boolean({
    default: true,
    importance: 'low',
    doc: "Whether the target's certificate is checked. Turn it off for tests only.",
  }),
} as const

export const httpKeys = {
  'request.timeout.ms': intMs({ default: 30_000, min: 1, importance: 'low', doc: 'How long one request may take.' }),
  'connection.username': string({ default: null, doc: 'User name for Basic authentication.' }),
  'connection.password': password({ doc: 'Password for Basic authentication.' }),
  ...tlsKeys,
} as const

type HttpConfig = ValuesOf<typeof httpKeys>
type TlsConfig = ValuesOf<typeof tlsKeys>

export function openHttpClient(
  config: TlsConfig & Pick<HttpConfig, 'request.timeout.ms'>,
  { system, signal }: { readonly system: System; readonly signal: AbortSignal },
): HttpClient {
  return new HttpClient({ system, signal, timeoutMs: config['request.timeout.ms'], tls: tlsOf(config, system) })
}

/** Throws if a file is missing. */
export function tlsOf(config: TlsConfig, system: System): TlsSettings {
  const file = (key: 'ssl.ca.location' | 'ssl.certificate.location' | 'ssl.key.location') => {
    const path = config[key]
    if (path === null) return undefined
    const content = system.files.readFile(path)
    if (content === null) throw new Error(`${key}: there is no file ${path}`)
    return content
  }
  const ca = file('ssl.ca.location')
  const cert = file('ssl.certificate.location')
  const key = file('ssl.key.location')
  const passphrase = config['ssl.key.password']
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(passphrase !== null && { passphrase }),
    rejectUnauthorized: config['ssl.verify'],
  }
}

export function authorization(config: Pick<HttpConfig, 'connection.username' | 'connection.password'>): Record<string, string> {
  const user = config['connection.username']
  if (user === null) return {}
  return { authorization: `Basic ${Buffer.from(`${user}:${config['connection.password'] ?? ''}`).toString('base64')}` }
}

/** RFC 9110, section 5.1. */
export function isHeaderName(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)
}

/** For `check` of a key: why it is no URL of HTTP, or null. */
export function urlProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? null : 'must be a URL that begins with http:// or https://'
}
