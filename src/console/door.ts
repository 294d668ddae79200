/**
 * Who may come in: the one place that knows how a request says who makes it. A browser has a cookie, which it gets when a person has logged in with the
 * credentials of a Kafka user or with a provider; a program sends an Authorization header.
 */
import cookies from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { System } from '../base.ts'
import type { HttpApp } from '../http.ts'
import type { Logger } from '../logger.ts'
import type { ServiceContext } from '../service.ts'
import {
  type Credentials,
  type Identity,
  type Login,
  Logins,
  Oidc,
  type OidcRequest,
  type Sessions,
  seal,
  Unauthorized,
  unseal,
} from '../sessions.ts'

/** Before its token ends, so that no request meets the end. */
const renewBeforeMs = 30_000
/** For a person at a provider. */
const mostAwayMs = 900_000

interface Away extends OidcRequest {
  readonly to: string
  /** On the monotonic clock. */
  readonly untilMs: number
}

export class Door {
  readonly sessions: Sessions
  readonly oidc: Oidc | null
  readonly #logins: Logins
  readonly #system: System
  readonly #logger: Logger
  readonly #port: number
  readonly #secret = Buffer.alloc(32)
  /** By token of the browser: all its requests wait for the same answer. */
  readonly #renewing = new Map<string, Promise<Login>>()

  constructor({ settings, sessions, system, logger }: ServiceContext) {
    const { idleMs, mostMs, oidc } = settings.console
    this.sessions = sessions
    this.#logins = new Logins({ idleMs, mostMs, system })
    this.oidc = oidc === null || !sessions.ways.tokens ? null : new Oidc(oidc, system, logger)
    this.#system = system
    this.#logger = logger
    this.#port = settings.ports.console
    system.random.fill(this.#secret)
  }

  async open(app: HttpApp): Promise<void> {
    await app.register(cookies)
  }

  /** Throws Unauthorized, and ClientError if no broker answers. */
  async identify(request: FastifyRequest): Promise<Identity> {
    const { authorization } = request.headers
    const token = request.cookies[this.#cookie(request)]
    if (!this.sessions.needsLogin || authorization !== undefined) return this.sessions.identify(authorization, request.ip)
    const login = this.#logins.find(token, idleFor(request))
    if (login === null) throw new Unauthorized('Log in first')
    try {
      const { credentials } = await this.#renewed(token!, login)
      return await this.sessions.logIn(credentials, null)
    } catch (error) {
      if (error instanceof Unauthorized) this.#logins.end(token)
      throw error
    }
  }

  /** Whether the browser has a login that has not ended. */
  isIn(request: FastifyRequest): boolean {
    return !this.sessions.needsLogin || this.#logins.find(request.cookies[this.#cookie(request)], idleFor(request)) !== null
  }

  /** The browser gets a new token, whatever it had before. Throws as `identify` does. */
  async logIn(
    request: FastifyRequest,
    reply: FastifyReply,
    credentials: Credentials,
    renewal: Omit<Login, 'credentials'>,
  ): Promise<Identity> {
    const identity = await this.sessions.logIn(credentials, request.ip)
    this.#logins.end(request.cookies[this.#cookie(request)])
    this.#setCookie(request, reply, this.#cookie(request), this.#logins.begin(identity.principal, { credentials, ...renewal }), 'strict')
    this.#logger.info({ principal: identity.principal, address: request.ip }, 'audit: a person has logged in to the console')
    return identity
  }

  logOut(request: FastifyRequest, reply: FastifyReply): void {
    this.#logins.end(request.cookies[this.#cookie(request)])
    this.#setCookie(request, reply, this.#cookie(request), null, 'strict')
  }

  /** Remembers, in the browser itself, what the provider's answer has to match. The answer comes from another site, hence lax. */
  sendAway(request: FastifyRequest, reply: FastifyReply, asked: OidcRequest, to: string): void {
    const away: Away = { ...asked, to, untilMs: this.#system.clock.monotonic() + mostAwayMs }
    const sealed = seal(this.#secret, JSON.stringify(away), this.#system.random).toString('base64url')
    this.#setCookie(request, reply, this.#cookie(request, 'oidc'), sealed, 'lax')
  }

  /** What `sendAway` remembered, once; null: nothing, or it was too long ago. */
  takeBack(request: FastifyRequest, reply: FastifyReply): Away | null {
    const name = this.#cookie(request, 'oidc')
    this.#setCookie(request, reply, name, null, 'lax')
    const text = unseal(this.#secret, Buffer.from(request.cookies[name] ?? '', 'base64url'))
    const away = text === null ? null : (JSON.parse(text) as Away)
    return away === null || away.untilMs < this.#system.clock.monotonic() ? null : away
  }

  async #renewed(token: string, login: Login): Promise<Login> {
    const { refreshToken, expiresMs, credentials } = login
    const now = this.#system.clock.monotonic()
    if (expiresMs === null || expiresMs - now > renewBeforeMs) return login
    if (refreshToken === null) {
      if (now > expiresMs) throw new Unauthorized('The login has ended with its token')
      return login
    }
    try {
      const renewing = this.#renewing.get(token) ?? this.#renew(token, credentials, refreshToken)
      this.#renewing.set(token, renewing)
      return await renewing
    } catch (error) {
      if (error instanceof Unauthorized || now > expiresMs) throw error
      this.#logger.warn({ err: error }, 'cannot renew the token of a login to the console; it is tried again')
      return login
    }
  }

  async #renew(token: string, old: Credentials, refreshToken: string): Promise<Login> {
    try {
      const { accessToken, ...rest } = await this.oidc!.refresh(refreshToken)
      const login: Login = { credentials: { kind: 'token', token: accessToken }, ...rest }
      await this.sessions.renew(old, login.credentials)
      this.#logins.replace(token, login)
      return login
    } finally {
      this.#renewing.delete(token)
    }
  }

  /** Cookies of one host go to all its ports, so the port is in the name; the prefix makes sure that no other host has set it. */
  #cookie({ protocol }: FastifyRequest, purpose = 'session'): string {
    return `${protocol === 'https' ? '__Host-' : ''}millrace-${purpose}-${this.#port}`
  }

  /** null: the browser forgets it. */
  #setCookie({ protocol }: FastifyRequest, reply: FastifyReply, name: string, value: string | null, sameSite: 'strict' | 'lax'): void {
    const attributes = { path: '/', httpOnly: true, secure: protocol === 'https', sameSite }
    if (value === null) reply.clearCookie(name, attributes)
    else reply.setCookie(name, value, attributes)
  }
}

/** How long the person has done nothing, as the application says: it asks for news by itself, and that is no use of a login. */
function idleFor({ headers }: FastifyRequest): number {
  const text = String(headers['x-idle-ms'] ?? '')
  return /^\d{1,12}$/.test(text) ? Number(text) : 0
}
