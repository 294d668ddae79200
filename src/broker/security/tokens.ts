/**
 * Delegation tokens (KIP-48, KIP-373): temporary credentials that a client creates for others.
 *
 * A token's id is public; its password is the HMAC of the id under the broker's secret, so that nothing secret is stored. Hides how a
 * token is found by its HMAC, how clients log in with it over SCRAM, and that expired tokens are removed.
 */
import { createHmac } from 'node:crypto'
import { ageOf, type Int64, millisSince, type System, saturatingAdd, type Timer } from '../../base.ts'
import type { ClusterSecurity, DelegationToken, ScramCredential } from '../../coordinator.ts'
import type { Logger } from '../../logger.ts'
import { KafkaError, randomUuid } from '../../protocol.ts'
import type { BrokerConfig } from '../config.ts'
import { minIterations, type ScramHash, type ScramLogin, saltPassword, scramCredential } from './scram.ts'

export interface TokensOptions {
  system: System
  config: BrokerConfig
  metadata: ClusterSecurity
  logger: Logger
}

export interface NewToken {
  owner: string
  requester: string
  renewers: readonly string[]
  /** Zero or negative: the maximum. */
  maxLifetimeMs: Int64
}

const saltBytes = 16
/** Maximum bytes of the names of a token's owner and renewers, which are stored as long as the token. */
const mostNameBytes = 4096

export class DelegationTokens {
  readonly #options: TokensOptions
  readonly #secret: string | null
  /** By HMAC, as text; rebuilt when tokens are added or removed. */
  #byHmac = new Map<string, string>()
  #credentials = new Map<string, Promise<ScramCredential>>()
  #state: ClusterSecurity['state'] | null = null
  #generation = -1
  #timer: Timer | null = null
  #closed = false

  constructor(options: TokensOptions) {
    this.#options = options
    this.#secret = options.config.get('delegation.token.secret.key')
    if (this.enabled) this.#sweepLater()
  }

  /** Without a secret there are no tokens. */
  get enabled(): boolean {
    return this.#secret !== null && this.#secret !== ''
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  hmac(tokenId: string): Buffer {
    return createHmac('sha512', this.#secret!).update(tokenId, 'utf8').digest()
  }

  list(): readonly DelegationToken[] {
    return [...this.#options.metadata.state.tokens.values()]
  }

  async create({ owner, requester, renewers, maxLifetimeMs }: NewToken): Promise<DelegationToken> {
    this.#checkEnabled()
    this.#checkRoom(requester, [owner, ...renewers])
    const { system, config, metadata, logger } = this.#options
    const now = system.clock.now()
    const longest = config.get('delegation.token.max.lifetime.ms')
    const maxTimestamp = saturatingAdd(now, maxLifetimeMs > 0 && maxLifetimeMs < longest ? maxLifetimeMs : longest)
    const expirationTimestamp = earlier(maxTimestamp, saturatingAdd(now, config.get('delegation.token.expiry.time.ms')))
    const tokenId = randomUuid(system.random)
    const token = { tokenId, owner, requester, renewers, issueTimestamp: now, maxTimestamp, expirationTimestamp }
    await metadata.storeToken(token)
    logger.info({ by: requester, owner, tokenId }, 'audit: delegation token created')
    return token
  }

  /** When it ends now. */
  async renew(hmac: Buffer, renewer: string, periodMs: Int64): Promise<Int64> {
    const token = this.#find(hmac)
    this.#checkAlive(token)
    checkRenewer(token, renewer)
    const usual = this.#options.config.get('delegation.token.expiry.time.ms')
    return this.#endAt(token, renewer, periodMs > 0 && periodMs < usual ? periodMs : usual)
  }

  /** When it ends now. A negative period: at once. */
  async expire(hmac: Buffer, renewer: string, periodMs: Int64): Promise<Int64> {
    const token = this.#find(hmac)
    checkRenewer(token, renewer)
    if (periodMs >= 0) {
      this.#checkAlive(token)
      return this.#endAt(token, renewer, periodMs)
    }
    const { metadata, system, logger } = this.#options
    await metadata.removeTokens([token.tokenId])
    logger.info({ by: renewer, owner: token.owner, tokenId: token.tokenId }, 'audit: delegation token ended')
    return system.clock.now()
  }

  /** What SCRAM checks a login with the token against; undefined when there is none, or no longer. */
  async login(tokenId: string, hash: ScramHash): Promise<ScramLogin | undefined> {
    if (!this.enabled) return undefined
    this.#refresh()
    const token = this.#options.metadata.state.tokens.get(tokenId)
    if (token === undefined || this.#hasEnded(token)) return undefined
    const key = `${hash.name} ${tokenId}`
    let credential = this.#credentials.get(key)
    if (credential === undefined) this.#credentials.set(key, (credential = this.#credential(tokenId, hash)))
    return { credential: await credential, principal: token.owner, expiresAtMs: Number(token.expirationTimestamp) }
  }

  async #credential(tokenId: string, hash: ScramHash): Promise<ScramCredential> {
    const salt = createHmac('sha512', this.#secret!).update(`salt ${hash.name} ${tokenId}`).digest().subarray(0, saltBytes)
    const salted = await saltPassword(hash, this.hmac(tokenId).toString('base64'), salt, minIterations)
    return scramCredential(hash, salted, salt, minIterations)
  }

  async #endAt(token: DelegationToken, by: string, periodMs: Int64): Promise<Int64> {
    const { metadata, system, logger } = this.#options
    const expirationTimestamp = earlier(token.maxTimestamp, saturatingAdd(system.clock.now(), periodMs))
    await metadata.storeToken({ ...token, expirationTimestamp })
    logger.info({ by, owner: token.owner, tokenId: token.tokenId, expirationTimestamp }, 'audit: delegation token renewed')
    return expirationTimestamp
  }

  #find(hmac: Buffer): DelegationToken {
    this.#checkEnabled()
    this.#refresh()
    const tokenId = this.#byHmac.get(hmac.toString('base64'))
    const token = tokenId === undefined ? undefined : this.#options.metadata.state.tokens.get(tokenId)
    if (token === undefined) throw new KafkaError('DELEGATION_TOKEN_NOT_FOUND')
    return token
  }

  #refresh(): void {
    const { state } = this.#options.metadata
    if (state === this.#state && state.tokenGeneration === this.#generation) return
    this.#state = state
    this.#generation = state.tokenGeneration
    const known = new Map([...this.#byHmac].map(([hmac, tokenId]) => [tokenId, hmac]))
    this.#byHmac = new Map([...state.tokens.keys()].map(id => [known.get(id) ?? this.hmac(id).toString('base64'), id]))
    this.#credentials = new Map([...this.#credentials].filter(([key]) => state.tokens.has(key.slice(key.indexOf(' ') + 1))))
  }

  #checkEnabled(): void {
    if (!this.enabled) throw new KafkaError('DELEGATION_TOKEN_AUTH_DISABLED')
  }

  /** Creating tokens for oneself requires no permission, and each is stored for up to a week. */
  #checkRoom(requester: string, names: readonly string[]): void {
    const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name), 0)
    if (bytes > mostNameBytes)
      throw new KafkaError(
        'INVALID_REQUEST',
        `The names of the token's owner and renewers have ${bytes} bytes; at most ${mostNameBytes} are allowed.`,
      )
    const most = this.#options.config.get('max.delegation.tokens.per.principal')
    if (this.list().filter(token => token.requester === requester).length < most) return
    const reason = `the limit max.delegation.tokens.per.principal=${most} is reached`
    throw new KafkaError('POLICY_VIOLATION', `${requester} cannot create another token: ${reason}`)
  }

  #checkAlive(token: DelegationToken): void {
    if (this.#hasEnded(token)) throw new KafkaError('DELEGATION_TOKEN_EXPIRED')
  }

  #hasEnded({ maxTimestamp, expirationTimestamp }: DelegationToken): boolean {
    const now = this.#options.system.clock.now()
    return maxTimestamp < now || expirationTimestamp < now
  }

  /** Not `#hasEnded`: a token that expired only because the clock jumped is valid again when the clock is corrected. */
  #isOutlived({ issueTimestamp, maxTimestamp, expirationTimestamp }: DelegationToken): boolean {
    const lifetimeMs = millisSince(issueTimestamp, earlier(maxTimestamp, expirationTimestamp))
    return ageOf(issueTimestamp, this.#options.system.clock.history()) > lifetimeMs
  }

  #sweepLater(): void {
    const { system, config } = this.#options
    this.#timer = system.timers.after(config.get('delegation.token.expiry.check.interval.ms'), () => void this.#sweep())
  }

  async #sweep(): Promise<void> {
    const ended = this.list().filter(token => this.#isOutlived(token))
    try {
      if (ended.length > 0) await this.#options.metadata.removeTokens(ended.map(token => token.tokenId))
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot remove expired delegation tokens; retrying')
    }
    if (!this.#closed) this.#sweepLater()
  }
}

const earlier = (a: Int64, b: Int64): Int64 => (a < b ? a : b)

function checkRenewer({ owner, renewers }: DelegationToken, principal: string): void {
  if (owner !== principal && !renewers.includes(principal)) throw new KafkaError('DELEGATION_TOKEN_OWNER_MISMATCH')
}
