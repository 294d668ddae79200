/**
 * Limits how many partitions waiting fetches watch. Each fetch watches all its partitions, so a thousand connections with a hundred thousand
 * partitions each would fill the memory, and every append would have to go through them. A fetch above the limit waits until its timeout and
 * checks its partitions then.
 *
 * Large fetches cannot use the space of small ones: otherwise two clients with all partitions of a large cluster would delay the fetches of
 * all others. Fetches that are woken together take turns.
 */
import type { Timers } from '../../base.ts'

const mostWatched = 200_000
/** Fetches up to this size can use a second space of the same size when the first is full. */
const smallFetch = 100
/** This many fetches can be answered in a few milliseconds if one record completes all of them. */
const fewFetches = 50

export class ParkedFetches {
  #watched = 0
  #fetches = 0
  /** In this turn of the event loop; not counted while few wait. */
  #woken = 0

  get watched(): number {
    return this.#watched
  }

  /** To be called for each fetch that is woken. True: so many were woken in this turn of the event loop that it should wait for a later one. */
  woken(timers: Pick<Timers, 'soon'>): boolean {
    if (this.#woken === 0 && this.#fetches < fewFetches) return false
    if (this.#woken++ === 0) {
      timers.soon(() => {
        this.#woken = 0
      })
    }
    return this.#woken > fewFetches
  }

  /** False: there is no room for so many more. */
  take(partitions: number): boolean {
    const room = partitions <= smallFetch ? 2 * mostWatched : mostWatched
    if (this.#watched + partitions > room) return false
    this.#watched += partitions
    this.#fetches++
    return true
  }

  /** Called after a {@link take} that returned true. */
  give(partitions: number): void {
    this.#fetches--
    this.#watched -= partitions
  }
}
