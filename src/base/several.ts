/** Work that waits for disks and servers: for many items, some of them at the same time; and for no longer than it may take. */
import type { Timers } from './system.ts'

/** Rejects with the first failure, when everything that was begun has ended; the other items are left. */
export async function severalAtOnce<T>(items: Iterable<T>, most: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]()
  const failures: unknown[] = []
  const next = async () => {
    for (let one = waiting.next(); one.done !== true && failures.length === 0; one = waiting.next())
      await work(one.value).catch(error => void failures.push(error))
  }
  await Promise.all(Array.from({ length: most }, next))
  if (failures.length > 0) throw failures[0]
}

/** Resolves when all of them have settled, or after this time. */
export function settledWithin(timers: Timers, ms: number, promises: readonly Promise<unknown>[]): Promise<void> {
  return new Promise(resolve => {
    const timer = timers.after(ms, resolve)
    void Promise.allSettled(promises).then(() => {
      timer.cancel()
      resolve()
    })
  })
}
