/**
 * One KIP-848 group: the state in its records, and what derives from it (owners of partitions, static members, subscriptions).
 * Only `replay` changes it; decisions are made elsewhere.
 */
import type { Int64 } from '../../../base.ts'
import { KafkaError, type Uuid } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import type { CommittedPartition, Group, StoredOffset } from '../group-contract.ts'
import { leaveEpoch, Members, memberEpochsFrom } from '../members.ts'
import { type ConsumerRecord, groupTombstones, memberTombstones, type ResolvedRegex, regexTombstone } from './consumer-records.ts'
import { bytesTold, type ConsumerMember, isReconciled, newMember } from './member.ts'
import { type Held, noneHeld, noTarget, type Target } from './partitions.ts'

export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable'

export class ConsumerGroup implements Group {
  readonly type = 'Consumer'
  readonly protocolType = 'consumer'
  readonly groupId: string
  groupEpoch = 0
  /** Of the subscribed topics, when the epoch was last bumped. */
  metadataHash: Int64 = 0
  assignmentEpoch = 0
  assignmentTimestampMs: Int64 = 0
  readonly members: Members<ConsumerMember>
  readonly targets = new Map<string, Target>()
  readonly regexes = new Map<string, ResolvedRegex>()
  /**
   * Soft: which state of the topics the group has been compared with. It holds for groups of that epoch or newer, so that it lapses when
   * the records of the comparison were not written.
   */
  comparedWith = { topicsVersion: -1, groupEpoch: 0 }
  /** Bytes of the metadata of all members. */
  toldBytes = 0
  readonly #owners = new Map<Uuid, Map<number, string>>()
  #hasPartitionMetadata = false
  /** How many members name each topic. Counted when a member changes, because hundreds may each name thousands. */
  readonly #named = new Map<string, number>()
  /** Topics that any member subscribes to; null: to be collected. */
  #subscribed: ReadonlySet<string> | null = null

  constructor(groupId: string) {
    this.groupId = groupId
    this.members = new Members(groupId)
  }

  replay(record: ConsumerRecord): void {
    switch (record.type) {
      case 'epoch':
        this.groupEpoch = record.value?.epoch ?? 0
        this.metadataHash = record.value?.metadataHash ?? 0
        return
      case 'partition-metadata':
        this.#hasPartitionMetadata = true
        return
      case 'target-epoch':
        this.assignmentEpoch = record.value?.epoch ?? 0
        this.assignmentTimestampMs = record.value?.timestampMs ?? 0
        return
      case 'target':
        if (record.value === null) this.targets.delete(record.memberId)
        else this.targets.set(record.memberId, record.value)
        return
      case 'regex':
        if (record.value === null) this.regexes.delete(record.regex)
        else this.regexes.set(record.regex, record.value)
        this.#subscribed = null
        return
      case 'member': {
        const before = this.members.get(record.memberId)
        if (record.value === null) this.#removeMember(record.memberId)
        else this.#putMember({ ...(before ?? newMember(record.memberId)), ...record.value })
        this.toldBytes += bytesTold(this.members.get(record.memberId)) - bytesTold(before)
        return
      }
      case 'current':
        this.#replayCurrent(record.memberId, record.value)
    }
  }

  #replayCurrent(memberId: string, value: (ConsumerRecord & { type: 'current' })['value']): void {
    const member = this.members.get(memberId)
    if (member !== undefined) {
      this.#disown(member.assigned, memberId)
      this.#disown(member.pendingRevocation, memberId)
    }
    if (value !== null) {
      this.#putMember({ ...(member ?? newMember(memberId)), ...value })
      this.#own(value.assigned, memberId)
      this.#own(value.pendingRevocation, memberId)
    } else if (member !== undefined) {
      const gone = { memberEpoch: leaveEpoch, previousMemberEpoch: leaveEpoch, assigned: noneHeld, pendingRevocation: noneHeld }
      this.#putMember({ ...member, ...gone })
    }
  }

  #putMember(member: ConsumerMember): void {
    const before = this.members.get(member.memberId)?.subscribedTopicNames ?? []
    if (before !== member.subscribedTopicNames) {
      count(this.#named, before, -1)
      count(this.#named, member.subscribedTopicNames, 1)
    }
    this.members.set(member.memberId, member)
    this.#subscribed = null
  }

  #removeMember(memberId: string): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    this.#disown(member.assigned, memberId)
    this.#disown(member.pendingRevocation, memberId)
    count(this.#named, member.subscribedTopicNames, -1)
    this.members.delete(memberId)
    this.#subscribed = null
  }

  /** After compaction the records of two owners may come in either order: the last one counts, and only it can release the partition. */
  #own(held: Held, memberId: string): void {
    for (const [topicId, partitions] of held) {
      let owners = this.#owners.get(topicId)
      if (owners === undefined) this.#owners.set(topicId, (owners = new Map()))
      for (const partition of partitions.keys()) owners.set(partition, memberId)
    }
  }

  #disown(held: Held, memberId: string): void {
    for (const [topicId, partitions] of held) {
      const owners = this.#owners.get(topicId)
      if (owners === undefined) continue
      for (const partition of partitions.keys()) if (owners.get(partition) === memberId) owners.delete(partition)
      if (owners.size === 0) this.#owners.delete(topicId)
    }
  }

  get state(): ConsumerGroupState {
    if (this.members.size === 0) return 'Empty'
    if (this.groupEpoch > this.assignmentEpoch) return 'Assigning'
    for (const member of this.members.values()) if (!isReconciled(member, this.assignmentEpoch)) return 'Reconciling'
    return 'Stable'
  }

  get isEmpty(): boolean {
    return this.members.size === 0
  }

  get isDeletable(): boolean {
    return this.isEmpty
  }

  isOwned(topicId: Uuid, partition: number): boolean {
    return this.#owners.get(topicId)?.has(partition) ?? false
  }

  /** What it should have; a static member inherits from its predecessor. */
  targetOf(memberId: string, instanceId: string | null): Target {
    return this.targets.get(this.members.ofInstance(instanceId)?.memberId ?? memberId) ?? noTarget
  }

  /** Names of all topics that members will subscribe to when those in `gone` have left and `after` has joined or changed. */
  topicsOfAll(
    regexes: ReadonlyMap<string, ResolvedRegex> = this.regexes,
    gone: Iterable<ConsumerMember> = [],
    after: ConsumerMember | null = null,
  ): ReadonlySet<string> {
    const named = new Map(this.#named)
    const left = new Set(gone)
    const replaced = after === null ? undefined : this.members.replacedBy(after)
    if (replaced !== undefined) left.add(replaced)
    for (const { subscribedTopicNames } of left) count(named, subscribedTopicNames, -1)
    if (after !== null) count(named, after.subscribedTopicNames, 1)
    const names = new Set(named.keys())
    const used = new Set(after === null ? [] : [after.subscribedTopicRegex])
    for (const member of this.members.values()) if (!left.has(member)) used.add(member.subscribedTopicRegex)
    for (const regex of used) for (const name of regexes.get(regex)?.topics ?? []) names.add(name)
    return names
  }

  /** Whether it has, with the member as it will be, about so many topics. */
  hasTopics(many: number, after: ConsumerMember, regexes: ReadonlyMap<string, ResolvedRegex>): boolean {
    const matched = regexes.get(after.subscribedTopicRegex)?.topics.length ?? 0
    return Math.max(this.#named.size, this.#owners.size, after.subscribedTopicNames.length, matched) >= many
  }

  /** The assignor that most members request; null if none does. */
  preferredAssignor(members: Iterable<ConsumerMember> = this.members.values()): string | null {
    const votes = new Map<string, number>()
    for (const { serverAssignor } of members) if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1)
    let best: string | null = null
    for (const [name, count] of votes) if (best === null || count > votes.get(best)!) best = name
    return best
  }

  usesRegex(regex: string, butFor: string | null = null): boolean {
    for (const member of this.members.values()) if (member.subscribedTopicRegex === regex && member.memberId !== butFor) return true
    return false
  }

  isSubscribedTo(topic: string): boolean {
    this.#subscribed ??= this.topicsOfAll()
    return this.#subscribed.has(topic)
  }

  validateOffsetCommit(
    memberId: string,
    groupInstanceId: string | null,
    memberEpoch: number,
    transactional: boolean,
    apiVersion: number,
    partitions: Iterable<CommittedPartition>,
  ): void {
    // An admin client, or a consumer or a transactional producer that does without group membership.
    if (memberEpoch < 0 && this.isEmpty) return
    if (transactional && memberEpoch === -1 && memberId === '' && groupInstanceId === null) return
    const member = this.members.require(memberId)
    if (member.classic !== null) {
      requireGeneration(memberEpoch, member)
      return
    }
    if (!transactional && apiVersion < memberEpochsFrom) {
      throw new KafkaError(
        'UNSUPPORTED_VERSION',
        `OffsetCommit version ${memberEpochsFrom} or above must be used by members using the modern group protocol`,
      )
    }
    if (memberEpoch === member.memberEpoch) return
    // KIP-1251: what the member has held since that epoch is still its own.
    const older = memberEpoch >= 0 && memberEpoch < member.memberEpoch
    for (const { topicId, partition } of partitions) {
      const since = member.assigned.get(topicId)?.get(partition) ?? member.pendingRevocation.get(topicId)?.get(partition)
      if (!older || since === undefined || since > memberEpoch) throw staleEpoch(memberEpoch, member)
    }
    if (!older) throw staleEpoch(memberEpoch, member)
  }

  validateOffsetFetch(memberId: string | null, memberEpoch: number): void {
    if (memberId === null && memberEpoch < 0) return
    const member = this.members.require(memberId ?? '')
    if (member.classic !== null) requireGeneration(memberEpoch, member)
    else if (memberEpoch !== member.memberEpoch) throw staleEpoch(memberEpoch, member)
  }

  validateOffsetDelete(): void {}

  validateDelete(): void {
    if (!this.isEmpty) throw new KafkaError('NON_EMPTY_GROUP', 'The group is not empty.')
  }

  retentionStart(): (offset: StoredOffset) => Int64 {
    return offset => offset.commitTimestampMs
  }

  tombstones(): LogRecord[] {
    const { groupId } = this
    const records: LogRecord[] = []
    for (const memberId of new Set([...this.members.keys(), ...this.targets.keys()])) records.push(...memberTombstones(groupId, memberId))
    for (const regex of this.regexes.keys()) records.push(regexTombstone(groupId, regex))
    records.push(...groupTombstones(groupId, this.#hasPartitionMetadata))
    return records
  }

  kill(): void {}
}

function requireGeneration(generationId: number, { memberEpoch }: ConsumerMember): void {
  if (generationId === memberEpoch) return
  throw new KafkaError(
    'ILLEGAL_GENERATION',
    `The received generation id ${generationId} does not match the expected member epoch ${memberEpoch}.`,
  )
}

function staleEpoch(received: number, { memberEpoch }: ConsumerMember): KafkaError {
  return new KafkaError(
    'STALE_MEMBER_EPOCH',
    `The received member epoch ${received} does not match the expected member epoch ${memberEpoch}.`,
  )
}

function count(named: Map<string, number>, names: readonly string[], by: number): void {
  for (const name of names) {
    const left = (named.get(name) ?? 0) + by
    if (left === 0) named.delete(name)
    else named.set(name, left)
  }
}
