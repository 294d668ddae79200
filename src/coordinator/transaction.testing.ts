/**
 * For tests of transactions: a coordinator over partitions in memory that share one journal. A crash leaves a prefix of that
 * journal which contains everything that was synced.
 */
import type { Int64, Turns } from '../base.ts'
import type { AppendOptions, PartitionLog } from '../log.ts'
import { batchesIn, header, KafkaError, markerOfBatch } from '../protocol.ts'
import { type MemoryPartitionLog, memoryPartitionLog, type TestSystem, testSystem } from './runtime.testing.ts'
import type { ProducerMarker } from './shard.ts'
import type { RemoteMarkers } from './transaction/remote-markers.ts'
import { defaultTransactionSettings, type TransactionSettings } from './transaction/settings.ts'
import { decodeTransaction, type Transaction } from './transaction/transaction.ts'
import { TransactionCoordinator, transactionTopicName } from './transaction.ts'

/** `topic-partition` and a whole batch. */
type Entry = [name: string, batch: Buffer]

export interface Marker {
  producerId: Int64
  producerEpoch: number
  committed: boolean
}

export class World {
  readonly system: TestSystem = testSystem()
  settings: TransactionSettings
  coordinator: TransactionCoordinator
  /** While it returns an error for a partition, no marker can be written there. */
  refuse: (name: string) => Error | null = () => null
  /** Partitions that another broker leads, and what markers for them go through. */
  elsewhere: { names: Set<string>; write: RemoteMarkers['write'] } | null = null
  /** For coordinators that are made from now on. */
  keepsOrder = true
  journal: Entry[] = []
  reports: string[] = []
  nextProducerId = 1000
  #synced = 0
  #logs = new Map<string, MemoryPartitionLog>()
  #autoSync = true
  readonly #turns: Turns | undefined

  constructor(settings: Partial<TransactionSettings> = {}, turns?: Turns) {
    this.#turns = turns
    this.settings = { ...defaultTransactionSettings, stateTopicNumPartitions: 1, ...settings }
    this.coordinator = this.#open()
  }

  /** False: nothing becomes durable until `sync`. */
  set autoSync(value: boolean) {
    if (this.#autoSync || value) this.sync()
    this.#autoSync = value
    for (const log of this.#logs.values()) log.durable = value
  }

  sync(): void {
    this.#synced = this.journal.length
    for (const log of this.#logs.values()) log.sync()
  }

  /** Ends the process; `keep` says how many of the entries that were not synced are found again. */
  async crash(keep: (unsynced: number) => number): Promise<void> {
    this.coordinator.close()
    const synced = this.#autoSync ? this.journal.length : this.#synced
    const kept = this.journal.slice(0, synced + keep(this.journal.length - synced))
    this.journal = []
    this.#logs = new Map()
    for (const [name, batch] of kept) this.log(name).append(batch, { origin: 'coordinator' })
    this.sync()
    this.coordinator = this.#open()
    await this.coordinator.start()
    await this.system.advance(10)
  }

  log(name: string): MemoryPartitionLog {
    const known = this.#logs.get(name)
    if (known !== undefined) return known
    const log = memoryPartitionLog()
    const append = log.append.bind(log)
    log.append = (records: Buffer, options: AppendOptions) => {
      const appended = append(records, options)
      this.journal.push([name, Buffer.from(records)])
      return appended
    }
    log.durable = this.#autoSync
    this.#logs.set(name, log)
    return log
  }

  /** Every state of the id that was written, oldest first; null is its tombstone. */
  states(transactionalId: string): (Transaction | null)[] {
    const found: (Transaction | null)[] = []
    for (const record of this.log(`${transactionTopicName}-0`).records()) {
      const decoded = decodeTransaction(record)
      if (decoded?.transactionalId === transactionalId) found.push(decoded.transaction)
    }
    return found
  }

  statuses(transactionalId: string): (string | null)[] {
    return this.states(transactionalId).map(state => state?.status ?? null)
  }

  markers(name: string): Marker[] {
    const markers: Marker[] = []
    for (const batch of this.log(name).batches) {
      for (const { bytes } of batchesIn(batch)) {
        const marker = markerOfBatch(bytes, 0, bytes.length)
        if (marker === null) continue
        markers.push({
          producerId: header.producerId(bytes, 0),
          producerEpoch: header.producerEpoch(bytes, 0),
          committed: marker.committed,
        })
      }
    }
    return markers
  }

  /** Runs what is ready until the operation has settled. */
  async run<R>(operation: Promise<R>): Promise<R> {
    operation.catch(() => {})
    await this.system.settle()
    return operation
  }

  #open(): TransactionCoordinator {
    const refused = (name: string): PartitionLog => {
      const error = this.refuse(name)
      if (error !== null) throw error
      return this.log(name)
    }
    return new TransactionCoordinator({
      system: this.system,
      ...(this.#turns !== undefined && { turns: this.#turns }),
      settings: this.settings,
      topic: {
        name: transactionTopicName,
        partitionCount: () => 1,
        partitionLog: partition => this.log(`${transactionTopicName}-${partition}`),
        ensure: async () => {},
      },
      partitionLog: (topic, partition) => {
        const name = `${topic}-${partition}`
        if (this.elsewhere?.names.has(name)) throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${name} is elsewhere`)
        return topic === 'deleted' ? null : refused(name)
      },
      endTransactionOf: new Map<string, (partition: number, marker: ProducerMarker) => Promise<void>>(),
      remoteMarkers: {
        write: (marker, places, done) => this.elsewhere!.write(marker, places, done),
      },
      keepsOrder: this.keepsOrder,
      newProducerId: () => this.nextProducerId++,
      report: what => void this.reports.push(what),
    })
  }
}
