/**
 * Asks the coordinator of a transactional id, when that is another broker, to add partitions to the transaction or to say whether they are in it
 * (AddPartitionsToTxn v4–5, KIP-890).
 *
 * Hides how several producers share a request, and what the errors of the coordinator mean here; Kafka's AddPartitionsToTxnManager has the same
 * rules.
 */
import { type TransactionalProducer, transactionTopicName } from '../../coordinator.ts'
import { apis, type ErrorName, errorName, KafkaError, toKafkaError } from '../../protocol.ts'
import { Batches } from './batches.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

/** Why partitions may not be written, by topic and index; null: they may. */
export type EntryResults = ReadonlyMap<string, ReadonlyMap<number, KafkaError | null>>

interface Entering {
  producer: TransactionalProducer
  partitions: ReadonlyMap<string, ReadonlySet<number>>
  verifyOnly: boolean
  resolve(results: EntryResults): void
  reject(error: KafkaError): void
}

export interface TransactionEntriesOptions {
  leaders: Leaders
  peers: Peers
  /** Which partition of `__transaction_state` holds the id. */
  partitionFor(transactionalId: string): number
}

const mostTransactions = 500
/** The coordinator did not decide: the producer tries again. */
const undecided: ReadonlySet<string> = new Set<ErrorName>([
  'COORDINATOR_NOT_AVAILABLE',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_COORDINATOR',
  'OPERATION_NOT_ATTEMPTED',
  'REQUEST_TIMED_OUT',
  'UNSUPPORTED_VERSION',
])

export class TransactionEntries {
  readonly #options: TransactionEntriesOptions
  readonly #batches = new Batches<Entering>(taken, (broker, items) => this.#deliver(broker, items))

  constructor(options: TransactionEntriesOptions) {
    this.#options = options
  }

  /** Whether another broker coordinates the id, so that it has to be asked. */
  isElsewhere(transactionalId: string): boolean {
    try {
      return this.#coordinatorOf(transactionalId) !== null
    } catch {
      return true
    }
  }

  /** All partitions are added, or none. Rejects with COORDINATOR_LOAD_IN_PROGRESS when the coordinator cannot be asked now. */
  async enter(
    producer: TransactionalProducer,
    partitions: ReadonlyMap<string, ReadonlySet<number>>,
    verifyOnly: boolean,
  ): Promise<EntryResults> {
    try {
      const coordinator = this.#coordinatorOf(producer.transactionalId)
      if (coordinator === null) throw new KafkaError('NOT_COORDINATOR', `${producer.transactionalId} has come to this broker`)
      const { promise, resolve, reject } = Promise.withResolvers<EntryResults>()
      this.#batches.add(coordinator, { producer, partitions, verifyOnly, resolve, reject })
      return await promise
    } catch (error) {
      throw told(toKafkaError(error))
    }
  }

  #coordinatorOf(transactionalId: string): number | null {
    return this.#options.leaders.elsewhere(transactionTopicName, this.#options.partitionFor(transactionalId))
  }

  async #deliver(broker: number, items: readonly Entering[]): Promise<void> {
    const { maxVersion } = apis.addPartitionsToTxn
    const transactions = items.map(({ producer: { transactionalId, producerId, producerEpoch }, partitions, verifyOnly }) => ({
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly,
      topics: Array.from(partitions, ([name, indexes]) => ({ name, partitions: [...indexes] })),
    }))
    try {
      const response = await this.#options.peers.request(broker, apis.addPartitionsToTxn, maxVersion, { transactions })
      const { errorCode, resultsByTransaction } = response
      if (errorCode !== 0) throw refusal(errorCode)
      const results = new Map(resultsByTransaction.map(({ transactionalId, topicResults }) => [transactionalId, topicResults]))
      for (const { producer, resolve, reject } of items) {
        const topics = results.get(producer.transactionalId)
        if (topics === undefined) reject(new KafkaError('COORDINATOR_NOT_AVAILABLE', `broker ${broker} did not answer for the transaction`))
        else resolve(new Map(topics.map(({ name, resultsByPartition }) => [name, outcomes(resultsByPartition)])))
      }
    } catch (error) {
      for (const { reject } of items) reject(toKafkaError(error))
    }
  }
}

/** A request has each transactional id once. */
function taken(waiting: Entering[]): Entering[] {
  const ids = new Set<string>()
  const now: Entering[] = []
  const later: Entering[] = []
  for (const item of waiting) {
    const { transactionalId } = item.producer
    if (ids.has(transactionalId) || now.length === mostTransactions) later.push(item)
    else now.push(item)
    ids.add(transactionalId)
  }
  waiting.splice(0, waiting.length, ...later)
  return now
}

function outcomes(results: readonly { partitionIndex: number; partitionErrorCode: number }[]): Map<number, KafkaError | null> {
  return new Map(
    results.map(({ partitionIndex, partitionErrorCode: code }) => [
      partitionIndex,
      code === 0 ? null : told(new KafkaError(errorName(code))),
    ]),
  )
}

/** A producer can do nothing about the permissions of brokers. */
function refusal(code: number): KafkaError {
  const name = errorName(code)
  if (name !== 'CLUSTER_AUTHORIZATION_FAILED') return new KafkaError(name)
  return new KafkaError('INVALID_TXN_STATE', 'The brokers of this cluster may not ask each other: their principal needs CLUSTER_ACTION')
}

function told(error: KafkaError): KafkaError {
  return undecided.has(error.name) ? new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', error.message) : error
}
