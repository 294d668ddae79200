/** Which of the offsets in a request may be committed: one rule for OffsetCommit and TxnOffsetCommit. */
import { inSlices, runInSlices } from '../../../base.ts'
import type { CommitTopic, TopicResult } from '../../../coordinator.ts'
import { errorCode, KafkaError, type Uuid, zeroUuid } from '../../../protocol.ts'
import { distinctPairs } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

export interface CommittedTopic extends TopicResult {
  topicId: Uuid
}

/** For the handlers' `cost`: a partition that is named twice is committed once. */
export function* distinctOffsets<
  P extends { partitionIndex: number },
  T extends { name: string; topicId: Uuid; partitions: P[] },
>(request: { topics: T[] }): Generator<void> {
  request.topics = yield* distinctPairs(
    request.topics,
    topic => topic.name || topic.topicId,
    'partitions',
    ({ partitionIndex }) => partitionIndex,
  )
}

/**
 * The results for the request's topics. `commit` receives those that exist and are allowed, and returns one result for each. If it fails,
 * these topics get the error that `told` makes of it; the others keep theirs.
 */
export async function commitTopics(
  topics: readonly CommitTopic[],
  byId: boolean,
  context: RequestContext,
  commit: (accepted: CommitTopic[]) => Promise<TopicResult[]>,
  told: (error: KafkaError) => KafkaError = error => error,
): Promise<CommittedTopic[]> {
  const results: CommittedTopic[] = []
  const accepted: { topic: CommitTopic; result: CommittedTopic }[] = []
  await inSlices(context.broker.turns, topics, topic => {
    const answer = check(topic, byId, context)
    results.push(answer.result)
    if (answer.topic !== null) accepted.push({ topic: answer.topic, result: answer.result })
  })
  if (accepted.length === 0) return results
  const asked = accepted.map(({ topic }) => topic)
  const committed = await commit(asked).catch((error: unknown) => {
    if (!(error instanceof KafkaError)) throw error
    return runInSlices(context.broker.turns, refusedTopics(asked, told(error)))
  })
  accepted.forEach(({ result }, index) => {
    for (const partition of committed[index]!.partitions) result.partitions.push(partition)
  })
  return results
}

function refusedTopic({ name, topicId, partitions }: CommitTopic, error: KafkaError): CommittedTopic {
  return { name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: error.code })) }
}

/** All of them, in steps. */
export function refusedTopics(
  topics: readonly Pick<CommitTopic, 'name' | 'topicId' | 'partitions'>[],
  error: KafkaError,
): Generator<void, CommittedTopic[]> {
  return nestedResultsOf(
    topics,
    ({ partitions }) => partitions,
    ({ partitionIndex }) => ({ partitionIndex, errorCode: error.code }),
    ({ name, topicId }, partitions) => ({ name, topicId: topicId ?? zeroUuid, partitions }),
  )
}

/** What of the topic can be committed, and the errors of the rest. */
function check(topic: CommitTopic, byId: boolean, context: RequestContext): { topic: CommitTopic | null; result: CommittedTopic } {
  const { metadata } = context.broker
  const refuse = (name: 'UNKNOWN_TOPIC_ID' | 'TOPIC_AUTHORIZATION_FAILED' | 'UNKNOWN_TOPIC_OR_PARTITION') => ({
    topic: null,
    result: refusedTopic(topic, new KafkaError(name)),
  })
  const known = byId ? metadata.topicById(topic.topicId) : metadata.topic(topic.name)
  if (known === undefined && byId) return refuse('UNKNOWN_TOPIC_ID')
  const name = known?.name ?? topic.name
  if (!context.allowed('READ', 'TOPIC', name)) return refuse('TOPIC_AUTHORIZATION_FAILED')
  if (known === undefined) return refuse('UNKNOWN_TOPIC_OR_PARTITION')
  const result: CommittedTopic = { name: topic.name, topicId: topic.topicId, partitions: [] }
  const partitions = topic.partitions.filter(({ partitionIndex }) => {
    if (known.partitions[partitionIndex] !== undefined) return true
    result.partitions.push({ partitionIndex, errorCode: errorCode('UNKNOWN_TOPIC_OR_PARTITION') })
    return false
  })
  return { topic: partitions.length === 0 ? null : { name, topicId: known.id, partitions }, result }
}
