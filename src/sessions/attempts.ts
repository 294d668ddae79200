/**
 * How often somebody may try to log in: for each user at each address, for each user, and for each address. A try counts when it begins, so that many
 * at once are no way around it, and is forgiven if it succeeds.
 */
import type { Clock } from '../base.ts'
import { Unauthorized } from './credentials.ts'

interface Rule {
  /** So many at once. */
  readonly most: number
  /** Then one after each of these pauses. */
  readonly pauseMs: number
}

const userAtAddress: Rule = { most: 10, pauseMs: 6_000 }
const user: Rule = { most: 100, pauseMs: 1_000 }
const address: Rule = { most: 100, pauseMs: 1_000 }
/** The longest unused are forgotten beyond it. */
const mostKept = 10_000

interface Bucket {
  left: number
  sinceMs: number
}

export class Attempts {
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns what to call after a success. `name`: of the user; null: a token. Throws Unauthorized. */
  begin(from: string, name: string | null): () => void {
    const own: [string, Rule][] = [[`a ${from}`, address]]
    if (name !== null) own.push([`u ${name}`, user], [`b ${from} ${name}`, userAtAddress])
    const buckets = own.map(([key, rule]) => this.#bucket(key, rule))
    const waitMs = Math.max(...buckets.map(({ left }, at) => (left >= 1 ? 0 : (1 - left) * own[at]![1].pauseMs)))
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000)
      throw new Unauthorized(`Too many failed logins; try again in ${seconds} s`, seconds)
    }
    for (const bucket of buckets) bucket.left--
    return () => {
      for (const bucket of buckets) bucket.left++
    }
  }

  #bucket(key: string, { most, pauseMs }: Rule): Bucket {
    const now = this.#clock.monotonic()
    const bucket = this.#buckets.get(key) ?? { left: most, sinceMs: now }
    bucket.left = Math.min(most, bucket.left + (now - bucket.sinceMs) / pauseMs)
    bucket.sinceMs = now
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > mostKept) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket
  }
}
