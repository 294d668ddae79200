/** DescribeQuorum (key 55, versions 0–2): tells the state of the metadata quorum (KIP-595) */
import { array, defineApi, int16, int32, int64, string, struct, uint16, uuid } from '../define.ts'

const replicaState = {
  replicaId: int32(),
  replicaDirectoryId: uuid({ versions: '2+' }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ versions: '1+', default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64({ versions: '1+', default: -1, ignorable: true }),
}

export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
          }),
        ),
      }),
    ),
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ versions: '2+', nullable: '2+', ignorable: true }),
    topics: array(
      struct({
        topicName: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            errorMessage: string({ versions: '2+', nullable: '2+', ignorable: true }),
            leaderId: int32(),
            leaderEpoch: int32(),
            highWatermark: int64(),
            currentVoters: array(struct(replicaState)),
            observers: array(struct(replicaState)),
          }),
        ),
      }),
    ),
    nodes: array(
      struct({
        nodeId: int32(),
        listeners: array(
          struct({
            name: string(),
            host: string(),
            port: uint16(),
          }),
        ),
      }),
      { versions: '2+' },
    ),
  },
})
