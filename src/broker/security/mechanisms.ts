/** The SASL mechanisms of a listener, created from its configuration, and recreated whenever it may have changed. */
import type { System } from '../../base.ts'
import type { ClusterSecurity } from '../../coordinator.ts'
import { parseJaas } from '../../formats.ts'
import { Jwks, jwksUrlProblem, verifyJwt } from '../../jwt.ts'
import type { Logger } from '../../logger.ts'
import { type BrokerConfig, type BrokerKey, badListenerValue, type Listener, listenerValue } from '../config.ts'
import type { SaslMechanism } from './mechanism.ts'
import { oauthBearer } from './oauthbearer.ts'
import { plain } from './plain.ts'
import type { SaslSettings } from './sasl.ts'
import { type ScramLogins, scram, scramHashes } from './scram.ts'
import type { DelegationTokens } from './tokens.ts'

export interface MechanismsOptions {
  system: System
  config: BrokerConfig
  metadata: ClusterSecurity
  logger: Logger
  tokens: Pick<DelegationTokens, 'login'>
}

export class Mechanisms {
  readonly #options: MechanismsOptions
  /** By URL: they outlive a change of the configuration. */
  readonly #jwks = new Map<string, Jwks>()
  readonly #byListener = new Map<string, { generation: number; settings: SaslSettings }>()

  constructor(options: MechanismsOptions) {
    this.#options = options
  }

  /** Throws InvalidConfig at the first call; later, errors are logged, and the previous valid configuration stays in use. */
  settings(listener: Listener): SaslSettings {
    const { config, logger } = this.#options
    const known = this.#byListener.get(listener.name)
    if (known?.generation === config.generation) return known.settings
    try {
      const settings = this.#make(listener)
      this.#byListener.set(listener.name, { generation: config.generation, settings })
      return settings
    } catch (error) {
      if (known === undefined) throw error
      logger.warn({ err: error, listener: listener.name }, 'invalid SASL configuration of a listener; keeping the previous one')
      known.generation = config.generation
      return known.settings
    }
  }

  forget(listener: string): void {
    this.#byListener.delete(listener)
  }

  #make(listener: Listener): SaslSettings {
    const { config } = this.#options
    const enabled = listenerValue(config, listener.name, 'sasl.enabled.mechanisms')
    const mechanisms = new Map(enabled.map(name => [name, this.#mechanism(listener, name)]))
    return {
      mechanisms,
      maxReauthMs: mechanism => listenerValue(config, listener.name, 'connections.max.reauth.ms', mechanism),
      failureDelayMs: config.get('connection.failed.authentication.delay.ms'),
    }
  }

  #mechanism(listener: Listener, name: string): SaslMechanism {
    const { system, metadata, tokens } = this.#options
    if (name === 'PLAIN') return plain(this.#login(listener, name))
    if (name === 'OAUTHBEARER') return this.#oauthBearer(listener)
    const hash = scramHashes.find(each => each.name === name)
    if (hash !== undefined) return scram(hash, scramLogins(metadata, tokens), system.random)
    const reason = `${name} is not supported; the mechanisms are ${['PLAIN', ...scramHashes.map(each => each.name), 'OAUTHBEARER'].join(', ')}`
    throw badListenerValue(listener.name, 'sasl.enabled.mechanisms', undefined, reason)
  }

  /** Denies by default: the expected issuer and audience must be configured, or it must be configured that they do not matter. */
  #oauthBearer(listener: Listener): SaslMechanism {
    const { config, system } = this.#options
    const value = <K extends BrokerKey>(key: K) => listenerValue(config, listener.name, key, 'OAUTHBEARER')
    const wrong = (key: BrokerKey, reason: string) => badListenerValue(listener.name, key, 'OAUTHBEARER', reason)
    const url = value('sasl.oauthbearer.jwks.endpoint.url')
    if (url === null) throw wrong('sasl.oauthbearer.jwks.endpoint.url', "OAUTHBEARER requires it: the URL of the token issuer's keys")
    const problem = jwksUrlProblem(url)
    if (problem !== null) throw wrong('sasl.oauthbearer.jwks.endpoint.url', problem)
    const issuer = value('sasl.oauthbearer.expected.issuer')
    if (issuer === null && !value('sasl.oauthbearer.allow.unverified.issuer')) {
      throw wrong('sasl.oauthbearer.expected.issuer', 'OAUTHBEARER requires it, or sasl.oauthbearer.allow.unverified.issuer=true')
    }
    const expected = value('sasl.oauthbearer.expected.audience')
    const audiences = expected === null || expected.length === 0 ? null : expected
    if (audiences === null && !value('sasl.oauthbearer.allow.unverified.audience')) {
      throw wrong('sasl.oauthbearer.expected.audience', 'OAUTHBEARER requires it, or sasl.oauthbearer.allow.unverified.audience=true')
    }
    const subjectClaim = value('sasl.oauthbearer.sub.claim.name')
    const rules = { issuer, audiences, subjectClaim, clockSkewSeconds: value('sasl.oauthbearer.clock.skew.seconds') }
    const jwks = this.#jwksOf(
      url,
      value('sasl.oauthbearer.jwks.endpoint.refresh.ms'),
      value('sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms'),
    )
    return oauthBearer(token => verifyJwt(token, id => jwks.keys(id), rules, system.clock.now()))
  }

  #jwksOf(url: string, refreshMs: number, pauseMs: number): Jwks {
    const { system, logger } = this.#options
    let jwks = this.#jwks.get(url)
    if (jwks === undefined) this.#jwks.set(url, (jwks = new Jwks({ system, logger, url, refreshMs, pauseMs })))
    return jwks
  }

  /** Options of the mechanism's login module. */
  #login(listener: Listener, mechanism: string): ReadonlyMap<string, string> {
    const text = listenerValue(this.#options.config, listener.name, 'sasl.jaas.config', mechanism)
    const wrong = (reason: string) => badListenerValue(listener.name, 'sasl.jaas.config', mechanism, reason)
    if (text === null) throw wrong(`${mechanism} requires its users here: …PlainLoginModule required user_NAME="PASSWORD";`)
    try {
      return parseJaas(text).options
    } catch (error) {
      throw wrong((error as Error).message)
    }
  }
}

function scramLogins(metadata: ClusterSecurity, tokens: MechanismsOptions['tokens']): ScramLogins {
  return {
    user(name, type) {
      const credential = metadata.state.scramUsers.get(name)?.get(type)
      return credential === undefined ? undefined : { credential, principal: `User:${name}` }
    },
    token: (tokenId, hash) => tokens.login(tokenId, hash),
  }
}
