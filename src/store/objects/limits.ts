/**
 * How many requests run at once, and how much memory their answers may take. A store that asks for fewer (503, SlowDown) gets half as many
 * at once; each success then allows a little more, up to the limit. First come, first served. The waiting line has no bound of its own:
 * who waits holds only what its caller holds anyway.
 */

interface Waiting {
  bytes: number
  begin(): void
  refuse(error: Error): void
}

export class RequestLimits {
  readonly #mostRequests: number
  readonly #mostBytes: number
  #allowed: number
  #requests = 0
  #bytes = 0
  #closed: Error | null = null
  readonly #waiting: Waiting[] = []

  constructor(mostRequests: number, mostBytes: number) {
    this.#mostRequests = mostRequests
    this.#mostBytes = mostBytes
    this.#allowed = mostRequests
  }

  /** Runs `work` when its turn comes. `bytes`: memory that it allocates. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#closed !== null) throw this.#closed
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((begin, refuse) => this.#waiting.push({ bytes, begin, refuse }))
    } else this.#take(bytes)
    try {
      return await work()
    } finally {
      this.#requests--
      this.#bytes -= bytes
      this.#admit()
    }
  }

  throttled(): void {
    this.#allowed = Math.max(1, this.#allowed / 2)
  }

  succeeded(): void {
    if (this.#allowed < this.#mostRequests) this.#allowed = Math.min(this.#mostRequests, this.#allowed + 1 / this.#allowed)
  }

  close(error: Error): void {
    this.#closed = error
    for (const each of this.#waiting.splice(0)) each.refuse(error)
  }

  /** One request fits always, however large it is. */
  #fits(bytes: number): boolean {
    if (this.#requests === 0) return true
    return this.#requests < Math.floor(this.#allowed) && this.#bytes + bytes <= this.#mostBytes
  }

  #take(bytes: number): void {
    this.#requests++
    this.#bytes += bytes
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#take(first.bytes)
      first.begin()
    }
  }
}
