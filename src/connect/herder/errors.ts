/** What the API answers instead of a result, with Kafka Connect's statuses and words. */
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

export const noLeader = () =>
  conflict('Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.')
export const lostWay = () => conflict('Cannot complete request because of a conflicting operation (e.g. worker rebalance)')
