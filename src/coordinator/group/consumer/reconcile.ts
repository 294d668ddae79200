/**
 * Moves a member from its current to its target assignment (KIP-848): first it revokes partitions that others are to get, then it gets
 * partitions that others have revoked. A partition never has two owners, and a member enters the target epoch only when it has nothing left
 * to revoke.
 */
import { KafkaError, type Uuid } from '../../../protocol.ts'
import { type ConsumerMember, isReconciled } from './member.ts'
import { type Held, mayOverlap, noneHeld, sameHeld, type Target, type TopicPartitionList } from './partitions.ts'

export interface Goal {
  /** Epoch of the target assignment. */
  epoch: number
  target: Target
  /** What the member subscribes to now; the target may be older than that. */
  isSubscribed(topicId: Uuid): boolean
  /** A member holds the partition, or has not yet confirmed that it does not. */
  isOwned(topicId: Uuid, partition: number): boolean
}

/** `owned`: the partitions that the member reports; null if it reports none. */
export function reconcile(
  member: ConsumerMember,
  goal: Goal,
  owned: readonly TopicPartitionList[] | null,
  subscriptionChanged: boolean,
): ConsumerMember {
  switch (member.state) {
    case 'STABLE':
      return isReconciled(member, goal.epoch) && !subscriptionChanged ? member : approach(member, member.memberEpoch, goal, owned)
    case 'UNREVOKED_PARTITIONS':
      if (mayOverlap(owned, member.pendingRevocation)) return member
      return approach(member, member.memberEpoch + 1, goal, owned)
    case 'UNRELEASED_PARTITIONS':
      return approach(member, member.memberEpoch, goal, owned)
    case 'UNKNOWN':
      // Written by a future version: the member has to start over.
      if (owned === null || owned.length > 0) {
        throw new KafkaError(
          'FENCED_MEMBER_EPOCH',
          'The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.',
        )
      }
      return approach(member, goal.epoch, goal, owned)
  }
}

function approach(member: ConsumerMember, memberEpoch: number, goal: Goal, owned: readonly TopicPartitionList[] | null): ConsumerMember {
  const kept = new Map<Uuid, Map<number, number>>()
  const toRevoke = new Map<Uuid, Map<number, number>>()
  for (const [topicId, partitions] of member.assigned) {
    const target = goal.isSubscribed(topicId) ? goal.target.get(topicId) : undefined
    for (const [partition, epoch] of partitions) put(target?.has(partition) ? kept : toRevoke, topicId, partition, epoch)
  }
  if (toRevoke.size > 0 && mayOverlap(owned, toRevoke)) {
    return moved(member, 'UNREVOKED_PARTITIONS', memberEpoch, kept, toRevoke)
  }
  let unreleased = false
  for (const [topicId, partitions] of goal.target) {
    if (!goal.isSubscribed(topicId)) continue
    const held = member.assigned.get(topicId)
    for (const partition of partitions) {
      if (held?.has(partition)) continue
      if (goal.isOwned(topicId, partition)) unreleased = true
      else put(kept, topicId, partition, goal.epoch)
    }
  }
  return moved(member, unreleased ? 'UNRELEASED_PARTITIONS' : 'STABLE', goal.epoch, kept, noneHeld)
}

function moved(
  member: ConsumerMember,
  state: ConsumerMember['state'],
  memberEpoch: number,
  assigned: Held,
  pendingRevocation: Held,
): ConsumerMember {
  const unchanged = state === member.state && memberEpoch === member.memberEpoch && sameHeld(assigned, member.assigned)
  if (unchanged && sameHeld(pendingRevocation, member.pendingRevocation)) return member
  return { ...member, state, memberEpoch, previousMemberEpoch: member.memberEpoch, assigned, pendingRevocation }
}

function put(into: Map<Uuid, Map<number, number>>, topicId: Uuid, partition: number, epoch: number): void {
  const partitions = into.get(topicId)
  if (partitions === undefined) into.set(topicId, new Map([[partition, epoch]]))
  else partitions.set(partition, epoch)
}
