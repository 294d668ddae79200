/** Who waits for a partition's marks to move: callbacks in an array, called in the turn in which the mark moves. */
import type { PartitionLog, ReadLimit } from '../../log.ts'
import { KafkaError, type Offset } from '../../protocol.ts'

interface Waiter {
  offset: Offset
  upTo: ReadLimit['upTo']
  callback: () => void
}

export class Waiters {
  #waiters: Waiter[] = []

  add(offset: Offset, upTo: ReadLimit['upTo'], callback: () => void): { cancel(): void } {
    const waiter = { offset, upTo, callback }
    this.#waiters.push(waiter)
    return {
      cancel: () => {
        const at = this.#waiters.indexOf(waiter)
        if (at >= 0) this.#waiters.splice(at, 1)
      },
    }
  }

  /** Calls those whose mark is past their offset. They may add and cancel others meanwhile. */
  notify(mark: (upTo: ReadLimit['upTo']) => Offset): void {
    if (this.#waiters.length === 0) return
    const due = this.#waiters.filter(waiter => mark(waiter.upTo) > waiter.offset)
    if (due.length === 0) return
    this.#waiters = this.#waiters.filter(waiter => !due.includes(waiter))
    for (const waiter of due) waiter.callback()
  }

  /** The partition is gone or offline: nobody waits for it any longer. */
  notifyAll(): void {
    const all = this.#waiters
    this.#waiters = []
    for (const waiter of all) waiter.callback()
  }
}

/** What is written, and on its way to the disk, is durable; rejects when it will not be. Nobody need look. */
export function whenDurable(log: PartitionLog & { readonly name: string }, offset: Offset): Promise<void> {
  const durable = new Promise<void>((resolve, reject) =>
    log.whenPast(offset, 'high-watermark', () =>
      log.highWatermark > offset ? resolve() : reject(new KafkaError('KAFKA_STORAGE_ERROR', `${log.name} did not become durable`)),
    ),
  )
  durable.catch(() => {})
  return durable
}
