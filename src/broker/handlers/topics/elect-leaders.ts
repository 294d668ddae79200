/**
 * ElectLeaders, v0–2 (KIP-183, KIP-460): has preferred leaders lead, or finds out whether any leader is missing (v1). The request ends when the
 * partitions have moved; what has not moved after `timeoutMs` gets REQUEST_TIMED_OUT. Only a partition's leader has its data and knows
 * what of it is durable: so there are no unclean leaders.
 *
 * Brokers ask each other with this request, too: then CLUSTER_ACTION is enough.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { isOfBroker } from '../../peers.ts'
import { clusterName } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.electLeaders.request>
type Response = InputOf<typeof apis.electLeaders.response>
type PartitionResult = Response['replicaElectionResults'][number]['partitionResult'][number]

const preferred = 0
const unclean = 1

export const electLeaders = defineHandler<typeof apis.electLeaders>({
  api: apis.electLeaders,
  versions: [0, 2],
  access: [
    ['CLUSTER', 'ALTER'],
    ['CLUSTER', 'CLUSTER_ACTION'],
  ],
  onNewestMetadata: true,
  cost: manyThings(function* (request) {
    if (request.topicPartitions === null) return
    request.topicPartitions = yield* distinctPairs(request.topicPartitions, topic => topic.topic, 'partitions')
  }),
  async handle(request, context) {
    requireElection(context)
    const { electionType, timeoutMs } = request
    if (electionType !== preferred && electionType !== unclean) {
      throw new KafkaError('INVALID_REQUEST', `Unknown election type ${electionType}`)
    }
    if (timeoutMs <= 0) throw new KafkaError('REQUEST_TIMED_OUT')
    const { turns, metadata, moves } = context.broker
    const asked =
      request.topicPartitions ??
      metadata.topics().map(({ name, partitions }) => ({ topic: name, partitions: partitions.map((_, index) => index) }))
    const wanted = asked.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition })))
    context.waits()
    const limits = { timeoutMs, isAsked: isOfBroker(context.clientId) }
    const outcomes = await moves.elect(electionType === unclean ? 'unclean' : 'preferred', wanted, limits)
    let next = 0
    const replicaElectionResults = await inSlices(turns, asked, ({ topic, partitions }) => {
      const results = partitions.map(partition => result(partition, outcomes[next++] ?? null))
      // Asked about all, Kafka does not name those that have the leader they should have.
      const isNamed = ({ errorCode: code }: PartitionResult) =>
        request.topicPartitions !== null || code !== errorCode('ELECTION_NOT_NEEDED')
      return { topic, partitionResult: results.filter(isNamed) }
    })
    return { throttleTimeMs: 0, errorCode: 0, replicaElectionResults }
  },
  fail: failed,
})

function requireElection(context: RequestContext): void {
  if (isOfBroker(context.clientId) && context.allowed('CLUSTER_ACTION', 'CLUSTER', clusterName, 'probe')) return
  if (!context.allowed('ALTER', 'CLUSTER', clusterName)) throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED')
}

function result(partitionId: number, error: KafkaError | null): PartitionResult {
  return { partitionId, errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
}

/** v0 has no place for an error of the whole request. */
function* failed(request: Request, error: KafkaError): Generator<void, Response> {
  const replicaElectionResults = yield* nestedResultsOf(
    request.topicPartitions ?? [],
    ({ partitions }) => partitions,
    partition => result(partition, error),
    ({ topic }, partitionResult) => ({ topic, partitionResult }),
  )
  return { throttleTimeMs: 0, errorCode: error.code, replicaElectionResults }
}
