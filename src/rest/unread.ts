/** How much of long answers waits for its readers: of one principal, and of all together. */
import { HttpError } from '../http.ts'

/** Of one principal, in parts of the whole. */
const part = 2

export class Unread {
  readonly #most: number
  readonly #bytes = new Map<string, number>()
  #total = 0

  constructor(mostBytes: number) {
    this.#most = mostBytes
  }

  /** Throws 429. What is let in may add any answer, so that a single one is not too large. */
  admit(principal: string): void {
    if (this.#total < this.#most && (this.#bytes.get(principal) ?? 0) < this.#most / part) return
    throw new HttpError(429, 429, 'Too many answers are not read yet; read them first', { headers: { 'retry-after': '1' } })
  }

  /** Returns what is called once it is read, or its reader is gone. */
  add(principal: string, bytes: number): () => void {
    this.#change(principal, bytes)
    return () => this.#change(principal, -bytes)
  }

  #change(principal: string, by: number): void {
    this.#total += by
    const bytes = (this.#bytes.get(principal) ?? 0) + by
    if (bytes === 0) this.#bytes.delete(principal)
    else this.#bytes.set(principal, bytes)
  }
}
