/** What the groups of one protocol may use of the shard they live in, beside those of the others. */
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
