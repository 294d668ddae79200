/** Tokens for a client by its credentials (RFC 6749, section 4.4), kept until they are about to expire. */
import type { Clock } from '../../base.ts'
import { type HttpClient, isPassing, isSuccess, passingError, said } from '../http-client/http-client.ts'
import type { Config } from './keys.ts'

/** So that a token does not expire on its way. */
const earlyMs = 30_000
/** Where the answer does not say how long a token lives. */
const defaultLifeSeconds = 300

export class Tokens {
  readonly #config: Config
  readonly #client: HttpClient
  readonly #clock: Clock
  #token: { readonly text: string; readonly until: number } | null = null

  constructor(config: Config, client: HttpClient, clock: Clock) {
    this.#config = config
    this.#client = client
    this.#clock = clock
  }

  async header(): Promise<string> {
    if (this.#token === null || this.#clock.monotonic() >= this.#token.until) this.#token = await this.#ask()
    return `Bearer ${this.#token.text}`
  }

  /** The receiver refuses it. */
  forget(): void {
    this.#token = null
  }

  async #ask(): Promise<{ text: string; until: number }> {
    const config = this.#config
    const id = config['oauth2.client.id'] ?? ''
    const secret = config['oauth2.client.secret'] ?? ''
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    if (config['oauth2.client.scope'] !== null) form.set('scope', config['oauth2.client.scope'])
    const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
    if (config['oauth2.client.authorization.mode'] === 'url') {
      form.set('client_id', id)
      form.set('client_secret', secret)
    } else headers['authorization'] = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
    const answer = await this.#client.send({
      method: 'POST',
      url: new URL(config['oauth2.access.token.url']!),
      headers,
      body: form.toString(),
    })
    if (isPassing(answer.status)) throw passingError('the OAuth server', answer, this.#clock.now())
    if (!isSuccess(answer.status)) throw new Error(`the OAuth server refuses the client: ${said(answer)}`)
    return this.#read(answer.body)
  }

  #read(body: Buffer): { text: string; until: number } {
    const property = this.#config['oauth2.response.token.property']
    let said: Record<string, unknown> | null
    try {
      said = JSON.parse(body.toString()) as Record<string, unknown> | null
    } catch {
      said = null
    }
    const text = said?.[property]
    if (typeof text !== 'string') throw new Error(`the answer of the OAuth server has no ${property}`)
    const life = Number(said?.['expires_in'] ?? defaultLifeSeconds)
    return { text, until: this.#clock.monotonic() + (Number.isFinite(life) ? life : defaultLifeSeconds) * 1_000 - earlyMs }
  }
}
