/**
 * Bounds what waiting fetches watch. Each watches every one of its partitions, so a thousand connections with a hundred thousand partitions
 * each would fill the memory, and every append would have to look through them. A fetch that finds no room waits out its time and looks then.
 */
const mostWatched = 200_000

export class ParkedFetches {
  #watched = 0

  get watched(): number {
    return this.#watched
  }

  /** False: there is no room for so many more. */
  take(partitions: number): boolean {
    if (this.#watched + partitions > mostWatched) return false
    this.#watched += partitions
    return true
  }

  give(partitions: number): void {
    this.#watched -= partitions
  }
}
