/**
 * Members that use the classic protocol in a KIP-848 group during a migration: JoinGroup is their heartbeat, SyncGroup
 * fetches the assignment, and Heartbeat tells them to rejoin when there is a new assignment.
 */
import { MalformedInput } from '../../../base.ts'
import { errorCode, KafkaError, toKafkaError, type Uuid } from '../../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../../shard.ts'
import type { GroupTopics } from '../group-topics.ts'
import {
  type Caller,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type JoinGroupResponse,
  joinError,
  type LeaveGroupResponse,
  type LeavingMember,
  memberIdFor,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from '../requests.ts'
import type { GroupSettings } from '../settings.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import { type ConsumerGroups, joinKey, syncKey } from './consumer-groups.ts'
import { type ConsumerMember, newMember, uniqueNames } from './member.ts'
import { decodeSubscription, encodeAssignment, mayDowngrade, type Subscription, toClassic } from './migration.ts'
import type { TopicPartitionList } from './partitions.ts'
import { notMatched } from './progress.ts'

/** KIP-394. */
const memberIdRequiredFrom = 4
const protocolType = 'consumer'

export interface ClassicMembersOptions {
  context: ShardContext
  settings: GroupSettings
  topics: GroupTopics
  groups: ConsumerGroups
  becameClassic(groupId: string, rebalance: boolean): Decision<void> | null
  newId(): string
}

/** What the two protocols share: a member of the classic one, with what only such members have. */
type ClassicConsumerMember = ConsumerMember & { classic: NonNullable<ConsumerMember['classic']> }

export class ClassicMembers {
  readonly #options: ClassicMembersOptions
  readonly #context: ShardContext
  readonly #groups: ConsumerGroups

  constructor(options: ClassicMembersOptions) {
    this.#options = options
    this.#context = options.context
    this.#groups = options.groups
  }

  join(group: ConsumerGroup, request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const { groupId, groupInstanceId: instanceId, protocols, sessionTimeoutMs } = request
    const isNew = request.memberId === ''
    const memberId = isNew ? memberIdFor(instanceId ?? caller.clientId, this.#options.newId()) : request.memberId
    this.#groups.requireRoom(group, memberId)
    if (!supportsProtocols(group, request)) return { records: [], response: joinError('INCONSISTENT_GROUP_PROTOCOL', request.memberId) }
    if (isNew && instanceId === null && caller.apiVersion >= memberIdRequiredFrom) {
      return { records: [], response: joinError('MEMBER_ID_REQUIRED', memberId) }
    }
    const subscription = readSubscription(protocols[0]!.metadata)
    const records: LogRecord[] = []
    const before = this.#joining(group, memberId, instanceId, isNew, records)
    const after: ClassicConsumerMember = {
      ...before,
      instanceId: instanceId ?? before.instanceId,
      rackId: subscription.rackId ?? before.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      subscribedTopicNames: uniqueNames(subscription.topics),
      subscribedTopicRegex: '',
      clientId: caller.clientId,
      clientHost: caller.clientHost,
      classic: {
        sessionTimeoutMs,
        // The request's bytes belong to its connection.
        supportedProtocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
      },
    }
    const owned = this.#ownedBy(subscription)
    const { member: moved } = this.#groups.progress.advance({
      group,
      before,
      after,
      owned,
      topicsLike: notMatched,
      mayPause: false,
      records,
    })
    const response = {
      ...joinError('NONE', memberId),
      generationId: moved.memberEpoch,
      protocolType,
      protocolName: protocols[0]!.name,
    }
    this.#context.cancel(joinKey(groupId, memberId))
    const predecessor = group.members.ofInstance(instanceId)
    if (predecessor !== undefined && mayDowngrade(group, [predecessor.memberId], group.members.size, this.#options.settings)) {
      return this.#downgrade(group, predecessor.memberId, { ...moved, classic: after.classic }, response)
    }
    this.#groups.keepAlive(groupId, memberId, sessionTimeoutMs)
    this.#context.schedule(syncKey(groupId, memberId), after.rebalanceTimeoutMs, () => this.#groups.fenceLater(groupId, memberId))
    return { records, response }
  }

  sync(group: ConsumerGroup, request: SyncGroupRequest): Decision<SyncGroupResponse> {
    const member = requireMember(group, request.memberId, request.groupInstanceId)
    requireGeneration(member, request.generationId)
    const [protocol] = member.classic.supportedProtocols
    const otherType = request.protocolType !== null && request.protocolType !== protocolType
    if (otherType || (request.protocolName !== null && request.protocolName !== protocol?.name)) {
      throw new KafkaError(
        'INCONSISTENT_GROUP_PROTOCOL',
        `Group ${group.groupId} uses ${protocol?.name}, which differs from what member ${member.memberId} was told.`,
      )
    }
    if (group.groupEpoch > member.memberEpoch && member.state !== 'UNREVOKED_PARTITIONS') {
      this.#awaitJoin(group, member)
      throw new KafkaError(
        'REBALANCE_IN_PROGRESS',
        `A new rebalance is triggered in group ${group.groupId} and member ${member.memberId} should rejoin to catch up.`,
      )
    }
    this.#context.cancel(syncKey(group.groupId, member.memberId))
    this.#groups.keepAlive(group.groupId, member.memberId, member.classic.sessionTimeoutMs)
    return {
      records: [],
      response: {
        throttleTimeMs: 0,
        errorCode: 0,
        protocolType: request.protocolType,
        protocolName: request.protocolName,
        assignment: encodeAssignment(member.assigned, protocol?.metadata ?? Buffer.alloc(0), this.#options.topics),
      },
    }
  }

  heartbeat(group: ConsumerGroup, request: HeartbeatRequest): Decision<void> {
    const member = requireMember(group, request.memberId, request.groupInstanceId)
    requireGeneration(member, request.generationId)
    this.#groups.keepAlive(group.groupId, member.memberId, member.classic.sessionTimeoutMs)
    const { state } = member
    const released = state === 'UNRELEASED_PARTITIONS' && !waitsForOthers(group, member)
    if (member.memberEpoch < group.groupEpoch || state === 'UNREVOKED_PARTITIONS' || released) {
      this.#awaitJoin(group, member)
      throw new KafkaError('REBALANCE_IN_PROGRESS', `Member ${member.memberId} should rejoin group ${group.groupId}.`)
    }
    return { records: [], response: undefined }
  }

  /** Of either protocol: so an administrator removes a static member. */
  leave(group: ConsumerGroup, leaving: readonly LeavingMember[]): Decision<LeaveGroupResponse['members']> {
    const gone: ConsumerMember[] = []
    const response = leaving.map(({ memberId, groupInstanceId }) => {
      try {
        const named = memberId === '' && groupInstanceId !== null ? (group.members.ofInstance(groupInstanceId)?.memberId ?? '') : memberId
        const member = group.members.require(named, groupInstanceId)
        if (!gone.some(other => other.memberId === member.memberId)) gone.push(member)
        return { memberId, groupInstanceId, errorCode: 0 }
      } catch (error) {
        return { memberId, groupInstanceId, errorCode: errorCode(toKafkaError(error).name) }
      }
    })
    if (gone.length === 0) return { records: [], response }
    return { ...this.#groups.fence(group, gone), response }
  }

  #joining(group: ConsumerGroup, memberId: string, instanceId: string | null, isNew: boolean, records: LogRecord[]): ConsumerMember {
    if (instanceId === null) return group.members.get(memberId) ?? newMember(memberId)
    if (!isNew) return group.members.require(memberId, instanceId)
    const existing = group.members.ofInstance(instanceId)
    if (existing === undefined) return newMember(memberId)
    this.#groups.cancelTimers(group.groupId, existing.memberId)
    return this.#groups.replaceStatic(group, existing, memberId, records)
  }

  /** The last member of the new protocol was replaced by this one: its records are of no use any more. */
  #downgrade(group: ConsumerGroup, leavingId: string, joining: ConsumerMember, response: JoinGroupResponse): Decision<JoinGroupResponse> {
    const { groupId, groupEpoch } = group
    return {
      records: toClassic(group, { leaving: [leavingId], joining }, this.#options.topics, this.#context.clock.now()),
      response: { ...response, generationId: groupEpoch },
      appended: () => this.#options.becameClassic(groupId, false),
    }
  }

  #ownedBy(subscription: Subscription): TopicPartitionList[] {
    const owned: TopicPartitionList[] = []
    for (const { topic, partitions } of subscription.ownedPartitions) {
      const topicId: Uuid | undefined = this.#options.topics.topic(topic)?.id
      if (topicId !== undefined) owned.push({ topicId, partitions })
    }
    return owned
  }

  /** It has to rejoin within its rebalance timeout, counted from the first notification. */
  #awaitJoin({ groupId }: ConsumerGroup, { memberId, memberEpoch, rebalanceTimeoutMs }: ConsumerMember): void {
    this.#context.scheduleIfAbsent(joinKey(groupId, memberId), rebalanceTimeoutMs, () =>
      this.#groups.fenceLater(groupId, memberId, now => now.memberEpoch === memberEpoch),
    )
  }
}

function supportsProtocols(group: ConsumerGroup, { protocolType: asked, protocols }: JoinGroupRequest): boolean {
  if (asked !== protocolType || protocols.length === 0) return false
  const classic = [...group.members.values()].filter(member => member.classic !== null)
  return protocols.some(({ name }) => classic.every(member => member.classic!.supportedProtocols.some(other => other.name === name)))
}

function readSubscription(metadata: Buffer): Subscription {
  try {
    return decodeSubscription(metadata)
  } catch (error) {
    if (!(error instanceof MalformedInput)) throw error
    throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', 'Malformed embedded consumer protocol in subscription deserialization.')
  }
}

function requireMember(group: ConsumerGroup, memberId: string, instanceId: string | null): ClassicConsumerMember {
  const member = group.members.require(memberId, instanceId)
  const { classic } = member
  if (classic === null) throw new KafkaError('UNKNOWN_MEMBER_ID', `Member ${member.memberId} does not use the classic protocol.`)
  return { ...member, classic }
}

function requireGeneration({ memberId, memberEpoch }: ConsumerMember, generationId: number): void {
  if (generationId === memberEpoch) return
  throw new KafkaError(
    'ILLEGAL_GENERATION',
    `The request generation id ${generationId} is not equal to the member epoch ${memberEpoch} of member ${memberId}.`,
  )
}

/** A partition that it should get still belongs to another member. */
function waitsForOthers(group: ConsumerGroup, member: ConsumerMember): boolean {
  for (const [topicId, partitions] of group.targetOf(member.memberId, member.instanceId)) {
    const held = member.assigned.get(topicId)
    for (const partition of partitions) if (!held?.has(partition) && group.isOwned(topicId, partition)) return true
  }
  return false
}
