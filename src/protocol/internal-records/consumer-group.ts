/** Records of `__consumer_offsets` that KIP-848 groups write. */
import { array, bytes, int8, int32, int64, string, struct, uuid } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
  assignmentEpochs: array(int32(), { nullable: '0+', tag: 0 }),
}

export const consumerGroupRecords = {
  consumerGroupMetadata: defineCoordinatorRecord({
    id: 3,
    name: 'ConsumerGroupMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      epoch: int32(),
      metadataHash: int64({ default: 0, tag: 0 }),
    },
  }),

  consumerGroupPartitionMetadata: defineCoordinatorRecord({
    id: 4,
    name: 'ConsumerGroupPartitionMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      topics: array(
        struct({
          topicId: uuid(),
          topicName: string(),
          numPartitions: int32(),
          partitionMetadata: array(
            struct({
              partition: int32(),
              racks: array(string()),
            }),
          ),
        }),
      ),
    },
  }),

  consumerGroupMemberMetadata: defineCoordinatorRecord({
    id: 5,
    name: 'ConsumerGroupMemberMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      memberId: string(),
    },
    value: {
      instanceId: string({ nullable: '0+' }),
      rackId: string({ nullable: '0+' }),
      clientId: string(),
      clientHost: string(),
      subscribedTopicNames: array(string()),
      subscribedTopicRegex: string({ nullable: '0+' }),
      rebalanceTimeoutMs: int32({ default: -1 }),
      serverAssignor: string({ nullable: '0+' }),
      classicMemberMetadata: struct(
        {
          sessionTimeoutMs: int32(),
          supportedProtocols: array(
            struct({
              name: string(),
              metadata: bytes(),
            }),
          ),
        },
        { nullable: '0+', tag: 0 },
      ),
    },
  }),

  consumerGroupTargetAssignmentMetadata: defineCoordinatorRecord({
    id: 6,
    name: 'ConsumerGroupTargetAssignmentMetadata',
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

  consumerGroupTargetAssignmentMember: defineCoordinatorRecord({
    id: 7,
    name: 'ConsumerGroupTargetAssignmentMember',
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

  consumerGroupCurrentMemberAssignment: defineCoordinatorRecord({
    id: 8,
    name: 'ConsumerGroupCurrentMemberAssignment',
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
      partitionsPendingRevocation: array(struct(topicPartitions)),
    },
  }),

  consumerGroupRegularExpression: defineCoordinatorRecord({
    id: 16,
    name: 'ConsumerGroupRegularExpression',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      regularExpression: string(),
    },
    value: {
      topics: array(string()),
      version: int64(),
      timestamp: int64(),
    },
  }),
}
