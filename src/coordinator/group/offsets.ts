/**
 * The committed offsets of a shard's groups. Offsets of open transactions are kept separately, and count once the transaction commits.
 * Only keeps state; `commits.ts` decides what may be committed.
 */
import type { Int64 } from '../../base.ts'
import type { StoredOffset } from './group-contract.ts'

type ByPartition = Map<number, StoredOffset>
export type ByTopic = ReadonlyMap<string, ReadonlyMap<number, StoredOffset>>

class OffsetTable {
  readonly byGroup = new Map<string, Map<string, ByPartition>>()

  get(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    return this.byGroup.get(groupId)?.get(topic)?.get(partition)
  }

  put(groupId: string, topic: string, partition: number, offset: StoredOffset): void {
    let topics = this.byGroup.get(groupId)
    if (topics === undefined) this.byGroup.set(groupId, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    partitions.set(partition, offset)
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

const none: ByTopic = new Map()

export class Offsets {
  readonly #committed = new OffsetTable()
  /** By producer id. */
  readonly #pending = new Map<Int64, OffsetTable>()
  readonly #openTransactions = new Map<string, Set<Int64>>()

  /** `producerId` is -1 outside a transaction. */
  put(groupId: string, topic: string, partition: number, offset: StoredOffset, producerId: Int64): void {
    if (producerId === -1) {
      this.#committed.put(groupId, topic, partition, offset)
      return
    }
    let table = this.#pending.get(producerId)
    if (table === undefined) this.#pending.set(producerId, (table = new OffsetTable()))
    table.put(groupId, topic, partition, offset)
    const open = this.#openTransactions.get(groupId)
    if (open === undefined) this.#openTransactions.set(groupId, new Set([producerId]))
    else open.add(producerId)
  }

  /** A tombstone: takes what open transactions hold with it. */
  remove(groupId: string, topic: string, partition: number): void {
    this.#committed.remove(groupId, topic, partition)
    for (const producerId of this.#openTransactions.get(groupId) ?? []) this.#pending.get(producerId)?.remove(groupId, topic, partition)
  }

  endTransaction(producerId: Int64, committed: boolean): void {
    const table = this.#pending.get(producerId)
    if (table === undefined) return
    this.#pending.delete(producerId)
    for (const [groupId, open] of this.#openTransactions) {
      if (open.delete(producerId) && open.size === 0) this.#openTransactions.delete(groupId)
    }
    if (!committed) return
    for (const [groupId, topics] of table.byGroup) {
      for (const [topic, partitions] of topics) {
        for (const [partition, offset] of partitions) {
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

  ofGroup(groupId: string): ByTopic {
    return this.#committed.byGroup.get(groupId) ?? none
  }

  hasOpenTransaction(groupId: string): boolean {
    return this.#openTransactions.has(groupId)
  }

  hasPending(groupId: string, topic: string, partition: number): boolean {
    for (const producerId of this.#openTransactions.get(groupId) ?? []) {
      if (this.#pending.get(producerId)?.get(groupId, topic, partition) !== undefined) return true
    }
    return false
  }

  /** Every partition of the group for which something is stored or pending; each once. */
  *partitionsOf(groupId: string): Generator<[topic: string, partition: number]> {
    for (const [topic, partitions] of this.ofGroup(groupId)) for (const partition of partitions.keys()) yield [topic, partition]
    const seen = new OffsetTable()
    for (const producerId of this.#openTransactions.get(groupId) ?? []) {
      for (const [topic, partitions] of this.#pending.get(producerId)?.byGroup.get(groupId) ?? none) {
        for (const [partition, offset] of partitions) {
          if (this.get(groupId, topic, partition) !== undefined || seen.get(groupId, topic, partition) !== undefined) continue
          seen.put(groupId, topic, partition, offset)
          yield [topic, partition]
        }
      }
    }
  }

  /** Groups that store or hold offsets of the topic, with its partitions. */
  *partitionsOfTopic(topic: string): Generator<[groupId: string, partition: number]> {
    for (const table of [this.#committed, ...this.#pending.values()]) {
      for (const [groupId, topics] of table.byGroup) {
        for (const partition of topics.get(topic)?.keys() ?? []) yield [groupId, partition]
      }
    }
  }
}
