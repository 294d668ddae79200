/** The partitions of a fetch request in reading order, from the request itself or from a session (KIP-227). */
import { type apis, type MessageOf, type Uuid, zeroUuid } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { type FetchPartition, type FetchSession, type SessionError, sessionKey } from '../../sessions/fetch-sessions.ts'
import { finalEpoch } from '../../sessions/session-epochs.ts'

type Request = MessageOf<typeof apis.fetch.request>
type AskedPartition = Request['topics'][number]['partitions'][number]

/** So many are looked at before time is. */
const partitionsAtOnce = 64

export interface OpenedFetch {
  session: FetchSession | null
  /** The response names every partition, not only what changed. */
  full: boolean
  partitions: Map<string, FetchPartition>
}

export async function openFetch(request: Request, context: RequestContext): Promise<OpenedFetch | SessionError> {
  const { fetchSessions } = context.broker
  const byId = context.version >= 13
  const wantsSession = context.version >= 7 && request.sessionEpoch !== finalEpoch
  if (wantsSession && request.sessionEpoch > 0) {
    const session = fetchSessions.resume(request.sessionId, request.sessionEpoch, byId)
    if (typeof session === 'string') return session
    await update(session.partitions, request, context)
    fetchSessions.changed(session)
    return { session, full: false, partitions: session.partitions }
  }
  if (request.sessionId !== 0) fetchSessions.remove(request.sessionId)
  const partitions = new Map<string, FetchPartition>()
  await update(partitions, request, context)
  const session = wantsSession && partitions.size > 0 ? fetchSessions.create(partitions, byId) : null
  return { session, full: true, partitions }
}

async function update(partitions: Map<string, FetchPartition>, request: Request, context: RequestContext): Promise<void> {
  const { turns } = context.broker
  const byId = context.version >= 13
  let looked = 0
  const slice = () => (++looked % partitionsAtOnce === 0 && turns.over ? turns.next() : null)
  for (const topic of request.topics) {
    for (const asked of topic.partitions) {
      const key = sessionKey(topic.topic, topic.topicId, asked.partition, byId)
      const known = partitions.get(key)
      if (known !== undefined) ask(known, asked)
      else partitions.set(key, newPartition(byId ? null : topic.topic, byId ? topic.topicId : zeroUuid, asked))
      const pause = slice()
      if (pause !== null) await pause
    }
  }
  for (const topic of request.forgottenTopicsData) {
    for (const partition of topic.partitions) {
      partitions.delete(sessionKey(topic.topic, topic.topicId, partition, byId))
      const pause = slice()
      if (pause !== null) await pause
    }
  }
  for (const partition of partitions.values()) {
    resolve(partition, byId, context)
    const pause = slice()
    if (pause !== null) await pause
  }
}

function newPartition(topic: string | null, topicId: Uuid, asked: AskedPartition): FetchPartition {
  const partition: FetchPartition = {
    topic,
    topicId,
    partition: asked.partition,
    fetchOffset: 0,
    maxBytes: 0,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    log: null,
    toldHighWatermark: -1,
    toldLogStartOffset: -1,
    toldError: 0,
    toldErrorMs: 0,
  }
  ask(partition, asked)
  return partition
}

function ask(partition: FetchPartition, asked: AskedPartition): void {
  partition.fetchOffset = asked.fetchOffset
  partition.maxBytes = asked.partitionMaxBytes
  partition.currentLeaderEpoch = asked.currentLeaderEpoch
  partition.lastFetchedEpoch = asked.lastFetchedEpoch
  partition.toldError = 0
}

/** A topic may be deleted, and one of the same name made, between two requests of a session. */
function resolve(partition: FetchPartition, byId: boolean, context: RequestContext): void {
  const { metadata } = context.broker
  if (byId) {
    partition.topic = metadata.topicName(partition.topicId) ?? null
    partition.log = partition.topic === null ? null : (metadata.partition(partition.topicId, partition.partition) ?? null)
  } else {
    partition.log = metadata.partitionByName(partition.topic!, partition.partition) ?? null
  }
}
