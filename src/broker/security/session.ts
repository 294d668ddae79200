/** The principal of one connection, and what it may do. Principals are kept nowhere else. */
import type { Authorizer, Grants } from './authorizer.ts'
import type { Authenticated, SaslExchange } from './sasl.ts'

/** Kafka's KafkaPrincipal.ANONYMOUS. */
export const anonymous = 'User:ANONYMOUS'

export class Session implements Authenticated {
  readonly remoteAddress: string
  readonly #authorizer: Authorizer | null
  #principal: string
  #grants: Grants | null
  /** The session was opened with a delegation token, and so must not make others (KIP-48). */
  viaToken = false
  /** Whether the principal was shown, by SASL or by a certificate, and not only assumed. */
  identified = false
  /** null: the listener asks for no authentication, or TLS has done it. */
  sasl: SaslExchange | null = null
  /** Takes no more requests and closes once the replies under way have left; the connection says how. */
  drain: () => void = () => {}
  /** Also that of the connection: called whenever the client has authenticated. */
  authenticatedNow: () => void = () => {}

  constructor(principal: string, remoteAddress: string, authorizer: Authorizer | null) {
    this.remoteAddress = remoteAddress
    this.#authorizer = authorizer
    this.#principal = principal
    this.#grants = authorizer?.grants(principal, remoteAddress) ?? null
  }

  /** `User:alice` */
  get principal(): string {
    return this.#principal
  }

  /** null: there is no authorizer, and every client may do everything. */
  get grants(): Grants | null {
    return this.#grants
  }

  /** Until then requests must be few and small, and not take for ever. */
  get authenticated(): boolean {
    return this.sasl === null || this.sasl.everAuthenticated
  }

  become(principal: string, viaToken: boolean): void {
    this.#principal = principal
    this.identified = true
    this.viaToken = viaToken
    this.#grants = this.#authorizer?.grants(principal, this.remoteAddress) ?? null
    this.authenticatedNow()
  }
}
