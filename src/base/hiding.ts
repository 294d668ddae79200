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

// With bounds: a long text must not be looked at again for each of its letters.
const telling =
  '[\\w-]{0,40}(?:authorization|cookie|credential|passw(?:or)?d|pwd|secret|token|(?:api|access|private)[-_]?key|signature)[\\w-]{0,40}'
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

const asText = (text: string) => text

export const hidesNothing: Hiding = hidingWith(asText)

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
  return hidingWith(text)
}

function hidingWith(text: (whole: string) => string): Hiding {
  const error = (thrown: unknown) => hiddenError(thrown, text)
  return { text, error, fields: fields => plain(fields, text, error) }
}

function add(secrets: Set<string>, secret: string): void {
  // What is behind the scheme of an Authorization header is the secret, and may be told alone.
  const credentials = /^(?:basic|bearer|token) +(\S.*)$/i.exec(secret)?.[1]
  if (credentials !== undefined) add(secrets, credentials)
  const inJson = JSON.stringify(secret).slice(1, -1)
  for (const each of [secret, encodeURIComponent(secret.toWellFormed()), inJson, ...inBase64(secret)])
    if (each.length >= leastLength) secrets.add(each)
}

/** Also as a part of something longer, such as `user:password`: the letters that are the same whatever stands around it, for each of the three places where it may begin. */
function inBase64(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const parts = [0, 1, 2].map(before => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const [from, to] = [Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)]
    return whole.slice(from, to)
  })
  return [bytes.toString('base64'), ...parts]
}

/** What stands in place of the references of `asked`: of `Bearer ${env:TOKEN}`, the token alone. */
function provided(asked: string, value: string): string {
  const first = asked.indexOf('${')
  const end = asked.length - 1 - asked.lastIndexOf('}')
  return value.slice(Math.max(first, 0), value.length - end)
}

/** Of one text. What is longer says nothing more, and would have to be carried, logged and stored. */
const mostCharacters = 32_768
/** One error may be its own cause. */
const mostCauses = 8

/** Behind what is hidden: half a secret would be seen. */
function cut(text: string): string {
  return text.slice(0, mostCharacters)
}

/** Anything may be thrown, and an object of a stranger may throw when it is looked at. */
function hiddenError(thrown: unknown, text: (whole: string) => string, depth = 0): Error {
  const say = (value: unknown) => cut(text(textOf(value)))
  if (!(thrown instanceof Error))
    return new Error(typeof thrown === 'string' ? say(thrown) : `${say(thrown)} was thrown, which is no error`)
  const { message, name, stack, cause } = reading(thrown)
  const deeper = cause === undefined || depth >= mostCauses ? {} : { cause: hiddenError(cause, text, depth + 1) }
  const shown = new Error(say(message), deeper)
  shown.name = say(name)
  if (stack !== undefined) shown.stack = say(stack)
  return shown
}

function reading(error: Error): { message: unknown; name: unknown; stack: unknown; cause: unknown } {
  const read = (field: 'message' | 'name' | 'stack' | 'cause', otherwise?: string) => {
    try {
      return error[field]
    } catch {
      return otherwise
    }
  }
  return { message: read('message', 'its message cannot be read'), name: read('name', 'Error'), stack: read('stack'), cause: read('cause') }
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'something that has no text'
  }
}

function plain(fields: object, text: (whole: string) => string, error: (error: unknown) => Error): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? told(error(value)) : simple(value, text)]),
  )
}

function simple(value: unknown, text: (whole: string) => string): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value
  return cut(text(typeof value === 'object' ? jsonOf(value) : textOf(value)))
}

function jsonOf(value: object): string {
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)) ?? textOf(value)
  } catch {
    return textOf(value)
  }
}

function told({ message, stack }: Error): { message: string; stack: string | undefined } {
  return { message, stack }
}
