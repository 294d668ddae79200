/**
 * DescribeQuorum, v0–2 (KIP-595): the state of the metadata quorum. There is no election: the controller is the leader and the only voter, and
 * the other brokers observe. What is not known of a broker is -1. In a cluster over a database, all brokers share one log, so its end is known.
 * v1 adds timestamps (KIP-836), v2 directory ids, nodes and messages (KIP-853).
 */
import { apis, errorCode, type InputOf, KafkaError, type MessageOf, metadataTopicUuid, zeroUuid } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { ClusterView } from './cluster-view.ts'

type Request = MessageOf<typeof apis.describeQuorum.request>
type Response = InputOf<typeof apis.describeQuorum.response>
type PartitionResult = Response['topics'][number]['partitions'][number]

const metadataTopic = '__cluster_metadata'

export const describeQuorum = defineHandler<typeof apis.describeQuorum>({
  api: apis.describeQuorum,
  versions: [0, 2],
  access: [['CLUSTER', 'DESCRIBE']],
  cost: oneThing,
  handle(request, context) {
    requireCluster(context, 'DESCRIBE')
    const view = new ClusterView(context)
    const known = isMetadataPartition(request)
    const topics = request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => (known ? quorum(view, context) : unknown(partitionIndex))),
    }))
    const name = context.connection.listener
    const nodes = view.nodes.map(({ id, host, port }) => ({ nodeId: id, listeners: [{ name, host, port }] }))
    return { errorCode: 0, errorMessage: null, topics, nodes: known && context.version >= 2 ? nodes : [] }
  },
  fail: (_, error) => ({ errorCode: error.code, errorMessage: error.message, topics: [], nodes: [] }),
})

/** Kafka answers for exactly this partition, and refuses all when anything else is asked for. */
function isMetadataPartition({ topics }: Request): boolean {
  const [topic] = topics
  return (
    topics.length === 1 && topic?.topicName === metadataTopic && topic.partitions.length === 1 && topic.partitions[0]?.partitionIndex === 0
  )
}

function unknown(partitionIndex: number): PartitionResult {
  const code = errorCode('UNKNOWN_TOPIC_OR_PARTITION')
  return { ...nobody, partitionIndex, errorCode: code, errorMessage: new KafkaError('UNKNOWN_TOPIC_OR_PARTITION').message }
}

const nobody = { leaderId: -1, leaderEpoch: -1, highWatermark: -1, currentVoters: [], observers: [] }

function quorum({ nodes, controllerId }: ClusterView, { broker }: RequestContext): PartitionResult {
  const { self, metadata, log, system, cluster } = broker
  // Only the broker that keeps the metadata has this log; the others know up to where they have read it.
  const kept = log.get(metadataTopicUuid, 0)
  const known = metadata.finalizedFeatures().epoch + 1
  const now = system.clock.now()
  const state = (replicaId: number) =>
    replicaId === self.id
      ? {
          replicaId,
          replicaDirectoryId: self.directoryId,
          logEndOffset: kept?.logEndOffset ?? known,
          lastFetchTimestamp: now,
          lastCaughtUpTimestamp: now,
        }
      : {
          replicaId,
          replicaDirectoryId: zeroUuid,
          // The leader has what was read here.
          logEndOffset: cluster !== null || replicaId === controllerId ? known : -1,
          lastFetchTimestamp: -1,
          lastCaughtUpTimestamp: -1,
        }
  const others = nodes.filter(({ id }) => id !== controllerId)
  return {
    partitionIndex: 0,
    errorCode: 0,
    errorMessage: null,
    leaderId: controllerId,
    leaderEpoch: kept?.leaderEpoch ?? 0,
    highWatermark: kept?.highWatermark ?? known,
    currentVoters: [state(controllerId)],
    observers: others.map(({ id }) => state(id)),
  }
}
