/** ConsumerGroupDescribe (key 69, versions 0–1): tells the state of KIP-848 groups */
import { array, bool, defineApi, int8, int16, int32, string, struct, uuid } from '../define.ts'

const topicPartitions = {
  topicId: uuid(),
  topicName: string(),
  partitions: array(int32()),
}

const assignment = {
  topicPartitions: array(struct(topicPartitions)),
}

export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+', default: null }),
        groupId: string(),
        groupState: string(),
        groupEpoch: int32(),
        assignmentEpoch: int32(),
        assignorName: string(),
        members: array(
          struct({
            memberId: string(),
            instanceId: string({ nullable: '0+', default: null }),
            rackId: string({ nullable: '0+', default: null }),
            memberEpoch: int32(),
            clientId: string(),
            clientHost: string(),
            subscribedTopicNames: array(string()),
            subscribedTopicRegex: string({ nullable: '0+', default: null }),
            assignment: struct(assignment),
            targetAssignment: struct(assignment),
            memberType: int8({ versions: '1+', default: -1, ignorable: true }),
          }),
        ),
        authorizedOperations: int32({ default: -2147483648 }),
      }),
    ),
  },
})
