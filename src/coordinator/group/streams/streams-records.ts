/** The records of `__consumer_offsets` for streams groups (KIP-1071), as Kafka 4.4 writes them. */
import type { Int64 } from '../../../base.ts'
import {
  decodeRecordKey,
  decodeRecordValue,
  encodeRecordKey,
  encodeRecordValue,
  type Fields,
  streamsGroupRecords as kinds,
  type Message,
  type MessageOf,
  recordId,
} from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import { type MemberMetadata, type MemberProgress, type MemberState, memberStates, type StreamsMember } from './member.ts'
import { type ActiveTasks, addActive, compareText, listOf, type TaskSets, tasksOf } from './tasks.ts'

const version = 0

type ValueOf<R> = R extends { value: Message<infer F extends Fields> } ? MessageOf<F> : never
/** As sent by the first member; KIP-1071 has no way to change it yet. */
export type Topology = ValueOf<typeof kinds.streamsGroupTopology>
export type Subtopology = Topology['subtopologies'][number]
export type TopicInfo = Subtopology['stateChangelogTopics'][number]
type StoredTaskIds = ValueOf<typeof kinds.streamsGroupCurrentMemberAssignment>['activeTasks']

export interface GroupMetadata {
  epoch: number
  metadataHash: Int64
  /** Of the topology whose topics were all there and right when the epoch was bumped; -1: they were not. */
  validatedTopologyEpoch: number
  /** What the assignment depends on besides members and topics. */
  assignmentConfigs: ReadonlyMap<string, string>
  /** Kafka's plug-in for topology descriptions sets these; here they are only kept. */
  storedDescriptionTopologyEpoch: number
  failedDescriptionTopologyEpoch: number
}

/** What one record says. `null` instead of a value: it is gone. */
export type StreamsRecord = { groupId: string } & (
  | { type: 'metadata'; value: GroupMetadata | null }
  | { type: 'topology'; value: Topology | null }
  | { type: 'target-epoch'; value: { epoch: number; timestampMs: Int64 } | null }
  | { type: 'member'; memberId: string; value: MemberMetadata | null }
  | { type: 'target'; memberId: string; value: TaskSets | null }
  | { type: 'current'; memberId: string; value: MemberProgress | null }
)

const { streamsGroupMetadata, streamsGroupTopology, streamsGroupMemberMetadata, streamsGroupTargetAssignmentMetadata } = kinds
const { streamsGroupTargetAssignmentMember, streamsGroupCurrentMemberAssignment } = kinds

export function metadataRecord(groupId: string, metadata: GroupMetadata): LogRecord {
  const { assignmentConfigs, ...rest } = metadata
  return {
    key: encodeRecordKey(streamsGroupMetadata, { groupId }),
    value: encodeRecordValue(streamsGroupMetadata, version, { ...rest, lastAssignmentConfigs: keyValues(assignmentConfigs) }),
  }
}

export function topologyRecord(groupId: string, topology: Topology): LogRecord {
  return { key: encodeRecordKey(streamsGroupTopology, { groupId }), value: encodeRecordValue(streamsGroupTopology, version, topology) }
}

export function memberRecord(groupId: string, member: StreamsMember): LogRecord {
  const { memberId, clientTags } = member
  return {
    key: encodeRecordKey(streamsGroupMemberMetadata, { groupId, memberId }),
    value: encodeRecordValue(streamsGroupMemberMetadata, version, { ...member, clientTags: keyValues(clientTags) }),
  }
}

export function targetEpochRecord(groupId: string, assignmentEpoch: number, assignmentTimestamp: Int64): LogRecord {
  return {
    key: encodeRecordKey(streamsGroupTargetAssignmentMetadata, { groupId }),
    value: encodeRecordValue(streamsGroupTargetAssignmentMetadata, version, { assignmentEpoch, assignmentTimestamp }),
  }
}

export function targetRecord(groupId: string, memberId: string, { active, standby, warmup }: TaskSets): LogRecord {
  return {
    key: encodeRecordKey(streamsGroupTargetAssignmentMember, { groupId, memberId }),
    value: encodeRecordValue(streamsGroupTargetAssignmentMember, version, {
      activeTasks: listOf(active),
      standbyTasks: listOf(standby),
      warmupTasks: listOf(warmup),
    }),
  }
}

export function currentRecord(groupId: string, member: StreamsMember): LogRecord {
  const { memberId, memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation } = member
  return {
    key: encodeRecordKey(streamsGroupCurrentMemberAssignment, { groupId, memberId }),
    value: encodeRecordValue(streamsGroupCurrentMemberAssignment, version, {
      memberEpoch,
      previousMemberEpoch,
      state: memberStates[state],
      activeTasks: listWithEpochs(assigned.active),
      standbyTasks: listOf(assigned.standby),
      warmupTasks: listOf(assigned.warmup),
      activeTasksPendingRevocation: listWithEpochs(pendingRevocation.active),
      standbyTasksPendingRevocation: listOf(pendingRevocation.standby),
      warmupTasksPendingRevocation: listOf(pendingRevocation.warmup),
    }),
  }
}

const memberTombstone = {
  current: (groupId: string, memberId: string) => gone(encodeRecordKey(streamsGroupCurrentMemberAssignment, { groupId, memberId })),
  target: (groupId: string, memberId: string) => gone(encodeRecordKey(streamsGroupTargetAssignmentMember, { groupId, memberId })),
  member: (groupId: string, memberId: string) => gone(encodeRecordKey(streamsGroupMemberMetadata, { groupId, memberId })),
}

/** In Kafka's order: what depends on the member goes first. */
export function memberTombstones(groupId: string, memberId: string): LogRecord[] {
  const { current, target, member } = memberTombstone
  return [current(groupId, memberId), target(groupId, memberId), member(groupId, memberId)]
}

export function groupTombstones(groupId: string, memberIds: readonly string[]): LogRecord[] {
  const { current, target, member } = memberTombstone
  return [
    ...memberIds.map(memberId => current(groupId, memberId)),
    ...memberIds.map(memberId => target(groupId, memberId)),
    gone(encodeRecordKey(streamsGroupTargetAssignmentMetadata, { groupId })),
    ...memberIds.map(memberId => member(groupId, memberId)),
    gone(encodeRecordKey(streamsGroupMetadata, { groupId })),
    gone(encodeRecordKey(streamsGroupTopology, { groupId })),
  ]
}

/** null: the record is of another kind of group. */
export function decodeStreamsRecord(key: Buffer, value: Buffer | null): StreamsRecord | null {
  switch (recordId(key)) {
    case streamsGroupMetadata.id: {
      const { groupId } = decodeRecordKey(streamsGroupMetadata, key)
      if (value === null) return { type: 'metadata', groupId, value: null }
      const { lastAssignmentConfigs, ...rest } = decodeRecordValue(streamsGroupMetadata, value)
      return { type: 'metadata', groupId, value: { ...rest, assignmentConfigs: mapOf(lastAssignmentConfigs ?? []) } }
    }
    case streamsGroupTopology.id: {
      const { groupId } = decodeRecordKey(streamsGroupTopology, key)
      return { type: 'topology', groupId, value: value === null ? null : decodeRecordValue(streamsGroupTopology, value) }
    }
    case streamsGroupTargetAssignmentMetadata.id: {
      const { groupId } = decodeRecordKey(streamsGroupTargetAssignmentMetadata, key)
      if (value === null) return { type: 'target-epoch', groupId, value: null }
      const { assignmentEpoch, assignmentTimestamp } = decodeRecordValue(streamsGroupTargetAssignmentMetadata, value)
      return { type: 'target-epoch', groupId, value: { epoch: assignmentEpoch, timestampMs: assignmentTimestamp } }
    }
    case streamsGroupMemberMetadata.id: {
      const { groupId, memberId } = decodeRecordKey(streamsGroupMemberMetadata, key)
      if (value === null) return { type: 'member', groupId, memberId, value: null }
      const { clientTags, ...rest } = decodeRecordValue(streamsGroupMemberMetadata, value)
      return { type: 'member', groupId, memberId, value: { ...rest, clientTags: mapOf(clientTags) } }
    }
    case streamsGroupTargetAssignmentMember.id: {
      const { groupId, memberId } = decodeRecordKey(streamsGroupTargetAssignmentMember, key)
      if (value === null) return { type: 'target', groupId, memberId, value: null }
      const { activeTasks, standbyTasks, warmupTasks } = decodeRecordValue(streamsGroupTargetAssignmentMember, value)
      const target = { active: tasksOf(activeTasks), standby: tasksOf(standbyTasks), warmup: tasksOf(warmupTasks) }
      return { type: 'target', groupId, memberId, value: target }
    }
    case streamsGroupCurrentMemberAssignment.id: {
      const { groupId, memberId } = decodeRecordKey(streamsGroupCurrentMemberAssignment, key)
      return { type: 'current', groupId, memberId, value: value === null ? null : storedProgress(value) }
    }
    default:
      return null
  }
}

function storedProgress(value: Buffer): MemberProgress {
  const stored = decodeRecordValue(streamsGroupCurrentMemberAssignment, value)
  const { memberEpoch, previousMemberEpoch } = stored
  return {
    memberEpoch,
    previousMemberEpoch,
    state: stateOf(stored.state),
    assigned: {
      active: withEpochs(stored.activeTasks, memberEpoch),
      standby: tasksOf(stored.standbyTasks),
      warmup: tasksOf(stored.warmupTasks),
    },
    pendingRevocation: {
      active: withEpochs(stored.activeTasksPendingRevocation, memberEpoch),
      standby: tasksOf(stored.standbyTasksPendingRevocation),
      warmup: tasksOf(stored.warmupTasksPendingRevocation),
    },
  }
}

function listWithEpochs(tasks: ActiveTasks): StoredTaskIds {
  return listOf(tasks).map(({ subtopologyId, partitions }) => ({
    subtopologyId,
    partitions,
    assignmentEpochs: partitions.map(partition => tasks.get(subtopologyId)!.get(partition)!),
  }))
}

/** Kafka before 4.3 stored no epochs of tasks: then it is the member's. */
function withEpochs(lists: StoredTaskIds, memberEpoch: number): ActiveTasks {
  const tasks = new Map<string, Map<number, number>>()
  for (const { subtopologyId, partitions, assignmentEpochs } of lists) {
    const epochs = assignmentEpochs?.length === partitions.length ? assignmentEpochs : null
    for (const [index, partition] of partitions.entries()) addActive(tasks, subtopologyId, partition, epochs?.[index] ?? memberEpoch)
  }
  return tasks
}

function stateOf(number: number): MemberState {
  for (const [name, value] of Object.entries(memberStates)) if (value === number) return name as MemberState
  return 'UNKNOWN'
}

function keyValues(map: ReadonlyMap<string, string>): { key: string; value: string }[] {
  return Array.from(map, ([key, value]) => ({ key, value })).sort((a, b) => compareText(a.key, b.key))
}

function mapOf(list: readonly { key: string; value: string }[]): Map<string, string> {
  return new Map(list.map(({ key, value }) => [key, value]))
}

function gone(key: Buffer): LogRecord {
  return { key, value: null }
}
