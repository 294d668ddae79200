/** Walks many things in slices of a few milliseconds, so that the event loop is never held for longer. */
import type { System } from '../base.ts'

const sliceMs = 4

/**
 * Visits all items in order; between slices everything else runs. A visit that answers a promise, which must not reject, is waited for.
 * Stops when `stopped` says so. Calls `done` after the last one.
 */
export function sliced<T>(
  system: System,
  items: Iterable<T>,
  visit: (item: T) => void | Promise<void>,
  stopped: () => boolean,
  done: () => void,
): void {
  const rest = items[Symbol.iterator]()
  const slice = () => {
    const until = system.clock.monotonic() + sliceMs
    while (!stopped()) {
      const next = rest.next()
      if (next.done === true) return done()
      const visited = visit(next.value)
      if (visited !== undefined) return void visited.then(() => system.timers.soon(slice))
      if (system.clock.monotonic() >= until) return system.timers.soon(slice)
    }
  }
  slice()
}
