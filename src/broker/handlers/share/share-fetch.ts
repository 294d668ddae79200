/**
 * ShareFetch, v1–2 (KIP-932): acquires records for a member of a share group, after processing its acknowledgements of earlier ones.
 *
 * v2 can cut batches at the record limit (KIP-1206) and renew locks (KIP-1222). Batches go to the socket as they are stored; the response
 * says which of their records the client has acquired. If there are none, the request waits for new or released records.
 */
import { inSlices, type Timer } from '../../../base.ts'
import type { Acquisition, SharePartition } from '../../../coordinator.ts'
import { apis, type InputOf, type MessageOf, type Uuid } from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { finalEpoch, initialEpoch } from '../../sessions/session-epochs.ts'
import { partitionKey, type SharedPartition, type ShareSession } from '../../sessions/share-sessions.ts'
import { mustTell } from '../../sessions/told-errors.ts'
import { fetchError } from '../../share/share-errors.ts'
import { NotShared } from '../../share/share-partitions.ts'
import { CurrentLeaders } from '../cluster/cluster-view.ts'
import {
  acknowledge,
  currentLeader,
  failed,
  fine,
  finish,
  type Outcome,
  openSession,
  outcomeOf,
  refusal,
  sessionAccess,
} from './share-requests.ts'

type Request = MessageOf<typeof apis.shareFetch.request>
type Response = InputOf<typeof apis.shareFetch.response>
type PartitionResponse = Response['responses'][number]['partitions'][number]

const recordLimit = 1
/** Lest one partition with small batches hold all the others up. */
const mostRecords = 10_000

export const shareFetch = defineHandler<typeof apis.shareFetch>({
  api: apis.shareFetch,
  versions: [1, 2],
  access: sessionAccess,
  cost: promptly(manyThings(null)),
  async handle(request, context) {
    const session = openSession(request, context)
    const final = request.shareSessionEpoch === finalEpoch
    if (!final) await update(session, request, context)
    const acknowledged = await acknowledgeAll(session, request, context)
    if (final) {
      await finish(session, request.shareSessionEpoch, context)
      return respond(session, [], acknowledged, context)
    }
    // A request that only renews asks for no records.
    const reads = request.maxRecords <= 0 ? [] : await readUntilSome(session, request, acknowledged.size > 0, context)
    return respond(session, reads, acknowledged, context)
  },
  fail: (_request, error) => failed(error),
})

interface Place {
  topicId: Uuid
  partition: number
}

interface Acknowledged extends Place {
  outcome: Outcome
}

interface Read extends Place {
  outcome: Outcome
  acquisition: Acquisition | null
}

async function update(session: ShareSession, request: Request, { broker }: RequestContext): Promise<void> {
  const { partitions } = session
  const { turns, shareSessions } = broker
  let named = 0
  for (const topic of request.topics) named += topic.partitions.length
  for (const { groupId, memberId } of shareSessions.admit(session, named)) await broker.sharePartitions.releaseMember(groupId, memberId)
  await inSlices(turns, request.forgottenTopicsData, ({ topicId, partitions: indexes }) =>
    inSlices(turns, indexes, partition => void partitions.delete(partitionKey(topicId, partition))),
  )
  await inSlices(turns, request.topics, ({ topicId, partitions: indexes }) =>
    inSlices(turns, indexes, ({ partitionIndex: partition }) => {
      const key = partitionKey(topicId, partition)
      if (!partitions.has(key)) partitions.set(key, { topicId, partition, toldError: 0, toldErrorMs: 0 })
    }),
  )
  shareSessions.changed(session)
}

/** By partition; only those for which there was something. */
async function acknowledgeAll(session: ShareSession, request: Request, context: RequestContext): Promise<Map<string, Acknowledged>> {
  const outcomes = new Map<string, Acknowledged>()
  const { turns } = context.broker
  await inSlices(turns, request.topics, ({ topicId, partitions }) =>
    inSlices(turns, partitions, async partition => {
      if (partition.acknowledgementBatches.length === 0) return
      const outcome = await acknowledge(session, topicId, partition, request.isRenewAck, context)
      const { partitionIndex } = partition
      outcomes.set(partitionKey(topicId, partitionIndex), { topicId, partition: partitionIndex, outcome })
    }),
  )
  return outcomes
}

async function readUntilSome(session: ShareSession, request: Request, answerSoon: boolean, context: RequestContext): Promise<Read[]> {
  const { clock } = context.broker.system
  const deadlineMs = clock.monotonic() + Math.max(0, request.maxWaitMs)
  for (;;) {
    const loaded: SharePartition[] = []
    const reads = await readOnce(session, request, loaded, context)
    const leftMs = deadlineMs - clock.monotonic()
    // Acknowledgements must not wait for records.
    const waits = reads.length === 0 && leftMs > 0 && !answerSoon && session.partitions.size > 0 && !context.signal.aborted
    if (!waits) return reads
    await more(session.groupId, loaded, leftMs, context)
  }
}

/** Only partitions that have something to tell. `loaded`: gets those that may be waited for; one with an error has nothing to wait for. */
async function readOnce(session: ShareSession, request: Request, loaded: SharePartition[], context: RequestContext): Promise<Read[]> {
  const { broker } = context
  const { groupId, memberId } = session
  const reads: Read[] = []
  let maxBytes = Math.min(request.maxBytes, broker.config.get('fetch.max.bytes'), broker.responseMemory.room)
  let maxRecords = Math.min(request.maxRecords, mostRecords)
  const nowMs = broker.system.clock.monotonic()
  let looked = 0
  // Without an entry for each: there may be a hundred thousand.
  for (const key of [...session.partitions.keys()]) {
    if (looked++ > 0 && broker.turns.over) await broker.turns.next()
    const shared = session.partitions.get(key)
    if (shared === undefined) continue
    const { topicId, partition } = shared
    const refused = refusal(topicId, partition, context)
    if (refused !== null) {
      tell(shared, refused, reads, nowMs)
      continue
    }
    if (maxRecords <= 0 || (maxBytes <= 0 && (reads.length > 0 || broker.responseMemory.exhausted))) break
    try {
      const source = await broker.sharePartitions.get({ groupId, topicId, partition })
      const strict = request.shareAcquireMode === recordLimit
      const acquisition = await source.acquire({ memberId, maxBytes, maxRecords, strict })
      loaded.push(source)
      shared.toldError = 0
      if (acquisition === null) continue
      for (const { firstOffset, lastOffset } of acquisition.acquired) maxRecords -= lastOffset - firstOffset + 1
      for (const chunk of acquisition.chunks) maxBytes -= chunk.length
      reads.push({ topicId, partition, outcome: fine, acquisition })
      session.partitions.delete(key)
      session.partitions.set(key, shared)
    } catch (error) {
      // Kafka finds it out only after the first answer.
      if (error instanceof NotShared && request.shareSessionEpoch === initialEpoch) continue
      const told = fetchError(error)
      if (told !== null) tell(shared, outcomeOf(told), reads, nowMs)
    }
  }
  return reads
}

/** Unless the client knows. */
function tell(shared: SharedPartition, outcome: Outcome, reads: Read[], nowMs: number): void {
  if (!mustTell(shared, outcome.errorCode, nowMs)) return
  const { topicId, partition } = shared
  reads.push({ topicId, partition, outcome, acquisition: null })
  shared.toldError = outcome.errorCode
  shared.toldErrorMs = nowMs
}

/** Resolves when there may be records, when time is up, or when the client is gone. */
function more(groupId: string, partitions: readonly SharePartition[], waitMs: number, context: RequestContext): Promise<void> {
  context.waits()
  return new Promise(resolve => {
    const { system, parkedFetches, sharePartitions } = context.broker
    const waiters: { cancel(): void }[] = []
    let timer: Timer | null = null
    let hasRoom = false
    const done = () => {
      timer?.cancel()
      for (const waiter of waiters) waiter.cancel()
      context.signal.removeEventListener('abort', done)
      if (hasRoom) parkedFetches.give(partitions.length)
      hasRoom = false
      resolve()
    }
    // While one partition was looked at, another may have got records. Others have their turn first: what one sees there another may not get.
    if (partitions.some(partition => partition.hasAvailable)) {
      system.timers.soon(resolve)
      return
    }
    hasRoom = parkedFetches.take(partitions.length)
    timer = system.timers.after(waitMs, done)
    context.signal.addEventListener('abort', done)
    waiters.push(sharePartitions.whenAvailable(groupId, done))
    for (const partition of hasRoom ? partitions : []) waiters.push(partition.whenMore(done))
  })
}

async function respond(
  session: ShareSession,
  reads: readonly Read[],
  acknowledged: Map<string, Acknowledged>,
  context: RequestContext,
): Promise<Response> {
  const { broker } = context
  const topics = new Map<Uuid, PartitionResponse[]>()
  const leaders = new CurrentLeaders(context)
  let bytes = 0
  // Most requests acknowledge nothing, and may have answers for a hundred thousand partitions.
  const acknowledgedOf = ({ topicId, partition }: Place) =>
    acknowledged.size === 0 ? undefined : acknowledged.get(partitionKey(topicId, partition))
  const add = ({ topicId, partition }: Place, { errorCode, errorMessage }: Outcome, acquisition: Acquisition | null) => {
    const outcome = acknowledgedOf({ topicId, partition })?.outcome ?? fine
    let partitions = topics.get(topicId)
    if (partitions === undefined) topics.set(topicId, (partitions = []))
    for (const chunk of acquisition?.chunks ?? []) bytes += chunk.length
    partitions.push({
      partitionIndex: partition,
      errorCode,
      errorMessage,
      acknowledgeErrorCode: outcome.errorCode,
      acknowledgeErrorMessage: outcome.errorMessage,
      currentLeader: currentLeader(leaders, topicId, partition, [errorCode, outcome.errorCode], context),
      records: acquisition?.chunks ?? [],
      acquiredRecords: acquisition?.acquired ?? [],
    })
  }
  const told = new Set<Acknowledged>()
  await inSlices(broker.turns, reads, read => {
    const too = acknowledgedOf(read)
    if (too !== undefined) told.add(too)
    add(read, read.outcome, read.acquisition)
  })
  for (const each of acknowledged.values()) if (!told.has(each)) add(each, fine, null)
  broker.responseMemory.settle(0, bytes)
  context.afterReply(() => {
    for (const { acquisition } of reads) acquisition?.release()
    broker.responseMemory.give(bytes)
  })
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    acquisitionLockTimeoutMs: broker.shareConfig(session.groupId).recordLockDurationMs,
    responses: Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions })),
    nodeEndpoints: leaders.endpoints(),
  }
}
