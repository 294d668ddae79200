/** Deletes a group's state: first in the share coordinator, then in the group itself, so that a crash leaves no orphaned state behind. */
import { inSlices } from '../../../base.ts'
import { toKafkaError, type Uuid } from '../../../protocol.ts'
import type { Broker } from '../../dispatch/context.ts'

/** Returns the topics of which the empty group knew anything. */
export async function forgetShareTopics(groupId: string, topicIds: ReadonlySet<Uuid>, broker: Broker): Promise<ReadonlySet<Uuid>> {
  const known = await broker.groups.emptyShareGroupTopics(groupId)
  const { turns, shareStates } = broker
  for (const [topicId, { partitions }] of known) {
    if (topicIds.has(topicId)) await inSlices(turns, partitions, partition => shareStates.delete({ groupId, topicId, partition }))
  }
  const forgotten = await broker.groups.forgetShareTopics(groupId, topicIds)
  broker.sharePartitions.forget(groupId)
  return new Set(forgotten.keys())
}

/** Before the group itself is deleted. Other groups than empty share groups are left to the following checks. */
export async function forgetShareGroup(groupId: string, broker: Broker): Promise<void> {
  try {
    const known = await broker.groups.emptyShareGroupTopics(groupId)
    await forgetShareTopics(groupId, new Set(known.keys()), broker)
  } catch (error) {
    const { name } = toKafkaError(error)
    if (name !== 'GROUP_ID_NOT_FOUND' && name !== 'NON_EMPTY_GROUP') throw error
  }
}
