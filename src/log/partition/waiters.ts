/** Callbacks that wait for a partition's marks to advance. They are called in the same turn, in the order of registration. */
import type { PartitionLog, ReadLimit } from '../../log.ts'
import { KafkaError, type Offset } from '../../protocol.ts'

interface Waiter {
  offset: Offset
  upTo: ReadLimit['upTo']
  callback: () => void
}

export class Waiters {
  /** A set, because thousands of consumers may wait for one partition, and each comes and goes by itself. */
  readonly #waiters = new Set<Waiter>()

  add(offset: Offset, upTo: ReadLimit['upTo'], callback: () => void): { cancel(): void } {
    const waiter = { offset, upTo, callback }
    this.#waiters.add(waiter)
    return { cancel: () => void this.#waiters.delete(waiter) }
  }

  /** Calls those whose mark is past their offset. They may add and cancel others meanwhile. */
  notify(mark: (upTo: ReadLimit['upTo']) => Offset): void {
    if (this.#waiters.size === 0) return
    this.#call([...this.#waiters].filter(waiter => mark(waiter.upTo) > waiter.offset))
  }

  /** The partition is gone or offline: ends all waiting. */
  notifyAll(): void {
    this.#call([...this.#waiters])
  }

  #call(due: readonly Waiter[]): void {
    for (const waiter of due) this.#waiters.delete(waiter)
    for (const waiter of due) waiter.callback()
  }
}

/** Resolves when everything written so far is durable; rejects if that fails. The rejection may be ignored. */
export function whenDurable(log: PartitionLog & { readonly name: string }, offset: Offset): Promise<void> {
  const durable = new Promise<void>((resolve, reject) =>
    log.whenPast(offset, 'high-watermark', () =>
      log.highWatermark > offset ? resolve() : reject(new KafkaError('KAFKA_STORAGE_ERROR', `${log.name} did not become durable`)),
    ),
  )
  durable.catch(() => {})
  return durable
}
