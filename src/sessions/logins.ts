/**
 * Who is logged in with a browser. The browser has a random token; here its hash finds the login, whose credentials are encrypted with a key that only the
 * token gives. So neither the memory of this process nor a list of its logins lets anybody act for a person who is not there.
 */
import { createHash } from 'node:crypto'
import type { System } from '../base.ts'
import type { Credentials } from './credentials.ts'
import { seal, unseal } from './seal.ts'

export interface Login {
  readonly credentials: Credentials
  /** Of a provider; null: none. */
  readonly refreshToken: string | null
  /** When the credentials end, on the monotonic clock; null: never. */
  readonly expiresMs: number | null
}

export interface LoginsOptions {
  /** A login ends after so long without use. */
  readonly idleMs: number
  /** And after so long in any case. */
  readonly mostMs: number
  readonly system: Pick<System, 'clock' | 'random'>
}

interface Kept {
  readonly principal: string
  readonly sinceMs: number
  usedMs: number
  sealed: Buffer
}

const mostLogins = 2_000
const mostOfPrincipal = 50
const tokenBytes = 32
const tokenSyntax = /^[A-Za-z0-9_-]{43}$/

export class Logins {
  readonly #options: LoginsOptions
  /** By hash of the token, in the order of use, the oldest first. */
  readonly #logins = new Map<string, Kept>()

  constructor(options: LoginsOptions) {
    this.#options = options
  }

  /** Resolves to a token that nobody has had before. */
  begin(principal: string, login: Login): string {
    const { clock, random } = this.#options.system
    const bytes = Buffer.alloc(tokenBytes)
    random.fill(bytes)
    const token = bytes.toString('base64url')
    const now = clock.monotonic()
    this.#makeRoom(principal)
    this.#logins.set(nameOf(token), { principal, sinceMs: now, usedMs: now, sealed: this.#seal(token, login) })
    return token
  }

  /** `idleMs`: for so long nobody has done anything with it. null: there is none, or it has ended. */
  find(token: string | undefined, idleMs = 0): Login | null {
    if (token === undefined || !tokenSyntax.test(token)) return null
    const name = nameOf(token)
    const kept = this.#logins.get(name)
    if (kept === undefined) return null
    this.#logins.delete(name)
    const now = this.#options.system.clock.monotonic()
    if (now - kept.usedMs > this.#options.idleMs || now - kept.sinceMs > this.#options.mostMs) return null
    kept.usedMs = Math.max(kept.usedMs, now - idleMs)
    this.#logins.set(name, kept)
    return JSON.parse(unseal(keyOf(token), kept.sealed)!) as Login
  }

  /** After its credentials were renewed. */
  replace(token: string, login: Login): void {
    const kept = this.#logins.get(nameOf(token))
    if (kept !== undefined) kept.sealed = this.#seal(token, login)
  }

  end(token: string | undefined): void {
    if (token !== undefined) this.#logins.delete(nameOf(token))
  }

  #seal(token: string, login: Login): Buffer {
    return seal(keyOf(token), JSON.stringify(login), this.#options.system.random)
  }

  #makeRoom(principal: string): void {
    const own: string[] = []
    for (const [name, kept] of this.#logins) if (kept.principal === principal) own.push(name)
    if (own.length >= mostOfPrincipal) this.#logins.delete(own[0]!)
    if (this.#logins.size >= mostLogins) this.#logins.delete(this.#logins.keys().next().value!)
  }
}

const nameOf = (token: string) => createHash('sha256').update(`name ${token}`).digest('base64')
const keyOf = (token: string) => createHash('sha256').update(`key ${token}`).digest()
