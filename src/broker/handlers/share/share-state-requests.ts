/** Shared by the five APIs between brokers and the share coordinator: the permission, and a result for each partition. */
import { inSlices } from '../../../base.ts'
import type { SharePartitionKey } from '../../../coordinator.ts'
import { KafkaError, toKafkaError, type Uuid } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { type Outcome, outcomeOf } from './share-requests.ts'

interface StateRequest<P> {
  groupId: string
  topics: readonly { topicId: Uuid; partitions: readonly P[] }[]
}

export const stateAccess = [['CLUSTER', 'CLUSTER_ACTION']] as const
export const stateCost = manyThings<{ topics: { topicId: Uuid; partitions: { partition: number }[] }[] }>(function* (request) {
  request.topics = yield* distinctPairs(
    request.topics,
    topic => topic.topicId,
    'partitions',
    ({ partition }) => partition,
  )
})

/** Calls `ask` for each partition that exists; what it throws is the partition's error. Only brokers may send these requests. */
export async function forEachPartition<P extends { partition: number }, R>(
  { groupId, topics }: StateRequest<P>,
  context: RequestContext,
  ask: (key: SharePartitionKey, partition: P) => Promise<R>,
  failed: (partition: number, outcome: Outcome) => R,
): Promise<{ topicId: Uuid; partitions: R[] }[]> {
  requireCluster(context, 'CLUSTER_ACTION')
  const { turns, metadata } = context.broker
  return inSlices(turns, topics, async ({ topicId, partitions }) => {
    const answers = await inSlices(turns, partitions, async partition => {
      try {
        if (metadata.leaderOf(topicId, partition.partition) === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
        return await ask({ groupId, topicId, partition: partition.partition }, partition)
      } catch (error) {
        return failed(partition.partition, outcomeOf(toKafkaError(error)))
      }
    })
    return { topicId, partitions: answers }
  })
}

/** The same failure for all partitions. */
export function failEach<R>(
  { topics }: StateRequest<{ partition: number }>,
  error: KafkaError,
  failed: (partition: number, outcome: Outcome) => R,
): Generator<void, { topicId: Uuid; partitions: R[] }[]> {
  const outcome = outcomeOf(error)
  return nestedResultsOf(
    topics,
    ({ partitions }) => partitions,
    ({ partition }) => failed(partition, outcome),
    ({ topicId }, results) => ({ topicId, partitions: results }),
  )
}

export const plainFailure = (partition: number, outcome: Outcome) => ({ partition, ...outcome })
