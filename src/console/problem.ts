/** Errors as RFC 9457 problem documents, with Kafka's name where Kafka said no. */
import { STATUS_CODES } from 'node:http'
import { ClientError } from '../client.ts'
import { type ErrorBody, HttpError, unauthorized } from '../http.ts'
import { BadPath } from '../json-http.ts'
import { RegistryRefused, SerdeError } from '../serde.ts'
import { Unauthorized } from '../sessions.ts'

export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Kafka's name of the error, or UNREACHABLE, TIMEOUT, …; null: the console itself refused. */
  readonly error: string | null
}

export function problemOf({ status, message, cause }: HttpError): Problem {
  const error = cause instanceof ClientError ? cause.code : cause instanceof RegistryRefused ? String(cause.code) : null
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message, error }
}

export const problemBody: ErrorBody = error => ({ contentType: 'application/problem+json', body: problemOf(error) })

/** Whatever was thrown. A browser knows Basic, and would ask for a password in a window of its own. What is no refusal of anybody is a bug, which the server logs. */
export function toHttpError(error: unknown): unknown {
  if (error instanceof Unauthorized) return unauthorized(error, 401, 'Session realm="Kafka"')
  // A registry that wants another login is no reason to ask for one here.
  if (error instanceof RegistryRefused) {
    const status = error.status === 401 ? 403 : error.status
    return new HttpError(status, error.code, error.message, { cause: error })
  }
  if (error instanceof BadPath) return new HttpError(400, 400, error.message, { cause: error })
  if (error instanceof SerdeError && error.cause instanceof BadPath) return toHttpError(error.cause)
  if (error instanceof SerdeError) return new HttpError(502, 502, error.message, { cause: error })
  if (!(error instanceof ClientError)) return error
  const status = statusOf(error.code)
  return new HttpError(status, status, error.message, { cause: error })
}

const statuses: readonly (readonly [RegExp, number])[] = [
  [/^(?:UNKNOWN_TOPIC_OR_PARTITION|UNKNOWN_TOPIC_ID|GROUP_ID_NOT_FOUND|OFFSET_OUT_OF_RANGE|TRANSACTIONAL_ID_NOT_FOUND)$/, 404],
  [/_AUTHORIZATION_FAILED$/, 403],
  [/^(?:TOPIC_ALREADY_EXISTS|NON_EMPTY_GROUP|UNKNOWN_MEMBER_ID|GROUP_SUBSCRIBED_TO_TOPIC|REASSIGNMENT_IN_PROGRESS)$/, 409],
  [/^INVALID|^POLICY_VIOLATION$|TOO_LARGE$|^UNSUPPORTED|_DISABLED$|_NOT_ALLOWED$|^UNACCEPTABLE_CREDENTIAL$/, 400],
  [/^(?:UNREACHABLE|TIMEOUT|REQUEST_TIMED_OUT|LEADER_NOT_AVAILABLE|COORDINATOR_.*|NOT_COORDINATOR)$/, 503],
]

function statusOf(code: string): number {
  return statuses.find(([pattern]) => pattern.test(code))?.[1] ?? 502
}
