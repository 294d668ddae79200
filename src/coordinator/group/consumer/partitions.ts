/** Sets of partitions by topic id: targets (what a member should have) and holdings (what it has, and since which epoch). */
import type { Uuid } from '../../../protocol.ts'

/** What the assignor wants a member to have. */
export type Target = ReadonlyMap<Uuid, ReadonlySet<number>>
/** What a member holds; the number is the member epoch in which it got the partition (KIP-1251). */
export type Held = ReadonlyMap<Uuid, ReadonlyMap<number, number>>
/** As requests and records spell it. */
export interface TopicPartitionList {
  topicId: Uuid
  partitions: readonly number[]
}

export const noTarget: Target = new Map()
export const noneHeld: Held = new Map()

export function sameTarget(one: Target, other: Target): boolean {
  if (one === other) return true
  if (one.size !== other.size) return false
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions) if (!others.has(partition)) return false
  }
  return true
}

/** The epochs are of no concern here. */
export function sameHeld(one: Held, other: Held): boolean {
  if (one === other) return true
  if (one.size !== other.size) return false
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions.keys()) if (!others.has(partition)) return false
  }
  return true
}

export function listOf(partitions: ReadonlyMap<Uuid, { keys(): Iterable<number> }>): { topicId: Uuid; partitions: number[] }[] {
  return Array.from(partitions, ([topicId, indexes]) => ({ topicId, partitions: [...indexes.keys()].sort((a, b) => a - b) }))
}

export function targetOf(lists: readonly TopicPartitionList[]): Target {
  return new Map(lists.map(({ topicId, partitions }) => [topicId, new Set(partitions)]))
}

/** Everything in the list is held. */
export function isWithin(lists: readonly TopicPartitionList[] | null, held: Held): boolean {
  if (lists === null) return false
  return lists.every(({ topicId, partitions }) => partitions.every(partition => held.get(topicId)?.has(partition)))
}

/** Whether any partition in the list is held; without a list the owner did not report, and may hold it. */
export function mayOverlap(lists: readonly TopicPartitionList[] | null, held: Held): boolean {
  if (lists === null) return true
  return lists.some(({ topicId, partitions }) => partitions.some(partition => held.get(topicId)?.has(partition)))
}
