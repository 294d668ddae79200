/** Errors as RFC 9457 problem documents, with Kafka's name where Kafka said no. */
import { STATUS_CODES } from 'node:http'
import { ClientError } from '../client.ts'
import type { ErrorBody, HttpError } from '../http.ts'

export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Kafka's name of the error, or UNREACHABLE, TIMEOUT, …; null: the console itself refused. */
  readonly error: string | null
}

export function problemOf({ status, message, cause }: HttpError): Problem {
  const error = cause instanceof ClientError ? cause.code : null
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail: message, error }
}

export const problemBody: ErrorBody = error => ({ contentType: 'application/problem+json', body: problemOf(error) })
