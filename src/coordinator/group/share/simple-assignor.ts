/**
 * Kafka's assignor for share groups: every partition has a member, every member has a partition, and if there are more members than
 * partitions, they share them evenly. Members are assigned in the order of their ids, so that the same members get the same partitions again.
 */
import type { Uuid } from '../../../protocol.ts'
import type { Target } from '../consumer/partitions.ts'

export interface SubscribedTopic {
  topicId: Uuid
  partitionCount: number
  /** Sorted. */
  memberIds: readonly string[]
}

export function assignSimply(topics: readonly SubscribedTopic[]): ReadonlyMap<string, Target> {
  const targets = new Map<string, Map<Uuid, ReadonlySet<number>>>()
  const targetOf = (memberId: string) => {
    const known = targets.get(memberId)
    if (known !== undefined) return known
    const target = new Map<Uuid, ReadonlySet<number>>()
    targets.set(memberId, target)
    return target
  }
  let turn = 0
  for (const { topicId, partitionCount, memberIds } of [...topics].sort((one, other) => (one.topicId < other.topicId ? -1 : 1))) {
    const { length } = memberIds
    // Members with the same partitions share a set: hundreds of members may have one partition each of thousands of topics.
    const sets = Array.from({ length: Math.min(partitionCount, length) }, () => new Set<number>())
    for (let partition = 0; partition < partitionCount; partition++) sets[partition % sets.length]!.add(partition)
    for (let step = 0; step < length; step++) targetOf(memberIds[(turn + step) % length]!).set(topicId, sets[step % sets.length]!)
    // The next topic continues with the members that have had one turn less.
    turn += partitionCount
  }
  return targets
}
