/**
 * AlterReplicaLogDirs, v0–2 (KIP-113): moves partitions to another log directory of the broker. There is only one, so the partition is
 * already there, or the directory is unknown.
 */
import { inSlices } from '../../../base.ts'
import { apis, type ErrorName, errorCode } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { absence } from '../cluster/cluster-view.ts'

/** Kafka moves by way of a directory named `<topic>-<partition>.<32 digits>-future`, which must not be longer than this. */
const longestDirectoryName = 255
const futureSuffixLength = 40

export const alterReplicaLogDirs = defineHandler<typeof apis.alterReplicaLogDirs>({
  api: apis.alterReplicaLogDirs,
  versions: [0, 2],
  access: [['CLUSTER', 'ALTER']],
  cost: manyThings(null),
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { turns } = context.broker
    const results = await inSlices(turns, request.dirs, ({ path, topics }) =>
      inSlices(turns, topics, async ({ name, partitions }) => ({
        topicName: name,
        partitions: await inSlices(turns, partitions, index => result(index, outcome(path, name, index, context))),
      })),
    )
    return { throttleTimeMs: 0, results: results.flat() }
  },
  *fail(request, error) {
    const results = yield* nestedResultsOf(
      request.dirs.flatMap(({ topics }) => topics),
      ({ partitions }) => partitions,
      index => result(index, error.name),
      ({ name }, partitions) => ({ topicName: name, partitions }),
    )
    return { throttleTimeMs: 0, results }
  },
})

function result(partitionIndex: number, error: ErrorName) {
  return { partitionIndex, errorCode: errorCode(error) }
}

function outcome(path: string, topic: string, partition: number, { broker }: RequestContext): ErrorName {
  if (`${topic}-${partition}`.length + futureSuffixLength > longestDirectoryName) return 'INVALID_TOPIC_EXCEPTION'
  if (path !== broker.logDirectory) return 'LOG_DIR_NOT_FOUND'
  const known = broker.metadata.topic(topic)?.partitions[partition]
  const log = known?.log ?? null
  if (log === null) return absence(known)
  return log.offline === null ? 'NONE' : 'KAFKA_STORAGE_ERROR'
}
