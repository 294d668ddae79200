/**
 * The SASL exchange of one connection, from the handshake to the principal, and again whenever the session ends (KIP-368).
 *
 * Hides which requests are allowed in which state (others close the connection before they are parsed), tokens with and without Kafka's
 * headers (SaslHandshake v1 and v0), the lifetime of a session, and that a failure is answered with a delay and closes the connection.
 */
import { type Int64, nearestInt64, pause, type System } from '../../base.ts'
import type { Logger } from '../../logger.ts'
import { apis, errorCode, type InputOf } from '../../protocol.ts'
import { CloseConnection } from '../dispatch/handler.ts'
import { AuthenticationFailed, type SaslMechanism, type SaslServer, type Step } from './mechanism.ts'

/** What a listener's configuration says, looked up for every connection. */
export interface SaslSettings {
  readonly mechanisms: ReadonlyMap<string, SaslMechanism>
  /** `connections.max.reauth.ms`; 0 is unlimited. */
  maxReauthMs(mechanism: string): number
  /** `connection.failed.authentication.delay.ms`. */
  readonly failureDelayMs: number
}

/** What the exchange does to its connection. */
export interface Authenticated {
  readonly principal: string
  readonly remoteAddress: string
  become(principal: string, viaToken: boolean): void
  /** No further request; closed when the reply has left. */
  drain(): void
}

export interface SaslOptions {
  system: System
  logger: Logger
  settings: SaslSettings
  session: Authenticated
  listener: string
}

type HandshakeResponse = InputOf<typeof apis.saslHandshake.response>
type AuthenticateResponse = InputOf<typeof apis.saslAuthenticate.response>

/** `token` comes in a SaslAuthenticate request, `raw-token` without one. */
type State = 'handshake' | 'token' | 'raw-token' | 'ready' | 'failed'

/** Maximum length of a reason in the audit log: it may quote input of the client, which may be half a megabyte. */
const longestReason = 256

/** The minimum time between two reauthentications of a client. */
const minReauthIntervalMs = 1_000

export class SaslExchange {
  readonly #options: SaslOptions
  #state: State = 'handshake'
  #mechanism: string | null = null
  #server: SaslServer | null = null
  /** While the client authenticates again: what must not change. */
  #before: { principal: string; mechanism: string } | null = null
  /** Monotonic. */
  #expiresMs = Number.POSITIVE_INFINITY
  #lastReauthMs = Number.NEGATIVE_INFINITY
  everAuthenticated = false

  constructor(options: SaslOptions) {
    this.#options = options
  }

  /** Whether the next frame is a token without a request around it. */
  get takesRawToken(): boolean {
    return this.#state === 'raw-token'
  }

  /** Throws CloseConnection when a request of this API may not come now. */
  admit(apiKey: number): void {
    switch (this.#state) {
      case 'ready':
        if (apiKey === apis.saslHandshake.key || this.#now() <= this.#expiresMs) return
        throw new CloseConnection('the session expired, and the client did not reauthenticate')
      case 'handshake':
        if (apiKey === apis.saslHandshake.key || apiKey === apis.apiVersions.key) return
        throw new CloseConnection(`Unexpected Kafka request of type ${apiKey} during SASL handshake.`)
      case 'token':
        if (apiKey === apis.saslAuthenticate.key) return
        throw new CloseConnection(`Unexpected Kafka request of type ${apiKey} during SASL authentication.`)
      default:
        throw new CloseConnection(`unexpected request of type ${apiKey} in this state of the authentication`)
    }
  }

  handshake(name: string, version: number): HandshakeResponse | Promise<HandshakeResponse> {
    const { settings, session } = this.#options
    const mechanisms = [...settings.mechanisms.keys()]
    if (this.#state === 'ready' && !this.#mayReauthenticate()) return { errorCode: errorCode('ILLEGAL_SASL_STATE'), mechanisms }
    if (this.#state === 'ready') {
      this.#lastReauthMs = this.#now()
      this.#before = { principal: session.principal, mechanism: this.#mechanism! }
    }
    const mechanism = settings.mechanisms.get(name)
    if (mechanism === undefined) {
      const response = { errorCode: errorCode('UNSUPPORTED_SASL_MECHANISM'), mechanisms }
      return this.#fail(new AuthenticationFailed(`Unsupported SASL mechanism ${name}`)).then(() => response)
    }
    this.#mechanism = name
    this.#server = mechanism.open()
    this.#state = version === 0 ? 'raw-token' : 'token'
    return { errorCode: 0, mechanisms }
  }

  async authenticate(token: Buffer): Promise<AuthenticateResponse> {
    if (this.#state !== 'token') {
      const errorMessage = 'SaslAuthenticate request received after successful authentication'
      return { errorCode: errorCode('ILLEGAL_SASL_STATE'), errorMessage, authBytes: Buffer.alloc(0) }
    }
    try {
      const step = await this.#step(token)
      const sessionLifetimeMs = step.done ? this.#succeed(step) : 0
      return { errorCode: 0, errorMessage: null, authBytes: step.reply, sessionLifetimeMs }
    } catch (error) {
      if (!(error instanceof AuthenticationFailed)) throw error
      await this.#fail(error)
      const errorMessage = error.told ?? this.#generally()
      return { errorCode: errorCode('SASL_AUTHENTICATION_FAILED'), errorMessage, authBytes: Buffer.alloc(0) }
    }
  }

  /** The reply, framed; null when the client learns of its failure by losing the connection. */
  async rawToken(token: Buffer): Promise<Buffer | null> {
    try {
      const step = await this.#step(token)
      if (step.done) this.#succeed(step)
      const frame = Buffer.allocUnsafe(4 + step.reply.length)
      frame.writeInt32BE(step.reply.length)
      step.reply.copy(frame, 4)
      return frame
    } catch (error) {
      if (!(error instanceof AuthenticationFailed)) throw error
      await this.#fail(error)
      return null
    }
  }

  async #step(token: Buffer): Promise<Step> {
    const before = this.#before
    if (before !== null && before.mechanism !== this.#mechanism) {
      const reason = `SASL mechanism '${this.#mechanism}' requested by client is not supported for re-authentication of mechanism '${before.mechanism}'`
      this.#mechanism = before.mechanism
      throw new AuthenticationFailed(reason, reason)
    }
    const step = await this.#server!.step(token)
    if (step.done && before !== null && before.principal !== step.principal) {
      const names = `${before.principal.replace(':', '.')}: ${step.principal.replace(':', '.')}`
      const reason = `Cannot change principals during re-authentication from ${names}`
      throw new AuthenticationFailed(reason, reason)
    }
    return step
  }

  /** The session lifetime sent to the client; 0 means no limit. */
  #succeed(step: Step & { done: true }): Int64 {
    const { settings, session, logger, listener, system } = this.#options
    const limits: number[] = []
    const maxReauthMs = settings.maxReauthMs(this.#mechanism!)
    if (maxReauthMs > 0) limits.push(maxReauthMs)
    if (step.expiresAtMs !== undefined) limits.push(Math.max(0, step.expiresAtMs - system.clock.now()))
    const lifetimeMs = Math.min(...limits)
    this.#expiresMs = this.#now() + lifetimeMs
    this.#state = 'ready'
    this.#server = null
    this.#before = null
    this.everAuthenticated = true
    session.become(step.principal, step.viaToken === true)
    const details = { principal: step.principal, mechanism: this.#mechanism, listener, host: session.remoteAddress }
    logger.debug(details, 'audit: authenticated')
    return limits.length === 0 ? 0 : nearestInt64(lifetimeMs)
  }

  /** Resolves when the failure may be sent. */
  async #fail(error: AuthenticationFailed): Promise<void> {
    const { settings, session, logger, listener, system } = this.#options
    const details = { mechanism: this.#mechanism, listener, host: session.remoteAddress, reason: error.message.slice(0, longestReason) }
    logger.info(details, 'audit: authentication failed')
    this.#state = 'failed'
    this.#server = null
    await pause(system, settings.failureDelayMs)
    // Not before: the connection would be closed at once while nothing is on its way.
    session.drain()
  }

  #generally(): string {
    const what = this.#before === null ? 'authentication' : 're-authentication'
    return `Authentication failed during ${what} due to invalid credentials with SASL mechanism ${this.#mechanism}`
  }

  #mayReauthenticate(): boolean {
    return this.#expiresMs !== Number.POSITIVE_INFINITY && this.#now() - this.#lastReauthMs >= minReauthIntervalMs
  }

  #now(): number {
    return this.#options.system.clock.monotonic()
  }
}
