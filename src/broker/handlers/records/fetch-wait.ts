/** How a fetch that found too few bytes waits for more: without polling, and checking only partitions that have changed. */
import type { PartitionLog, ReadLimit } from '../../../log.ts'
import type { Offset } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

export interface Watched {
  readonly log: PartitionLog
  /** Up to where it was read. */
  readonly mark: Offset
}

export interface Wait {
  readonly upTo: ReadLimit['upTo']
  /** So many bytes have to be appended before another look is worth while. */
  readonly missingBytes: number
  readonly waitMs: number
}

/** How many are added before the time is checked. */
const watchedAtOnce = 1_000

/** Resolves when partitions have grown by `missingBytes`, when one of them went offline, when time is up, or when the client is gone. */
export async function grown(watched: readonly Watched[], wait: Wait, context: RequestContext): Promise<void> {
  const { parkedFetches, turns, system } = context.broker
  context.waits()
  // Above the limit, the fetch waits until its timeout.
  const hasRoom = parkedFetches.take(watched.length)
  const isLate = await someGrown(hasRoom ? watched : [], wait, context, () => {
    if (hasRoom) parkedFetches.give(watched.length)
    return parkedFetches.woken(system.timers)
  })
  // Checking the time would not help: all fetches that one record wakes would check it before the first of them has done anything.
  if (isLate) await turns.next()
}

/** Resolves with what `leave` returns at that moment. */
function someGrown<R>(watched: readonly Watched[], wait: Wait, context: RequestContext, leave: () => R): Promise<R> {
  const { upTo, missingBytes, waitMs } = wait
  const { system, turns } = context.broker
  return new Promise(resolve => {
    const waiters: { cancel(): void }[] = []
    let left = missingBytes
    let over = false
    const done = () => {
      if (over) return
      over = true
      timer.cancel()
      for (const waiter of waiters) waiter.cancel()
      context.signal.removeEventListener('abort', done)
      resolve(leave())
    }
    const timer = system.timers.after(waitMs, done)
    context.signal.addEventListener('abort', done)
    const watch = (index: number, log: PartitionLog, mark: Offset): void => {
      const sizeBytes = log.sizeBytes()
      let beginning = true
      const waiter = log.whenPast(mark, upTo, () => {
        if (over) return
        left -= log.sizeBytes() - sizeBytes
        // Called back at once: the mark moved since it was looked at, by an unknown number of bytes, or the partition is gone.
        if (beginning || left <= 0 || log.offline !== null) done()
        else watch(index, log, upTo === 'last-stable' ? log.lastStableOffset : log.highWatermark)
      })
      beginning = false
      if (over) waiter.cancel()
      else waiters[index] = waiter
    }
    const begin = async () => {
      for (let index = 0; index < watched.length && !over; index++) {
        if (index % watchedAtOnce === watchedAtOnce - 1 && turns.over) await turns.next()
        if (!over) watch(index, watched[index]!.log, watched[index]!.mark)
      }
    }
    void begin()
  })
}
