/** Metadata (key 3, versions 0–13): tells which topics, partitions and brokers there are */
import { array, bool, defineApi, int16, int32, string, struct, uuid } from '../define.ts'

export const metadata = defineApi({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    topics: array(
      struct({
        topicId: uuid({ versions: '10+', ignorable: true }),
        name: string({ nullable: '10+' }),
      }),
      { nullable: '1+' },
    ),
    allowAutoTopicCreation: bool({ versions: '4+', default: true }),
    includeClusterAuthorizedOperations: bool({ versions: '8-10' }),
    includeTopicAuthorizedOperations: bool({ versions: '8+' }),
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', ignorable: true }),
    brokers: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ versions: '1+', nullable: '1+', default: null, ignorable: true }),
      }),
    ),
    clusterId: string({ versions: '2+', nullable: '2+', default: null, ignorable: true }),
    controllerId: int32({ versions: '1+', default: -1, ignorable: true }),
    topics: array(
      struct({
        errorCode: int16(),
        name: string({ nullable: '12+' }),
        topicId: uuid({ versions: '10+', ignorable: true }),
        isInternal: bool({ versions: '1+', default: false, ignorable: true }),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ versions: '7+', default: -1, ignorable: true }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: array(int32(), { versions: '5+', ignorable: true }),
          }),
        ),
        topicAuthorizedOperations: int32({ versions: '8+', default: -2147483648 }),
      }),
    ),
    clusterAuthorizedOperations: int32({ versions: '8-10', default: -2147483648 }),
    errorCode: int16({ versions: '13+', ignorable: true }),
  },
})
