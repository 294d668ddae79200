/** The records of `__consumer_offsets` for KIP-848 groups, as Kafka 4.4 writes them. */
import type { Int64 } from '../../../base.ts'
import {
  decodeRecordKey,
  decodeRecordValue,
  encodeRecordKey,
  encodeRecordValue,
  consumerGroupRecords as kinds,
  recordId,
  type Uuid,
} from '../../../protocol.ts'
import type { LogRecord } from '../../shard.ts'
import { type ConsumerMember, type MemberState, memberStates, uniqueNames } from './member.ts'
import { type Held, listOf, type Target, targetOf } from './partitions.ts'

const version = 0

/** What one record says. `null` instead of a value: it is gone. */
export type ConsumerRecord = { groupId: string } & (
  | { type: 'epoch'; value: { epoch: number; metadataHash: Int64 } | null }
  | { type: 'member'; memberId: string; value: SaidByMember | null }
  | { type: 'target-epoch'; value: { epoch: number; timestampMs: Int64 } | null }
  | { type: 'target'; memberId: string; value: Target | null }
  | { type: 'current'; memberId: string; value: HeldByMember | null }
  | { type: 'regex'; regex: string; value: ResolvedRegex | null }
  /** Only versions before 4.1 wrote it; the hash in the epoch took its place. */
  | { type: 'partition-metadata' }
)

export interface ResolvedRegex {
  topics: readonly string[]
  version: Int64
  timestampMs: Int64
}

type SaidByMember = Pick<
  ConsumerMember,
  | 'instanceId'
  | 'rackId'
  | 'clientId'
  | 'clientHost'
  | 'subscribedTopicNames'
  | 'subscribedTopicRegex'
  | 'rebalanceTimeoutMs'
  | 'serverAssignor'
  | 'classic'
>
type HeldByMember = Pick<ConsumerMember, 'memberEpoch' | 'previousMemberEpoch' | 'state' | 'assigned' | 'pendingRevocation'>

const { consumerGroupMetadata, consumerGroupPartitionMetadata, consumerGroupMemberMetadata } = kinds
const { consumerGroupTargetAssignmentMetadata, consumerGroupTargetAssignmentMember } = kinds
const { consumerGroupCurrentMemberAssignment, consumerGroupRegularExpression } = kinds

export function epochRecord(groupId: string, epoch: number, metadataHash: Int64): LogRecord {
  return {
    key: encodeRecordKey(consumerGroupMetadata, { groupId }),
    value: encodeRecordValue(consumerGroupMetadata, version, { epoch, metadataHash }),
  }
}

export function memberRecord(groupId: string, member: ConsumerMember): LogRecord {
  const { memberId, classic } = member
  const value = encodeRecordValue(consumerGroupMemberMetadata, version, {
    instanceId: member.instanceId,
    rackId: member.rackId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    subscribedTopicNames: [...member.subscribedTopicNames],
    subscribedTopicRegex: member.subscribedTopicRegex,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    serverAssignor: member.serverAssignor,
    classicMemberMetadata:
      classic === null ? null : { sessionTimeoutMs: classic.sessionTimeoutMs, supportedProtocols: [...classic.supportedProtocols] },
  })
  return { key: encodeRecordKey(consumerGroupMemberMetadata, { groupId, memberId }), value }
}

export function targetEpochRecord(groupId: string, assignmentEpoch: number, assignmentTimestamp: Int64): LogRecord {
  return {
    key: encodeRecordKey(consumerGroupTargetAssignmentMetadata, { groupId }),
    value: encodeRecordValue(consumerGroupTargetAssignmentMetadata, version, { assignmentEpoch, assignmentTimestamp }),
  }
}

export function targetRecord(groupId: string, memberId: string, target: Target): LogRecord {
  return {
    key: encodeRecordKey(consumerGroupTargetAssignmentMember, { groupId, memberId }),
    value: encodeRecordValue(consumerGroupTargetAssignmentMember, version, { topicPartitions: listOf(target) }),
  }
}

export function currentRecord(groupId: string, member: ConsumerMember): LogRecord {
  const { memberId } = member
  return {
    key: encodeRecordKey(consumerGroupCurrentMemberAssignment, { groupId, memberId }),
    value: encodeRecordValue(consumerGroupCurrentMemberAssignment, version, {
      memberEpoch: member.memberEpoch,
      previousMemberEpoch: member.previousMemberEpoch,
      state: memberStates[member.state],
      assignedPartitions: heldToRecord(member.assigned),
      partitionsPendingRevocation: heldToRecord(member.pendingRevocation),
    }),
  }
}

export function regexRecord(groupId: string, regularExpression: string, resolved: ResolvedRegex): LogRecord {
  const { topics, version: metadataVersion, timestampMs } = resolved
  return {
    key: encodeRecordKey(consumerGroupRegularExpression, { groupId, regularExpression }),
    value: encodeRecordValue(consumerGroupRegularExpression, version, {
      topics: [...topics],
      version: metadataVersion,
      timestamp: timestampMs,
    }),
  }
}

export function regexTombstone(groupId: string, regularExpression: string): LogRecord {
  return { key: encodeRecordKey(consumerGroupRegularExpression, { groupId, regularExpression }), value: null }
}

/** In the order in which Kafka takes a member out. */
export function memberTombstones(groupId: string, memberId: string): LogRecord[] {
  const key = { groupId, memberId }
  return [
    { key: encodeRecordKey(consumerGroupCurrentMemberAssignment, key), value: null },
    { key: encodeRecordKey(consumerGroupTargetAssignmentMember, key), value: null },
    { key: encodeRecordKey(consumerGroupMemberMetadata, key), value: null },
  ]
}

/** The group itself, after its members and regular expressions. */
export function groupTombstones(groupId: string, withPartitionMetadata: boolean): LogRecord[] {
  const records: LogRecord[] = [{ key: encodeRecordKey(consumerGroupTargetAssignmentMetadata, { groupId }), value: null }]
  if (withPartitionMetadata) records.push({ key: encodeRecordKey(consumerGroupPartitionMetadata, { groupId }), value: null })
  records.push({ key: encodeRecordKey(consumerGroupMetadata, { groupId }), value: null })
  return records
}

/** null: the record is of another kind of group. */
export function decodeConsumerRecord(key: Buffer, value: Buffer | null): ConsumerRecord | null {
  switch (recordId(key)) {
    case consumerGroupMetadata.id: {
      const { groupId } = decodeRecordKey(consumerGroupMetadata, key)
      return { type: 'epoch', groupId, value: value === null ? null : decodeRecordValue(consumerGroupMetadata, value) }
    }
    case consumerGroupPartitionMetadata.id:
      return { type: 'partition-metadata', groupId: decodeRecordKey(consumerGroupPartitionMetadata, key).groupId }
    case consumerGroupMemberMetadata.id: {
      const { groupId, memberId } = decodeRecordKey(consumerGroupMemberMetadata, key)
      return { type: 'member', groupId, memberId, value: value === null ? null : saidByMember(value) }
    }
    case consumerGroupTargetAssignmentMetadata.id: {
      const { groupId } = decodeRecordKey(consumerGroupTargetAssignmentMetadata, key)
      if (value === null) return { type: 'target-epoch', groupId, value: null }
      const { assignmentEpoch, assignmentTimestamp } = decodeRecordValue(consumerGroupTargetAssignmentMetadata, value)
      return { type: 'target-epoch', groupId, value: { epoch: assignmentEpoch, timestampMs: assignmentTimestamp } }
    }
    case consumerGroupTargetAssignmentMember.id: {
      const { groupId, memberId } = decodeRecordKey(consumerGroupTargetAssignmentMember, key)
      if (value === null) return { type: 'target', groupId, memberId, value: null }
      return {
        type: 'target',
        groupId,
        memberId,
        value: targetOf(decodeRecordValue(consumerGroupTargetAssignmentMember, value).topicPartitions),
      }
    }
    case consumerGroupCurrentMemberAssignment.id: {
      const { groupId, memberId } = decodeRecordKey(consumerGroupCurrentMemberAssignment, key)
      return { type: 'current', groupId, memberId, value: value === null ? null : heldByMember(value) }
    }
    case consumerGroupRegularExpression.id: {
      const { groupId, regularExpression } = decodeRecordKey(consumerGroupRegularExpression, key)
      if (value === null) return { type: 'regex', groupId, regex: regularExpression, value: null }
      const { topics, version: metadataVersion, timestamp } = decodeRecordValue(consumerGroupRegularExpression, value)
      return { type: 'regex', groupId, regex: regularExpression, value: { topics, version: metadataVersion, timestampMs: timestamp } }
    }
    default:
      return null
  }
}

function saidByMember(value: Buffer): SaidByMember {
  const { classicMemberMetadata: classic, ...said } = decodeRecordValue(consumerGroupMemberMetadata, value)
  return {
    instanceId: said.instanceId,
    rackId: said.rackId,
    clientId: said.clientId,
    clientHost: said.clientHost,
    subscribedTopicNames: uniqueNames(said.subscribedTopicNames),
    subscribedTopicRegex: said.subscribedTopicRegex ?? '',
    rebalanceTimeoutMs: said.rebalanceTimeoutMs,
    serverAssignor: said.serverAssignor,
    classic:
      classic === null
        ? null
        : {
            sessionTimeoutMs: classic.sessionTimeoutMs,
            // The bytes belong to the reader of the log.
            supportedProtocols: classic.supportedProtocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
          },
  }
}

type RecordPartitions = { topicId: Uuid; partitions: number[]; assignmentEpochs: number[] | null }

function heldByMember(value: Buffer): HeldByMember {
  const { memberEpoch, previousMemberEpoch, state, assignedPartitions, partitionsPendingRevocation } = decodeRecordValue(
    consumerGroupCurrentMemberAssignment,
    value,
  )
  return {
    memberEpoch,
    previousMemberEpoch,
    state: stateOf(state),
    assigned: heldFromRecord(assignedPartitions, memberEpoch),
    pendingRevocation: heldFromRecord(partitionsPendingRevocation, memberEpoch),
  }
}

const stateNames = new Map(Object.entries(memberStates).map(([name, code]) => [code as number, name as MemberState]))

function stateOf(code: number): MemberState {
  return stateNames.get(code) ?? 'UNKNOWN'
}

function heldToRecord(held: Held): RecordPartitions[] {
  return Array.from(held, ([topicId, partitions]) => ({
    topicId,
    partitions: [...partitions.keys()],
    assignmentEpochs: [...partitions.values()],
  }))
}

/** Versions without epochs: the member's own is the most that can be claimed. */
function heldFromRecord(lists: readonly RecordPartitions[], memberEpoch: number): Held {
  return new Map(
    lists.map(({ topicId, partitions, assignmentEpochs }) => [
      topicId,
      new Map(partitions.map((partition, index) => [partition, assignmentEpochs?.[index] ?? memberEpoch])),
    ]),
  )
}
