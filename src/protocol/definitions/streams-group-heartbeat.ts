/** StreamsGroupHeartbeat (key 88, versions 0–1): the whole life of a member of a streams group (KIP-1071) */
import { array, bool, defineApi, int8, int16, int32, int64, string, struct, uint16 } from '../define.ts'

const keyValue = {
  key: string(),
  value: string(),
}

const topicInfo = {
  name: string(),
  partitions: int32(),
  replicationFactor: int16(),
  topicConfigs: array(struct(keyValue)),
}

const endpoint = {
  host: string(),
  port: uint16(),
}

const taskOffset = {
  subtopologyId: string(),
  partition: int32(),
  offset: int64(),
}

const taskIds = {
  subtopologyId: string(),
  partitions: array(int32()),
}

const status = {
  statusCode: int8(),
  statusDetail: string(),
}

const topicPartition = {
  topic: string(),
  partitions: array(int32()),
}

export const streamsGroupHeartbeat = defineApi({
  key: 88,
  name: 'StreamsGroupHeartbeat',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    endpointInformationEpoch: int32(),
    instanceId: string({ nullable: '0+', default: null }),
    rackId: string({ nullable: '0+', default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    topology: struct(
      {
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
      { nullable: '0+', default: null },
    ),
    activeTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    standbyTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    warmupTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    processId: string({ nullable: '0+', default: null }),
    userEndpoint: struct(endpoint, { nullable: '0+', default: null }),
    clientTags: array(struct(keyValue), { nullable: '0+', default: null }),
    taskOffsets: array(struct(taskOffset), { nullable: '0+', default: null }),
    taskEndOffsets: array(struct(taskOffset), { nullable: '0+', default: null }),
    shutdownApplication: bool({ default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    memberId: string(),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    acceptableRecoveryLagLegacy: int32({ versions: '0' }),
    taskOffsetIntervalMs: int32(),
    acceptableRecoveryLag: int64({ versions: '1+', default: -1, ignorable: true }),
    status: array(struct(status), { nullable: '0+' }),
    activeTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    standbyTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    warmupTasks: array(struct(taskIds), { nullable: '0+', default: null }),
    topologyDescriptionRequired: bool({ versions: '1+', default: false }),
    endpointInformationEpoch: int32(),
    partitionsByUserEndpoint: array(
      struct({
        userEndpoint: struct(endpoint),
        activePartitions: array(struct(topicPartition)),
        standbyPartitions: array(struct(topicPartition)),
      }),
      { nullable: '0+', default: null },
    ),
  },
})
