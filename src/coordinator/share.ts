/**
 * The share coordinator of a broker: one shard per partition of `__share_group_state` (KIP-932).
 *
 * Hides where the state of a share group in a partition lives, when that topic is created and its shards are loaded, and that old records are
 * deleted. Methods throw KafkaError.
 */
import type { System, Timer } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import { KafkaError, toKafkaError, type Uuid } from '../protocol.ts'
import { partitionFor } from './partition-for.ts'
import { openCoordinator } from './runtime.ts'
import type { Coordinator } from './shard.ts'
import { nameOf, type SharePartitionKey, type ShareState, ShareStateShard } from './share/state-shard.ts'

export const shareStateTopicName = '__share_group_state'

export interface ShareCoordinatorOptions {
  system: System
  settings: {
    stateTopicNumPartitions: number
    updatesPerSnapshot: number
    pruneIntervalMs: number
  }
  topic: {
    /** null while the topic does not exist. */
    partitionCount(): number | null
    partitionLog(partition: number): PartitionLog | null
    /** Creates the topic when it is missing. */
    ensure(): Promise<unknown>
  }
  report?(what: string, error: unknown): void
}

export class ShareCoordinator {
  readonly #options: ShareCoordinatorOptions
  readonly #shards = new Map<number, { coordinator: Coordinator<ShareStateShard>; log: PartitionLog }>()
  #pruning: Timer | null = null

  constructor(options: ShareCoordinatorOptions) {
    this.#options = options
  }

  /** Loads every shard that the log holds; resolves when the first attempt at each has ended. */
  async start(): Promise<void> {
    const count = this.#options.topic.partitionCount() ?? 0
    const loads: Promise<void>[] = []
    for (let partition = 0; partition < count; partition++) {
      const shard = this.#open(partition)
      if (shard !== null) loads.push(shard.loaded)
    }
    await Promise.allSettled(loads)
    this.#pruneLater()
  }

  close(): void {
    this.#pruning?.cancel()
    for (const { coordinator } of this.#shards.values()) coordinator.close()
    this.#shards.clear()
  }

  onTopicDeleted(topic: string): void {
    if (topic === shareStateTopicName) this.close()
  }

  /** `name` as Kafka spells the key: group, topic id and partition. Throws COORDINATOR_NOT_AVAILABLE and INVALID_REQUEST. */
  async locate(name: string): Promise<void> {
    const parts = /^(.+):([A-Za-z0-9_-]{22}):(\d+)$/s.exec(name)
    if (parts === null) throw new KafkaError('INVALID_REQUEST', `${name} is no key of share group state`)
    await this.#shardOf({ groupId: parts[1]!, topicId: parts[2] as Uuid, partition: Number(parts[3]) })
  }

  /** null: nothing is stored. */
  async read(key: SharePartitionKey): Promise<ShareState | null> {
    return (await this.#shardOf(key)).read(shard => shard.read(key))
  }

  async initialize(key: SharePartitionKey, stateEpoch: number, startOffset: number): Promise<void> {
    return (await this.#shardOf(key)).write(shard => shard.initialize(key, stateEpoch, startOffset))
  }

  /** `stateBatches`: only those that changed; -1 for epochs and offsets that are as before. */
  async write(key: SharePartitionKey, change: ShareState): Promise<void> {
    return (await this.#shardOf(key)).write(shard => shard.write(key, change))
  }

  async delete(key: SharePartitionKey): Promise<void> {
    return (await this.#shardOf(key)).write(shard => shard.delete(key))
  }

  async #shardOf(key: SharePartitionKey): Promise<Coordinator<ShareStateShard>> {
    const { topic, settings, report } = this.#options
    try {
      if (topic.partitionCount() === null) await topic.ensure()
    } catch (error) {
      report?.(`${shareStateTopicName} cannot be created`, error)
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${shareStateTopicName} cannot be created: ${toKafkaError(error).message}`)
    }
    const shard = this.#open(partitionFor(nameOf(key), topic.partitionCount() ?? settings.stateTopicNumPartitions))
    if (shard === null) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${shareStateTopicName} is not there yet`)
    await shard.loaded
    return shard
  }

  #open(partition: number): Coordinator<ShareStateShard> | null {
    const open = this.#shards.get(partition)
    if (open !== undefined) return open.coordinator
    const { system, settings, topic, report } = this.#options
    const log = topic.partitionLog(partition)
    if (log === null) return null
    const coordinator = openCoordinator<ShareStateShard>({
      system,
      partitionLog: log,
      makeShard: context => new ShareStateShard(context, settings.updatesPerSnapshot),
      report: (what, error) => report?.(`${shareStateTopicName}-${partition}: ${what}`, error),
    })
    this.#shards.set(partition, { coordinator, log })
    return coordinator
  }

  #pruneLater(): void {
    this.#pruning = this.#options.system.timers.after(this.#options.settings.pruneIntervalMs, () => {
      void this.#prune()
      this.#pruneLater()
    })
  }

  async #prune(): Promise<void> {
    for (const { coordinator, log } of this.#shards.values()) {
      try {
        // Durable first: what a power cut could bring back is still needed.
        const offset = await coordinator.read(shard => shard.neededFrom)
        if (offset !== null && offset > log.logStartOffset) await log.deleteBefore(offset)
      } catch (error) {
        this.#options.report?.(`old records of ${shareStateTopicName} stay`, error)
      }
    }
  }
}
