/** Errors of HTTP services: a status and the service's own code. How the body looks is up to the service, because clients of the APIs that it copies expect theirs. */

export class HttpError extends Error {
  readonly status: number
  /** `error_code` of Confluent's APIs. */
  readonly code: number
  /** In addition to those of every response. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: number,
    message: string,
    { headers = {}, cause }: { headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.name = 'HttpError'
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** The credentials are missing or wrong, or it was tried too often. `code`: the service's own. */
export function unauthorized(
  cause: Error & { retryAfterSeconds: number | null },
  code = 401,
  challenge = 'Basic realm="Kafka"',
): HttpError {
  const { message, retryAfterSeconds } = cause
  if (retryAfterSeconds !== null) return new HttpError(429, 429, message, { headers: { 'retry-after': String(retryAfterSeconds) }, cause })
  return new HttpError(401, code, message, { headers: { 'www-authenticate': challenge }, cause })
}

export interface Answer {
  readonly contentType: string
  readonly body: unknown
}

/** The response to an error, in the form of the service. Whatever is not an HttpError has been logged and becomes one with status 500. */
export type ErrorBody = (error: HttpError) => Answer
