/** How many readers each principal has: each holds a connection to Kafka. */
import { HttpError } from '../http.ts'

export class Readers {
  readonly #most: number
  readonly #counts = new Map<string, number>()

  /** `most`: of one principal. */
  constructor(most: number) {
    this.#most = most
  }

  /** Returns what is called at the end. Throws 429. */
  enter(principal: string): () => void {
    const count = this.#counts.get(principal) ?? 0
    if (count >= this.#most)
      throw new HttpError(429, 429, `${principal} has ${count} readers already`, { headers: { 'retry-after': '10' } })
    this.#counts.set(principal, count + 1)
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const left = this.#counts.get(principal)! - 1
      if (left === 0) this.#counts.delete(principal)
      else this.#counts.set(principal, left)
    }
  }
}
