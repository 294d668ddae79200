/**
 * The transaction coordinator of a broker: one shard per partition of `__transaction_state`.
 *
 * Hides which shard holds a transactional id, where new producer ids come from, and how markers are written to the partitions of a
 * transaction, including those of `__consumer_offsets` and those that other brokers lead. Methods throw KafkaError.
 */
import { type Int64, millisSince, type System, Turns } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import { buildMarkerBatch, type ErrorName, KafkaError, toKafkaError } from '../protocol.ts'
import { checkWrite } from './cluster.ts'
import { offsetsTopicName } from './group.ts'
import type { Coordinator, ProducerMarker, ProducerSession } from './shard.ts'
import { type InternalTopic, type RecordSkipped, type Report, ShardedTopic } from './sharded-topic.ts'
import { DurableMarkers } from './transaction/durable-markers.ts'
import { type MarkerWatch, MarkerWatches } from './transaction/marker-watches.ts'
import type { Place, RemoteMarkers } from './transaction/remote-markers.ts'
import type { ResidentLimits } from './transaction/residents.ts'
import type { TransactionSettings } from './transaction/settings.ts'
import { type EndRequest, type InitProducer, type Session, type TransactionalProducer, TransactionShard } from './transaction/shard.ts'
import { type Partitions, type Transaction, type TransactionStatus, transactionStatuses } from './transaction/transaction.ts'

export const transactionTopicName = '__transaction_state'

export interface TransactionCoordinatorOptions {
  system: System
  /** Read each time: values may change while the broker runs. */
  settings: TransactionSettings
  /** {@link transactionTopicName}. */
  topic: InternalTopic
  /** Any partition; null when there is none of that name (any more). Throws NOT_LEADER_OR_FOLLOWER when another broker leads it. */
  partitionLog(topic: string, partition: number): PartitionLog | null
  /** Ends transactions on partitions of topics that a coordinator owns: throws at once when that is not possible now. */
  endTransactionOf: ReadonlyMap<string, (partition: number, marker: ProducerMarker) => Promise<void>>
  /** Without it, no other broker leads anything. */
  remoteMarkers?: RemoteMarkers | null
  /** False: appends to several partitions of this broker may become durable in another order than they were made. Default: true. */
  keepsOrder?: boolean
  newProducerId(): Int64 | Promise<Int64>
  turns?: Turns
  report?: Report
  recordSkipped?: RecordSkipped
}

export interface TransactionFilter {
  /** Names that Kafka knows; empty: all. */
  states: ReadonlySet<string>
  producerIds: ReadonlySet<Int64>
  /** Only transactions that have been running longer than this; negative: all. */
  durationMs: Int64
}

export class TransactionCoordinator {
  readonly #options: TransactionCoordinatorOptions
  readonly #transactions: ShardedTopic<TransactionShard>
  readonly #watches = new MarkerWatches()

  constructor(options: TransactionCoordinatorOptions) {
    this.#options = options
    const { system, settings, topic, report, recordSkipped, keepsOrder = true } = options
    const remoteMarkers = options.remoteMarkers ?? null
    const own = (place: Place, marker: ProducerMarker) => this.#writeOwnMarker(...place, marker)
    const turns = options.turns ?? new Turns(system)
    this.#transactions = new ShardedTopic({
      system,
      topic,
      futurePartitions: () => settings.stateTopicNumPartitions,
      makeShard: (context, partitionLog, reportShard) =>
        new TransactionShard({
          context,
          turns,
          settings,
          residentLimits: () => this.#residentLimits(),
          coordinatorEpoch: () => partitionLog.leaderEpoch,
          holds: offset => partitionLog.logEndOffset > offset,
          whenDurable: (offset, callback) => whenDurable(partitionLog, offset, callback),
          writeMarker: (name, partition, marker) => keepsOrder && this.#writeInOrder([name, partition], marker),
          remoteMarkers: keepsOrder ? remoteMarkers : new DurableMarkers(own, remoteMarkers),
          report: reportShard,
        }),
      turns,
      report,
      recordSkipped,
    })
  }

  /** Loads every shard in the log, and continues what a crash interrupted; resolves when the first attempts have ended. */
  start(): Promise<void> {
    return this.#transactions.start()
  }

  close(): void {
    this.#transactions.close()
  }

  onTopicDeleted(topic: string): void {
    if (topic === transactionTopicName) this.close()
  }

  /** Which partition of `__transaction_state` holds the id: Kafka's rule. */
  partitionFor(transactionalId: string): number {
    return this.#transactions.partitionFor(transactionalId)
  }

  /** The same, and makes sure that the partition exists; throws COORDINATOR_NOT_AVAILABLE when that is not possible. */
  locate(transactionalId: string): Promise<number> {
    return this.#transactions.place(transactionalId)
  }

  /** Session `-1, -1`: a new producer session. Rejects with CONCURRENT_TRANSACTIONS while the predecessor's transaction is being aborted. */
  async initProducerId(request: InitProducer): Promise<ProducerSession> {
    requireTransactionalId(request.transactionalId)
    const { transactionTimeoutMs } = request
    const max = this.#options.settings.transactionMaxTimeoutMs
    if (transactionTimeoutMs <= 0 || transactionTimeoutMs > max) {
      throw new KafkaError('INVALID_TRANSACTION_TIMEOUT', `transaction.timeout.ms=${transactionTimeoutMs}; it must be from 1 to ${max}`)
    }
    const coordinator = this.#shardOf(request.transactionalId)
    const spare = coordinator.shard.needsProducerId(request.transactionalId) ? await this.#options.newProducerId() : null
    return settled(await coordinator.write(shard => shard.initProducerId(request, spare)))
  }

  /** Enters partitions into the transaction; durable when it resolves. None of them may belong to the broker. */
  async addPartitions(producer: TransactionalProducer, partitions: Partitions, clientVersion: number): Promise<void> {
    for (const topic of partitions.keys()) checkWrite(topic, null)
    await this.#enter(producer, partitions, clientVersion)
  }

  /** As `addPartitions`, for another broker, which may add a partition of `__consumer_offsets`. */
  addForBroker(producer: TransactionalProducer, partitions: Partitions, clientVersion: number): Promise<void> {
    for (const topic of partitions.keys()) if (topic !== offsetsTopicName) checkWrite(topic, null)
    return this.#enter(producer, partitions, clientVersion)
  }

  /** Enters a partition of `__consumer_offsets`, to which a group's offsets will be committed. */
  addOffsets(producer: TransactionalProducer, partition: number, clientVersion: number): Promise<void> {
    return this.#enter(producer, new Map([[offsetsTopicName, new Set([partition])]]), clientVersion)
  }

  async #enter(producer: TransactionalProducer, partitions: Partitions, clientVersion: number): Promise<void> {
    requireTransactionalId(producer.transactionalId)
    await this.#shardOf(producer.transactionalId).write(shard => shard.addPartitions(producer, partitions, clientVersion))
  }

  /** May the producer write to the partition in its transaction? Throws why not: TRANSACTION_ABORTABLE when it was never added. */
  verify(producer: TransactionalProducer, topic: string, partition: number): void {
    requireTransactionalId(producer.transactionalId)
    this.#shardOf(producer.transactionalId).shard.verify(producer, topic, partition)
  }

  /** As `verify`, for another broker: what it appends on the answer must not outlive the record that added the partition. */
  async verifyForBroker(producer: TransactionalProducer, topic: string, partition: number): Promise<void> {
    requireTransactionalId(producer.transactionalId)
    await this.#shardOf(producer.transactionalId).read(shard => shard.verify(producer, topic, partition))
  }

  /** Resolves when the decision is durable, with the producer id and epoch to continue with. */
  async endTransaction(request: EndRequest): Promise<ProducerSession> {
    requireTransactionalId(request.transactionalId)
    const coordinator = this.#shardOf(request.transactionalId)
    const rotates = request.clientVersion >= 2 && coordinator.shard.needsProducerId(request.transactionalId)
    const spare = rotates ? await this.#options.newProducerId() : null
    return settled(await coordinator.write(shard => shard.end(request, spare)))
  }

  /** Notices markers of the producer that are written on this broker from now on. */
  watchMarkers(producerId: Int64): MarkerWatch {
    return this.#watches.begin(producerId)
  }

  /** Ends a transaction on one partition, for an operator or another broker's coordinator; resolves when the marker is durable. */
  async writeMarker(topic: string, partition: number, marker: ProducerMarker): Promise<void> {
    await this.#appendMarker(topic, partition, marker)
  }

  async list({ states, producerIds, durationMs }: TransactionFilter): Promise<Transaction[]> {
    const now = this.#options.system.clock.now()
    const wanted = (transaction: Transaction) =>
      (states.size === 0 || states.has(transaction.status)) &&
      (producerIds.size === 0 || producerIds.has(transaction.producerId)) &&
      (durationMs < 0 || millisSince(transaction.startMs, now) > durationMs)
    return this.#transactions.collect(shard => Array.from(shard.all()).filter(wanted))
  }

  /** Throws TRANSACTIONAL_ID_NOT_FOUND. */
  async describe(transactionalId: string): Promise<Transaction> {
    requireTransactionalId(transactionalId)
    const transaction = await this.#shardOf(transactionalId).read(shard => shard.get(transactionalId))
    if (transaction !== undefined) return transaction
    throw new KafkaError('TRANSACTIONAL_ID_NOT_FOUND', `The transactional id ${transactionalId} is not known`)
  }

  #shardOf(transactionalId: string): Coordinator<TransactionShard> {
    return this.#transactions.shardOf(transactionalId)
  }

  /** Ids are spread over the shards by their hash, so each may hold its share. */
  #residentLimits(): ResidentLimits {
    const { settings } = this.#options
    const shards = this.#options.topic.partitionCount() ?? settings.stateTopicNumPartitions
    const share = (limit: number) => Math.ceil(limit / shards)
    return { all: share(settings.maxTransactionalIds), perPrincipal: share(settings.maxTransactionalIdsPerPrincipal) }
  }

  /** False: another broker leads the partition. */
  #writeInOrder(place: Place, marker: ProducerMarker): boolean {
    const durable = this.#writeOwnMarker(...place, marker)
    durable?.catch(error => {
      // The record of the decision lies before it and is lost with it; the shard that wrote it finds out the same way.
      this.#options.report?.(`a transaction marker for ${place.join('-')} did not become durable`, error)
    })
    return durable !== null
  }

  /** In its place in the log when this returns; settles when it is durable, at once if it is not needed. Null: another broker leads the partition. */
  #writeOwnMarker(topic: string, partition: number, marker: ProducerMarker): Promise<void> | null {
    try {
      return this.#appendMarker(topic, partition, marker) ?? Promise.resolve()
    } catch (error) {
      const { name } = toKafkaError(error)
      if (name === 'NOT_LEADER_OR_FOLLOWER' && this.#options.remoteMarkers) return null
      if (needless.has(name)) return Promise.resolve()
      const known = name === 'TRANSACTION_COORDINATOR_FENCED' ? this.#coordinatorEpochAt(topic, partition, marker.producerId) : -1
      if (known <= marker.coordinatorEpoch) throw error
      // No other broker coordinates it: an operator wrote a marker with too high an epoch, and no transaction would ever end there again.
      return this.#writeOwnMarker(topic, partition, { ...marker, coordinatorEpoch: known })
    }
  }

  /** The coordinator epoch of the producer's last marker in the partition; -1 for none. */
  #coordinatorEpochAt(topic: string, partition: number, producerId: Int64): number {
    const producers = this.#options.partitionLog(topic, partition)?.producers() ?? []
    return producers.find(producer => producer.producerId === producerId)?.coordinatorEpoch ?? -1
  }

  /** In its place in the log when this returns. */
  #appendMarker(topic: string, partition: number, marker: ProducerMarker): Promise<void> | null {
    const log = this.#options.partitionLog(topic, partition)
    if (log === null) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `${topic}-${partition} does not exist`)
    this.#watches.notice(marker.producerId)
    const owner = this.#options.endTransactionOf.get(topic)
    if (owner !== undefined) return owner(partition, marker)
    checkWrite(topic, null)
    const batch = buildMarkerBatch({ ...marker, timestamp: this.#options.system.clock.now() })
    return log.append(batch, { origin: 'coordinator' }).durable
  }
}

/**
 * Why a marker need not be written: the topic was deleted; a newer epoch has written there, so that an older one has nothing left to
 * end; the topic belongs to the broker (versions up to 0.1 entered such topics).
 */
const needless: ReadonlySet<string> = new Set<ErrorName>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_TOPIC_EXCEPTION',
])

function whenDurable(log: PartitionLog, offset: number, callback: () => void): void {
  if (log.highWatermark > offset) callback()
  // It ends the wait without success, too.
  else log.whenPast(offset, 'high-watermark', () => log.highWatermark > offset && callback())
}

export function isTransactionStatus(name: string): name is TransactionStatus {
  return (transactionStatuses as readonly string[]).includes(name)
}

function requireTransactionalId(transactionalId: string): void {
  if (transactionalId === '') throw new KafkaError('INVALID_REQUEST', 'The transactional id is empty')
}

function settled({ error, ...session }: Session): ProducerSession {
  if (error !== undefined) throw error
  return session
}
