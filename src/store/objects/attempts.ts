/**
 * One request to S3, tried until it succeeds, fails for good, or its time is over.
 *
 * Everything here may be repeated: a name is only ever written with the same bytes, deleting and reading change nothing more the second
 * time. So a lost reply, a reset connection and a 5xx are all the same: try again, after a pause that is drawn at random and doubles.
 * What the answer teaches is used before the next attempt: another time of day, other credentials, fewer requests at once.
 */
import { createHash } from 'node:crypto'
import { crc32c, Durations, growingMs, isLoopback, pause, type System, Turns } from '../../base.ts'
import type { ObjectCounts, ObjectRequest } from '../../store.ts'
import { Outage, type OutageOptions } from '../outage.ts'
import type { CredentialSource, Credentials } from './credentials.ts'
import type { RequestLimits } from './limits.ts'
import { ObjectError } from './object-error.ts'
import type { ObjectsUrl } from './objects-url.ts'
import { emptyHash, Signer, unsignedPayload } from './signature.ts'
import type { HttpRequest, HttpResponse, Transport } from './transport.ts'
import { textOf } from './xml.ts'

export interface S3Request {
  readonly kind: ObjectRequest
  readonly method: HttpRequest['method']
  /** Of the object, with the store's prefix; '' for the bucket itself. */
  readonly key: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: readonly Uint8Array[]
  /** The store verifies a checksum of the body. */
  readonly checksum?: boolean
  readonly mostBytes: number
  readonly parts?: HttpRequest['parts']
  /** Throws an ObjectError if the answer, though its status is fine, is not. */
  readonly check?: (response: HttpResponse) => void
}

export interface AttemptsOptions {
  system: System
  transport: Transport
  url: ObjectsUrl
  credentials: CredentialSource
  limits: RequestLimits
  /** Of one call, with all its attempts and its wait for a turn. */
  timeoutMs: number
  /** Of one attempt. */
  attemptTimeoutMs: number
  report: OutageOptions['report']
  recovered: OutageOptions['recovered']
}

/** Attempts go on for much longer, and nobody else would say that they fail. */
const quietMs = 3_000
const firstPauseMs = 50
/** A store that is back is to be noticed soon; one that asks for fewer requests gets more time. */
const longestPauseMs = { ofOutage: 2_000, ofThrottle: 5_000 }
/** Bodies are hashed in pieces of this size, one in each turn of the event loop for all requests together: so no other work waits for long. */
const hashedAtOnce = 1024 * 1024

const noTurn = 'NoTurn'
/** Codes whose status alone would not say that the request may be repeated. */
const passing: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'OperationAborted',
  'ConditionalRequestConflict',
  'IncompleteBody',
  'BadDigest',
])
const throttles: ReadonlySet<string> = new Set(['SlowDown', 'SlowDownRead', 'SlowDownWrite', 'TooManyRequests', 'RequestLimitExceeded'])
/** Others may be there by now. A secret that was replaced under the same key shows in the signature. */
const staleCredentials: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'TokenRefreshRequired',
  'InvalidToken',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
])

/** What the store's own words do not say. */
const cures: Readonly<Record<string, string>> = {
  AccessDenied: '; the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket',
  InvalidAccessKeyId: '; check AWS_ACCESS_KEY_ID, or where the credentials come from',
  NoSuchBucket: '; make the bucket, or correct the URL',
  SignatureDoesNotMatch: '; check AWS_SECRET_ACCESS_KEY, or where the credentials come from',
}

class Counts {
  requests = 0
  failures = 0
  throttled = 0
  bytes = 0
  readonly durations = new Durations()
}

export class Attempts {
  readonly counts: Record<ObjectRequest, Counts> & ObjectCounts = {
    put: new Counts(),
    get: new Counts(),
    list: new Counts(),
    delete: new Counts(),
  }
  readonly #options: AttemptsOptions
  readonly #signer: Signer
  readonly #turns: Turns
  readonly #outage: Outage
  /** What the store's clock shows more than ours. */
  #skewMs = 0
  #closed = false

  constructor(options: AttemptsOptions) {
    this.#options = options
    this.#signer = new Signer(options.url.region)
    this.#turns = new Turns(options.system)
    const { report, recovered } = options
    this.#outage = new Outage({ clock: options.system.clock, service: 'the object store', report, recovered })
  }

  close(): void {
    this.#closed = true
    this.#options.limits.close(closed())
  }

  async send(request: S3Request): Promise<HttpResponse> {
    const { system, limits, timeoutMs } = this.#options
    const endMs = system.clock.monotonic() + timeoutMs
    const content = await this.#contentHeaders(request)
    let refusedCredentials = false
    let before: ObjectError | null = null
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw closed()
      const begunMs = system.clock.monotonic()
      let error: ObjectError
      try {
        const response = await limits.run(request.method === 'GET' ? request.mostBytes : 0, () => this.#attempt(request, content, endMs))
        this.#outage.succeeded()
        return response
      } catch (thrown) {
        error = thrown as ObjectError
      }
      if (!(error instanceof ObjectError)) throw error
      // Why it waited for another turn tells more than that it had none in time.
      if (error.code === noTurn && before !== null) throw before
      before = error
      if (isOutage(error))
        this.#outage.report('the object store does not answer as it should; requests are tried again', error, begunMs, quietMs)
      const renewed = staleCredentials.has(error.code) && !refusedCredentials
      if (renewed) refusedCredentials = true
      if (this.#closed || (!error.retriable && !renewed)) throw error
      const pauseMs = this.#pauseMs(attempt, error)
      if (system.clock.monotonic() + pauseMs >= endMs) throw error
      await pause(system, pauseMs)
    }
  }

  #pauseMs(attempt: number, { code }: ObjectError): number {
    // A kept connection that the server closed meanwhile, or a clock that is set right now: nothing is gained by waiting.
    if (attempt === 0 && (code === 'Unreachable' || code === 'RequestTimeTooSkewed')) return 1
    const last = throttles.has(code) ? longestPauseMs.ofThrottle : longestPauseMs.ofOutage
    return 1 + this.#options.system.random.below(growingMs({ first: firstPauseMs, last }, attempt))
  }

  async #attempt(request: S3Request, content: Readonly<Record<string, string>>, endMs: number): Promise<HttpResponse> {
    const { system, transport, credentials, limits } = this.#options
    const counts = this.counts[request.kind]
    const leftMs = endMs - system.clock.monotonic()
    if (leftMs <= 0) throw new ObjectError('no turn in time: too many requests wait', noTurn, null, true)
    const keys = await credentials.current()
    const signed = this.#sign(request, content, keys)
    const begunMs = system.clock.monotonic()
    counts.requests++
    try {
      const timeoutMs = Math.min(leftMs, this.#options.attemptTimeoutMs)
      const response = await transport.send({ ...signed, timeoutMs }).catch(unreachable)
      if (response.status >= 300) throw this.#errorOf(request, response, keys)
      request.check?.(response)
      limits.succeeded()
      counts.durations.add(system.clock.monotonic() - begunMs)
      counts.bytes +=
        request.kind === 'get' ? lengthOf(response.parts ?? [response.body]) : request.kind === 'put' ? lengthOf(request.body) : 0
      return response
    } catch (error) {
      counts.failures++
      if (throttles.has((error as ObjectError).code)) {
        counts.throttled++
        limits.throttled()
      }
      throw error
    }
  }

  #sign(request: S3Request, content: Readonly<Record<string, string>>, keys: Credentials): Omit<HttpRequest, 'timeoutMs'> {
    const { url, system } = this.#options
    const path = `/${url.bucket}${request.key === '' ? '' : `/${request.key}`}`
    const { 'x-amz-content-sha256': payloadHash, ...headers } = content
    const toSign = {
      method: request.method,
      host: new URL(url.origin).host,
      path,
      query: request.query,
      headers: { ...request.headers, ...headers },
      payloadHash: payloadHash!,
    }
    return {
      method: request.method,
      origin: url.origin,
      path: request.query === '' ? path : `${path}?${request.query}`,
      headers: this.#signer.sign(toSign, keys, system.clock.now() + this.#skewMs),
      body: request.body,
      mostBytes: request.mostBytes,
      ...(request.parts === undefined ? {} : { parts: request.parts }),
    }
  }

  /**
   * Over TLS, and on loopback, nobody can change a body on its way, so it is not signed: the hash would cost both sides together more than 1 CPU
   * s/GB. A checksum that the store verifies guards it against mistakes. In clear text over a network the signature covers it.
   */
  async #contentHeaders({ body, checksum }: S3Request): Promise<Record<string, string>> {
    if (lengthOf(body) === 0) return { 'x-amz-content-sha256': emptyHash }
    const hash = isExposed(this.#options.url.origin) ? createHash('sha256') : null
    let crc = 0
    let left = lengthOf(body) > hashedAtOnce ? 0 : hashedAtOnce
    for (const each of body) {
      for (let at = 0; at < each.length; ) {
        if (left === 0) {
          await this.#turns.next()
          left = hashedAtOnce
        }
        const piece = each.subarray(at, at + left)
        hash?.update(piece)
        if (checksum) crc = crc32c(piece, crc)
        at += piece.length
        left -= piece.length
      }
    }
    const headers: Record<string, string> = { 'x-amz-content-sha256': hash === null ? unsignedPayload : hash.digest('hex') }
    if (checksum) {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(crc)
      headers['x-amz-checksum-crc32c'] = bytes.toString('base64')
    }
    return headers
  }

  #errorOf(request: S3Request, response: HttpResponse, keys: Credentials): ObjectError {
    const { status, headers } = response
    const body = response.body.toString('utf8')
    const code = textOf(body, 'Code') ?? codeOf(status)
    if (code === 'RequestTimeTooSkewed') this.#learnTime(body, headers)
    if (staleCredentials.has(code)) this.#options.credentials.refused(keys)
    const region = headers['x-amz-bucket-region'] ?? textOf(body, 'Region')
    const hint = region !== null && region !== this.#options.url.region ? `; the bucket is in region ${region}` : (cures[code] ?? '')
    const what = `${request.method} ${this.#options.url.bucket}/${request.key}`
    const told = textOf(body, 'Message') ?? 'no message'
    const message = `${what}: ${status} ${code}: ${hint === '' ? told : told.replace(/\.$/, '')}${hint}`
    const again = status >= 500 || status === 429 || status === 408 || passing.has(code) || code === 'RequestTimeTooSkewed'
    return new ObjectError(message, code, status, again && status !== 501 && status !== 505)
  }

  #learnTime(body: string, headers: Readonly<Record<string, string>>): void {
    const theirsMs = Date.parse(textOf(body, 'ServerTime') ?? headers['date'] ?? '')
    if (!Number.isNaN(theirsMs)) this.#skewMs = theirsMs - this.#options.system.clock.now()
  }
}

/** Other requests will hardly fare better. */
function isOutage({ code, retriable, status }: ObjectError): boolean {
  return retriable || status === 401 || status === 403 || code === 'NoSuchBucket' || code === 'CredentialsUnavailable'
}

/** Where an answer has no body that says more. */
function codeOf(status: number): string {
  if (status === 503) return 'SlowDown'
  if (status === 429) return 'TooManyRequests'
  if (status === 404) return 'NoSuchKey'
  if (status === 416) return 'InvalidRange'
  if (status === 403) return 'AccessDenied'
  return status < 400 ? 'Redirect' : `Status${status}`
}

function unreachable(error: Error): never {
  throw error instanceof ObjectError ? error : new ObjectError(error.message, 'Unreachable', null, true)
}

/** Somebody else may be on the way to it. */
function isExposed(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  return protocol === 'http:' && !isLoopback(hostname)
}

function lengthOf(body: readonly Uint8Array[]): number {
  let bytes = 0
  for (const each of body) bytes += each.length
  return bytes
}

function closed(): ObjectError {
  return new ObjectError('the object store was closed', 'Closed', null, false)
}
