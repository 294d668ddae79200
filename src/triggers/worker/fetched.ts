/**
 * What all triggers of this process have fetched and not called with yet. Each trigger fetches ahead; where functions or their endpoints are away for long, many
 * triggers would do so at the same time, and fill the memory that all of them share.
 */

const most = 134_217_728

export class FetchedBytes {
  readonly #most: number
  readonly #of = new Map<object, number>()
  #all = 0

  constructor(mostBytes = most) {
    this.#most = mostBytes
  }

  /** Whether nobody who has something should fetch more. */
  get isFull(): boolean {
    return this.#all >= this.#most
  }

  /** Of one trigger, now. */
  set(owner: object, bytes: number): void {
    this.#all += bytes - (this.#of.get(owner) ?? 0)
    if (bytes === 0) this.#of.delete(owner)
    else this.#of.set(owner, bytes)
  }
}
