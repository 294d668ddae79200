/** Shared by ShareFetch and ShareAcknowledge: the session, its end, and acknowledgements. */
import { addInt64, type Int64 } from '../../../base.ts'
import type { AcknowledgementBatch } from '../../../coordinator.ts'
import { type ErrorName, errorCode, KafkaError, toKafkaError, type Uuid } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { finalEpoch, initialEpoch } from '../../sessions/session-epochs.ts'
import type { ShareSession } from '../../sessions/share-sessions.ts'
import { NotShared } from '../../share/share-partitions.ts'
import { absence, type CurrentLeaders } from '../cluster/cluster-view.ts'
import { requireGroup } from '../groups/group-caller.ts'

/** Of one partition, as both requests spell it. */
export interface RequestPartition {
  partitionIndex: number
  acknowledgementBatches: readonly { firstOffset: Int64; lastOffset: Int64; acknowledgeTypes: readonly number[] }[]
}

interface RequestTopic {
  topicId: Uuid
  partitions: readonly RequestPartition[]
}

export interface Outcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const fine: Outcome = { errorCode: 0, errorMessage: null }
const noLeader = { leaderId: -1, leaderEpoch: -1 }
export const sessionAccess = [
  ['GROUP', 'READ'],
  ['TOPIC', 'READ'],
] as const

/** The answer to a request that failed as a whole. */
export function failed(error: KafkaError) {
  return { throttleTimeMs: 0, ...outcomeOf(error), acquisitionLockTimeoutMs: 0, responses: [], nodeEndpoints: [] }
}

const renewType = 4
const mostType = 4

interface SessionRequest {
  groupId: string | null
  memberId: string | null
  shareSessionEpoch: number
}

/** The session of a request that may open one. */
export function openSession(request: SessionRequest & { topics: readonly RequestTopic[] }, context: RequestContext): ShareSession {
  const { groupId, memberId } = identity(request, context)
  const { shareSessions } = context.broker
  if (request.shareSessionEpoch !== initialEpoch) return shareSessions.resume(groupId, memberId, request.shareSessionEpoch)
  // Nothing can have been acquired in a session that only begins now. The previous session, if there is one, stays.
  if (request.topics.some(({ partitions }) => partitions.some(({ acknowledgementBatches }) => acknowledgementBatches.length > 0))) {
    throw new KafkaError('INVALID_REQUEST', 'The request that begins a share session must not acknowledge records.')
  }
  const { id } = context.connection
  if (!shareSessions.knows(id)) context.signal.addEventListener('abort', () => void endSessions(id, context), { once: true })
  return shareSessions.open(groupId, memberId, id)
}

/** The session of a request that continues one. */
export function resumeSession(request: SessionRequest, context: RequestContext): ShareSession {
  const { groupId, memberId } = identity(request, context)
  if (request.shareSessionEpoch === initialEpoch) {
    throw new KafkaError('INVALID_SHARE_SESSION_EPOCH', 'A share session must begin with a ShareFetch request.')
  }
  return context.broker.shareSessions.resume(groupId, memberId, request.shareSessionEpoch)
}

function identity({ groupId, memberId }: SessionRequest, context: RequestContext): { groupId: string; memberId: string } {
  if (groupId === null || groupId === '') throw new KafkaError('INVALID_GROUP_ID', 'The group id is empty')
  if (memberId === null || memberId === '') throw new KafkaError('INVALID_REQUEST', 'The member id is empty')
  requireShareGroups(context)
  requireGroup(context, 'READ', groupId)
  return { groupId, memberId }
}

export function requireShareGroups({ broker }: RequestContext): void {
  if (broker.metadata.featureLevel('share.version') >= 1) return
  throw new KafkaError('UNSUPPORTED_VERSION', 'Share groups are not enabled on this cluster (share.version).')
}

/** The connection is gone, and perhaps its members with it. */
async function endSessions(connectionId: number, { broker }: RequestContext): Promise<void> {
  for (const session of broker.shareSessions.closeAll(connectionId)) await release(session, broker)
}

async function release(
  { groupId, memberId }: ShareSession,
  { peers, sharePartitions, shareSessions }: RequestContext['broker'],
): Promise<void> {
  await sharePartitions.releaseMember(groupId, memberId)
  // The coordinator of a group without members may change the state, or delete it, and this broker would not hear of it.
  if (peers !== null && !shareSessions.hasGroup(groupId)) sharePartitions.forget(groupId)
}

/** After the last acknowledgements of a final request. */
export async function finish(session: ShareSession, epoch: number, context: RequestContext): Promise<void> {
  if (epoch === finalEpoch) await release(session, context.broker)
}

/** What is wrong with the partition for this caller; null when nothing is. */
export function refusal(topicId: Uuid, partition: number, context: RequestContext): Outcome | null {
  const { metadata } = context.broker
  const topic = metadata.topicById(topicId)
  if (topic === undefined) return outcomeNamed('UNKNOWN_TOPIC_ID')
  if (!context.allowed('READ', 'TOPIC', topic.name)) return outcomeNamed('TOPIC_AUTHORIZATION_FAILED')
  const known = topic.partitions[partition]
  return known === undefined || known.log === null ? outcomeNamed(absence(known)) : null
}

const outcomes = new Map<ErrorName, Outcome>()

/** The same object each time: a session may have a hundred thousand partitions. */
function outcomeNamed(name: ErrorName): Outcome {
  let outcome = outcomes.get(name)
  if (outcome === undefined) outcomes.set(name, (outcome = outcomeOf(new KafkaError(name))))
  return outcome
}

const notLeader = errorCode('NOT_LEADER_OR_FOLLOWER')

/** For a partition with one of these errors: who leads it, where that is another broker (KIP-951). */
export function currentLeader(
  leaders: CurrentLeaders,
  topicId: Uuid,
  partition: number,
  codes: readonly number[],
  { broker }: RequestContext,
) {
  if (!codes.includes(notLeader)) return noLeader
  return leaders.of(broker.metadata.topicById(topicId)?.partitions[partition]) ?? noLeader
}

export async function acknowledge(
  session: ShareSession,
  topicId: Uuid,
  { partitionIndex, acknowledgementBatches }: RequestPartition,
  renews: boolean,
  context: RequestContext,
): Promise<Outcome> {
  const refused = refusal(topicId, partitionIndex, context)
  if (refused !== null) return refused
  try {
    const { groupId, memberId } = session
    const batches = checked(acknowledgementBatches, renews && context.broker.shareConfig(groupId).renewEnabled)
    const partition = await context.broker.sharePartitions.get({ groupId, topicId, partition: partitionIndex })
    await partition.acknowledge(memberId, batches)
    return fine
  } catch (error) {
    return outcomeOf(error instanceof NotShared ? new KafkaError('UNKNOWN_TOPIC_OR_PARTITION') : toKafkaError(error))
  }
}

function checked(batches: RequestPartition['acknowledgementBatches'], renews: boolean): AcknowledgementBatch[] {
  let next: Int64 = -1
  return batches.map(({ firstOffset, lastOffset, acknowledgeTypes: types }) => {
    if (firstOffset < next || lastOffset < firstOffset)
      throw new KafkaError('INVALID_REQUEST', 'Acknowledgement batches overlap or are out of order.')
    if (types.length !== 1 && addInt64(firstOffset, types.length - 1) !== lastOffset) {
      throw new KafkaError('INVALID_REQUEST', `${types.length} acknowledge types were given for offsets ${firstOffset} to ${lastOffset}.`)
    }
    for (const type of types) {
      if (type < 0 || type > mostType) throw new KafkaError('INVALID_REQUEST', `Unknown acknowledge type ${type}.`)
      if (type === renewType && !renews)
        throw new KafkaError(
          'INVALID_REQUEST',
          'Locks can be renewed only by a request with IsRenewAck, and only if share.renew.acknowledge.enable is true for the group.',
        )
    }
    next = addInt64(lastOffset, 1)
    // Beyond 53 bits, where a number is not exact, nothing was ever acquired.
    return { firstOffset: Number(firstOffset), lastOffset: Number(lastOffset), types }
  })
}

export function outcomeOf({ name, message }: KafkaError): Outcome {
  return { errorCode: errorCode(name), errorMessage: message }
}
