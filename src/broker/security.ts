/**
 * security: authentication and authorization.
 *
 * Hides TLS, the SASL mechanisms and their credentials, delegation tokens, the authorizer with its cache and audit log, and their
 * configuration. The rest of the broker sees one {@link Session} per connection, and asks it what its principal may do.
 */
import type { TLSSocket } from 'node:tls'
import type { System } from '../base.ts'
import type { ClusterSecurity } from '../coordinator.ts'
import type { Logger } from '../logger.ts'
import type { BrokerConfig, Listener } from './config.ts'
import { Authorizer } from './security/authorizer.ts'
import { Mechanisms } from './security/mechanisms.ts'
import { SaslExchange } from './security/sasl.ts'
import { anonymous, Session } from './security/session.ts'
import { TlsListener } from './security/tls.ts'
import { DelegationTokens } from './security/tokens.ts'

export { aclInWords } from './security/acl-codes.ts'
export { aclCreation, aclFilter } from './security/acl-requests.ts'
export { type Audited, type Decision, RequestAudit } from './security/audit.ts'
export type { Grants } from './security/authorizer.ts'
export type { SaslExchange } from './security/sasl.ts'
export { drawBytes, maxIterations, minIterations, saltPassword, scramCredential, scramHashes } from './security/scram.ts'
export { Session } from './security/session.ts'
export type { TlsListener } from './security/tls.ts'

export interface SecurityOptions {
  system: System
  config: BrokerConfig
  metadata: ClusterSecurity
  logger: Logger
}

export class Security {
  /** null: every client may do everything. */
  readonly authorizer: Authorizer | null
  readonly tokens: DelegationTokens
  readonly #options: SecurityOptions
  readonly #mechanisms: Mechanisms
  readonly #tls = new Map<string, TlsListener>()

  /** Throws InvalidConfig when a listener cannot do what it is configured for. */
  constructor(options: SecurityOptions) {
    this.#options = options
    this.authorizer = makeAuthorizer(options)
    this.tokens = new DelegationTokens(options)
    this.#mechanisms = new Mechanisms({ ...options, tokens: this.tokens })
    for (const listener of options.config.startListeners) this.add(listener)
  }

  /** null: the listener has none. */
  tls(listener: Listener): TlsListener | null {
    return this.#tls.get(listener.name) ?? null
  }

  /** For a new connection; `secure` if it uses TLS. Throws if its certificate yields no principal. */
  open(listener: Listener, remoteAddress: string, secure: TLSSocket | null): Session {
    const shown = secure === null || usesSasl(listener) ? null : this.#tls.get(listener.name)!.principalOf(secure)
    const session = new Session(shown ?? anonymous, remoteAddress, this.authorizer)
    session.identified = shown !== null
    if (usesSasl(listener)) {
      const { system, logger } = this.#options
      const settings = this.#mechanisms.settings(listener)
      session.sasl = new SaslExchange({ system, logger, settings, session, listener: listener.name })
    }
    return session
  }

  remove(listener: string): void {
    this.#tls.get(listener)?.close()
    this.#tls.delete(listener)
    this.#mechanisms.forget(listener)
  }

  close(): void {
    this.tokens.close()
    for (const listener of this.#tls.values()) listener.close()
  }

  /** Before a listener accepts connections. Throws InvalidConfig. */
  add(listener: Listener): void {
    this.remove(listener.name)
    if (listener.protocol === 'SSL' || listener.protocol === 'SASL_SSL') {
      this.#tls.set(listener.name, new TlsListener({ ...this.#options, listener }))
    }
    if (!usesSasl(listener)) return
    const { mechanisms } = this.#mechanisms.settings(listener)
    if (listener.protocol === 'SASL_PLAINTEXT' && mechanisms.has('PLAIN')) {
      this.#options.logger.warn({ listener: listener.name }, 'SASL PLAIN without TLS: passwords are sent unencrypted to this listener')
    }
  }
}

function usesSasl({ protocol }: Listener): boolean {
  return protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL'
}

function makeAuthorizer({ config, metadata, logger }: SecurityOptions): Authorizer | null {
  if (config.get('authorizer.class.name') === '') return null
  const superUsers = config.get('super.users').split(';')
  return new Authorizer({
    acls: metadata,
    superUsers: new Set(superUsers.map(user => user.trim())),
    allowEveryoneIfNoAclFound: config.get('allow.everyone.if.no.acl.found'),
    logger,
  })
}
