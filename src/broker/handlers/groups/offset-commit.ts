/**
 * OffsetCommit, v0–10.
 *
 * v0 was stored in ZooKeeper and is stored like the others here; v1 adds a timestamp per partition, v2–4 a retention time, v6 the leader epoch
 * (KIP-320), v7 static members (KIP-345), v9 new errors (KIP-848), v10 topic ids (KIP-848). Unknown topics and partitions are rejected
 * individually; the others are committed.
 */
import { apis } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { commitTopics, distinctOffsets, refusedTopics } from './commit-topics.ts'
import { requireGroup } from './group-caller.ts'

const topicIdsFrom = 10

export const offsetCommit = defineHandler<typeof apis.offsetCommit>({
  api: apis.offsetCommit,
  versions: [0, 10],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'READ'],
  ],
  cost: promptly(manyThings(distinctOffsets)),
  async handle(request, context) {
    requireGroup(context, 'READ', request.groupId)
    const topics = await commitTopics(request.topics, context.version >= topicIdsFrom, context, accepted =>
      context.broker.groups.commitOffsets(
        {
          groupId: request.groupId,
          memberId: request.memberId,
          groupInstanceId: request.groupInstanceId,
          generationId: request.generationIdOrMemberEpoch,
          retentionTimeMs: request.retentionTimeMs,
          topics: accepted,
        },
        context.version,
      ),
    )
    return { throttleTimeMs: 0, topics }
  },
  *fail(request, error) {
    return { throttleTimeMs: 0, topics: yield* refusedTopics(request.topics, error) }
  },
})
