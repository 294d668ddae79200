/**
 * AlterPartitionReassignments, v0–1 (KIP-455, KIP-860): moves partitions to other brokers. There is one broker: a partition can only be
 * assigned to it, which changes nothing. So there is never a reassignment in progress that could be cancelled.
 */
import { inSlices } from '../../../base.ts'
import { assignmentProblem } from '../../../coordinator.ts'
import { apis, KafkaError } from '../../../protocol.ts'
import { topicPartitions } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const alterPartitionReassignments = defineHandler<typeof apis.alterPartitionReassignments>({
  api: apis.alterPartitionReassignments,
  versions: [0, 1],
  access: [['CLUSTER', 'ALTER']],
  cost: topicPartitions,
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { turns } = context.broker
    const responses = await inSlices(turns, request.topics, async ({ name, partitions }) => ({
      name,
      partitions: await inSlices(turns, partitions, ({ partitionIndex, replicas }) => {
        const error = problem(name, partitionIndex, replicas, context)
        return { partitionIndex, errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
      }),
    }))
    const { allowReplicationFactorChange } = request
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, responses: [] }),
})

function problem(name: string, partition: number, replicas: readonly number[] | null, { broker }: RequestContext): KafkaError | null {
  const topic = broker.metadata.topic(name)
  if (topic === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find a topic named ${name}.`)
  if (topic.partitions[partition] === undefined) {
    return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find partition ${name}:${partition}.`)
  }
  return replicas === null ? new KafkaError('NO_REASSIGNMENT_IN_PROGRESS') : assignmentProblem(replicas, broker.self.id)
}
