/** The records of `__consumer_offsets` for share groups (KIP-932), as Kafka 4.4 writes them. */
import type { Int64 } from '../../../base.ts'
import {
  decodeRecordKey,
  decodeRecordValue,
  encodeRecordKey,
  encodeRecordValue,
  shareGroupRecords as kinds,
  recordId,
  type Uuid,
} from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import { listOf, type Target, targetOf } from '../consumer/partitions.ts'

const version = 0
/** STABLE: a share member has nothing to give back. */
const stableState = 1

export interface ShareMember {
  readonly memberId: string
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Sorted, each once. */
  readonly subscribedTopicNames: readonly string[]
  readonly assigned: Target
}

/** Partitions for which the share coordinator keeps state. */
export type InitializedTopics = ReadonlyMap<Uuid, { name: string; partitions: ReadonlySet<number> }>

/** What one record says. `null` instead of a value: it is gone. */
export type ShareRecord = { groupId: string } & (
  | { type: 'epoch'; value: { epoch: number; metadataHash: Int64 } | null }
  | { type: 'member'; memberId: string; value: Pick<ShareMember, 'rackId' | 'clientId' | 'clientHost' | 'subscribedTopicNames'> | null }
  | { type: 'target-epoch'; value: { epoch: number; timestampMs: Int64 } | null }
  | { type: 'target'; memberId: string; value: Target | null }
  | { type: 'current'; memberId: string; value: Pick<ShareMember, 'memberEpoch' | 'previousMemberEpoch' | 'assigned'> | null }
  | { type: 'initialized'; value: InitializedTopics | null }
)

const { shareGroupMetadata, shareGroupMemberMetadata, shareGroupTargetAssignmentMetadata, shareGroupTargetAssignmentMember } = kinds
const { shareGroupCurrentMemberAssignment, shareGroupStatePartitionMetadata } = kinds

export function epochRecord(groupId: string, epoch: number, metadataHash: Int64): LogRecord {
  return {
    key: encodeRecordKey(shareGroupMetadata, { groupId }),
    value: encodeRecordValue(shareGroupMetadata, version, { epoch, metadataHash }),
  }
}

export function memberRecord(groupId: string, member: ShareMember): LogRecord {
  const { memberId, rackId, clientId, clientHost, subscribedTopicNames } = member
  return {
    key: encodeRecordKey(shareGroupMemberMetadata, { groupId, memberId }),
    value: encodeRecordValue(shareGroupMemberMetadata, version, {
      rackId,
      clientId,
      clientHost,
      subscribedTopicNames: [...subscribedTopicNames],
    }),
  }
}

export function targetEpochRecord(groupId: string, assignmentEpoch: number, assignmentTimestamp: Int64): LogRecord {
  return {
    key: encodeRecordKey(shareGroupTargetAssignmentMetadata, { groupId }),
    value: encodeRecordValue(shareGroupTargetAssignmentMetadata, version, { assignmentEpoch, assignmentTimestamp }),
  }
}

export function targetRecord(groupId: string, memberId: string, target: Target): LogRecord {
  return {
    key: encodeRecordKey(shareGroupTargetAssignmentMember, { groupId, memberId }),
    value: encodeRecordValue(shareGroupTargetAssignmentMember, version, { topicPartitions: listOf(target) }),
  }
}

export function currentRecord(groupId: string, { memberId, memberEpoch, previousMemberEpoch, assigned }: ShareMember): LogRecord {
  return {
    key: encodeRecordKey(shareGroupCurrentMemberAssignment, { groupId, memberId }),
    value: encodeRecordValue(shareGroupCurrentMemberAssignment, version, {
      memberEpoch,
      previousMemberEpoch,
      state: stableState,
      assignedPartitions: listOf(assigned),
    }),
  }
}

export function initializedRecord(groupId: string, topics: InitializedTopics): LogRecord {
  const initializedTopics = Array.from(topics, ([topicId, { name, partitions }]) => ({
    topicId,
    topicName: name,
    partitions: [...partitions].sort((a, b) => a - b),
  }))
  return {
    key: encodeRecordKey(shareGroupStatePartitionMetadata, { groupId }),
    value: encodeRecordValue(shareGroupStatePartitionMetadata, version, { initializingTopics: [], initializedTopics, deletingTopics: [] }),
  }
}

export function memberTombstones(groupId: string, memberId: string): LogRecord[] {
  const key = { groupId, memberId }
  return [
    { key: encodeRecordKey(shareGroupCurrentMemberAssignment, key), value: null },
    { key: encodeRecordKey(shareGroupTargetAssignmentMember, key), value: null },
    { key: encodeRecordKey(shareGroupMemberMetadata, key), value: null },
  ]
}

export function groupTombstones(groupId: string): LogRecord[] {
  return [
    { key: encodeRecordKey(shareGroupTargetAssignmentMetadata, { groupId }), value: null },
    { key: encodeRecordKey(shareGroupStatePartitionMetadata, { groupId }), value: null },
    { key: encodeRecordKey(shareGroupMetadata, { groupId }), value: null },
  ]
}

/** null: the record is of another kind of group. */
export function decodeShareRecord(key: Buffer, value: Buffer | null): ShareRecord | null {
  switch (recordId(key)) {
    case shareGroupMetadata.id: {
      const { groupId } = decodeRecordKey(shareGroupMetadata, key)
      return { type: 'epoch', groupId, value: value === null ? null : decodeRecordValue(shareGroupMetadata, value) }
    }
    case shareGroupMemberMetadata.id: {
      const { groupId, memberId } = decodeRecordKey(shareGroupMemberMetadata, key)
      return { type: 'member', groupId, memberId, value: value === null ? null : decodeRecordValue(shareGroupMemberMetadata, value) }
    }
    case shareGroupTargetAssignmentMetadata.id: {
      const { groupId } = decodeRecordKey(shareGroupTargetAssignmentMetadata, key)
      if (value === null) return { type: 'target-epoch', groupId, value: null }
      const { assignmentEpoch, assignmentTimestamp } = decodeRecordValue(shareGroupTargetAssignmentMetadata, value)
      return { type: 'target-epoch', groupId, value: { epoch: assignmentEpoch, timestampMs: assignmentTimestamp } }
    }
    case shareGroupTargetAssignmentMember.id: {
      const { groupId, memberId } = decodeRecordKey(shareGroupTargetAssignmentMember, key)
      if (value === null) return { type: 'target', groupId, memberId, value: null }
      return {
        type: 'target',
        groupId,
        memberId,
        value: targetOf(decodeRecordValue(shareGroupTargetAssignmentMember, value).topicPartitions),
      }
    }
    case shareGroupCurrentMemberAssignment.id: {
      const { groupId, memberId } = decodeRecordKey(shareGroupCurrentMemberAssignment, key)
      if (value === null) return { type: 'current', groupId, memberId, value: null }
      const { memberEpoch, previousMemberEpoch, assignedPartitions } = decodeRecordValue(shareGroupCurrentMemberAssignment, value)
      return { type: 'current', groupId, memberId, value: { memberEpoch, previousMemberEpoch, assigned: targetOf(assignedPartitions) } }
    }
    case shareGroupStatePartitionMetadata.id: {
      const { groupId } = decodeRecordKey(shareGroupStatePartitionMetadata, key)
      if (value === null) return { type: 'initialized', groupId, value: null }
      // What a Kafka was still setting up when it stopped is set up here by the first fetch.
      const { initializingTopics, initializedTopics } = decodeRecordValue(shareGroupStatePartitionMetadata, value)
      const topics = new Map<Uuid, { name: string; partitions: Set<number> }>()
      for (const { topicId, topicName, partitions } of [...initializedTopics, ...initializingTopics]) {
        const known = topics.get(topicId)
        topics.set(topicId, { name: topicName, partitions: new Set([...(known?.partitions ?? []), ...partitions]) })
      }
      return { type: 'initialized', groupId, value: topics }
    }
    default:
      return null
  }
}
