/** The part of a shard that the groups of one protocol may use. */
import type { ShardContext } from '../shard.ts'
import type { Group } from './group-contract.ts'
import type { GroupTopics } from './group-topics.ts'
import type { GroupSettings } from './settings.ts'

export interface ShardAccess {
  readonly context: ShardContext
  readonly settings: GroupSettings
  readonly topics: GroupTopics
  /** Of any protocol. */
  find(groupId: string): Group | undefined
  put(group: Group): void
  remove(groupId: string): void
}

/**
 * Replays a record into the group of its kind. What is there of another kind holds only offsets, since replaying those came first, and makes
 * way. `last`: the type of the record whose tombstone ends the group.
 */
export function replayInto<R extends { readonly groupId: string; readonly type: string }>(
  access: ShardAccess,
  kind: new (groupId: string) => Group & { replay(record: R): void },
  { record, isTombstone, last }: { record: R; isTombstone: boolean; last: R['type'] },
): void {
  const { groupId, type } = record
  const existing = access.find(groupId)
  let group = existing instanceof kind ? existing : null
  if (group === null) {
    // Of what is gone, or has become a group of another kind.
    if (isTombstone) return
    group = new kind(groupId)
    access.put(group)
  }
  group.replay(record)
  if (type === last && isTombstone) access.remove(groupId)
}
