/**
 * DescribeLogDirs, v0–5 (KIP-113): sizes of this broker's partitions by directory. v3 has a top-level error, v4 returns the size and free space of the
 * volume (KIP-827), v5 cordoned directories (KIP-1066), of which there are none. In a cluster, the directory is the place in the object store.
 */
import { inSlices } from '../../../base.ts'
import { apis, errorCode, type InputOf } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clusterName } from '../../security/authorized-operations.ts'

type Response = InputOf<typeof apis.describeLogDirs.response>
type TopicResponse = Response['results'][number]['topics'][number]

/** An object store has no end. */
const unknownSize = -1

export const describeLogDirs = defineHandler<typeof apis.describeLogDirs>({
  api: apis.describeLogDirs,
  versions: [0, 5],
  access: [['CLUSTER', 'DESCRIBE']],
  cost: manyThings(null),
  async handle(request, context) {
    if (!context.allowed('DESCRIBE', 'CLUSTER', clusterName)) {
      return { throttleTimeMs: 0, errorCode: errorCode('CLUSTER_AUTHORIZATION_FAILED'), results: [] }
    }
    const { system, logDirectory, cluster } = context.broker
    const { files } = system
    const asked = request.topics === null ? null : new Map(request.topics.map(({ topic, partitions }) => [topic, new Set(partitions)]))
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      results: [
        {
          errorCode: 0,
          logDir: logDirectory,
          topics: await sizes(asked, context),
          totalBytes: cluster === null ? files.totalBytes(logDirectory) : unknownSize,
          usableBytes: cluster === null ? files.freeBytes(logDirectory) : unknownSize,
        },
      ],
    }
  },
  fail: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, results: [] }),
})

/** `asked`: null for all. Topics without partitions to report are omitted, as in Kafka. */
async function sizes(asked: ReadonlyMap<string, ReadonlySet<number>> | null, context: RequestContext): Promise<TopicResponse[]> {
  const topics: TopicResponse[] = []
  const { metadata, turns } = context.broker
  if (asked === null) await context.expects(metadata.partitionCount)
  await inSlices(turns, metadata.topics(), ({ name, partitions }) => {
    const wanted = asked?.get(name)
    if (asked !== null && wanted === undefined) return
    const described: TopicResponse['partitions'][number][] = []
    for (const { index, log } of partitions) {
      if (log === null || !(wanted?.has(index) ?? true)) continue
      described.push({ partitionIndex: index, partitionSize: log.sizeBytes(), offsetLag: 0, isFutureKey: false })
    }
    if (described.length > 0) topics.push({ name, partitions: described })
  })
  return topics
}
