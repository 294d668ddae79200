/** Clients by identity: the least recently used are closed when there are many, and each after some time without use. */
import type { MaybePromise, System, Timer } from '../base.ts'
import { type Client, ClientError, type ClientProperties, openClient } from '../client.ts'
import { Attempts } from './attempts.ts'
import {
  authorizationFor,
  type Credentials,
  checkCredentials,
  credentialsIn,
  hashOf,
  loginProperties,
  principalOf,
  Unauthorized,
} from './credentials.ts'

export interface Identity {
  /** Kafka's principal, `User:name`. */
  readonly principal: string
  /** Of the client; without credentials. */
  readonly key: string
}

/** How people may log in to the broker. */
export interface LoginWays {
  /** Tried one after the other with user name and password: `SCRAM-SHA-512`, `SCRAM-SHA-256`, `PLAIN`. */
  readonly passwordMechanisms: readonly string[]
  /** OAUTHBEARER. */
  readonly tokens: boolean
  /** The claim of a token that names its user. */
  readonly subjectClaim: string
}

export interface SessionsOptions {
  readonly bootstrap: string
  /** How the broker is reached: `security.protocol`, `ssl.*`. With SASL, each caller brings the credentials. */
  readonly properties: ClientProperties
  readonly ways: LoginWays
  readonly system: Pick<System, 'clock' | 'timers' | 'random'>
}

export interface Sessions {
  /** Whether callers have to log in. */
  readonly needsLogin: boolean
  readonly ways: LoginWays
  /**
   * `authorization`: the header of a request from `address`. Throws Unauthorized, and ClientError if no broker answers. A promise only where the broker
   * has to be asked.
   */
  identify(authorization: string | undefined, address: string): MaybePromise<Identity>
  /** The same with credentials; null where no login is needed. `address`: null for credentials that were right before. */
  logIn(credentials: Credentials | null, address: string | null): MaybePromise<Identity>
  /** The client of one that `identify` has returned. */
  clientOf(identity: Identity): Client
  /** As the person would say it to another service of this process; undefined: there was no login. */
  authorizationOf(identity: Identity): string | undefined
  /** While it is held, the client is in use although nobody asks for it. Returns what ends that. */
  hold(identity: Identity): () => void
  /** A token was renewed: clients that have logged in with the old one go on with the new one. Throws as `logIn` does. */
  renew(old: Credentials, renewed: Credentials): Promise<Identity>
  close(): Promise<void>
}

interface Opened {
  readonly client: Client
  /** What it logs in with now. */
  readonly login: { credentials: Credentials; mechanism: string } | null
}

interface Session extends Opened {
  readonly identity: Identity
  /** Of the credentials. */
  hash: string
  /** On the monotonic clock. */
  verifiedMs: number
  usedMs: number
  held: number
}

const mostSessions = 256
const idleMs = 300_000
/** A password that was changed, or a user that was deleted, has no effect for longer than this. */
const trustMs = 60_000
/** Clients in use are verified again before, so that no request waits for it, and what runs without requests ends, too. */
const verifyAfterMs = 40_000
const sweepMs = 5_000

export function openSessions(options: SessionsOptions): Sessions {
  return new Pool(options)
}

class Pool implements Sessions {
  readonly needsLogin: boolean
  readonly ways: LoginWays
  readonly #options: SessionsOptions
  /** By key, in the order of use, the oldest first. */
  readonly #sessions = new Map<string, Session>()
  /** By hash of the credentials. */
  readonly #known = new Map<string, Session>()
  readonly #verifying = new Map<string, Promise<Session>>()
  readonly #attempts: Attempts
  readonly #secret = Buffer.alloc(32)
  #sweep: Timer | null = null
  #keys = 0

  constructor(options: SessionsOptions) {
    this.#options = options
    this.ways = options.ways
    this.needsLogin = (options.properties['security.protocol'] ?? 'PLAINTEXT').trim().toUpperCase().startsWith('SASL')
    this.#attempts = new Attempts(options.system.clock)
    options.system.random.fill(this.#secret)
  }

  identify(authorization: string | undefined, address: string): MaybePromise<Identity> {
    return this.logIn(this.needsLogin ? credentialsIn(authorization) : null, address)
  }

  logIn(credentials: Credentials | null, address: string | null): MaybePromise<Identity> {
    if (credentials === null || !this.needsLogin) return (this.#known.get('') ?? this.#add('', this.#open(null))).identity
    checkCredentials(credentials)
    const hash = hashOf(credentials, this.#secret)
    const known = this.#known.get(hash)
    if (known !== undefined && this.#now() - known.verifiedMs < trustMs) return known.identity
    return this.#once(hash, () => this.#admit(hash, credentials, address)).then(({ identity }) => identity)
  }

  clientOf({ key }: Identity): Client {
    const session = this.#sessions.get(key)
    if (session === undefined) throw new Unauthorized('The session has ended')
    this.#use(session)
    return session.client
  }

  authorizationOf({ key }: Identity): string | undefined {
    const login = this.#sessions.get(key)?.login
    return login == null ? undefined : authorizationFor(login.credentials)
  }

  hold({ key }: Identity): () => void {
    const session = this.#sessions.get(key)
    if (session === undefined) throw new Unauthorized('The session has ended')
    session.held++
    return () => {
      session.held--
      if (this.#sessions.has(key)) this.#use(session)
    }
  }

  async renew(old: Credentials, renewed: Credentials): Promise<Identity> {
    const before = hashOf(old, this.#secret)
    const session = this.#known.get(before)
    if (session?.login == null) return this.logIn(renewed, null)
    await (await this.#tryEach(renewed, [session.login.mechanism])).client.close()
    session.login.credentials = renewed
    session.verifiedMs = this.#now()
    this.#known.delete(before)
    session.hash = hashOf(renewed, this.#secret)
    if (this.#sessions.has(session.identity.key)) this.#known.set(session.hash, session)
    return session.identity
  }

  async close(): Promise<void> {
    this.#sweep?.cancel()
    await Promise.all(Array.from(this.#sessions.values(), session => this.#end(session)))
  }

  /** All who bring the same credentials meanwhile wait for the same answer of the broker. */
  async #once(hash: string, verify: () => Promise<Session>): Promise<Session> {
    const verifying = this.#verifying.get(hash) ?? verify()
    this.#verifying.set(hash, verifying)
    try {
      return await verifying
    } finally {
      if (this.#verifying.get(hash) === verifying) this.#verifying.delete(hash)
    }
  }

  async #admit(hash: string, credentials: Credentials, address: string | null): Promise<Session> {
    const known = this.#known.get(hash)
    // Whoever was known is not made to wait for what others try.
    const isNew = known === undefined && address !== null
    const forgive = isNew ? this.#attempts.begin(address, credentials.kind === 'password' ? credentials.username : null) : null
    const ways = known?.login == null ? this.#mechanismsFor(credentials) : [known.login.mechanism]
    const opened = await this.#tryEach(credentials, ways).catch(error => {
      // What no broker has judged was no attempt.
      if (!(error instanceof Unauthorized)) forgive?.()
      else if (known !== undefined) void this.#end(known)
      throw error
    })
    forgive?.()
    if (known === undefined || !this.#sessions.has(known.identity.key)) return this.#add(hash, opened)
    known.verifiedMs = this.#now()
    await opened.client.close()
    return known
  }

  #open(login: Opened['login']): Opened {
    const { bootstrap, properties } = this.#options
    const common = { bootstrap, clientId: 'millrace-services' }
    if (login === null) return { login, client: openClient({ ...common, properties }) }
    const own = { ...properties, ...loginProperties(login.credentials, login.mechanism) }
    // It may have been renewed since.
    const token = () => (login.credentials as { token: string }).token
    return { login, client: openClient({ ...common, properties: own, ...(login.credentials.kind === 'token' ? { token } : {}) }) }
  }

  #add(hash: string, { login, client }: Opened): Session {
    const key = String(++this.#keys)
    const principal = login === null ? 'User:ANONYMOUS' : principalOf(login.credentials, this.ways.subjectClaim)
    const now = this.#now()
    const session: Session = { identity: { key, principal }, client, login, hash, verifiedMs: now, usedMs: now, held: 0 }
    this.#sessions.set(key, session)
    this.#known.set(hash, session)
    if (this.#sessions.size > mostSessions) void this.#end(this.#leastUsed())
    this.#sweep ??= this.#options.system.timers.after(sweepMs, this.#look)
    return session
  }

  #leastUsed(): Session {
    for (const session of this.#sessions.values()) if (session.held === 0) return session
    return this.#sessions.values().next().value!
  }

  #mechanismsFor({ kind }: Credentials): readonly string[] {
    const { passwordMechanisms, tokens } = this.ways
    const mechanisms = kind === 'password' ? passwordMechanisms : tokens ? ['OAUTHBEARER'] : []
    if (mechanisms.length === 0) throw new Unauthorized(`The broker takes no ${kind}s`)
    return mechanisms
  }

  /** Resolves to a client that is logged in; throws Unauthorized if the broker takes the credentials with none of the mechanisms. */
  async #tryEach(credentials: Credentials, mechanisms: readonly string[]): Promise<Opened> {
    for (const mechanism of mechanisms) {
      const opened = this.#open({ credentials, mechanism })
      if (await this.#logsIn(opened.client)) return opened
    }
    throw new Unauthorized(credentials.kind === 'token' ? 'The broker refuses the token' : 'The user name or the password is wrong')
  }

  /** The broker decides, now. A client that does not log in is closed. */
  async #logsIn(client: Client): Promise<boolean> {
    try {
      await client.cluster()
      return true
    } catch (error) {
      await client.close()
      if (error instanceof ClientError && error.code === 'REFUSED' && refusals.test(error.message)) return false
      throw error
    }
  }

  readonly #look = (): void => {
    this.#sweep = null
    const now = this.#now()
    for (const session of this.#sessions.values()) {
      if (session.held === 0 && now - session.usedMs > idleMs) void this.#end(session)
      else if (session.login !== null && now - session.verifiedMs > verifyAfterMs)
        void this.#verifyAgain(session.hash, session.login.credentials)
    }
    if (this.#sessions.size > 0) this.#sweep = this.#options.system.timers.after(sweepMs, this.#look)
  }

  /** A broker that does not answer says nothing about it; then the next request asks again. */
  async #verifyAgain(hash: string, credentials: Credentials): Promise<void> {
    if (this.#verifying.has(hash)) return
    await this.#once(hash, () => this.#admit(hash, credentials, null)).catch(error => {
      if (!(error instanceof Unauthorized || error instanceof ClientError)) throw error
    })
  }

  #use(session: Session): void {
    session.usedMs = this.#now()
    this.#sessions.delete(session.identity.key)
    this.#sessions.set(session.identity.key, session)
  }

  /** Whatever its client is doing ends, too. */
  async #end(session: Session): Promise<void> {
    this.#sessions.delete(session.identity.key)
    if (this.#known.get(session.hash) === session) this.#known.delete(session.hash)
    await session.client.close()
  }

  #now(): number {
    return this.#options.system.clock.monotonic()
  }
}

/** In a ClientError REFUSED; others speak of certificates. */
const refusals = /rejected the (?:login|token)|does not offer this SASL mechanism/
