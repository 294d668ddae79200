/** Membership of a group for those that fetch themselves: which partitions are theirs, and the offsets that they commit. */
import type { Consumer } from '@platformatic/kafka'
import { toInt64 } from '../base.ts'
import { settled } from '../channel.ts'
import { apis } from '../protocol.ts'
import type { Ask } from './requests.ts'
import { refusePartition } from './topics.ts'
import type { CommittedOffset, Membership, MembershipOptions } from './types.ts'

interface JoinContext {
  readonly ask: Ask
  readonly bootstrap: string
  /** Called when the consumer is closed. */
  readonly forget: () => void
}

/** `consumer` is closed with the membership, or if it cannot join. */
export async function join(
  consumer: Consumer,
  { group, topics }: MembershipOptions,
  { ask, bootstrap, forget }: JoinContext,
): Promise<Membership> {
  const close = () => {
    forget()
    // Leaves the group, so that other members take over at once.
    return settled(bootstrap, consumer.close(true))
  }
  consumer.topics.trackAll(...topics)
  try {
    await settled(bootstrap, consumer.joinGroup({}))
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
  return {
    assignments: () => (consumer.assignments ?? []).flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition }))),
    commit: offsets => commitOffsets(ask, group, offsets, { generation: consumer.generationId, member: consumer.memberId ?? '' }),
    identity: () => ({ generation: consumer.generationId, memberId: consumer.memberId ?? '' }),
    close,
  }
}

interface Committer {
  readonly generation: number
  readonly member: string
}

/** Who is no member may commit for a group without members. */
const noMember: Committer = { generation: -1, member: '' }

export async function commitOffsets(
  ask: Ask,
  group: string,
  offsets: readonly CommittedOffset[],
  { generation, member }: Committer = noMember,
): Promise<void> {
  const topics = offsetsByTopic(offsets)
  if (topics.length === 0) return
  await ask(async requests => {
    const request = { groupId: group, generationIdOrMemberEpoch: generation, memberId: member, topics }
    // From version 10 on topics have only ids.
    const response = await requests.ask(apis.offsetCommit, request, { group }, 9)
    for (const { name, partitions } of response.topics)
      for (const { partitionIndex, errorCode } of partitions) refusePartition(name, partitionIndex, errorCode)
  })
}

/** As requests that commit offsets have them. */
export function offsetsByTopic(offsets: readonly CommittedOffset[]) {
  return Array.from(
    Map.groupBy(offsets, each => each.topic),
    ([name, rows]) => ({
      name,
      partitions: rows.map(({ partition, offset, metadata = '' }) => ({
        partitionIndex: partition,
        committedOffset: toInt64(offset),
        committedMetadata: metadata,
      })),
    }),
  )
}
