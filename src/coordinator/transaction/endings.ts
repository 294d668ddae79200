/**
 * The prepared transactions of a shard, and their missing markers.
 *
 * Hides that markers are written in steps, that a marker that cannot be written is retried until it succeeds, and that no marker is written
 * whose decision is no longer in the log. This broker's own journal keeps their order, so its markers follow the decision at once; other
 * brokers get theirs when the decision is durable.
 */
import { growingMs, type Turns } from '../../base.ts'
import type { KafkaError } from '../../protocol.ts'
import type { Decision, LogRecord, ProducerMarker, ShardContext } from '../shard.ts'
import { timerKey } from '../timer-key.ts'
import type { Place, RemoteMarkers } from './remote-markers.ts'
import type { Transaction } from './transaction.ts'

export interface EndingsOptions {
  context: ShardContext
  turns: Turns
  /**
   * Appends the marker; false: another broker leads the partition. Throws if it is not possible now and must be retried. A deleted partition
   * needs none.
   */
  writeMarker(topic: string, partition: number, marker: ProducerMarker): boolean
  /** Null: there is no other broker. */
  remoteMarkers: RemoteMarkers | null
  /** The leader epoch of the shard's partition, which fences earlier coordinators. */
  coordinatorEpoch(): number
  /** False if records from `offset` on are no longer in the log: records that depend on them must not be written. */
  holds(offset: number): boolean
  /** Calls back when the record at `offset` is durable, at once if it is; not at all if it is lost. */
  whenDurable(offset: number, callback: () => void): void
  report(what: string, error: unknown): void
}

interface Ending {
  transaction: Transaction
  /** Those that have yet to be tried. */
  rest: Place[]
  /** Those that could not be written. */
  failed: Place[]
  /** How many other brokers are writing. */
  away: number
  /** How often other brokers were asked. */
  rounds: number
  reported: boolean
  /** Of the record of the decision. */
  recordOffset: number
}

const retryMs = 100
/** Another broker may be away for long, with thousands of transactions waiting for it: the pause doubles up to this. */
const mostRetryMs = 1_000
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
    const rest: Place[] = []
    for (const [topic, indexes] of transaction.partitions) for (const index of indexes) rest.push([topic, index])
    this.#endings.set(transaction.transactionalId, { transaction, rest, failed: [], away: 0, rounds: 0, reported: false, recordOffset })
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
    const { turns, coordinatorEpoch, holds, writeMarker } = this.#options
    const marker = { producerId, producerEpoch, committed: status === 'PrepareCommit', coordinatorEpoch: coordinatorEpoch() }
    const { rest } = ending
    const atLeast = turns.over ? inTurnOfOthers : atOnce
    let elsewhere: Place[] | null = null
    let written = 0
    for (; written < rest.length && (written < atLeast || !turns.over); written++) {
      const [topic, partition] = rest[written]!
      // A group of appends that could not be written is taken back together: no marker may be left without its decision.
      if (!holds(recordOffset)) return null
      try {
        if (!writeMarker(topic, partition, marker)) (elsewhere ??= []).push(rest[written]!)
      } catch (error) {
        this.#reportOnce(ending, rest[written]!, error)
        ending.failed.push(rest[written]!)
      }
    }
    ending.rest = rest.slice(written)
    if (elsewhere !== null) this.#send(ending, marker, elsewhere)
    const goesOn = ending.rest.length > 0
    if (!goesOn && ending.failed.length === 0) {
      return ending.away > 0 ? null : { records: this.#complete(transaction), response: undefined }
    }
    if (!goesOn) ending.rest = ending.failed.splice(0)
    this.#finishLater(ending, goesOn ? 0 : retryMs)
    return null
  }

  #send(ending: Ending, marker: ProducerMarker, places: readonly Place[]): void {
    const { whenDurable, remoteMarkers } = this.#options
    const { transactionalId, clientVersion } = ending.transaction
    ending.away += places.length
    ending.rounds++
    whenDurable(ending.recordOffset, () => {
      if (this.#endings.get(transactionalId) !== ending) return
      remoteMarkers?.write({ ...marker, transactionVersion: clientVersion }, places, (place, failure) => this.#back(ending, place, failure))
    })
  }

  #back(ending: Ending, place: Place, failure: KafkaError | null): void {
    if (this.#endings.get(ending.transaction.transactionalId) !== ending) return
    ending.away--
    if (failure !== null) {
      this.#reportOnce(ending, place, failure)
      // It goes to whoever leads the partition by then, perhaps this broker.
      ending.rest.push(place)
      this.#finishSoon(ending)
    } else if (ending.away === 0 && ending.rest.length === 0) this.#finishLater(ending, 0)
  }

  #reportOnce(ending: Ending, [topic, partition]: Place, error: unknown): void {
    if (ending.reported) return
    ending.reported = true
    const { transactionalId } = ending.transaction
    this.#options.report(`cannot write the transaction marker of ${transactionalId} to ${topic}-${partition} yet; retrying`, error)
  }

  #finishLater(ending: Ending, delayMs: number): void {
    this.#options.context.schedule(keyOf(ending), delayMs, this.#stepOf(ending))
  }

  /** Unless it is scheduled already: many attempts may fail at about the same time. */
  #finishSoon(ending: Ending): void {
    const delayMs = growingMs({ first: retryMs, last: mostRetryMs }, ending.rounds - 1)
    this.#options.context.scheduleIfAbsent(keyOf(ending), delayMs, this.#stepOf(ending))
  }

  #stepOf(ending: Ending): () => Decision<void> {
    return () => this.#finish(ending) ?? { records: [], response: undefined }
  }
}

function keyOf({ transaction }: Ending) {
  return timerKey('end', transaction.transactionalId)
}
