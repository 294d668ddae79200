/**
 * Kafka's assignor for share groups: every partition has a member, every member has a partition, and if there are more members than
 * partitions, they share them evenly. Members are assigned in the order of their ids, so that the same members get the same partitions again.
 */
import type { Uuid } from '../../../protocol.ts'
import type { Target } from '../consumer/partitions.ts'

export interface SubscribedTopic {
  topicId: Uuid
  partitionCount: number
  memberIds: readonly string[]
}

export function assignSimply(topics: readonly SubscribedTopic[]): ReadonlyMap<string, Target> {
  const targets = new Map<string, Map<Uuid, Set<number>>>()
  let turn = 0
  for (const { topicId, partitionCount, memberIds } of [...topics].sort((one, other) => (one.topicId < other.topicId ? -1 : 1))) {
    const members = [...memberIds].sort()
    for (let step = 0; step < Math.max(partitionCount, members.length); step++) {
      const memberId = members[(turn + step) % members.length]!
      let target = targets.get(memberId)
      if (target === undefined) targets.set(memberId, (target = new Map()))
      const partitions = target.get(topicId)
      if (partitions === undefined) target.set(topicId, new Set([step % partitionCount]))
      else partitions.add(step % partitionCount)
    }
    // The next topic continues with the members that have had one turn less.
    turn += partitionCount
  }
  return targets
}
