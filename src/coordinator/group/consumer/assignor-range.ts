/**
 * The range assignor: of each topic, a member gets consecutive partitions. Topics with the same number of partitions and the same members
 * are assigned alike, so that partitions with the same number belong to the same member, as joins require. Keeps no state between assignments.
 */
import type { Uuid } from '../../../protocol.ts'
import type { Assignor, AssignorMember } from './assignor-types.ts'
import type { Target } from './partitions.ts'

export const rangeAssignor: Assignor = { name: 'range', assign }

interface Cursor {
  readonly partitions: number
  members: number
  next: number
  /** Members that still get one more than the others; -1 before the first. */
  extra: number
}

function assign(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<Uuid, number>): ReadonlyMap<string, Target> {
  const cursors = new Map<Uuid, Cursor>()
  for (const { topics } of members) {
    for (const topicId of topics) {
      const cursor = cursors.get(topicId)
      if (cursor === undefined) cursors.set(topicId, { partitions: partitionCounts.get(topicId)!, members: 1, next: 0, extra: -1 })
      else cursor.members++
    }
  }
  const targets = new Map<string, Target>()
  for (const member of [...members].sort(staticFirst)) {
    const target = new Map<Uuid, Set<number>>()
    for (const topicId of member.topics) {
      const range = take(cursors.get(topicId)!)
      if (range !== null) target.set(topicId, range)
    }
    targets.set(member.memberId, target)
  }
  return targets
}

/** null: nothing is left for this member. */
function take(cursor: Cursor): Set<number> | null {
  if (cursor.next === cursor.partitions) return null
  if (cursor.extra === -1) cursor.extra = cursor.partitions % cursor.members
  const size = Math.floor(cursor.partitions / cursor.members) + (cursor.extra > 0 ? 1 : 0)
  if (cursor.extra > 0) cursor.extra--
  if (size === 0) return null
  const range = new Set<number>()
  for (const end = cursor.next + size; cursor.next < end; cursor.next++) range.add(cursor.next)
  return range
}

/** The ids of static members last longer than those of others: they keep their place. */
function staticFirst(one: AssignorMember, other: AssignorMember): number {
  if (one.instanceId !== null && other.instanceId !== null) return one.instanceId < other.instanceId ? -1 : 1
  if (one.instanceId !== null) return -1
  if (other.instanceId !== null) return 1
  return one.memberId < other.memberId ? -1 : 1
}
