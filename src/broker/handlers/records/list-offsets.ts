/**
 * ListOffsets, v0–11.
 *
 * v0 lists offsets of segments (up to 0.10.0), v1 looks up one by time (KIP-79), v2 respects open transactions (KIP-98), v4 checks and
 * returns leader epochs (KIP-320), v7 supports the largest timestamp (KIP-734), v8 the earliest local offset (KIP-405), v9 the latest tiered
 * (KIP-1005), v10 a timeout for tiered look-ups (KIP-1075), v11 the earliest offset still to be tiered (KIP-1023). Nothing is tiered here.
 */
import { type Int64, inSlices, type Turns } from '../../../base.ts'
import type { PartitionLog, TimestampedOffset } from '../../../log.ts'
import { apis, type InputOf, KafkaError, type MessageOf, toKafkaError } from '../../../protocol.ts'
import { manyThings } from '../../dispatch/cost.ts'
import { nestedResultsOf } from '../../dispatch/failed.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { clientPartition, visibility, whenVisible } from './client-partition.ts'

type Request = MessageOf<typeof apis.listOffsets.request>
type Asked = Request['topics'][number]['partitions'][number]
type Result = InputOf<typeof apis.listOffsets.response>['topics'][number]['partitions'][number]
type Visible = 'high-watermark' | 'last-stable'

const latest = -1
const earliest = -2
const maxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6

/** Since which version a client may ask for it. */
const since = new Map<Int64, number>([
  [latest, 0],
  [earliest, 0],
  [maxTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11],
])

const nothing: TimestampedOffset = { offset: -1, timestampMs: -1, leaderEpoch: -1 }

export const listOffsets = defineHandler<typeof apis.listOffsets>({
  api: apis.listOffsets,
  versions: [0, 11],
  access: [['TOPIC', 'DESCRIBE']],
  cost: manyThings(null),
  async handle(request, context) {
    const upTo = visibility(request.isolationLevel)
    const { turns } = context.broker
    const repeated = await repeatedPartitions(request, turns)
    const topics = await inSlices(turns, request.topics, async ({ name, partitions }) => ({
      name,
      partitions: await inSlices(turns, partitions, asked => {
        if (!repeated.has(key(name, asked))) return listOffset(name, asked, upTo, context)
        return failed(asked, new KafkaError('INVALID_REQUEST'))
      }),
    }))
    return { throttleTimeMs: 0, topics }
  },
  *fail(request, error) {
    const topics = yield* nestedResultsOf(
      request.topics,
      ({ partitions }) => partitions,
      asked => failed(asked, error),
      ({ name }, partitions) => ({ name, partitions }),
    )
    return { throttleTimeMs: 0, topics }
  },
})

function key(topic: string, asked: Asked): string {
  return `${topic}:${asked.partitionIndex}`
}

async function repeatedPartitions({ topics }: Request, turns: Turns): Promise<Set<string>> {
  const seen = new Set<string>()
  const repeated = new Set<string>()
  await inSlices(turns, topics, ({ name, partitions }) =>
    inSlices(turns, partitions, asked => {
      const id = key(name, asked)
      if (seen.has(id)) repeated.add(id)
      seen.add(id)
    }),
  )
  return repeated
}

async function listOffset(topic: string, asked: Asked, upTo: Visible, context: RequestContext): Promise<Result> {
  const { version } = context
  try {
    if (!context.allowed('DESCRIBE', 'TOPIC', topic)) throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
    const first = asked.timestamp < 0 ? since.get(asked.timestamp) : 0
    if (first === undefined || version < first) throw new KafkaError('UNSUPPORTED_VERSION')
    const begun = clientPartition(context, topic, asked.partitionIndex, asked.currentLeaderEpoch)
    const visible = asked.timestamp === earliest ? null : whenVisible(begun, context)
    if (visible !== null) await visible
    // Another broker may lead it since then, and may have more.
    const log = visible === null ? begun : clientPartition(context, topic, asked.partitionIndex, asked.currentLeaderEpoch)
    if (version === 0) return { partitionIndex: asked.partitionIndex, errorCode: 0, oldStyleOffsets: await offsetsBefore(log, asked) }
    const found = await lookUp(log, asked.timestamp, upTo)
    const { partitionIndex } = asked
    const result: Result = { partitionIndex, errorCode: 0, oldStyleOffsets: [], timestamp: found.timestampMs, offset: found.offset }
    if (version >= 4) result.leaderEpoch = found.leaderEpoch
    return result
  } catch (error) {
    return failed(asked, toKafkaError(error))
  }
}

async function lookUp(log: PartitionLog, timestamp: Int64, upTo: Visible): Promise<TimestampedOffset> {
  const end = upTo === 'last-stable' ? log.lastStableOffset : log.highWatermark
  switch (timestamp) {
    case latest:
      return { offset: end, timestampMs: -1, leaderEpoch: log.leaderEpoch }
    case earliest:
    case earliestLocal:
      return { offset: log.logStartOffset, timestampMs: -1, leaderEpoch: epochAt(log, log.logStartOffset) }
    case latestTiered:
    case earliestPendingUpload:
      return nothing
    default: {
      const found = await (timestamp === maxTimestamp ? log.offsetOfMaxTimestamp() : log.offsetForTimestamp(timestamp, upTo))
      // What the client could not fetch is not there for it.
      return found !== null && found.offset < end ? found : nothing
    }
  }
}

/** The epoch in which the record at `offset` was (or will be) written. */
function epochAt(log: PartitionLog, offset: number): number {
  let low = 0
  let high = log.leaderEpoch
  while (low < high) {
    const middle = (low + high) >> 1
    if (log.endOffsetForEpoch(middle).endOffset > offset) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * The answer of v0: offsets at which a reader could begin so that it sees what was written from about then on, newest first. Kafka
 * lists the bases of its segments; the start of the log and the offset looked up by time serve the same clients better.
 */
async function offsetsBefore(log: PartitionLog, { timestamp, maxNumOffsets }: Asked): Promise<number[]> {
  const offsets = [log.logStartOffset]
  if (timestamp !== earliest) {
    const found = timestamp === latest ? null : await log.offsetForTimestamp(timestamp, 'high-watermark')
    const offset = found?.offset ?? log.highWatermark
    if (offset > log.logStartOffset) offsets.unshift(offset)
    // All records are younger than the time asked for.
    else if (found !== null) offsets.pop()
  }
  return offsets.slice(0, Math.max(0, maxNumOffsets))
}

function failed({ partitionIndex }: Asked, error: KafkaError): Result {
  return { partitionIndex, errorCode: error.code, oldStyleOffsets: [] }
}
