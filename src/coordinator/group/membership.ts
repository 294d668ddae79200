/**
 * The classic membership protocol as clients speak it: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (KIP-62, KIP-345 static members,
 * KIP-394 member ids first, KIP-559 protocol names, KIP-814 skipped assignments). Validates requests and changes members; `rebalance.ts`
 * controls rebalances.
 */
import { errorCode, KafkaError, toKafkaError } from '../../protocol.ts'
import type { Decision, LogRecord } from '../shard.ts'
import type { ClassicGroup } from './classic-group.ts'
import { Member } from './classic-member.ts'
import type { Rebalancer } from './rebalance.ts'
import { emptyGroupMetadataRecord, groupMetadataRecord } from './records.ts'
import {
  type Caller,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type JoinGroupResponse,
  joinError,
  type LeaveGroupResponse,
  type LeavingMember,
  memberIdFor,
  type Protocol,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from './requests.ts'
import type { GroupSettings } from './settings.ts'

const noRecords: readonly LogRecord[] = []
/** KIP-394. */
const memberIdRequiredFrom = 4
/** KIP-814. */
const skipAssignmentFrom = 9

export interface MembershipOptions {
  settings: GroupSettings
  rebalancer: Rebalancer
  find(groupId: string): ClassicGroup | undefined
  /** Adds an empty group. */
  create(groupId: string): ClassicGroup
  /** A UUID in Java's notation. */
  newId(): string
}

export class Membership {
  readonly #settings: GroupSettings
  readonly #rebalancer: Rebalancer
  readonly #find: (groupId: string) => ClassicGroup | undefined
  readonly #create: (groupId: string) => ClassicGroup
  readonly #newId: () => string

  constructor(options: MembershipOptions) {
    this.#settings = options.settings
    this.#rebalancer = options.rebalancer
    this.#find = options.find
    this.#create = options.create
    this.#newId = options.newId
  }

  join(request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const { groupId, memberId } = request
    const existing = this.#find(groupId)
    if (existing === undefined && memberId !== '') return refuse('UNKNOWN_MEMBER_ID', memberId)
    const group = existing ?? this.#create(groupId)
    const decision = this.#joinGroup(group, request, caller)
    // A new group must be in the log, or a reload would not know that it exists.
    if (existing !== undefined || decision.records.length > 0) return decision
    return { ...decision, records: [emptyGroupMetadataRecord(groupId, group.currentStateTimestamp ?? -1)] }
  }

  #joinGroup(group: ClassicGroup, request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const { memberId } = request
    if (!this.#hasRoom(group, memberId) || this.#tellsTooMuch(group, request)) {
      if (memberId !== '') this.#rebalancer.forget(group, memberId)
      return refuse('GROUP_MAX_SIZE_REACHED', '')
    }
    if (!group.supportsProtocols(request.protocolType, request.protocols)) return refuse('INCONSISTENT_GROUP_PROTOCOL', memberId)
    return memberId === '' ? this.#joinNew(group, request, caller) : this.#joinKnown(group, request, caller)
  }

  /**
   * While members come, those already waiting are counted: if `group.max.size` was lowered, the last to rejoin are turned away.
   * Afterwards the members are.
   */
  #hasRoom(group: ClassicGroup, memberId: string): boolean {
    const limit = this.#settings.groupMaxSize
    if (group.state === 'Empty' || group.state === 'Dead') return true
    const member = group.members.get(memberId)
    if (group.state === 'PreparingRebalance') return (member?.awaitingJoin ?? null) !== null || group.awaitingJoinCount < limit
    return member !== undefined || group.members.size < limit
  }

  /** The metadata of members is kept, and sent to the leader all at once. */
  #tellsTooMuch(group: ClassicGroup, { memberId, protocols }: JoinGroupRequest): boolean {
    let bytes = metadataBytes(protocols)
    for (const member of group.members.values()) if (member.memberId !== memberId) bytes += metadataBytes(member.protocols)
    return bytes > this.#settings.groupMaxMetadataBytes
  }

  #joinNew(group: ClassicGroup, request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const { groupInstanceId } = request
    const newMemberId = memberIdFor(groupInstanceId ?? caller.clientId, this.#newId())
    if (groupInstanceId !== null) {
      return group.staticMemberId(groupInstanceId) === undefined
        ? this.#addMember(group, request, caller, newMemberId)
        : this.#replaceStatic(group, request, caller, groupInstanceId, newMemberId)
    }
    if (caller.apiVersion >= memberIdRequiredFrom) {
      // Kafka assigns any number of ids; each is remembered for a session.
      if (group.pendingJoinMembers.size >= this.#settings.groupMaxSize) return refuse('GROUP_MAX_SIZE_REACHED', '')
      this.#rebalancer.awaitRejoin(group, newMemberId, request.sessionTimeoutMs)
      return refuse('MEMBER_ID_REQUIRED', newMemberId)
    }
    return this.#addMember(group, request, caller, newMemberId)
  }

  #joinKnown(group: ClassicGroup, request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const { memberId } = request
    if (group.pendingJoinMembers.has(memberId)) {
      // Ids of static members are never handed out without membership.
      if (request.groupInstanceId !== null) return refuse('UNKNOWN_MEMBER_ID', memberId)
      return this.#addMember(group, request, caller, memberId)
    }
    try {
      group.validateMember(memberId, request.groupInstanceId)
    } catch (error) {
      return refuse(toKafkaError(error).name, memberId)
    }
    const member = group.members.get(memberId)!
    switch (group.state) {
      case 'PreparingRebalance':
        return this.#rejoin(group, member, request)
      case 'CompletingRebalance':
        // The same again: the first answer was lost.
        return member.matches(request.protocols) ? respond(group.joinResponse(member)) : this.#rejoin(group, member, request)
      case 'Stable':
        // A leader that joins again wants a rebalance, for reasons that only it knows (new partitions, for one).
        if (group.leaderId === memberId || !member.matches(request.protocols)) return this.#rejoin(group, member, request)
        return respond(group.joinResponse(member))
      default:
        return refuse('UNKNOWN_MEMBER_ID', memberId)
    }
  }

  #addMember(group: ClassicGroup, request: JoinGroupRequest, caller: Caller, memberId: string): Decision<JoinGroupResponse> {
    const member = new Member(group.groupId, {
      memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: caller.clientId,
      clientHost: caller.clientHost,
      rebalanceTimeoutMs: rebalanceTimeoutOf(request),
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocolType: request.protocolType,
      protocols: keep(request.protocols),
    })
    member.isNew = true
    if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true
    const response = group.add(member)
    this.#rebalancer.keepNewMember(group, member)
    return { records: this.#rebalancer.rebalance(group), response }
  }

  #rejoin(group: ClassicGroup, member: Member, request: JoinGroupRequest): Decision<JoinGroupResponse> {
    group.updateMember(member, keep(request.protocols), rebalanceTimeoutOf(request), request.sessionTimeoutMs)
    const response = group.awaitJoin(member)
    return { records: this.#rebalancer.rebalance(group), response }
  }

  /** KIP-345: no rebalance as long as the assignment stays right; the newcomer inherits it. */
  #replaceStatic(
    group: ClassicGroup,
    request: JoinGroupRequest,
    caller: Caller,
    groupInstanceId: string,
    newMemberId: string,
  ): Decision<JoinGroupResponse> {
    const leaderBefore = group.leaderId
    const member = group.replaceStaticMember(groupInstanceId, newMemberId)
    this.#rebalancer.keepAlive(group, member)
    group.updateMember(member, keep(request.protocols), rebalanceTimeoutOf(request), request.sessionTimeoutMs)
    if (group.state === 'Stable' && group.selectProtocol() === group.protocolName) {
      const records = [groupMetadataRecord(group.groupId, group.toRecord())]
      if (caller.apiVersion >= skipAssignmentFrom) {
        return { records, response: group.joinResponse(member, group.leaderId === newMemberId) }
      }
      // An older leader would compute assignments; the old leader's name keeps it from believing that it leads.
      return { records, response: { ...group.joinResponse(member), leader: leaderBefore ?? '', members: [] } }
    }
    const response = group.awaitJoin(member)
    // While assignments are made the leader knows only the old member id: the rebalance has to start again.
    const restart = group.state === 'Stable' || group.state === 'CompletingRebalance'
    return { records: restart ? this.#rebalancer.prepare(group) : this.#rebalancer.maybeCompleteJoin(group), response }
  }

  sync(request: SyncGroupRequest): Decision<SyncGroupResponse> {
    const { groupId, memberId } = request
    const group = this.#find(groupId)
    if (group === undefined || group.isEmpty) throw new KafkaError('UNKNOWN_MEMBER_ID', `Group ${groupId} has no members`)
    group.validateMember(memberId, request.groupInstanceId)
    group.validateGeneration(request.generationId)
    if (differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)) {
      throw new KafkaError(
        'INCONSISTENT_GROUP_PROTOCOL',
        `Group ${groupId} uses protocol type ${group.protocolType} and protocol ${group.protocolName}`,
      )
    }
    const member = group.members.get(memberId)!
    if (group.state === 'PreparingRebalance') throw new KafkaError('REBALANCE_IN_PROGRESS', `Group ${groupId} is rebalancing`)
    this.#rebalancer.synced(group, memberId)
    if (group.state === 'Stable') return respond(group.syncResponse(member))
    const response = group.awaitSync(member)
    if (group.leaderId !== memberId) return { records: noRecords, response }
    const assignments = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, assignment]))
    return {
      // Replaying this makes the group stable and answers all members.
      records: [groupMetadataRecord(groupId, group.toRecord(assignments))],
      response,
      rejected: error => {
        this.#rebalancer.failSync(group, error.name)
        this.#rebalancer.prepare(group)
      },
    }
  }

  /** Throws the error that the client has to see. */
  heartbeat(request: HeartbeatRequest): Decision<void> {
    const group = this.#find(request.groupId)
    if (group === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `Group ${request.groupId} not found`)
    group.validateMember(request.memberId, request.groupInstanceId)
    group.validateGeneration(request.generationId)
    this.#rebalancer.keepAlive(group, group.members.get(request.memberId)!)
    if (group.state === 'PreparingRebalance') throw new KafkaError('REBALANCE_IN_PROGRESS', `Group ${request.groupId} is rebalancing`)
    return { records: noRecords, response: undefined }
  }

  leave(groupId: string, leaving: readonly LeavingMember[]): Decision<LeaveGroupResponse['members']> {
    const group = this.#find(groupId)
    if (group === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `Group ${groupId} not found`)
    const response = leaving.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: errorCode(this.#removeLeaving(group, memberId, groupInstanceId)),
    }))
    if (!response.some(member => member.errorCode === 0)) return { records: noRecords, response }
    const stable = group.state === 'Stable' || group.state === 'CompletingRebalance'
    return { records: stable ? this.#rebalancer.rebalance(group) : this.#rebalancer.maybeCompleteJoin(group), response }
  }

  #removeLeaving(group: ClassicGroup, memberId: string, groupInstanceId: string | null): KafkaError['name'] {
    if (memberId === '') {
      // An administrator removes a static member by its instance id.
      const current = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId)
      if (current === undefined) return 'UNKNOWN_MEMBER_ID'
      this.#rebalancer.forget(group, current)
      return 'NONE'
    }
    if (!group.pendingJoinMembers.has(memberId)) {
      try {
        group.validateMember(memberId, groupInstanceId)
      } catch (error) {
        return toKafkaError(error).name
      }
    }
    this.#rebalancer.forget(group, memberId)
    return 'NONE'
  }
}

function metadataBytes(protocols: readonly Protocol[]): number {
  let bytes = 0
  for (const { name, metadata } of protocols) bytes += name.length + metadata.length
  return bytes
}

/** Before v1 there was one timeout for both. */
function rebalanceTimeoutOf(request: JoinGroupRequest): number {
  return request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
}

/** The request's bytes belong to its connection; a member keeps its own. */
function keep(protocols: readonly Protocol[]): Protocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
}

function differs(asked: string | null, actual: string | null): boolean {
  return asked !== null && actual !== null && asked !== actual
}

function refuse(error: KafkaError['name'], memberId: string): Decision<JoinGroupResponse> {
  return respond(joinError(error, memberId))
}

function respond<R>(response: R): Decision<R> {
  return { records: noRecords, response }
}
