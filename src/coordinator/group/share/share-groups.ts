/**
 * The share groups of a shard (KIP-932), whose members use a single request, ShareGroupHeartbeat. Several members may have the same partition,
 * so nothing has to be revoked before it is assigned to others: members get a new epoch with their next heartbeat.
 */
import { type apis, type InputOf, KafkaError, type MessageOf, type Uuid } from '../../../protocol.ts'
import type { Decision, LogRecord, ShardContext } from '../../shard.ts'
import { type TimerKey, timerKey } from '../../timer-key.ts'
import { sameNames, uniqueNames } from '../consumer/member.ts'
import { listOf, noTarget, sameTarget, type Target } from '../consumer/partitions.ts'
import { type GroupTopics, topicsHash } from '../group-topics.ts'
import { fencedEpoch, groupIsFull, leaveEpoch } from '../members.ts'
import type { Caller } from '../requests.ts'
import { type GroupSettings, heartbeatIntervalMs, nextAssignmentInMs } from '../settings.ts'
import { replayInto, type ShardAccess } from '../shard-access.ts'
import { bytesOf, checkTold } from '../told.ts'
import { newShareMember, ShareGroup } from './share-group.ts'
import {
  currentRecord,
  decodeShareRecord,
  epochRecord,
  type InitializedTopics,
  initializedRecord,
  memberRecord,
  memberTombstones,
  type ShareMember,
  targetEpochRecord,
  targetRecord,
} from './share-records.ts'
import { assignSimply } from './simple-assignor.ts'

export type ShareHeartbeatRequest = MessageOf<typeof apis.shareGroupHeartbeat.request>
export type ShareHeartbeatResponse = InputOf<typeof apis.shareGroupHeartbeat.response>
export type DescribedShareGroup = InputOf<typeof apis.shareGroupDescribe.response>['groups'][number]

const noTopics: InitializedTopics = new Map()
const nothing: Decision<void> = { records: [], response: undefined }
/** Partitions of all members together. Kafka's bound is twice that: the records of an assignment have to fit into one batch. */
const mostAssigned = 20_000

export class ShareGroups {
  readonly #options: ShardAccess
  readonly #context: ShardContext
  readonly #settings: GroupSettings
  readonly #topics: GroupTopics

  constructor(options: ShardAccess) {
    this.#options = options
    this.#context = options.context
    this.#settings = options.settings
    this.#topics = options.topics
  }

  /** Throws GROUP_ID_NOT_FOUND. */
  require(groupId: string, what = 'Group'): ShareGroup {
    const group = this.#options.find(groupId)
    if (group instanceof ShareGroup) return group
    throw new KafkaError(
      'GROUP_ID_NOT_FOUND',
      group === undefined ? `${what} ${groupId} not found.` : `Group ${groupId} is not a share group.`,
    )
  }

  /** The topics of which the group has state; none for a group of another kind. */
  topicsOf(groupId: string): InitializedTopics {
    const group = this.#options.find(groupId)
    return group instanceof ShareGroup ? group.initialized : noTopics
  }

  /** False when the record is of another kind of group. */
  replay(key: Buffer, value: Buffer | null): boolean {
    const record = decodeShareRecord(key, value)
    if (record === null) return false
    replayInto(this.#options, ShareGroup, { record, isTombstone: value === null, last: 'epoch' })
    return true
  }

  resume(group: ShareGroup): void {
    for (const { memberId } of group.members.values()) this.#keepAlive(group.groupId, memberId)
    if (group.groupEpoch > group.assignmentEpoch && !group.isEmpty) this.#assignIn(group.groupId, 0)
  }

  heartbeat(request: ShareHeartbeatRequest, caller: Caller): Decision<ShareHeartbeatResponse> {
    const { groupId, memberId, memberEpoch } = request
    validate(request)
    if (memberEpoch === leaveEpoch) return this.#leave(groupId, memberId)
    const joins = memberEpoch === 0
    const group = joins && this.#options.find(groupId) === undefined ? new ShareGroup(groupId) : this.require(groupId, 'Share group')
    const { maxSize, of } = this.#settings.share
    if (group.members.size >= maxSize && !group.members.has(memberId)) throw groupIsFull('share', maxSize)
    const before = joins ? (group.members.get(memberId) ?? newShareMember(memberId)) : group.members.require(memberId)
    if (!joins) requireEpoch(before, memberEpoch)
    const after: ShareMember = {
      ...before,
      rackId: request.rackId ?? before.rackId,
      subscribedTopicNames: request.subscribedTopicNames === null ? before.subscribedTopicNames : uniqueNames(request.subscribedTopicNames),
      clientId: caller.clientId,
      clientHost: caller.clientHost,
    }
    const records: LogRecord[] = []
    const { moved, dueInMs } = this.#advance(group, before, after, records)
    this.#keepAlive(groupId, memberId)
    const told = joins || request.subscribedTopicNames !== null || !sameTarget(before.assigned, moved.assigned)
    return {
      records,
      response: {
        throttleTimeMs: 0,
        errorCode: 0,
        errorMessage: null,
        memberId,
        memberEpoch: moved.memberEpoch,
        heartbeatIntervalMs: heartbeatIntervalMs(of(groupId), dueInMs),
        assignment: told ? { topicPartitions: listOf(moved.assigned) } : null,
      },
    }
  }

  describe(groupId: string): DescribedShareGroup {
    const group = this.require(groupId)
    return {
      errorCode: 0,
      errorMessage: null,
      groupId,
      groupState: group.state,
      groupEpoch: group.groupEpoch,
      assignmentEpoch: group.assignmentEpoch,
      assignorName: 'simple',
      members: Array.from(
        group.members.values(),
        ({ memberId, rackId, memberEpoch, clientId, clientHost, subscribedTopicNames, assigned }) => {
          const topicPartitions = listOf(assigned).flatMap(list => {
            const topicName = this.#topics.name(list.topicId)
            return topicName === undefined ? [] : [{ ...list, topicName }]
          })
          const assignment = { topicPartitions }
          return { memberId, rackId, memberEpoch, clientId, clientHost, subscribedTopicNames: [...subscribedTopicNames], assignment }
        },
      ),
    }
  }

  /** The empty group's state in these partitions is about to be reset: returns the epoch of that state. Creates the group if necessary. */
  beginAlter(groupId: string, topics: InitializedTopics): Decision<number> {
    const group = this.#options.find(groupId) === undefined ? new ShareGroup(groupId) : this.require(groupId)
    group.validateDelete()
    const epoch = group.groupEpoch + 1
    const merged = mergeTopics(group.initialized, topics)
    return { records: [epochRecord(groupId, epoch, group.metadataHash), initializedRecord(groupId, merged)], response: epoch }
  }

  /** The empty group forgets these topics; what it knew of them is returned. */
  forget(groupId: string, topicIds: ReadonlySet<Uuid>): Decision<InitializedTopics> {
    const group = this.require(groupId)
    group.validateDelete()
    const forgotten = new Map([...group.initialized].filter(([topicId]) => topicIds.has(topicId)))
    return { records: group.without(topicIds), response: forgotten }
  }

  #leave(groupId: string, memberId: string): Decision<ShareHeartbeatResponse> {
    const group = this.require(groupId)
    group.members.require(memberId)
    const response = { throttleTimeMs: 0, errorCode: 0, memberId, memberEpoch: leaveEpoch, heartbeatIntervalMs: 0, assignment: null }
    return { records: this.#without(group, memberId), response }
  }

  #without(group: ShareGroup, memberId: string): LogRecord[] {
    const { groupId } = group
    this.#context.cancel(sessionKey(groupId, memberId))
    const subscribed = new Set<string>()
    for (const member of group.members.values()) {
      if (member.memberId !== memberId) for (const topic of member.subscribedTopicNames) subscribed.add(topic)
    }
    return [...memberTombstones(groupId, memberId), epochRecord(groupId, group.groupEpoch + 1, topicsHash(subscribed, this.#topics))]
  }

  /** The member after the step: stored, in a new epoch if need be, with what the newest assignment gives it. */
  #advance(
    group: ShareGroup,
    before: ShareMember,
    after: ShareMember,
    records: LogRecord[],
  ): { moved: ShareMember; dueInMs: number | null } {
    const { groupId } = group
    const subscriptionChanged = !sameNames(before.subscribedTopicNames, after.subscribedTopicNames)
    if (subscriptionChanged) {
      const [told, tells] = [bytesOf(before.subscribedTopicNames), bytesOf(after.subscribedTopicNames)]
      checkTold(group.toldBytes, told, tells, this.#settings.groupMaxMetadataBytes)
    }
    const said = !group.members.has(after.memberId) || subscriptionChanged || before.rackId !== after.rackId
    if (said || before.clientId !== after.clientId || before.clientHost !== after.clientHost) records.push(memberRecord(groupId, after))
    const members = new Map(group.members).set(after.memberId, after)
    const groupEpoch = this.#bump(group, members, subscriptionChanged, records)
    let dueInMs: number | null = null
    let epoch = group.assignmentEpoch
    let target = group.targets.get(after.memberId) ?? noTarget
    if (groupEpoch > group.assignmentEpoch) {
      const { assignmentIntervalMs } = this.#settings.share.of(groupId)
      const waitMs = nextAssignmentInMs(group.assignmentTimestampMs, assignmentIntervalMs, this.#context.clock.now())
      // No member has partitions that would move.
      if (group.isEmpty || waitMs === 0) {
        target = this.#assign(group, members, groupEpoch, records).get(after.memberId) ?? noTarget
        epoch = groupEpoch
      } else {
        dueInMs = waitMs
        this.#assignIn(groupId, waitMs)
      }
    }
    if (after.memberEpoch === epoch && sameTarget(after.assigned, target)) return { moved: after, dueInMs }
    const moved = { ...after, memberEpoch: epoch, previousMemberEpoch: after.memberEpoch, assigned: target }
    records.push(currentRecord(groupId, moved))
    return { moved, dueInMs }
  }

  #bump(group: ShareGroup, members: ReadonlyMap<string, ShareMember>, changed: boolean, records: LogRecord[]): number {
    const { version } = this.#topics
    const { comparedWith } = group
    if (!changed && comparedWith.topicsVersion === version && group.groupEpoch >= comparedWith.groupEpoch) return group.groupEpoch
    const subscribers = new Map<string, number>()
    for (const { subscribedTopicNames } of members.values()) {
      for (const topic of subscribedTopicNames) subscribers.set(topic, (subscribers.get(topic) ?? 0) + 1)
    }
    if (changed) this.#requireAssignable(group.groupId, subscribers)
    const hash = topicsHash(subscribers.keys(), this.#topics)
    const bumped = changed || hash !== group.metadataHash
    const groupEpoch = bumped ? group.groupEpoch + 1 : group.groupEpoch
    if (bumped) records.push(epochRecord(group.groupId, groupEpoch, hash))
    group.comparedWith = { topicsVersion: version, groupEpoch }
    return groupEpoch
  }

  /** Refuses the member that would make the assignment too large to be made in one step, and soon too large to be written at all. */
  #requireAssignable(groupId: string, subscribers: ReadonlyMap<string, number>): void {
    let assigned = 0
    for (const [name, count] of subscribers) assigned += assignedOf(this.#topics.topic(name)?.partitionCount ?? 0, count)
    if (assigned <= mostAssigned) return
    const message = `Share group ${groupId} would have to assign ${assigned} partitions to members; at most ${mostAssigned} are possible.`
    throw new KafkaError('GROUP_MAX_SIZE_REACHED', message)
  }

  #assign(group: ShareGroup, members: ReadonlyMap<string, ShareMember>, epoch: number, records: LogRecord[]): ReadonlyMap<string, Target> {
    const { groupId } = group
    const topics = new Map<Uuid, { name: string; partitions: Set<number> }>()
    // Also of topics that do not exist, so that each name is looked up once: null.
    const byName = new Map<string, { topicId: Uuid; partitionCount: number; memberIds: string[] } | null>()
    const sorted = [...members.values()].sort((one, other) => (one.memberId < other.memberId ? -1 : 1))
    for (const { memberId, subscribedTopicNames } of sorted) {
      for (const name of subscribedTopicNames) {
        let shared = byName.get(name)
        if (shared === undefined) {
          const topic = this.#topics.topic(name)
          shared = topic === undefined ? null : { topicId: topic.id, partitionCount: topic.partitionCount, memberIds: [] }
          byName.set(name, shared)
          if (topic === undefined) continue
          topics.set(topic.id, { name, partitions: new Set(Array.from({ length: topic.partitionCount }, (_, index) => index)) })
        }
        shared?.memberIds.push(memberId)
      }
    }
    const asked = [...byName.values()].filter(topic => topic !== null)
    const targets = assignSimply(asked)
    for (const memberId of members.keys()) {
      const target = targets.get(memberId) ?? noTarget
      const old = group.targets.get(memberId)
      if (old === undefined || !sameTarget(old, target)) records.push(targetRecord(groupId, memberId, target))
    }
    records.push(targetEpochRecord(groupId, epoch, this.#context.clock.now()))
    const initialized = mergeTopics(group.initialized, topics)
    if (initialized !== group.initialized) records.push(initializedRecord(groupId, initialized))
    return targets
  }

  #assignIn(groupId: string, delayMs: number): void {
    this.#context.schedule(timerKey('share-assign', groupId), delayMs, () => {
      const group = this.#options.find(groupId)
      if (!(group instanceof ShareGroup) || group.isEmpty || group.groupEpoch <= group.assignmentEpoch) return nothing
      const records: LogRecord[] = []
      this.#assign(group, group.members, group.groupEpoch, records)
      return { records, response: undefined }
    })
  }

  #keepAlive(groupId: string, memberId: string): void {
    this.#context.schedule(sessionKey(groupId, memberId), this.#settings.share.of(groupId).sessionTimeoutMs, () => {
      const group = this.#options.find(groupId)
      if (!(group instanceof ShareGroup) || !group.members.has(memberId)) return nothing
      return { records: this.#without(group, memberId), response: undefined }
    })
  }
}

/** Every partition has a member, and every member a partition. */
function assignedOf(partitions: number, members: number): number {
  return partitions === 0 ? 0 : Math.max(partitions, members)
}

/** `topics` itself when nothing is added. */
function mergeTopics(topics: InitializedTopics, more: InitializedTopics): InitializedTopics {
  let merged: Map<Uuid, { name: string; partitions: ReadonlySet<number> }> | null = null
  for (const [topicId, { name, partitions }] of more) {
    const known = topics.get(topicId)?.partitions
    if (known !== undefined && [...partitions].every(partition => known.has(partition))) continue
    merged ??= new Map(topics)
    merged.set(topicId, { name, partitions: new Set([...(known ?? []), ...partitions]) })
  }
  return merged ?? topics
}

function validate({ memberId, memberEpoch, rackId, subscribedTopicNames }: ShareHeartbeatRequest): void {
  if (memberId.trim() === '') throw invalid("MemberId can't be empty.")
  if (rackId !== null && rackId.trim() === '') throw invalid("RackId can't be empty.")
  if (memberEpoch < leaveEpoch) throw invalid(`MemberEpoch is ${memberEpoch}, but must be greater than or equal to -1.`)
  if (memberEpoch === 0 && (subscribedTopicNames ?? []).length === 0) throw invalid('SubscribedTopicNames must be set in first request.')
}

function requireEpoch({ memberEpoch, previousMemberEpoch }: ShareMember, received: number): void {
  if (received === memberEpoch || received === previousMemberEpoch) return
  throw fencedEpoch('share', received, memberEpoch)
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}

function sessionKey(groupId: string, memberId: string): TimerKey {
  return timerKey('share-session', groupId, memberId)
}
