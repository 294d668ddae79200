/**
 * The KIP-848 groups of a shard, whose members use a single request, ConsumerGroupHeartbeat. Members join, leave, are fenced and time out
 * here; `progress.ts` contains the following steps of the group, and `classic-members.ts` serves members of the classic protocol.
 */
import { type apis, type InputOf, KafkaError, type MessageOf } from '../../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../../shard.ts'
import { type TimerKey, timerKey } from '../../timer-key.ts'
import { ClassicGroup } from '../classic-group.ts'
import { fencedEpoch, groupIsFull, leaveEpoch, leaveStaticEpoch, unreleasedInstance } from '../members.ts'
import type { Caller } from '../requests.ts'
import { type GroupSettings, heartbeatIntervalMs } from '../settings.ts'
import { replayInto, type ShardAccess } from '../shard-access.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { currentRecord, decodeConsumerRecord, memberRecord, memberTombstones, targetRecord } from './consumer-records.ts'
import { type ConsumerMember, newMember, uniqueNames } from './member.ts'
import { mayDowngrade, toClassic, upgradeRecords } from './migration.ts'
import { isWithin, listOf, noneHeld, noTarget, sameHeld, type TopicPartitionList } from './partitions.ts'
import { checkRegex, Progress, type TopicsLike } from './progress.ts'

export type ConsumerHeartbeatRequest = MessageOf<typeof apis.consumerGroupHeartbeat.request>
export type ConsumerHeartbeatResponse = InputOf<typeof apis.consumerGroupHeartbeat.response>

const nothing: Decision<void> = { records: [], response: undefined }
/** KIP-1082: from here on the client makes its member id. */
const clientMakesIdFrom = 1

export interface ConsumerGroupsOptions extends ShardAccess {
  /** The group has just become a classic one: its members have to join it again. */
  becameClassic(groupId: string, rebalance: boolean): Decision<void> | null
  newId(): string
}

export class ConsumerGroups {
  readonly progress: Progress
  readonly #options: ConsumerGroupsOptions
  readonly #context: ShardContext
  readonly #settings: GroupSettings

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options
    this.#context = options.context
    this.#settings = options.settings
    this.progress = new Progress({ ...options, assignIn: (groupId, delayMs) => this.#assignIn(groupId, delayMs) })
  }

  find(groupId: string): ConsumerGroup | undefined {
    const group = this.#options.find(groupId)
    return group instanceof ConsumerGroup ? group : undefined
  }

  /** False when the record is of another kind of group. */
  replay(key: Buffer, value: Buffer | null): boolean {
    const record = decodeConsumerRecord(key, value)
    if (record === null) return false
    replayInto(this.#options, ConsumerGroup, { record, isTombstone: value === null, last: 'epoch' })
    return true
  }

  /** After a load, every member gets a whole session. */
  resume(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.keepAlive(group.groupId, member.memberId, member.classic?.sessionTimeoutMs)
      this.#limitRevocation(group.groupId, member)
    }
    if (group.groupEpoch > group.assignmentEpoch && !group.isEmpty) this.#assignIn(group.groupId, 0)
  }

  /** Throws NotMatched, and has changed nothing then. The response is null if the request has to be processed again, in another turn. */
  heartbeat(
    request: ConsumerHeartbeatRequest,
    caller: Caller,
    topicsLike: TopicsLike,
    mayPause: boolean,
  ): Decision<ConsumerHeartbeatResponse | null> {
    this.#validate(request, caller.apiVersion)
    const { groupId, memberEpoch, instanceId, topicPartitions: owned } = request
    if (memberEpoch === leaveEpoch || memberEpoch === leaveStaticEpoch) return this.#leave(request)
    const joins = memberEpoch === 0
    const records: LogRecord[] = []
    const group = this.#groupFor(groupId, joins, records)
    const memberId = request.memberId === '' ? this.#options.newId() : request.memberId
    this.requireRoom(group, memberId)
    const before =
      instanceId === null
        ? this.#dynamicMember(group, memberId, memberEpoch, owned)
        : this.#staticMember(group, memberId, instanceId, memberEpoch, owned, records)
    const after: ConsumerMember = {
      ...before,
      instanceId: instanceId ?? before.instanceId,
      rackId: request.rackId ?? before.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : request.rebalanceTimeoutMs,
      serverAssignor: request.serverAssignor ?? before.serverAssignor,
      subscribedTopicNames: request.subscribedTopicNames === null ? before.subscribedTopicNames : uniqueNames(request.subscribedTopicNames),
      subscribedTopicRegex: request.subscribedTopicRegex ?? before.subscribedTopicRegex,
      clientId: caller.clientId,
      clientHost: caller.clientHost,
      classic: null,
    }
    if (after.subscribedTopicRegex !== before.subscribedTopicRegex && after.subscribedTopicRegex !== '')
      checkRegex(after.subscribedTopicRegex)
    const step = { group, before, after, owned, topicsLike, mayPause, records }
    const { member: moved, dueInMs, again } = this.progress.advance(step)
    this.keepAlive(groupId, memberId)
    if (again) return { records, response: null }
    if (moved !== after) this.#limitRevocation(groupId, moved)
    const told = saysAll(request) || !sameHeld(before.assigned, moved.assigned)
    return {
      records,
      response: {
        throttleTimeMs: 0,
        errorCode: 0,
        errorMessage: null,
        memberId,
        memberEpoch: moved.memberEpoch,
        heartbeatIntervalMs: heartbeatIntervalMs(this.#settings.consumer.of(groupId), dueInMs),
        assignment: told ? { topicPartitions: listOf(moved.assigned) } : null,
      },
    }
  }

  /** Takes the member out; without members of the new protocol the group goes back to the classic one. */
  fence(group: ConsumerGroup, members: readonly ConsumerMember[]): { records: LogRecord[]; appended?: () => Decision<void> | null } {
    const { groupId } = group
    const leaving = members.map(({ memberId }) => memberId)
    for (const memberId of leaving) this.cancelTimers(groupId, memberId)
    if (mayDowngrade(group, leaving, group.members.size - leaving.length, this.#settings)) {
      const records = toClassic(group, { leaving, joining: null }, this.#options.topics, this.#context.clock.now())
      return { records, appended: () => this.#options.becameClassic(groupId, true) }
    }
    return { records: [...leaving.flatMap(memberId => memberTombstones(groupId, memberId)), ...this.progress.without(group, members)] }
  }

  /** A step for a timer: fences the member if it is still there. */
  fenceLater(groupId: string, memberId: string, still: (member: ConsumerMember) => boolean = () => true): Decision<void> {
    const group = this.find(groupId)
    const member = group?.members.get(memberId)
    if (group === undefined || member === undefined || !still(member)) return nothing
    const fenced = this.fence(group, [member])
    return { ...fenced, response: undefined }
  }

  keepAlive(groupId: string, memberId: string, timeoutMs = this.#settings.consumer.of(groupId).sessionTimeoutMs): void {
    this.#context.schedule(sessionKey(groupId, memberId), timeoutMs, () => this.fenceLater(groupId, memberId))
  }

  cancelTimers(groupId: string, memberId: string): void {
    for (const key of [sessionKey, revocationKey, joinKey, syncKey]) this.#context.cancel(key(groupId, memberId))
  }

  requireRoom(group: ConsumerGroup, memberId: string): void {
    const { maxSize } = this.#settings.consumer
    if (group.members.size < maxSize || group.members.has(memberId)) return
    throw groupIsFull('consumer', maxSize)
  }

  /** A copy of the static member under its new id takes its place. */
  replaceStatic(group: ConsumerGroup, old: ConsumerMember, memberId: string, records: LogRecord[]): ConsumerMember {
    const { groupId } = group
    const member: ConsumerMember = { ...old, memberId, memberEpoch: 0, previousMemberEpoch: 0 }
    records.push(...memberTombstones(groupId, old.memberId), memberRecord(groupId, member))
    records.push(targetRecord(groupId, memberId, group.targets.get(old.memberId) ?? noTarget), currentRecord(groupId, member))
    return member
  }

  #leave({ groupId, memberId, memberEpoch, instanceId }: ConsumerHeartbeatRequest): Decision<ConsumerHeartbeatResponse> {
    const group = this.#require(groupId, 'Group')
    const response = { throttleTimeMs: 0, errorCode: 0, memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null }
    const member = group.members.require(memberId, instanceId)
    if (instanceId !== null && memberEpoch === leaveStaticEpoch) {
      // It keeps its partitions for a member that returns with its instance id before the session ends.
      return { records: [currentRecord(groupId, { ...member, memberEpoch: leaveStaticEpoch, pendingRevocation: noneHeld })], response }
    }
    return { ...this.fence(group, [member]), response }
  }

  #require(groupId: string, what = 'Consumer group'): ConsumerGroup {
    const group = this.#options.find(groupId)
    if (group === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', `${what} ${groupId} not found.`)
    if (!(group instanceof ConsumerGroup)) throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`)
    return group
  }

  /** The group, new or made of a classic one when a member joins: then it lives in `records` until they are replayed. */
  #groupFor(groupId: string, joins: boolean, records: LogRecord[]): ConsumerGroup {
    const existing = this.#options.find(groupId)
    if (!joins || existing instanceof ConsumerGroup) return this.#require(groupId)
    if (existing === undefined) return new ConsumerGroup(groupId)
    if (!(existing instanceof ClassicGroup)) return this.#require(groupId)
    if (existing.isEmpty) {
      records.push(...existing.tombstones())
      return new ConsumerGroup(groupId)
    }
    const made = upgradeRecords(existing, this.#settings, this.#options.topics)
    existing.answerParked('REBALANCE_IN_PROGRESS')
    records.push(...existing.tombstones(), ...made)
    const group = new ConsumerGroup(groupId)
    for (const { key, value } of made) group.replay(decodeConsumerRecord(key!, value)!)
    for (const { memberId, classic } of group.members.values()) this.keepAlive(groupId, memberId, classic!.sessionTimeoutMs)
    return group
  }

  #dynamicMember(group: ConsumerGroup, memberId: string, memberEpoch: number, owned: readonly TopicPartitionList[] | null): ConsumerMember {
    // With epoch 0 it starts over: it has given up all its partitions.
    if (memberEpoch === 0) return group.members.get(memberId) ?? newMember(memberId)
    const member = group.members.require(memberId)
    requireEpoch(member, memberEpoch, owned)
    return member
  }

  #staticMember(
    group: ConsumerGroup,
    memberId: string,
    instanceId: string,
    memberEpoch: number,
    owned: readonly TopicPartitionList[] | null,
    records: LogRecord[],
  ): ConsumerMember {
    if (memberEpoch !== 0) {
      const member = group.members.require(memberId, instanceId)
      requireEpoch(member, memberEpoch, owned)
      return member
    }
    const existing = group.members.ofInstance(instanceId)
    if (existing === undefined) return group.members.get(memberId) ?? newMember(memberId)
    if (existing.memberId === memberId && existing.memberEpoch !== leaveStaticEpoch) return existing
    if (existing.classic === null && existing.memberEpoch !== leaveStaticEpoch)
      throw unreleasedInstance(memberId, instanceId, existing.memberId)
    if (existing.memberId !== memberId) this.cancelTimers(group.groupId, existing.memberId)
    return this.replaceStatic(group, existing, memberId, records)
  }

  #limitRevocation(groupId: string, { memberId, memberEpoch, state, rebalanceTimeoutMs, classic }: ConsumerMember): void {
    // Those of the classic protocol have timers for their join and sync instead.
    if (classic !== null) return
    const key = revocationKey(groupId, memberId)
    if (state !== 'UNREVOKED_PARTITIONS') this.#context.cancel(key)
    else this.#context.schedule(key, rebalanceTimeoutMs, () => this.fenceLater(groupId, memberId, now => now.memberEpoch === memberEpoch))
  }

  #assignIn(groupId: string, delayMs: number): void {
    this.#context.schedule(timerKey('consumer-assign', groupId), delayMs, () => {
      const group = this.find(groupId)
      return group === undefined ? nothing : { records: this.progress.assignLater(group), response: undefined }
    })
  }

  #validate(request: ConsumerHeartbeatRequest, apiVersion: number): void {
    refuseBlank(request.instanceId, 'InstanceId')
    refuseBlank(request.rackId, 'RackId')
    const { memberEpoch, memberId, serverAssignor } = request
    if (memberEpoch !== 0 || apiVersion >= clientMakesIdFrom) refuseBlank(memberId, 'MemberId')
    if (memberEpoch === leaveStaticEpoch && request.instanceId === null) throw invalid("InstanceId can't be null.")
    if (memberEpoch < leaveStaticEpoch) throw invalid('MemberEpoch is invalid.')
    if (memberEpoch === 0) {
      if (request.rebalanceTimeoutMs === -1) throw invalid('RebalanceTimeoutMs must be provided in first request.')
      if (request.topicPartitions === null || request.topicPartitions.length > 0) {
        throw invalid('TopicPartitions must be empty when (re-)joining.')
      }
      // Empty ones are subscriptions to nothing.
      if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
        throw invalid('Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.')
      }
    }
    if (serverAssignor === null || this.progress.assignors.has(serverAssignor)) return
    throw new KafkaError(
      'UNSUPPORTED_ASSIGNOR',
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${[...this.progress.assignors.keys()].join(', ')}.`,
    )
  }
}

/**
 * What a member says when it joins, and after every failure: it may have missed the answer with its partitions, so it has to be told all.
 * Not all clients send the names beside a regular expression.
 */
function saysAll(request: ConsumerHeartbeatRequest): boolean {
  const { memberEpoch, rebalanceTimeoutMs, subscribedTopicNames, subscribedTopicRegex, topicPartitions } = request
  const subscribes = subscribedTopicNames !== null || subscribedTopicRegex !== null
  return memberEpoch === 0 || (rebalanceTimeoutMs !== -1 && subscribes && topicPartitions !== null)
}

/** The previous epoch means that the last response was lost, as long as the member has only what it should have. */
function requireEpoch(member: ConsumerMember, received: number, owned: readonly TopicPartitionList[] | null): void {
  const { memberEpoch, previousMemberEpoch, assigned } = member
  if (received === memberEpoch) return
  if (received < memberEpoch && received === previousMemberEpoch && isWithin(owned, assigned)) return
  throw fencedEpoch('consumer', received, memberEpoch)
}

function refuseBlank(value: string | null, name: string): void {
  if (value !== null && value.trim() === '') throw invalid(`${name} can't be empty.`)
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}

function sessionKey(groupId: string, memberId: string): TimerKey {
  return timerKey('consumer-session', groupId, memberId)
}

function revocationKey(groupId: string, memberId: string): TimerKey {
  return timerKey('consumer-revocation', groupId, memberId)
}

export function joinKey(groupId: string, memberId: string): TimerKey {
  return timerKey('consumer-join', groupId, memberId)
}

export function syncKey(groupId: string, memberId: string): TimerKey {
  return timerKey('consumer-sync', groupId, memberId)
}
