/**
 * Login with an OpenID Connect provider: authorization code with PKCE (RFC 7636). The id token says who it was, and is checked: signature, issuer, audience,
 * nonce, time. The access token is for Kafka, which checks it.
 */
import { createHash } from 'node:crypto'
import type { System } from '../base.ts'
import { BadToken, download, issuerUrlProblem, Jwks, verifyJwt } from '../jwt.ts'
import type { Logger } from '../logger.ts'
import { Unauthorized } from './credentials.ts'

/** How people log in with a provider; plain data. */
export interface OidcSettings {
  readonly issuer: string
  readonly clientId: string
  /** null: a public client. */
  readonly clientSecret: string | null
  readonly scopes: readonly string[]
}

/** What must come back with the browser, and what only this process and the browser know meanwhile. */
export interface OidcRequest {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly redirectUri: string
}

export interface OidcTokens {
  readonly accessToken: string
  /** null: the provider gives none. */
  readonly refreshToken: string | null
  /** On the monotonic clock. */
  readonly expiresMs: number
}

interface Provider {
  readonly authorize: string
  readonly token: string
  readonly jwks: Jwks
  /** RFC 9207: the provider says in each answer who it is. */
  readonly namesItself: boolean
  readonly readMs: number
}

type Json = Readonly<Record<string, unknown>>

/** After so long, its description is read again. */
const freshMs = 3_600_000
const keysFreshMs = 3_600_000
const keysPauseMs = 10_000
const clockSkewSeconds = 60
/** Of a token whose end the provider does not say. */
const shortMs = 300_000

export class Oidc {
  readonly #settings: OidcSettings
  readonly #system: System
  readonly #logger: Logger
  #provider: Promise<Provider> | null = null

  constructor(settings: OidcSettings, system: System, logger: Logger) {
    this.#settings = settings
    this.#system = system
    this.#logger = logger
  }

  /** Where the browser goes. */
  async begin(redirectUri: string): Promise<{ url: string; request: OidcRequest }> {
    const { authorize } = await this.#known()
    const request = { state: this.#draw(), nonce: this.#draw(), verifier: this.#draw(), redirectUri }
    const url = new URL(authorize)
    const parameters = {
      response_type: 'code',
      client_id: this.#settings.clientId,
      redirect_uri: redirectUri,
      scope: this.#settings.scopes.join(' '),
      state: request.state,
      nonce: request.nonce,
      code_challenge: createHash('sha256').update(request.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return { url: url.href, request }
  }

  /** `answer`: the parameters with which the browser came back. Throws Unauthorized if it is not the answer to this request. */
  async finish(answer: Json, { state, nonce, verifier, redirectUri }: OidcRequest): Promise<OidcTokens> {
    const { issuer } = this.#settings
    const { jwks, namesItself } = await this.#known()
    if (answer['state'] !== state) throw new Unauthorized('The answer is for another login')
    if (answer['iss'] !== undefined ? answer['iss'] !== issuer : namesItself) throw new Unauthorized('The answer is of another provider')
    if (typeof answer['code'] !== 'string') throw new Unauthorized(`The provider refuses: ${word(answer['error'])}`)
    const got = await this.#ask({
      grant_type: 'authorization_code',
      code: answer['code'],
      redirect_uri: redirectUri,
      code_verifier: verifier,
    })
    const rules = { issuer, audiences: [this.#settings.clientId], clockSkewSeconds, subjectClaim: 'sub' }
    try {
      const { claims } = await verifyJwt(String(got['id_token']), id => jwks.keys(id), rules, this.#system.clock.now())
      if (claims['nonce'] !== nonce) throw new BadToken('it is for another login')
      const { aud, azp } = claims
      if ((Array.isArray(aud) && aud.length > 1 && azp === undefined) || (azp !== undefined && azp !== this.#settings.clientId))
        throw new BadToken('it is for another client')
    } catch (error) {
      if (!(error instanceof BadToken)) throw error
      throw new Unauthorized(`The id token is not accepted: ${error.message}`)
    }
    return this.#tokens(got, null)
  }

  /** Throws Unauthorized if the provider gives no more. */
  async refresh(refreshToken: string): Promise<OidcTokens> {
    return this.#tokens(await this.#ask({ grant_type: 'refresh_token', refresh_token: refreshToken }), refreshToken)
  }

  #tokens(got: Json, before: string | null): OidcTokens {
    const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds, token_type: type } = got
    if (typeof accessToken !== 'string' || String(type).toLowerCase() !== 'bearer') throw new Error('the provider gave no bearer token')
    const lastsMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1_000 : shortMs
    return {
      accessToken,
      refreshToken: typeof refreshToken === 'string' ? refreshToken : before,
      expiresMs: this.#system.clock.monotonic() + lastsMs,
    }
  }

  /** Of the token endpoint. */
  async #ask(parameters: Readonly<Record<string, string>>): Promise<Json> {
    const { clientId, clientSecret } = this.#settings
    const { token } = await this.#known()
    const encoded = (part: string) => encodeURIComponent(part).replaceAll('%20', '+')
    const secret = clientSecret === null ? null : Buffer.from(`${encoded(clientId)}:${encoded(clientSecret)}`).toString('base64')
    const { status, text } = await download(token, this.#system.timers, {
      method: 'POST',
      body: new URLSearchParams({ ...parameters, client_id: clientId }),
      ...(secret === null ? {} : { headers: { authorization: `Basic ${secret}` } }),
    })
    const answer = jsonObject(text)
    if (status === 200) return answer
    if (status === 400 || status === 401) throw new Unauthorized(`The provider refuses: ${word(answer['error'])}`)
    throw new Error(`the provider answered with HTTP status ${status}`)
  }

  #known(): Promise<Provider> {
    this.#provider ??= this.#discover().catch(error => {
      this.#provider = null
      throw error
    })
    return this.#provider.then(known => {
      if (this.#system.clock.monotonic() - known.readMs > freshMs) this.#provider = null
      return known
    })
  }

  async #discover(): Promise<Provider> {
    const { issuer } = this.#settings
    const system = this.#system
    const problem = issuerUrlProblem(issuer)
    if (problem !== null) throw new Error(`console.oidc.issuer: ${problem}`)
    const { status, text } = await download(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, system.timers)
    if (status !== 200) throw new Error(`the provider does not describe itself: HTTP status ${status}`)
    const said = jsonObject(text)
    if (said['issuer'] !== issuer) throw new Error(`console.oidc.issuer: the provider says that it is ${word(said['issuer'])}`)
    const urlOf = (name: string) => {
      const url = String(said[name])
      const wrong = issuerUrlProblem(url)
      if (wrong !== null) throw new Error(`the provider's ${name}: ${wrong}`)
      return url
    }
    const jwks = new Jwks({ system, logger: this.#logger, url: urlOf('jwks_uri'), refreshMs: keysFreshMs, pauseMs: keysPauseMs })
    return {
      authorize: urlOf('authorization_endpoint'),
      token: urlOf('token_endpoint'),
      jwks,
      namesItself: said['authorization_response_iss_parameter_supported'] === true,
      readMs: system.clock.monotonic(),
    }
  }

  #draw(): string {
    const bytes = Buffer.alloc(32)
    this.#system.random.fill(bytes)
    return bytes.toString('base64url')
  }
}

function jsonObject(text: string): Json {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Json
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new Error('the provider did not answer with a JSON object')
}

/** Of somebody else, to be shown. */
function word(value: unknown): string {
  return typeof value === 'string' ? value.replace(/[^\w:/. -]/g, '').slice(0, 100) : 'without a reason'
}
