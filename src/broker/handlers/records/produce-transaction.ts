/**
 * Adds the transactional batches of a Produce request to their transaction, or rejects them (KIP-890): a batch that the
 * coordinator does not know would never be ended by a marker, and would block every `read_committed` reader of its partition forever.
 *
 * Only the first batch of a transaction in a partition has a cost; after that, the partition itself knows the transaction. If another broker
 * coordinates the transaction, it is asked before anything is appended.
 */
import { checkWrite, type MarkerWatch, type TransactionalProducer } from '../../../coordinator.ts'
import type { PartitionLog } from '../../../log.ts'
import { type apis, batchHeaderSize, header, KafkaError, type MessageOf, toKafkaError } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import type { EntryResults, TransactionEntries } from '../../peers.ts'
import { entryError } from '../transactions/transaction-caller.ts'

type Request = MessageOf<typeof apis.produce.request>

const abortableFrom = 11
const entersFrom = 12

/**
 * Enters the partitions that the client may write into the transaction, from v12 on; null when there is nothing to wait for. Otherwise resolves to why the
 * partitions were refused, to what another broker answered, or to null. The request's bytes are its own from then on.
 */
export function enterTransaction(request: Request, context: RequestContext): Promise<KafkaError | RemoteEntry | null> | null {
  const { transactionalId } = request
  if (transactionalId === null) return null
  const remote = remoteEntries(transactionalId, context)
  if (remote === null && context.version < entersFrom) return null
  if (!context.allowed('WRITE', 'TRANSACTIONAL_ID', transactionalId)) return null
  const partitions = new Map<string, Set<number>>()
  let producer: TransactionalProducer | null = null
  for (const topic of request.topicData) {
    const known = context.version >= 13 ? context.broker.metadata.topicById(topic.topicId) : context.broker.metadata.topic(topic.name)
    if (known === undefined || known.internal || !context.allowed('WRITE', 'TOPIC', known.name)) continue
    for (const { index, records } of topic.partitionData) {
      const { log = null, arrival = null } = known.partitions[index] ?? {}
      // The request waits for a partition that is arriving, and it is too late to enter it then.
      if ((log === null && arrival === null) || records === null || !isTransactional(records)) continue
      const session = sessionOf(records)
      if (log?.inTransaction(session.producerId, session.producerEpoch)) continue
      producer ??= { transactionalId, ...session }
      const indexes = partitions.get(known.name)
      if (indexes === undefined) partitions.set(known.name, new Set([index]))
      else indexes.add(index)
    }
  }
  if (producer === null) return null
  ownBytes(request)
  if (remote !== null) return RemoteEntry.ask(remote, producer, partitions, context)
  return context.broker.transactions.addPartitions(producer, partitions, 2).then(
    () => null,
    (error: unknown) => produceError(toKafkaError(error), context.version),
  )
}

/** null: this broker coordinates the transaction, or nobody needs to be asked. */
function remoteEntries(transactionalId: string, { broker, version }: RequestContext): TransactionEntries | null {
  const entries = broker.peers?.entries
  if (!entries?.isElsewhere(transactionalId)) return null
  return version < entersFrom && !verifies(broker) ? null : entries
}

function verifies({ config }: RequestContext['broker']): boolean {
  return config.get('transaction.partition.verification.enable')
}

/** What another broker answered for the partitions of a request. Counts as long as no marker of the producer has been written here since it was asked. */
export class RemoteEntry {
  readonly #producer: TransactionalProducer
  readonly #results: EntryResults | KafkaError
  readonly #watch: MarkerWatch

  private constructor(producer: TransactionalProducer, results: EntryResults | KafkaError, watch: MarkerWatch) {
    this.#producer = producer
    this.#results = results
    this.#watch = watch
  }

  static async ask(
    entries: TransactionEntries,
    producer: TransactionalProducer,
    partitions: Map<string, Set<number>>,
    { broker, version }: RequestContext,
  ): Promise<RemoteEntry> {
    const watch = broker.transactions.watchMarkers(producer.producerId)
    const results = await entries.enter(producer, partitions, version < entersFrom).catch((error: unknown) => toKafkaError(error))
    return new RemoteEntry(producer, results, watch)
  }

  /** Throws why the batch may not be appended. */
  check({ topic, partition }: PartitionLog, { producerId, producerEpoch }: ReturnType<typeof sessionOf>, version: number): void {
    if (this.#results instanceof KafkaError) throw produceError(this.#results, version)
    const result = this.#results.get(topic)?.get(partition)
    const isOther = producerId !== this.#producer.producerId || producerEpoch !== this.#producer.producerEpoch
    if (result === undefined || isOther || this.#watch.ended) throw produceError(changed(), version)
    if (result !== null) throw produceError(result, version)
  }

  /** Nothing more is appended. */
  release(): void {
    this.#watch.stop()
  }
}

/** The connection may read into its buffer again. */
export function ownBytes(request: Request): void {
  for (const { partitionData } of request.topicData)
    for (const data of partitionData) if (data.records !== null) data.records = Buffer.from(data.records)
}

/**
 * Throws if the batch may not be appended now. `refused`: the result of `enterTransaction`. Returns whether this is the first batch of its
 * transaction in this partition and the transaction has its own epoch (see `AppendOptions.isFirst`).
 */
export function checkTransaction(
  log: PartitionLog,
  records: Buffer,
  transactionalId: string | null,
  refused: KafkaError | RemoteEntry | null,
  context: RequestContext,
): boolean {
  if (!isTransactional(records)) return false
  // No transaction ever ends there.
  checkWrite(log.topic, null)
  if (transactionalId === null || !context.allowed('WRITE', 'TRANSACTIONAL_ID', transactionalId)) {
    throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  }
  const session = sessionOf(records)
  if (log.inTransaction(session.producerId, session.producerEpoch)) return false
  const { version, broker } = context
  if (refused instanceof RemoteEntry) {
    refused.check(log, session, version)
    return version >= entersFrom
  }
  if (refused !== null) throw refused
  if (version < entersFrom && !verifies(broker)) return false
  try {
    broker.transactions.verify({ transactionalId, ...session }, log.topic, log.partition)
  } catch (error) {
    const told = toKafkaError(error)
    // Only before v12 it is the client's task to enter a partition. This one was not here yet when the request entered the others.
    throw produceError(version >= entersFrom && told.name === 'TRANSACTION_ABORTABLE' ? changed() : told, version)
  }
  return version >= entersFrom
}

function changed(): KafkaError {
  return new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', 'The transaction has changed meanwhile')
}

function isTransactional(records: Buffer): boolean {
  return records.length >= batchHeaderSize && header.magic(records, 0) === 2 && header.isTransactional(records, 0)
}

function sessionOf(records: Buffer) {
  return { producerId: header.producerId(records, 0), producerEpoch: header.producerEpoch(records, 0) }
}

/** If the coordinator cannot answer now, the error makes every producer retry without refreshing its metadata. */
function produceError(error: KafkaError, version: number): KafkaError {
  const told = entryError(error, version >= abortableFrom)
  const again =
    told.name === 'COORDINATOR_LOAD_IN_PROGRESS' ||
    told.name === 'COORDINATOR_NOT_AVAILABLE' ||
    told.name === 'NOT_COORDINATOR' ||
    (told.name === 'CONCURRENT_TRANSACTIONS' && version < entersFrom)
  if (!again) return told
  return new KafkaError('NOT_ENOUGH_REPLICAS', `Unable to verify the partition has been added to the transaction: ${told.name}`)
}
