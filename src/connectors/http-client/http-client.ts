/**
 * Requests to a target that speaks HTTP: connections that are kept, time-outs, answers of bounded size, and which failures pass.
 *
 * No answer at all (refused, reset, timed out) is a RetriableError. An answer of any status is the caller's to judge, with the help of {@link isPassing}.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as openHttp } from 'node:http'
import { Agent as HttpsAgent, request as openHttps } from 'node:https'
import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'

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
}

/** Far more than any target of ours says about a batch. */
const mostAnswerBytes = 16 * 1024 * 1024
const mostConnections = 16

export class HttpClient {
  readonly #settings: HttpClientSettings
  readonly #plain = new HttpAgent({ keepAlive: true, maxSockets: mostConnections })
  readonly #secure: HttpsAgent

  constructor(settings: HttpClientSettings) {
    this.#settings = settings
    this.#secure = new HttpsAgent({ keepAlive: true, maxSockets: mostConnections, ...settings.tls })
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
    const { system, signal, timeoutMs } = this.#settings
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const isSecure = url.protocol === 'https:'
    const options = { method, signal, agent: isSecure ? this.#secure : this.#plain, headers: { ...headers, ...length } }
    const request = isSecure ? openHttps(url, options) : openHttp(url, options)
    const timer = system.timers.after(timeoutMs, () => void request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    try {
      const answered = Promise.withResolvers<IncomingMessage>()
      request.on('response', answered.resolve)
      request.on('error', answered.reject)
      request.end(body)
      const response = await answered.promise
      return { status: response.statusCode ?? 0, headers: response.headers, body: await bodyOf(response) }
    } finally {
      timer.cancel()
    }
  }

  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }
}

class AnswerTooLong extends Error {}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > mostAnswerBytes) {
      response.destroy()
      throw new AnswerTooLong(`the answer has more than ${mostAnswerBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
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
  const text = body.subarray(0, 500).toString().trim().replace(/\s+/g, ' ')
  return `status ${status}${text === '' ? '' : `: ${text}`}`
}
