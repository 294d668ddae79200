/** Errors of the API as RFC 9457 problem documents, with Kafka's name where Kafka said no. */
import { STATUS_CODES } from 'node:http'
import { ClientError } from '../../client.ts'
import { ExprError } from '../../expr.ts'
import { type ErrorBody, HttpError, unauthorized } from '../../http.ts'
import { CannotAct, Unauthorized } from '../../sessions.ts'
import { InvalidTrigger } from '../check.ts'
import { TooManyWait } from '../runner/pool.ts'
import { FunctionError } from '../runner/process.ts'
import { ChangedMeanwhile } from '../store.ts'

export const problemBody: ErrorBody = ({ status, message, cause }) => ({
  contentType: 'application/problem+json',
  body: {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: message,
    error: cause instanceof ClientError ? cause.code : null,
  },
})

/** Whatever was thrown. What is no refusal of anybody is a bug, which the server logs. */
export function toHttpError(error: unknown): unknown {
  if (error instanceof Unauthorized) return unauthorized(error)
  const status = statusOf(error)
  if (status === null) return error
  const detail = error instanceof FunctionError ? toldOf(error) : (error as Error).message
  return new HttpError(status, status, detail, { cause: error })
}

/** With the line of the file, where it is known. */
function toldOf({ type, message, trace }: FunctionError): string {
  const line = /\/function\.\w+:(\d+)/.exec(trace ?? '')?.[1]
  return `${type === 'Error' ? '' : `${type}: `}${message}${line === undefined ? '' : ` (line ${line})`}`
}

function statusOf(error: unknown): number | null {
  if (error instanceof InvalidTrigger || error instanceof ExprError || error instanceof CannotAct) return 400
  // The file has an error, or exports no such function.
  if (error instanceof FunctionError) return 422
  if (error instanceof ChangedMeanwhile) return 409
  if (error instanceof TooManyWait) return 429
  if (!(error instanceof ClientError)) return null
  // A definition is one record.
  if (error.code === 'MESSAGE_TOO_LARGE') return 413
  if (/_AUTHORIZATION_FAILED$/.test(error.code)) return 403
  if (/^(?:UNREACHABLE|TIMEOUT|REQUEST_TIMED_OUT|LEADER_NOT_AVAILABLE|COORDINATOR_.*|NOT_COORDINATOR)$/.test(error.code)) return 503
  return 502
}
