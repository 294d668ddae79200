/**
 * Limits how many partitions waiting fetches watch. Each fetch watches all its partitions, so a thousand connections with a hundred thousand
 * partitions each would fill the memory, and every append would have to go through them. A fetch above the limit waits until its timeout and
 * checks its partitions then.
 *
 * Large fetches cannot take the room of small ones: otherwise two clients with all partitions of a large cluster would make everybody else's
 * fetches late.
 */
const mostWatched = 200_000
/** Has a room of its own, as large, when the first is full. */
const smallFetch = 100

export class ParkedFetches {
  #watched = 0

  get watched(): number {
    return this.#watched
  }

  /** False: there is no room for so many more. */
  take(partitions: number): boolean {
    const room = partitions <= smallFetch ? 2 * mostWatched : mostWatched
    if (this.#watched + partitions > room) return false
    this.#watched += partitions
    return true
  }

  give(partitions: number): void {
    this.#watched -= partitions
  }
}
