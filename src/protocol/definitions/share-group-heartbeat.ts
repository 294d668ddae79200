/** ShareGroupHeartbeat (key 76, version 1): the whole life of a member of a share group (KIP-932) */
import { array, defineApi, int16, int32, string, struct, uuid } from '../define.ts'

const topicPartitions = {
  topicId: uuid(),
  partitions: array(int32()),
}

export const shareGroupHeartbeat = defineApi({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: '1',
  flexible: '0+',
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    rackId: string({ nullable: '1+', default: null }),
    subscribedTopicNames: array(string(), { nullable: '1+', default: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: '1+', default: null }),
    memberId: string({ nullable: '1+', default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: array(struct(topicPartitions)),
      },
      { nullable: '1+', default: null },
    ),
  },
})
