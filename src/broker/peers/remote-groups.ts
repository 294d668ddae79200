/**
 * What this broker asks the coordinators of share groups on other brokers: whether a partition is assigned to the group, before anything is
 * stored for it.
 */
import { offsetsTopicName, type SharePartitionKey } from '../../coordinator.ts'
import { apis, errorName, KafkaError } from '../../protocol.ts'
import type { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'

export interface RemoteGroupsOptions {
  leaders: Leaders
  peers: Peers
  /** Which partition of `__consumer_offsets` holds the group. */
  partitionFor(groupId: string): number
}

export class RemoteGroups {
  readonly #options: RemoteGroupsOptions
  /** Questions under way: a member that begins to read asks for many partitions at once. */
  readonly #asking = new Map<string, Promise<ReadonlySet<string>>>()

  constructor(options: RemoteGroupsOptions) {
    this.#options = options
  }

  isElsewhere(groupId: string): boolean {
    try {
      return this.#coordinatorOf(groupId) !== null
    } catch {
      return true
    }
  }

  /** Whether a member of the share group has the partition now. Throws COORDINATOR_NOT_AVAILABLE. */
  async isAssigned({ groupId, topicId, partition }: SharePartitionKey): Promise<boolean> {
    let asking = this.#asking.get(groupId)
    if (asking === undefined) {
      asking = this.#assigned(groupId).finally(() => this.#asking.delete(groupId))
      this.#asking.set(groupId, asking)
    }
    return (await asking).has(`${topicId}-${partition}`)
  }

  async #assigned(groupId: string): Promise<ReadonlySet<string>> {
    const coordinator = this.#coordinatorOf(groupId)
    if (coordinator === null) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `Group ${groupId} has come to this broker`)
    const request = { groupIds: [groupId], includeAuthorizedOperations: false }
    const { groups } = await this.#options.peers.request(coordinator, apis.shareGroupDescribe, 1, request)
    const group = groups[0]
    if (group === undefined || group.errorCode !== 0) {
      const name = errorName(group?.errorCode ?? -1)
      if (name === 'GROUP_ID_NOT_FOUND') return new Set()
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `broker ${coordinator}: ${group?.errorMessage ?? name}`)
    }
    const assigned = new Set<string>()
    for (const { assignment } of group.members)
      for (const { topicId, partitions } of assignment.topicPartitions)
        for (const partition of partitions) assigned.add(`${topicId}-${partition}`)
    return assigned
  }

  #coordinatorOf(groupId: string): number | null {
    return this.#options.leaders.elsewhere(offsetsTopicName, this.#options.partitionFor(groupId))
  }
}
