/** Records of `__consumer_offsets` that streams groups write (KIP-1071). */
import { array, int8, int16, int32, int64, string, struct, uint16 } from '../define.ts'
import { defineCoordinatorRecord } from './coordinator-record.ts'

const lastAssignmentConfig = {
  key: string(),
  value: string(),
}

const endpoint = {
  host: string(),
  port: uint16(),
}

const keyValue = {
  key: string(),
  value: string(),
}

const streamsGroupTargetAssignmentMemberTaskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
}

const taskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
  assignmentEpochs: array(int32(), { nullable: '0+', tag: 0 }),
}

const topicConfig = {
  key: string(),
  value: string(),
}

const topicInfo = {
  name: string(),
  partitions: int32(),
  replicationFactor: int16(),
  topicConfigs: array(struct(topicConfig)),
}

export const streamsGroupRecords = {
  streamsGroupMetadata: defineCoordinatorRecord({
    id: 17,
    name: 'StreamsGroupMetadata',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      epoch: int32(),
      metadataHash: int64(),
      validatedTopologyEpoch: int32({ default: -1, tag: 0 }),
      lastAssignmentConfigs: array(struct(lastAssignmentConfig), { nullable: '0+', tag: 1 }),
      storedDescriptionTopologyEpoch: int32({ default: -1, tag: 2 }),
      failedDescriptionTopologyEpoch: int32({ default: -1, tag: 3 }),
    },
  }),

  streamsGroupMemberMetadata: defineCoordinatorRecord({
    id: 19,
    name: 'StreamsGroupMemberMetadata',
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
      rebalanceTimeoutMs: int32({ default: -1 }),
      topologyEpoch: int32(),
      processId: string(),
      userEndpoint: struct(endpoint, { nullable: '0+', default: null }),
      clientTags: array(struct(keyValue)),
    },
  }),

  streamsGroupTargetAssignmentMetadata: defineCoordinatorRecord({
    id: 20,
    name: 'StreamsGroupTargetAssignmentMetadata',
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

  streamsGroupTargetAssignmentMember: defineCoordinatorRecord({
    id: 21,
    name: 'StreamsGroupTargetAssignmentMember',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
      memberId: string(),
    },
    value: {
      activeTasks: array(struct(streamsGroupTargetAssignmentMemberTaskIds)),
      standbyTasks: array(struct(streamsGroupTargetAssignmentMemberTaskIds)),
      warmupTasks: array(struct(streamsGroupTargetAssignmentMemberTaskIds)),
    },
  }),

  streamsGroupCurrentMemberAssignment: defineCoordinatorRecord({
    id: 22,
    name: 'StreamsGroupCurrentMemberAssignment',
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
      activeTasks: array(struct(taskIds)),
      standbyTasks: array(struct(taskIds)),
      warmupTasks: array(struct(taskIds)),
      activeTasksPendingRevocation: array(struct(taskIds)),
      standbyTasksPendingRevocation: array(struct(taskIds)),
      warmupTasksPendingRevocation: array(struct(taskIds)),
    },
  }),

  streamsGroupTopology: defineCoordinatorRecord({
    id: 23,
    name: 'StreamsGroupTopology',
    versions: '0',
    flexible: '0+',
    key: {
      groupId: string(),
    },
    value: {
      epoch: int32(),
      subtopologies: array(
        struct({
          subtopologyId: string(),
          sourceTopics: array(string()),
          sourceTopicRegex: array(string()),
          stateChangelogTopics: array(struct(topicInfo)),
          repartitionSinkTopics: array(string()),
          repartitionSourceTopics: array(struct(topicInfo)),
          copartitionGroups: array(
            struct({
              sourceTopics: array(int16()),
              sourceTopicRegex: array(int16()),
              repartitionSourceTopics: array(int16()),
            }),
          ),
        }),
      ),
    },
  }),
}
