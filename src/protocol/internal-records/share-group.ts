/** Records of `__consumer_offsets` that share groups write (KIP-932). */
import { array, int8, int32, int64, string, struct, uuid } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
}

const topicPartitionsInfo = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
}

const topicInfo = {
  topicId: uuid(),
  topicName: string(),
}

export const shareGroupRecords = {
  shareGroupMemberMetadata: defineCoordinatorRecord({
    id: 10,
    name: 'ShareGroupMemberMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      memberId: string(),
    },
    value: {
      rackId: string({ nullable: '0+' }),
      clientId: string(),
      clientHost: string(),
      subscribedTopicNames: array(string()),
    },
  }),

  shareGroupMetadata: defineCoordinatorRecord({
    id: 11,
    name: 'ShareGroupMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      epoch: int32(),
      metadataHash: int64(),
    },
  }),

  shareGroupTargetAssignmentMetadata: defineCoordinatorRecord({
    id: 12,
    name: 'ShareGroupTargetAssignmentMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      assignmentEpoch: int32(),
      assignmentTimestamp: int64({ default: 0, tag: 0, ignorable: true }),
    },
  }),

  shareGroupTargetAssignmentMember: defineCoordinatorRecord({
    id: 13,
    name: 'ShareGroupTargetAssignmentMember',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      memberId: string(),
    },
    value: {
      topicPartitions: array(
        struct({
          topicId: uuid(),
          partitions: array(int32()),
        }),
      ),
    },
  }),

  shareGroupCurrentMemberAssignment: defineCoordinatorRecord({
    id: 14,
    name: 'ShareGroupCurrentMemberAssignment',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      memberId: string(),
    },
    value: {
      memberEpoch: int32(),
      previousMemberEpoch: int32(),
      state: int8(),
      assignedPartitions: array(struct(topicPartitions)),
    },
  }),

  shareGroupStatePartitionMetadata: defineCoordinatorRecord({
    id: 15,
    name: 'ShareGroupStatePartitionMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      initializingTopics: array(struct(topicPartitionsInfo)),
      initializedTopics: array(struct(topicPartitionsInfo)),
      deletingTopics: array(struct(topicInfo)),
    },
  }),
}
