/**
 * The share coordinator of a broker: one shard per partition of `__share_group_state` (KIP-932).
 *
 * Hides which shard holds the state of a share group in a partition, and that old records are deleted. Methods throw KafkaError.
 */
import type { Int64, System, Timer, Turns } from '../base.ts'
import { KafkaError, type Uuid } from '../protocol.ts'
import type { Coordinator } from './shard.ts'
import { type InternalTopic, type RecordSkipped, type Report, ShardedTopic } from './sharded-topic.ts'
import {
  type SharePartitionKey,
  type ShareState,
  type ShareStateSettings,
  ShareStateShard,
  sharePartitionName,
} from './share/state-shard.ts'

export const shareStateTopicName = '__share_group_state'

export interface ShareCoordinatorOptions {
  system: System
  settings: ShareStateSettings & {
    stateTopicNumPartitions: number
    pruneIntervalMs: number
  }
  /** {@link shareStateTopicName}. */
  topic: InternalTopic
  turns?: Turns
  /** Partitions with state, over all groups. */
  mostStates?: number
  report?: Report
  recordSkipped?: RecordSkipped
}

/** Without the records in delivery. */
export type SharePosition = Omit<ShareState, 'stateBatches'>

/** The durable progress of share groups, on this broker or others. */
export type ShareStates = Pick<ShareCoordinator, 'read' | 'position' | 'initialize' | 'write' | 'delete'>

/** A thousand groups with five hundred partitions each. Kafka has no bound. */
const mostStatesByDefault = 500_000

export class ShareCoordinator {
  readonly #options: ShareCoordinatorOptions
  readonly #states: ShardedTopic<ShareStateShard>
  #pruning: Timer | null = null

  constructor(options: ShareCoordinatorOptions) {
    this.#options = options
    const { system, settings, topic, turns, mostStates = mostStatesByDefault, report, recordSkipped } = options
    const count = { most: mostStates, states: 0 }
    this.#states = new ShardedTopic({
      system,
      topic,
      futurePartitions: () => settings.stateTopicNumPartitions,
      makeShard: context => new ShareStateShard(context, settings, count),
      turns,
      report,
      recordSkipped,
    })
  }

  /** Loads every shard that the log holds; resolves when the first attempt at each has ended. */
  async start(): Promise<void> {
    await this.#states.start()
    this.#pruneLater()
  }

  close(): void {
    this.#pruning?.cancel()
    this.#states.close()
  }

  /** The state of groups in a deleted topic is no longer needed: a new topic of that name has another id. */
  async onTopicDeleted({ name, id }: { name: string; id: Uuid }): Promise<void> {
    if (name === shareStateTopicName) {
      this.close()
      return
    }
    for (const { coordinator } of this.#states.shards()) {
      try {
        await coordinator.loaded
        await coordinator.write(shard => shard.topicDeleted(id))
      } catch (error) {
        this.#options.report?.(`cannot remove the state of share groups in the deleted topic ${name}`, error)
      }
    }
  }

  /**
   * The partition that holds the state, the topic created if need be. `name` as Kafka spells the key: group, topic id and partition. Throws
   * COORDINATOR_NOT_AVAILABLE and INVALID_REQUEST.
   */
  async locate(name: string): Promise<number> {
    const parts = /^(.+):([A-Za-z0-9_-]{22}):(\d+)$/s.exec(name)
    if (parts === null) throw new KafkaError('INVALID_REQUEST', `${name} is not a valid share-group state key`)
    const key = { groupId: parts[1]!, topicId: parts[2] as Uuid, partition: Number(parts[3]) }
    const partition = await this.#states.place(sharePartitionName(key))
    await this.#states.open(partition)?.loaded
    return partition
  }

  /** Which partition of `__share_group_state` holds the state: Kafka's rule. */
  partitionFor(key: SharePartitionKey): number {
    return this.#states.partitionFor(sharePartitionName(key))
  }

  /**
   * null: nothing is stored. `leaderEpoch`: of the leader of the partition that asks; no change of an earlier one is accepted from then on. Throws
   * FENCED_LEADER_EPOCH. -1: somebody else asks.
   */
  async read(key: SharePartitionKey, leaderEpoch = -1): Promise<ShareState | null> {
    const shard = await this.#shardOf(key)
    return leaderEpoch === -1 ? shard.read(states => states.read(key)) : shard.write(states => states.readFor(key, leaderEpoch))
  }

  /** As `read`. */
  position(key: SharePartitionKey): Promise<SharePosition | null> {
    return this.read(key)
  }

  async initialize(key: SharePartitionKey, stateEpoch: number, startOffset: Int64): Promise<void> {
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
    const shard = await this.#states.locate(sharePartitionName(key))
    await shard.loaded
    return shard
  }

  #pruneLater(): void {
    this.#pruning = this.#options.system.timers.after(this.#options.settings.pruneIntervalMs, () => {
      void this.#prune()
      this.#pruneLater()
    })
  }

  async #prune(): Promise<void> {
    for (const { coordinator, log } of this.#states.shards()) {
      try {
        // Durable first: what a power cut could bring back is still needed.
        const offset = await coordinator.read(shard => shard.neededFrom)
        if (offset > log.logStartOffset) await log.deleteBefore(offset)
      } catch (error) {
        this.#options.report?.(`cannot remove old records of ${shareStateTopicName}`, error)
      }
    }
  }
}
