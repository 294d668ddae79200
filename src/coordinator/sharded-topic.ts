/**
 * The internal topic in which a coordinator keeps its state: one shard per partition that this broker leads.
 *
 * Hides which partition a name maps to, when the topic is created, and when its shards are loaded and closed.
 */
import { inSlices, type System, Turns } from '../base.ts'
import type { PartitionLog } from '../log.ts'
import { KafkaError, toKafkaError } from '../protocol.ts'
import { openCoordinator } from './runtime.ts'
import type { Coordinator, Shard, ShardContext } from './shard.ts'

/** What a coordinator needs of the broker. */
export interface InternalTopic {
  readonly name: string
  /** null while the topic does not exist. */
  partitionCount(): number | null
  /** null: it does not exist, or another broker leads it. */
  partitionLog(partition: number): PartitionLog | null
  /** This broker leads it, and is opening its log. Left out where that takes no time. */
  isArriving?(partition: number): boolean
  /** Calls back when this broker begins or ceases to lead a partition. Left out where that never happens. */
  follow?(moves: { opened(partition: number): void; closed(partition: number): void }): void
  /** Creates the topic when it is missing. */
  ensure(): Promise<unknown>
}

/** A failure that no caller sees. */
export type Report = (what: string, error: unknown) => void

/** A record of this internal topic could not be replayed and is skipped. */
export type RecordSkipped = (topic: string) => void

export interface ShardedTopicOptions<S extends Shard> {
  system: System
  topic: InternalTopic
  /** How many partitions the topic will have when it is created. */
  futurePartitions(): number
  /** The slices in which shards load; by default not shared with others. */
  turns?: Turns | undefined
  makeShard(context: ShardContext, partitionLog: PartitionLog, report: Report): S
  report?: Report | undefined
  recordSkipped?: RecordSkipped | undefined
}

interface OpenShard<S extends Shard> {
  coordinator: Coordinator<S>
  log: PartitionLog
}

export class ShardedTopic<S extends Shard> {
  readonly #options: ShardedTopicOptions<S>
  readonly #topic: InternalTopic
  readonly #turns: Turns
  readonly #shards = new Map<number, OpenShard<S>>()
  #closed = false

  constructor(options: ShardedTopicOptions<S>) {
    this.#options = options
    this.#topic = options.topic
    this.#turns = options.turns ?? new Turns(options.system)
    options.topic.follow?.({
      // At once, not with the first request: what another broker began has to be finished.
      opened: partition => {
        if (!this.#closed) this.open(partition)
      },
      closed: partition => this.#closeShard(partition),
    })
  }

  /** Loads every shard that the log holds; resolves when the first attempt at each has ended. Requests may come before. */
  async start(): Promise<void> {
    const count = this.#topic.partitionCount() ?? 0
    const loads: Promise<void>[] = []
    for (let partition = 0; partition < count; partition++) {
      const shard = this.open(partition)
      if (shard !== null) loads.push(shard.loaded)
    }
    await Promise.allSettled(loads)
  }

  close(): void {
    this.#closed = true
    for (const { coordinator } of this.#shards.values()) coordinator.close()
    this.#shards.clear()
  }

  /** Its callers get NOT_COORDINATOR, and find the broker that leads the partition now. */
  #closeShard(partition: number): void {
    this.#shards.get(partition)?.coordinator.close()
    this.#shards.delete(partition)
  }

  /** Those that are open. */
  shards(): Iterable<OpenShard<S>> {
    return this.#shards.values()
  }

  partitionFor(name: string): number {
    return partitionFor(name, this.#topic.partitionCount() ?? this.#options.futurePartitions())
  }

  /** The partition that holds the name, the topic created if need be. Throws COORDINATOR_NOT_AVAILABLE when it has no place. */
  async place(name: string): Promise<number> {
    try {
      if (this.#topic.partitionCount() === null) await this.#topic.ensure()
    } catch (error) {
      this.#options.report?.(`${this.#topic.name} cannot be created`, error)
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${this.#topic.name} cannot be created: ${toKafkaError(error).message}`)
    }
    if (this.#topic.partitionCount() === null) {
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${this.#topic.name} is not available yet`)
    }
    const partition = this.partitionFor(name)
    this.open(partition)
    return partition
  }

  /** The shard that holds the name, its topic created if need be. Throws also NOT_COORDINATOR when it is on another broker. */
  async locate(name: string): Promise<Coordinator<S>> {
    await this.place(name)
    return this.shardOf(name)
  }

  /** Throws NOT_COORDINATOR while the topic does not exist, and when the shard is on another broker; COORDINATOR_LOAD_IN_PROGRESS when it is to be here soon. */
  shardOf(name: string): Coordinator<S> {
    const partition = this.partitionFor(name)
    const shard = this.open(partition)
    if (shard !== null) return shard
    if (this.#topic.partitionCount() === null) {
      throw new KafkaError('NOT_COORDINATOR', `${this.#topic.name} does not exist yet; find the coordinator first`)
    }
    if (this.#topic.isArriving?.(partition) === true)
      throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS', `This broker is about to lead ${this.#topic.name}-${partition}`)
    throw new KafkaError('NOT_COORDINATOR', `Another broker leads ${this.#topic.name}-${partition}; find the coordinator again`)
  }

  /** null: there is no such partition here. */
  open(partition: number): Coordinator<S> | null {
    const open = this.#shards.get(partition)
    if (open !== undefined) return open.coordinator
    const log = this.#topic.partitionLog(partition)
    if (log === null) return null
    const { system, makeShard, recordSkipped } = this.#options
    const report: Report = (what, error) => this.#options.report?.(`${this.#topic.name}-${partition}: ${what}`, error)
    let skipped = 0
    const coordinator = openCoordinator<S>({
      system,
      partitionLog: log,
      turns: this.#turns,
      makeShard: context => makeShard(context, log, report),
      skipped: (offset, error) => {
        recordSkipped?.(this.#topic.name)
        // A whole log may be of that kind: lines get rarer as records become more.
        if (Number.isInteger(Math.log2(++skipped))) report(`skipping the record at offset ${offset}; ${skipped} skipped so far`, error)
      },
      report,
    })
    this.#shards.set(partition, { coordinator, log })
    return coordinator
  }

  /** What `view` finds in all shards. Rejects while one of them is loading: it might have some. */
  async collect<R>(view: (shard: S) => R[]): Promise<R[]> {
    const found = await inSlices(this.#turns, [...this.#shards.values()], async ({ coordinator }) => {
      try {
        return await coordinator.read(view)
      } catch (error) {
        if (toKafkaError(error).name === 'NOT_COORDINATOR') return []
        throw error
      }
    })
    return found.flat()
  }
}

/** Kafka's rule for the partition of a coordinator's topic that holds a name: `Utils.abs(name.hashCode()) % count` of Java. */
export function partitionFor(name: string, count: number): number {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = (Math.imul(31, hash) + name.charCodeAt(index)) | 0
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % count
}
