/** The SASL mechanisms of a listener, as its configuration describes them: made again whenever that may have changed. */
import type { System } from '../../base.ts'
import type { ClusterSecurity } from '../../coordinator.ts'
import { type BrokerConfig, badListenerValue, type Listener, listenerValue } from '../config.ts'
import type { Logger } from '../logger.ts'
import { parseJaas } from './jaas.ts'
import type { SaslMechanism } from './mechanism.ts'
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
  readonly #byListener = new Map<string, { generation: number; settings: SaslSettings }>()

  constructor(options: MechanismsOptions) {
    this.#options = options
  }

  /** Throws InvalidConfig at the first call; later, what is wrong is reported, and what was right goes on. */
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
      logger.warn({ err: error, listener: listener.name }, 'the SASL configuration of a listener is not valid, and stays as it was')
      known.generation = config.generation
      return known.settings
    }
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
    const hash = scramHashes.find(each => each.name === name)
    if (hash !== undefined) return scram(hash, scramLogins(metadata, tokens), system.random)
    const reason = `${name} is not among the mechanisms of Millrace: ${['PLAIN', ...scramHashes.map(each => each.name)].join(', ')}`
    throw badListenerValue(listener.name, 'sasl.enabled.mechanisms', undefined, reason)
  }

  /** Options of the mechanism's login module. */
  #login(listener: Listener, mechanism: string): ReadonlyMap<string, string> {
    const text = listenerValue(this.#options.config, listener.name, 'sasl.jaas.config', mechanism)
    const wrong = (reason: string) => badListenerValue(listener.name, 'sasl.jaas.config', mechanism, reason)
    if (text === null) throw wrong(`the mechanism ${mechanism} needs its users here: …PlainLoginModule required user_NAME="PASSWORD";`)
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
