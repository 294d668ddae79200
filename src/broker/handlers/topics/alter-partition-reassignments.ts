/**
 * AlterPartitionReassignments, v0–1 (KIP-455, KIP-860): gives partitions other replicas. Nothing has to be copied to a replica, so a reassignment
 * is done at once where the leader stays a replica; the order of replicas alone moves nothing. Otherwise the leader gives the
 * partition to the first new replica that serves, and the request ends when that is done, or after `timeoutMs`: then the reassignment is
 * under way, and is ended as soon as a new replica serves. `replicas` null cancels it until then.
 */
import { inSlices } from '../../../base.ts'
import { assignmentProblem, type PartitionChange } from '../../../coordinator.ts'
import { apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { topicPartitions } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

export const alterPartitionReassignments = defineHandler<typeof apis.alterPartitionReassignments>({
  api: apis.alterPartitionReassignments,
  versions: [0, 1],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: topicPartitions,
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    if (request.timeoutMs <= 0) throw new KafkaError('REQUEST_TIMED_OUT')
    const { metadata, turns } = context.broker
    const { allowReplicationFactorChange } = request
    const registered = new Set(metadata.brokers().map(({ id }) => id))
    const plans: Plan[] = []
    const responses = await inSlices(turns, request.topics, async ({ name, partitions }) => ({
      name,
      partitions: await inSlices(turns, partitions, ({ partitionIndex, replicas }) => {
        const outcome: Outcome = { partitionIndex, errorCode: 0, errorMessage: null }
        const planned = plan(name, partitionIndex, replicas, { registered, allowReplicationFactorChange }, context)
        if (planned instanceof KafkaError) tell(outcome, planned)
        else if (planned !== null) plans.push({ ...planned, topic: name, outcome })
        return outcome
      }),
    }))
    if (plans.length > 0) await make(plans, request.timeoutMs, context)
    return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode: 0, errorMessage: null, responses }
  },
  fail: failed,
})

/** As in Kafka, all that was named has failed, too. */
function* failed(
  { allowReplicationFactorChange, topics }: MessageOf<typeof apis.alterPartitionReassignments.request>,
  { code: errorCode, message: errorMessage }: KafkaError,
): Generator<void, InputOf<typeof apis.alterPartitionReassignments.response>> {
  const responses = yield* nestedResultsOf(
    topics,
    ({ partitions }) => partitions,
    ({ partitionIndex }) => ({ partitionIndex, errorCode, errorMessage }),
    ({ name }, partitions) => ({ name, partitions }),
  )
  return { throttleTimeMs: 0, allowReplicationFactorChange, errorCode, errorMessage, responses }
}

interface Outcome {
  partitionIndex: number
  errorCode: number
  errorMessage: string | null
}

interface Plan extends PartitionChange {
  topic: string
  outcome: Outcome
}

function tell(outcome: Outcome, error: KafkaError | null): void {
  if (error === null) return
  outcome.errorCode = error.code
  outcome.errorMessage = error.message
}

async function make(plans: readonly Plan[], timeoutMs: number, context: RequestContext): Promise<void> {
  const { metadata, moves } = context.broker
  const outcomes = await metadata.changePartitions(plans)
  for (const [index, { outcome }] of plans.entries()) tell(outcome, outcomes[index] ?? null)
  const waiting = plans.filter(({ topic, partition }) => (metadata.topic(topic)?.partitions[partition]?.removing.length ?? 0) > 0)
  if (waiting.length === 0) return
  context.waits()
  // What cannot be moved now is under way; that is no error.
  await moves.elect('preferred', waiting, { timeoutMs })
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
  const { leader, replicas: before, adding, removing } = found
  const isUnderWay = adding.length + removing.length > 0
  if (replicas === null) return isUnderWay ? { topicId: topic.id, partition, replicas } : new KafkaError('NO_REASSIGNMENT_IN_PROGRESS')
  const problem = assignmentProblem(replicas, registered)
  if (problem !== null) return problem
  const factor = before.length - removing.length
  if (!allowReplicationFactorChange && replicas.length !== factor) {
    return new KafkaError('INVALID_REPLICATION_FACTOR', `The replication factor is changed from ${factor} to ${replicas.length}`)
  }
  if (leader >= 0 && !replicas.includes(leader) && !broker.moves.arePossible) {
    return new KafkaError('INVALID_REPLICA_ASSIGNMENT', `Broker ${leader} leads ${name}-${partition} and cannot give it away.`)
  }
  const isSame = !isUnderWay && replicas.length === before.length && replicas.every((id, index) => id === before[index])
  return isSame ? null : { topicId: topic.id, partition, replicas }
}
