/**
 * Runs long work in slices, so that no client waits for the request of another.
 *
 * All long work of a process shares one slice of each turn of the event loop, first come, first served: a hundred large requests take
 * longer, but block other clients no longer than one of them. When many wait, their slices are shorter, so that a medium-sized request
 * does not wait behind all the large ones; a short list does not wait at all. A loop checks {@link Turns.over} and, if true, awaits
 * {@link Turns.next}; {@link inSlices} and {@link runInSlices} do that for lists and generators.
 */
import type { Clock, Timers } from './system.ts'

/** Per turn. A single step may exceed it, so it is well below the limit of 20 ms. */
const sliceMs = 4
/** Shorter slices would be spent on the turns themselves. */
const leastSliceMs = 0.5
/** Within this time everyone who waits should get a slice, unless that would make slices too short. */
const roundMs = 20
/** Lists up to this length are processed immediately, however many others wait. */
const shortList = 8
/** Promises that are started before the first of them is awaited: when they settle together, all that follows runs in one turn. */
const mostStarted = 64

export class Turns {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #waiting: (() => void)[] = []
  /** The end of this turn's slice; null as long as no work has begun. */
  #endMs: number | null = null
  #scheduled = false

  constructor({ clock, timers }: { clock: Clock; timers: Timers }) {
    this.#clock = clock
    this.#timers = timers
  }

  /** Whether this turn's slice is used up, or others are waiting: then `await next()`. */
  get over(): boolean {
    if (this.#endMs !== null) return this.#clock.monotonic() >= this.#endMs
    this.#begin()
    return false
  }

  /** Resolves in a later turn. */
  next(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#schedule()
    })
  }

  #begin(): void {
    const shareMs = roundMs / (this.#waiting.length + 1)
    this.#endMs = this.#clock.monotonic() + Math.max(leastSliceMs, Math.min(sliceMs, shareMs))
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#timers.soon(() => {
      this.#scheduled = false
      this.#endMs = null
      const first = this.#waiting.shift()
      if (first === undefined) return
      this.#begin()
      first()
    })
  }
}

/** What `work` makes of each item, in their order. Promises are awaited some dozens at a time. */
export async function inSlices<T, R>(turns: Turns, items: Iterable<T>, work: (item: T, index: number) => R | Promise<R>): Promise<R[]> {
  const results: R[] = []
  const started: Promise<void>[] = []
  const isLong = !Array.isArray(items) || items.length > shortList
  let index = 0
  try {
    for (const item of items) {
      if (started.length === mostStarted) await Promise.all(started.splice(0))
      if (isLong && turns.over) await turns.next()
      const at = index++
      const result = work(item, at)
      if (result instanceof Promise) started.push(result.then(value => void (results[at] = value)))
      else results[at] = result
    }
  } catch (error) {
    await Promise.allSettled(started)
    throw error
  }
  await Promise.all(started)
  return results
}

/** Those items that `keep` says yes to. */
export async function filterInSlices<T>(turns: Turns, items: Iterable<T>, keep: (item: T) => boolean): Promise<T[]> {
  const kept: T[] = []
  await inSlices(turns, items, item => {
    if (keep(item)) kept.push(item)
  })
  return kept
}

/** The list in pieces of `size`, for what works on several items in one step. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) => list.slice(index * size, (index + 1) * size))
}

/** Runs a generator that yields often, to its end. */
export async function runInSlices<T>(turns: Turns, steps: Generator<void, T>): Promise<T> {
  for (;;) {
    if (turns.over) await turns.next()
    const step = steps.next()
    if (step.done) return step.value
  }
}
