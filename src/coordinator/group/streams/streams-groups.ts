/**
 * The streams groups of a shard (KIP-1071), whose members use a single request, StreamsGroupHeartbeat. Members join, leave, are fenced and
 * time out here; `progress.ts` contains the following steps of the group.
 */
import { nearestInt64 } from '../../../base.ts'
import { KafkaError } from '../../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../../shard.ts'
import { type TimerKey, timerKey } from '../../timer-key.ts'
import { ClassicGroup } from '../classic-group.ts'
import { fencedEpoch, groupIsFull, leaveStaticEpoch, unreleasedInstance } from '../members.ts'
import type { Caller } from '../requests.ts'
import { type GroupSettings, heartbeatIntervalMs } from '../settings.ts'
import { replayInto, type ShardAccess } from '../shard-access.ts'
import { type DescribedStreamsGroup, describeStreamsGroup } from './describe.ts'
import { Endpoints } from './endpoints.ts'
import { isLeaving, type StreamsHeartbeatRequest, type StreamsHeartbeatResult, validateHeartbeat } from './heartbeat-request.ts'
import { newMember, type StreamsMember, sameEndpoint } from './member.ts'
import { type Advanced, Progress, type Status, statusCodes } from './progress.ts'
import { noTarget, StreamsGroup } from './streams-group.ts'
import {
  currentRecord,
  decodeStreamsRecord,
  memberRecord,
  memberTombstones,
  metadataRecord,
  targetEpochRecord,
  targetRecord,
} from './streams-records.ts'
import { isWithin, listOf, noHeldTasks, sameHeld, sameTasks } from './tasks.ts'

const nothing: Decision<void> = { records: [], response: undefined }
/** The version that knows the status. */
const missingTagsFrom = 1

export class StreamsGroups {
  readonly #options: ShardAccess
  readonly #context: ShardContext
  readonly #settings: GroupSettings
  readonly #progress: Progress
  readonly #endpoints: Endpoints

  constructor(options: ShardAccess) {
    this.#options = options
    this.#context = options.context
    this.#settings = options.settings
    this.#endpoints = new Endpoints(options.topics)
    this.#progress = new Progress({ ...options, find: groupId => this.#find(groupId) })
  }

  /** False when the record is of another kind of group. */
  replay(key: Buffer, value: Buffer | null): boolean {
    const record = decodeStreamsRecord(key, value)
    if (record === null) return false
    replayInto(this.#options, StreamsGroup, { record, isTombstone: value === null, last: 'metadata' })
    return true
  }

  /** After a load, every member gets a whole session. */
  resume(group: StreamsGroup): void {
    for (const member of group.members.values()) {
      this.#keepAlive(group.groupId, member.memberId)
      this.#limitRevocation(group.groupId, member)
    }
  }

  heartbeat(request: StreamsHeartbeatRequest, caller: Caller): Decision<StreamsHeartbeatResult> {
    validateHeartbeat(request)
    if (isLeaving(request)) return this.#leave(request)
    const { groupId, memberId, memberEpoch, instanceId } = request
    const records: LogRecord[] = []
    const group = memberEpoch === 0 ? this.#groupToJoin(request, records) : this.require(groupId)
    const replaced = group.members.ofInstance(instanceId)
    const before = instanceId === null ? this.#dynamicMember(group, request) : this.#staticMember(group, instanceId, request, records)
    const after = told(before, request, caller)
    const advanced = this.#progress.advance({ group, before, after, request, records })
    this.#keepAlive(groupId, memberId)
    if (advanced.member !== after) this.#limitRevocation(groupId, advanced.member)
    if (request.shutdownApplication) group.requestShutdown(memberId)
    const predecessor = replaced?.memberId === memberId ? undefined : replaced?.memberId
    return {
      records,
      response: this.#answer(group, request, { before, predecessor, ...advanced }, caller.apiVersion),
      // Metadata of a client that is not a member would never be removed.
      rejected: () => void (group.members.has(memberId) || group.taskOffsets.delete(memberId)),
    }
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  describe(groupId: string): DescribedStreamsGroup {
    return describeStreamsGroup(this.require(groupId, 'Group'))
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  require(groupId: string, what = 'Streams group'): StreamsGroup {
    const group = this.#options.find(groupId)
    if (group === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', `${what} ${groupId} not found.`)
    if (!(group instanceof StreamsGroup)) throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a streams group.`)
    return group
  }

  #answer(
    group: StreamsGroup,
    request: StreamsHeartbeatRequest,
    {
      before,
      predecessor,
      member,
      owned,
      configured,
      statuses,
      dueInMs,
    }: Advanced & { before: StreamsMember; predecessor: string | undefined },
    apiVersion: number,
  ): StreamsHeartbeatResult {
    const { groupId, memberId } = request
    const config = this.#settings.streams.of(groupId)
    const tasksChanged = !sameHeld(before.assigned, member.assigned)
    // Who reports other tasks than its own has missed an answer, and would not run the rest before the next rebalance. Kafka does not tell it again.
    const tells = request.memberEpoch === 0 || tasksChanged || (owned !== null && !sameTasks(owned, member.assigned))
    if (!sameEndpoint(before.userEndpoint, member.userEndpoint) || (tasksChanged && member.userEndpoint !== null)) group.endpointEpoch++
    const endpoints = () => {
      const others = [...group.members.values()].filter(other => other.memberId !== memberId && other.memberId !== predecessor)
      return this.#endpoints.of([...others, member], configured)
    }
    const { assigned } = member
    return {
      response: {
        throttleTimeMs: 0,
        errorCode: 0,
        errorMessage: null,
        memberId,
        memberEpoch: member.memberEpoch,
        heartbeatIntervalMs: heartbeatIntervalMs(config, dueInMs),
        acceptableRecoveryLagLegacy: 0,
        taskOffsetIntervalMs: config.taskOffsetIntervalMs,
        acceptableRecoveryLag: nearestInt64(config.acceptableRecoveryLag),
        status: [...statuses, ...statusesOf(group, member, configured.problem, config.rackAwareAssignmentTags, apiVersion)],
        activeTasks: tells ? listOf(assigned.active) : null,
        standbyTasks: tells ? listOf(assigned.standby) : null,
        warmupTasks: tells ? listOf(assigned.warmup) : null,
        // Until its records are replayed, a new group is this request's own.
        endpointInformationEpoch: this.#find(groupId) === group ? group.endpointEpoch : 0,
        partitionsByUserEndpoint: group.endpointEpoch === request.endpointInformationEpoch ? null : endpoints(),
      },
      missingInternalTopics: configured.missingInternalTopics,
    }
  }

  #leave(request: StreamsHeartbeatRequest): Decision<StreamsHeartbeatResult> {
    const { groupId, memberId, memberEpoch, instanceId } = request
    const group = this.require(groupId, 'Group')
    if (request.shutdownApplication) group.requestShutdown(memberId)
    const response = { response: leaveResponse(memberId, memberEpoch), missingInternalTopics: [] }
    const member = group.members.require(memberId, instanceId)
    if (instanceId === null || memberEpoch !== leaveStaticEpoch) return { records: this.#fence(group, member), response }
    // It keeps its tasks for a member that returns with its instance id before the session ends, and that may then commit for them.
    const active = new Map(
      Array.from(member.assigned.active, ([id, epochs]) => [id, new Map(Array.from(epochs.keys(), partition => [partition, 0]))] as const),
    )
    const assigned = { ...member.assigned, active }
    return { records: [currentRecord(groupId, { ...member, memberEpoch, assigned, pendingRevocation: noHeldTasks })], response }
  }

  #fence(group: StreamsGroup, { memberId }: StreamsMember): LogRecord[] {
    const { groupId, metadata } = group
    this.#cancelTimers(groupId, memberId)
    const epoch = metadata.epoch + 1
    const records = [...memberTombstones(groupId, memberId), metadataRecord(groupId, { ...metadata, epoch })]
    // No member is left; time 0 makes the next first member get its assignment immediately.
    if (group.members.size === 1) records.push(targetEpochRecord(groupId, epoch, 0))
    return records
  }

  /** The group, new or in the place of an empty classic one: then it lives in `records` until they are replayed. */
  #groupToJoin({ groupId, instanceId, memberId }: StreamsHeartbeatRequest, records: LogRecord[]): StreamsGroup {
    const existing = this.#options.find(groupId)
    if (existing === undefined) return new StreamsGroup(groupId)
    if (existing instanceof ClassicGroup && existing.isEmpty) {
      records.push(...existing.tombstones())
      return new StreamsGroup(groupId)
    }
    const group = this.require(groupId)
    const { maxSize } = this.#settings.streams
    if (group.members.size >= maxSize && !group.members.has(memberId) && group.members.ofInstance(instanceId) === undefined) {
      throw groupIsFull('streams', maxSize)
    }
    return group
  }

  #dynamicMember(group: StreamsGroup, request: StreamsHeartbeatRequest): StreamsMember {
    // With epoch 0 it starts over: it has given up all its tasks.
    if (request.memberEpoch === 0) return group.members.get(request.memberId) ?? newMember(request.memberId)
    const member = group.members.require(request.memberId)
    requireEpoch(member, request)
    return member
  }

  #staticMember(group: StreamsGroup, instanceId: string, request: StreamsHeartbeatRequest, records: LogRecord[]): StreamsMember {
    const { groupId } = group
    const { memberId } = request
    if (request.memberEpoch !== 0) {
      const member = group.members.require(memberId, instanceId)
      requireEpoch(member, request)
      return member
    }
    const existing = group.members.ofInstance(instanceId)
    if (existing === undefined) return group.members.get(memberId) ?? newMember(memberId)
    if (existing.memberEpoch !== leaveStaticEpoch) throw unreleasedInstance(memberId, instanceId, existing.memberId)
    this.#cancelTimers(groupId, existing.memberId)
    const member: StreamsMember = { ...existing, memberId, memberEpoch: 0, previousMemberEpoch: 0 }
    records.push(...memberTombstones(groupId, existing.memberId), memberRecord(groupId, member))
    records.push(targetRecord(groupId, memberId, group.targets.get(existing.memberId) ?? noTarget), currentRecord(groupId, member))
    return member
  }

  #find(groupId: string): StreamsGroup | undefined {
    const group = this.#options.find(groupId)
    return group instanceof StreamsGroup ? group : undefined
  }

  #keepAlive(groupId: string, memberId: string): void {
    const { sessionTimeoutMs } = this.#settings.streams.of(groupId)
    this.#context.schedule(sessionKey(groupId, memberId), sessionTimeoutMs, () => this.#fenceLater(groupId, memberId, () => true))
  }

  #limitRevocation(groupId: string, { memberId, memberEpoch, state, rebalanceTimeoutMs }: StreamsMember): void {
    const key = revocationKey(groupId, memberId)
    if (state !== 'UNREVOKED_TASKS') this.#context.cancel(key)
    else this.#context.schedule(key, rebalanceTimeoutMs, () => this.#fenceLater(groupId, memberId, now => now.memberEpoch === memberEpoch))
  }

  #fenceLater(groupId: string, memberId: string, still: (member: StreamsMember) => boolean): Decision<void> {
    const group = this.#find(groupId)
    const member = group?.members.get(memberId)
    if (group === undefined || member === undefined || !still(member)) return nothing
    return { records: this.#fence(group, member), response: undefined }
  }

  #cancelTimers(groupId: string, memberId: string): void {
    this.#context.cancel(sessionKey(groupId, memberId))
    this.#context.cancel(revocationKey(groupId, memberId))
  }
}

/** The member with what the request says of it. */
function told(before: StreamsMember, request: StreamsHeartbeatRequest, { clientId, clientHost }: Caller): StreamsMember {
  const { instanceId, rackId, rebalanceTimeoutMs, topology, processId, userEndpoint, clientTags } = request
  return {
    ...before,
    instanceId: instanceId ?? before.instanceId,
    rackId: rackId ?? before.rackId,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : rebalanceTimeoutMs,
    topologyEpoch: topology?.epoch ?? before.topologyEpoch,
    clientId,
    clientHost,
    processId: processId ?? before.processId,
    userEndpoint: request.memberEpoch === 0 ? userEndpoint : (userEndpoint ?? before.userEndpoint),
    clientTags: clientTags === null ? before.clientTags : new Map(clientTags.map(({ key, value }) => [key, value])),
  }
}

/** What stands in the way, in Kafka's order. */
function statusesOf(
  group: StreamsGroup,
  { clientTags }: StreamsMember,
  problem: Advanced['configured']['problem'],
  requiredTags: readonly string[],
  apiVersion: number,
): Status[] {
  const statuses: Status[] = []
  if (problem !== null) statuses.push({ statusCode: statusCodes[problem.status], statusDetail: problem.message })
  if (group.shutdownRequestedBy !== null) {
    const statusDetail = `Streams group member ${group.shutdownRequestedBy} encountered a fatal error and requested a shutdown for the entire application.`
    statuses.push({ statusCode: statusCodes.SHUTDOWN_APPLICATION, statusDetail })
  }
  const missing = apiVersion < missingTagsFrom ? [] : requiredTags.filter(tag => !clientTags.has(tag))
  if (missing.length > 0) {
    const statusDetail = `Missing required client tags for rack-aware standby assignment: [${missing.join(', ')}]. Configure them via 'client.tag.<tagKey>' in your Streams config.`
    statuses.push({ statusCode: statusCodes.MISSING_CLIENT_TAGS, statusDetail })
  }
  return statuses
}

function leaveResponse(memberId: string, memberEpoch: number): StreamsHeartbeatResult['response'] {
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    memberId,
    memberEpoch,
    heartbeatIntervalMs: 0,
    acceptableRecoveryLagLegacy: 0,
    taskOffsetIntervalMs: 0,
    status: [],
    endpointInformationEpoch: 0,
  }
}

/** The previous epoch means that the last response was lost, as long as the member has only what it should have. */
function requireEpoch({ memberEpoch, previousMemberEpoch, assigned }: StreamsMember, request: StreamsHeartbeatRequest): void {
  const received = request.memberEpoch
  if (received === memberEpoch) return
  const owns =
    isWithin(request.activeTasks, assigned.active) &&
    isWithin(request.standbyTasks, assigned.standby) &&
    isWithin(request.warmupTasks, assigned.warmup)
  if (received < memberEpoch && received === previousMemberEpoch && owns) return
  throw fencedEpoch('streams', received, memberEpoch)
}

function sessionKey(groupId: string, memberId: string): TimerKey {
  return timerKey('streams-session', groupId, memberId)
}

function revocationKey(groupId: string, memberId: string): TimerKey {
  return timerKey('streams-revocation', groupId, memberId)
}
