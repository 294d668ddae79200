/** What the API answers instead of a result, with Kafka Connect's statuses and words. */
import { ClientError, mayPass } from '../../client.ts'
import { HttpError } from '../../http.ts'

/** Another worker has to do it. */
export class Elsewhere extends Error {
  /** null: nobody knows who. */
  readonly url: string | null

  constructor(url: string | null) {
    super('another worker has to do it')
    this.name = 'Elsewhere'
    this.url = url
  }
}

const make = (status: number) => (message: string) => new HttpError(status, status, message)

export const badRequest = make(400)
export const forbidden = make(403)
export const notFound = make(404)
export const conflict = make(409)
export const unavailable = make(503)

/** What Kafka says to the worker is no secret of it: whoever asks learns whether to wait. What is no error of Kafka stays as it is. */
export function toHttpError(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error
  if (!mayPass(error)) return new HttpError(500, 500, error.message, { cause: error })
  return new HttpError(503, 503, `The Kafka cluster does not answer: ${error.message}`, { cause: error })
}

export const noLeader = () =>
  conflict('Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.')
export const lostWay = () => conflict('Cannot complete request because of a conflicting operation (e.g. worker rebalance)')
