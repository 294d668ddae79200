/**
 * The keys of a token issuer (JWKS, RFC 7517), from a file or an https URL that the operator configured.
 *
 * Hides fetching and refreshing: keys are fetched again when they are old, or when a token names an unknown key, but not more often
 * than the configured pause allows, so that tokens with invented key names cannot flood the issuer. Redirects are not followed.
 */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { isLoopback, type System } from '../base.ts'
import type { Logger } from '../logger.ts'
import { download } from './download.ts'

export interface JwksOptions {
  system: System
  logger: Logger
  /** `file:///…`, `https://…`, or http on this machine. */
  url: string
  refreshMs: number
  /** The least time between two fetches. */
  pauseMs: number
}

export interface SigningKey {
  readonly id: string | null
  /** The only algorithm it is for, when it says so. */
  readonly algorithm: string | null
  readonly key: KeyObject
}

const leastRsaBits = 2048

/** Why the URL cannot be used, or null. */
export function jwksUrlProblem(text: string): string | null {
  if (!URL.canParse(text)) return `${text} is not a URL`
  return new URL(text).protocol === 'file:' ? null : issuerUrlProblem(text, 'an https: or file: URL')
}

/** The same for what an issuer is asked over the network. */
export function issuerUrlProblem(text: string, wanted = 'an https: URL'): string | null {
  if (!URL.canParse(text)) return `${text} is not a URL`
  const { protocol, hostname, username } = new URL(text)
  if (username !== '') return 'it must not contain a user name'
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)) ? null : `it must be ${wanted}`
}

export class Jwks {
  readonly #options: JwksOptions
  #keys: readonly SigningKey[] = []
  /** Monotonic. */
  #fetchedMs = Number.NEGATIVE_INFINITY
  #triedMs = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | null = null

  constructor(options: JwksOptions) {
    this.#options = options
  }

  /** Keys that may have signed a token which names this one; none when the name is not known. */
  async keys(id: string | null): Promise<readonly SigningKey[]> {
    const age = this.#now() - this.#fetchedMs
    if (age > this.#options.refreshMs || this.#find(id).length === 0) await this.#refresh()
    return this.#find(id)
  }

  /** A token that does not name its key is accepted only if there is exactly one key. */
  #find(id: string | null): readonly SigningKey[] {
    return id === null ? (this.#keys.length === 1 ? this.#keys : []) : this.#keys.filter(key => key.id === id)
  }

  #refresh(): Promise<void> {
    if (this.#fetching !== null) return this.#fetching
    if (this.#now() - this.#triedMs < this.#options.pauseMs) return Promise.resolve()
    this.#triedMs = this.#now()
    this.#fetching = this.#fetch().finally(() => {
      this.#fetching = null
    })
    return this.#fetching
  }

  async #fetch(): Promise<void> {
    const { url, logger } = this.#options
    try {
      this.#keys = parseKeys(url.startsWith('file:') ? this.#read() : await this.#download())
      this.#fetchedMs = this.#now()
    } catch (error) {
      logger.warn({ err: error, url }, 'cannot fetch the keys of the token issuer; known keys stay in use')
    }
  }

  #read(): string {
    const path = decodeURIComponent(new URL(this.#options.url).pathname)
    const bytes = this.#options.system.files.readFile(path)
    if (bytes === null) throw new Error(`file not found: ${path}`)
    return bytes.toString('utf8')
  }

  async #download(): Promise<string> {
    const { status, text } = await download(this.#options.url, this.#options.system.timers)
    if (status < 200 || status > 299) throw new Error(`HTTP status ${status}`)
    return text
  }

  #now(): number {
    return this.#options.system.clock.monotonic()
  }
}

function parseKeys(text: string): SigningKey[] {
  const set: unknown = JSON.parse(text)
  const keys = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : null
  if (!Array.isArray(keys)) throw new Error('it is not a JSON Web Key Set')
  return keys.flatMap((key: unknown) => parseKey(key as Record<string, unknown>) ?? [])
}

/** null for keys that cannot sign tokens. Shared secrets are never accepted: anyone who can verify with one could also create tokens. */
function parseKey(jwk: Record<string, unknown> | null): SigningKey | null {
  if (jwk === null || typeof jwk !== 'object') return null
  const { kid, alg, use, kty } = jwk
  if (!['RSA', 'EC', 'OKP'].includes(kty as string) || (use !== undefined && use !== 'sig')) return null
  // Only the public part, in case the private one was published.
  const { kty: type, n, e, crv, x, y } = jwk as JsonWebKey
  const key = createPublicKey({ key: JSON.parse(JSON.stringify({ kty: type, n, e, crv, x, y })) as JsonWebKey, format: 'jwk' })
  if (kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < leastRsaBits) return null
  return { id: typeof kid === 'string' ? kid : null, algorithm: typeof alg === 'string' ? alg : null, key }
}
