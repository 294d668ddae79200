/**
 * One classic group in memory: members, protocols, leader, generation, and members that wait for a response. Maintains the invariants between
 * members, counts and leader. Does not know the order of requests, timers or the log (`membership.ts` and `rebalance.ts` drive it).
 */
import { assert, type Int64 } from '../../base.ts'
import { type ErrorName, KafkaError } from '../../protocol.ts'
import type { LogRecord } from '../shard.ts'
import { Member, memberFromRecord, noAssignment } from './classic-member.ts'
import type { Group, StoredOffset } from './group-contract.ts'
import { type GroupMetadata, groupMetadataTombstone, type MemberMetadata, subscribedTopicsOf } from './records.ts'
import { type JoinGroupResponse, joinError, type Protocol, type SyncGroupResponse, syncError } from './requests.ts'

export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

const validPreviousStates: Record<ClassicGroupState, readonly ClassicGroupState[]> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Stable', 'PreparingRebalance', 'CompletingRebalance', 'Empty', 'Dead'],
}

const consumerProtocolType = 'consumer'
const lastGeneration = 2 ** 31 - 1

/** What only groups with clients have. Most of them only store offsets, and a broker may have to load tens of thousands. */
class Clients {
  readonly members = new Map<string, Member>()
  readonly supportedProtocols = new Map<string, number>()
  /** null until there is one. */
  pendingJoinMembers: Set<string> | null = null
  pendingSyncMembers: Set<string> | null = null
  staticMembers: Map<string, string> | null = null
}

/** Shared by all groups without any; stays empty. */
const noClients = new Clients()
const nothing: ReadonlySet<string> = new Set()

export class ClassicGroup implements Group {
  readonly type = 'Classic'
  readonly groupId: string
  state: ClassicGroupState = 'Empty'
  previousState: ClassicGroupState = 'Dead'
  generationId = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leaderId: string | null = null
  /** null: written by a version that did not store it. */
  currentStateTimestamp: Int64 | null
  #subscribedTopics: ReadonlySet<string> | null = null
  /** What members said of {@link ClassicGroup.subscribedTopics}; null: it has been read. */
  #subscriptions: readonly Buffer[] | null = null
  /** A member has joined since the initial delay was last extended. */
  newMemberAdded = false
  /** {@link noClients} until the first one comes. */
  #clients = noClients
  readonly #now: () => number
  #awaitingJoinCount = 0

  constructor(groupId: string, now: () => number) {
    this.groupId = groupId
    this.#now = now
    this.currentStateTimestamp = now()
  }

  /** As the log describes it, after a reload. */
  static fromRecord(groupId: string, value: GroupMetadata, now: () => number): ClassicGroup {
    const group = new ClassicGroup(groupId, now)
    const protocolType = value.protocolType === '' ? null : value.protocolType
    for (const stored of value.members) {
      const member = new Member(groupId, memberFromRecord(stored, protocolType ?? '', value.protocol ?? ''))
      member.assignment = stored.assignment
      group.#insert(member)
    }
    group.state = value.members.length === 0 ? 'Empty' : 'Stable'
    group.generationId = value.generation
    group.protocolType = protocolType
    group.protocolName = value.protocol
    group.leaderId = value.leader
    group.currentStateTimestamp = value.currentStateTimestamp === -1 ? null : value.currentStateTimestamp
    group.#computeSubscribedTopics()
    return group
  }

  /** What the log has to keep of the group, with the members' assignments given or as they are. */
  toRecord(assignments?: ReadonlyMap<string, Buffer>): GroupMetadata {
    const members: MemberMetadata[] = []
    for (const member of this.members.values()) {
      members.push({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadata(this.protocolName ?? ''),
        assignment: assignments === undefined ? member.assignment : (assignments.get(member.memberId) ?? noAssignment),
      })
    }
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generationId,
      protocol: this.protocolName,
      leader: this.leaderId,
      currentStateTimestamp: this.currentStateTimestamp ?? -1,
      members,
    }
  }

  /**
   * `record` was replayed while the group lives here: it says what the group decided, so only assignments can be new. True when they
   * make the group stable.
   */
  persisted(record: GroupMetadata): boolean {
    if (this.state !== 'CompletingRebalance' || record.generation !== this.generationId || record.members.length === 0) return false
    for (const { memberId, assignment } of record.members) {
      const member = this.members.get(memberId)
      if (member !== undefined) member.assignment = assignment
    }
    this.transitionTo('Stable')
    return true
  }

  /** null: unknown, either no `consumer` group or its metadata cannot be read. */
  get subscribedTopics(): ReadonlySet<string> | null {
    if (this.#subscriptions !== null) this.#subscribedTopics = subscribedTopicsOf(this.#subscriptions)
    this.#subscriptions = null
    return this.#subscribedTopics
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#clients.members
  }

  /** Got a member id with MEMBER_ID_REQUIRED and have not come back with it yet. */
  get pendingJoinMembers(): ReadonlySet<string> {
    return this.#clients.pendingJoinMembers ?? nothing
  }

  get pendingSyncMembers(): ReadonlySet<string> {
    return this.#clients.pendingSyncMembers ?? nothing
  }

  awaitRejoin(memberId: string): void {
    const clients = this.#withClients()
    clients.pendingJoinMembers ??= new Set()
    clients.pendingJoinMembers.add(memberId)
  }

  /** Of a member, in this generation. */
  awaitSyncOf(memberId: string): void {
    const clients = this.#withClients()
    clients.pendingSyncMembers ??= new Set()
    clients.pendingSyncMembers.add(memberId)
  }

  synced(memberId: string): void {
    this.#clients.pendingSyncMembers?.delete(memberId)
  }

  forgetSyncs(): void {
    this.#clients.pendingSyncMembers?.clear()
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoinCount
  }

  get isEmpty(): boolean {
    return this.state === 'Empty'
  }

  /** Has neither members nor clients about to become members. */
  get isDeletable(): boolean {
    return this.isEmpty && this.pendingJoinMembers.size === 0
  }

  get usesConsumerGroupProtocol(): boolean {
    return this.protocolType === consumerProtocolType
  }

  get hasAllMembersJoined(): boolean {
    return this.members.size === this.#awaitingJoinCount && this.pendingJoinMembers.size === 0
  }

  get canRebalance(): boolean {
    return validPreviousStates.PreparingRebalance.includes(this.state)
  }

  /** The slowest member's. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs)
    return longest
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.#clients.staticMembers?.get(groupInstanceId)
  }

  transitionTo(state: ClassicGroupState): void {
    assert(validPreviousStates[state].includes(this.state), `group ${this.groupId} cannot go from ${this.state} to ${state}`)
    this.previousState = this.state
    this.state = state
    this.currentStateTimestamp = this.#now()
  }

  /** Parks the new member's join. */
  add(member: Member): Promise<JoinGroupResponse> {
    assert(this.supportsProtocols(member.protocolType, member.protocols), `member ${member.memberId} fits into group ${this.groupId}`)
    if (this.members.size === 0) this.protocolType = member.protocolType
    this.#insert(member)
    this.leaderId ??= member.memberId
    this.#clients.pendingJoinMembers?.delete(member.memberId)
    return this.awaitJoin(member)
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (member !== undefined) {
      this.#clients.members.delete(memberId)
      this.#count(member.protocols, -1)
      if (member.awaitingJoin !== null) this.#awaitingJoinCount--
      if (member.groupInstanceId !== null) this.#clients.staticMembers?.delete(member.groupInstanceId)
    }
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null
    this.#clients.pendingJoinMembers?.delete(memberId)
    this.#clients.pendingSyncMembers?.delete(memberId)
  }

  updateMember(member: Member, protocols: readonly Protocol[], rebalanceTimeoutMs: number, sessionTimeoutMs: number): void {
    this.#count(member.protocols, -1)
    this.#count(protocols, 1)
    member.protocols = protocols
    member.rebalanceTimeoutMs = rebalanceTimeoutMs
    member.sessionTimeoutMs = sessionTimeoutMs
  }

  /** KIP-345: a restarted static member takes the place of its predecessor, who is fenced at once. */
  replaceStaticMember(groupInstanceId: string, newMemberId: string): Member {
    const oldMemberId = this.staticMemberId(groupInstanceId)
    const old = oldMemberId === undefined ? undefined : this.members.get(oldMemberId)
    assert(old, `group ${this.groupId} has the static member ${groupInstanceId}`)
    this.completeJoin(old, joinError('FENCED_INSTANCE_ID', old.memberId))
    this.completeSync(old, syncError('FENCED_INSTANCE_ID'))
    const member = new Member(this.groupId, { ...old, memberId: newMemberId })
    member.assignment = old.assignment
    this.#clients.members.delete(old.memberId)
    this.#clients.members.set(newMemberId, member)
    this.#clients.staticMembers!.set(groupInstanceId, newMemberId)
    if (this.leaderId === old.memberId) this.leaderId = newMemberId
    return member
  }

  awaitJoin(member: Member): Promise<JoinGroupResponse> {
    // The client joined again on another connection: the first response is not read, but its connection must continue.
    if (member.awaitingJoin !== null) member.awaitingJoin.resolve(joinError('REBALANCE_IN_PROGRESS', member.memberId))
    else this.#awaitingJoinCount++
    member.awaitingJoin = Promise.withResolvers()
    return member.awaitingJoin.promise
  }

  awaitSync(member: Member): Promise<SyncGroupResponse> {
    member.awaitingSync?.resolve(syncError('REBALANCE_IN_PROGRESS'))
    member.awaitingSync = Promise.withResolvers()
    return member.awaitingSync.promise
  }

  /** Answers a parked join; false when there is none. */
  completeJoin(member: Member, response: JoinGroupResponse): boolean {
    if (member.awaitingJoin === null) return false
    member.awaitingJoin.resolve(response)
    member.awaitingJoin = null
    this.#awaitingJoinCount--
    return true
  }

  completeSync(member: Member, response: SyncGroupResponse): boolean {
    if (member.awaitingSync === null) return false
    member.awaitingSync.resolve(response)
    member.awaitingSync = null
    return true
  }

  /** Responds to a member with the current generation; only the leader gets the list of members. */
  joinResponse(member: Member, skipAssignment = false): JoinGroupResponse {
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      generationId: this.generationId,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.leaderId ?? '',
      skipAssignment,
      memberId: member.memberId,
      members: this.leaderId === member.memberId ? this.#currentMembers() : [],
    }
  }

  syncResponse(member: Member): SyncGroupResponse {
    return {
      throttleTimeMs: 0,
      errorCode: 0,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      assignment: member.assignment,
    }
  }

  /** Keeps the leader if it has rejoined, otherwise makes the first member that has rejoined the leader; false if there is none. */
  electJoinedLeader(): boolean {
    if (this.leaderId === null) return false
    if (this.members.get(this.leaderId)?.awaitingJoin) return true
    for (const member of this.members.values()) {
      if (member.awaitingJoin === null) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  /** Ends the join phase: a new generation of those who are here. */
  initNextGeneration(): void {
    this.generationId = this.generationId === lastGeneration ? 0 : this.generationId + 1
    if (this.members.size > 0) {
      this.protocolName = this.selectProtocol()
      this.#computeSubscribedTopics()
      this.transitionTo('CompletingRebalance')
    } else {
      this.protocolName = null
      this.#computeSubscribedTopics()
      this.transitionTo('Empty')
    }
    this.forgetSyncs()
  }

  supportsProtocols(protocolType: string, protocols: readonly Protocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0
    return (
      this.protocolType === protocolType &&
      protocols.some(({ name }) => (this.#clients.supportedProtocols.get(name) ?? 0) === this.members.size)
    )
  }

  /** Of those protocols that all members support, the one most members prefer. */
  selectProtocol(): string {
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const vote = member.protocols.find(({ name }) => this.#clients.supportedProtocols.get(name) === this.members.size)
      assert(vote, `the members of group ${this.groupId} have a protocol in common`)
      votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
    }
    let best = ''
    for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name
    return best
  }

  /** Throws unless the sender is who it says it is. */
  validateMember(memberId: string, groupInstanceId: string | null): void {
    if (groupInstanceId !== null) {
      const existing = this.staticMemberId(groupInstanceId)
      if (existing === undefined) throw new KafkaError('UNKNOWN_MEMBER_ID', `No member has the group.instance.id ${groupInstanceId}`)
      if (existing !== memberId) throw new KafkaError('FENCED_INSTANCE_ID', `Another member has taken over ${groupInstanceId}`)
    }
    if (!this.members.has(memberId)) throw new KafkaError('UNKNOWN_MEMBER_ID', `${memberId} is not a member of group ${this.groupId}`)
  }

  validateGeneration(generationId: number): void {
    if (generationId === this.generationId) return
    throw new KafkaError('ILLEGAL_GENERATION', `Group ${this.groupId} is at generation ${this.generationId}, not ${generationId}`)
  }

  validateOffsetCommit(memberId: string, groupInstanceId: string | null, generationId: number, transactional: boolean): void {
    // An admin client, or a consumer that does without group membership.
    if (generationId < 0 && this.isEmpty) return
    if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
      this.validateMember(memberId, groupInstanceId)
      this.validateGeneration(generationId)
    } else if (!transactional && !this.isEmpty) {
      throw new KafkaError('UNKNOWN_MEMBER_ID', `Group ${this.groupId} has members; only members may commit offsets`)
    }
    if (!transactional && this.state === 'CompletingRebalance') {
      throw new KafkaError('REBALANCE_IN_PROGRESS', `Group ${this.groupId} is rebalancing`)
    }
  }

  validateOffsetFetch(): void {}

  validateOffsetDelete(): void {
    if (!this.isEmpty && !this.usesConsumerGroupProtocol) throw new KafkaError('NON_EMPTY_GROUP', 'The group is not empty.')
  }

  validateDelete(): void {
    if (!this.isEmpty) throw new KafkaError('NON_EMPTY_GROUP', 'The group is not empty.')
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.usesConsumerGroupProtocol
  }

  retentionStart(): ((offset: StoredOffset) => Int64) | null {
    // Without a protocol type the group only stores offsets.
    if (this.protocolType === null) return offset => offset.commitTimestampMs
    if (this.isEmpty) return offset => this.currentStateTimestamp ?? offset.commitTimestampMs
    if (this.usesConsumerGroupProtocol && this.subscribedTopics !== null && this.state === 'Stable') return o => o.commitTimestampMs
    return null
  }

  tombstones(): LogRecord[] {
    return [groupMetadataTombstone(this.groupId)]
  }

  /** The group object is no longer used: ends all waiting requests. */
  kill(error: ErrorName): void {
    if (this.state !== 'Dead') this.transitionTo('Dead')
    this.answerParked(error)
  }

  answerParked(error: ErrorName): void {
    for (const member of this.members.values()) {
      this.completeJoin(member, joinError(error, member.memberId))
      this.completeSync(member, syncError(error))
    }
  }

  #withClients(): Clients {
    if (this.#clients === noClients) this.#clients = new Clients()
    return this.#clients
  }

  #insert(member: Member): void {
    const { memberId, groupInstanceId } = member
    const clients = this.#withClients()
    assert(!this.members.has(memberId), `${memberId} is new in group ${this.groupId}`)
    if (groupInstanceId !== null) {
      clients.staticMembers ??= new Map()
      assert(!clients.staticMembers.has(groupInstanceId), `${groupInstanceId} is new in group ${this.groupId}`)
      clients.staticMembers.set(groupInstanceId, memberId)
    }
    clients.members.set(memberId, member)
    this.#count(member.protocols, 1)
  }

  #count(protocols: readonly Protocol[], change: 1 | -1): void {
    // A name given twice is one protocol.
    for (const name of new Set(protocols.map(protocol => protocol.name))) {
      const count = (this.#clients.supportedProtocols.get(name) ?? 0) + change
      if (count === 0) this.#clients.supportedProtocols.delete(name)
      else this.#clients.supportedProtocols.set(name, count)
    }
  }

  #currentMembers(): JoinGroupResponse['members'] {
    const protocol = this.protocolName ?? ''
    return Array.from(this.members.values(), member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadata(protocol),
    }))
  }

  #computeSubscribedTopics(): void {
    const { protocolName } = this
    this.#subscriptions = null
    if (!this.usesConsumerGroupProtocol) this.#subscribedTopics = null
    else if (this.members.size === 0) this.#subscribedTopics = nothing
    else if (protocolName === null) this.#subscribedTopics = null
    else this.#subscriptions = Array.from(this.members.values(), member => member.metadata(protocolName))
  }
}
