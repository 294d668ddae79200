/**
 * What must not leave a worker: the values of passwords, and what providers gave. A target may answer with what it was sent, and a library may put what it was given into its
 * errors; so every text that a connector or an endpoint has a part in goes through here before it is logged, stored or shown.
 */
import type { Declarations } from './config.ts'

type Config = Readonly<Record<string, string>>

const hidden = '[hidden]'
/** Shorter ones are parts of any text, and no secrets. */
const leastLength = 4

/**
 * Names tell: keys of clients and converters are not declared by connectors, and a value stays in a configuration whose class changes. A test sees to it that they
 * tell of all passwords of this package's connectors.
 */
export function isSecret(key: string): boolean {
  return (
    /password|secret|jaas\.config|user\.info|credential|authorization$|(?:^|[._])token$/i.test(key) ||
    /(?:access_key|(?:keystore|customer)\.key|connection\.uri)$/i.test(key)
  )
}

const telling = '[\\w-]*(?:authorization|cookie|credential|passw(?:or)?d|pwd|secret|token|(?:api|access|private)[-_]?key|signature)[\\w-]*'
const ofUrls = new RegExp(`//([^\\s/?#@:]*:([^\\s/?#@]+))@|[?&;]${telling}=([^\\s&;#]+)`, 'gi')
const ofHeaders = new RegExp(`(?:^|[^\\w-])${telling}\\s*[:=]\\s*([^|,&\\n]+)`, 'gi')

/** What stands within the value of a key that is no secret as a whole: the login and the tokens of a URL, and headers and parameters whose names tell. */
export function secretsWithin(key: string, value: string): string[] {
  // What a provider is asked for is no secret.
  const text = value.replace(/\$\{[^}]*\}/g, '')
  const patterns = /header|param/i.test(key) ? [ofUrls, ofHeaders] : /\s/.test(text) ? [] : [ofUrls]
  const found = patterns.flatMap(pattern => Array.from(text.matchAll(pattern), ([, ...groups]) => groups)).flat()
  return [...new Set(found.filter(each => each !== undefined))]
}

export interface Hiding {
  text(text: string): string
  /** With its causes. */
  error(error: unknown): Error
  /** Of a message of a log: plain, so that they can go to another thread. */
  fields(fields: object): object
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))
const asText = (text: string) => text

export const hidesNothing: Hiding = { text: asText, error: asError, fields: fields => plain(fields, asText, asError) }

/** `given`: as it is stored; `resolved`: with what providers give; `declared`: the keys of the connector. */
export function hidingOf(given: Config, resolved: Config, declared: Declarations): Hiding {
  const secrets = new Set<string>()
  for (const [key, value] of Object.entries(resolved)) {
    const asked = given[key] ?? value
    if (declared[key]?.type === 'PASSWORD' || isSecret(key)) add(secrets, value)
    for (const secret of secretsWithin(key, value)) add(secrets, secret)
    if (asked !== value) add(secrets, provided(asked, value))
  }
  return hidingAll(secrets)
}

/** Of these values, whatever they are of. */
export function hidingValues(values: readonly string[]): Hiding {
  const secrets = new Set<string>()
  for (const value of values) add(secrets, value)
  return hidingAll(secrets)
}

function hidingAll(secrets: ReadonlySet<string>): Hiding {
  if (secrets.size === 0) return hidesNothing
  // The longest first: one may be a part of another.
  const ordered = [...secrets].sort((one, other) => other.length - one.length)
  const text = (whole: string) => {
    let shown = whole
    for (const secret of ordered) if (shown.includes(secret)) shown = shown.replaceAll(secret, hidden)
    return shown
  }
  const error = (thrown: unknown) => hiddenError(thrown, text)
  return { text, error, fields: fields => plain(fields, text, error) }
}

function add(secrets: Set<string>, secret: string): void {
  // What is behind the scheme of an Authorization header is the secret, and may be told alone.
  const credentials = /^(?:basic|bearer|token) +(\S.*)$/i.exec(secret)?.[1]
  if (credentials !== undefined) add(secrets, credentials)
  const inJson = JSON.stringify(secret).slice(1, -1)
  for (const each of [secret, encodeURIComponent(secret.toWellFormed()), inJson, Buffer.from(secret).toString('base64')])
    if (each.length >= leastLength) secrets.add(each)
}

/** What stands in place of the references of `asked`: of `Bearer ${env:TOKEN}`, the token alone. */
function provided(asked: string, value: string): string {
  const first = asked.indexOf('${')
  const end = asked.length - 1 - asked.lastIndexOf('}')
  return value.slice(Math.max(first, 0), value.length - end)
}

function hiddenError(error: unknown, text: (whole: string) => string): Error {
  if (!(error instanceof Error)) return new Error(text(String(error)))
  const shown = new Error(text(error.message), error.cause === undefined ? {} : { cause: hiddenError(error.cause, text) })
  shown.name = error.name
  if (error.stack !== undefined) shown.stack = text(error.stack)
  return shown
}

function plain(fields: object, text: (whole: string) => string, error: (error: unknown) => Error): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? told(error(value)) : simple(value, text)]),
  )
}

function simple(value: unknown, text: (whole: string) => string): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'string') return text(value)
  return typeof value === 'object' && value !== null
    ? text(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)))
    : value
}

function told({ message, stack }: Error): { message: string; stack: string | undefined } {
  return { message, stack }
}
