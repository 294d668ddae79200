/**
 * The committed offsets of a shard's groups. Offsets of open transactions are kept separately, and count once the transaction commits.
 * Only keeps state; `commits.ts` decides what may be committed.
 *
 * A transaction may hold hundreds of thousands of offsets, so its end is not applied to all of them in one step. Whoever looks at a group
 * first applies what ended transactions hold for this group; {@link Offsets.settle} does the same for the others, some at a time.
 */
import type { Int64 } from '../../base.ts'
import type { StoredOffset } from './group-contract.ts'

export type ByTopic = ReadonlyMap<string, ReadonlyMap<number, StoredOffset>>

/** Values by group, topic and partition. */
class Table<V> {
  readonly byGroup = new Map<string, Map<string, Map<number, V>>>()
  /** Where the last value was put: a commit has many partitions of one topic, and a look-up among 50,000 groups misses every cache. */
  #lastGroup = ''
  #lastTopic = ''
  #lastPartitions: Map<number, V> | null = null

  get(groupId: string, topic: string, partition: number): V | undefined {
    return this.byGroup.get(groupId)?.get(topic)?.get(partition)
  }

  /** Returns whether it is the group's first. */
  put(groupId: string, topic: string, partition: number, value: V): boolean {
    let isFirst = false
    if (this.#lastPartitions === null || groupId !== this.#lastGroup || topic !== this.#lastTopic) {
      let topics = this.byGroup.get(groupId)
      isFirst = topics === undefined
      if (topics === undefined) this.byGroup.set(groupId, (topics = new Map()))
      let partitions = topics.get(topic)
      if (partitions === undefined) topics.set(topic, (partitions = new Map()))
      this.#lastPartitions = partitions
      this.#lastGroup = groupId
      this.#lastTopic = topic
    }
    this.#lastPartitions.set(partition, value)
    return isFirst
  }

  remove(groupId: string, topic: string, partition: number): void {
    const topics = this.byGroup.get(groupId)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined) return
    partitions.delete(partition)
    if (partitions.size > 0) return
    this.#lastPartitions = null
    topics.delete(topic)
    if (topics.size === 0) this.byGroup.delete(groupId)
  }
}

const none: ReadonlyMap<string, ReadonlyMap<number, never>> = new Map()

/** What a transaction that has ended held for one group, as far as it has not been applied. */
interface Ended {
  readonly producerId: Int64
  readonly committed: boolean
  readonly topics: Map<string, Map<number, StoredOffset>>
}

export class Offsets {
  readonly #committed = new Table<StoredOffset>()
  /** By producer id. */
  readonly #pending = new Map<Int64, Table<StoredOffset>>()
  /** The producers with a pending offset: a group may have thousands of open transactions, too many to look through for each partition. */
  readonly #holders = new Table<Set<Int64>>()
  /** By group: what has yet to be applied, in the order in which the transactions ended. */
  readonly #ended = new Map<string, Ended[]>()

  /** `producerId` is -1 outside a transaction. Returns whether the group may have had no offset before. */
  put(groupId: string, topic: string, partition: number, offset: StoredOffset, producerId: Int64): boolean {
    this.#apply(groupId)
    if (producerId === -1) return this.#committed.put(groupId, topic, partition, offset)
    let table = this.#pending.get(producerId)
    if (table === undefined) this.#pending.set(producerId, (table = new Table()))
    const isFirst = table.put(groupId, topic, partition, offset)
    const holders = this.#holders.get(groupId, topic, partition)
    if (holders === undefined) this.#holders.put(groupId, topic, partition, new Set([producerId]))
    else holders.add(producerId)
    return isFirst
  }

  /** A tombstone: takes what open transactions hold with it. */
  remove(groupId: string, topic: string, partition: number): void {
    this.#apply(groupId)
    this.#committed.remove(groupId, topic, partition)
    for (const producerId of this.#holders.get(groupId, topic, partition) ?? [])
      this.#pending.get(producerId)?.remove(groupId, topic, partition)
    this.#holders.remove(groupId, topic, partition)
  }

  endTransaction(producerId: Int64, committed: boolean): void {
    const table = this.#pending.get(producerId)
    if (table === undefined) return
    this.#pending.delete(producerId)
    for (const [groupId, topics] of table.byGroup) {
      const ended = { producerId, committed, topics }
      const earlier = this.#ended.get(groupId)
      if (earlier === undefined) this.#ended.set(groupId, [ended])
      else earlier.push(ended)
    }
  }

  /** Applies ends of transactions to about `most` offsets, topic by topic. Returns whether some are left. */
  settle(most: number): boolean {
    let left = most
    for (const groupId of this.#ended.keys()) {
      left -= this.#apply(groupId, left)
      if (left <= 0) break
    }
    return this.#ended.size > 0
  }

  /** Returns to how many offsets. */
  #apply(groupId: string, most = Number.POSITIVE_INFINITY): number {
    const all = this.#ended.size === 0 ? undefined : this.#ended.get(groupId)
    if (all === undefined) return 0
    let count = 0
    for (const ended of all) {
      for (const [topic, partitions] of ended.topics) {
        if (count >= most) return count
        count += partitions.size
        ended.topics.delete(topic)
        this.#applyTo(groupId, topic, partitions, ended)
      }
    }
    this.#ended.delete(groupId)
    return count
  }

  #applyTo(groupId: string, topic: string, partitions: ReadonlyMap<number, StoredOffset>, { producerId, committed }: Ended): void {
    for (const [partition, offset] of partitions) {
      const holders = this.#holders.get(groupId, topic, partition)!
      holders.delete(producerId)
      if (holders.size === 0) this.#holders.remove(groupId, topic, partition)
      if (!committed) continue
      // Written before the existing plain commit: the result must be the same after compaction.
      const existing = this.#committed.get(groupId, topic, partition)
      if (existing === undefined || offset.recordOffset > existing.recordOffset) {
        this.#committed.put(groupId, topic, partition, offset)
      }
    }
  }

  get(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    this.#apply(groupId)
    return this.#committed.get(groupId, topic, partition)
  }

  /** What is stored and what is pending for the partition. */
  *allOf(groupId: string, topic: string, partition: number): Generator<StoredOffset> {
    const committed = this.get(groupId, topic, partition)
    if (committed !== undefined) yield committed
    for (const producerId of this.#holders.get(groupId, topic, partition) ?? [])
      yield this.#pending.get(producerId)!.get(groupId, topic, partition)!
  }

  ofGroup(groupId: string): ByTopic {
    this.#apply(groupId)
    return this.#committed.byGroup.get(groupId) ?? none
  }

  /** Whether open transactions hold offsets of the group. */
  hasOpenTransaction(groupId: string): boolean {
    this.#apply(groupId)
    return this.#holders.byGroup.has(groupId)
  }

  hasPending(groupId: string, topic: string, partition: number): boolean {
    this.#apply(groupId)
    return this.#holders.get(groupId, topic, partition) !== undefined
  }

  /** Every partition of the group for which something is stored or pending; each once. */
  *partitionsOf(groupId: string): Generator<[topic: string, partition: number]> {
    for (const [topic, partitions] of this.ofGroup(groupId)) for (const partition of partitions.keys()) yield [topic, partition]
    for (const [topic, partitions] of this.#holders.byGroup.get(groupId) ?? none) {
      for (const partition of partitions.keys()) if (this.get(groupId, topic, partition) === undefined) yield [topic, partition]
    }
  }

  /** Groups for which something of the topic is stored or pending, with its partitions; some twice. */
  *partitionsOfTopic(topic: string): Generator<[groupId: string, partition: number]> {
    this.settle(Number.POSITIVE_INFINITY)
    for (const { byGroup } of [this.#committed, this.#holders]) {
      for (const [groupId, topics] of byGroup) for (const partition of topics.get(topic)?.keys() ?? []) yield [groupId, partition]
    }
  }
}
