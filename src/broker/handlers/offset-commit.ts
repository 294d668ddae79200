/**
 * OffsetCommit, v0–10.
 *
 * v0 went to ZooKeeper and is stored like the others; v1 brings a timestamp per partition, v2–4 a retention time, v6 the leader epoch
 * (KIP-320), v7 static members (KIP-345), v9 new errors (KIP-848), v10 topic ids (KIP-848). Unknown topics and partitions are refused one
 * by one; the rest is committed.
 */
import type { CommitTopic } from '../../coordinator.ts'
import { apis, type ErrorName, errorCode, type InputOf, type MessageOf } from '../../protocol.ts'
import { defineHandler, type RequestContext } from '../handler.ts'
import { requireGroup } from './group-caller.ts'

type Request = MessageOf<typeof apis.offsetCommit.request>
type RequestTopic = Request['topics'][number]
type ResponseTopic = InputOf<typeof apis.offsetCommit.response>['topics'][number]

const topicIdsFrom = 10

export const offsetCommit = defineHandler<typeof apis.offsetCommit>({
  api: apis.offsetCommit,
  versions: [0, 10],
  access: [
    ['GROUP', 'READ'],
    ['TOPIC', 'READ'],
  ],
  async handle(request, context) {
    requireGroup(context, 'READ', request.groupId)
    const topics: ResponseTopic[] = []
    const accepted: { request: CommitTopic; response: Answer }[] = []
    for (const topic of request.topics) {
      const answer = check(topic, context)
      topics.push(answer.response)
      if (answer.commit !== null) accepted.push({ request: answer.commit, response: answer.response })
    }
    if (accepted.length === 0) return { throttleTimeMs: 0, topics }
    const results = await context.broker.groups.commitOffsets(
      {
        groupId: request.groupId,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId,
        generationId: request.generationIdOrMemberEpoch,
        retentionTimeMs: request.retentionTimeMs,
        topics: accepted.map(topic => topic.request),
      },
      context.version,
    )
    accepted.forEach(({ response }, index) => {
      response.partitions.push(...results[index]!.partitions)
    })
    return { throttleTimeMs: 0, topics }
  },
  fail: (request, error) => ({ throttleTimeMs: 0, topics: request.topics.map(topic => refused(topic, error.name)) }),
})

interface Answer extends ResponseTopic {
  partitions: { partitionIndex: number; errorCode: number }[]
}

/** What of the topic can be committed, and the errors of the rest. */
function check(topic: RequestTopic, context: RequestContext): { commit: CommitTopic | null; response: Answer } {
  const { metadata } = context.broker
  const byId = context.version >= topicIdsFrom
  const known = byId ? metadata.topicById(topic.topicId) : metadata.topic(topic.name)
  if (known === undefined && byId) return { commit: null, response: refused(topic, 'UNKNOWN_TOPIC_ID') }
  const name = known?.name ?? topic.name
  if (!context.allowed('READ', 'TOPIC', name)) return { commit: null, response: refused(topic, 'TOPIC_AUTHORIZATION_FAILED') }
  if (known === undefined) return { commit: null, response: refused(topic, 'UNKNOWN_TOPIC_OR_PARTITION') }
  const response: Answer = { name: topic.name, topicId: topic.topicId, partitions: [] }
  const partitions = topic.partitions.filter(({ partitionIndex }) => {
    if (known.partitions[partitionIndex] !== undefined) return true
    response.partitions.push({ partitionIndex, errorCode: errorCode('UNKNOWN_TOPIC_OR_PARTITION') })
    return false
  })
  return { commit: partitions.length === 0 ? null : { name, topicId: known.id, partitions }, response }
}

function refused(topic: RequestTopic, error: ErrorName): Answer {
  return {
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errorCode(error) })),
  }
}
