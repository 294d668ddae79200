/**
 * OffsetForLeaderEpoch, v0–4 (KIP-101, KIP-320): returns the end offset of a leader epoch, from which a consumer can tell that the log was
 * truncated. v2 checks the current epoch that the client assumes.
 */
import { inSlices } from '../../../base.ts'
import { apis, type InputOf, KafkaError, type MessageOf, toKafkaError } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'
import { clientPartition } from './client-partition.ts'

type Asked = MessageOf<typeof apis.offsetForLeaderEpoch.request>['topics'][number]['partitions'][number]
type Response = InputOf<typeof apis.offsetForLeaderEpoch.response>
type Result = Response['topics'][number]['partitions'][number]

export const offsetForLeaderEpoch = defineHandler<typeof apis.offsetForLeaderEpoch>({
  api: apis.offsetForLeaderEpoch,
  versions: [0, 4],
  access: [
    ['CLUSTER', 'CLUSTER_ACTION'],
    ['TOPIC', 'DESCRIBE'],
  ],
  cost: manyThings(function* (request) {
    request.topics = yield* distinctPairs(
      request.topics,
      topic => topic.topic,
      'partitions',
      ({ partition }) => partition,
    )
  }),
  async handle(request, context) {
    const { turns } = context.broker
    const isBroker = context.allowed('CLUSTER_ACTION', 'CLUSTER', clusterName, 'probe')
    const topics = await inSlices(turns, request.topics, async ({ topic, partitions }) => {
      const allowed = isBroker || context.allowed('DESCRIBE', 'TOPIC', topic)
      return { topic, partitions: await inSlices(turns, partitions, asked => endOffset(topic, asked, allowed, context)) }
    })
    return { throttleTimeMs: 0, topics }
  },
  *fail(request, error) {
    const topics = yield* nestedResultsOf(
      request.topics,
      ({ partitions }) => partitions,
      asked => failed(asked, error),
      ({ topic }, partitions) => ({ topic, partitions }),
    )
    return { throttleTimeMs: 0, topics }
  },
})

function endOffset(topic: string, asked: Asked, allowed: boolean, context: RequestContext): Result {
  try {
    if (!allowed) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
    const log = clientPartition(context, topic, asked.partition, asked.currentLeaderEpoch)
    return { errorCode: 0, partition: asked.partition, ...log.endOffsetForEpoch(asked.leaderEpoch) }
  } catch (error) {
    return failed(asked, toKafkaError(error))
  }
}

function failed({ partition }: Asked, error: KafkaError): Result {
  return { errorCode: error.code, partition, leaderEpoch: -1, endOffset: -1 }
}
