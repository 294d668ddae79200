/** Gathers what goes to one broker: one request to it is under way, and what comes meanwhile goes together in the next. */

export class Batches<T> {
  readonly #take: (waiting: T[]) => T[]
  readonly #send: (brokerId: number, items: T[]) => Promise<void>
  readonly #waiting = new Map<number, T[]>()

  /** `take` removes and returns what the next request carries, at least one; `send` never rejects. */
  constructor(take: (waiting: T[]) => T[], send: (brokerId: number, items: T[]) => Promise<void>) {
    this.#take = take
    this.#send = send
  }

  add(brokerId: number, item: T): void {
    const waiting = this.#waiting.get(brokerId)
    if (waiting !== undefined) {
      waiting.push(item)
      return
    }
    const begun = [item]
    this.#waiting.set(brokerId, begun)
    void this.#drain(brokerId, begun)
  }

  async #drain(brokerId: number, waiting: T[]): Promise<void> {
    // What the caller adds in the same step goes along.
    await null
    while (waiting.length > 0) await this.#send(brokerId, this.#take(waiting))
    this.#waiting.delete(brokerId)
  }
}
