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

const none: ReadonlyMap<string, ReadonlyMap<number, never>> = new Map()

export class Offsets {
  readonly #committed = new OffsetTable()
  /** By producer id. */
  readonly #pending = new Map<Int64, OffsetTable>()
  /** Which producers hold an offset of a partition: a group may have thousands of open transactions. */
  readonly #holders = new Map<string, Map<string, Map<number, Set<Int64>>>>()

  /** `producerId` is -1 outside a transaction. */
  put(groupId: string, topic: string, partition: number, offset: StoredOffset, producerId: Int64): void {
    if (producerId === -1) {
      this.#committed.put(groupId, topic, partition, offset)
      return
    }
    let table = this.#pending.get(producerId)
    if (table === undefined) this.#pending.set(producerId, (table = new OffsetTable()))
    table.put(groupId, topic, partition, offset)
    let topics = this.#holders.get(groupId)
    if (topics === undefined) this.#holders.set(groupId, (topics = new Map()))
    let partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, (partitions = new Map()))
    const holders = partitions.get(partition)
    if (holders === undefined) partitions.set(partition, new Set([producerId]))
    else holders.add(producerId)
  }

  #letGo(groupId: string, topic: string, partition: number, producerId: Int64): void {
    const topics = this.#holders.get(groupId)
    const partitions = topics?.get(topic)
    const holders = partitions?.get(partition)
    if (!holders?.delete(producerId) || holders.size > 0) return
    partitions!.delete(partition)
    if (partitions!.size === 0) topics!.delete(topic)
    if (topics!.size === 0) this.#holders.delete(groupId)
  }

  /** A tombstone: takes what open transactions hold with it. */
  remove(groupId: string, topic: string, partition: number): void {
    this.#committed.remove(groupId, topic, partition)
    for (const producerId of [...(this.#holders.get(groupId)?.get(topic)?.get(partition) ?? [])]) {
      this.#pending.get(producerId)?.remove(groupId, topic, partition)
      this.#letGo(groupId, topic, partition, producerId)
    }
  }

  endTransaction(producerId: Int64, committed: boolean): void {
    const table = this.#pending.get(producerId)
    if (table === undefined) return
    this.#pending.delete(producerId)
    for (const [groupId, topics] of table.byGroup) {
      for (const [topic, partitions] of topics) {
        for (const [partition, offset] of partitions) {
          this.#letGo(groupId, topic, partition, producerId)
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

  ofGroup(groupId: string): ByTopic {
    return this.#committed.byGroup.get(groupId) ?? none
  }

  /** Whether open transactions hold offsets of the group. */
  hasOpenTransaction(groupId: string): boolean {
    return this.#holders.has(groupId)
  }

  hasPending(groupId: string, topic: string, partition: number): boolean {
    return this.#holders.get(groupId)?.get(topic)?.has(partition) ?? false
  }

  /** Every partition of the group for which something is stored or pending; each once. */
  *partitionsOf(groupId: string): Generator<[topic: string, partition: number]> {
    for (const [topic, partitions] of this.ofGroup(groupId)) for (const partition of partitions.keys()) yield [topic, partition]
    for (const [topic, partitions] of this.#holders.get(groupId) ?? none) {
      for (const partition of partitions.keys()) if (this.get(groupId, topic, partition) === undefined) yield [topic, partition]
    }
  }

  /** Groups for which something of the topic is stored or pending, with its partitions; some twice. */
  *partitionsOfTopic(topic: string): Generator<[groupId: string, partition: number]> {
    for (const table of [this.#committed.byGroup, this.#holders]) {
      for (const [groupId, topics] of table) for (const partition of topics.get(topic)?.keys() ?? []) yield [groupId, partition]
    }
  }
}
