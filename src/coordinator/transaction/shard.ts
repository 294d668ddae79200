/**
 * The shard of one partition of `__transaction_state`: its transactional ids, their current producers, and the life of a
 * transaction from its first partition to its markers. Kafka's TransactionCoordinator and TransactionMetadata as a state machine.
 *
 * A step changes the state immediately and responds when its record is durable, so Kafka's "pending" transitions do not exist here. Ending a
 * transaction is one sequence: as soon as the decision's record has its place in the journal, the markers follow (`endings.ts`), and then the
 * completion record. A crash leaves a prefix of this sequence, from which `loaded` continues.
 */
import { ageOf, type Int64 } from '../../base.ts'
import { KafkaError } from '../../protocol.ts'
import type { Decision, LogRecord, ProducerSession, Shard, ShardContext } from '../shard.ts'
import { timerKey } from '../timer-key.ts'
import { Endings, type EndingsOptions } from './endings.ts'
import { type ResidentLimits, Residents } from './residents.ts'
import type { TransactionSettings } from './settings.ts'
import {
  decodeTransaction,
  epochAfter,
  hasPartition,
  isEpochExhausted,
  isPrepared,
  lastEpoch,
  none,
  noPartitions,
  type Partitions,
  type Transaction,
  transactionRecord,
  transactionTombstone,
  withPartitions,
} from './transaction.ts'

/** The identity in every request of a transactional producer. */
export interface TransactionalProducer extends ProducerSession {
  transactionalId: string
}

export interface InitProducer extends TransactionalProducer {
  /** Whose id it is; `User:alice`. */
  principal: string
  transactionTimeoutMs: number
}

export interface EndRequest extends TransactionalProducer {
  committed: boolean
  /** `transaction.version` as the client uses it. */
  clientVersion: number
}

/** The result of an operation; `error` if its records must be durable before the client is asked to retry. */
export interface Session extends ProducerSession {
  error?: KafkaError
}

export interface TransactionShardOptions extends EndingsOptions {
  settings: TransactionSettings
  /** Of this shard's share of the ids. */
  residentLimits(): ResidentLimits
}

/** How InitProducerId recognizes its own repetition (KIP-360); not stored, as in Kafka. */
interface Bump {
  /** The epoch that it gave. */
  producerEpoch: number
  lastProducerEpoch: number
}

const abortKey = timerKey('abort')
const expiryKey = timerKey('expire')
/** The record that ends a transaction names the same partitions, and producer ids that earlier records need not name. */
const endingBytes = 1_024
/** Partitions of transactions that are aborted in one step because their time is up. */
const expiringAtOnce = 500
const expiryStepRecords = 1_000

export class TransactionShard implements Shard {
  readonly #options: TransactionShardOptions
  readonly #context: ShardContext
  readonly #transactions = new Map<string, Transaction>()
  readonly #residents = new Residents()
  readonly #bumps = new Map<string, Bump>()
  readonly #endings: Endings

  constructor(options: TransactionShardOptions) {
    this.#options = options
    this.#context = options.context
    this.#endings = new Endings(options, transaction => this.#move(completed(transaction, this.#context.clock.now())).records)
  }

  replay(record: LogRecord, offset: number): void {
    const decoded = decodeTransaction(record)
    if (decoded === null) return
    const { transactionalId, transaction } = decoded
    this.#endings.delete(transactionalId)
    if (transaction === null) {
      this.#transactions.delete(transactionalId)
      this.#bumps.delete(transactionalId)
      this.#residents.forget(transactionalId)
      return
    }
    this.#transactions.set(transactionalId, transaction)
    this.#residents.touch(transactionalId)
    if (transaction.owner !== '') this.#residents.own(transactionalId, transaction.owner)
    if (isPrepared(transaction)) this.#endings.add(transaction, offset)
  }

  loaded(): void {
    this.#endings.resume()
    this.#scheduleAborts(this.#options.settings.abortTimedOutIntervalMs)
    this.#scheduleExpiry()
  }

  unload(): void {
    this.#transactions.clear()
    this.#endings.clear()
    this.#residents.clear()
  }

  get(transactionalId: string): Transaction | undefined {
    return this.#transactions.get(transactionalId)
  }

  all(): Iterable<Transaction> {
    return this.#transactions.values()
  }

  // ---- InitProducerId

  /** Whether the next step of this id takes a producer id that was never used. */
  needsProducerId(transactionalId: string): boolean {
    const transaction = this.#transactions.get(transactionalId)
    return transaction === undefined || isEpochExhausted(transaction.producerEpoch)
  }

  /** `spare`: an unused producer id, when one was needed a moment ago. Session `-1, -1`: the producer has none yet. */
  initProducerId(request: InitProducer, spare: Int64 | null): Decision<Session> {
    const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request
    const expected = producerId === none ? null : producerEpoch
    const now = this.#context.clock.now()
    const known = this.#transactions.get(transactionalId)
    if (known === undefined) return this.#begin(request, taken(spare), now)
    const before = { ...known, owner: known.owner || request.principal }
    this.#residents.own(transactionalId, request.principal)
    const ofPrevious = producerId === before.previousProducerId && isEpochExhausted(producerEpoch)
    if (expected !== null && producerId !== before.producerId && !ofPrevious) throw fenced(request)
    if (isPrepared(before)) throw concurrent(transactionalId)
    // The client comes again, and then finds the transaction of its predecessor aborted and gets an epoch of its own.
    if (before.status === 'Ongoing') {
      // Kafka lets any epoch abort the transaction, even one that was fenced.
      if (expected !== null && expected !== before.producerEpoch) throw fenced(request)
      return this.#fence(before, expected === null ? 0 : versionAfterFence(before), concurrent(transactionalId))
    }
    const empty = { ...before, ...emptied, timeoutMs: transactionTimeoutMs, lastUpdateMs: now, previousProducerId: before.producerId }
    // The epoch was raised for this producer and never given to another: it repeats its request, or its transaction was aborted.
    const bump = this.#bumps.get(transactionalId)
    const raised = bump !== undefined && bump.producerEpoch === before.producerEpoch && bump.lastProducerEpoch === expected
    if (raised && before.producerEpoch !== lastEpoch) return this.#move({ ...empty, previousProducerId: before.previousProducerId })
    if (expected !== null && expected !== before.producerEpoch && !raised) throw fenced(request)
    if (isEpochExhausted(before.producerEpoch)) {
      this.#remember(transactionalId, 0, expected ?? none)
      return this.#move({ ...empty, producerId: taken(spare), producerEpoch: 0 })
    }
    this.#remember(transactionalId, before.producerEpoch + 1, expected ?? none)
    return this.#move({ ...empty, producerEpoch: before.producerEpoch + 1 })
  }

  /** A transactional id that is not known yet, in the place of one that has been idle for long when there are too many. */
  #begin({ transactionalId, transactionTimeoutMs, principal }: InitProducer, producerId: Int64, now: number): Decision<Session> {
    const mayGo = (id: string) => isIdle(this.#transactions.get(id)!)
    const leaving = this.#residents.leaving(principal, this.#options.residentLimits(), mayGo)
    if (leaving === null) {
      const reason = `Cannot add ${transactionalId}: max.transactional.ids is reached, and all transactional ids have an open transaction`
      throw new KafkaError('POLICY_VIOLATION', reason)
    }
    this.#remember(transactionalId, 0, none)
    this.#residents.own(transactionalId, principal)
    const begun = { ...emptyTransaction(transactionalId, producerId, principal), timeoutMs: transactionTimeoutMs, lastUpdateMs: now }
    const decision = this.#move(begun)
    return {
      ...decision,
      records: [...leaving.map(transactionTombstone), ...decision.records],
      rejected: () => this.#residents.forget(transactionalId),
    }
  }

  // ---- partitions

  /** Enters partitions into the transaction, which begins with the first one. */
  addPartitions(producer: TransactionalProducer, added: Partitions, clientVersion: number): Decision<void> {
    const before = this.#ofProducer(producer)
    const ongoing = before.status === 'Ongoing'
    const partitions = withPartitions(ongoing ? before.partitions : noPartitions, added)
    if (ongoing && partitions === before.partitions) return { records: [], response: undefined }
    const now = this.#context.clock.now()
    const startMs = ongoing ? before.startMs : now
    const { records } = this.#move({ ...before, status: 'Ongoing', partitions, startMs, lastUpdateMs: now, clientVersion })
    return { records, response: undefined, headroom: endingBytes }
  }

  /** May the producer write to the partition in its transaction? Throws Kafka's reason why not. */
  verify(producer: TransactionalProducer, topic: string, partition: number): void {
    if (hasPartition(this.#ofProducer(producer), topic, partition)) return
    throw new KafkaError('TRANSACTION_ABORTABLE', `${topic}-${partition} is not in the transaction of ${producer.transactionalId}`)
  }

  // ---- the end

  /** `spare` as with `initProducerId`. */
  end(request: EndRequest, spare: Int64 | null): Decision<Session> {
    const { transactionalId, producerId, producerEpoch, committed, clientVersion } = request
    const before = this.#find(transactionalId)
    const repeated = repeats(request, before)
    if (before.producerId !== producerId && !repeated) throw wrongProducer(request)
    if (before.producerEpoch !== producerEpoch && !repeated) throw fenced(request)
    if (before.status === 'Ongoing') return this.#prepare(before, committed, clientVersion, spare)
    // Also for the other outcome: a client may end its next transaction, of which nothing was added, while markers are written.
    if (isPrepared(before)) throw concurrent(transactionalId)
    if (repeated || (before.clientVersion < 2 && before.status !== 'Empty')) {
      const same = committed ? before.status === 'CompleteCommit' : before.status === 'CompleteAbort'
      if (!same) throw impossible(before, committed)
      return { records: [], response: { producerId: before.producerId, producerEpoch: before.producerEpoch } }
    }
    // KIP-890: a client that added nothing may still want the epoch raised, after an error that leaves the fate of a batch unknown.
    if (committed || clientVersion < 2) throw impossible(before, committed)
    return this.#prepare({ ...before, partitions: noPartitions, startMs: this.#context.clock.now() }, false, clientVersion, spare)
  }

  #prepare(before: Transaction, committed: boolean, clientVersion: number, spare: Int64 | null): Decision<Session> {
    const raised = clientVersion >= 2
    const nextProducerId = raised && isEpochExhausted(before.producerEpoch) ? taken(spare) : none
    const decision = this.#move({
      ...before,
      status: committed ? 'PrepareCommit' : 'PrepareAbort',
      producerEpoch: raised ? epochAfter(before.producerEpoch) : before.producerEpoch,
      previousProducerId: before.producerId,
      nextProducerId,
      lastUpdateMs: this.#context.clock.now(),
      clientVersion,
    })
    // The response may get lost; then the producer asks for its epoch with InitProducerId.
    if (raised) this.#remember(before.transactionalId, nextProducerId === none ? epochAfter(before.producerEpoch) : 0, before.producerEpoch)
    if (nextProducerId === none) return decision
    return { ...decision, response: { producerId: nextProducerId, producerEpoch: 0 } }
  }

  /**
   * Aborts the ongoing transaction under a higher epoch: its producer can do nothing more in it. As in Kafka, it may ask for the new epoch
   * (InitProducerId) until another producer has got one. With version 2 its own EndTxn is taken for the one that raised the epoch: it may
   * not commit, but if it aborts it gets the epoch and continues.
   */
  #fence(before: Transaction, clientVersion: number, error: KafkaError): Decision<Session> {
    const decision = this.#move({
      ...before,
      status: 'PrepareAbort',
      producerEpoch: epochAfter(before.producerEpoch),
      previousProducerId: before.producerId,
      nextProducerId: none,
      lastUpdateMs: this.#context.clock.now(),
      clientVersion,
    })
    this.#remember(before.transactionalId, epochAfter(before.producerEpoch), before.producerEpoch)
    return { ...decision, response: { producerId: none, producerEpoch: none, error } }
  }

  // ---- timers

  #scheduleAborts(delayMs: number): void {
    this.#context.schedule(abortKey, delayMs, () => this.#abortTimedOut())
  }

  #abortTimedOut(): Decision<void> {
    const history = this.#context.clock.history()
    const decisions: Decision<Session>[] = []
    let partitions = 0
    for (const transaction of this.#transactions.values()) {
      const { status, startMs, timeoutMs, transactionalId } = transaction
      if (status !== 'Ongoing' || ageOf(startMs, history) <= timeoutMs) continue
      if (partitions >= expiringAtOnce) break
      for (const indexes of transaction.partitions.values()) partitions += indexes.size
      decisions.push(this.#fence(transaction, versionAfterFence(transaction), concurrent(transactionalId)))
    }
    this.#scheduleAborts(partitions < expiringAtOnce ? this.#options.settings.abortTimedOutIntervalMs : 1)
    return {
      records: decisions.flatMap(({ records }) => records),
      response: undefined,
      atomic: false,
      appended: () => {
        const follows = decisions.map(decision => decision.appended?.() ?? null)
        return { records: follows.flatMap(follow => follow?.records ?? []), response: undefined, atomic: false }
      },
    }
  }

  #scheduleExpiry(): void {
    this.#context.schedule(expiryKey, this.#options.settings.removeExpiredIntervalMs, () => this.#expire())
  }

  #expire(): Decision<void> {
    const history = this.#context.clock.history()
    const { transactionalIdExpirationMs } = this.#options.settings
    const records: LogRecord[] = []
    for (const transaction of this.#transactions.values()) {
      if (isIdle(transaction) && ageOf(transaction.lastUpdateMs, history) >= transactionalIdExpirationMs)
        records.push(transactionTombstone(transaction.transactionalId))
      if (records.length === expiryStepRecords) break
    }
    if (records.length < expiryStepRecords) this.#scheduleExpiry()
    else this.#context.schedule(expiryKey, 1, () => this.#expire())
    return { records, response: undefined, atomic: false }
  }

  // ---- common

  #find(transactionalId: string): Transaction {
    const transaction = this.#transactions.get(transactionalId)
    if (transaction !== undefined) return transaction
    throw new KafkaError('INVALID_PRODUCER_ID_MAPPING', `The transactional id ${transactionalId} has no producer id`)
  }

  #ofProducer(producer: TransactionalProducer): Transaction {
    const transaction = this.#find(producer.transactionalId)
    if (transaction.producerId !== producer.producerId) throw wrongProducer(producer)
    if (transaction.producerEpoch !== producer.producerEpoch) throw fenced(producer)
    if (isPrepared(transaction)) throw concurrent(producer.transactionalId)
    return transaction
  }

  #remember(transactionalId: string, producerEpoch: number, lastProducerEpoch: number): void {
    this.#bumps.set(transactionalId, { producerEpoch, lastProducerEpoch })
  }

  /** The only way to another state; from a prepared one, the transaction continues automatically. */
  #move(to: Transaction): Decision<Session> {
    const { transactionalId, producerId, producerEpoch } = to
    const decision = {
      records: [transactionRecord(to, this.#options.settings.transactionVersion)],
      response: { producerId, producerEpoch },
    }
    if (!isPrepared(to)) return decision
    return { ...decision, appended: () => this.#endings.finish(transactionalId) }
  }
}

/** Where no other producer takes over: with version 2 the one that began the transaction may continue, unless no epoch is left for it. */
function versionAfterFence({ producerEpoch, clientVersion }: Transaction): number {
  return isEpochExhausted(producerEpoch) ? 0 : clientVersion
}

function isIdle({ status }: Transaction): boolean {
  return status === 'Empty' || status === 'CompleteCommit' || status === 'CompleteAbort'
}

const emptied = { status: 'Empty', partitions: noPartitions, startMs: none, nextProducerId: none, clientVersion: 0 } as const

function emptyTransaction(transactionalId: string, producerId: Int64, owner: string): Transaction {
  return { ...emptied, transactionalId, producerId, producerEpoch: 0, previousProducerId: none, timeoutMs: 0, lastUpdateMs: 0, owner }
}

function completed(prepared: Transaction, lastUpdateMs: number): Transaction {
  const { status, producerId, producerEpoch, nextProducerId } = prepared
  const rotated = nextProducerId !== none
  return {
    ...prepared,
    status: status === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: noPartitions,
    producerId: rotated ? nextProducerId : producerId,
    producerEpoch: rotated ? 0 : producerEpoch,
    previousProducerId: producerId,
    nextProducerId: none,
    lastUpdateMs,
  }
}

/**
 * Is it an EndTxn whose answer got lost? With `transaction.version` 2 the epoch tells, since the first one raised it; before, a state
 * that fits has to be enough.
 */
function repeats({ producerId, producerEpoch }: EndRequest, { clientVersion, status, ...now }: Transaction): boolean {
  if (clientVersion < 2 || status === 'Ongoing' || status === 'Empty') return false
  if (now.producerId === producerId) return now.producerEpoch === producerEpoch + 1
  return now.previousProducerId === producerId && isEpochExhausted(producerEpoch) && now.producerEpoch === 0
}

function taken(spare: Int64 | null): Int64 {
  if (spare !== null) return spare
  // The state changed after it was decided that none is needed.
  throw new KafkaError('CONCURRENT_TRANSACTIONS', 'Another request for this transactional id was processed at the same time')
}

function concurrent(transactionalId: string): KafkaError {
  return new KafkaError('CONCURRENT_TRANSACTIONS', `The previous transaction of ${transactionalId} is not complete yet`)
}

function fenced({ transactionalId, producerId, producerEpoch }: TransactionalProducer): KafkaError {
  return new KafkaError('PRODUCER_FENCED', `Another producer took over ${transactionalId} from ${producerId} with epoch ${producerEpoch}`)
}

function wrongProducer({ transactionalId, producerId }: TransactionalProducer): KafkaError {
  return new KafkaError('INVALID_PRODUCER_ID_MAPPING', `${producerId} is not the producer id of ${transactionalId}`)
}

function impossible({ transactionalId, status }: Transaction, committed: boolean): KafkaError {
  return new KafkaError(
    'INVALID_TXN_STATE',
    `The transaction of ${transactionalId} is in state ${status} and cannot be ${committed ? 'committed' : 'aborted'}`,
  )
}
