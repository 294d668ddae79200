/**
 * AlterPartitionReassignments, v0–1 (KIP-455, KIP-860): gives partitions other replicas. Only the broker that leads a partition has its data, and
 * it cannot move yet: so the leader must be among the new replicas. The others change at once, and there is never a reassignment in progress
 * that could be cancelled.
 */
import { inSlices } from '../../../base.ts'
import { assignmentProblem, type PartitionChange } from '../../../coordinator.ts'
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
    const { metadata, turns } = context.broker
    const { allowReplicationFactorChange } = request
    const registered = new Set(metadata.brokers().map(({ id }) => id))
    const changes: (PartitionChange & { outcome: Outcome })[] = []
    const responses = await inSlices(turns, request.topics, async ({ name, partitions }) => ({
      name,
      partitions: await inSlices(turns, partitions, ({ partitionIndex, replicas }) => {
        const outcome: Outcome = { partitionIndex, errorCode: 0, errorMessage: null }
        const planned = plan(name, partitionIndex, replicas, { registered, allowReplicationFactorChange }, context)
        if (planned instanceof KafkaError) tell(outcome, planned)
        else if (planned !== null) changes.push({ ...planned, outcome })
        return outcome
      }),
    }))
    if (changes.length > 0) {
      const outcomes = await metadata.changePartitions(changes)
      for (const [index, { outcome }] of changes.entries()) tell(outcome, outcomes[index] ?? null)
    }
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, responses: [] }),
})

interface Outcome {
  partitionIndex: number
  errorCode: number
  errorMessage: string | null
}

function tell(outcome: Outcome, error: KafkaError | null): void {
  if (error === null) return
  outcome.errorCode = error.code
  outcome.errorMessage = error.message
}

interface Rules {
  registered: ReadonlySet<number>
  allowReplicationFactorChange: boolean
}

/** What has to change; null: nothing. */
function plan(
  name: string,
  partition: number,
  replicas: readonly number[] | null,
  { registered, allowReplicationFactorChange }: Rules,
  { broker }: RequestContext,
): PartitionChange | KafkaError | null {
  const topic = broker.metadata.topic(name)
  if (topic === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find a topic named ${name}.`)
  const found = topic.partitions[partition]
  if (found === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find partition ${name}:${partition}.`)
  if (replicas === null) return new KafkaError('NO_REASSIGNMENT_IN_PROGRESS')
  const problem = assignmentProblem(replicas, registered)
  if (problem !== null) return problem
  const { leader, replicas: before } = found
  if (!allowReplicationFactorChange && replicas.length !== before.length) {
    const change = `from ${before.length} to ${replicas.length}`
    return new KafkaError('INVALID_REPLICATION_FACTOR', `The replication factor is changed ${change}`)
  }
  if (leader >= 0 && !replicas.includes(leader)) {
    return new KafkaError('INVALID_REPLICA_ASSIGNMENT', `Broker ${leader} leads ${name}-${partition} and cannot give it away yet.`)
  }
  return replicas.every((id, index) => id === before[index]) && replicas.length === before.length
    ? null
    : { topicId: topic.id, partition, replicas }
}
