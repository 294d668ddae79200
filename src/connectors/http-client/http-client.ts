/**
 * Requests to a target that speaks HTTP: connections that are kept, time-outs, answers of bounded size, what they say, and which failures pass.
 *
 * No answer at all (refused, reset, timed out) is a RetriableError. An answer of any status is the caller's to judge, with the help of {@link isPassing}.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as openHttp } from 'node:http'
import { Agent as HttpsAgent, request as openHttps } from 'node:https'
import { parseLossless, type System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { AnswerTooLong, bounded } from './bounded-agent.ts'

export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface TlsSettings {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly passphrase?: string
  readonly rejectUnauthorized?: boolean
}

export interface HttpClientSettings {
  readonly system: System
  /** When it is aborted, requests end. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly tls?: TlsSettings
  /** Default: far more than any target of ours says about a batch. */
  readonly mostAnswerBytes?: number
}

export const mostAnswerBytes = 16 * 1024 * 1024
const mostConnections = 16

export class HttpClient {
  readonly #signal: AbortSignal
  readonly #plain: HttpAgent
  readonly #secure: HttpsAgent

  constructor({ system, signal, timeoutMs, tls, mostAnswerBytes: mostBytes = mostAnswerBytes }: HttpClientSettings) {
    const bounds = { system, timeoutMs, mostBytes }
    this.#signal = signal
    this.#plain = bounded(new HttpAgent({ keepAlive: true, maxSockets: mostConnections }), bounds)
    this.#secure = bounded(new HttpsAgent({ keepAlive: true, maxSockets: mostConnections, ...tls }), bounds)
  }

  /** Throws RetriableError if there is no answer, and Error if it is too long: the next one would be as well. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#once(request)
    } catch (error) {
      // Neither the query nor the user of the URL: there may be secrets in them.
      const where = `${request.method} ${request.url.origin}${request.url.pathname}`
      const text = `${where}: ${(error as Error).message}`
      throw error instanceof AnswerTooLong ? new Error(text, { cause: error }) : new RetriableError(text, { cause: error })
    }
  }

  async #once({ method, url, headers = {}, body }: HttpRequest): Promise<HttpAnswer> {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const isSecure = url.protocol === 'https:'
    const options = {
      ...{ method, signal: this.#signal, agent: isSecure ? this.#secure : this.#plain },
      headers: { ...headers, ...length },
    }
    const request = isSecure ? openHttps(url, options) : openHttp(url, options)
    const answered = Promise.withResolvers<IncomingMessage>()
    request.on('response', answered.resolve)
    request.on('error', answered.reject)
    request.end(body)
    const response = await answered.promise
    const chunks: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
    // One whose length nobody said seems to be whole then.
    this.#signal.throwIfAborted()
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
  }

  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }
}

/** Whether the same request may go well later: the target is busy, starting or broken. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505)
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}

/** For an answer that {@link isPassing}: waits as long as `Retry-After` says. */
export function passingError(what: string, answer: HttpAnswer, nowMs: number): RetriableError {
  return new RetriableError(`${what}: ${said(answer)}`, { retryAfterMs: retryAfterMs(answer.headers, nowMs) })
}

const longestWaitMs = 3_600_000

export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: number): number | null {
  const text = headers['retry-after']
  if (text === undefined) return null
  const ms = /^\s*\d+\s*$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), longestWaitMs)
}

/** Status and the beginning of the body, for errors. */
export function said({ status, body }: HttpAnswer): string {
  const text = shown(body.subarray(0, 500).toString())
  return `status ${status}${text === '' ? '' : `: ${text}`}`
}

/** Of what a target says, for errors: in one line, and without logins, as something in between may show what it was asked. */
export function shown(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/\b(basic|bearer|digest|negotiate|odps) [\w+/=.~:-]{8,}/gi, '$1 [hidden]')
}

/**
 * What the answer says in JSON. Throws RetriableError if it is none, or not of this form: something in between may answer so for a while. `from`: who should have answered, for errors.
 */
export function jsonOf<T extends object>(answer: HttpAnswer, from: string, isExpected: (value: Partial<T>) => boolean): T {
  let value: unknown = null
  let cause: unknown = null
  try {
    value = parseLossless(answer.body.toString())
  } catch (error) {
    cause = error
  }
  if (typeof value === 'object' && value !== null && isExpected(value)) return value as T
  throw new RetriableError(`this is no answer of ${from}: ${said(answer)}`, { cause })
}
