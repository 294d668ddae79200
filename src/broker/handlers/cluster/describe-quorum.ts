/**
 * DescribeQuorum, v0–2 (KIP-595): the state of the metadata quorum. The only broker keeps the metadata, so it is the leader and the
 * only voter. v1 adds timestamps (KIP-836), v2 directory ids, nodes and messages (KIP-853).
 */
import { apis, errorCode, type InputOf, KafkaError, type MessageOf, metadataTopicUuid } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

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
    const { self } = context.broker
    const known = isMetadataPartition(request)
    const topics = request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => (known ? quorum(context) : unknown(partitionIndex))),
    }))
    const listener = context.connection.listener
    const nodes = known && context.version >= 2 ? [{ nodeId: self.id, listeners: [{ name: listener, ...self.advertised(listener) }] }] : []
    return { errorCode: 0, errorMessage: null, topics, nodes }
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

function quorum({ broker }: RequestContext): PartitionResult {
  const log = broker.log.get(metadataTopicUuid, 0)
  if (log === undefined) throw new Error('the metadata has no log')
  const now = broker.system.clock.now()
  const voter = {
    replicaId: broker.self.id,
    replicaDirectoryId: broker.self.directoryId,
    logEndOffset: log.logEndOffset,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now,
  }
  return {
    partitionIndex: 0,
    errorCode: 0,
    errorMessage: null,
    leaderId: broker.self.id,
    leaderEpoch: log.leaderEpoch,
    highWatermark: log.highWatermark,
    currentVoters: [voter],
    observers: [],
  }
}
