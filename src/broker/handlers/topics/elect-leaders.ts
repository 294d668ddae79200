/**
 * ElectLeaders, v0–2 (KIP-183, KIP-460): elects preferred leaders, or any leader (v1). Only the broker that leads a partition has its data:
 * if it is available, no election of any leader is needed, otherwise none is possible. Partitions cannot move to their preferred leader yet:
 * where another broker leads, it is not available.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import { distinctPairs, manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { ClusterView } from '../cluster/cluster-view.ts'

type Request = MessageOf<typeof apis.electLeaders.request>
type Response = InputOf<typeof apis.electLeaders.response>
type PartitionResult = Response['replicaElectionResults'][number]['partitionResult'][number]

const preferred = 0
const unclean = 1

export const electLeaders = defineHandler<typeof apis.electLeaders>({
  api: apis.electLeaders,
  versions: [0, 2],
  access: [['CLUSTER', 'ALTER']],
  cost: manyThings(function* (request) {
    if (request.topicPartitions === null) return
    request.topicPartitions = yield* distinctPairs(request.topicPartitions, topic => topic.topic, 'partitions')
  }),
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { electionType } = request
    if (electionType !== preferred && electionType !== unclean) {
      throw new KafkaError('INVALID_REQUEST', `Unknown election type ${electionType}`)
    }
    const view = new ClusterView(context)
    const elect = (topic: string, partition: number) => result(partition, outcome(topic, partition, electionType, view, context))
    const { turns, metadata } = context.broker
    const replicaElectionResults =
      request.topicPartitions === null
        ? await inSlices(turns, metadata.topics(), ({ name, partitions }) => ({
            topic: name,
            // Asked about all, Kafka does not name those that have the leader they should have.
            partitionResult: partitions
              .map((_, index) => elect(name, index))
              .filter(each => each.errorCode !== errorCode('ELECTION_NOT_NEEDED')),
          }))
        : await inSlices(turns, request.topicPartitions, async ({ topic, partitions }) => ({
            topic,
            partitionResult: await inSlices(turns, partitions, partition => elect(topic, partition)),
          }))
    return { throttleTimeMs: 0, errorCode: 0, replicaElectionResults }
  },
  fail: failed,
})

function outcome(topic: string, partition: number, electionType: number, view: ClusterView, { broker }: RequestContext): KafkaError {
  const known = broker.metadata.topic(topic)
  if (known === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `No such topic as ${topic}`)
  const found = known.partitions[partition]
  if (found === undefined) return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `No such partition as ${topic}-${partition}`)
  const hasLeader = view.problem(found) !== 'LEADER_NOT_AVAILABLE'
  if (hasLeader && (electionType === unclean || found.leader === found.replicas[0])) return new KafkaError('ELECTION_NOT_NEEDED')
  return new KafkaError(electionType === preferred ? 'PREFERRED_LEADER_NOT_AVAILABLE' : 'ELIGIBLE_LEADERS_NOT_AVAILABLE')
}

function result(partitionId: number, error: KafkaError): PartitionResult {
  return { partitionId, errorCode: error.code, errorMessage: error.message }
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
