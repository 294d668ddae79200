/**
 * The shard of one partition of `__consumer_offsets`: its groups and their offsets. Replays Kafka's records, lists, describes and
 * deletes groups, and expires offsets; membership and commits are in separate files.
 */
import type { Int64, System } from '../../base.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import type { Decision, LogRecord, Shard, ShardContext } from '../shard.ts'
import { timerKey } from '../timer-key.ts'
import { ClassicGroup } from './classic-group.ts'
import { Commits } from './commits.ts'
import { ClassicMembers } from './consumer/classic-members.ts'
import { ConsumerGroup } from './consumer/consumer-group.ts'
import { ConsumerGroups } from './consumer/consumer-groups.ts'
import { type DescribedConsumerGroup, describeConsumerGroup } from './consumer/describe.ts'
import type { Group } from './group-contract.ts'
import type { GroupTopics } from './group-topics.ts'
import { Membership } from './membership.ts'
import { Offsets } from './offsets.ts'
import { Rebalancer } from './rebalance.ts'
import { decodeRecord } from './records.ts'
import {
  type Caller,
  type DescribedGroup,
  type HeartbeatRequest,
  type JoinGroupRequest,
  type JoinGroupResponse,
  joinError,
  type LeaveGroupResponse,
  type LeavingMember,
  type ListedGroup,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from './requests.ts'
import type { GroupSettings } from './settings.ts'
import type { ShardAccess } from './shard-access.ts'
import { ShareGroup } from './share/share-group.ts'
import { ShareGroups } from './share/share-groups.ts'
import { StreamsGroup } from './streams/streams-group.ts'
import { StreamsGroups } from './streams/streams-groups.ts'

const expiryKey = timerKey('expire-offsets')
const settlingKey = timerKey('settle-offsets')
/** Offsets to which one step applies the ends of transactions. */
const mostSettled = 5_000
/** Tombstones written in one step; the rest follows in the next, so that the event loop is never held. */
const mostTombstones = 5_000
/** Groups and offsets that one step checks for expiry. */
const mostLookedAt = 20_000
const noBytes = Buffer.alloc(0)

export interface GroupShardOptions {
  system: System
  context: ShardContext
  settings: GroupSettings
  topics: GroupTopics
}

export class GroupShard implements Shard {
  readonly commits: Commits
  readonly consumers: ConsumerGroups
  readonly shares: ShareGroups
  readonly streams: StreamsGroups
  readonly #membership: Membership
  readonly #classicMembers: ClassicMembers
  readonly #groups = new Map<string, Group>()
  readonly #offsets = new Offsets()
  readonly #rebalancer: Rebalancer
  readonly #context: ShardContext
  readonly #settings: GroupSettings
  readonly #topics: GroupTopics
  #live = false
  /** Groups that are gone, though some of their offsets are not: the next commit makes a group of that name. */
  readonly #orphans = new Set<string>()

  constructor({ system, context, settings, topics }: GroupShardOptions) {
    this.#context = context
    this.#settings = settings
    this.#topics = topics
    const find = (groupId: string) => this.#classic(groupId)
    const newId = () => javaUuid(system)
    const rebalancer = new Rebalancer({ context, settings, find })
    this.#rebalancer = rebalancer
    this.#membership = new Membership({
      settings,
      rebalancer,
      find,
      create: groupId => this.#create(groupId),
      newId,
    })
    const becameClassic = (groupId: string, rebalance: boolean) => this.#becameClassic(groupId, rebalance)
    const access: ShardAccess = {
      context,
      settings,
      topics,
      find: groupId => this.#groups.get(groupId),
      put: group => void this.#groups.set(group.groupId, group),
      remove: groupId => this.#remove(groupId),
    }
    this.consumers = new ConsumerGroups({ ...access, becameClassic, newId })
    this.shares = new ShareGroups(access)
    this.streams = new StreamsGroups(access)
    this.#classicMembers = new ClassicMembers({ context, settings, topics, groups: this.consumers, becameClassic, newId })
    this.commits = new Commits({
      context,
      settings,
      offsets: this.#offsets,
      find: groupId => this.#groups.get(groupId),
      findClassic: find,
      keepAlive: (group, memberId) => {
        const member = group.members.get(memberId)
        if (member !== undefined) rebalancer.keepAlive(group, member)
      },
    })
  }

  replay(encoded: LogRecord, offset: number, _timestampMs: Int64, producerId: Int64): void {
    const record = decodeRecord(encoded)
    if (record === null) {
      const { key, value } = encoded
      if (key !== null) this.consumers.replay(key, value) || this.shares.replay(key, value) || this.streams.replay(key, value)
      return
    }
    const { groupId } = record
    if (record.type === 'offset') {
      if (record.value === null) {
        this.#offsets.remove(groupId, record.topic, record.partition)
        if (this.#orphans.size > 0 && !this.#hasOffsets(groupId)) this.#orphans.delete(groupId)
        return
      }
      record.value.recordOffset = offset
      const isFirst = this.#offsets.put(groupId, record.topic, record.partition, record.value, producerId)
      // To look for a group among 50,000 takes as long as all the rest.
      if ((isFirst || this.#isOrphan(groupId)) && !this.#groups.has(groupId)) this.#create(groupId)
      return
    }
    const group = this.#classic(groupId)
    if (record.value === null) {
      // The tombstone of a classic group that has become another one is of no concern to that.
      group?.kill('COORDINATOR_NOT_AVAILABLE')
      if (group !== undefined) this.#remove(groupId)
    } else if (this.#live && group !== undefined) {
      if (group.persisted(record.value)) this.#rebalancer.answerSync(group)
    } else {
      this.#groups.set(groupId, ClassicGroup.fromRecord(groupId, record.value, this.#now))
    }
  }

  replayMarker(producerId: Int64, _producerEpoch: number, committed: boolean): void {
    this.#offsets.endTransaction(producerId, committed)
    this.#settleOffsets()
  }

  loaded(): void {
    this.#live = true
    this.#settleOffsets()
    for (const group of this.#groups.values()) {
      if (group instanceof ClassicGroup) this.#rebalancer.resume(group)
      else if (group instanceof ConsumerGroup) this.consumers.resume(group)
      else if (group instanceof ShareGroup) this.shares.resume(group)
      else if (group instanceof StreamsGroup) this.streams.resume(group)
    }
    this.#scheduleExpiry()
  }

  unload(): void {
    for (const group of this.#groups.values()) group.kill('NOT_COORDINATOR')
    this.#groups.clear()
  }

  join(request: JoinGroupRequest, caller: Caller): Decision<JoinGroupResponse> {
    const group = this.#groups.get(request.groupId)
    if (group === undefined || group instanceof ClassicGroup) return this.#membership.join(request, caller)
    if (group instanceof ConsumerGroup && !group.isEmpty) return this.#classicMembers.join(group, request, caller)
    const convertible = group instanceof ConsumerGroup || (group instanceof StreamsGroup && group.isEmpty)
    if (!convertible) return { records: [], response: joinError('INCONSISTENT_GROUP_PROTOCOL', '') }
    // An empty group fits any protocol. Only a successful join replaces it; after a failed one the empty group remains.
    this.#groups.delete(request.groupId)
    const decision = this.#membership.join(request, caller)
    if (!this.#groups.has(request.groupId)) {
      this.#groups.set(request.groupId, group)
      return decision
    }
    return { ...decision, records: [...group.tombstones(), ...decision.records] }
  }

  sync(request: SyncGroupRequest): Decision<SyncGroupResponse> {
    const group = this.consumers.find(request.groupId)
    return group === undefined ? this.#membership.sync(request) : this.#classicMembers.sync(group, request)
  }

  /** Throws the error that the client has to see. */
  heartbeat(request: HeartbeatRequest): Decision<void> {
    const group = this.consumers.find(request.groupId)
    return group === undefined ? this.#membership.heartbeat(request) : this.#classicMembers.heartbeat(group, request)
  }

  leave(groupId: string, leaving: readonly LeavingMember[]): Decision<LeaveGroupResponse['members']> {
    const group = this.consumers.find(groupId)
    return group === undefined ? this.#membership.leave(groupId, leaving) : this.#classicMembers.leave(group, leaving)
  }

  list(statesFilter: ReadonlySet<string>, typesFilter: ReadonlySet<string>): ListedGroup[] {
    const groups: ListedGroup[] = []
    for (const { groupId, type, state, protocolType } of this.#groups.values()) {
      if (statesFilter.size > 0 && !statesFilter.has(state.toLowerCase())) continue
      if (typesFilter.size > 0 && !typesFilter.has(type.toLowerCase())) continue
      groups.push({ groupId, protocolType: protocolType ?? '', groupState: state, groupType: type.toLowerCase() })
    }
    return groups
  }

  describe(groupId: string): DescribedGroup | null {
    const group = this.#classic(groupId)
    if (group === undefined) return null
    // The members' metadata is useful only for the chosen protocol.
    const protocol = group.state === 'Stable' ? group.protocolName : null
    return {
      errorCode: 0,
      errorMessage: null,
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: protocol ?? '',
      members: Array.from(group.members.values(), member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: protocol === null ? noBytes : member.metadata(protocol),
        memberAssignment: member.assignment,
      })),
    }
  }

  /** null: there is no such group, or it is of another protocol. */
  describeConsumer(groupId: string): DescribedConsumerGroup | null {
    const group = this.consumers.find(groupId)
    return group === undefined ? null : describeConsumerGroup(group, this.#topics, this.consumers.progress.defaultAssignor)
  }

  /** 0 for a group that does not exist. */
  memberCount(groupId: string): number {
    return this.#groups.get(groupId)?.members.size ?? 0
  }

  get groupCount(): number {
    return this.#groups.size
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  /** One step; the response says whether it is the last one. Throws GROUP_ID_NOT_FOUND and NON_EMPTY_GROUP. */
  delete(groupId: string): Decision<boolean> {
    const group = this.#groups.get(groupId)
    if (group === undefined) throw new KafkaError('GROUP_ID_NOT_FOUND', `Group ${groupId} not found`)
    group.validateDelete()
    const records = this.commits.deleteAll(groupId, mostTombstones)
    const last = records.length < mostTombstones
    if (last) records.push(...group.tombstones())
    return { records, response: last, atomic: false }
  }

  /** One step; the response says whether it is the last one. */
  topicDeleted(topic: { name: string; id: Uuid }): Decision<boolean> {
    const records = this.commits.topicDeleted(topic, mostTombstones)
    const last = records.length < mostTombstones
    if (last) {
      for (const group of this.#groups.values()) if (group instanceof ShareGroup) records.push(...group.without(new Set([topic.id])))
    }
    return { records, response: last, atomic: false }
  }

  readonly #now = (): number => this.#context.clock.now()

  #classic(groupId: string): ClassicGroup | undefined {
    const group = this.#groups.get(groupId)
    return group instanceof ClassicGroup ? group : undefined
  }

  #becameClassic(groupId: string, rebalance: boolean): Decision<void> | null {
    const group = this.#classic(groupId)
    if (group === undefined) return null
    this.#rebalancer.resume(group)
    return rebalance && group.canRebalance ? { records: this.#rebalancer.prepare(group), response: undefined } : null
  }

  #remove(groupId: string): void {
    this.#groups.delete(groupId)
    if (this.#hasOffsets(groupId)) this.#orphans.add(groupId)
  }

  #hasOffsets(groupId: string): boolean {
    return this.#offsets.ofGroup(groupId).size > 0 || this.#offsets.hasOpenTransaction(groupId)
  }

  #isOrphan(groupId: string): boolean {
    return this.#orphans.size > 0 && this.#orphans.delete(groupId)
  }

  #create(groupId: string): ClassicGroup {
    const group = new ClassicGroup(groupId, this.#now)
    this.#groups.set(groupId, group)
    return group
  }

  #settleOffsets(): void {
    if (!this.#offsets.settle(mostSettled) || !this.#live) return
    this.#context.scheduleIfAbsent(settlingKey, 1, () => {
      this.#settleOffsets()
      return { records: [], response: undefined }
    })
  }

  #scheduleExpiry(): void {
    this.#context.schedule(expiryKey, this.#settings.offsetsRetentionCheckIntervalMs, () => this.#expire(this.#groups.values()))
  }

  /** One step over the groups, which may come and go between steps. `next`: where the last step stopped. */
  #expire(groups: Iterator<Group, undefined>, next?: Group): Decision<void> {
    const records: LogRecord[] = []
    let group = next !== undefined && this.#groups.get(next.groupId) === next ? next : groups.next().value
    for (let lookedAt = 0; group !== undefined && lookedAt < mostLookedAt; group = groups.next().value) {
      for (const record of this.commits.expire(group, mostTombstones - records.length)) records.push(record)
      // The next step begins with the rest of this group.
      if (records.length >= mostTombstones) break
      lookedAt += 1 + this.commits.count(group.groupId)
    }
    if (group === undefined) this.#scheduleExpiry()
    else this.#context.schedule(expiryKey, 1, () => this.#expire(groups, group))
    return { records, response: undefined, atomic: false }
  }
}

/** Version 4, as `UUID.randomUUID()` prints it. */
function javaUuid(system: System): string {
  const bytes = Buffer.allocUnsafe(16)
  system.random.fill(bytes)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
