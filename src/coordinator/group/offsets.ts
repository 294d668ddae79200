/**
 * The committed offsets of a shard's groups. Offsets of open transactions are kept separately, and count once the transaction commits.
 * Only keeps state; `commits.ts` decides what may be committed.
 */
import type { Int64 } from '../../base.ts'
import type { StoredOffset } from './group-contract.ts'

export type ByTopic = ReadonlyMap<string, ReadonlyMap<number, StoredOffset>>

/** Values by group, topic and partition. */
class Table<V> {
  readonly byGroup = new Map<string, Map<string, Map<number, V>>>()

  get(groupId: string, topic: string, partition: number): V | undefined {
    return this.byGroup.get(groupId)?.get(topic)?.get(partition)
  }

  put(groupId: string, topic: string, partition: number, value: V): void {
    let topics = this.byGroup.get(groupId)
    if (topics === undefined) this.byGroup.set(groupId, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    partitions.set(partition, value)
  }

  remove(groupId: string, topic: string, partition: number): void {
    const topics = this.byGroup.get(groupId)
    const partitions = topics?.get(topic)
    if (topics === undefined || partitions === undefined) return
    partitions.delete(partition)
    if (partitions.size === 0) topics.delete(topic)
    if (topics.size === 0) this.byGroup.delete(groupId)
  }
}

const none: ReadonlyMap<string, ReadonlyMap<number, never>> = new Map()

export class Offsets {
  readonly #committed = new Table<StoredOffset>()
  /** By producer id. */
  readonly #pending = new Map<Int64, Table<StoredOffset>>()
  /** The producers with a pending offset: a group may have thousands of open transactions, too many to look through for each partition. */
  readonly #holders = new Table<Set<Int64>>()

  /** `producerId` is -1 outside a transaction. */
  put(groupId: string, topic: string, partition: number, offset: StoredOffset, producerId: Int64): void {
    if (producerId === -1) {
      this.#committed.put(groupId, topic, partition, offset)
      return
    }
    let table = this.#pending.get(producerId)
    if (table === undefined) this.#pending.set(producerId, (table = new Table()))
    table.put(groupId, topic, partition, offset)
    const holders = this.#holders.get(groupId, topic, partition)
    if (holders === undefined) this.#holders.put(groupId, topic, partition, new Set([producerId]))
    else holders.add(producerId)
  }

  /** A tombstone: takes what open transactions hold with it. */
  remove(groupId: string, topic: string, partition: number): void {
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
      for (const [topic, partitions] of topics) {
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
    }
  }

  get(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    return this.#committed.get(groupId, topic, partition)
  }

  /** What is stored and what is pending for the partition. */
  *allOf(groupId: string, topic: string, partition: number): Generator<StoredOffset> {
    const committed = this.#committed.get(groupId, topic, partition)
    if (committed !== undefined) yield committed
    for (const producerId of this.#holders.get(groupId, topic, partition) ?? [])
      yield this.#pending.get(producerId)!.get(groupId, topic, partition)!
  }

  ofGroup(groupId: string): ByTopic {
    return this.#committed.byGroup.get(groupId) ?? none
  }

  /** Whether open transactions hold offsets of the group. */
  hasOpenTransaction(groupId: string): boolean {
    return this.#holders.byGroup.has(groupId)
  }

  hasPending(groupId: string, topic: string, partition: number): boolean {
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
    for (const { byGroup } of [this.#committed, this.#holders]) {
      for (const [groupId, topics] of byGroup) for (const partition of topics.get(topic)?.keys() ?? []) yield [groupId, partition]
    }
  }
}
