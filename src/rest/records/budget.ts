/** How many bytes of records may be on their way to Kafka: of one principal, and of all together. Who wants more waits, or gets 429. */
import { HttpError } from '../../http.ts'

/** What a record takes besides its text. */
export const recordOverhead = 256
/** Streams of one principal that wait for room. */
const mostWaiting = 16

export class Budget {
  readonly #most: number
  readonly #used = new Map<string, number>()
  #waiting: { readonly principal: string; resume(): void }[] = []
  #total = 0

  /** One principal may have half of `mostBytes`. */
  constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  /** Throws 429. What is larger than all that is allowed is let in when nothing else is under way. */
  take(principal: string, bytes: number): () => void {
    if (!this.#fits(principal, bytes)) throw tooMany()
    return this.#add(principal, bytes)
  }

  /** Throws 429 if so many of this principal wait that one more would not be soon. */
  admit(principal: string): void {
    if (this.#waiting.filter(each => each.principal === principal).length >= mostWaiting) throw tooMany()
  }

  /** Resolves when there is room. */
  async wait(principal: string, bytes: number): Promise<() => void> {
    while (!this.#fits(principal, bytes)) await new Promise<void>(resume => this.#waiting.push({ principal, resume }))
    return this.#add(principal, bytes)
  }

  #fits(principal: string, bytes: number): boolean {
    const own = this.#used.get(principal) ?? 0
    return (own === 0 || own + bytes <= this.#most / 2) && (this.#total === 0 || this.#total + bytes <= this.#most)
  }

  #add(principal: string, bytes: number): () => void {
    this.#total += bytes
    this.#used.set(principal, (this.#used.get(principal) ?? 0) + bytes)
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#total -= bytes
      const left = this.#used.get(principal)! - bytes
      if (left === 0) this.#used.delete(principal)
      else this.#used.set(principal, left)
      const waiting = this.#waiting
      this.#waiting = []
      for (const { resume } of waiting) resume()
    }
  }
}

function tooMany(): HttpError {
  return new HttpError(429, 429, 'Too many records are on their way to Kafka; try again', { headers: { 'retry-after': '1' } })
}
