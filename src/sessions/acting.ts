/**
 * As whom work goes on that nobody waits for: connectors and triggers act as the services' own user, or as the `principal` that they name.
 *
 * Only the brokers can let one user act for another: the services' user makes a delegation token (KIP-48) that belongs to the principal (KIP-373), which takes
 * CREATE_TOKENS on that user. Tokens stay in memory, and a new one is there long before the old one ends.
 */
import { type Int64, pause, type System, type Timer } from '../base.ts'
import { type Client, ClientError, type ClientProperties, openClient, type TokenLogin } from '../client.ts'
import { parseJaas } from '../formats.ts'
import type { Logger } from '../logger.ts'
import { withoutLogin } from './credentials.ts'
import type { Identity } from './sessions.ts'

/** A principal while something acts as it. */
export interface Actor {
  /** For clients that act as it, with `token` as their `delegationToken`. */
  readonly properties: ClientProperties
  /** The newest one. */
  token(): TokenLogin
  /** Whoever has copied the token is told that there is a newer one. */
  onToken: (token: TokenLogin) => void
  release(): void
}

export interface Acting {
  /** null: the services' own user. Throws {@link CannotAct}, and ClientError if no broker answers. */
  as(principal: string): Promise<Actor | null>
  /** Whether whoever asks, with this client, may have work done as it: it is their own, or they may ALTER the cluster, and so make any user what they like. */
  mayUse(principal: string, asking: Identity, client: Pick<Client, 'clusterRights'>): Promise<boolean>
  close(): void
}

/** The brokers do not let the services act as this principal; the message says what is missing. */
export class CannotAct extends Error {
  constructor(principal: string, reason: string, cause?: unknown) {
    super(`The services cannot act as ${principal}: ${reason}`, { cause })
    this.name = 'CannotAct'
  }
}

export interface ActingOptions {
  readonly bootstrap: string
  /** How the services log in themselves. */
  readonly ownProperties: ClientProperties
  /** With these. */
  readonly own: Client
  readonly system: Pick<System, 'clock' | 'timers'>
  readonly logger: Pick<Logger, 'warn'>
}

/** Why this is no principal; null: it is one. */
export function principalProblem(principal: string): string | null {
  return /^User:[^\0-\x20\x7f]{1,255}$/.test(principal) && principal !== 'User:*' ? null : 'it must be a user, as User:name'
}

const mostPrincipals = 256
const lifetimeMs = 86_400_000
/** A broker of a cluster may hear of a token later than the one that has made it. */
const patienceMs = 5_000
const pauseMs = 200
const retryMs = 60_000

interface Kept {
  readonly principal: string
  mechanism: string
  token: TokenLogin
  /** On the monotonic clock: then a new one is made. */
  renewAtMs: number
  readonly actors: Set<Actor>
  timer: Timer | null
}

export function openActing(options: ActingOptions): Acting {
  return new Tokens(options)
}

class Tokens implements Acting {
  readonly #options: ActingOptions
  readonly #own: string | null
  readonly #mechanisms: readonly string[]
  readonly #needsLogin: boolean
  readonly #kept = new Map<string, Kept>()
  readonly #making = new Map<string, Promise<Kept>>()
  #isClosed = false

  constructor(options: ActingOptions) {
    this.#options = options
    const { ownProperties: own } = options
    const jaas = own['sasl.jaas.config']
    const user = jaas === undefined ? own['sasl.username'] : parseJaas(jaas).options.get('username')
    this.#needsLogin = (own['security.protocol'] ?? '').trim().toUpperCase().startsWith('SASL')
    this.#own = !this.#needsLogin ? 'User:ANONYMOUS' : user === undefined ? null : `User:${user}`
    const mechanism = (own['sasl.mechanism'] ?? '').trim().toUpperCase()
    this.#mechanisms = mechanism.startsWith('SCRAM-') ? [mechanism] : ['SCRAM-SHA-512', 'SCRAM-SHA-256']
  }

  async as(principal: string): Promise<Actor | null> {
    if (principal === this.#own) return null
    const problem = principalProblem(principal)
    if (problem !== null) throw new CannotAct(principal, problem)
    if (!this.#needsLogin) throw new CannotAct(principal, 'the brokers require no login, so they know nobody by name')
    const known = this.#kept.get(principal)
    const kept = known !== undefined && this.#now() < known.renewAtMs ? known : await this.#make(principal)
    const actor: Actor = {
      properties: { ...withoutLogin(this.#options.ownProperties), 'sasl.mechanism': kept.mechanism },
      token: () => kept.token,
      onToken: () => {},
      release: () => {
        kept.actors.delete(actor)
        if (kept.actors.size === 0) this.#rest(kept)
      },
    }
    kept.actors.add(actor)
    this.#renewLater(kept, kept.renewAtMs - this.#now())
    return actor
  }

  async mayUse(principal: string, { principal: own }: Identity, client: Pick<Client, 'clusterRights'>): Promise<boolean> {
    return principal === own || (await client.clusterRights()).has('ALTER')
  }

  close(): void {
    this.#isClosed = true
    for (const kept of this.#kept.values()) this.#rest(kept)
  }

  #now(): number {
    return this.#options.system.clock.monotonic()
  }

  #rest(kept: Kept): void {
    kept.timer?.cancel()
    kept.timer = null
  }

  #renewLater(kept: Kept, ms: number): void {
    if (this.#isClosed) return
    kept.timer ??= this.#options.system.timers.after(ms, () => {
      kept.timer = null
      this.#make(kept.principal).catch(error => {
        const { principal } = kept
        this.#options.logger.warn({ principal, err: error }, 'there is no new token for what acts as this principal; it is tried again')
        if (kept.actors.size > 0) this.#renewLater(kept, retryMs)
      })
    })
  }

  /** All who want one at the same time get the same. */
  #make(principal: string): Promise<Kept> {
    let making = this.#making.get(principal)
    if (making === undefined) {
      making = this.#makeOne(principal).finally(() => this.#making.delete(principal))
      this.#making.set(principal, making)
    }
    return making
  }

  async #makeOne(principal: string): Promise<Kept> {
    const made = await this.#options.own
      .createToken({ owner: principal, renewers: [], maxLifetimeMs: lifetimeMs })
      .catch((error: unknown) => {
        throw refusal(principal, this.#own, error)
      })
    const token = { tokenId: made.tokenId, hmac: made.hmac }
    const mechanism = await this.#tried(principal, token)
    const renewAtMs = this.#now() + between(made.issuedMs, made.expiresMs) / 2
    const known = this.#kept.get(principal)
    if (known === undefined) {
      this.#makeRoom(principal)
      const kept: Kept = { principal, mechanism, token, renewAtMs, actors: new Set(), timer: null }
      this.#kept.set(principal, kept)
      return kept
    }
    Object.assign(known, { mechanism, token, renewAtMs })
    for (const actor of known.actors) actor.onToken(token)
    if (known.actors.size > 0) this.#renewLater(known, renewAtMs - this.#now())
    return known
  }

  #makeRoom(principal: string): void {
    if (this.#kept.size < mostPrincipals) return
    const unused = Array.from(this.#kept.values()).find(({ actors }) => actors.size === 0)
    if (unused === undefined) throw new CannotAct(principal, `they act as ${mostPrincipals} principals already`)
    this.#kept.delete(unused.principal)
  }

  /** The mechanism with which the token logs in. */
  async #tried(principal: string, token: TokenLogin): Promise<string> {
    const { bootstrap, ownProperties, system } = this.#options
    const untilMs = this.#now() + patienceMs
    for (;;) {
      let refused: unknown
      for (const mechanism of this.#mechanisms) {
        const properties = { ...withoutLogin(ownProperties), 'sasl.mechanism': mechanism }
        await using client = openClient({ bootstrap, properties, delegationToken: () => token, clientId: 'millrace-services' })
        try {
          await client.cluster()
          return mechanism
        } catch (error) {
          if (!(error instanceof ClientError) || error.code !== 'REFUSED') throw error
          refused = error
        }
      }
      if (this.#now() > untilMs) throw new CannotAct(principal, `a token for it cannot log in: ${(refused as Error).message}`, refused)
      await pause(system, pauseMs, new AbortController().signal)
    }
  }
}

function between(earlier: Int64, later: Int64): number {
  return Number(later) - Number(earlier)
}

function refusal(principal: string, own: string | null, error: unknown): unknown {
  if (!(error instanceof ClientError)) return error
  const user = (own ?? 'User:NAME').replace(/^User:/, '')
  const name = principal.replace(/^User:/, '')
  switch (error.code) {
    case 'DELEGATION_TOKEN_AUTH_DISABLED':
      return new CannotAct(principal, 'the brokers have no delegation tokens, because they have no delegation.token.secret.key', error)
    case 'DELEGATION_TOKEN_AUTHORIZATION_FAILED':
      return new CannotAct(
        principal,
        `this takes CREATE_TOKENS on it; \`millrace acl add --principal ${user} --operation create-tokens --user-principal ${name}\` grants it`,
        error,
      )
    case 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED':
      return new CannotAct(principal, 'they log in themselves in a way that does not let them make tokens', error)
    default:
      return error
  }
}
