/**
 * AlterReplicaLogDirs, v0–2 (KIP-113): moves partitions to another log directory of the broker. There is one, so a partition is there
 * already, or the directory is not known.
 */
import { apis, type ErrorName, errorCode, KafkaError, type MessageOf } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.alterReplicaLogDirs.request>

/** Kafka moves by way of a directory named `<topic>-<partition>.<32 digits>-future`, which must not be longer than this. */
const longestDirectoryName = 255
const futureSuffixLength = 40

export const alterReplicaLogDirs = defineHandler<typeof apis.alterReplicaLogDirs>({
  api: apis.alterReplicaLogDirs,
  versions: [0, 2],
  access: [['CLUSTER', 'ALTER']],
  cost: manyThings(null),
  handle(request, context) {
    if (!context.allowed('ALTER', 'CLUSTER', clusterName)) throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED')
    return answer(request, (path, topic, partition) => outcome(path, topic, partition, context))
  },
  fail: (request, error) => answer(request, () => error.name),
})

function answer(request: Request, outcomeOf: (path: string, topic: string, partition: number) => ErrorName) {
  const results = request.dirs.flatMap(({ path, topics }) =>
    topics.map(({ name, partitions }) => ({
      topicName: name,
      partitions: partitions.map(partitionIndex => ({ partitionIndex, errorCode: errorCode(outcomeOf(path, name, partitionIndex)) })),
    })),
  )
  return { throttleTimeMs: 0, results }
}

function outcome(path: string, topic: string, partition: number, { broker }: RequestContext): ErrorName {
  if (`${topic}-${partition}`.length + futureSuffixLength > longestDirectoryName) return 'INVALID_TOPIC_EXCEPTION'
  if (path !== broker.logDirectory) return 'LOG_DIR_NOT_FOUND'
  const log = broker.metadata.partitionByName(topic, partition)
  if (log === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return log.offline === null ? 'NONE' : 'KAFKA_STORAGE_ERROR'
}
