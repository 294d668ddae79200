/**
 * One streams group (KIP-1071): the state in its records, and what derives from it (processes that run a task, static members).
 * Only `replay` changes it, except for the soft state in the last fields; decisions are made elsewhere.
 */
import type { Int64 } from '../../../base.ts'
import { KafkaError } from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import type { CommittedPartition, Group, StoredOffset } from '../group-contract.ts'
import { leaveEpoch, Members, memberEpochsFrom } from '../members.ts'
import type { ConfiguredTopology } from './internal-topics.ts'
import { bytesTold, isReconciled, newMember, type StreamsMember } from './member.ts'
import type { Runners } from './reconcile.ts'
import { type GroupMetadata, groupTombstones, type StreamsRecord, type Topology } from './streams-records.ts'
import { TaskRunners } from './task-runners.ts'
import { noHeldTasks, noTasks, type TaskSets } from './tasks.ts'
import { subtopologyBySource } from './topology.ts'

export type StreamsGroupState = 'Empty' | 'NotReady' | 'Assigning' | 'Reconciling' | 'Stable'

export type Offsets = ReadonlyMap<string, ReadonlyMap<number, Int64>>

/** How far a member's process has the state of tasks, and how far it could be. */
export interface TaskOffsets {
  offsets: Offsets
  endOffsets: Offsets
}

/** Epochs begin at 1, so that no member's is 0 while nothing is assigned yet. */
const firstEpoch = 1

const noMetadata: GroupMetadata = {
  epoch: firstEpoch,
  metadataHash: 0,
  validatedTopologyEpoch: -1,
  assignmentConfigs: new Map(),
  storedDescriptionTopologyEpoch: -1,
  failedDescriptionTopologyEpoch: -1,
}

export class StreamsGroup implements Group {
  readonly type = 'Streams'
  readonly protocolType = 'streams'
  readonly groupId: string
  metadata: GroupMetadata = noMetadata
  assignmentEpoch = firstEpoch
  assignmentTimestampMs: Int64 = 0
  topology: Topology | null = null
  readonly members: Members<StreamsMember>
  readonly targets = new Map<string, TaskSets>()
  /** Bytes of the metadata of all members. */
  toldBytes = 0
  readonly #runners = new TaskRunners()
  #sources: ReadonlyMap<string, string> = new Map()

  /** Soft: what the topology comes to with the topics of `topicsVersion`, for groups of that epoch or newer. */
  configured: ConfiguredTopology | null = null
  comparedWith = { topicsVersion: -1, groupEpoch: 0 }
  /** Soft: sent by members, lost with the shard. */
  readonly taskOffsets = new Map<string, TaskOffsets>()
  shutdownRequestedBy: string | null = null
  /** Soft: increases when the endpoint or tasks of any member change; a member with another value gets all endpoints. */
  endpointEpoch = 0

  constructor(groupId: string) {
    this.groupId = groupId
    this.members = new Members(groupId)
  }

  replay(record: StreamsRecord): void {
    switch (record.type) {
      case 'metadata':
        this.metadata = record.value ?? noMetadata
        return
      case 'topology':
        this.topology = record.value
        this.#sources = record.value === null ? new Map() : subtopologyBySource(record.value)
        return
      case 'target-epoch':
        this.assignmentEpoch = record.value?.epoch ?? -1
        this.assignmentTimestampMs = record.value?.timestampMs ?? 0
        return
      case 'target':
        if (record.value === null) this.targets.delete(record.memberId)
        else this.targets.set(record.memberId, record.value)
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

  #replayCurrent(memberId: string, value: (StreamsRecord & { type: 'current' })['value']): void {
    const member = this.members.get(memberId)
    if (value !== null) this.#putMember({ ...(member ?? newMember(memberId)), ...value })
    else if (member !== undefined) {
      const gone = { memberEpoch: leaveEpoch, previousMemberEpoch: leaveEpoch, assigned: noHeldTasks, pendingRevocation: noHeldTasks }
      this.#putMember({ ...member, ...gone })
    }
  }

  #putMember(member: StreamsMember): void {
    const { memberId } = member
    this.#runners.remove(this.members.get(memberId))
    this.members.set(memberId, member)
    this.#runners.add(member)
  }

  #removeMember(memberId: string): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    this.#runners.remove(member)
    this.members.delete(memberId)
    this.taskOffsets.delete(memberId)
    if (this.isEmpty) this.shutdownRequestedBy = null
  }

  get groupEpoch(): number {
    return this.metadata.epoch
  }

  get runners(): Runners {
    return this.#runners
  }

  get state(): StreamsGroupState {
    if (this.isEmpty) return 'Empty'
    if (this.topology?.epoch !== this.metadata.validatedTopologyEpoch) return 'NotReady'
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

  /** What it should have; a static member inherits from its predecessor. */
  targetOf({ memberId, instanceId }: StreamsMember): TaskSets | undefined {
    return this.targets.get(memberId) ?? this.targets.get(this.members.ofInstance(instanceId)?.memberId ?? '')
  }

  requestShutdown(memberId: string): void {
    this.shutdownRequestedBy ??= memberId
  }

  isSubscribedTo(topic: string): boolean {
    return !this.isEmpty && this.#sources.has(topic)
  }

  validateOffsetCommit(
    memberId: string,
    groupInstanceId: string | null,
    memberEpoch: number,
    transactional: boolean,
    apiVersion: number,
    partitions: Iterable<CommittedPartition>,
  ): void {
    // An admin client, or a transactional producer that does without group membership.
    if (memberEpoch < 0 && this.isEmpty) return
    if (transactional && memberEpoch === -1 && memberId === '' && groupInstanceId === null) return
    const member = this.members.require(memberId)
    if (!transactional && apiVersion < memberEpochsFrom) {
      throw new KafkaError(
        'UNSUPPORTED_VERSION',
        `OffsetCommit version ${memberEpochsFrom} or above must be used by members using the streams group protocol`,
      )
    }
    if (memberEpoch === member.memberEpoch) return
    if (memberEpoch > member.memberEpoch) {
      throw stale(`Received member epoch ${memberEpoch} is newer than current member epoch ${member.memberEpoch}.`)
    }
    for (const { topic, partition } of partitions) this.#requireHeldSince(member, memberEpoch, topic, partition)
  }

  /** KIP-1251: what the member has held since that epoch is still its own. */
  #requireHeldSince({ assigned, pendingRevocation }: StreamsMember, memberEpoch: number, topic: string, partition: number): void {
    const id = this.#sources.get(topic)
    if (id === undefined) throw stale(`Topic ${topic} is not in the topology.`)
    const since = assigned.active.get(id)?.get(partition) ?? pendingRevocation.active.get(id)?.get(partition)
    if (since === undefined) throw stale(`Task ${id}-${partition} is not assigned or pending revocation for member.`)
    if (memberEpoch >= since) return
    throw stale(`Received member epoch ${memberEpoch} is older than assignment epoch ${since} for task ${id}-${partition}.`)
  }

  validateOffsetFetch(memberId: string | null, memberEpoch: number): void {
    if (memberId === null && memberEpoch < 0) return
    const expected = this.members.require(memberId ?? '').memberEpoch
    if (memberEpoch === expected) return
    throw stale(`The received member epoch ${memberEpoch} does not match the expected member epoch ${expected}.`)
  }

  validateOffsetDelete(): void {}

  validateDelete(): void {
    if (!this.isEmpty) throw new KafkaError('NON_EMPTY_GROUP', 'The group is not empty.')
  }

  retentionStart(): (offset: StoredOffset) => Int64 {
    return offset => offset.commitTimestampMs
  }

  tombstones(): LogRecord[] {
    return groupTombstones(this.groupId, [...new Set([...this.members.keys(), ...this.targets.keys()])])
  }

  kill(): void {}
}

export const noTarget = noTasks

function stale(message: string): KafkaError {
  return new KafkaError('STALE_MEMBER_EPOCH', message)
}
