/**
 * Fetch with quotas, as in Kafka: a response that would exceed the quota is not sent. The consumer gets an empty response with the
 * throttle time, and no bytes are counted. The size of a response is limited, so that it can be sent eventually.
 */
import type { PartitionLog, Slice } from '../../../log.ts'
import type { apis, InputOf } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import type { FetchPartition } from '../../sessions/fetch-sessions.ts'
import type { OpenedFetch } from './fetch-request.ts'

interface Read {
  partition: FetchPartition
  slice: Slice | null
}

/** Most bytes that the topic's own quota lets one response hold of it. */
export function roomFor(log: PartitionLog, { broker }: RequestContext): number {
  const { consumerByteRate } = log.config
  return consumerByteRate === undefined ? Number.POSITIVE_INFINITY : broker.quotas.fetchRoom(consumerByteRate)
}

/** Milliseconds to wait instead of sending what was read; 0: it may be sent and is counted. */
export function fetchDelay(reads: readonly Read[], context: RequestContext): number {
  const { quotas } = context.broker
  const { quota } = context
  let bytes = 0
  let limited = false
  for (const { slice, partition } of reads) {
    if (slice === null || slice.bytes === 0) continue
    bytes += slice.bytes
    if (partition.log?.config.consumerByteRate !== undefined) limited = true
  }
  if (bytes === 0) return 0
  const clientDelayMs = quota === null ? 0 : quota.fetched(bytes)
  if (clientDelayMs > 0 || !limited) return clientDelayMs
  const counted = new Map<string, number>()
  for (const [topic, { bytes: ofTopic, perSecond }] of limitedTopics(reads)) {
    const delayMs = quotas.topicFetched(topic, perSecond, ofTopic)
    if (delayMs > 0) {
      for (const [earlier, earlierBytes] of counted) quotas.topicUnfetched(earlier, earlierBytes)
      quota?.unfetched(bytes)
      return delayMs
    }
    counted.set(topic, ofTopic)
  }
  return 0
}

function limitedTopics(reads: readonly Read[]): Map<string, { bytes: number; perSecond: number }> {
  const topics = new Map<string, { bytes: number; perSecond: number }>()
  for (const { slice, partition } of reads) {
    const perSecond = partition.log?.config.consumerByteRate
    if (slice === null || partition.topic === null || perSecond === undefined) continue
    const topic = topics.get(partition.topic)
    if (topic === undefined) topics.set(partition.topic, { bytes: slice.bytes, perSecond })
    else topic.bytes += slice.bytes
  }
  return topics
}

/** A session continues as if there had been no request; a new one is not started (the client takes an empty full response as a throttle). */
export function postpone({ session, full }: OpenedFetch, delayMs: number, context: RequestContext): InputOf<typeof apis.fetch.response> {
  if (full && session !== null) context.broker.fetchSessions.remove(session.id)
  context.throttle(delayMs)
  return { throttleTimeMs: delayMs, errorCode: 0, sessionId: full || session === null ? 0 : session.id, responses: [] }
}
