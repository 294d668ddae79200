/** Clients by identity: the least recently used are closed when there are many, and each after some time without use. */
import { createHmac } from 'node:crypto'
import type { System, Timer } from '../base.ts'
import { type Client, ClientError, type ClientProperties, openClient } from '../client.ts'

export interface Identity {
  /** Kafka's principal, `User:name`. */
  readonly principal: string
  /** Of the credentials; without them. */
  readonly key: string
}

/** The credentials are missing or wrong. */
export class Unauthorized extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Unauthorized'
  }
}

export interface SessionsOptions {
  readonly bootstrap: string
  /** How the broker is reached: `security.protocol`, `ssl.*`, `sasl.mechanism`. With SASL, each caller brings user name and password. */
  readonly properties: ClientProperties
  readonly system: Pick<System, 'clock' | 'timers' | 'random'>
}

export interface Sessions {
  /** Whether callers have to log in. */
  readonly needsLogin: boolean
  /** `authorization`: the header of a request. Throws Unauthorized, and ClientError if no broker answers. */
  identify(authorization: string | undefined): Promise<Identity>
  /** The client of one that `identify` has returned. */
  clientOf(identity: Identity): Client
  close(): Promise<void>
}

interface Session {
  readonly identity: Identity
  readonly client: Client
  /** On the monotonic clock. */
  verifiedMs: number
  usedMs: number
}

const mostSessions = 256
const idleMs = 300_000
/** A password that was changed, or a user that was deleted, has no effect for longer than this. */
const trustMs = 60_000
const sweepMs = 10_000

export function openSessions(options: SessionsOptions): Sessions {
  return new Pool(options)
}

class Pool implements Sessions {
  readonly needsLogin: boolean
  readonly #options: SessionsOptions
  /** In the order of use, the oldest first. */
  readonly #sessions = new Map<string, Session>()
  readonly #verifying = new Map<string, Promise<Identity>>()
  readonly #secret = Buffer.alloc(32)
  #sweep: Timer | null = null

  constructor(options: SessionsOptions) {
    this.#options = options
    this.needsLogin = (options.properties['security.protocol'] ?? 'PLAINTEXT').toUpperCase().startsWith('SASL')
    options.system.random.fill(this.#secret)
  }

  async identify(authorization: string | undefined): Promise<Identity> {
    const login = this.needsLogin ? basicLogin(authorization) : null
    const key = login === null ? 'anonymous' : this.#keyOf(login)
    const known = this.#sessions.get(key)
    const now = this.#options.system.clock.monotonic()
    if (known !== undefined && (login === null || now - known.verifiedMs < trustMs)) return known.identity
    const verifying = this.#verifying.get(key) ?? this.#verify(key, login)
    this.#verifying.set(key, verifying)
    try {
      return await verifying
    } finally {
      this.#verifying.delete(key)
    }
  }

  clientOf({ key }: Identity): Client {
    const session = this.#sessions.get(key)
    if (session === undefined) throw new Unauthorized('The session has ended')
    session.usedMs = this.#options.system.clock.monotonic()
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    return session.client
  }

  async close(): Promise<void> {
    this.#sweep?.cancel()
    await Promise.all([...this.#sessions.keys()].map(key => this.#end(key)))
  }

  /** A new client logs in, so that the broker decides whether the credentials are right now. */
  async #verify(key: string, login: Login | null): Promise<Identity> {
    const { bootstrap, properties } = this.#options
    const own = login === null ? properties : { ...properties, 'sasl.username': login.username, 'sasl.password': login.password }
    const client = openClient({ bootstrap, properties: own, clientId: 'millrace-services' })
    try {
      if (login !== null) await client.cluster()
    } catch (error) {
      await client.close()
      if (error instanceof ClientError && error.code === 'REFUSED') {
        await this.#end(key)
        throw new Unauthorized('The user name or the password is wrong')
      }
      throw error
    }
    const now = this.#options.system.clock.monotonic()
    const identity = { key, principal: login === null ? 'User:ANONYMOUS' : `User:${login.username}` }
    await this.#end(key)
    this.#sessions.set(key, { identity, client, verifiedMs: now, usedMs: now })
    while (this.#sessions.size > mostSessions) await this.#end(this.#sessions.keys().next().value!)
    this.#sweep ??= this.#options.system.timers.after(sweepMs, this.#endIdle)
    return identity
  }

  readonly #endIdle = (): void => {
    this.#sweep = null
    const now = this.#options.system.clock.monotonic()
    for (const [key, { usedMs }] of this.#sessions) if (now - usedMs > idleMs) void this.#end(key)
    if (this.#sessions.size > 0) this.#sweep = this.#options.system.timers.after(sweepMs, this.#endIdle)
  }

  async #end(key: string): Promise<void> {
    const session = this.#sessions.get(key)
    this.#sessions.delete(key)
    await session?.client.close()
  }

  #keyOf({ username, password }: Login): string {
    return createHmac('sha256', this.#secret).update(`${username.length}:${username}${password}`).digest('base64')
  }
}

interface Login {
  readonly username: string
  readonly password: string
}

/** RFC 7617. Throws Unauthorized. */
function basicLogin(authorization: string | undefined): Login {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) throw new Unauthorized('Log in with HTTP Basic: the user name and password of the Kafka user')
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const at = text.indexOf(':')
  if (at <= 0) throw new Unauthorized('The Authorization header has no user name')
  return { username: text.slice(0, at), password: text.slice(at + 1) }
}
