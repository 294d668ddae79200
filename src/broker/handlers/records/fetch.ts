/**
 * Fetch, v0–18.
 *
 * v0–1 deliver message format 0, v2–3 format 1 (converted off the event loop), v4+ batches as they are stored (KIP-98); v3 honours
 * max_bytes across partitions (KIP-74), v7 sessions (KIP-227), v9 leader epochs (KIP-320), v12 detects divergence (KIP-595), v13 topic
 * ids (KIP-516). Bytes go from the log to the socket without a copy. A request that finds less than min_bytes waits until the marks of its
 * partitions advance, without polling. v16 names the current leader (KIP-951). Unlike Kafka, an error that a session already reported is not repeated in each response.
 */
import type { PartitionLog, ReadLimit, Slice } from '../../../log.ts'
import {
  apis,
  errorCode,
  fetchMagic,
  type InputOf,
  KafkaError,
  type MessageOf,
  type Offset,
  toKafkaError,
  type Uuid,
  zeroUuid,
} from '../../../protocol.ts'
import { manyThings, promptly } from '../../dispatch/cost.ts'
import { defineHandler, type RequestContext } from '../../dispatch/handler.ts'
import { type FetchPartition, type FetchSession, sessionKey } from '../../sessions/fetch-sessions.ts'
import { mustTell } from '../../sessions/told-errors.ts'
import { absence, CurrentLeaders } from '../cluster/cluster-view.ts'
import { offsetInLog, visibility } from './client-partition.ts'
import { downConvert } from './down-convert.ts'
import { fetchDelay, postpone, roomFor } from './fetch-quota.ts'
import { type OpenedFetch, openFetch } from './fetch-request.ts'
import { grown, type Watched } from './fetch-wait.ts'

type Request = MessageOf<typeof apis.fetch.request>
type Response = InputOf<typeof apis.fetch.response>
type PartitionResponse = Response['responses'][number]['partitions'][number] & Marks
type TopicResponse = { topic: string; topicId: Uuid; partitions: PartitionResponse[] }

/** The last response about a partition. */
interface Marks {
  highWatermark: Offset
  lastStableOffset: Offset
  logStartOffset: Offset
}

/** So many are read before time is looked at. */
const partitionsAtOnce = 64

/** What one look at one partition gave. */
interface Read {
  partition: FetchPartition
  response: PartitionResponse
  slice: Slice | null
}

/** What one look at all partitions gave. There may be a hundred thousand, so the totals are kept while they are read, in slices. */
interface Reads {
  readonly list: Read[]
  bytes: number
  /** There is an error that the client does not know. */
  isNews: boolean
}

const namesLeadersFrom = 16
const notLeader = errorCode('NOT_LEADER_OR_FOLLOWER')
/** Shared by all partitions that have none. */
const noRecords: Buffer[] = []

export const fetch = defineHandler<typeof apis.fetch>({
  api: apis.fetch,
  versions: [0, 18],
  access: [
    ['TOPIC', 'READ'],
    ['CLUSTER', 'CLUSTER_ACTION'],
  ],
  cost: promptly(manyThings(null)),
  async handle(request, context) {
    const opened = await openFetch(request, context)
    if (typeof opened === 'string') return emptyResponse(request, errorCode(opened))
    const reads = await readUntilEnough(request, opened, context)
    const delayMs = reads.bytes === 0 ? 0 : fetchDelay(reads.list, context)
    if (delayMs === 0) return respond(opened, reads, context)
    discard(reads, context)
    return postpone(opened, delayMs, context)
  },
  fail: (request, error) => emptyResponse(request, error.code),
})

function emptyResponse(request: Request, code: number): Response {
  return { throttleTimeMs: 0, errorCode: code, sessionId: request.sessionId, responses: [] }
}

async function readUntilEnough(request: Request, opened: OpenedFetch, context: RequestContext): Promise<Reads> {
  const { clock } = context.broker.system
  const deadlineMs = clock.monotonic() + Math.max(0, request.maxWaitMs)
  // More than the quota lets through is not worth waiting for.
  const minBytes = context.quota === null ? request.minBytes : Math.min(request.minBytes, context.quota.fetchRoom)
  for (;;) {
    const reads = await readOnce(request, opened, context)
    const { bytes, isNews } = reads
    const waitMs = deadlineMs - clock.monotonic()
    if (bytes >= minBytes || waitMs <= 0 || opened.partitions.size === 0 || context.signal.aborted || isNews) return reads
    discard(reads, context)
    const upTo = visibility(request.isolationLevel)
    const watched: Watched[] = []
    for (const {
      partition: { log },
      response,
    } of reads.list) {
      // One with an error has no mark to wait for: it would end the wait at once, again and again.
      if (log === null || response.errorCode !== 0) continue
      watched.push({ log, mark: upTo === 'last-stable' ? response.lastStableOffset : response.highWatermark })
    }
    // With none, or one, any byte will do.
    await grown(watched, { upTo, missingBytes: minBytes <= 1 ? 0 : minBytes - bytes, waitMs }, context)
  }
}

async function readOnce(request: Request, { partitions, full }: OpenedFetch, context: RequestContext): Promise<Reads> {
  const reads: Reads = { list: [], bytes: 0, isNews: false }
  const { list } = reads
  const { broker, quota } = context
  const nowMs = broker.system.clock.monotonic()
  let wanted = Math.min(request.maxBytes, broker.config.get('fetch.max.bytes'))
  if (quota !== null) wanted = Math.min(wanted, quota.fetchRoom)
  // Before v3 a batch larger than the limit is never returned whole: those clients expect to raise their limit (KIP-74).
  let atLeastOne = context.version >= 3 && !broker.responseMemory.exhausted
  let granted = broker.responseMemory.take(wanted)
  let left = granted
  for (const partition of partitions.values()) {
    if (list.length % partitionsAtOnce === partitionsAtOnce - 1 && broker.turns.over) await broker.turns.next()
    const read = readPartition(request, partition, context, left, atLeastOne)
    let settled = read instanceof Promise ? await read : read
    const excess = (settled.slice?.bytes ?? 0) - left
    if (excess > 0) {
      // While it was read, others may have taken all there is.
      if (broker.responseMemory.exhausted) settled = withoutRecords(settled)
      else {
        broker.responseMemory.settle(0, excess)
        granted += excess
      }
    }
    list.push(settled)
    const { errorCode, divergingEpoch } = settled.response
    if (divergingEpoch !== undefined || (full ? errorCode !== 0 : mustTell(partition, errorCode, nowMs))) reads.isNews = true
    if (settled.slice !== null && settled.slice.bytes > 0) {
      reads.bytes += settled.slice.bytes
      left = Math.max(0, left - settled.slice.bytes)
      atLeastOne = false
    }
  }
  broker.responseMemory.settle(granted, reads.bytes)
  return reads
}

function withoutRecords({ partition, response, slice }: Read): Read {
  slice?.release()
  return { partition, response: { ...response, records: noRecords, abortedTransactions: null }, slice: null }
}

/** What was read has left, or is not sent. */
function discard({ list, bytes }: Reads, context: RequestContext): void {
  for (const { slice } of list) slice?.release()
  context.broker.responseMemory.give(bytes)
}

function readPartition(
  request: Request,
  partition: FetchPartition,
  context: RequestContext,
  left: number,
  atLeastOne: boolean,
): Read | Promise<Read> {
  const failure = refusal(request, partition, context)
  if (failure !== null) return { partition, response: partitionResponse(partition, failure), slice: null }
  const log = partition.log!
  const maxBytes = Math.max(0, Math.min(partition.maxBytes, left, roomFor(log, context)))
  try {
    const limit: ReadLimit = { maxBytes, atLeastOne, upTo: visibility(request.isolationLevel) }
    const diverging = divergingEpoch(partition, log)
    if (diverging !== null) return { partition, response: { ...marks(partition, log), divergingEpoch: diverging }, slice: null }
    const slice = log.read(offsetInLog(log, partition.fetchOffset), limit)
    if (!(slice instanceof Promise)) return readResult(partition, log, slice, limit, context)
    return slice.then(
      settled => readResult(partition, log, settled, limit, context),
      error => failedRead(partition, error, context),
    )
  } catch (error) {
    return failedRead(partition, error, context)
  }
}

function failedRead(partition: FetchPartition, error: unknown, { broker }: RequestContext): Read {
  const told = toKafkaError(error)
  const { topic, partition: index } = partition
  const expected = told === error && told.name !== 'KAFKA_STORAGE_ERROR'
  if (!expected && broker.readFailures.allows(`${topic}-${index}`)) {
    broker.logger.warn({ err: error, topic, partition: index }, 'a fetch could not read the log')
  }
  return { partition, response: partitionResponse(partition, told.code), slice: null }
}

/** The error that keeps this partition from being read, null when it may be. Resolves its log. */
function refusal(request: Request, partition: FetchPartition, context: RequestContext): number | null {
  if (request.replicaId >= 0 || request.replicaState.replicaId >= 0) return errorCode('NOT_LEADER_OR_FOLLOWER')
  if (partition.topic === null) return errorCode('UNKNOWN_TOPIC_ID')
  if (!context.allowed('READ', 'TOPIC', partition.topic)) return errorCode('TOPIC_AUTHORIZATION_FAILED')
  const log = partition.log
  if (log === null) return errorCode(absence(context.broker.metadata.topic(partition.topic)?.partitions[partition.partition]))
  if (log.offline !== null) return errorCode('KAFKA_STORAGE_ERROR')
  const epoch = partition.currentLeaderEpoch
  if (epoch !== -1 && epoch < log.leaderEpoch) return errorCode('FENCED_LEADER_EPOCH')
  if (epoch > log.leaderEpoch) return errorCode('UNKNOWN_LEADER_EPOCH')
  if (context.version < 10 && log.config.compressionType === 'zstd') return errorCode('UNSUPPORTED_COMPRESSION_TYPE')
  return null
}

/** Throws OFFSET_OUT_OF_RANGE for an epoch that this log never had: the reader comes from another log. */
function divergingEpoch({ lastFetchedEpoch, fetchOffset }: FetchPartition, log: PartitionLog): { epoch: number; endOffset: number } | null {
  if (lastFetchedEpoch < 0) return null
  const { leaderEpoch, endOffset } = log.endOffsetForEpoch(lastFetchedEpoch)
  if (endOffset < 0)
    throw new KafkaError('OFFSET_OUT_OF_RANGE', `Could not determine the end offset of the last fetched epoch ${lastFetchedEpoch}`)
  if (fetchOffset < log.logStartOffset) return null
  return leaderEpoch < lastFetchedEpoch || endOffset < fetchOffset ? { epoch: leaderEpoch, endOffset } : null
}

function readResult(
  partition: FetchPartition,
  log: PartitionLog,
  slice: Slice,
  limit: ReadLimit,
  context: RequestContext,
): Read | Promise<Read> {
  const toMagic = fetchMagic(context.version)
  if (toMagic === 2 || slice.bytes === 0) return found(partition, log, slice)
  return downConvert(log, slice, { fetchOffset: offsetInLog(log, partition.fetchOffset), toMagic, limit }, context).then(
    converted => found(partition, log, converted),
    error => failedRead(partition, error, context),
  )
}

function found(partition: FetchPartition, log: PartitionLog, slice: Slice): Read {
  const { chunks: records, abortedTransactions } = slice
  return { partition, response: { ...marks(partition, log), records, abortedTransactions }, slice }
}

function marks(partition: FetchPartition, log: PartitionLog): PartitionResponse {
  return {
    partitionIndex: partition.partition,
    errorCode: 0,
    highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset,
    logStartOffset: log.logStartOffset,
    abortedTransactions: null,
    records: noRecords,
  }
}

function partitionResponse(partition: FetchPartition, code: number): PartitionResponse {
  return {
    partitionIndex: partition.partition,
    errorCode: code,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    abortedTransactions: null,
    records: noRecords,
  }
}

async function respond({ session, full }: OpenedFetch, reads: Reads, context: RequestContext): Promise<Response> {
  const { turns, system } = context.broker
  const nowMs = system.clock.monotonic()
  const responses: TopicResponse[] = []
  const byId = context.version >= 13
  let topic: TopicResponse | null = null
  let leaders: CurrentLeaders | null = null
  let looked = 0
  for (const read of reads.list) {
    if (++looked % partitionsAtOnce === 0 && turns.over) await turns.next()
    if (!full && !changed(read, nowMs)) continue
    if (session !== null) remember(session, read, nowMs, byId)
    const { partition, response, slice } = read
    const name = partition.topic ?? ''
    if (topic === null || (byId ? topic.topicId !== partition.topicId : topic.topic !== name)) {
      topic = { topic: name, topicId: byId ? partition.topicId : zeroUuid, partitions: [] }
      responses.push(topic)
    }
    topic.partitions.push(response)
    if (response.errorCode === notLeader && context.version >= namesLeadersFrom) {
      leaders ??= new CurrentLeaders(context)
      nameLeader(leaders, read, context)
    }
    if (slice !== null && slice.bytes > 0) context.broker.metrics.fetched(name, slice.bytes)
    else if (response.errorCode !== 0 && partition.log !== null) context.broker.metrics.fetchFailed(name)
  }
  context.afterReply(() => discard(reads, context))
  const response: Response = { throttleTimeMs: 0, errorCode: 0, sessionId: session?.id ?? 0, responses }
  if (leaders !== null) response.nodeEndpoints = leaders.endpoints()
  return response
}

/** Where the client has to go instead (KIP-951). */
function nameLeader(leaders: CurrentLeaders, { partition, response }: Read, { broker }: RequestContext): void {
  const { topic, partition: index } = partition
  const leader = topic === null ? null : leaders.of(broker.metadata.topic(topic)?.partitions[index])
  if (leader !== null) response.currentLeader = leader
}

/** Whether an incremental response must name this partition. */
function changed({ partition, response, slice }: Read, nowMs: number): boolean {
  if (response.errorCode !== 0) return mustTell(partition, response.errorCode, nowMs)
  return (
    (slice !== null && slice.bytes > 0) ||
    partition.toldError !== 0 ||
    response.highWatermark !== partition.toldHighWatermark ||
    response.logStartOffset !== partition.toldLogStartOffset ||
    response.divergingEpoch !== undefined
  )
}

function remember(session: FetchSession, { partition, response, slice }: Read, nowMs: number, byId: boolean): void {
  partition.toldHighWatermark = response.highWatermark
  partition.toldLogStartOffset = response.logStartOffset
  partition.toldError = response.errorCode
  partition.toldErrorMs = nowMs
  if (slice === null || slice.bytes === 0) return
  const key = sessionKey(partition.topic, partition.topicId, partition.partition, byId)
  if (session.partitions.delete(key)) session.partitions.set(key, partition)
}
