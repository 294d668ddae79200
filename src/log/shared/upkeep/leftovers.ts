/**
 * Objects that this session wrote and that no row will ever name: a partition was given away while its piece was written, or its rows were
 * replaced by others meanwhile. The sweep would find them when the session has ended; but that may be in a year.
 */
import type { ObjectStore } from '../../../store.ts'
import type { Retries } from './retries.ts'

/** What is more is left to the sweep. */
const mostWaiting = 10_000
const mostAtOnce = 1_000

export class Leftovers {
  readonly #objects: ObjectStore
  readonly #retries: Retries
  readonly #waiting = new Set<string>()

  constructor(objects: ObjectStore, retries: Retries) {
    this.#objects = objects
    this.#retries = retries
  }

  /** Nobody knows their names but the caller, and it is certain that no frame with them was or will be committed. */
  discard(objects: Iterable<string>): void {
    for (const object of objects) if (this.#waiting.size < mostWaiting) this.#waiting.add(object)
  }

  async remove(): Promise<void> {
    while (this.#waiting.size > 0 && this.#retries.isDue(this)) {
      const some = [...this.#waiting].slice(0, mostAtOnce)
      try {
        await this.#objects.delete(some)
        for (const object of some) this.#waiting.delete(object)
        this.#retries.succeeded(this)
      } catch (error) {
        this.#retries.failed(this, 'deleting objects that are not needed', error)
      }
    }
  }
}
