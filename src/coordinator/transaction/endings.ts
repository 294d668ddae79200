/**
 * The prepared transactions of a shard, and their missing markers.
 *
 * Hides that markers are written in steps, that a marker that cannot be written is retried until it succeeds, and that no marker is written
 * whose decision is no longer in the log.
 */
import type { Turns } from '../../base.ts'
import type { Decision, LogRecord, ProducerMarker, ShardContext } from '../shard.ts'
import { timerKey } from '../timer-key.ts'
import type { Transaction } from './transaction.ts'

export interface EndingsOptions {
  context: ShardContext
  turns: Turns
  /** Appends the marker; throws if that is not possible now and must be retried. A deleted partition needs none. */
  writeMarker(topic: string, partition: number, marker: ProducerMarker): void
  /** The leader epoch of the shard's partition, which fences earlier coordinators. */
  coordinatorEpoch(): number
  /** False if records from `offset` on are no longer in the log: records that depend on them must not be written. */
  holds(offset: number): boolean
  report(what: string, error: unknown): void
}

interface Ending {
  transaction: Transaction
  /** Those that have yet to be tried. */
  rest: [topic: string, partition: number][]
  /** Those that could not be written. */
  failed: [topic: string, partition: number][]
  /** Of the record of the decision. */
  recordOffset: number
}

const retryMs = 100
/**
 * Markers that are written before the time is checked: all of an ordinary transaction, but few if other work has used this turn already. A
 * partition that nothing was written to yet gets its files, which takes a tenth of a millisecond.
 */
const atOnce = 100
const inTurnOfOthers = 50

export class Endings {
  readonly #options: EndingsOptions
  /** The records that complete a transaction. */
  readonly #complete: (transaction: Transaction) => readonly LogRecord[]
  readonly #endings = new Map<string, Ending>()

  constructor(options: EndingsOptions, complete: (transaction: Transaction) => readonly LogRecord[]) {
    this.#options = options
    this.#complete = complete
  }

  /** The transaction was prepared by the record at this offset. */
  add(transaction: Transaction, recordOffset: number): void {
    const rest: Ending['rest'] = []
    for (const [topic, indexes] of transaction.partitions) for (const index of indexes) rest.push([topic, index])
    this.#endings.set(transaction.transactionalId, { transaction, rest, failed: [], recordOffset })
  }

  delete(transactionalId: string): void {
    this.#endings.delete(transactionalId)
  }

  clear(): void {
    this.#endings.clear()
  }

  /** After a load. */
  resume(): void {
    for (const ending of this.#endings.values()) this.#finishLater(ending, 0)
  }

  /** Called as soon as the decision has its place in the log. null: there is more to do, which continues in the background. */
  finish(transactionalId: string): Decision<void> | null {
    const ending = this.#endings.get(transactionalId)
    return ending === undefined ? null : this.#finish(ending)
  }

  #finish(ending: Ending): Decision<void> | null {
    const { transaction, recordOffset } = ending
    const { transactionalId, producerId, producerEpoch, status } = transaction
    if (this.#endings.get(transactionalId) !== ending) return null
    const { turns, coordinatorEpoch, holds, writeMarker, report } = this.#options
    const marker = { producerId, producerEpoch, committed: status === 'PrepareCommit', coordinatorEpoch: coordinatorEpoch() }
    const { rest } = ending
    const atLeast = turns.over ? inTurnOfOthers : atOnce
    let written = 0
    for (; written < rest.length && (written < atLeast || !turns.over); written++) {
      const [topic, partition] = rest[written]!
      // A group of appends that could not be written is taken back together: no marker may be left without its decision.
      if (!holds(recordOffset)) return null
      try {
        writeMarker(topic, partition, marker)
      } catch (error) {
        if (ending.failed.length === 0)
          report(`cannot write the transaction marker of ${transactionalId} to ${topic}-${partition} yet; retrying`, error)
        ending.failed.push([topic, partition])
      }
    }
    ending.rest = rest.slice(written)
    const goesOn = ending.rest.length > 0
    if (!goesOn && ending.failed.length === 0) return { records: this.#complete(transaction), response: undefined }
    if (!goesOn) ending.rest = ending.failed.splice(0)
    this.#finishLater(ending, goesOn ? 0 : retryMs)
    return null
  }

  #finishLater(ending: Ending, delayMs: number): void {
    const key = timerKey('end', ending.transaction.transactionalId)
    this.#options.context.schedule(key, delayMs, () => this.#finish(ending) ?? { records: [], response: undefined })
  }
}
